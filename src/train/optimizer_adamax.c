// Adamax: Adam with the infinity norm.
//
//   m += (g − m)(1 − β₁)   u = max(β₂ u, |g|)   w −= lr m / ((1 − β₁ᵗ)(u + ε))
// Slots    momentum, norm.
// Source   keras.optimizers.Adamax, Keras 3.15; Kingma and Ba, 2015.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, BETA_1, BETA_2, EPSILON }; // ORDER args below

static int adamax_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

TWI_VECTOR static void adamax_step(const tw_setting *s, const twi_optimizer_step *o)
{
    double b1 = s->value[BETA_1];
    float lr = (float)o->lr, keep = (float)(1 - b1), b2 = (float)s->value[BETA_2];
    float rest = (float)(1 - pow(b1, (double)o->t)), epsilon = (float)s->value[EPSILON];
    float *restrict w = o->w, *restrict m = o->slot[0], *restrict u = o->slot[1];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += (g[i] - m[i]) * keep;
        u[i] = fmaxf(b2 * u[i], fabsf(g[i]));
        w[i] -= lr * m[i] / (rest * (u[i] + epsilon));
    }
}

const twi_optimizer_kind twi_optimizer_adamax = {
    .setting = {.name = "Adamax",
                .aliases = "adamax",
                .doc = "Adam with the largest recent gradient as scale",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 0, TWI_BELOW_ONE),
                         TWI_ARG("beta_2", 0.999, 0, TWI_BELOW_ONE), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_adamax},
    .n_slots = adamax_slots,
    .step = adamax_step};
