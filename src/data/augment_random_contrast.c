// RandomContrast: (x − mean of its channel) · c + mean, c in 1 − lower … 1 + factor, then cut to the range.
//
// One number only raises contrast in Keras (lower is 0), and so it does here; the second argument lowers it too.
// Source   keras.layers.RandomContrast, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR, LOWER }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double factor = 1 - s->value[LOWER] + draw[0] * (s->value[LOWER] + s->value[FACTOR]);
    for (int64_t k = 0; k < call->c; k++) {
        double mean = 0;
        for (int64_t i = k; i < call->h * call->w * call->c; i += call->c)
            mean += (double)call->in[i];
        mean /= (double)(call->h * call->w);
        for (int64_t i = k; i < call->h * call->w * call->c; i += call->c)
            call->out[i] =
                (float)fmin(fmax(((double)call->in[i] - mean) * factor + mean, call->low), call->high);
    }
}

const twi_augment_kind twi_augment_random_contrast = {
    .setting = {.name = "RandomContrast",
                .aliases = "random_contrast contrast",
                .doc = "colours moved away from or towards their mean",
                .args = {TWI_AUG_ARG("factor", 0.2, 0, 1), TWI_AUG_ARG("lower", 0, 0, 1)},
                .row = &twi_augment_random_contrast},
    .n_draws = 1,
    .is_colour = true,
    .apply = apply};
