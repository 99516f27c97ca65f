// Fit: the training loop. See fit.h.
//
// One epoch: shuffle → batches → validation → best? → callbacks → state. The last batch of an epoch may be smaller, as
// in Keras; it has a plan of its own, since plans are made for one batch size.

#include "base/rng.h"
#include "layer/layer.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool has_callback(const twi_trainer *t, const char *name)
{
    for (int i = 0; i < t->o->callbacks.n; i++)
        if (strcmp(t->o->callbacks.at[i].kind->name, name) == 0)
            return true;
    return false;
}

// ------------------------------------------------------------------------------------------------------------ opening

static tw_status make_plan(twi_trainer *t, int which, int64_t batch, tw_err *err)
{
    twi_plan_options options = {.batch = batch,
                                .is_training = true,
                                .wants_gradients = true,
                                .wants_penalties = true,
                                .from = t->o->from,
                                .run_limit = t->o->run_limit,
                                .threads = t->o->threads,
                                .is_reference = t->o->is_reference};
    if (!t->o->is_reference)
        options.hands_over_from = twi_update_hands_over_from(&t->o->optimizer, t->m, err);
    t->plan[which] = twi_plan_new(t->m, &options, err);
    return t->plan[which] ? TW_OK : TW_EFAILED;
}

// The two are never under way at once, so they share the memory of the larger one.
static tw_status make_runs(twi_trainer *t, tw_err *err)
{
    int large = t->plan[1] && twi_plan_run_bytes(t->plan[1]) > twi_plan_run_bytes(t->plan[0]);
    t->run[large] = twi_run_new(t->plan[large], err);
    if (t->run[large] && t->plan[!large])
        t->run[!large] = twi_run_beside(t->plan[!large], t->run[large], err);
    return t->run[0] && (t->run[1] || !t->plan[1]) ? TW_OK : TW_EFAILED;
}

// Losses that are about which output is the largest. One output is so by itself.
static bool compares_outputs(const tw_setting *loss)
{
    return strstr(loss->kind->name, "Categorical") != NULL;
}

static tw_status make_plans(twi_trainer *t, tw_err *err)
{
    t->batch = t->train->n < t->o->batch_size ? t->train->n : t->o->batch_size;
    t->rest = t->train->n % t->batch;
    tw_status status = make_plan(t, 0, t->batch, err);
    if (!status && t->rest)
        status = make_plan(t, 1, t->rest, err);
    if (!status)
        status = make_runs(t, err);
    if (!status)
        status = twi_model_weights(t->m, &t->all, err);
    if (status)
        return err && err->status ? err->status : status;
    t->n_trained = twi_plan_n_gradients(t->plan[0]);
    t->history->n_again = twi_plan_n_again(t->plan[0]);
    t->history->more_time = twi_plan_more_time(t->plan[0]);
    if (!t->n_trained)
        return twi_fail(err, TW_EUNUSABLE, "nothing to train: every weight is frozen");
    t->k = twi_shape_last(twi_plan_output(t->plan[0], 0));
    if (t->k != (t->train->n_classes == 2 && t->k == 1 ? 1 : t->train->n_classes))
        return twi_fail(err, TW_EUNUSABLE, "the model has %lld outputs, the photos have %lld classes",
                        (long long)t->k, (long long)t->train->n_classes);
    if (t->k == 1 && compares_outputs(&t->o->loss))
        return twi_fail(err, TW_EUNUSABLE,
                        "%s compares the outputs of a sample, and the model has one: it would always be 0\n"
                        "try  binary_crossentropy, or one output a class (dense:2:softmax)",
                        t->o->loss.kind->name);
    bool has_pictures =
        !t->o->from && twi_plan_n_inputs(t->plan[0]) == 1 && twi_plan_input(t->plan[0], 0)->rank == 4;
    if (t->o->cutmix > 0 && !has_pictures)
        return twi_fail(err, TW_EUNUSABLE,
                        "cutmix needs pictures, and here the trained part starts from features\n"
                        "try  mixup, which mixes features too");
    return TW_OK;
}

