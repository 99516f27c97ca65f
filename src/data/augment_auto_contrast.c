// AutoContrast: each channel stretched to the whole range; one of a single value stays.
// Source   keras.layers.AutoContrast, Keras 3.15.

#include "data/augment.h"

#include <math.h>

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    (void)s, (void)draw;
    for (int64_t k = 0; k < call->c; k++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = k; i < call->h * call->w * call->c; i += call->c) {
            low = fmin(low, (double)call->in[i]);
            high = fmax(high, (double)call->in[i]);
        }
        double scale = high > low ? (call->high - call->low) / (high - low) : 1;
        for (int64_t i = k; i < call->h * call->w * call->c; i += call->c)
            call->out[i] =
                high > low ? (float)(((double)call->in[i] - low) * scale + call->low) : call->in[i];
    }
}

const twi_augment_kind twi_augment_auto_contrast = {
    .setting = {.name = "AutoContrast",
                .aliases = "auto_contrast",
                .doc = "each colour stretched to its whole range",
                .row = &twi_augment_auto_contrast},
    .n_draws = 0,
    .is_colour = true,
    .apply = apply};
