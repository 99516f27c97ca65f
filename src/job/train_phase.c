// One phase of training: features or pixels, then fit, with checkpoints. See training.h.

#include "job/training.h"
#include "train/find_rate.h"

#include <math.h>
#include <string.h>

enum {
    TRUNK_ROW_BYTES = 128 << 10, // default cut: the trunk's output while a photo's row is no larger
    CACHED_ROW_BYTES = 512 << 10 // a row larger than this is cheaper to compute again than to keep
};
#define CHECKPOINT_SECONDS 60

static const char *const phase_names[TWI_PHASES] = {"head", "fine_tune"};
static const char *const stage_names[TWI_PHASES] = {"head", "fine-tune"};
static const char *const checkpoint_names[TWI_PHASES] = {"checkpoint.tw", "checkpoint-fine-tune.tw"};

// ------------------------------------------------------------------------------------------------------------- features

static void count_features(void *self, int64_t done, int64_t total)
{
    twi_progress *stage = self;
    twi_progress_set(stage, done, total, NULL);
}

static bool stage_cancelled(void *self)
{
    const twi_progress *stage = self;
    return twi_is_cancelled(stage->tw);
}

static tw_status make_features(training *t, const twi_choices *choices, tw_err *err)
{
    twi_progress stage;
    int64_t n = (int64_t)t->photos.at.n;
    twi_progress_begin(&stage, t->tw, "features", n, "photos", NULL);
    twi_features_options o = {.frontier = &t->frontier,
                              .recipe = &t->classifier.recipe,
                              .cache_dir = t->cache_dir,
                              .cache_limit = t->cache_limit,
                              .precision = t->precision,
                              .choices = choices,
                              .workers = t->feature_workers[t->phase],
                              .self = &stage,
                              .on_progress = count_features,
                              .is_cancelled = stage_cancelled};
    tw_status status = twi_features_make(t->classifier.model, &t->photos, &o, &t->features, err);
    t->features_seconds += twi_progress_seconds(&stage);
    t->n_decoded += t->features.n_decoded;
    json_decref(t->feature_plan[t->phase]);
    t->feature_plan[t->phase] = json_incref(t->features.plan);
    if (status == TW_EWRITE)
        twi_err_advise(err, t->cache_dir ? "try  --cache DIR for another place, or --cache off"
                                         : "try  TMPDIR=DIR for another place, or --cache DIR");
    if (status)
        return status;
    if (t->features.n_trials)
        twi_note(t->tw,
                 "%d kinds of ops were tried in several ways, in %.1f s; remembered for this processor",
                 t->features.n_trials, t->features.trial_seconds);
    twi_progress_end(&stage, "%s",
                     t->features.n_decoded == 0 ? "all found in the cache"
                     : t->features.is_kept      ? "kept for the next run"
                     : t->cache_dir             ? "not kept: more than the cache may hold (--cache-limit)"
                                                : "not kept (--cache off)");
    return TW_OK;
}

// The same for each changed copy of the training photos.
static tw_status make_copies(training *t, const twi_choices *choices, tw_err *err)
{
    int n = (int)t->o->augment_copies;
    if (!n || !t->augment.n)
        return TW_OK;
    t->copies = twi_new((size_t)n, sizeof *t->copies, "features of copies", err);
    twi_progress stage;
    twi_progress_begin(&stage, t->tw, "copies", twi_photos_count(&t->photos, TWI_TRAIN) * n, "photos", NULL);
    tw_status status = t->copies ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < n; i++) {
        twi_features_options o = {.frontier = &t->frontier,
                                  .recipe = &t->classifier.recipe,
                                  .cache_dir = t->cache_dir,
                                  .cache_limit = t->cache_limit,
                                  .precision = t->precision,
                                  .choices = choices,
                                  .augment = &t->augment,
                                  .seed = (uint64_t)t->o->seed,
                                  .copy = i + 1,
                                  .workers = t->threads,
                                  .self = &stage,
                                  .is_cancelled = stage_cancelled};
        status = twi_features_make(t->classifier.model, &t->photos, &o, &t->copies[i], err);
        t->n_decoded += t->copies[i].n_decoded;
        twi_progress_set(&stage, (i + 1) * stage.total / n, stage.total, NULL);
    }
    t->features_seconds += twi_progress_seconds(&stage);
    if (!status)
        twi_progress_end(&stage, "%d changed %s of each training photo", n, n == 1 ? "copy" : "copies");
    return status;
}

