// ReLU: y = x where x is above the threshold, at most max_value; below: negative_slope (x − threshold).
//
// Source   keras.layers.ReLU, Keras 3.15. MobileNets use max_value = 6.

#include "layer/layer.h"

#include <math.h>

typedef struct relu {
    double max_value; // NaN: no limit
    double negative_slope, threshold;
} relu;

static const tw_field relu_fields[] = {
    {TWI_FLOAT("max_value", "largest output", relu, max_value, 0, 1e30), .flags = TW_FIELD_NULLABLE,
     .otherwise = "none"},
    {TWI_FLOAT("negative_slope", "factor below the threshold", relu, negative_slope, 0, 1e30)},
    {TWI_FLOAT("threshold", "where the line begins", relu, threshold, 0, 1e30)},
    {0}};

static tw_status relu_infer(const relu *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void relu_emit(twi_emitter *e, const relu *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    twi_activation_params p = {.function = TWI_RELU,
                               .alpha = isnan(c->max_value) ? INFINITY : c->max_value,
                               .beta = c->negative_slope,
                               .threshold = c->threshold};
    out[0] = twi_emit_activation(e, in[0], &p);
}

TWI_THUNK_INFER(relu)
TWI_THUNK_EMIT(relu)

static const char *const relu_quick[] = {"max_value", NULL};

const tw_layer_kind twi_layer_relu = {.name = "ReLU",
                                      .doc = "cuts off what is below zero",
                                      .flags = TWI_KIND_LINEAR,
                                      .size = sizeof(relu),
                                      .fields = relu_fields,
                                      .quick = relu_quick,
                                      .infer = relu_infer_thunk,
                                      .emit = relu_emit_thunk};
