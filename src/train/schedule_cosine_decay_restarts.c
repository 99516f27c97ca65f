// CosineDecayRestarts: period i is first_decay_steps · t_mulⁱ steps long and begins at lr · m_mulⁱ.
// Source   keras.optimizers.schedules.CosineDecayRestarts, Keras 3.15.
// Loshchilov and Hutter, 2017.

#include "train/schedule.h"

enum { INITIAL, STEPS, T_MUL, M_MUL, ALPHA }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double part = step / s->value[STEPS], t = s->value[T_MUL], period = floor(part), pi = acos(-1.0);
    if (t == 1) {
        part -= period;
    } else {
        // Rounding may not put the first step of a period into the one before.
        period = floor(log(1 - part * (1 - t)) / log(t) + 1e-9);
        part = (part - (1 - pow(t, period)) / (1 - t)) / pow(t, period);
    }
    double wave = 0.5 * pow(s->value[M_MUL], period) * (1 + cos(pi * fmax(part, 0)));
    return s->value[INITIAL] * ((1 - s->value[ALPHA]) * wave + s->value[ALPHA]);
}

const twi_schedule_kind twi_schedule_cosine_decay_restarts = {
    .setting = {.name = "CosineDecayRestarts",
                .aliases = "cosine_decay_restarts restarts",
                .doc = "a cosine again and again, t_mul times longer and m_mul times as high each time",
                .args = {TWI_RATE_OR_NONE("initial_learning_rate"), TWI_STEPS_OR_NONE("first_decay_steps"),
                         TWI_ARG("t_mul", 2, 1, 1e3), TWI_ARG("m_mul", 1, 0, 1e3),
                         TWI_ARG("alpha", 0, 0, 1e3)},
                .row = &twi_schedule_cosine_decay_restarts},
    .rate = rate};
