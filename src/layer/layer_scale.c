// LayerScale: y = x · gamma, one learned factor a channel.
//
// Weights  gamma [projection_dim], starts at init_values. Keras gives it no name: its files say variable, variable_1 …
// Source   keras.applications.convnext, Keras 3.15; Touvron et al. 2021.

#include "layer/layer.h"

typedef struct layer_scale {
    double init_values;
    int64_t projection_dim;
} layer_scale;

static const tw_field layer_scale_fields[] = {
    {TWI_FLOAT("init_values", "how gamma starts", layer_scale, init_values, -1e30, 1e30),
     .flags = TW_FIELD_REQUIRED},
    {TWI_INT("projection_dim", "number of channels", layer_scale, projection_dim, 1, TW_DIM_MAX),
     .flags = TW_FIELD_REQUIRED},
    {0}};

static tw_status layer_scale_infer(const layer_scale *c, int n_in, const tw_shape *in, tw_shape *out,
                                   tw_err *err)
{
    (void)n_in;
    if (c->projection_dim != twi_shape_last(in))
        return twi_fail(err, TW_EINVAL,
                        "projection_dim must be the %lld channels of the input, received %lld",
                        (long long)twi_shape_last(in), (long long)c->projection_dim);
    return twi_same_shape(in, out);
}

static void layer_scale_weights(const layer_scale *c, const tw_shape *in, twi_weight_list *list)
{
    (void)in;
    tw_setting init = {.kind = twi_initializer_find("constant"), .value = {c->init_values}};
    twi_weight_ask(list, "gamma", TWI_SHAPE(c->projection_dim), &init, NULL);
}

static void layer_scale_emit(twi_emitter *e, const layer_scale *c, int n_in, const twi_value *in,
                             twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_binary(e, in[0], e->weight[0], TWI_MUL);
}

TWI_THUNK_INFER(layer_scale)
TWI_THUNK_WEIGHTS(layer_scale)
TWI_THUNK_EMIT(layer_scale)

const tw_layer_kind twi_layer_layer_scale = {.name = "LayerScale",
                                             .module = "keras.src.applications.convnext",
                                             .doc = "one learned factor a channel",
                                             .size = sizeof(layer_scale),
                                             .fields = layer_scale_fields,
                                             .infer = layer_scale_infer_thunk,
                                             .weights = layer_scale_weights_thunk,
                                             .emit = layer_scale_emit_thunk};
