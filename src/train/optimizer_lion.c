// Lion: w −= lr sign(β₁ m + (1 − β₁) g), then m = β₂ m + (1 − β₂) g.
//
// Every value moves by lr, so rates are 3 to 10 times smaller than Adam's.
// Slots    momentum.
// Source   keras.optimizers.Lion, Keras 3.15; Chen et al., 2023.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, BETA_1, BETA_2 }; // ORDER args below

static int lion_slots(const tw_setting *s)
{
    (void)s;
    return 1;
}

TWI_VECTOR static void lion_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, b1 = (float)s->value[BETA_1], b2 = (float)s->value[BETA_2];
    float rest1 = 1 - b1, rest2 = 1 - b2;
    float *restrict w = o->w, *restrict m = o->slot[0];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        float way = m[i] * b1 + g[i] * rest1;
        w[i] -= way > 0 ? lr : way < 0 ? -lr : 0;
        m[i] = m[i] * b2 + g[i] * rest2;
    }
}

const twi_optimizer_kind twi_optimizer_lion = {
    .setting = {.name = "Lion",
                .aliases = "lion",
                .doc = "steps of one size, by the sign of the momentum",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 1e-30, 1),
                         TWI_ARG("beta_2", 0.99, 0, TWI_BELOW_ONE), TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_lion},
    .n_slots = lion_slots,
    .step = lion_step};
