// RandomSharpness: x + (1 − 2 f)(blurred − x), f in 0 … factor; 0 is blurred, 0.5 leaves it, 1 is sharpened.
//
// Blurred is the mean of 3 × 3 numbers, the middle one counted five times; zeros lie outside.
// Source   keras.layers.RandomSharpness, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR, UPPER }; // ORDER args below

static double blurred(const twi_augment_call *call, int64_t y, int64_t x, int64_t k)
{
    double sum = 0;
    for (int64_t i = y - 1; i <= y + 1; i++)
        for (int64_t j = x - 1; j <= x + 1; j++)
            if (i >= 0 && i < call->h && j >= 0 && j < call->w)
                sum += (i == y && j == x ? 5.0 : 1.0) * (double)call->in[(i * call->w + j) * call->c + k];
    return sum / 13;
}

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double factor = 1 - 2 * twi_between(s->value[FACTOR], s->value[UPPER], 0, draw[0]);
    for (int64_t y = 0; y < call->h; y++)
        for (int64_t x = 0; x < call->w; x++)
            for (int64_t k = 0; k < call->c; k++) {
                int64_t at = (y * call->w + x) * call->c + k;
                double in = (double)call->in[at], out = in + factor * (blurred(call, y, x, k) - in);
                call->out[at] = (float)fmin(fmax(out, call->low), call->high);
            }
}

const twi_augment_kind twi_augment_random_sharpness = {
    .setting = {.name = "RandomSharpness",
                .aliases = "random_sharpness sharpness",
                .doc = "blurred below 0.5, sharpened above",
                .args = {TWI_AUG_ARG("factor", 1, 0, 1), TWI_AUG_UPPER("upper", 0, 1)},
                .row = &twi_augment_random_sharpness},
    .n_draws = 1,
    .is_colour = true,
    .apply = apply};
