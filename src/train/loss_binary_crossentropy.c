// BinaryCrossentropy: −(y ln p + (1 − y) ln(1 − p)), mean over the outputs of a photo.
//
// From logits: max(z, 0) − z y + ln(1 + e^−|z|), which neither overflows nor clips. From predictions Keras clips p to
// [ε, 1 − ε], ε = 1e-7. Label smoothing s: y ← y (1 − s) + s/2.
// Source   keras.losses.BinaryCrossentropy, Keras 3.15.
//
// This is the annotated example of the room's lists: a row with Keras's name and arguments, and two functions.

#include "train/loss.h"

#include <math.h>

#define EPSILON TWI_LOSS_EPSILON

enum { LABEL_SMOOTHING }; // ORDER args below

static double smoothed(const tw_setting *s, double y)
{
    return y * (1 - s->value[LABEL_SMOOTHING]) + 0.5 * s->value[LABEL_SMOOTHING];
}

static double on_logits(const tw_setting *s, const twi_loss_call *c)
{
    double sum = 0, per_output = 1.0 / (double)c->k, per_photo = 1.0 / (double)c->n;
    for (int64_t i = 0; i < c->n * c->k; i++) {
        double weight = c->weight ? c->weight[i / c->k] : 1, y = smoothed(s, c->y[i]), z = c->value[i];
        sum += weight * per_output * (fmax(z, 0) - z * y + log1p(exp(-fabs(z))));
        if (c->grad)
            c->grad[i] = (float)(weight * per_output * per_photo * (1 / (1 + exp(-z)) - y));
    }
    return sum;
}

static double on_output(const tw_setting *s, const twi_loss_call *c)
{
    double sum = 0, per_output = 1.0 / (double)c->k, per_photo = 1.0 / (double)c->n;
    for (int64_t i = 0; i < c->n * c->k; i++) {
        double weight = c->weight ? c->weight[i / c->k] : 1, y = smoothed(s, c->y[i]);
        double p = fmin(fmax(c->value[i], EPSILON), 1 - EPSILON);
        bool is_clipped = p != (double)c->value[i];
        sum -= weight * per_output * (y * log(p) + (1 - y) * log(1 - p));
        if (c->grad)
            c->grad[i] = is_clipped ? 0 : (float)(weight * per_output * per_photo * (p - y) / (p * (1 - p)));
    }
    return sum;
}

const twi_loss_kind twi_loss_binary_crossentropy = {
    .setting = {.name = "BinaryCrossentropy",
                .aliases = "binary_crossentropy bce",
                .doc = "two classes, or several independent ones",
                .args = {TWI_LOSS_SMOOTHING, TWI_LOSS_LOGITS, TWI_LOSS_REDUCTION},
                .row = &twi_loss_binary_crossentropy},
    .on_output = on_output,
    .on_logits = on_logits,
    .final = TWI_FINAL_SIGMOID};
