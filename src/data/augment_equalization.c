// Equalization: each channel's levels spread so that all are about equally frequent.
//
//   level = x / 255 · (bins − 1), as a whole number    out = round(255 (cdf(level) − cdf of the lowest) / (all − that))
// Keras counts the levels of a batch together; here a photo is changed by itself, whatever stands beside it.
// Source   keras.layers.Equalization, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { BINS }; // ORDER args below
enum { BINS_MAX = 1024 };

static int level_of(const twi_augment_call *call, double x, int bins)
{
    double scaled = (x - call->low) / (call->high - call->low) * (bins - 1);
    return (int)fmin(fmax(scaled, 0), bins - 1);
}

static void equalize(const twi_augment_call *call, int64_t k, int bins)
{
    int64_t count[BINS_MAX] = {0}, n = call->h * call->w * call->c;
    double table[BINS_MAX];
    for (int64_t i = k; i < n; i += call->c)
        count[level_of(call, (double)call->in[i], bins)]++;
    int64_t sum = 0, lowest = 0, all = call->h * call->w;
    for (int i = 0; i < bins; i++) {
        sum += count[i];
        lowest = lowest ? lowest : sum;
        double share = all > lowest ? (double)(sum - lowest) * 255 / (double)(all - lowest) : 0;
        table[i] = fmin(fmax(nearbyint(share), 0), 255);
    }
    double scale = (call->high - call->low) / 255;
    for (int64_t i = k; i < n; i += call->c)
        call->out[i] = all > lowest
                           ? (float)(table[level_of(call, (double)call->in[i], bins)] * scale + call->low)
                           : call->in[i]; // one level only
}

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    (void)draw;
    for (int64_t k = 0; k < call->c; k++)
        equalize(call, k, (int)s->value[BINS]);
}

const twi_augment_kind twi_augment_equalization = {
    .setting =
        {.name = "Equalization",
         .aliases = "equalization",
         .doc = "levels of each colour spread evenly",
         .args = {{.key = "bins", .otherwise = 256, .low = 2, .high = BINS_MAX, .flags = TW_ARG_WHOLE}},
         .row = &twi_augment_equalization},
    .n_draws = 0,
    .is_colour = true,
    .apply = apply};