static tw_status make_room(twi_trainer *t, tw_err *err)
{
    t->weight = twi_new((size_t)t->n_trained, sizeof *t->weight, "trained weights", err);
    t->gradient = twi_new((size_t)t->n_trained, sizeof *t->gradient, "gradients", err);
    t->was_trainable = twi_new(2 * (size_t)t->all.n, sizeof *t->was_trainable, "trained weights", err);
    t->order = twi_new((size_t)t->train->n, sizeof *t->order, "an order", err);
    t->y = twi_new((size_t)(t->batch * t->k), sizeof *t->y, "targets", err);
    t->sample_weight = twi_new((size_t)t->batch, sizeof *t->sample_weight, "sample weights", err);
    if (!t->weight || !t->gradient || !t->was_trainable || !t->order || !t->y || !t->sample_weight)
        return TW_ENOMEM;
    tw_status status = TW_OK;
    for (int i = 0; i < t->n_trained; i++) {
        t->weight[i] = twi_plan_gradient_weight(t->plan[0], i);
        if (!status)
            status = twi_regularizer_check(&t->weight[i]->regularizer, t->weight[i]->name,
                                           &t->weight[i]->shape, err);
    }
    if (status)
        return status;
    for (int i = 0; i < t->all.n; i++) {
        t->was_trainable[2 * i] = t->all.at[i]->is_trainable;
        t->was_trainable[2 * i + 1] = t->all.layer[i]->is_trainable;
    }
    return twi_meters_open(&t->meters, &t->o->metrics, t->k, err);
}

// Early stopping is always there, since it also says which epoch was the best.
static void choose_settings(twi_trainer *t)
{
    t->lr = t->o->learning_rate > 0 ? t->o->learning_rate : t->o->optimizer.value[0];
    t->schedule = t->o->schedule;
    int64_t steps = (t->train->n + t->batch - 1) / t->batch;
    twi_schedule_complete(&t->schedule, t->lr, (double)(steps * t->o->epochs));
    if (t->schedule.kind)
        t->lr = twi_schedule_rate(&t->schedule, 0);
    static const tw_field field = {
        .key = "early_stopping", .type = TW_FIELD_SETTING, .find = twi_callback_find};
    t->early_stopping = t->o->early_stopping;
    if (t->early_stopping.kind) {
        double *patience = &t->early_stopping.value[2];
        if (isnan(*patience) && t->o->patience > 0)
            *patience = (double)t->o->patience;
        return;
    }
    // The default's patience is none, which never stops.
    char text[64] = "early_stopping";
    if (t->o->patience > 0)
        snprintf(text, sizeof text, "early_stopping:patience=%lld", (long long)t->o->patience);
    tw_err ignored = {0};
    twi_setting_text(&t->early_stopping, text, &field, "patience", &ignored);
}

static const twi_callback_kind *callback_of(const twi_trainer *t, int i, const tw_setting **setting)
{
    *setting = i ? &t->o->callbacks.at[i - 1] : &t->early_stopping;
    return (*setting)->kind->row;
}

static tw_status check_callbacks(const twi_trainer *t, tw_err *err)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i <= t->o->callbacks.n; i++) {
        const tw_setting *setting;
        callback_of(t, i, &setting);
        status = twi_callback_check(setting, &t->o->metrics, twi_update_has_average(&t->o->optimizer), err);
    }
    return status;
}

static void begin_callbacks(twi_trainer *t)
{
    for (int i = 0; i <= t->o->callbacks.n; i++) {
        const tw_setting *setting;
        const twi_callback_kind *kind = callback_of(t, i, &setting);
        if (kind->begin)
            kind->begin(setting, t->state->number[i]);
    }
}

static tw_status open_factors(twi_trainer *t, tw_err *err)
{
    if (!t->o->rate_factor)
        return TW_OK;
    t->factor = twi_new((size_t)t->n_trained, sizeof *t->factor, "learning rates", err);
    for (int i = 0; t->factor && i < t->n_trained; i++)
        t->factor[i] = t->o->rate_factor(t->o->self, t->weight[i]);
    return t->factor ? TW_OK : TW_ENOMEM;
}

