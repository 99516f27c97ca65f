// BinaryFocalCrossentropy: (1 − pₜ)^γ · binary cross-entropy, pₜ = y p + (1 − y)(1 − p), mean over the outputs of a photo.
//
// apply_class_balancing multiplies with y α + (1 − y)(1 − α). p is clipped to [ε, 1 − ε] inside the logarithms only.
// Source   keras.losses.BinaryFocalCrossentropy, Keras 3.15.
// Lin et al., 2017.

#include "train/loss.h"

enum { GAMMA, ALPHA, BALANCED, SMOOTHING }; // ORDER args below

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    double gamma = s->value[GAMMA], alpha = s->value[ALPHA];
    y = y * (1 - s->value[SMOOTHING]) + 0.5 * s->value[SMOOTHING];
    double q = fmin(fmax(p, TWI_LOSS_EPSILON), 1 - TWI_LOSS_EPSILON);
    double entropy = -(y * log(q) + (1 - y) * log(1 - q)), rest = 1 - (y * p + (1 - y) * (1 - p));
    double factor = pow(rest, gamma), balance = s->value[BALANCED] ? y * alpha + (1 - y) * (1 - alpha) : 1;
    double of_entropy = q == p ? (q - y) / (q * (1 - q)) : 0;
    double of_factor = gamma > 0 && rest > 0 ? -gamma * pow(rest, gamma - 1) * (2 * y - 1) : 0;
    return (twi_loss_point){balance * factor * entropy,
                            balance * (of_factor * entropy + factor * of_entropy)};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_binary_focal_crossentropy = {
    .setting = {.name = "BinaryFocalCrossentropy",
                .aliases = "binary_focal_crossentropy",
                .doc = "binary cross-entropy that looks at hard photos",
                .args = {{.key = "gamma", .otherwise = 2, .low = 0, .high = 100},
                         {.key = "alpha", .otherwise = 0.25, .low = 0, .high = 1},
                         {.key = "apply_class_balancing", .low = 0, .high = 1, .flags = TW_ARG_FLAG},
                         TWI_LOSS_SMOOTHING,
                         TWI_LOSS_LOGITS,
                         TWI_LOSS_REDUCTION},
                .row = &twi_loss_binary_focal_crossentropy},
    .on_output = on_output,
    .final = TWI_FINAL_SIGMOID};
