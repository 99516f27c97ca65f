// SGD: w −= lr g; with momentum μ: m = μ m − lr g, then w += m, or w += μ m − lr g (Nesterov).
//
// Slots    momentum, if μ > 0.
// Source   keras.optimizers.SGD, Keras 3.15.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, MOMENTUM, NESTEROV }; // ORDER args below

static int sgd_slots(const tw_setting *s)
{
    return s->value[MOMENTUM] > 0;
}

static void sgd_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, mu = (float)s->value[MOMENTUM];
    float *restrict w = o->w, *restrict m = o->slot[0];
    const float *restrict g = o->g;
    if (mu <= 0) {
        for (int64_t i = 0; i < o->n; i++)
            w[i] -= lr * g[i];
        return;
    }
    for (int64_t i = 0; i < o->n; i++)
        m[i] = mu * m[i] - lr * g[i];
    if (s->value[NESTEROV] != 0)
        for (int64_t i = 0; i < o->n; i++)
            w[i] += mu * m[i] - lr * g[i];
    else
        for (int64_t i = 0; i < o->n; i++)
            w[i] += m[i];
}

const twi_optimizer_kind twi_optimizer_sgd = {
    .setting = {.name = "SGD",
                .aliases = "sgd",
                .doc = "plain gradient steps, with or without momentum",
                .args = {TWI_LEARNING_RATE(0.01), TWI_ARG("momentum", 0, 0, 1), TWI_ARG_FLAG("nesterov", 0),
                         TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_sgd},
    .n_slots = sgd_slots,
    .step = sgd_step};
