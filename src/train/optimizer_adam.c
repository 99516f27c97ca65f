// Adam: steps scaled by running estimates of the gradient's mean m and square v.
//
//   m += (g − m)(1 − β₁)   v += (g² − v)(1 − β₂)   a = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ)   w −= a m / (√v + ε)
// ε stands outside the root and is not bias-corrected; amsgrad uses the largest v seen.
// Slots    momentum, velocity[, velocity_hat].
// Source   keras.optimizers.Adam, Keras 3.15; Kingma and Ba, 2015.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, BETA_1, BETA_2, EPSILON, AMSGRAD }; // ORDER args below

static int adam_slots(const tw_setting *s)
{
    return s->value[AMSGRAD] != 0 ? 3 : 2;
}

TWI_VECTOR static void adam_step(const tw_setting *s, const twi_optimizer_step *o)
{
    double b1 = s->value[BETA_1], b2 = s->value[BETA_2], t = (double)o->t;
    float a = (float)(o->lr * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t)));
    float keep1 = (float)(1 - b1), keep2 = (float)(1 - b2), epsilon = (float)s->value[EPSILON];
    float *restrict w = o->w, *restrict m = o->slot[0], *restrict v = o->slot[1], *restrict hat = o->slot[2];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += (g[i] - m[i]) * keep1;
        v[i] += (g[i] * g[i] - v[i]) * keep2;
    }
    if (hat)
        for (int64_t i = 0; i < o->n; i++)
            hat[i] = fmaxf(hat[i], v[i]);
    const float *restrict root = hat ? hat : v;
    for (int64_t i = 0; i < o->n; i++)
        w[i] -= a * m[i] / (sqrtf(root[i]) + epsilon);
}

const twi_optimizer_kind twi_optimizer_adam = {
    .setting = {.name = "Adam",
                .aliases = "adam",
                .doc = "adaptive steps; the usual choice",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 0, TWI_BELOW_ONE),
                         TWI_ARG("beta_2", 0.999, 0, TWI_BELOW_ONE), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_ARG_FLAG("amsgrad", 0), TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_adam},
    .n_slots = adam_slots,
    .groups = 1u << 2,
    .step = adam_step};
