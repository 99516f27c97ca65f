// Adagrad: A += g²   w −= lr g / √(A + ε).
//
// ε stands inside the root; A starts at initial_accumulator_value.
// Slots    accumulator.
// Source   keras.optimizers.Adagrad, Keras 3.15; Duchi, Hazan and Singer, 2011.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, START, EPSILON }; // ORDER args below

static int adagrad_slots(const tw_setting *s)
{
    (void)s;
    return 1;
}

static double adagrad_start(const tw_setting *s, int j)
{
    (void)j;
    return s->value[START];
}

static void adagrad_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, epsilon = (float)s->value[EPSILON];
    float *restrict w = o->w, *restrict sum = o->slot[0];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        sum[i] += g[i] * g[i];
        w[i] -= lr * g[i] / sqrtf(sum[i] + epsilon);
    }
}

const twi_optimizer_kind twi_optimizer_adagrad = {
    .setting = {.name = "Adagrad",
                .aliases = "adagrad",
                .doc = "rates that shrink with all past gradients",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("initial_accumulator_value", 0.1, 0, 1e30),
                         TWI_ARG("epsilon", 1e-7, 0, 1), TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_adagrad},
    .n_slots = adagrad_slots,
    .slot_start = adagrad_start,
    .step = adagrad_step};
