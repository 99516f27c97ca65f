// RandomColorDegeneration: factor of the way from the colours to their grey, drawn from −factor … factor.
// Source   keras.layers.RandomColorDegeneration, Keras 3.15 (grey: 0.2989 R + 0.587 G + 0.114 B).

#include "data/augment.h"

#include <math.h>

enum { FACTOR, UPPER }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double factor = twi_between(s->value[FACTOR], s->value[UPPER], -1, draw[0]);
    for (int64_t i = 0; i < call->h * call->w; i++) {
        const float *in = call->in + i * 3;
        double grey = 0.2989 * (double)in[0] + 0.587 * (double)in[1] + 0.114 * (double)in[2];
        for (int k = 0; k < 3; k++) {
            double x = (double)in[k] + factor * (grey - (double)in[k]);
            call->out[i * 3 + k] = (float)fmin(fmax(x, call->low), call->high);
        }
    }
}

const twi_augment_kind twi_augment_random_color_degeneration = {
    .setting = {.name = "RandomColorDegeneration",
                .aliases = "random_color_degeneration color_degeneration",
                .doc = "colours paler, or stronger where drawn below 0",
                .args = {TWI_AUG_ARG("factor", 0.5, -1, 1), TWI_AUG_UPPER("upper", -1, 1)},
                .row = &twi_augment_random_color_degeneration},
    .n_draws = 1,
    .is_colour = true,
    .apply = apply};
