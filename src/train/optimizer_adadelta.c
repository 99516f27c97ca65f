// Adadelta: steps scaled by the ratio of the recent sizes of steps and gradients.
//
//   A = ρ A + (1 − ρ) g²   d = −√(D + ε) / √(A + ε) · g   D = ρ D + (1 − ρ) d²   w += lr d
// Slots    accumulated_grad, accumulated_delta_var.
// Source   keras.optimizers.Adadelta, Keras 3.15; Zeiler, 2012.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, RHO, EPSILON }; // ORDER args below

static int adadelta_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

static void adadelta_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, rho = (float)s->value[RHO], epsilon = (float)s->value[EPSILON];
    float fresh = (float)(1 - s->value[RHO]);
    float *restrict w = o->w, *restrict grads = o->slot[0], *restrict steps = o->slot[1];
    const float *restrict g = o->g;
    for (int64_t i = 0; i < o->n; i++) {
        grads[i] = rho * grads[i] + fresh * (g[i] * g[i]);
        float d = -(sqrtf(steps[i] + epsilon) * g[i] / sqrtf(grads[i] + epsilon));
        steps[i] = rho * steps[i] + fresh * (d * d);
        w[i] += lr * d;
    }
}

const twi_optimizer_kind twi_optimizer_adadelta = {
    .setting = {.name = "Adadelta",
                .aliases = "adadelta",
                .doc = "steps in units of earlier steps",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("rho", 0.95, 0, 1), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_adadelta},
    .n_slots = adadelta_slots,
    .step = adadelta_step};
