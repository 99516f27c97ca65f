// Callbacks: the list, and what they monitor. See callback.h.

#include "train/callback.h"

#include "base/error.h"

#include <string.h>

#define TW_CALLBACK(name) extern const twi_callback_kind twi_callback_##name;
#include "train/callback_list.inc"
#undef TW_CALLBACK

static const tw_setting_kind *const settings[] = {
#define TW_CALLBACK(name) &twi_callback_##name.setting,
#include "train/callback_list.inc"
#undef TW_CALLBACK
    NULL};

const tw_setting_kind *twi_callback_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_callback_names(void)
{
    static const char *const names[] = {
#define TW_CALLBACK(name) #name,
#include "train/callback_list.inc"
#undef TW_CALLBACK
        NULL};
    return names;
}

// ------------------------------------------------------------------------------------------------------------- monitors

enum { LOSS, VAL_LOSS, ACCURACY, VAL_ACCURACY, METRICS };

const char *const twi_monitors[] = {"loss", "val_loss", "accuracy", "val_accuracy",
#define TW_METRIC(name) #name, "val_" #name,
#include "train/metric_list.inc"
#undef TW_METRIC
                                    NULL};
const char *const twi_monitor_modes[] = {"auto", "min", "max", NULL};

// Metrics in the order of their list.
static const tw_setting_kind *metric_of(int monitor)
{
    return twi_metric_find(twi_metric_names()[(monitor - METRICS) / 2]);
}

tw_status twi_callbacks_text(twi_callbacks *callbacks, const char *text, const char *where, tw_err *err)
{
    static const tw_field field = {
        .key = "callback", .type = TW_FIELD_SETTING, .find = twi_callback_find, .names = twi_callback_names};
    *callbacks = (twi_callbacks){0};
    tw_status status =
        twi_settings_text(callbacks->at, TWI_CALLBACKS_MAX, &callbacks->n, text, &field, where, err);
    int n = 0;
    for (int i = 0; i < callbacks->n; i++)
        n += callbacks->at[i].kind == &twi_callback_early_stopping.setting;
    return status || n <= 1 ? status
                            : twi_fail(err, TW_EINVAL,
                                       "%s: early_stopping stands there twice, and one says which epoch is "
                                       "the best",
                                       where);
}

tw_status twi_callback_check(const tw_setting *callback, const twi_metrics *metrics, bool has_averages,
                             tw_err *err)
{
    int monitor = (int)twi_setting_or(callback, "monitor", 0);
    bool is_measured = monitor < METRICS;
    for (int i = 0; !is_measured && i < metrics->n; i++)
        is_measured = metrics->at[i].kind == metric_of(monitor);
    if (!is_measured)
        return twi_fail(
            err, TW_EINVAL, "%s monitors %s, which is not measured\ntry  adding %s to the metrics",
            callback->kind->name, twi_monitors[monitor], twi_metric_names()[(monitor - METRICS) / 2]);
    if (callback->kind == &twi_callback_swap_ema_weights.setting && !has_averages)
        return twi_fail(err, TW_EINVAL,
                        "SwapEMAWeights needs an optimizer that keeps averages\ntry  adam:use_ema=true");
    return TW_OK;
}

void twi_callbacks_split(twi_callbacks *callbacks, tw_setting *early_stopping)
{
    int n = 0;
    for (int i = 0; i < callbacks->n; i++)
        if (callbacks->at[i].kind == &twi_callback_early_stopping.setting)
            *early_stopping = callbacks->at[i];
        else
            callbacks->at[n++] = callbacks->at[i];
    callbacks->n = n;
}

double twi_epoch_value(const twi_epoch *e, int n_metrics, const char (*metric)[TWI_METRIC_LABEL],
                       const char *name)
{
    bool is_val = strncmp(name, "val_", 4) == 0;
    const char *bare = is_val ? name + 4 : name;
    if (strcmp(bare, "loss") == 0)
        return is_val ? e->val_loss : e->loss;
    if (strcmp(bare, "accuracy") == 0)
        return is_val ? e->val_accuracy : e->accuracy;
    if (strcmp(name, "learning_rate") == 0)
        return e->learning_rate;
    for (int i = 0; i < n_metrics; i++)
        if (strcmp(bare, metric[i]) == 0)
            return is_val ? e->val_metric[i] : e->metric[i];
    return (double)NAN;
}

double twi_watch_value(const twi_watch *w, int monitor)
{
    const twi_epoch *e = w->epoch;
    bool is_val = monitor % 2 == 1 && !isnan(e->val_loss);
    if (monitor < ACCURACY)
        return is_val ? e->val_loss : e->loss;
    if (monitor < METRICS)
        return is_val ? e->val_accuracy : e->accuracy;
    for (int i = 0; i < w->metrics->n; i++)
        if (w->metrics->at[i].kind == metric_of(monitor))
            return is_val ? e->val_metric[i] : e->metric[i];
    return (double)NAN;
}

bool twi_monitor_is_down(int monitor, int mode)
{
    if (mode)
        return mode == 1;
    return monitor < ACCURACY ||
           (monitor >= METRICS && ((const twi_metric_kind *)metric_of(monitor)->row)->is_down);
}

bool twi_is_better(bool is_down, double value, double best, double min_delta)
{
    return is_down ? value + fabs(min_delta) < best : value - fabs(min_delta) > best;
}
