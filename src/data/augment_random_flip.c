// RandomFlip: mirrors the picture with probability one half.
//
// In the mode horizontal_and_vertical both flips share one draw: both or none (Keras does this). Here the mode is horizontal
// unless said otherwise: few photos are ever seen upside down.
// Source   keras.layers.RandomFlip, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { MODE }; // ORDER args below

static const char *const modes[] = {"horizontal", "vertical", "horizontal_and_vertical", NULL};
enum { HORIZONTAL, VERTICAL };

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    bool flips = draw[0] <= 0.5, across = s->value[MODE] != VERTICAL, down = s->value[MODE] != HORIZONTAL;
    for (int64_t y = 0; y < call->h; y++)
        for (int64_t x = 0; x < call->w; x++) {
            int64_t i = flips && down ? call->h - 1 - y : y, j = flips && across ? call->w - 1 - x : x;
            for (int64_t k = 0; k < call->c; k++)
                call->out[(y * call->w + x) * call->c + k] = call->in[(i * call->w + j) * call->c + k];
        }
}

const twi_augment_kind twi_augment_random_flip = {
    .setting = {.name = "RandomFlip",
                .aliases = "random_flip flip",
                .doc = "left and right (or up and down) exchanged, or not",
                .args = {{.key = "mode", .low = 0, .high = 2, .choices = modes}},
                .row = &twi_augment_random_flip},
    .n_draws = 1,
    .apply = apply};
