// RandomShear: x moves with y and y with x, both in the direction of one drawn sign.
// Source   keras.layers.RandomShear, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { X, Y, FILL }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double sign = draw[0] > 0.5 ? -1 : 1, shear_y = sign * s->value[Y] * draw[1],
           shear_x = sign * s->value[X] * draw[2];
    const double m[6] = {1, shear_x, 0, shear_y, 1, 0};
    twi_affine(s, FILL, call, m);
}

const twi_augment_kind twi_augment_random_shear = {
    .setting = {.name = "RandomShear",
                .aliases = "random_shear shear",
                .doc = "slanted by up to this share",
                .args = {TWI_AUG_ARG("x_factor", 0.1, 0, 1), TWI_AUG_ARG("y_factor", 0, 0, 1), TWI_AUG_FILL},
                .row = &twi_augment_random_shear},
    .n_draws = 3,
    .apply = apply};
