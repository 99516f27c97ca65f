// PolynomialDecay: (lr − end) (1 − min(step, S) / S)^power + end.
//
// With cycle, S grows to the next multiple of decay_steps instead of the step stopping at S.
// Source   keras.optimizers.schedules.PolynomialDecay, Keras 3.15.

#include "train/schedule.h"

enum { INITIAL, STEPS, END, POWER, CYCLE }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double steps = s->value[STEPS];
    if (s->value[CYCLE] != 0)
        steps *= step > 0 ? ceil(step / steps) : 1;
    double left = 1 - fmin(step, steps) / steps;
    return (s->value[INITIAL] - s->value[END]) * pow(left, s->value[POWER]) + s->value[END];
}

const twi_schedule_kind twi_schedule_polynomial_decay = {
    .setting = {.name = "PolynomialDecay",
                .aliases = "polynomial_decay polynomial",
                .doc = "falls to end_learning_rate by a power of the time left",
                .args = {TWI_RATE_OR_NONE("initial_learning_rate"), TWI_STEPS_OR_NONE("decay_steps"),
                         TWI_ARG("end_learning_rate", 1e-4, 0, 1e3), TWI_ARG("power", 1, 0, 100),
                         TWI_ARG_FLAG("cycle", 0)},
                .row = &twi_schedule_polynomial_decay},
    .rate = rate};
