// Copying a model: rebuilt from its config, then flags and values, layer by layer. See format.h.

#include "format/format.h"

#include <string.h>

static tw_status copy_weight(const twi_weight *from, twi_weight *to, tw_err *err)
{
    to->is_trainable = from->is_trainable;
    if (!from->is_set)
        return TW_OK;
    tw_status status = twi_weight_allocate(to, err);
    if (status)
        return status;
    memcpy(to->data, from->data, (size_t)twi_shape_count(&from->shape) * sizeof *to->data);
    to->is_set = true;
    to->is_drawn = from->is_drawn;
    to->version++;
    return TW_OK;
}

static twi_layer *named(const tw_model *m, const char *name)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (strcmp(m->layers.at[i]->name, name) == 0)
            return m->layers.at[i];
    return NULL;
}

// Layers that lead nowhere are in no config, so the copy has not got them.
static tw_status copy_values(const tw_model *from, tw_model *to, tw_err *err)
{
    to->is_trainable = from->is_trainable;
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < from->layers.n; i++) {
        const twi_layer *a = from->layers.at[i];
        twi_layer *b = named(to, a->name);
        if (!b)
            continue;
        b->is_trainable = a->is_trainable;
        b->is_inference = a->is_inference;
        for (int j = 0; !status && j < a->n_weights && j < b->n_weights; j++)
            status = copy_weight(&a->weights[j], &b->weights[j], err);
        if (!status && a->nested && b->nested)
            status = copy_values(a->nested, b->nested, err);
    }
    return status;
}

tw_model *twi_model_copy(tw_model *m, tw_err *err)
{
    if (twi_model_verify(m, err))
        return NULL;
    json_t *config = twi_keras_config(m, err);
    tw_model *copy = config ? twi_keras_build(config, m->name, err) : NULL;
    json_decref(config);
    if (!copy)
        return NULL;
    json_t *info = json_deep_copy(m->info), *compile = m->compile ? json_deep_copy(m->compile) : NULL;
    tw_status status = TW_OK;
    if (!info || (m->compile && !compile))
        status = twi_fail_memory(err, 0, "a copy of a model");
    if (info) {
        json_decref(copy->info);
        copy->info = info;
    }
    json_decref(copy->compile);
    copy->compile = compile;
    if (!status)
        status = copy_values(m, copy, err);
    if (!status)
        return copy;
    twi_model_free(copy);
    return NULL;
}
