// Callbacks: what watches a fit after each epoch and may change its course.
//
// One file per callback (callback_<name>.c) and one line in callback_list.inc, with Keras's names, arguments and defaults.
// What a callback remembers are a few numbers in the fit's state, so that a checkpoint carries it: a resumed run stops
// and slows down where the whole one would have.
#ifndef TWI_TRAIN_CALLBACK_H
#define TWI_TRAIN_CALLBACK_H

#include "train/metric.h"

enum { TWI_CALLBACKS_MAX = 8, TWI_CALLBACK_NUMBERS = 4 };

typedef struct twi_epoch {
    int64_t epoch;                                 // 0-based, counted over the whole phase
    double loss, accuracy, val_loss, val_accuracy; // NaN: no validation samples
    double metric[TWI_METRICS_MAX], val_metric[TWI_METRICS_MAX];
    double learning_rate, seconds;
    bool is_best;
} twi_epoch;

// A fit, as callbacks see it.
typedef struct twi_watch {
    const twi_epoch *epoch;     // the one that ended
    const twi_metrics *metrics; // names of epoch->metric
    double batch_loss;          // of the batch that ended, penalties included
    int64_t batch_photos;       // photos in it
    double *learning_rate;      // may be changed; NULL: a schedule decides
    bool wants_stop;            // set to end training
    bool is_best;               // set by early stopping: these weights are the ones to keep
} twi_watch;

typedef struct twi_callback_kind {
    tw_setting_kind setting;
    void (*begin)(const tw_setting *s, double *number);
    tw_status (*on_epoch_end)(const tw_setting *s, double *number, twi_watch *w, tw_err *err);
} twi_callback_kind;

const tw_setting_kind *twi_callback_find(const char *name);
const char *const *twi_callback_names(void);

typedef struct twi_callbacks {
    int n;
    tw_setting at[TWI_CALLBACKS_MAX];
} twi_callbacks;
// "reduce_lr_on_plateau:patience=2, early_stopping:monitor=val_auc"
tw_status twi_callbacks_text(twi_callbacks *callbacks, const char *text, const char *where, tw_err *err);

// What a callback needs of the run: the metric it monitors, averages to swap. TW_EINVAL with what is missing.
tw_status twi_callback_check(const tw_setting *callback, const twi_metrics *metrics, bool has_averages,
                             tw_err *err);

// Takes early stopping out of the list (the last one that stands there).
void twi_callbacks_split(twi_callbacks *callbacks, tw_setting *early_stopping);
// "loss", "accuracy", "learning_rate", a metric's label; with "val_" in front for validation. NaN: not measured.
double twi_epoch_value(const twi_epoch *e, int n_metrics, const char (*metric)[TWI_METRIC_LABEL],
                       const char *name);

// ---- monitors: the value a callback looks at

extern const char
    *const twi_monitors[]; // NULL-ended: loss, val_loss, accuracy, val_accuracy, and each metric
extern const char *const twi_monitor_modes[];
#define TWI_MONITOR                                                                      \
    {.key = "monitor", .otherwise = 1, .low = 0, .high = 1e3, .choices = twi_monitors},  \
    {                                                                                    \
        .key = "mode", .otherwise = 0, .low = 0, .high = 2, .choices = twi_monitor_modes \
    }
// NaN: not measured. Without validation a val_ monitor looks at the training value.
double twi_watch_value(const twi_watch *w, int monitor);
bool twi_monitor_is_down(int monitor, int mode);
// Strictly, by more than min_delta.
bool twi_is_better(bool is_down, double value, double best, double min_delta);

#endif
