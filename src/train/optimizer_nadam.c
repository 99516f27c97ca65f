// Nadam: Adam that looks ahead.
//
//   uₜ = β₁ (1 − ½ · 0.96ᵗ)   Uₜ = u₁ u₂ … uₜ   m, v as Adam
//   m̂ = uₜ₊₁ m / (1 − Uₜ uₜ₊₁) + (1 − uₜ) g / (1 − Uₜ)   v̂ = v / (1 − β₂ᵗ)   w −= lr m̂ / (√v̂ + ε)
// U follows from t, so it is no state here; files carry it as u_product after the slots.
// Slots    momentum, velocity.
// Source   keras.optimizers.Nadam, Keras 3.15; Dozat, 2015.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, BETA_1, BETA_2, EPSILON }; // ORDER args below
enum { OF_MOMENTUM, OF_GRADIENT, OF_SQUARE };    // number[] of a step

static int nadam_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

static double speed(const tw_setting *s, uint64_t t)
{
    return s->value[BETA_1] * (1 - 0.5 * pow(0.96, (double)t));
}

// The product shrinks to nothing within some thousand steps, so this ends early.
static double product(const tw_setting *s, uint64_t t)
{
    double u = 1;
    for (uint64_t i = 1; i <= t && u > 0; i++)
        u *= speed(s, i);
    return u;
}

static void nadam_begin(const tw_setting *s, twi_optimizer_step *o)
{
    double now = product(s, o->t), next = now * speed(s, o->t + 1);
    o->number[OF_MOMENTUM] = speed(s, o->t + 1) / (1 - next);
    o->number[OF_GRADIENT] = (1 - speed(s, o->t)) / (1 - now);
    o->number[OF_SQUARE] = 1 / (1 - pow(s->value[BETA_2], (double)o->t));
}

TWI_VECTOR static void nadam_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, epsilon = (float)s->value[EPSILON];
    float keep1 = (float)(1 - s->value[BETA_1]), keep2 = (float)(1 - s->value[BETA_2]);
    float old = (float)o->number[OF_MOMENTUM], new = (float)o->number[OF_GRADIENT],
          square = (float)o->number[OF_SQUARE];
    float *restrict w = o->w, *restrict m = o->slot[0], *restrict v = o->slot[1];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += (g[i] - m[i]) * keep1;
        v[i] += (g[i] * g[i] - v[i]) * keep2;
        w[i] -= lr * (old * m[i] + new *g[i]) / (sqrtf(v[i] * square) + epsilon);
    }
}

const twi_optimizer_kind twi_optimizer_nadam = {
    .setting = {.name = "Nadam",
                .aliases = "nadam",
                .doc = "Adam with Nesterov momentum",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 0, TWI_BELOW_ONE),
                         TWI_ARG("beta_2", 0.999, 0, TWI_BELOW_ONE), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_nadam},
    .n_slots = nadam_slots,
    .file_number = product,
    .begin = nadam_begin,
    .step = nadam_step};
