// LeakyReLU: y = x where above zero, else negative_slope · x.
//
// Source   keras.layers.LeakyReLU, Keras 3.15 (Keras 2 called the slope alpha).

#include "layer/layer.h"

#include <math.h>

typedef struct leaky_relu {
    double slope;
} leaky_relu;

static const tw_field leaky_relu_fields[] = {
    {TWI_FLOAT("negative_slope", "factor below zero", leaky_relu, slope, 0, 1e30), .otherwise = "0.3"},
    {TWI_FLOAT("alpha", "factor below zero", leaky_relu, slope, 0, 1e30), .flags = TW_FIELD_OLD},
    {0}};

static tw_status leaky_relu_infer(const leaky_relu *c, int n_in, const tw_shape *in, tw_shape *out,
                                  tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void leaky_relu_emit(twi_emitter *e, const leaky_relu *c, int n_in, const twi_value *in,
                            twi_value *out)
{
    (void)n_in;
    twi_activation_params p = {.function = TWI_RELU, .alpha = INFINITY, .beta = c->slope};
    out[0] = twi_emit_activation(e, in[0], &p);
}

TWI_THUNK_INFER(leaky_relu)
TWI_THUNK_EMIT(leaky_relu)

static const char *const leaky_relu_quick[] = {"negative_slope", NULL};

const tw_layer_kind twi_layer_leaky_relu = {.name = "LeakyReLU",
                                            .doc = "flattens what is below zero",
                                            .flags = TWI_KIND_LINEAR,
                                            .size = sizeof(leaky_relu),
                                            .fields = leaky_relu_fields,
                                            .quick = leaky_relu_quick,
                                            .infer = leaky_relu_infer_thunk,
                                            .emit = leaky_relu_emit_thunk};