// What changes anew in each epoch cannot be kept: what that costs, and the way around it.
static void say_augmented(training *t, bool could_have_rows)
{
    int64_t n = twi_photos_count(&t->photos, TWI_TRAIN);
    if (could_have_rows)
        twi_note(t->tw,
                 "photos are changed anew in each epoch, so the frozen part runs again for all of them: %lld "
                 "photos an epoch\ntry  %s",
                 (long long)n,
                 t->o->cutmix > 0
                     ? "--mixup instead of --cutmix: it mixes features too"
                     : "--augment-copies 4, which computes each photo five times in all and then "
                       "trains as fast as without");
}

static tw_status open_part(training *t, twi_part part, tw_err *err)
{
    if (t->frontier.n && !(t->is_online && part == TWI_TRAIN))
        return twi_features_samples(&t->features, &t->photos, part, &t->part[part], err);
    tw_status status =
        twi_pixel_samples(&t->photos, part, &t->classifier.recipe, t->threads, &t->part[part], err);
    return status || !t->is_online || part != TWI_TRAIN
               ? status
               : twi_part_samples_augment(&t->part[part], &t->augment, (uint64_t)t->o->seed, err);
}

// Why nothing is kept: a layer at the very beginning learns, or what the frozen part makes of a photo is too much.
static void say_decoded_again(const training *t, size_t row_bytes)
{
    if (row_bytes)
        twi_note(t->tw,
                 "what the frozen layers before '%s' make of a photo, %.1f MB, is too much to keep: photos "
                 "are decoded "
                 "again in each epoch",
                 t->frontier.ended_by, (double)row_bytes / 1e6);
    else
        twi_note(t->tw, "no frozen layers come before '%s': photos are decoded again in each epoch",
                 t->frontier.ended_by);
}

static tw_status open_samples(training *t, tw_err *err)
{
    bool fits = twi_training_keeps_rows(&t->frontier);
    size_t row_bytes = t->frontier.n > 0 ? twi_frontier_bytes(&t->frontier) : 0;
    t->is_online = twi_training_is_online(t, fits);
    if (!fits)
        t->frontier.n = 0;
    const twi_choices *choices = NULL;
    tw_status status = twi_augment_check(&t->augment, &t->classifier.recipe, err);
    if (!status)
        status = twi_training_choices(t, fits, &choices, err);
    if (!status && fits)
        status = make_features(t, choices, err);
    if (!status && fits)
        status = make_copies(t, choices, err);
    for (int part = 0; !status && part < TWI_PARTS; part++)
        status = open_part(t, (twi_part)part, err);
    if (!status && t->copies)
        twi_part_samples_copies(&t->part[TWI_TRAIN], t->copies, (int)t->o->augment_copies);
    if (t->is_online)
        say_augmented(t, fits);
    else if (!fits)
        say_decoded_again(t, row_bytes);
    return status;
}

void twi_training_close_phase(training *t)
{
    for (int part = 0; part < TWI_PARTS; part++)
        twi_part_samples_clear(&t->part[part]);
    twi_features_clear(&t->features);
    for (int64_t i = 0; t->copies && i < t->o->augment_copies; i++)
        twi_features_clear(&t->copies[i]);
    twi_free(t->copies);
    t->copies = NULL;
    t->frontier = (twi_frontier){0};
}

// ---------------------------------------------------------------------------------------------------------- checkpoints

static tw_status write_checkpoint(training *t, const twi_fit_state *state, tw_err *err)
{
    char *path = twi_run_file(t->dir, checkpoint_names[t->phase], err);
    tw_status status = path ? twi_checkpoint_write(path, phase_names[t->phase], state, err) : TW_ENOMEM;
    twi_free(path);
    t->last_checkpoint = twi_seconds();
    return status;
}