static tw_status open_update(twi_trainer *t, bool is_new, tw_err *err)
{
    if (open_factors(t, err))
        return TW_ENOMEM;
    t->update = (twi_update){.optimizer = &t->o->optimizer,
                             .n = t->n_trained,
                             .weight = t->weight,
                             .slot = t->state->slot,
                             .factor = t->factor};
    tw_status status = twi_update_open(&t->update, err);
    if (!status && t->o->keeps_slots && is_new)
        twi_update_take(&t->update, t->m, t->schedule.kind != NULL, &t->state->steps);
    return status;
}

static tw_status trainer_open(twi_trainer *t, tw_err *err)
{
    if (t->train->n <= 0)
        return twi_fail(err, TW_EUNUSABLE, "there are no photos to train on");
    tw_status status = make_plans(t, err);
    if (!status)
        status = make_room(t, err);
    if (status)
        return status;
    if (t->o->validation && t->o->validation->n) {
        t->validation = twi_scorer_new(t->m, t->o->validation, &t->o->loss, &t->o->metrics,
                                       t->o->validation_from ? t->o->validation_from : t->o->from,
                                       t->o->batch_size, t->o->threads, err);
        if (!t->validation)
            return err && err->status ? err->status : TW_EFAILED;
    }
    choose_settings(t);
    bool is_new = !t->state->n_weights;
    status = check_callbacks(t, err);
    if (!status)
        status = twi_trainer_state(t, err);
    if (!status && is_new)
        begin_callbacks(t);
    return status ? status : open_update(t, is_new, err);
}

static void trainer_close(twi_trainer *t)
{
    for (int i = 0; i < 2; i++) {
        twi_run_free(t->run[i]);
        twi_plan_free(t->plan[i]);
    }
    twi_scorer_free(t->validation);
    twi_weights_clear(&t->all);
    twi_update_close(&t->update);
    twi_meters_close(&t->meters);
    twi_free(t->was_trainable);
    twi_free(t->factor);
    twi_free(t->weight);
    twi_free(t->gradient);
    twi_free(t->order);
    twi_free(t->y);
    twi_free(t->sample_weight);
    twi_fit_state_clear(&t->own);
}

// ------------------------------------------------------------------------------------------------------------- moments

static void tell(twi_trainer *t, twi_moment moment, int64_t epoch, int64_t step)
{
    t->watch.metrics = &t->o->metrics;
    t->watch.learning_rate = t->schedule.kind ? NULL : &t->state->learning_rate;
    if (t->o->on_moment)
        t->o->on_moment(t->o->self, moment, epoch, step, &t->watch);
}

// Whether somebody froze or freed layers since the plans were made.
static bool is_changed(const twi_trainer *t)
{
    for (int i = 0; i < t->all.n; i++)
        if (t->was_trainable[2 * i] != t->all.at[i]->is_trainable ||
            t->was_trainable[2 * i + 1] != t->all.layer[i]->is_trainable)
            return true;
    return false;
}

static bool is_cancelled(const twi_trainer *t)
{
    return t->o->is_cancelled && t->o->is_cancelled(t->o->self);
}

// --------------------------------------------------------------------------------------------------------------- epochs

static void shuffle(twi_trainer *t, int64_t epoch)
{
    int64_t n = t->train->n;
    for (int64_t i = 0; i < n; i++)
        t->order[i] = (uint32_t)i;
    twi_rng rng = twi_rng_at(t->o->seed, TWI_RNG_SHUFFLE, (uint64_t)epoch, 0);
    if (!t->o->no_shuffle)
        twi_rng_shuffle(&rng, t->order, (uint32_t)n);
}

