// RandomInvert: high − x with probability factor (Keras counts from 0, whatever the lower end of the range).
// Source   keras.layers.RandomInvert, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    bool inverts = draw[0] <= s->value[FACTOR];
    for (int64_t i = 0; i < call->h * call->w * call->c; i++)
        call->out[i] = inverts ? (float)call->high - call->in[i] : call->in[i];
}

const twi_augment_kind twi_augment_random_invert = {
    .setting = {.name = "RandomInvert",
                .aliases = "random_invert invert",
                .doc = "colours turned into their opposites, with this probability",
                .args = {TWI_AUG_ARG("factor", 1, 0, 1)},
                .row = &twi_augment_random_invert},
    .n_draws = 1,
    .is_colour = true,
    .apply = apply};
