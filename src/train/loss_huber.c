// Huber: ½ e² where |e| ≤ δ, else δ |e| − ½ δ²; e = p − y, mean over the outputs of a photo.
// Source   keras.losses.Huber, Keras 3.15.

#include "train/loss.h"

enum { DELTA }; // ORDER args below

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    double delta = s->value[DELTA], e = p - y;
    if (fabs(e) <= delta)
        return (twi_loss_point){0.5 * e * e, e};
    return (twi_loss_point){delta * fabs(e) - 0.5 * delta * delta, e > 0 ? delta : -delta};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_huber = {
    .setting = {.name = "Huber",
                .aliases = "huber huber_loss",
                .doc = "squared near the target, linear far from it",
                .args = {{.key = "delta", .otherwise = 1, .low = 0, .high = 1e30}, TWI_LOSS_REDUCTION},
                .row = &twi_loss_huber},
    .on_output = on_output};
