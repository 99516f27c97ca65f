// RandomHue: hue + ±½ · factor · draw, on the circle of colours.
// Source   keras.layers.RandomHue, Keras 3.15.

#include "data/augment.h"

#include <math.h>

enum { FACTOR }; // ORDER args below

// Hue, saturation and value of one pixel in 0 … 1, and back.
static void to_hsv(const double rgb[3], double hsv[3])
{
    double high = fmax(fmax(rgb[0], rgb[1]), rgb[2]), low = fmin(fmin(rgb[0], rgb[1]), rgb[2]),
           range = high - low;
    double norm = range > 0 ? 1 / (6 * range) : 0, hue = 0;
    if (range > 0)
        hue = high == rgb[0]   ? norm * (rgb[1] - rgb[2])
              : high == rgb[1] ? norm * (rgb[2] - rgb[0]) + 2.0 / 6
                               : norm * (rgb[0] - rgb[1]) + 4.0 / 6;
    hsv[0] = hue < 0 ? hue + 1 : hue;
    hsv[1] = high > 0 ? range / high : 0;
    hsv[2] = high;
}

static double bounded(double x)
{
    return fmin(fmax(x, 0), 1);
}

static void to_rgb(const double hsv[3], double rgb[3])
{
    double d = 6 * (hsv[0] - floor(hsv[0]));
    rgb[0] = hsv[2] * (1 - hsv[1] + hsv[1] * bounded(fabs(d - 3) - 1));
    rgb[1] = hsv[2] * (1 - hsv[1] + hsv[1] * bounded(2 - fabs(d - 2)));
    rgb[2] = hsv[2] * (1 - hsv[1] + hsv[1] * bounded(2 - fabs(d - 4)));
}

static void apply(const tw_setting *s, const double *draw, const twi_augment_call *call)
{
    double turn = (draw[0] > 0.5 ? -0.5 : 0.5) * s->value[FACTOR] * draw[1];
    double range = call->high - call->low;
    for (int64_t i = 0; i < call->h * call->w; i++) {
        double rgb[3], hsv[3];
        for (int k = 0; k < 3; k++)
            rgb[k] = ((double)call->in[i * 3 + k] - call->low) / range;
        to_hsv(rgb, hsv);
        hsv[0] += turn;
        hsv[0] += hsv[0] > 1 ? -1 : hsv[0] < 0 ? 1 : 0;
        to_rgb(hsv, rgb);
        for (int k = 0; k < 3; k++)
            call->out[i * 3 + k] = (float)(bounded(rgb[k]) * range + call->low);
    }
}

const twi_augment_kind twi_augment_random_hue = {
    .setting = {.name = "RandomHue",
                .aliases = "random_hue hue",
                .doc = "the colour circle turned by up to this share of a half",
                .args = {TWI_AUG_ARG("factor", 0.2, 0, 1)},
                .row = &twi_augment_random_hue},
    .n_draws = 2,
    .is_colour = true,
    .apply = apply};