static tw_status train_epoch(twi_trainer *t, twi_epoch *e, tw_err *err)
{
    int64_t n = t->train->n, step = 0, steps = (n + t->batch - 1) / t->batch;
    twi_tally tally = {0};
    shuffle(t, e->epoch);
    if (t->train->begin_epoch)
        t->train->begin_epoch(t->train->self, e->epoch);
    twi_meters_reset(&t->meters);
    for (int64_t at = 0; at < n && !t->watch.wants_stop; at += t->batch, step++) {
        if (is_cancelled(t)) {
            t->history->is_cancelled = true;
            return TW_OK;
        }
        tell(t, TWI_BATCH_BEGIN, e->epoch, step);
        tw_status status = twi_trainer_step(t, at, n - at < t->batch ? n - at : t->batch, &tally, err);
        if (status)
            return status;
        e->loss = tally.loss / (double)tally.seen;
        e->accuracy = (double)tally.right / (double)tally.seen;
        tell(t, TWI_BATCH_END, e->epoch, step);
        if (t->o->on_progress) {
            twi_fit_progress p = {t->o->phase, e->epoch, t->o->epochs, step + 1, steps, e->loss, e->accuracy};
            t->o->on_progress(t->o->self, &p);
        }
    }
    twi_meters_result(&t->meters, e->metric);
    return TW_OK;
}

static tw_status validate(twi_trainer *t, twi_epoch *e, tw_err *err)
{
    twi_scores scores = {.loss = NAN, .accuracy = NAN};
    for (int i = 0; i < TWI_METRICS_MAX; i++)
        scores.metric[i] = NAN;
    tw_status status = t->validation ? twi_scorer_run(t->validation, NULL, &scores, err) : TW_OK;
    if (!status && t->validation && !isfinite(scores.loss))
        status = twi_trainer_diverged(t, scores.loss, err);
    e->val_loss = scores.loss;
    e->val_accuracy = scores.accuracy;
    memcpy(e->val_metric, scores.metric, sizeof e->val_metric);
    return status;
}

// Early stopping, then the others, then the program's, which sees whether the epoch was the best.
static tw_status run_callbacks(twi_trainer *t, twi_epoch *e, tw_err *err)
{
    t->watch.epoch = e;
    t->watch.is_best = false;
    for (int i = 0; i <= t->o->callbacks.n; i++) {
        const tw_setting *setting;
        const twi_callback_kind *kind = callback_of(t, i, &setting);
        tw_status status =
            kind->on_epoch_end ? kind->on_epoch_end(setting, t->state->number[i], &t->watch, err) : TW_OK;
        if (status)
            return status;
    }
    e->is_best = t->watch.is_best;
    tell(t, TWI_EPOCH_END, e->epoch, 0);
    return TW_OK;
}

// Validation, callbacks, best epoch, state. With averages swapped in the state's weights are the real ones again.
static tw_status finish_epoch(twi_trainer *t, twi_epoch *e, tw_err *err)
{
    twi_fit_state *s = t->state;
    bool swaps = has_callback(t, "SwapEMAWeights");
    if (swaps)
        twi_update_swap(&t->update);
    tw_status status = validate(t, e, err);
    if (!status)
        status = run_callbacks(t, e, err);
    if (!status && e->is_best) {
        s->history.best = s->number[0][0];
        s->history.best_epoch = e->epoch;
        status = twi_trainer_keep(t, s->best, err);
    }
    if (swaps)
        twi_update_swap(&t->update);
    if (status)
        return status;
    s->next_epoch = e->epoch + 1;
    s->is_over = t->watch.wants_stop || s->next_epoch >= t->o->epochs;
    if (twi_trainer_keep(t, s->weight, err) || !twi_vec_push(&s->history.epochs, *e, err))
        return TW_ENOMEM;
    if (t->o->on_epoch)
        t->o->on_epoch(t->o->self, e);
    return t->o->on_state ? t->o->on_state(t->o->self, s, err) : TW_OK;
}

// The beginning of an epoch, which a fit called again after a change has already told of.
static bool begin_epoch(twi_trainer *t, int64_t epoch)
{
    twi_fit_state *s = t->state;
    if (!s->has_begun) {
        if (!s->history.epochs.n)
            tell(t, TWI_TRAIN_BEGIN, epoch, 0);
        tell(t, TWI_EPOCH_BEGIN, epoch, 0);
        s->has_begun = true;
        t->history->is_changed = is_changed(t);
    }
    return !t->history->is_changed;
}

