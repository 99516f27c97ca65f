// Layers and weights in public: looking, freezing, values. See topwork.h.

#include "graph/model.h"

#include <string.h>

const char *tw_layer_name(const tw_layer *layer)
{
    return layer ? layer->name : NULL;
}

const char *tw_layer_class(const tw_layer *layer)
{
    return layer ? layer->kind->name : NULL;
}

bool tw_layer_is_trainable(const tw_layer *layer)
{
    return layer && layer->is_trainable;
}

void tw_layer_set_trainable(tw_layer *layer, bool value)
{
    if (layer)
        twi_layer_set_trainable(layer, value);
}

tw_counts tw_layer_count_params(const tw_layer *layer)
{
    int64_t yes = 0, no = 0;
    if (layer)
        twi_layer_params(layer, &yes, &no);
    return (tw_counts){yes + no, yes, no};
}

tw_model *tw_layer_nested(const tw_layer *layer)
{
    return layer ? layer->nested : NULL;
}

char *tw_layer_config(const tw_layer *layer, tw_err *err)
{
    json_t *json = layer ? twi_layer_write(layer, err) : NULL;
    char *text = json ? twi_json_text(json, 0, err) : NULL;
    json_decref(json);
    return text;
}

// ------------------------------------------------------------------------------------------------------------- weights

int64_t tw_layer_n_weights(const tw_layer *layer)
{
    return layer ? layer->n_weights : 0;
}

tw_weight *tw_layer_weight(tw_layer *layer, int64_t i)
{
    return layer && i >= 0 && i < layer->n_weights ? &layer->weights[i] : NULL;
}

const char *tw_weight_name(const tw_weight *weight)
{
    return weight ? weight->name : NULL;
}

tw_shape tw_weight_shape(const tw_weight *weight)
{
    return weight ? weight->shape : (tw_shape){0};
}

bool tw_weight_is_trainable(const tw_weight *weight)
{
    return weight && weight->is_trainable;
}

static tw_status check_count(const tw_weight *w, const float *values, int64_t n, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (!values || n != twi_shape_count(&w->shape))
        return twi_fail(err, TW_EINVAL, "weight '%s' has shape %s: %lld values, received %lld", w->name,
                        twi_shape_text(&w->shape, text), (long long)twi_shape_count(&w->shape),
                        values ? (long long)n : 0);
    return TW_OK;
}

tw_status tw_weight_get(const tw_weight *weight, float *values, int64_t n, tw_err *err)
{
    if (!weight)
        return err && err->status ? err->status : TW_EINVAL;
    tw_status status = check_count(weight, values, n, err);
    if (!status && !weight->is_set)
        status = twi_fail(err, TW_EUNUSABLE, "weight '%s' has no values yet: call tw_model_initialize",
                          weight->name);
    if (!status)
        memcpy(values, weight->data, (size_t)n * sizeof *values);
    return status;
}

tw_status tw_weight_set(tw_weight *weight, const float *values, int64_t n, tw_err *err)
{
    if (!weight)
        return err && err->status ? err->status : TW_EINVAL;
    tw_status status = check_count(weight, values, n, err);
    if (!status)
        status = twi_weight_allocate(weight, err);
    if (status)
        return status;
    memcpy(weight->data, values, (size_t)n * sizeof *values);
    weight->is_set = true;
    weight->is_drawn = false;
    weight->version++;
    return TW_OK;
}
