// Which layers learn in front of which: what new, pretrained, frozen and trained layers do to each other. See model.h.
//
// A new layer starts from random numbers. In front of frozen pretrained layers it turns what they know how to read into noise,
// and they cannot adapt: the classifier learns around the damage, far below what the same layers give behind them. A new layer
// that is frozen itself (weights left out of a file) does the same and never gets better. Pretrained
// layers that learn in front of frozen ones start from what these know, so that is allowed; it costs gradients through them.
// BatchNormalization is frozen by default while its neighbours learn, and counts as neither.

#include "graph/model.h"

#include <string.h>

// The first layer upstream that is new, and the first that is pretrained and learns.
typedef struct upstream {
    const twi_layer *fresh, *trained;
} upstream;

static bool has(const twi_layer *layer, bool is_trainable, bool is_new)
{
    for (int i = 0; i < layer->n_weights; i++) {
        const twi_weight *w = &layer->weights[i];
        if (!w->is_state && w->is_trainable == is_trainable && (w->is_drawn || !w->is_set) == is_new)
            return true;
    }
    return false;
}

static void meet(const twi_layer *layer, upstream *u, twi_surgery *found)
{
    bool is_norm = layer->kind->flags & TWI_KIND_NORM;
    if (!is_norm && has(layer, false, false)) {
        if (u->fresh && !found->new_layer) {
            found->new_layer = u->fresh->name;
            found->new_learns = has(u->fresh, true, true);
            found->frozen_after_new = layer->name;
        }
        if (u->trained && !found->trained_layer) {
            found->trained_layer = u->trained->name;
            found->frozen_after_trained = layer->name;
        }
    }
    if (!is_norm && !u->fresh && (has(layer, true, true) || has(layer, false, true)))
        u->fresh = layer;
    if (!is_norm && !u->trained && has(layer, true, false))
        u->trained = layer;
}

static tw_status walk(const tw_model *m, const upstream *in, upstream *out, twi_surgery *found, tw_err *err)
{
    upstream *at = twi_new(m->nodes.n, sizeof *at, "layers", err);
    tw_status status = at ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < m->nodes.n; i++) {
        const twi_node *node = &m->nodes.at[i];
        const twi_layer *layer = m->layers.at[node->layer];
        upstream args[TWI_LAYER_IN_MAX] = {{0}};
        for (size_t j = 0; j < m->inputs.n; j++)
            if (m->inputs.at[j].node == (int)i && in)
                at[i] = in[j];
        for (int j = 0; j < node->n_in; j++) {
            args[j] = at[node->in[j].node];
            at[i].fresh = at[i].fresh ? at[i].fresh : args[j].fresh;
            at[i].trained = at[i].trained ? at[i].trained : args[j].trained;
        }
        if (layer->nested)
            status = walk(layer->nested, args, &at[i], found, err);
        else
            meet(layer, &at[i], found);
    }
    for (size_t i = 0; !status && out && i < m->outputs.n; i++) {
        const upstream *o = &at[m->outputs.at[i].node];
        out->fresh = out->fresh ? out->fresh : o->fresh;
        out->trained = out->trained ? out->trained : o->trained;
    }
    twi_free(at);
    return status;
}

tw_status twi_model_surgery(const tw_model *m, twi_surgery *found, tw_err *err)
{
    *found = (twi_surgery){0};
    return walk(m, NULL, NULL, found, err);
}

tw_status twi_model_check_surgery(const tw_model *m, char **note, tw_err *err)
{
    twi_surgery found;
    tw_status status = twi_model_surgery(m, &found, err);
    if (note)
        *note = NULL;
    if (status)
        return status;
    if (found.new_layer)
        return twi_fail_at(
            err, TW_EINVAL, found.new_layer, -1,
            "new layer '%s' would %s in front of pretrained layers that are frozen, such as '%s'\n"
            "it starts from random numbers, and they cannot adapt to what it gives them\n"
            "try  putting it behind them, letting them learn too (freeze none, or fine-tuning), or weights "
            "for it",
            found.new_layer, found.new_learns ? "learn" : "stand", found.frozen_after_new);
    if (!found.trained_layer || !note)
        return TW_OK;
    twi_str text = {0};
    twi_str_printf(
        &text,
        "'%s' learns in front of frozen layers, such as '%s': allowed, since both are pretrained; gradients "
        "go through what is frozen",
        found.trained_layer, found.frozen_after_trained);
    *note = twi_str_take(&text, err);
    return *note ? TW_OK : TW_ENOMEM;
}

tw_status twi_model_mark_trained(tw_model *m, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (all.at[i]->is_trainable)
            all.at[i]->is_drawn = false;
    twi_weights_clear(&all);
    return status;
}
