// GaussianDropout: in training every number is multiplied with one from N(1, rate / (1 − rate)).
//
// Source   keras.layers.GaussianDropout, Keras 3.15; Srivastava et al. 2014.

#include "layer/layer.h"

#include <math.h>

typedef struct gaussian_dropout {
    double rate;
} gaussian_dropout;

static const tw_field gaussian_dropout_fields[] = {
    {TWI_FLOAT("rate", "variance of the factors: rate / (1 - rate)", gaussian_dropout, rate, 0, 0.999999),
     .flags = TW_FIELD_REQUIRED},
    TWI_IGNORED("seed"),
    {0}};

static tw_status gaussian_dropout_infer(const gaussian_dropout *c, int n_in, const tw_shape *in,
                                        tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void gaussian_dropout_emit(twi_emitter *e, const gaussian_dropout *c, int n_in, const twi_value *in,
                                  twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    twi_noise_params p = {
        .stddev = sqrt(c->rate / (1 - c->rate)), .is_factor = true, .layer_id = e->layer_id};
    if (e->is_training && p.stddev > 0)
        out[0] = twi_emit_noise(e, in[0], &p);
}

TWI_THUNK_INFER(gaussian_dropout)
TWI_THUNK_EMIT(gaussian_dropout)

static const char *const gaussian_dropout_quick[] = {"rate", NULL};

const tw_layer_kind twi_layer_gaussian_dropout = {
    .name = "GaussianDropout",
    .doc = "multiplies with normal numbers around 1 while training",
    .flags = TWI_KIND_RANDOM | TWI_KIND_LINEAR,
    .size = sizeof(gaussian_dropout),
    .fields = gaussian_dropout_fields,
    .quick = gaussian_dropout_quick,
    .infer = gaussian_dropout_infer_thunk,
    .emit = gaussian_dropout_emit_thunk};
