// Solarization: what is, with `addition` added, at or above `threshold` is turned into its opposite, 255 − x.
//
// Both are drawn, from 0 … addition_factor · 255 and 0 … threshold_factor · 255 (of the range of the numbers).
// Source   keras.layers.Solarization, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { ADDITION, THRESHOLD }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double scale = 255 / (call->high - call->low), more = draw[0] * s->value[ADDITION] * 255,
           threshold = draw[1] * s->value[THRESHOLD] * 255;
    for (int64_t i = 0; i < call->h * call->w * call->c; i++) {
        double level = fmin(fmax(((double)call->in[i] - call->low) * scale + more, 0), 255);
        call->out[i] = (float)((level < threshold ? level : 255 - level) / scale + call->low);
    }
}

const twi_augment_kind twi_augment_solarization = {
    .setting = {.name = "Solarization",
                .aliases = "solarization",
                .doc = "light parts turned into their negative",
                .args = {TWI_AUG_ARG("addition_factor", 0, 0, 1), TWI_AUG_ARG("threshold_factor", 0, 0, 1)},
                .row = &twi_augment_solarization},
    .n_draws = 2,
    .is_colour = true,
    .apply = apply};
