// RandomErasing: a rectangle whose sides are √u of the picture's, u in scale_low … scale_high for each side, around a point
// drawn evenly and cut off at the rim, becomes fill_value, with probability factor.
//
// Keras fills with noise where no value is given; here the value is 0 then: noise of every pixel would need a stream of its own.
// Source   keras.layers.RandomErasing, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR, LOW, HIGH, VALUE }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double span = s->value[HIGH] - s->value[LOW];
    double w = sqrt(s->value[LOW] + draw[1] * span) * (double)call->w, x = draw[2] * (double)call->w;
    double h = sqrt(s->value[LOW] + draw[3] * span) * (double)call->h, y = draw[4] * (double)call->h;
    bool erases = draw[0] < s->value[FACTOR];
    for (int64_t i = 0; i < call->h; i++)
        for (int64_t j = 0; j < call->w; j++) {
            bool is_in = erases && fabs((double)i + 0.5 - y) < h / 2 && fabs((double)j + 0.5 - x) < w / 2;
            for (int64_t k = 0; k < call->c; k++)
                call->out[(i * call->w + j) * call->c + k] =
                    is_in ? (float)s->value[VALUE] : call->in[(i * call->w + j) * call->c + k];
        }
}

const twi_augment_kind twi_augment_random_erasing = {
    .setting = {.name = "RandomErasing",
                .aliases = "random_erasing erasing",
                .doc = "a rectangle is blanked out",
                .args = {TWI_AUG_ARG("factor", 1, 0, 1), TWI_AUG_ARG("scale_low", 0.02, 0, 1),
                         TWI_AUG_ARG("scale_high", 0.33, 0, 1), TWI_AUG_ARG("fill_value", 0, -1e6, 1e6)},
                .row = &twi_augment_random_erasing},
    .n_draws = 5,
    .apply = apply};
