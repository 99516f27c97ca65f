// RandomGrayscale: 0.2989 R + 0.587 G + 0.114 B in all channels, with probability factor.
// Source   keras.layers.RandomGrayscale, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR }; // ORDER args below

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    bool greys = draw[0] < s->value[FACTOR];
    for (int64_t i = 0; i < call->h * call->w; i++) {
        const float *rgb = call->in + i * call->c;
        float grey = 0.2989f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
        for (int64_t k = 0; k < call->c; k++)
            call->out[i * call->c + k] = greys ? grey : rgb[k];
    }
}

const twi_augment_kind twi_augment_random_grayscale = {.setting = {.name = "RandomGrayscale",
                                                                   .aliases = "random_grayscale grayscale",
                                                                   .doc = "grey, with this probability",
                                                                   .args = {TWI_AUG_ARG("factor", 0.5, 0, 1)},
                                                                   .row = &twi_augment_random_grayscale},
                                                       .n_draws = 1,
                                                       .is_colour = true,
                                                       .apply = apply};
