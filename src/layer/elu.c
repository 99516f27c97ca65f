// ELU: y = x where above zero, else alpha (exp(x) − 1).
//
// Source   keras.layers.ELU, Keras 3.15; Clevert et al. 2016.

#include "layer/layer.h"

typedef struct elu {
    double alpha;
} elu;

static const tw_field elu_fields[] = {
    {TWI_FLOAT("alpha", "how deep it goes below zero", elu, alpha, 0, 1e30), .otherwise = "1"}, {0}};

static tw_status elu_infer(const elu *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void elu_emit(twi_emitter *e, const elu *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_activation(e, in[0], &(twi_activation_params){.function = TWI_ELU, .alpha = c->alpha});
}

TWI_THUNK_INFER(elu)
TWI_THUNK_EMIT(elu)

static const char *const elu_quick[] = {"alpha", NULL};

const tw_layer_kind twi_layer_elu = {.name = "ELU",
                                     .doc = "exponential below zero",
                                     .flags = TWI_KIND_LINEAR,
                                     .size = sizeof(elu),
                                     .fields = elu_fields,
                                     .quick = elu_quick,
                                     .infer = elu_infer_thunk,
                                     .emit = elu_emit_thunk};
