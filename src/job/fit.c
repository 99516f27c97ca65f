// tw_fit: training on a data set, with the frozen prefix computed once.
//
//   compiled settings → samples of the frontier (feature rows, pixels, or numbers in memory) → fit → history
//
// The photos of training and validation, which may come from two folders, are picked into one list first: so there is one
// pass through the frozen part and one cache file, and nothing is computed for photos that are not used. See learn.h.

#include "job/learning.h"

#include "base/source.h"
#include "graph/summary_rows.h"
#include "train/checkpoint.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

bool twi_learning_is_cancelled(void *self)
{
    const learning *l = self;
    return l->wants_stop || twi_is_cancelled(l->tw);
}

int64_t twi_learning_batch(const learning *l)
{
    return l->o->batch_size ? l->o->batch_size : 32;
}

uint64_t twi_learning_seed(const learning *l)
{
    return l->o->seed ? (uint64_t)l->o->seed : 1;
}

// ------------------------------------------------------------------------------------------------------------------ fit

static tw_epoch public_epoch(const twi_epoch *e)
{
    return (tw_epoch){.epoch = e->epoch,
                      .loss = e->loss,
                      .accuracy = e->accuracy,
                      .val_loss = e->val_loss,
                      .val_accuracy = e->val_accuracy,
                      .learning_rate = e->learning_rate,
                      .seconds = e->seconds,
                      .is_best = e->is_best};
}

static int64_t epochs_of(const learning *l)
{
    return l->o->epochs ? l->o->epochs : 1;
}

static void on_epoch(void *self, const twi_epoch *e)
{
    learning *l = self;
    tw_event event = {.kind = TW_EVENT_EPOCH,
                      .stage = "fit",
                      .done = e->epoch + 1,
                      .total = epochs_of(l),
                      .seconds = e->seconds,
                      .loss = e->loss,
                      .accuracy = e->accuracy,
                      .val_loss = e->val_loss,
                      .val_accuracy = e->val_accuracy,
                      .learning_rate = e->learning_rate,
                      .is_best = e->is_best};
    twi_event(l->tw, &event);
    tw_epoch given = public_epoch(e);
    if (l->o->on_epoch && !l->o->on_epoch(l->o->arg, &given))
        l->wants_stop = true;
}

static void on_progress(void *self, const twi_fit_progress *p)
{
    learning *l = self;
    tw_event event = {.kind = TW_EVENT_PROGRESS,
                      .stage = "fit",
                      .done = p->epoch * p->steps + p->step,
                      .total = p->epochs * p->steps,
                      .unit = "steps"};
    twi_event(l->tw, &event);
}

static tw_history *history_of(twi_history *h, bool is_stopped, tw_err *err)
{
    tw_history *out = twi_new(1, sizeof *out, "a history", err);
    if (!out)
        return NULL;
    out->best = h->best_epoch;
    out->is_stopped = is_stopped;
    out->all = *h;
    *h = (twi_history){0};
    for (size_t i = 0; i < out->all.epochs.n; i++)
        if (!twi_vec_push(&out->epochs, public_epoch(&out->all.epochs.at[i]), err)) {
            twi_learn_history_free(out);
            return NULL;
        }
    return out;
}

// The program's callbacks, each moment to all of them.
static void on_moment(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w)
{
    learning *l = self;
    l->training.watch = w;
    tw_epoch given = {0};
    if (moment == TWI_EPOCH_END) {
        given = public_epoch(w->epoch);
        if (twi_fit_files_epoch(&l->files, w->epoch, l->err))
            w->wants_stop = true;
    }
    for (int64_t i = 0; i < l->o->n_callbacks; i++) {
        const tw_callback *c = &l->o->callback[i];
        if (moment == TWI_TRAIN_BEGIN && c->on_train_begin)
            c->on_train_begin(c->arg, &l->training);
        if (moment == TWI_EPOCH_BEGIN && c->on_epoch_begin)
            c->on_epoch_begin(c->arg, &l->training, epoch);
        if (moment == TWI_BATCH_BEGIN && c->on_batch_begin)
            c->on_batch_begin(c->arg, &l->training, step);
        if (moment == TWI_BATCH_END && c->on_batch_end)
            c->on_batch_end(c->arg, &l->training, step);
        if (moment == TWI_EPOCH_END && c->on_epoch_end)
            c->on_epoch_end(c->arg, &l->training, &given);
        if (moment == TWI_TRAIN_END && c->on_train_end)
            c->on_train_end(c->arg, &l->training);
    }
}

static char *backup_path(const learning *l, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/fit.tw", l->o->backup);
    return twi_str_take(&path, err);
}

