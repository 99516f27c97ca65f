// ReduceLROnPlateau: a smaller learning rate when the monitored value has not improved for `patience` epochs.
//
// After a reduction `cooldown` epochs are not counted. Keras refuses to mix it with a schedule, and so is it here.
// Numbers  best value, fruitless epochs, epochs of cooling down left.
// Source   keras.callbacks.ReduceLROnPlateau, Keras 3.15.

#include "train/callback.h"

#include "base/error.h"

enum { MONITOR, MODE, FACTOR, PATIENCE, MIN_DELTA, COOLDOWN, MIN_LR }; // ORDER args below
enum { BEST, WAIT, COOLING };

static void reduce_lr_begin(const tw_setting *s, double *number)
{
    number[BEST] = twi_monitor_is_down((int)s->value[MONITOR], (int)s->value[MODE]) ? (double)INFINITY
                                                                                    : -(double)INFINITY;
    number[WAIT] = number[COOLING] = 0;
}

static tw_status reduce_lr_on_epoch_end(const tw_setting *s, double *number, twi_watch *w, tw_err *err)
{
    if (!w->learning_rate)
        return twi_fail(err, TW_EINVAL,
                        "reduce_lr_on_plateau cannot change the learning rate: a schedule decides it");
    double value = twi_watch_value(w, (int)s->value[MONITOR]);
    if (isnan(value))
        return TW_OK;
    if (number[COOLING] > 0) {
        number[COOLING]--;
        number[WAIT] = 0;
    }
    bool is_down = twi_monitor_is_down((int)s->value[MONITOR], (int)s->value[MODE]);
    if (twi_is_better(is_down, value, number[BEST], s->value[MIN_DELTA])) {
        number[BEST] = value;
        number[WAIT] = 0;
    } else if (number[COOLING] <= 0) {
        number[WAIT]++;
        if (number[WAIT] >= s->value[PATIENCE] && *w->learning_rate > s->value[MIN_LR]) {
            *w->learning_rate = fmax(*w->learning_rate * s->value[FACTOR], s->value[MIN_LR]);
            number[COOLING] = s->value[COOLDOWN];
            number[WAIT] = 0;
        }
    }
    return TW_OK;
}

const twi_callback_kind twi_callback_reduce_lr_on_plateau = {
    .setting = {.name = "ReduceLROnPlateau",
                .aliases = "reduce_lr_on_plateau reduce_lr",
                .doc = "a smaller rate when nothing moves",
                .args = {TWI_MONITOR,
                         TWI_ARG("factor", 0.1, 0, 0.999999),
                         {.key = "patience", .otherwise = 10, .low = 0, .high = 1e9, .flags = TW_ARG_WHOLE},
                         TWI_ARG("min_delta", 1e-4, -1e30, 1e30),
                         {.key = "cooldown", .low = 0, .high = 1e9, .flags = TW_ARG_WHOLE},
                         TWI_ARG("min_lr", 0, 0, 1e3)},
                .row = &twi_callback_reduce_lr_on_plateau},
    .begin = reduce_lr_begin,
    .on_epoch_end = reduce_lr_on_epoch_end};
