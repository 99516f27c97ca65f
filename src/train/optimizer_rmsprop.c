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
                .args = {{.key = "learning_rate", .otherwise = 1e-3, .low = 0, .high = 1e3},
                         {.key = "rho", .otherwise = 0.9, .low = 0, .high = 1},
                         {.key = "momentum", .otherwise = 0, .low = 0, .high = 1},
                         {.key = "epsilon", .otherwise = 1e-7, .low = 0, .high = 1},
                         {.key = "centered", .otherwise = 0, .low = 0, .high = 1}},
                .row = &twi_optimizer_rmsprop},
    .n_slots = rmsprop_slots,
    .step = rmsprop_step};
