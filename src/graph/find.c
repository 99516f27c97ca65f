// Looking into models: layers by path, weights in Keras's order, the order of model.layers. See model.h.

#include "graph/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tw_shape twi_model_shape(const tw_model *m, twi_tensor t)
{
    return m->nodes.at[t.node].out[t.slot];
}

static twi_layer *find_here(const tw_model *m, const char *name, size_t n)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (strlen(m->layers.at[i]->name) == n && memcmp(m->layers.at[i]->name, name, n) == 0)
            return m->layers.at[i];
    return NULL;
}

twi_layer *twi_model_find(const tw_model *m, const char *path)
{
    if (!m)
        return NULL;
    twi_layer *found = find_here(m, path, strlen(path));
    const char *slash = strchr(path, '/');
    if (!found && slash) {
        const twi_layer *nest = find_here(m, path, (size_t)(slash - path));
        return nest && nest->nested ? twi_model_find(nest->nested, slash + 1) : NULL;
    }
    for (size_t i = 0; !found && i < m->layers.n; i++)
        if (m->layers.at[i]->nested)
            found = twi_model_find(m->layers.at[i]->nested, path);
    return found;
}

// ------------------------------------------------------------------------------------------------------ Keras's order

typedef struct order_walk {
    const tw_model *m;
    int *index; // [layers] first visit in a depth-first walk from the outputs; -1: not reached
    int *depth; // [layers] longest path to an output
    int *node_depth;
    int *done; // nodes in the order the walk left them: inputs first
    int next, n_done;
} order_walk;

// Pre-order: a node's operation gets its index when first met, then its inputs in argument order.
static void visit(order_walk *w, int node, char *seen)
{
    const twi_node *n = &w->m->nodes.at[node];
    if (seen[node])
        return;
    seen[node] = 1;
    if (w->index[n->layer] < 0)
        w->index[n->layer] = w->next++;
    for (int i = 0; i < n->n_in; i++)
        visit(w, n->in[i].node, seen);
    w->done[w->n_done++] = node;
}

// Against the walk's direction, as Keras does: a call of a shared layer counts as deep as the deepest call met so far, and
// hands that depth on to its inputs. Group names in files depend on it.
static void measure_depths(order_walk *w)
{
    for (int k = w->n_done; k-- > 0;) {
        const twi_node *n = &w->m->nodes.at[w->done[k]];
        int *depth = &w->node_depth[w->done[k]];
        if (w->depth[n->layer] > *depth)
            *depth = w->depth[n->layer];
        w->depth[n->layer] = *depth;
        for (int j = 0; j < n->n_in; j++)
            if (w->node_depth[n->in[j].node] < *depth + 1)
                w->node_depth[n->in[j].node] = *depth + 1;
    }
}

static bool comes_before(const order_walk *w, int a, int b)
{
    return w->depth[a] != w->depth[b] ? w->depth[a] > w->depth[b] : w->index[a] < w->index[b];
}

