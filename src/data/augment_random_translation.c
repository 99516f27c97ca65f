// RandomTranslation: moves the picture by height_factor · H down and width_factor · W to the right.
// Source   keras.layers.RandomTranslation, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { HEIGHT, WIDTH, FILL }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double dy = (double)call->h * twi_between(s->value[HEIGHT], (double)NAN, -1, draw[0]);
    double dx = (double)call->w * twi_between(s->value[WIDTH], (double)NAN, -1, draw[1]);
    const double m[6] = {1, 0, -dx, 0, 1, -dy};
    twi_affine(s, FILL, call, m);
}

const twi_augment_kind twi_augment_random_translation = {
    .setting = {.name = "RandomTranslation",
                .aliases = "random_translation translation shift",
                .doc = "moved by up to this share of its size",
                .args = {TWI_AUG_ARG("height_factor", 0.1, -1, 1), TWI_AUG_ARG("width_factor", 0.1, -1, 1),
                         TWI_AUG_FILL},
                .row = &twi_augment_random_translation},
    .n_draws = 2,
    .apply = apply};
