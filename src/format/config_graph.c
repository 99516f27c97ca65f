// Reading Functional configs: layers by name, calls as nodes, in whatever order they are listed (interop c3, a4).
//
//   Keras 3  inbound_nodes: [{"args": [tensor, [tensor, tensor], …], "kwargs": {…}}, …], one item a call
//   Keras 2  inbound_nodes: [[["conv1", call, slot, {kwargs}], …], …]
// Calls are counted per layer. A nested model counts its own making as call 0 in Keras 2, and in Keras 3 only in
// input_layers and output_layers.

#include "format/config_read.h"

#include <string.h>

typedef struct ref {
    const char *name;
    int64_t call, slot;
} ref;

typedef struct refs {
    ref *at;
    size_t n, cap;
} refs;

// A layer of the config and how far its calls have been made.
typedef struct entry {
    const json_t *object;
    const char *name;
    const json_t *calls; // inbound_nodes
    int n_calls, done;
    bool is_input, is_model, counts_itself; // counts_itself: call 0 is its own making
    twi_layer *layer;                       // made at its first call
    twi_tensor *out;                        // [n_calls] results
} entry;

typedef struct graph {
    twi_config_reader *r;
    tw_model *m;
    entry *entries;
    int n;
    json_t *index; // name → position in entries
    bool is_keras2;
} graph;

static tw_status wrong(const graph *g, const char *what, const char *name)
{
    return twi_fail_at(g->r->err, TW_EMALFORMED, g->r->where, -1, "%s: model '%s': %s '%s'",
                       twi_base_name(g->r->where), g->m->name, what, name);
}

// ----------------------------------------------------------------------------------------------------------- references

static bool is_triple(const json_t *v)
{
    return json_is_array(v) && json_array_size(v) >= 3 && json_is_string(json_array_get(v, 0)) &&
           json_is_integer(json_array_get(v, 1)) && json_is_integer(json_array_get(v, 2));
}

static tw_status push_triple(const graph *g, const json_t *v, refs *out)
{
    ref one = {json_string_value(json_array_get(v, 0)), json_integer_value(json_array_get(v, 1)),
               json_integer_value(json_array_get(v, 2))};
    return twi_vec_push(out, one, g->r->err) ? TW_OK : TW_ENOMEM;
}

// input_layers, output_layers: one triple, or lists or objects of them.
static tw_status read_triples(const graph *g, const json_t *v, refs *out)
{
    if (is_triple(v))
        return push_triple(g, v, out);
    tw_status status =
        json_is_array(v) || json_is_object(v) ? TW_OK : wrong(g, "not a reference in", g->m->name);
    for (size_t i = 0; !status && i < json_array_size(v); i++)
        status = read_triples(g, json_array_get(v, i), out);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)v, key, value) if (!status) status = read_triples(g, value, out);
    return status;
}

// What a call gives beside tensors: numbers of a bare operation (x / 127.5), which become part of its config.
typedef struct call {
    refs in;
    json_t *numbers; // key → number
    bool is_inference;
} call;

static tw_status plain_value(const graph *g, const entry *e)
{
    return twi_fail_at(g->r->err, TW_EUNSUPPORTED, g->r->where, -1,
                       "%s: not supported yet: layer '%s' is called with a plain value",
                       twi_base_name(g->r->where), e->name);
}

// The key of the operation's argument at `position`, or the one called `name`; NULL: it takes no number there.
static const char *argument_key(const entry *e, size_t position, const char *name)
{
    const tw_layer_kind *kind = e->is_model ? NULL : twi_config_kind(e->object);
    for (const tw_field *f = kind ? kind->fields : NULL; f && f->key; f++)
        if ((f->flags & TW_FIELD_ARGUMENT) && (name ? strcmp(f->key, name) == 0 : position-- == 0))
            return f->key;
    return NULL;
}

