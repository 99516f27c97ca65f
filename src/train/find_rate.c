// Finding a learning rate. See find_rate.h.

#include "train/find_rate.h"

#include <string.h>

#define FIRST_RATE 1e-7
#define GROWTH     1e8 // of the rate, over all steps
#define MEMORY     0.9 // of the smoothed loss
#define TOO_MUCH   4.0 // times the lowest loss: the rate is far too large

typedef struct finder {
    const twi_fit_options *asked;
    twi_rates *rates;
    double mean;
} finder;

static void take_step(finder *f, twi_watch *w, double rate)
{
    twi_rates *r = f->rates;
    f->mean = MEMORY * f->mean + (1 - MEMORY) * w->batch_loss;
    double smooth = f->mean / (1 - pow(MEMORY, r->n + 1)), lowest = smooth;
    for (int i = 0; i < r->n; i++)
        lowest = fmin(lowest, r->loss[i]);
    r->rate[r->n] = rate;
    r->loss[r->n++] = smooth;
    w->wants_stop = r->n == TWI_RATES_MAX || (lowest > 0 && smooth > TOO_MUCH * lowest);
}

static void on_moment(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w)
{
    finder *f = self;
    (void)epoch, (void)step;
    if (moment == TWI_BATCH_END && f->rates->n < TWI_RATES_MAX)
        take_step(f, w, FIRST_RATE * pow(GROWTH, (double)f->rates->n / (TWI_RATES_MAX - 1)));
}

static bool is_cancelled(void *self)
{
    const twi_fit_options *asked = ((finder *)self)->asked;
    return asked->is_cancelled && asked->is_cancelled(asked->self);
}

static tw_status run(tw_model *m, const twi_samples *train, finder *f, tw_err *err)
{
    twi_fit_options o = *f->asked;
    o.validation = NULL;
    o.early_stopping = (tw_setting){0};
    o.patience = 0;
    o.metrics = (twi_metrics){0};
    o.epochs = TWI_RATES_MAX;
    o.keeps_last = true;
    o.keeps_slots = false;
    o.state = NULL;
    o.self = f;
    o.on_progress = NULL;
    o.on_epoch = NULL;
    o.on_state = NULL;
    o.on_moment = on_moment;
    o.is_cancelled = is_cancelled;
    // A loss that is no number ends the search as a large one does.
    tw_status status = twi_callbacks_text(&o.callbacks, "terminate_on_nan", "callbacks", err);
    o.schedule = (tw_setting){.kind = twi_schedule_find("exponential_decay"),
                              .value = {FIRST_RATE, TWI_RATES_MAX - 1, GROWTH, 0}};
    twi_history history = {0};
    if (!status)
        status = twi_fit(m, train, &o, &history, err);
    twi_history_clear(&history);
    return status;
}

static tw_status choose(twi_rates *r, tw_err *err)
{
    int lowest = 0;
    for (int i = 1; i < r->n; i++)
        lowest = r->loss[i] < r->loss[lowest] ? i : lowest;
    if (!r->n || lowest == 0)
        return twi_fail(
            err, TW_EUNUSABLE,
            "no learning rate made the loss fall\ntry  --lr 1e-3, and a look at the photos' classes");
    r->chosen = r->rate[lowest] / 10;
    // Two digits say all that such a search knows.
    double scale = pow(10, 1 - floor(log10(r->chosen)));
    r->chosen = round(r->chosen * scale) / scale;
    return TW_OK;
}

tw_status twi_find_rate(tw_model *m, const twi_samples *train, const twi_fit_options *o, twi_rates *rates,
                        tw_err *err)
{
    *rates = (twi_rates){0};
    finder f = {.asked = o, .rates = rates};
    twi_weights all = {0};
    tw_status status = twi_model_weights(m, &all, err);
    float **kept = twi_new((size_t)all.n, sizeof *kept, "copies of weights", err);
    for (int i = 0; !status && kept && i < all.n; i++) {
        size_t n = (size_t)twi_shape_count(&all.at[i]->shape);
        if (!all.at[i]->is_set || !(all.at[i]->is_trainable || all.at[i]->is_state))
            continue;
        kept[i] = twi_new(n, sizeof **kept, "copies of weights", err);
        if (!kept[i])
            status = TW_ENOMEM;
        else
            memcpy(kept[i], all.at[i]->data, n * sizeof **kept);
    }
    if (!status)
        status = kept ? run(m, train, &f, err) : TW_ENOMEM;
    for (int i = 0; kept && i < all.n; i++) {
        if (kept[i]) {
            memcpy(all.at[i]->data, kept[i], (size_t)twi_shape_count(&all.at[i]->shape) * sizeof **kept);
            all.at[i]->version++;
        }
        twi_free(kept[i]);
    }
    twi_free(kept);
    twi_weights_clear(&all);
    return status ? status : choose(rates, err);
}
