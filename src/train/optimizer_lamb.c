// Lamb: Adam's step, scaled to the size of the weight it moves.
//
//   m̂ = m / (1 − β₁ᵗ)   v̂ = v / (1 − β₂ᵗ)   r = m̂ / (√v̂ + ε)   w −= lr · ‖w‖ / ‖r‖ · r   (ratio 1 where a norm is 0)
// Slots    momentum, velocity.
// Source   keras.optimizers.Lamb, Keras 3.15; You et al., 2020.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, BETA_1, BETA_2, EPSILON }; // ORDER args below
enum { RATIO };                                  // number[] of a weight

static int lamb_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

// The norms need all of m and v, so these move here; the step itself only applies them.
static void lamb_whole(const tw_setting *s, const tw_shape *shape, twi_optimizer_step *o)
{
    (void)shape;
    float keep1 = (float)(1 - s->value[BETA_1]), keep2 = (float)(1 - s->value[BETA_2]);
    float rest1 = (float)(1 - pow(s->value[BETA_1], (double)o->t)),
          rest2 = (float)(1 - pow(s->value[BETA_2], (double)o->t)), epsilon = (float)s->value[EPSILON];
    float *restrict m = o->slot[0], *restrict v = o->slot[1], *restrict r = o->update;
    double of_weight = 0, of_update = 0;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += (o->g[i] - m[i]) * keep1;
        v[i] += (o->g[i] * o->g[i] - v[i]) * keep2;
        r[i] = m[i] / rest1 / (sqrtf(v[i] / rest2) + epsilon);
        of_weight += (double)o->w[i] * (double)o->w[i];
        of_update += (double)r[i] * (double)r[i];
    }
    o->number[RATIO] = of_weight > 0 && of_update > 0 ? sqrt(of_weight / of_update) : 1;
}

static int64_t lamb_scratch(const tw_shape *shape)
{
    return twi_shape_count(shape);
}

TWI_VECTOR static void lamb_step(const tw_setting *s, const twi_optimizer_step *o)
{
    (void)s;
    float rate = (float)(o->number[RATIO] * o->lr);
    for (int64_t i = 0; i < o->n; i++)
        o->w[i] -= rate * o->update[i];
}

const twi_optimizer_kind twi_optimizer_lamb = {
    .setting = {.name = "Lamb",
                .aliases = "lamb",
                .doc = "Adam with a rate of its own for each weight, for large batches",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 0, TWI_BELOW_ONE),
                         TWI_ARG("beta_2", 0.999, 0, TWI_BELOW_ONE), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_lamb},
    .n_slots = lamb_slots,
    .whole = lamb_whole,
    .scratch = lamb_scratch,
    .step = lamb_step};
