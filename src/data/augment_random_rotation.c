// RandomRotation: turns the picture around its centre ((W − 1) / 2, (H − 1) / 2) by factor · 360°; positive turns counter-clockwise.
// Source   keras.layers.RandomRotation, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR, UPPER, FILL }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double angle = 2 * acos(-1.0) * twi_between(s->value[FACTOR], s->value[UPPER], -1, draw[0]);
    double cosine = cos(angle), sine = sin(angle);
    double cx = 0.5 * (double)(call->w - 1), cy = 0.5 * (double)(call->h - 1);
    const double m[6] = {cosine, -sine,  cx - cx * cosine + cy * sine,
                         sine,   cosine, cy - cx * sine - cy * cosine};
    twi_affine(s, FILL, call, m);
}

const twi_augment_kind twi_augment_random_rotation = {
    .setting = {.name = "RandomRotation",
                .aliases = "random_rotation rotation",
                .doc = "turned by up to this share of a whole turn",
                .args = {TWI_AUG_ARG("factor", 0.1, -1, 1), TWI_AUG_UPPER("upper", -1, 1), TWI_AUG_FILL},
                .row = &twi_augment_random_rotation},
    .n_draws = 1,
    .apply = apply};
