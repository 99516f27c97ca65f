// CustomScaleLayer: y = x + scale · residual, for inputs x and residual.
//
// Source   keras.applications.inception_resnet_v2, Keras 3.15.

#include "layer/layer.h"

typedef struct custom_scale_layer {
    double scale;
} custom_scale_layer;

static const tw_field custom_scale_layer_fields[] = {
    {TWI_FLOAT("scale", "factor of the second input", custom_scale_layer, scale, -1e30, 1e30),
     .flags = TW_FIELD_REQUIRED},
    {0}};

static tw_status custom_scale_layer_infer(const custom_scale_layer *c, int n_in, const tw_shape *in,
                                          tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in;
    if (!twi_shape_same(&in[0], &in[1]))
        return twi_fail(err, TW_EINVAL, "both inputs must have the same shape");
    return twi_same_shape(in, out);
}

static void custom_scale_layer_emit(twi_emitter *e, const custom_scale_layer *c, int n_in,
                                    const twi_value *in, twi_value *out)
{
    (void)n_in;
    twi_value scaled = twi_emit_binary(e, in[1], twi_emit_numbers(e, 1, &c->scale), TWI_MUL);
    out[0] = twi_emit_binary(e, in[0], scaled, TWI_ADD);
}

TWI_THUNK_INFER(custom_scale_layer)
TWI_THUNK_EMIT(custom_scale_layer)

const tw_layer_kind twi_layer_custom_scale_layer = {.name = "CustomScaleLayer",
                                                    .module = "keras.src.applications.inception_resnet_v2",
                                                    .doc = "adds a scaled residual",
                                                    .in_min = 2,
                                                    .in_max = 2,
                                                    .size = sizeof(custom_scale_layer),
                                                    .fields = custom_scale_layer_fields,
                                                    .infer = custom_scale_layer_infer_thunk,
                                                    .emit = custom_scale_layer_emit_thunk};