static tw_status train_epochs(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    double busy = 0;
    int64_t steps = 0;
    while (s->next_epoch < t->o->epochs && !s->is_over) {
        if (!begin_epoch(t, s->next_epoch))
            return TW_OK;
        uint64_t before = s->steps;
        double start = now();
        twi_epoch e = {.epoch = s->next_epoch};
        e.learning_rate = t->schedule.kind ? twi_schedule_rate(&t->schedule, s->steps) : s->learning_rate;
        tw_status status = train_epoch(t, &e, err);
        busy += now() - start;
        steps += (int64_t)(s->steps - before);
        if (status || t->history->is_cancelled)
            return status;
        e.seconds = now() - start;
        status = finish_epoch(t, &e, err);
        if (status)
            return status;
        s->has_begun = false;
        t->history->step_seconds = busy / (double)(steps ? steps : 1);
        t->history->is_changed = !s->is_over && is_changed(t);
        if (t->history->is_changed)
            return TW_OK;
    }
    t->history->is_stopped_early = s->is_over && s->next_epoch < t->o->epochs;
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------------ fit

// Keras ends with the averages in the weights (use_ema), whatever callbacks restore afterwards.
static void end_with_averages(twi_trainer *t)
{
    const twi_update *u = &t->update;
    for (int i = 0; u->average >= 0 && t->state->steps && i < u->n; i++) {
        memcpy(u->weight[i]->data, u->slot[i * u->per_weight + u->average],
               (size_t)twi_shape_count(&u->weight[i]->shape) * sizeof(float));
        u->weight[i]->version++;
    }
}

static tw_status finish(twi_trainer *t, tw_status status, tw_err *err)
{
    bool is_quiet = status == TW_EDIVERGED && has_callback(t, "TerminateOnNaN");
    if (is_quiet) {
        if (err)
            *err = (tw_err){0};
        status = TW_OK;
        t->history->is_stopped_early = true;
    }
    bool restores = twi_setting_or(&t->early_stopping, "restore_best_weights", 1) == 1;
    if (t->history->is_changed)
        return status;
    if (t->o->keeps_last && !status && !is_quiet)
        end_with_averages(t);
    else if ((status || is_quiet) && t->state->history.best_epoch < 0)
        twi_trainer_restore_first(t);
    else if (restores || status || is_quiet)
        twi_trainer_restore_best(t);
    if (!status && t->o->keeps_slots)
        status = twi_update_store(&t->update, t->m, t->lr, t->schedule.kind != NULL, t->state->steps, err);
    tell(t, TWI_TRAIN_END, t->state->next_epoch, 0);
    return status;
}

static tw_status give_history(twi_trainer *t, tw_err *err)
{
    twi_history *out = t->history;
    const twi_history *kept = &t->state->history;
    out->best = kept->best;
    out->best_epoch = kept->best_epoch;
    out->n_metrics = t->o->metrics.n;
    for (int i = 0; i < out->n_metrics; i++)
        twi_metric_label(&t->o->metrics.at[i], out->metric[i], sizeof out->metric[i]);
    for (int i = 0; i < t->n_trained; i++)
        out->n_train_values += twi_shape_count(&t->weight[i]->shape);
    for (size_t i = 0; i < kept->epochs.n; i++)
        if (!twi_vec_push(&out->epochs, kept->epochs.at[i], err))
            return TW_ENOMEM;
    return TW_OK;
}

tw_status twi_fit(tw_model *m, const twi_samples *train, const twi_fit_options *o, twi_history *history,
                  tw_err *err)
{
    *history = (twi_history){.best_epoch = -1, .best = INFINITY};
    tw_err own = {0}; // a quiet end takes an error back
    twi_trainer t = {.m = m, .train = train, .o = o, .history = history};
    t.state = o->state ? o->state : &t.own;
    tw_status status = trainer_open(&t, &own);
    if (!status) {
        status = finish(&t, train_epochs(&t, &own), &own);
        tw_status given = give_history(&t, &own);
        status = status ? status : given;
    }
    trainer_close(&t);
    if (own.status && err && !err->status)
        *err = own;
    return own.status ? own.status : status;
}

void twi_history_clear(twi_history *history)
{
    twi_vec_clear(&history->epochs);
}
