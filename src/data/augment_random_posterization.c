// RandomPosterization: only the `factor` highest of the 8 bits of each number are kept.
// Source   keras.layers.RandomPosterization, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { BITS }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    (void)draw;
    int shift = 8 - (int)s->value[BITS];
    double scale = 255 / (call->high - call->low);
    for (int64_t i = 0; i < call->h * call->w * call->c; i++) {
        double level = fmin(fmax(((double)call->in[i] - call->low) * scale, 0), 255);
        unsigned kept = (unsigned)level >> shift << shift;
        call->out[i] = (float)((double)kept / scale + call->low);
    }
}

const twi_augment_kind twi_augment_random_posterization = {
    .setting = {.name = "RandomPosterization",
                .aliases = "random_posterization posterization",
                .doc = "fewer shades: this many bits a colour",
                .args = {{.key = "factor", .otherwise = 4, .low = 1, .high = 8, .flags = TW_ARG_WHOLE}},
                .row = &twi_augment_random_posterization},
    .n_draws = 0,
    .is_colour = true,
    .apply = apply};
