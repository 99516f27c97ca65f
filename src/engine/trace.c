// Tracing: what reaches a value. Freezing is decided here and nowhere else.
//
// A value is live (not frozen) if a trainable weight reaches it, or a random op, or a batch_norm that uses statistics of
// the batch: such a value differs between epochs for the same photo, so it can be neither kept nor folded. So is what comes
// out of a penalty: a prefix that held it would be left out of the loss, where Keras counts frozen layers' activities, too.

#include "engine/inside.h"

#include <stdio.h>
#include <string.h>

bool twi_op_is(const twi_program_op *op, const char *kind)
{
    return strcmp(op->kind->name, kind) == 0;
}

bool twi_op_uses_batch(const twi_program_op *op)
{
    return twi_op_is(op, "batch_norm") && ((const twi_batch_norm_params *)op->params)->is_training;
}

uint8_t *twi_trace(const twi_program *g, tw_err *err)
{
    uint8_t *facts = twi_new(g->values.n, sizeof *facts, "facts about values", err);
    if (!facts)
        return NULL;
    for (size_t v = 0; v < g->values.n; v++) {
        const twi_value_info *info = &g->values.at[v];
        if (info->kind == TWI_VALUE_INPUT)
            facts[v] = TWI_FACT_DATA;
        else if (info->kind == TWI_VALUE_WEIGHT && info->is_trainable)
            facts[v] = TWI_FACT_LIVE | TWI_FACT_TRAINED;
    }
    for (size_t i = 0; i < g->ops.n; i++) {
        const twi_program_op *op = &g->ops.at[i];
        uint8_t reached = 0;
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] != TWI_NONE)
                reached |= facts[op->in[j]];
        if ((op->kind->flags & (TWI_OP_RANDOM | TWI_OP_LOSS)) || twi_op_uses_batch(op))
            reached |= TWI_FACT_LIVE;
        for (int j = 0; j < op->n_out; j++)
            if (g->values.at[op->out[j]].op == (int)i) // else the plan starts there
                facts[op->out[j]] = reached;
    }
    return facts;
}

void twi_trace_needed(const twi_program *g, int n, const twi_value *values, bool *keep, bool *is_needed)
{
    for (int i = 0; i < n; i++)
        is_needed[values[i]] = true;
    for (int i = (int)g->ops.n - 1; i >= 0; i--) {
        const twi_program_op *op = &g->ops.at[i];
        for (int j = 0; j < op->n_out; j++)
            keep[i] |= is_needed[op->out[j]] && g->values.at[op->out[j]].op == i;
        for (int j = 0; keep[i] && j < op->n_in; j++)
            if (op->in[j] != TWI_NONE)
                is_needed[op->in[j]] = true;
    }
}

twi_value twi_place_find(const twi_program *g, const twi_place *place)
{
    if (place->node < 0) {
        for (size_t v = 0; v < g->values.n; v++)
            if (g->values.at[v].kind == TWI_VALUE_INPUT && g->values.at[v].index == place->ordinal)
                return (twi_value)v;
        return TWI_NONE;
    }
    int ordinal = 0;
    for (size_t i = 0; i < g->ops.n; i++)
        if (g->ops.at[i].node == place->node && ordinal++ == place->ordinal)
            return g->ops.at[i].out[0];
    return TWI_NONE;
}

twi_place twi_place_at(const twi_program *g, twi_value v)
{
    const twi_value_info *info = &g->values.at[v];
    twi_place place = {.node = -1, .ordinal = info->index, .shape = twi_shape_batch(&info->shape, -1)};
    snprintf(place.label, sizeof place.label, "input");
    if (info->kind != TWI_VALUE_TEMP)
        return place;
    const twi_program_op *op = &g->ops.at[info->op];
    place.node = op->node;
    place.ordinal = 0;
    for (int i = 0; i < info->op; i++)
        place.ordinal += g->ops.at[i].node == op->node;
    snprintf(place.label, sizeof place.label, "%s", op->label);
    return place;
}

// The path of a weight in its model ("trunk/conv1/kernel"), or its own name if it cannot be found.
static tw_status fail_unset(const tw_model *m, const twi_weight *weight, const char *label, tw_err *err)
{
    twi_weights all = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", label, weight->name);
    if (twi_model_weights(m, &all, err)) {
        twi_weights_clear(&all);
        return TW_ENOMEM;
    }
    for (int i = 0; i < all.n; i++)
        if (all.at[i] == weight)
            snprintf(path, sizeof path, "%s", all.path[i]);
    twi_weights_clear(&all);
    return twi_fail(err, TW_EINVAL, "model '%s': weight '%s' has no values: load weights or initialize them",
                    m->name, path);
}

tw_status twi_check_weights(const tw_model *m, const twi_program *g, const bool *keep, tw_err *err)
{
    for (size_t i = 0; i < g->ops.n; i++)
        for (int j = 0; (!keep || keep[i]) && j < g->ops.at[i].n_in; j++) {
            twi_value v = g->ops.at[i].in[j];
            if (v == TWI_NONE || g->values.at[v].kind != TWI_VALUE_WEIGHT)
                continue;
            const twi_weight *weight = g->values.at[v].weight;
            if (!weight->is_set || !weight->data)
                return fail_unset(m, weight, g->ops.at[i].label, err);
        }
    return TW_OK;
}