// At most once a minute, and where a phase ends.
static tw_status on_state(void *self, const twi_fit_state *state, tw_err *err)
{
    training *t = self;
    if (!state->is_over && !twi_is_cancelled(t->tw) &&
        twi_seconds() - t->last_checkpoint < CHECKPOINT_SECONDS)
        return TW_OK;
    return write_checkpoint(t, state, err);
}

static tw_status read_checkpoint(training *t, twi_fit_state *state, tw_err *err)
{
    char *path = twi_run_file(t->dir, checkpoint_names[t->phase], err), *phase = NULL;
    if (!path)
        return TW_ENOMEM;
    tw_status status = TW_OK;
    if (t->o->resume && twi_file_exists(path)) {
        status = twi_checkpoint_read(path, &phase, state, err);
        if (!status)
            twi_say(t->tw, stage_names[t->phase], "resumed after epoch %lld", (long long)state->next_epoch);
    }
    twi_free(phase);
    twi_free(path);
    return status;
}

// ------------------------------------------------------------------------------------------------------------------ fit

static void write_histograms(training *t, int64_t step, tw_err *err)
{
    twi_weights all = {0};
    tw_status status = twi_model_weights(t->classifier.model, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (all.at[i]->is_trainable && all.at[i]->is_set)
            status = twi_tfevents_histogram(t->events, all.path[i], step, all.at[i]->data,
                                            twi_shape_count(&all.at[i]->shape), err);
    twi_weights_clear(&all);
}

// --tensorboard: the epoch's values; epochs of the second phase go on counting.
static void write_events(training *t, const twi_epoch *e)
{
    static const char *const names[] = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"};
    tw_err err = {0};
    int64_t step = e->epoch + (t->phase == TWI_FINE_TUNE ? (int64_t)t->history[TWI_HEAD].epochs.n : 0);
    if (!t->events)
        t->events = twi_tfevents_open(t->dir, &err);
    for (int i = 0; t->events && i < 5 + 2 * t->metrics.n; i++) {
        char name[TWI_METRIC_LABEL], label[TWI_METRIC_LABEL + 4], tag[TWI_METRIC_LABEL + 16];
        int metric = (i - 5) / 2;
        double value = i >= 5 && i % 2 ? e->metric[metric] : i >= 5 ? e->val_metric[metric] : 0;
        if (i >= 5)
            snprintf(label, sizeof label, "%s%s", i % 2 ? "" : "val_",
                     twi_metric_label(&t->metrics.at[metric], name, sizeof name));
        else
            value = twi_epoch_value(e, 0, NULL, names[i]);
        snprintf(tag, sizeof tag, "epoch_%s", i < 5 ? names[i] : label);
        if (!isnan(value))
            twi_tfevents_scalar(t->events, tag, step, value, &err);
    }
    if (t->events && !err.status)
        write_histograms(t, step, &err);
    if (t->events)
        twi_tfevents_flush(t->events, &err);
    if (err.status && !t->has_warned)
        twi_warn(t->tw, "%s", err.msg);
    t->has_warned |= err.status != TW_OK;
}

static void on_epoch(void *self, const twi_epoch *e)
{
    training *t = self;
    if (t->o->tensorboard)
        write_events(t, e);
    tw_event event = {.kind = TW_EVENT_EPOCH,
                      .stage = stage_names[t->phase],
                      .done = e->epoch + 1,
                      .total = t->phase == TWI_HEAD ? t->o->epochs : t->o->fine_tune,
                      .seconds = e->seconds,
                      .loss = e->loss,
                      .accuracy = e->accuracy,
                      .val_loss = e->val_loss,
                      .val_accuracy = e->val_accuracy,
                      .learning_rate = e->learning_rate,
                      .is_best = e->is_best};
    twi_event(t->tw, &event);
}

static void on_progress(void *self, const twi_fit_progress *p)
{
    training *t = self;
    tw_event event = {.kind = TW_EVENT_PROGRESS,
                      .stage = stage_names[t->phase],
                      .done = p->epoch * p->steps + p->step,
                      .total = p->epochs * p->steps,
                      .unit = "steps"};
    twi_event(t->tw, &event);
}

static bool fit_cancelled(void *self)
{
    training *t = self;
    return twi_is_cancelled(t->tw);
}

const char *twi_training_monitor(const training *t)
{
    int monitor = (int)twi_setting_or(&t->early_stopping, "monitor", 1);
    if (monitor > 1)
        return twi_monitors[monitor];
    return monitor == 1 && t->part[TWI_VAL].samples.n ? "validation loss" : "loss";
}

static int64_t patience_of(const training *t)
{
    double own = twi_setting_or(&t->early_stopping, "patience", NAN);
    return isnan(own) ? t->o->patience : (int64_t)own;
}

static void say_end(training *t)
{
    const twi_history *h = &t->history[t->phase];
    if (t->phase == TWI_FINE_TUNE && t->tuning.is_destroyed)
        return;
    if (h->is_cancelled)
        twi_say(t->tw, stage_names[t->phase], "stopped; the best epoch so far is kept");
    else if (h->is_stopped_early)
        twi_say(t->tw, stage_names[t->phase],
                "stopped after epoch %zu: %s has not improved for %lld epochs; epoch %lld restored",
                h->epochs.n, twi_training_monitor(t), (long long)patience_of(t),
                (long long)h->best_epoch + 1);
    else if (h->best_epoch >= 0 && h->best_epoch + 1 < (int64_t)h->epochs.n)
        twi_say(t->tw, stage_names[t->phase], "epoch %lld was the best and is restored",
                (long long)h->best_epoch + 1);
}

// --lr auto: once, before the head learns.
static tw_status find_rate(training *t, twi_fit_options *o, tw_err *err)
{
    twi_rates rates;
    tw_err own = {0};
    tw_status status = twi_find_rate(t->classifier.model, &t->part[TWI_TRAIN].samples, o, &rates, &own);
    if (status && twi_is_cancelled(t->tw)) { // the fit stops by itself
        o->learning_rate = t->optimizer.kind->args[0].otherwise;
        return TW_OK;
    }
    if (status) {
        *err = own;
        return status;
    }
    json_t *rate = json_array(), *loss = json_array();
    for (int i = 0; i < rates.n; i++) {
        json_array_append_new(rate, json_real(rates.rate[i]));
        json_array_append_new(loss, isfinite(rates.loss[i]) ? json_real(rates.loss[i]) : json_null());
    }
    json_decref(t->rates);
    t->rates = json_pack("{sf so so}", "chosen", rates.chosen, "rate", rate, "loss", loss);
    t->lr = o->learning_rate = rates.chosen;
    twi_say(t->tw, stage_names[t->phase], "learning rate %g, from %d steps with growing rates", rates.chosen,
            rates.n);
    return t->rates ? TW_OK : twi_fail_memory(err, 0, "learning rates");
}

// What the model file says about how it was trained, so that Keras can go on.
static tw_status store_compiled(training *t, const twi_fit_options *o, tw_err *err)
{
    twi_compiled c = {
        .optimizer = o->optimizer, .loss = o->loss, .schedule = o->schedule, .metrics = o->metrics};
    c.optimizer.value[0] = o->learning_rate;
    int64_t steps = (t->part[TWI_TRAIN].samples.n + o->batch_size - 1) / o->batch_size * o->epochs;
    twi_schedule_complete(&c.schedule, o->learning_rate, (double)steps);
    if (c.schedule.kind && ((const twi_schedule_kind *)c.schedule.kind->row)->is_ours)
        c.schedule.kind = NULL;
    return twi_compile_store(t->classifier.model, &c, err);
}

static tw_status keep_pictures(training *t, const twi_fit_options *o, tw_err *err)
{
    int64_t steps = (t->part[TWI_TRAIN].samples.n + o->batch_size - 1) / o->batch_size * o->epochs;
    json_t *schedule = twi_training_schedule(t, o->phase, o->learning_rate, steps);
    if (schedule && !t->schedule_drawn)
        t->schedule_drawn = json_array();
    if (schedule)
        json_array_append_new(t->schedule_drawn, schedule);
    if (t->phase == TWI_HEAD && !t->dropped)
        t->dropped = twi_training_dropped(t, o->seed, err);
    return err && err->status ? err->status : TW_OK;
}

static void on_moment(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w)
{
    (void)step;
    twi_tuning_moment(self, moment, epoch, w);
}

bool twi_training_is_tuned(const training *t)
{
    const tw_setting *s = &t->early_stopping;
    double head = t->history[TWI_HEAD].best, tuned = t->history[TWI_FINE_TUNE].best;
    bool is_down =
        twi_monitor_is_down((int)twi_setting_or(s, "monitor", 1), (int)twi_setting_or(s, "mode", 0));
    return t->n_phases > TWI_FINE_TUNE && t->history[TWI_FINE_TUNE].best_epoch >= 0 &&
           twi_is_better(is_down, tuned, head, 0);
}

double twi_training_fine_rate(const training *t)
{
    return t->o->fine_tune_lr > 0 ? t->o->fine_tune_lr : t->lr / 100;
}

static void tune(training *t, twi_fit_options *o)
{
    const twi_history *head = &t->history[TWI_HEAD];
    t->tuning.rate = o->learning_rate;
    t->tuning.step = (int64_t)o->state->steps;
    if (head->best_epoch >= 0 && head->best_epoch < (int64_t)head->epochs.n)
        t->tuning.head_loss = head->epochs.at[head->best_epoch].loss;
    o->rate_factor = twi_tuning_factor;
    o->on_moment = on_moment;
    // A checkpoint is of the layers that learned then; what is freed next is freed at the beginning of the epoch.
    twi_tuning_unfreeze(t, o->state->next_epoch > 0 ? o->state->next_epoch - 1 : 0);
}

static tw_status fit(training *t, tw_err *err)
{
    bool is_head = t->phase == TWI_HEAD;
    double lr = is_head ? t->lr : twi_training_fine_rate(t);
    twi_fit_state state = {0};
    tw_status status = read_checkpoint(t, &state, err);
    twi_fit_options o = {.phase = phase_names[t->phase],
                         .epochs = is_head ? t->o->epochs : t->o->fine_tune,
                         .optimizer = t->optimizer,
                         .loss = t->loss,
                         .schedule = t->schedule,
                         .metrics = t->metrics,
                         .callbacks = t->callbacks,
                         .early_stopping = t->early_stopping,
                         .is_proximal = t->o->proximal,
                         .mixup = t->o->mixup,
                         .cutmix = t->o->cutmix,
                         .keeps_slots = t->o->save_optimizer,
                         .learning_rate = lr,
                         .seed = (uint64_t)t->o->seed * TWI_PHASES + (uint64_t)t->phase,
                         .validation = t->part[TWI_VAL].samples.n ? &t->part[TWI_VAL].samples : NULL,
                         .from = t->frontier.n && !t->is_online ? &t->frontier : NULL,
                         .validation_from = t->frontier.n ? &t->frontier : NULL,
                         .patience = t->o->patience,
                         .class_weight = t->class_weight,
                         .run_limit = t->run_limit[t->phase],
                         .threads = t->threads,
                         .state = &state,
                         .self = t,
                         .on_progress = on_progress,
                         .on_epoch = on_epoch,
                         .on_state = on_state,
                         .is_cancelled = fit_cancelled};
    if (!status)
        status = twi_training_batch(t, stage_names[t->phase], &o, err);
    if (!status && t->lr == 0)
        status = find_rate(t, &o, err);
    if (!status && !is_head)
        tune(t, &o);
    while (!status) {
        twi_history_clear(&t->history[t->phase]);
        status = twi_fit(t->classifier.model, &t->part[TWI_TRAIN].samples, &o, &t->history[t->phase], err);
        if (!t->history[t->phase].is_changed)
            break;
    }
    // A stop in the middle of an epoch writes nothing: the optimizer's slots are ahead of the kept weights by then. The last
    // checkpoint on disk is from the end of an epoch, and going on from there gives the same bits.
    if (!status && t->o->loss)
        status = twi_info_set_text(t->classifier.model, "loss", t->o->loss, err);
    if (!status && t->o->save_optimizer)
        status = store_compiled(t, &o, err);
    if (!status)
        status = keep_pictures(t, &o, err);
    if (!status)
        say_end(t);
    twi_fit_state_clear(&state);
    return status;
}

tw_status twi_training_frontier(training *t, twi_phase_number phase, twi_frontier *frontier, tw_err *err)
{
    return twi_frontier_find(t->classifier.model, phase == TWI_HEAD ? TRUNK_ROW_BYTES : 0, frontier, err);
}

bool twi_training_keeps_rows(const twi_frontier *frontier)
{
    return frontier->n > 0 && twi_frontier_bytes(frontier) <= CACHED_ROW_BYTES;
}

bool twi_training_is_online(const training *t, bool keeps_rows)
{
    return (t->augment.n || t->o->cutmix > 0) && !(keeps_rows && t->o->augment_copies > 0);
}

tw_status twi_training_unfreeze(training *t, tw_err *err)
{
    const tw_train_options *o = t->o;
    bool trains_norm = o->bn == 2 || (o->bn == 0 && twi_str_same(o->weights, "none"));
    return twi_classifier_unfreeze(&t->classifier, o->fine_tune_from, o->freeze, trains_norm, err);
}

static tw_status begin(training *t, twi_phase_number phase, tw_err *err)
{
    t->phase = phase;
    t->n_phases = (int)phase + 1;
    t->last_checkpoint = twi_seconds();
    tw_status status = twi_training_frontier(t, phase, &t->frontier, err);
    if (!status && t->frontier.is_all)
        status = twi_fail(err, TW_EINVAL, "nothing to train: every weight is frozen");
    if (!status && phase == TWI_FINE_TUNE)
        status = twi_tuning_open(t, err);
    return status ? status : open_samples(t, err);
}

tw_status twi_training_phase(training *t, twi_phase_number phase, tw_err *err)
{
    tw_status status = begin(t, phase, err);
    if (status)
        return status;
    if (!t->part[TWI_TRAIN].samples.n)
        return twi_fail(err, TW_EUNUSABLE, "none of the training photos could be read; see %s/skipped.csv",
                        t->dir);
    double start = twi_seconds();
    status = fit(t, err);
    if (!status)
        status = twi_model_mark_trained(t->classifier.model, err);
    t->seconds[phase] = twi_seconds() - start;
    t->is_interrupted = t->history[phase].is_cancelled || status == TW_ECANCELLED;
    return status;
}

// ------------------------------------------------------------------------------------------------------------- evaluate

static tw_status evaluate_part(training *t, twi_part part, twi_evaluation *e, tw_err *err)
{
    const twi_part_samples *s = &t->part[part];
    tw_shape out = twi_model_shape(t->classifier.model, t->classifier.model->outputs.at[0]);
    int64_t n = s->samples.n, k = twi_shape_last(&out);
    float *rows = twi_new((size_t)(n * k), sizeof *rows, "answers", err);
    if (!rows)
        return TW_ENOMEM;
    twi_scores scores = {0};
    tw_status status = TW_OK;
    if (n)
        status = twi_score(t->classifier.model, &s->samples, &t->loss, t->frontier.n ? &t->frontier : NULL,
                           t->batch_size[t->phase], t->threads, rows, &scores, err);
    if (!status)
        status = twi_evaluate(rows, k, s->label, n, (int64_t)t->photos.classes.n, &t->loss, scores.penalty, e,
                              err);
    if (!status && n)
        e->loss = scores.loss;
    for (int64_t i = 0; !status && i < n; i++)
        memcpy(t->answers + s->photo[i] * k, rows + i * k, (size_t)k * sizeof *rows);
    twi_free(rows);
    return status;
}

tw_status twi_training_evaluate(training *t, tw_err *err)
{
    twi_evaluation_clear(&t->val);
    twi_evaluation_clear(&t->test);
    tw_status status = evaluate_part(t, TWI_VAL, &t->val, err);
    return status ? status : evaluate_part(t, TWI_TEST, &t->test, err);
}
