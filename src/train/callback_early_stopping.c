// EarlyStopping: ends training when the monitored value has not improved for `patience` epochs.
//
// Epochs before start_from_epoch are not looked at. With a baseline the count of fruitless epochs starts again only where the
// value beats that too. Every fit has one of these, with patience none where nothing was asked for: it also says which
// epoch was the best, whose weights are kept.
// Numbers  best value, fruitless epochs.
// Source   keras.callbacks.EarlyStopping, Keras 3.15.

#include "train/callback.h"

#include "base/error.h"

enum { MONITOR, MODE, PATIENCE, MIN_DELTA, BASELINE, START, RESTORE }; // ORDER args below
enum { BEST, WAIT };

static void early_stopping_begin(const tw_setting *s, double *number)
{
    number[BEST] = twi_monitor_is_down((int)s->value[MONITOR], (int)s->value[MODE]) ? (double)INFINITY
                                                                                    : -(double)INFINITY;
    number[WAIT] = 0;
}

static tw_status early_stopping_on_epoch_end(const tw_setting *s, double *number, twi_watch *w, tw_err *err)
{
    (void)err;
    double value = twi_watch_value(w, (int)s->value[MONITOR]);
    bool is_down = twi_monitor_is_down((int)s->value[MONITOR], (int)s->value[MODE]);
    if (isnan(value) || (double)w->epoch->epoch < s->value[START])
        return TW_OK;
    number[WAIT]++;
    if (twi_is_better(is_down, value, number[BEST], s->value[MIN_DELTA])) {
        number[BEST] = value;
        w->is_best = true;
        if (isnan(s->value[BASELINE]) ||
            twi_is_better(is_down, value, s->value[BASELINE], s->value[MIN_DELTA]))
            number[WAIT] = 0;
        return TW_OK;
    }
    if (number[WAIT] >= s->value[PATIENCE] && w->epoch->epoch > 0) // false without a patience
        w->wants_stop = true;
    return TW_OK;
}

const twi_callback_kind twi_callback_early_stopping = {
    .setting = {.name = "EarlyStopping",
                .aliases = "early_stopping",
                .doc = "ends training when it no longer helps",
                .args = {TWI_MONITOR,
                         TWI_ARG_OR_NONE("patience", 0, 1e9, TW_ARG_WHOLE),
                         TWI_ARG("min_delta", 0, -1e30, 1e30),
                         TWI_ARG_OR_NONE("baseline", -1e30, 1e30, 0),
                         {.key = "start_from_epoch", .low = 0, .high = 1e9, .flags = TW_ARG_WHOLE},
                         TWI_ARG_FLAG("restore_best_weights", 1)},
                .row = &twi_callback_early_stopping},
    .begin = early_stopping_begin,
    .on_epoch_end = early_stopping_on_epoch_end};