// One argument: a tensor, a list of them, a number where the operation takes one, or nothing.
static tw_status read_argument(const graph *g, const entry *e, const json_t *v, const char *key, call *out)
{
    tw_status status = TW_OK;
    if (json_is_null(v) || json_is_false(v))
        return TW_OK;
    if (is_triple(v))
        return g->is_keras2 ? push_triple(g, v, &out->in) : plain_value(g, e);
    if (json_is_array(v)) {
        for (size_t i = 0; !status && i < json_array_size(v); i++)
            status = read_argument(g, e, json_array_get(v, i), NULL, out);
        return status;
    }
    if (json_is_number(v) && key)
        return json_object_set(out->numbers, key, (json_t *)v) == 0 ? TW_OK : TW_ENOMEM;
    const json_t *history = json_object_get(json_object_get(v, "config"), "keras_history");
    if (strcmp(twi_json_string(v, "class_name", ""), "__keras_tensor__") == 0 && is_triple(history))
        return push_triple(g, history, &out->in);
    return plain_value(g, e);
}

static tw_status read_keywords(const graph *g, const entry *e, const json_t *kwargs, call *out)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)kwargs, key, value)
    {
        if (strcmp(key, "training") == 0) {
            out->is_inference = json_is_false(value);
            continue;
        }
        if (strcmp(key, "name") == 0 && json_is_string(value))
            continue;
        // Keras 2's operations call their arguments x and y.
        const char *name = strcmp(key, "x") == 0 ? "x1" : strcmp(key, "y") == 0 ? "x2" : key;
        tw_status status = read_argument(g, e, value, argument_key(e, 0, name), out);
        if (status)
            return status;
    }
    return TW_OK;
}

// Keras 2: [name, call, slot] or [name, call, slot, {kwargs}].
static tw_status read_triple(const graph *g, const entry *e, const json_t *v, call *out)
{
    tw_status status = is_triple(v) ? push_triple(g, v, &out->in)
                                    : wrong(g, "not a reference in the calls of layer", e->name);
    return status ? status : read_keywords(g, e, json_array_get(v, 3), out);
}

