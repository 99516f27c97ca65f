// InverseTimeDecay: lr / (1 + decay_rate · step / decay_steps), in whole steps with staircase.
// Source   keras.optimizers.schedules.InverseTimeDecay, Keras 3.15.

#include "train/schedule.h"

enum { INITIAL, STEPS, DECAY, STAIRCASE }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double part = step / s->value[STEPS];
    return s->value[INITIAL] / (1 + s->value[DECAY] * (s->value[STAIRCASE] != 0 ? floor(part) : part));
}

const twi_schedule_kind twi_schedule_inverse_time_decay = {
    .setting = {.name = "InverseTimeDecay",
                .aliases = "inverse_time_decay inverse_time",
                .doc = "divided by 1 + decay_rate · step / decay_steps",
                .args = {TWI_RATE_OR_NONE("initial_learning_rate"), TWI_STEPS_OR_NONE("decay_steps"),
                         TWI_ARG("decay_rate", 9, 0, 1e9), TWI_ARG_FLAG("staircase", 0)},
                .row = &twi_schedule_inverse_time_decay},
    .rate = rate};