static tw_status write_backup(void *self, const twi_fit_state *state, tw_err *err)
{
    learning *l = self;
    char *path = backup_path(l, err);
    tw_status status = path ? twi_checkpoint_write(path, "fit", state, err) : TW_ENOMEM;
    twi_free(path);
    return status;
}

static tw_status read_backup(learning *l, twi_fit_state *state, tw_err *err)
{
    char *path = backup_path(l, err), *phase = NULL;
    tw_status status = path ? twi_dir_make(l->o->backup, err) : TW_ENOMEM;
    if (!status && twi_file_exists(path)) {
        status = twi_checkpoint_read(path, &phase, state, err);
        if (!status)
            twi_say(l->tw, "fit", "resumed after epoch %lld", (long long)state->next_epoch);
    }
    twi_free(phase);
    twi_free(path);
    return status;
}

static void remove_backup(const learning *l)
{
    char *path = backup_path(l, NULL);
    if (path)
        unlink(path);
    twi_free(path);
}

static twi_fit_options fit_options(learning *l, twi_fit_state *state)
{
    const tw_fit_options *o = l->o;
    return (twi_fit_options){.phase = "fit",
                             .epochs = epochs_of(l),
                             .batch_size = twi_learning_batch(l),
                             .optimizer = l->compiled.optimizer,
                             .loss = l->compiled.loss,
                             .schedule = l->compiled.schedule,
                             .metrics = l->compiled.metrics,
                             .early_stopping = l->early_stopping,
                             .callbacks = l->callbacks,
                             .seed = twi_learning_seed(l),
                             .validation = l->samples[TWI_VALIDATING],
                             .from = l->frontier.n && !l->is_online ? &l->frontier : NULL,
                             .validation_from = l->frontier.n ? &l->frontier : NULL,
                             .patience = o->patience,
                             .class_weight = o->class_weight,
                             .sample_weight = o->sample_weight,
                             .no_shuffle = o->no_shuffle,
                             .is_proximal = o->proximal,
                             .run_limit = l->run_limit,
                             .mixup = o->mixup,
                             .cutmix = o->cutmix,
                             .threads = twi_threads(l->tw, 0),
                             .keeps_last = o->keep_last,
                             .keeps_slots = true,
                             .state = state,
                             .self = l,
                             .on_progress = on_progress,
                             .on_epoch = on_epoch,
                             .on_state = o->backup ? write_backup : NULL,
                             .on_moment = on_moment,
                             .is_cancelled = twi_learning_is_cancelled};
}

// Files say how many steps the schedule had; one that Keras does not know leaves its rate.
static tw_status settle_schedule(learning *l, tw_err *err)
{
    twi_compiled c = l->compiled;
    int64_t batch = l->o->batch_size ? l->o->batch_size : 32, n = l->samples[TWI_TRAINING]->n;
    if (!c.schedule.kind)
        return TW_OK;
    twi_schedule_complete(&c.schedule, c.optimizer.value[0],
                          (double)((n + batch - 1) / batch * epochs_of(l)));
    if (((const twi_schedule_kind *)c.schedule.kind->row)->is_ours)
        c.schedule.kind = NULL;
    return twi_compile_store(l->m, &c, err);
}

static tw_history *fit(learning *l, tw_err *err)
{
    twi_fit_state state = {0};
    twi_history history = {0};
    tw_history *out = NULL;
    l->err = err;
    tw_status status = twi_fit_files_open(&l->files, err);
    if (!status && l->o->backup)
        status = read_backup(l, &state, err);
    do {
        twi_history_clear(&history);
        if (!status && history.is_changed)
            status = twi_learning_open_samples_again(l, err);
        twi_fit_options options = fit_options(l, &state);
        if (!status)
            status = twi_fit(l->m, l->samples[TWI_TRAINING], &options, &history, err);
    } while (!status && history.is_changed);
    if (!status && !err->status)
        status = settle_schedule(l, err);
    if (!status && !err->status)
        status = twi_model_mark_trained(l->m, err);
    if (!status && !err->status)
        out = history_of(&history, history.is_stopped_early || history.is_cancelled || l->wants_stop, err);
    if (out && l->o->backup && (!out->all.is_cancelled || l->wants_stop))
        remove_backup(l);
    twi_fit_files_close(&l->files);
    twi_fit_state_clear(&state);
    twi_history_clear(&history);
    return out;
}