static tw_status read_call(const graph *g, const entry *e, const json_t *v, call *out)
{
    tw_status status = TW_OK;
    if (json_is_object(v)) {
        const json_t *args = json_object_get(v, "args");
        for (size_t i = 0; !status && i < json_array_size(args); i++)
            status = read_argument(g, e, json_array_get(args, i), argument_key(e, i, NULL), out);
        return status ? status : read_keywords(g, e, json_object_get(v, "kwargs"), out);
    }
    if (is_triple(v))
        return read_triple(g, e, v, out);
    for (size_t i = 0; !status && i < json_array_size(v); i++)
        status = read_triple(g, e, json_array_get(v, i), out);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- calls

static entry *find(const graph *g, const char *name)
{
    const json_t *at = json_object_get(g->index, name);
    return at ? &g->entries[json_integer_value(at)] : NULL;
}

// Finds the tensor; *is_ready is false while the call is still to be made.
static tw_status resolve(const graph *g, const ref *want, bool counts_itself, twi_tensor *out, bool *is_ready)
{
    const entry *e = find(g, want->name);
    if (!e)
        return wrong(g, "no layer", want->name);
    int64_t at = want->call - counts_itself;
    if (at < 0 && want->call == 0 && e->n_calls)
        at = g->is_keras2 ? 0 : e->n_calls - 1; // Keras 3 indexes as Python does
    if (at < 0 || at >= e->n_calls || want->slot < 0 || want->slot >= TWI_OP_OUT_MAX)
        return wrong(g, "a call that is not made is referred to, of layer", want->name);
    *is_ready = at < e->done;
    if (*is_ready)
        *out = (twi_tensor){e->out[at].node, (int)want->slot};
    return TW_OK;
}

static tw_status make_layer(graph *g, entry *e, const twi_tensor *in, const call *c)
{
    tw_shape shapes[TWI_LAYER_IN_MAX];
    for (size_t i = 0; i < c->in.n; i++)
        shapes[i] = twi_model_shape(g->m, in[i]);
    json_t *object = json_copy((json_t *)e->object);
    if (json_object_size(c->numbers)) {
        json_t *config = json_copy(json_object_get(object, "config"));
        json_object_update(config, c->numbers);
        json_object_set_new(object, "config", config);
    }
    e->layer = twi_config_layer(g->r, object, (twi_hints){(int)c->in.n, shapes});
    json_decref(object);
    if (!e->layer)
        return TW_EMALFORMED;
    if (!e->layer->name)
        e->layer->name = twi_strdup(e->name, g->r->err);
    return e->layer->name ? TW_OK : TW_ENOMEM;
}

static tw_status find_inputs(const graph *g, const call *c, twi_tensor *in, bool *is_ready)
{
    tw_status status = TW_OK;
    *is_ready = true;
    for (size_t i = 0; !status && *is_ready && i < c->in.n; i++) {
        const ref *want = &c->in.at[i];
        const entry *from = find(g, want->name);
        status = resolve(g, want, g->is_keras2 && from && from->counts_itself, &in[i], is_ready);
        if (!status && *is_ready && in[i].slot >= g->m->nodes.at[in[i].node].n_out)
            status = wrong(g, "an output that is not there is referred to, of layer", want->name);
    }
    return status;
}

// Makes the entry's next call if its inputs are there.
static tw_status try_call(graph *g, entry *e, call *c, bool *is_made)
{
    twi_tensor in[TWI_LAYER_IN_MAX];
    bool is_ready = false;
    *is_made = false;
    c->in.n = 0;
    c->is_inference = false;
    json_object_clear(c->numbers);
    tw_status status = read_call(g, e, json_array_get(e->calls, (size_t)e->done), c);
    if (!status && (c->in.n == 0 || c->in.n > TWI_LAYER_IN_MAX))
        return wrong(g, "no inputs, or too many, for layer", e->name);
    if (!status)
        status = find_inputs(g, c, in, &is_ready);
    if (!status && is_ready && !e->layer)
        status = make_layer(g, e, in, c);
    if (status || !is_ready)
        return status;
    e->layer->is_inference |= c->is_inference && e->layer->nested;
    twi_tensor out = twi_model_call(g->m, e->layer, (int)c->in.n, in);
    if (out.node < 0)
        return TW_EMALFORMED; // the model holds the reason
    e->out[e->done++] = out;
    *is_made = true;
    return TW_OK;
}

static tw_status make_calls(graph *g)
{
    call scratch = {.numbers = json_object()};
    tw_status status = scratch.numbers ? TW_OK : TW_ENOMEM;
    for (bool is_done = false; !status && !is_done;) {
        bool is_any = false;
        const entry *stuck = NULL;
        for (int i = 0; !status && i < g->n; i++) {
            entry *e = &g->entries[i];
            for (bool is_made = true; !status && is_made && e->done < e->n_calls; is_any |= is_made)
                status = try_call(g, e, &scratch, &is_made);
            if (e->done < e->n_calls)
                stuck = e;
        }
        is_done = !stuck;
        if (!status && stuck && !is_any)
            status = wrong(g, "calls go round in a circle or miss an input, at layer", stuck->name);
    }
    twi_vec_clear(&scratch.in);
    json_decref(scratch.numbers);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- model

// Whether Keras 2 gave the nested model a call of its own making: all but Sequentials without an input shape.
static bool counts_itself(const json_t *object)
{
    if (strcmp(twi_json_string(object, "class_name", ""), "Sequential") != 0)
        return true;
    const json_t *config = json_object_get(object, "config");
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    const json_t *first = json_array_get(layers, 0);
    return twi_config_is_input(first) ||
           json_object_get(json_object_get(first, "config"), "batch_input_shape");
}

static tw_status read_entries(graph *g, const json_t *layers)
{
    g->n = (int)json_array_size(layers);
    g->entries = twi_new((size_t)g->n, sizeof *g->entries, "layers", g->r->err);
    g->index = json_object();
    if (!g->entries || !g->index)
        return TW_ENOMEM;
    for (int i = 0; i < g->n; i++) {
        entry *e = &g->entries[i];
        e->object = json_array_get(layers, (size_t)i);
        e->name = twi_json_string(e->object, "name",
                                  twi_json_string(json_object_get(e->object, "config"), "name", NULL));
        if (!e->name)
            return wrong(g, "a layer has no name in", g->m->name);
        if (find(g, e->name))
            return wrong(g, "two layers are named", e->name);
        json_object_set_new(g->index, e->name, json_integer(i));
        e->calls = json_object_get(e->object, "inbound_nodes");
        e->is_input = twi_config_is_input(e->object);
        e->is_model = twi_config_is_model(e->object);
        e->counts_itself = e->is_model && counts_itself(e->object);
        e->n_calls = e->is_input ? 1 : (int)json_array_size(e->calls);
        e->out = twi_new((size_t)e->n_calls, sizeof *e->out, "layers", g->r->err);
        if (!e->out)
            return TW_ENOMEM;
        g->is_keras2 |= json_is_array(json_array_get(e->calls, 0));
    }
    return TW_OK;
}

static tw_status make_inputs(graph *g, const json_t *listed, twi_hints hints)
{
    refs in = {0};
    tw_status status = read_triples(g, listed, &in);
    for (size_t i = 0; !status && i < in.n; i++) {
        entry *e = find(g, in.at[i].name);
        if (!e || !e->is_input || e->done) {
            status = wrong(g, "not an input:", in.at[i].name);
            break;
        }
        e->layer = twi_config_input(g->r, e->object, (int)i < hints.n ? &hints.at[i] : NULL);
        twi_tensor t = e->layer ? twi_model_call(g->m, e->layer, 0, NULL) : (twi_tensor){-1, 0};
        if (t.node < 0 || !twi_vec_push(&g->m->inputs, t, g->r->err)) {
            status = TW_EMALFORMED;
            break;
        }
        e->out[0] = t;
        e->done = 1;
    }
    for (int i = 0; !status && i < g->n; i++)
        if (g->entries[i].is_input && !g->entries[i].done)
            status = wrong(g, "input_layers does not list input", g->entries[i].name);
    twi_vec_clear(&in);
    return status;
}

static tw_status set_outputs(graph *g, const json_t *listed)
{
    refs out = {0};
    tw_status status = read_triples(g, listed, &out);
    for (size_t i = 0; !status && i < out.n; i++) {
        const entry *e = find(g, out.at[i].name);
        // Only Functional counts itself here in Keras 3; a nested Sequential does not.
        bool counts =
            e && e->is_model &&
            (g->is_keras2 ? e->counts_itself
                          : strcmp(twi_json_string(e->object, "class_name", ""), "Sequential") != 0);
        twi_tensor t;
        bool is_ready = true;
        status = resolve(g, &out.at[i], counts, &t, &is_ready);
        if (!status && (!is_ready || t.slot >= g->m->nodes.at[t.node].n_out))
            status = wrong(g, "an output that is not there is referred to, of layer", out.at[i].name);
        if (!status)
            twi_model_output(g->m, t);
    }
    twi_vec_clear(&out);
    return status;
}

tw_status twi_config_functional(twi_config_reader *r, tw_model *m, const json_t *config, twi_hints hints)
{
    const json_t *layers = json_object_get(config, "layers");
    if (json_array_size(layers) == 0 || json_array_size(layers) > TWI_LAYERS_MAX)
        return twi_fail_at(r->err, TW_EMALFORMED, r->where, -1,
                           "%s: model '%s' has %zu layers, expected 1 to %d", twi_base_name(r->where),
                           m->name, json_array_size(layers), (int)TWI_LAYERS_MAX);
    graph g = {.r = r, .m = m};
    tw_status status = read_entries(&g, layers);
    if (!status)
        status = make_inputs(&g, json_object_get(config, "input_layers"), hints);
    if (!status)
        status = make_calls(&g);
    if (!status)
        status = set_outputs(&g, json_object_get(config, "output_layers"));
    for (int i = 0; g.entries && i < g.n; i++) {
        twi_layer_free(g.entries[i].layer);
        twi_free(g.entries[i].out);
    }
    twi_free(g.entries);
    json_decref(g.index);
    return status;
}
