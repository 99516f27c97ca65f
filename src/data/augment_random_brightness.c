// RandomBrightness: x + factor · (high − low), then cut to the range.
// Source   keras.layers.RandomBrightness, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR, UPPER }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double more = (call->high - call->low) * twi_between(s->value[FACTOR], s->value[UPPER], -1, draw[0]);
    for (int64_t i = 0; i < call->h * call->w * call->c; i++)
        call->out[i] = (float)fmin(fmax((double)call->in[i] + more, call->low), call->high);
}

const twi_augment_kind twi_augment_random_brightness = {
    .setting = {.name = "RandomBrightness",
                .aliases = "random_brightness brightness",
                .doc = "lighter or darker by up to this share of the range",
                .args = {TWI_AUG_ARG("factor", 0.2, -1, 1), TWI_AUG_UPPER("upper", -1, 1)},
                .row = &twi_augment_random_brightness},
    .n_draws = 1,
    .is_colour = true,
    .apply = apply};
