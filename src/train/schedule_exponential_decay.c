// ExponentialDecay: lr · decay_rate^(step / decay_steps), in whole powers with staircase.
// Source   keras.optimizers.schedules.ExponentialDecay, Keras 3.15.

#include "train/schedule.h"

enum { INITIAL, STEPS, DECAY, STAIRCASE }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double part = step / s->value[STEPS];
    return s->value[INITIAL] * pow(s->value[DECAY], s->value[STAIRCASE] != 0 ? floor(part) : part);
}

const twi_schedule_kind twi_schedule_exponential_decay = {
    .setting = {.name = "ExponentialDecay",
                .aliases = "exponential_decay exponential",
                .doc = "times decay_rate every decay_steps steps",
                .args = {TWI_RATE_OR_NONE("initial_learning_rate"), TWI_STEPS_OR_NONE("decay_steps"),
                         TWI_ARG("decay_rate", 0.1, 0, 1e3), TWI_ARG_FLAG("staircase", 0)},
                .row = &twi_schedule_exponential_decay},
    .rate = rate};
