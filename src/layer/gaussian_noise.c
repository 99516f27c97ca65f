// GaussianNoise: in training a number from N(0, stddev²) is added to every number.
//
// Source   keras.layers.GaussianNoise, Keras 3.15; an input's noise as augmentation.

#include "layer/layer.h"

#include <math.h>

typedef struct gaussian_noise {
    double stddev;
} gaussian_noise;

static const tw_field gaussian_noise_fields[] = {
    {TWI_FLOAT("stddev", "standard deviation of what is added", gaussian_noise, stddev, 0, 1e6),
     .flags = TW_FIELD_REQUIRED},
    TWI_IGNORED("seed"),
    {0}};

static tw_status gaussian_noise_infer(const gaussian_noise *c, int n_in, const tw_shape *in, tw_shape *out,
                                      tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void gaussian_noise_emit(twi_emitter *e, const gaussian_noise *c, int n_in, const twi_value *in,
                                twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    twi_noise_params p = {.stddev = c->stddev, .layer_id = e->layer_id};
    if (e->is_training && p.stddev > 0)
        out[0] = twi_emit_noise(e, in[0], &p);
}

TWI_THUNK_INFER(gaussian_noise)
TWI_THUNK_EMIT(gaussian_noise)

static const char *const gaussian_noise_quick[] = {"stddev", NULL};

const tw_layer_kind twi_layer_gaussian_noise = {.name = "GaussianNoise",
                                                .doc = "adds normal numbers while training",
                                                .flags = TWI_KIND_RANDOM | TWI_KIND_LINEAR,
                                                .size = sizeof(gaussian_noise),
                                                .fields = gaussian_noise_fields,
                                                .quick = gaussian_noise_quick,
                                                .infer = gaussian_noise_infer_thunk,
                                                .emit = gaussian_noise_emit_thunk};