static int sort_layers(const order_walk *w, bool ops, int *order)
{
    int n = 0;
    for (int i = 0; i < (int)w->m->layers.n; i++) {
        const twi_layer *layer = w->m->layers.at[i];
        if (w->index[i] == -1 || (!ops && (layer->kind->flags & TWI_KIND_OP)) ||
            (w->m->is_sequential && (layer->kind->flags & TWI_KIND_INPUT)))
            continue;
        int at = n++;
        for (; at > 0 && comes_before(w, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return n;
}

int *twi_model_order(const tw_model *m, bool ops, int *n, tw_err *err)
{
    size_t layers = m->layers.n, nodes = m->nodes.n;
    int *memory = twi_new(3 * layers + 2 * nodes, sizeof *memory, "an order", err);
    char *seen = twi_new(nodes, 1, "an order", err);
    if (!memory || !seen) {
        twi_free(memory);
        twi_free(seen);
        return NULL;
    }
    order_walk w = {.m = m,
                    .index = memory + layers,
                    .depth = memory + 2 * layers,
                    .node_depth = memory + 3 * layers,
                    .done = memory + 3 * layers + nodes};
    for (size_t i = 0; i < layers; i++)
        w.index[i] = -1;
    for (size_t i = 0; i < m->outputs.n; i++)
        visit(&w, m->outputs.at[i].node, seen);
    measure_depths(&w);
    // Inputs that lead nowhere still belong to the model: before all else at depth 0.
    for (size_t i = m->inputs.n; i-- > 0;)
        if (!seen[m->inputs.at[i].node])
            w.index[m->nodes.at[m->inputs.at[i].node].layer] = INT_MIN + (int)i;
    *n = sort_layers(&w, ops, memory);
    twi_free(seen);
    return memory;
}

// --------------------------------------------------------------------------------------------------------------- names

typedef twi_vec(const char *) name_list;

static bool list_names(const tw_model *m, name_list *names, tw_err *err)
{
    for (size_t i = 0; i < m->layers.n; i++) {
        const twi_layer *layer = m->layers.at[i];
        if (!twi_vec_push(names, layer->name, err) ||
            (layer->nested && !list_names(layer->nested, names, err)))
            return false;
    }
    return true;
}

tw_status twi_model_no_layer(const tw_model *m, const char *name, tw_err *err)
{
    name_list names = {0};
    tw_err own = {0};
    if (!list_names(m, &names, &own)) {
        twi_vec_clear(&names);
        return twi_fail_memory(err, 0, "layer names");
    }
    const char *near = twi_str_nearest(name, names.at, names.n);
    const char *what = strpbrk(name, "*?") ? "matches" : "is called";
    if (near)
        twi_fail(err, TW_EINVAL, "no layer of model '%s' %s '%s'; did you mean '%s'?", m->name, what, name,
                 near);
    else
        twi_fail(err, TW_EINVAL, "no layer of model '%s' %s '%s'; it has %zu, from '%s' to '%s'", m->name,
                 what, name, m->layers.n, names.at[0], m->layers.at[m->layers.n - 1]->name);
    twi_vec_clear(&names);
    return TW_EINVAL;
}

static twi_layer *at_place(const tw_model *m, const char *text, tw_err *err)
{
    int n;
    int *order = twi_model_order(m, false, &n, err);
    if (!order)
        return NULL;
    char *end;
    long i = strtol(text, &end, 10), from = i < 0 ? i + n : i;
    twi_layer *layer = NULL;
    if (end == text || *end || from < 0 || from >= n)
        twi_fail(err, TW_EINVAL, "no layer #%s in model '%s': it has layers #0 to #%d, or #-%d to #-1", text,
                 m->name, n - 1, n);
    else
        layer = m->layers.at[order[from]];
    twi_free(order);
    return layer;
}

twi_layer *twi_model_named(const tw_model *m, const char *name, tw_err *err)
{
    twi_layer *layer = find_here(m, name, strlen(name));
    if (layer)
        return layer;
    if (*name == '#')
        return at_place(m, name + 1, err);
    twi_model_no_layer(m, name, err);
    return NULL;
}

// ------------------------------------------------------------------------------------------------------------- weights

typedef struct collector {
    twi_vec(twi_weight *) at;
    twi_vec(twi_layer *) layer;
    twi_vec(char *) path;
    tw_err *err;
} collector;

static bool has_weight(const collector *c, const twi_weight *w)
{
    for (size_t i = 0; i < c->at.n; i++)
        if (c->at.at[i] == w)
            return true;
    return false;
}

static tw_status collect_model(collector *c, const tw_model *m, const char *prefix);

static tw_status collect_layer(collector *c, twi_layer *layer, const char *prefix)
{
    char path[512];
    bool is_known = layer->n_weights && has_weight(c, &layer->weights[0]);
    for (int i = 0; !is_known && i < layer->n_weights; i++) {
        snprintf(path, sizeof path, "%s%s/%s", prefix, layer->name, layer->weights[i].name);
        char *copy = twi_strdup(path, c->err);
        if (!copy || !twi_vec_push(&c->at, &layer->weights[i], c->err) ||
            !twi_vec_push(&c->layer, layer, c->err) || !twi_vec_push(&c->path, copy, c->err)) {
            twi_free(copy);
            return TW_ENOMEM;
        }
    }
    if (!layer->nested)
        return TW_OK;
    snprintf(path, sizeof path, "%s%s/", prefix, layer->name);
    return collect_model(c, layer->nested, path);
}

static tw_status collect_model(collector *c, const tw_model *m, const char *prefix)
{
    int n;
    int *order = twi_model_order(m, false, &n, c->err);
    tw_status status = order ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < n; i++)
        status = collect_layer(c, m->layers.at[order[i]], prefix);
    twi_free(order);
    return status;
}

tw_status twi_model_weights(const tw_model *m, twi_weights *out, tw_err *err)
{
    collector c = {.err = err};
    tw_status status = collect_model(&c, m, "");
    *out = (twi_weights){.n = (int)c.at.n, .at = c.at.at, .layer = c.layer.at, .path = c.path.at};
    if (status) {
        out->n = (int)c.path.n;
        twi_weights_clear(out);
    }
    return status;
}

void twi_weights_clear(twi_weights *w)
{
    for (int i = 0; i < w->n; i++)
        twi_free(w->path[i]);
    twi_free(w->path);
    twi_free(w->at);
    twi_free(w->layer);
    *w = (twi_weights){0};
}

tw_status twi_model_initialize(tw_model *m, uint64_t seed,
                               tw_status (*fill)(const twi_weight *w, uint64_t seed, uint32_t index,
                                                 float *data, tw_err *err),
                               tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++) {
        twi_weight *w = all.at[i];
        if (w->is_set)
            continue;
        status = twi_weight_allocate(w, err);
        if (!status)
            status = fill(w, seed, (uint32_t)i, w->data, err);
        w->is_set = w->is_drawn = !status;
        w->version++;
    }
    twi_weights_clear(&all);
    return status;
}
