// Trials. See trial.h.

#include "train/trial.h"

#include <string.h>

enum { EPOCHS = 1000 }; // enough for any trial: small data sets have a step an epoch

static tw_status run(tw_model *m, const twi_samples *train, const twi_fit_options *asked, tw_err *err)
{
    twi_fit_options o = *asked;
    o.validation = NULL;
    o.early_stopping = (tw_setting){0};
    o.patience = 0;
    o.metrics = (twi_metrics){0};
    o.epochs = EPOCHS;
    o.keeps_last = true;
    o.keeps_slots = false;
    o.state = NULL;
    o.on_progress = NULL;
    o.on_epoch = NULL;
    o.on_state = NULL;
    o.rate_factor = NULL;
    tw_status status = twi_callbacks_text(&o.callbacks, "terminate_on_nan", "callbacks", err);
    twi_history history = {0};
    if (!status)
        status = twi_fit(m, train, &o, &history, err);
    twi_history_clear(&history);
    return status;
}

static tw_status keep(const twi_weights *all, float **kept, tw_err *err)
{
    for (int i = 0; i < all->n; i++) {
        const twi_weight *w = all->at[i];
        size_t n = (size_t)twi_shape_count(&w->shape);
        if (!w->is_set || !(w->is_trainable || w->is_state))
            continue;
        kept[i] = twi_new(n, sizeof **kept, "copies of weights", err);
        if (!kept[i])
            return TW_ENOMEM;
        memcpy(kept[i], w->data, n * sizeof **kept);
    }
    return TW_OK;
}

static void put_back(const twi_weights *all, float **kept)
{
    for (int i = 0; i < all->n; i++) {
        if (kept[i]) {
            memcpy(all->at[i]->data, kept[i], (size_t)twi_shape_count(&all->at[i]->shape) * sizeof **kept);
            all->at[i]->version++;
        }
        twi_free(kept[i]);
    }
}

tw_status twi_trial(tw_model *m, const twi_samples *train, const twi_fit_options *o, tw_err *err)
{
    twi_weights all = {0};
    tw_status status = twi_model_weights(m, &all, err);
    if (status)
        return status;
    float **kept = twi_new((size_t)all.n, sizeof *kept, "copies of weights", err);
    status = kept ? keep(&all, kept, err) : TW_ENOMEM;
    if (!status)
        status = run(m, train, o, err);
    if (kept)
        put_back(&all, kept);
    twi_free(kept);
    twi_weights_clear(&all);
    return status;
}
