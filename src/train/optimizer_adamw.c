// AdamW: Adam with decoupled weight decay: w −= w · weight_decay · lr before the step, for every trainable weight.
//
// Slots    momentum, velocity.
// Source   keras.optimizers.AdamW, Keras 3.15; Loshchilov and Hutter, 2019.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, WEIGHT_DECAY, BETA_1, BETA_2, EPSILON }; // ORDER args below

static int adamw_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

static void adamw_step(const tw_setting *s, const twi_optimizer_step *o)
{
    double b1 = s->value[BETA_1], b2 = s->value[BETA_2], t = (double)o->t;
    float a = (float)(o->lr * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t)));
    float decay = (float)(s->value[WEIGHT_DECAY] * o->lr);
    float keep1 = (float)(1 - b1), keep2 = (float)(1 - b2), epsilon = (float)s->value[EPSILON];
    float *restrict w = o->w, *restrict m = o->slot[0], *restrict v = o->slot[1];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += (g[i] - m[i]) * keep1;
        v[i] += (g[i] * g[i] - v[i]) * keep2;
        w[i] -= w[i] * decay;
        w[i] -= a * m[i] / (sqrtf(v[i]) + epsilon);
    }
}

const twi_optimizer_kind twi_optimizer_adamw = {
    .setting = {.name = "AdamW",
                .aliases = "adamw",
                .doc = "Adam that also shrinks the weights",
                .args = {{.key = "learning_rate", .otherwise = 1e-3, .low = 0, .high = 1e3},
                         {.key = "weight_decay", .otherwise = 4e-3, .low = 0, .high = 1e3},
                         {.key = "beta_1", .otherwise = 0.9, .low = 0, .high = 1},
                         {.key = "beta_2", .otherwise = 0.999, .low = 0, .high = 1},
                         {.key = "epsilon", .otherwise = 1e-7, .low = 0, .high = 1}},
                .row = &twi_optimizer_adamw},
    .n_slots = adamw_slots,
    .step = adamw_step};
