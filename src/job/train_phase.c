// One phase of training: features or pixels, then fit, with checkpoints. See training.h.

#include "job/training.h"

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

static tw_status make_features(training *t, tw_err *err)
{
    twi_progress stage;
    int64_t n = (int64_t)t->photos.at.n;
    twi_progress_begin(&stage, t->tw, "features", n, "photos", NULL);
    twi_features_options o = {.frontier = &t->frontier,
                              .recipe = &t->classifier.recipe,
                              .cache_dir = t->cache_dir,
                              .precision = t->precision,
                              .workers = t->threads,
                              .self = &stage,
                              .on_progress = count_features,
                              .is_cancelled = stage_cancelled};
    tw_status status = twi_features_make(t->classifier.model, &t->photos, &o, &t->features, err);
    t->features_seconds += twi_progress_seconds(&stage);
    t->n_decoded += t->features.n_decoded;
    if (status)
        return status;
    twi_progress_end(&stage, "%s",
                     t->features.n_decoded == 0 ? "all found in the cache"
                     : t->cache_dir             ? "kept for the next run"
                                                : "not kept (--cache off)");
    return TW_OK;
}

static tw_status open_samples(training *t, tw_err *err)
{
    bool has_rows = t->frontier.n > 0 && twi_frontier_bytes(&t->frontier) <= CACHED_ROW_BYTES;
    tw_status status = has_rows ? make_features(t, err) : TW_OK;
    for (int part = 0; !status && part < TWI_PARTS; part++)
        status = has_rows
                     ? twi_features_samples(&t->features, &t->photos, (twi_part)part, &t->part[part], err)
                     : twi_pixel_samples(&t->photos, (twi_part)part, &t->classifier.recipe, t->threads,
                                         &t->part[part], err);
    if (!has_rows) {
        t->frontier.n = 0;
        twi_note(
            t->tw,
            "nothing in front is frozen, or it is too large to keep: photos are decoded again in each epoch");
    }
    return status;
}

void twi_training_close_phase(training *t)
{
    for (int part = 0; part < TWI_PARTS; part++)
        twi_part_samples_clear(&t->part[part]);
    twi_features_clear(&t->features);
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
    int64_t epochs = t->phase == TWI_HEAD ? t->o->epochs : t->o->fine_tune;
    bool is_last = state->next_epoch >= epochs || (t->o->patience > 0 && state->wait >= t->o->patience);
    if (!is_last && !twi_is_cancelled(t->tw) && twi_seconds() - t->last_checkpoint < CHECKPOINT_SECONDS)
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

static void on_epoch(void *self, const twi_epoch *e)
{
    training *t = self;
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

static void say_end(training *t)
{
    const twi_history *h = &t->history[t->phase];
    if (h->is_cancelled)
        twi_say(t->tw, stage_names[t->phase], "stopped; the best epoch so far is kept");
    else if (h->is_stopped_early)
        twi_say(t->tw, stage_names[t->phase],
                "stopped after epoch %zu: %s has not improved for %lld epochs; epoch %lld restored",
                h->epochs.n, t->part[TWI_VAL].samples.n ? "validation loss" : "loss",
                (long long)t->o->patience, (long long)h->best_epoch + 1);
    else if (h->best_epoch >= 0 && h->best_epoch + 1 < (int64_t)h->epochs.n)
        twi_say(t->tw, stage_names[t->phase], "epoch %lld was the best and is restored",
                (long long)h->best_epoch + 1);
}

static tw_status fit(training *t, tw_err *err)
{
    bool is_head = t->phase == TWI_HEAD;
    double lr = is_head ? t->lr : t->o->fine_tune_lr > 0 ? t->o->fine_tune_lr : t->lr / 100;
    twi_fit_state state = {0};
    tw_status status = read_checkpoint(t, &state, err);
    twi_fit_options o = {.phase = phase_names[t->phase],
                         .epochs = is_head ? t->o->epochs : t->o->fine_tune,
                         .batch_size = t->o->batch_size,
                         .optimizer = t->optimizer,
                         .loss = t->loss,
                         .learning_rate = lr,
                         .seed = (uint64_t)t->o->seed * TWI_PHASES + (uint64_t)t->phase,
                         .validation = t->part[TWI_VAL].samples.n ? &t->part[TWI_VAL].samples : NULL,
                         .from = t->frontier.n ? &t->frontier : NULL,
                         .patience = t->o->patience,
                         .class_weight = t->class_weight,
                         .threads = t->threads,
                         .state = &state,
                         .self = t,
                         .on_progress = on_progress,
                         .on_epoch = on_epoch,
                         .on_state = on_state,
                         .is_cancelled = fit_cancelled};
    if (!status)
        status = twi_fit(t->classifier.model, &t->part[TWI_TRAIN].samples, &o, &t->history[t->phase], err);
    // A stop in the middle of an epoch writes nothing: the optimizer's slots are ahead of the kept weights by then. The last
    // checkpoint on disk is from the end of an epoch, and going on from there gives the same bits.
    if (!status)
        say_end(t);
    twi_fit_state_clear(&state);
    return status;
}

static tw_status begin(training *t, twi_phase_number phase, tw_err *err)
{
    t->phase = phase;
    t->n_phases = (int)phase + 1;
    t->last_checkpoint = twi_seconds();
    size_t prefer = phase == TWI_HEAD ? TRUNK_ROW_BYTES : 0;
    tw_status status = twi_frontier_find(t->classifier.model, prefer, &t->frontier, err);
    if (!status && t->frontier.is_all)
        status = twi_fail(err, TW_EINVAL, "nothing to train: every weight is frozen");
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
    twi_scores scores;
    tw_status status = TW_OK;
    if (n)
        status = twi_score(t->classifier.model, &s->samples, &t->loss, t->frontier.n ? &t->frontier : NULL,
                           t->o->batch_size, t->threads, rows, &scores, err);
    if (!status)
        status = twi_evaluate(rows, k, s->label, n, (int64_t)t->photos.classes.n, &t->loss, e, err);
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
