// CosineDecay: lr ((1 − α) ½ (1 + cos(π step / decay_steps)) + α).
//
// With warmup_target the rate first climbs in a line from lr to it over warmup_steps, then falls from there.
// Source   keras.optimizers.schedules.CosineDecay, Keras 3.15.
// Loshchilov and Hutter, 2017.

#include "train/schedule.h"

enum { INITIAL, STEPS, ALPHA, TARGET, WARMUP }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double from = s->value[INITIAL], steps = s->value[STEPS], pi = acos(-1.0);
    if (!isnan(s->value[TARGET])) {
        if (step < s->value[WARMUP])
            return (s->value[TARGET] - from) * step / s->value[WARMUP] + from;
        from = s->value[TARGET];
        step -= s->value[WARMUP];
    }
    double wave = 0.5 * (1 + cos(pi * fmin(step, steps) / steps));
    return from * ((1 - s->value[ALPHA]) * wave + s->value[ALPHA]);
}

const twi_schedule_kind twi_schedule_cosine_decay = {
    .setting = {.name = "CosineDecay",
                .aliases = "cosine_decay cosine",
                .doc = "falls along a cosine; warmup_steps and warmup_target climb first",
                .args = {TWI_RATE_OR_NONE("initial_learning_rate"),
                         TWI_STEPS_OR_NONE("decay_steps"),
                         TWI_ARG("alpha", 0, 0, 1e3),
                         TWI_RATE_OR_NONE("warmup_target"),
                         {.key = "warmup_steps", .low = 0, .high = 1e15, .flags = TW_ARG_WHOLE}},
                .row = &twi_schedule_cosine_decay},
    .rate = rate};
