// PiecewiseConstantDecay: one rate until a step, another until the next …
//
// As text: first rate, then boundary and rate in turn: piecewise_constant_decay:1e-2:500:1e-3:900:1e-4 is 0.01 up to and
// including step 500. Keras's files have two lists, boundaries and values; up to eight boundaries here.
// Source   keras.optimizers.schedules.PiecewiseConstantDecay, Keras 3.15.

#include "train/schedule.h"

static double rate(const tw_setting *s, double step)
{
    double now = s->value[0];
    for (int i = 1; i + 1 < TW_SETTING_ARGS && s->kind->args[i].key; i += 2)
        if (!isnan(s->value[i]) && step > s->value[i])
            now = s->value[i + 1];
    return now;
}

const twi_schedule_kind twi_schedule_piecewise_constant_decay = {
    .setting = {.name = "PiecewiseConstantDecay",
                .aliases = "piecewise_constant_decay piecewise step",
                .doc = "rates with the steps at which they change",
                .args = {TWI_RATE_OR_NONE("value_0"), TWI_STEPS_OR_NONE("boundary_1"),
                         TWI_ARG_OR_NONE("value_1", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_2"),
                         TWI_ARG_OR_NONE("value_2", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_3"),
                         TWI_ARG_OR_NONE("value_3", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_4"),
                         TWI_ARG_OR_NONE("value_4", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_5"),
                         TWI_ARG_OR_NONE("value_5", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_6"),
                         TWI_ARG_OR_NONE("value_6", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_7"),
                         TWI_ARG_OR_NONE("value_7", 0, 1e3, 0), TWI_STEPS_OR_NONE("boundary_8"),
                         TWI_ARG_OR_NONE("value_8", 0, 1e3, 0)},
                .row = &twi_schedule_piecewise_constant_decay},
    .rate = rate};
