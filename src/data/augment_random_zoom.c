// RandomZoom: scales around the centre by 1 + factor; positive makes things smaller. Without a width factor both axes share one.
// Source   keras.layers.RandomZoom, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { HEIGHT, WIDTH, FILL }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double zy = 1 + twi_between(s->value[HEIGHT], (double)NAN, -1, draw[0]);
    double zx = isnan(s->value[WIDTH]) ? zy : 1 + twi_between(s->value[WIDTH], (double)NAN, -1, draw[1]);
    double cx = 0.5 * (double)(call->w - 1), cy = 0.5 * (double)(call->h - 1);
    const double m[6] = {zx, 0, cx * (1 - zx), 0, zy, cy * (1 - zy)};
    twi_affine(s, FILL, call, m);
}

const twi_augment_kind twi_augment_random_zoom = {
    .setting = {.name = "RandomZoom",
                .aliases = "random_zoom zoom",
                .doc = "made smaller or larger by up to this share",
                .args = {TWI_AUG_ARG("height_factor", 0.1, -0.99, 1), TWI_AUG_UPPER("width_factor", -0.99, 1),
                         TWI_AUG_FILL},
                .row = &twi_augment_random_zoom},
    .n_draws = 2,
    .apply = apply};
