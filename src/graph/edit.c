// Editing models: cutting. The result shares layers and weights with the original. See model.h.

#include "graph/model.h"

// Marks the ancestors of a node.
static void mark(const tw_model *m, int node, char *keep)
{
    if (keep[node])
        return;
    keep[node] = 1;
    for (int i = 0; i < m->nodes.at[node].n_in; i++)
        mark(m, m->nodes.at[node].in[i].node, keep);
}

static tw_status copy_kept(tw_model *cut, const tw_model *m, const char *keep, int last, tw_err *err)
{
    int *new_of = twi_new(m->nodes.n, sizeof *new_of, "a cut", err);
    if (!new_of)
        return TW_ENOMEM;
    for (size_t i = 0; i < m->nodes.n && !cut->err.status; i++) {
        const twi_node *node = &m->nodes.at[i];
        if (!keep[i])
            continue;
        twi_tensor in[TWI_LAYER_IN_MAX];
        for (int j = 0; j < node->n_in; j++)
            in[j] = (twi_tensor){new_of[node->in[j].node], node->in[j].slot};
        twi_tensor out = twi_model_call(cut, m->layers.at[node->layer], node->n_in, in);
        new_of[i] = out.node;
        for (size_t j = 0; j < m->inputs.n; j++)
            if (m->inputs.at[j].node == (int)i)
                twi_vec_push(&cut->inputs, out, &cut->err);
        if ((int)i == last)
            for (int slot = 0; slot < node->n_out; slot++)
                twi_model_output(cut, (twi_tensor){out.node, slot});
    }
    twi_free(new_of);
    return twi_model_verify(cut, err);
}

static char *dropped_names(const tw_model *m, const char *keep, tw_err *err)
{
    twi_str names = {0};
    for (size_t i = 0; i < m->nodes.n; i++)
        if (!keep[i])
            twi_str_printf(&names, "%s%s", names.n ? ", " : "", m->layers.at[m->nodes.at[i].layer]->name);
    return twi_str_take(&names, err);
}

tw_model *twi_model_cut(tw_model *m, const char *layer, char **dropped, tw_err *err)
{
    int last = -1;
    const twi_layer *end = twi_model_named(m, layer, err);
    for (size_t i = 0; end && i < m->nodes.n; i++)
        if (m->layers.at[m->nodes.at[i].layer] == end)
            last = (int)i;
    if (last < 0)
        return NULL;
    char *keep = twi_new(m->nodes.n, 1, "a cut", err);
    tw_model *cut = keep ? twi_model_new(m->name, m->is_sequential, err) : NULL;
    if (cut) {
        mark(m, last, keep);
        json_object_update(cut->info, m->info);
        if (copy_kept(cut, m, keep, last, err)) {
            twi_model_free(cut);
            cut = NULL;
        } else if (dropped) {
            *dropped = dropped_names(m, keep, err);
        }
    }
    twi_free(keep);
    return cut;
}
