// RMSprop: steps divided by the root of a running mean of squares.
//
//   v = ρ v + (1 − ρ) g²   [a = ρ a + (1 − ρ) g]   inc = lr g / √(v [− a²] + ε)   μ > 0: m = μ m + inc, w −= m; else w −= inc
// ε stands inside the root.
// Slots    velocity[, momentum][, average_gradient].
// Source   keras.optimizers.RMSprop, Keras 3.15.

#include "train/optimizer.h"

#include <math.h>

enum { LEARNING_RATE, RHO, MOMENTUM, EPSILON, CENTERED }; // ORDER args below

static int rmsprop_slots(const tw_setting *s)
{
    return 1 + (s->value[MOMENTUM] > 0) + (s->value[CENTERED] != 0);
}

static void rmsprop_step(const tw_setting *s, const twi_optimizer_step *o)
{
    float lr = (float)o->lr, rho = (float)s->value[RHO], mu = (float)s->value[MOMENTUM];
    float epsilon = (float)s->value[EPSILON];
    float *v = o->slot[0], *m = mu > 0 ? o->slot[1] : NULL;
    float *average = s->value[CENTERED] != 0 ? o->slot[mu > 0 ? 2 : 1] : NULL;
    for (int64_t i = 0; i < o->n; i++) {
        float g = o->g[i];
        v[i] = rho * v[i] + (1 - rho) * g * g;
        float spread = v[i] + epsilon;
        if (average) {
            average[i] = rho * average[i] + (1 - rho) * g;
            spread -= average[i] * average[i];
        }
        float step = lr * g / sqrtf(spread);
        if (m)
            step = m[i] = mu * m[i] + step;
        o->w[i] -= step;
    }
}

const twi_optimizer_kind twi_optimizer_rmsprop = {
    .setting = {.name = "RMSprop",
                .aliases = "rmsprop",
                .doc = "steps divided by the recent size of the gradient",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("rho", 0.9, 0, 1), TWI_ARG("momentum", 0, 0, 1),
                         TWI_ARG("epsilon", 1e-7, 0, 1), TWI_ARG_FLAG("centered", 0), TWI_OPTIMIZER_COMMON},
                .row = &twi_optimizer_rmsprop},
    .n_slots = rmsprop_slots,
    .groups = 1u << 1 | 1u << 2,
    .step = rmsprop_step};
