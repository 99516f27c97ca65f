// Ftrl: follow the regularized leader; l1 gives weights that are exactly zero.
//
//   p = −learning_rate_power   g' = g + 2 shrinkage w   n' = n + g²   z += g' − (n'ᵖ − nᵖ) / lr · w
//   q = n'ᵖ / lr + 2 (l2 + β / (2 lr))   w = (clip(z, −l1, l1) − z) / q   n = n'
// Slots    accumulator (from initial_accumulator_value), linear.
// Source   keras.optimizers.Ftrl, Keras 3.15; McMahan et al., 2013.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, POWER, START, L1, L2, SHRINKAGE, BETA }; // ORDER args below

static int ftrl_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

static double ftrl_start(const tw_setting *s, int j)
{
    return j == 0 ? s->value[START] : 0;
}

static float raised(float x, float p)
{
    return p == 0.5f ? sqrtf(x) : powf(x, p);
}

static void ftrl_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, p = (float)-s->value[POWER], l1 = (float)s->value[L1];
    float l2 = (float)(2 * (s->value[L2] + s->value[BETA] / (2 * o->lr)));
    float shrink = (float)(2 * s->value[SHRINKAGE]);
    float *restrict w = o->w, *restrict sum = o->slot[0], *restrict linear = o->slot[1];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        float next = sum[i] + g[i] * g[i], power = raised(next, p);
        linear[i] += g[i] + shrink * w[i] - (power - raised(sum[i], p)) / lr * w[i];
        w[i] = (fminf(fmaxf(linear[i], -l1), l1) - linear[i]) / (power / lr + l2);
        sum[i] = next;
    }
}

const twi_optimizer_kind twi_optimizer_ftrl = {
    .setting = {.name = "Ftrl",
                .aliases = "ftrl",
                .doc = "for sparse weights: follow the regularized leader",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("learning_rate_power", -0.5, -10, 0),
                         TWI_ARG("initial_accumulator_value", 0.1, 0, 1e30),
                         TWI_ARG("l1_regularization_strength", 0, 0, 1e30),
                         TWI_ARG("l2_regularization_strength", 0, 0, 1e30),
                         TWI_ARG("l2_shrinkage_regularization_strength", 0, 0, 1e30),
                         TWI_ARG("beta", 0, 0, 1e30), TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_ftrl},
    .n_slots = ftrl_slots,
    .slot_start = ftrl_start,
    .step = ftrl_step};