// Early stopping stands among the callbacks but is a thing of its own: it says which epoch is the best.
static tw_status read_callbacks(learning *l, tw_err *err)
{
    tw_status status = twi_callbacks_text(&l->callbacks, l->o->callbacks, "callbacks", err);
    if (!status)
        status = twi_augment_text(&l->augment, l->o->augment, "augment", err);
    if (!status && l->augment.n && !l->data[TWI_TRAINING]->store->has_photos)
        status = twi_fail(err, TW_EINVAL, "augment is for photos: samples in memory are taken as they are");
    twi_callbacks_split(&l->callbacks, &l->early_stopping);
    l->training.m = l->m;
    l->training.n_metrics = l->compiled.metrics.n;
    for (int i = 0; i < l->compiled.metrics.n; i++)
        twi_metric_label(&l->compiled.metrics.at[i], l->training.metric[i], TWI_METRIC_LABEL);
    l->files = (twi_fit_files){.o = l->o, .m = l->m, .training = &l->training};
    return status;
}

static tw_status check_options(const tw_fit_options *o, tw_err *err)
{
    if (o->epochs < 0 || o->batch_size < 0 || o->patience < 0)
        return twi_fail(err, TW_EINVAL,
                        "epochs, batch_size and patience must be 0 or more, received %lld, %lld, %lld",
                        (long long)o->epochs, (long long)o->batch_size, (long long)o->patience);
    if (o->augment_copies < 0 || o->augment_copies > 100 || (o->augment_copies && !o->augment))
        return twi_fail(err, TW_EINVAL, "augment_copies must be in 0..100 and go with augment, received %lld",
                        (long long)o->augment_copies);
    for (int64_t c = 0; o->class_weight && c < twi_dataset_n_classes(o->data); c++)
        if (!(o->class_weight[c] >= 0 && isfinite(o->class_weight[c])))
            return twi_fail(err, TW_EINVAL, "class_weight of class %lld must be 0 or more, received %g",
                            (long long)c, o->class_weight[c]);
    if (o->sample_weight && (o->data->store->has_photos || o->data->part != TW_PART_ALL))
        return twi_fail(err, TW_EINVAL, "sample_weight is for samples in memory");
    if (o->n_callbacks < 0 || (o->n_callbacks > 0 && !o->callback))
        return twi_fail(err, TW_EINVAL, "n_callbacks is %lld, but callback is NULL",
                        (long long)o->n_callbacks);
    return TW_OK;
}

static tw_status check_surgery(learning *l, tw_err *err)
{
    char *note = NULL;
    if (l->o->new_in_front)
        return TW_OK;
    tw_status status = twi_model_check_surgery(l->m, &note, err);
    if (note)
        twi_note(l->tw, "%s", note);
    twi_free(note);
    return status;
}

// Keras's step goes on with what learned when it was made, and says nothing.
static tw_status tell_change(learning *l, tw_err *err)
{
    bool is_changed = false;
    tw_status status = twi_compile_learning(l->m, &is_changed, err);
    if (is_changed) {
        twi_summary_totals totals = {0};
        twi_summary_totals_of(&totals, l->m, NULL);
        twi_note(
            l->tw, "other weights of '%s' learn than when it was compiled: planned anew, %lld of %lld learn",
            l->m->name, (long long)totals.weights[1], (long long)(totals.weights[0] + totals.weights[1]));
    }
    return status;
}

static tw_status prepare(learning *l, tw_err *err)
{
    tw_status status = check_options(l->o, err);
    if (!status)
        status = twi_learn_precision(l->o->precision, &l->precision, err);
    if (!status)
        status = twi_learning_read_limits(l, err);
    if (!status)
        status = twi_learn_ready(l->m, l->o->seed, err);
    if (!status)
        status = twi_check_finite(l->m, TW_EDIVERGED, err);
    if (!status)
        status = check_surgery(l, err);
    if (!status)
        status = twi_compile_read(l->m, &l->compiled, err);
    if (!status)
        status = tell_change(l, err);
    if (!status)
        status = twi_learning_choose_data(l, err);
    if (!status)
        status = twi_learn_size(l->m, l->data[TWI_TRAINING], err);
    if (!status)
        status = read_callbacks(l, err);
    if (!status)
        status = twi_learn_classes(l->m, l->data[TWI_TRAINING], err);
    if (!status)
        status = twi_learning_open_samples(l, err);
    return status ? status : twi_learning_note_data(l, err);
}

tw_history *twi_learn_fit(const tw_fit_options *o, tw_err *err)
{
    learning l = {.tw = o->data->store->tw, .o = o, .m = o->model};
    tw_history *history = prepare(&l, err) ? NULL : fit(&l, err);
    twi_learning_close_samples(&l);
    return history;
}

void twi_learn_history_free(tw_history *history)
{
    if (history) {
        twi_vec_clear(&history->epochs);
        twi_history_clear(&history->all);
    }
    twi_free(history);
}
