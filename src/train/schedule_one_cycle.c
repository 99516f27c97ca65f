// OneCycle: from lr / div_factor up to lr in the first pct_start of decay_steps, then down to lr / final_div_factor, both along
// a cosine.
// Source   Smith, 2018, in the form of torch.optim.lr_scheduler.OneCycleLR. Keras has no such schedule.

#include "train/schedule.h"

enum { INITIAL, STEPS, START, DIV, FINAL }; // ORDER args below

static double rate(const tw_setting *s, double step)
{
    double top = s->value[INITIAL], up = s->value[START] * s->value[STEPS], down = s->value[STEPS] - up;
    bool is_up = step < up;
    double part = is_up ? step / up : fmin((step - up) / down, 1);
    double low = top / s->value[is_up ? DIV : FINAL], wave = 0.5 * (1 + cos(acos(-1.0) * part));
    return is_up ? top + (low - top) * wave : low + (top - low) * wave;
}

const twi_schedule_kind twi_schedule_one_cycle = {
    .setting = {.name = "OneCycle",
                .aliases = "one_cycle",
                .doc = "up to the rate and down again, once",
                .args = {TWI_RATE_OR_NONE("max_learning_rate"), TWI_STEPS_OR_NONE("decay_steps"),
                         TWI_ARG("pct_start", 0.3, 0.01, 0.99), TWI_ARG("div_factor", 25, 1, 1e9),
                         TWI_ARG("final_div_factor", 1e4, 1, 1e12)},
                .row = &twi_schedule_one_cycle},
    .is_ours = true,
    .rate = rate};
