// tw_fit: training on a data set, with the frozen prefix computed once.
//
//   compiled settings → samples of the frontier (feature rows, pixels, or numbers in memory) → fit → history
//
// The photos of training and validation, which may come from two folders, are picked into one list first: so there is one
// pass through the frozen part and one cache file, and nothing is computed for photos that are not used. See learn.h.

#include "job/learn.h"
#include "train/arrays.h"
#include "train/features.h"

#include <math.h>
#include <string.h>

enum {
    TRUNK_ROW_BYTES =
        128 << 10, // default cut: the trunk's output while a sample's row is no larger (architecture §1)
    CACHED_ROW_BYTES = 512 << 10 // a row larger than this is cheaper to compute again than to keep
};
#define MEMORY_ROWS_BYTES \
    (INT64_C(2) << 30) // of samples in memory: features larger than this are computed again

enum { TRAINING, VALIDATION, SIDES };

typedef struct learning {
    tw_context *tw;
    const tw_fit_options *o;
    tw_model *m;
    twi_compiled compiled;
    twi_callbacks callbacks;
    tw_setting early_stopping;
    twi_precision precision;
    twi_frontier frontier;
    tw_dataset *data[SIDES];   // views, owned; NULL: no validation
    twi_photos picked;         // photos of both sides: structs copied, texts lent by the stores
    twi_vec(twi_photo *) from; // where each came from
    twi_recipe recipe;
    twi_augment augment;
    bool is_online;                 // training photos are changed anew in each epoch, so they come as pixels
    twi_features features, *copies; // copies [augment_copies], or NULL
    twi_part_samples photos[SIDES];
    twi_array_samples arrays[SIDES];
    const twi_samples *samples[SIDES];
    bool wants_stop; // said by on_epoch
    tw_training training;
    twi_fit_files files;
    tw_err *err; // of the fit under way
} learning;

static bool is_cancelled(void *self)
{
    const learning *l = self;
    return l->wants_stop || twi_is_cancelled(l->tw);
}

// ----------------------------------------------------------------------------------------------------------------- data

// Labels are numbers: two data sets must count the same classes.
static tw_status check_same_classes(const tw_dataset *a, const tw_dataset *b, tw_err *err)
{
    if (a->store->has_photos != b->store->has_photos)
        return twi_fail(err, TW_EINVAL,
                        "training and validation data must both be photos or both be in memory");
    const twi_photos *p = &a->store->photos, *q = &b->store->photos;
    bool same = p->classes.n == q->classes.n;
    for (size_t i = 0; same && i < p->classes.n; i++)
        same = strcmp(p->classes.at[i], q->classes.at[i]) == 0;
    if (same)
        return TW_OK;
    return twi_fail(err, TW_EUNUSABLE,
                    "training and validation photos have other classes (%zu and %zu)\n"
                    "try  opening the second with .classes of the first",
                    p->classes.n, q->classes.n);
}

static tw_status choose_data(learning *l, tw_err *err)
{
    tw_dataset *all = l->o->data, *validation = l->o->validation;
    bool is_whole = all->part == TW_PART_ALL && all->store->has_photos;
    l->data[TRAINING] = twi_dataset_part(all, is_whole ? TW_PART_TRAIN : all->part, err);
    if (validation)
        l->data[VALIDATION] = twi_dataset_part(validation, validation->part, err);
    else if (is_whole)
        l->data[VALIDATION] = twi_dataset_part(all, TW_PART_VALIDATION, err);
    if (err->status)
        return err->status;
    const tw_dataset *a = l->data[TRAINING], *b = l->data[VALIDATION];
    if (b && check_same_classes(a, b, err))
        return err->status;
    for (int side = 0; side < SIDES; side++)
        for (int64_t i = 0; l->data[side] && i < l->data[side]->n; i++)
            if (twi_dataset_label(l->data[side], i) < 0 ||
                twi_dataset_label(l->data[side], i) >= twi_dataset_n_classes(a))
                return twi_fail(err, TW_EUNUSABLE, "sample %lld of the %s data has none of the %lld classes",
                                (long long)i, side ? "validation" : "training",
                                (long long)twi_dataset_n_classes(a));
    return TW_OK;
}

static tw_status pick_photos(learning *l, tw_err *err)
{
    for (int side = 0; side < SIDES; side++)
        for (int64_t i = 0; l->data[side] && i < l->data[side]->n; i++) {
            twi_photo *photo = twi_dataset_photo(l->data[side], i), copy = *photo;
            copy.part = side == TRAINING ? TWI_TRAIN : TWI_VAL;
            copy.skipped = NULL;
            if (!twi_vec_push(&l->picked.at, copy, err) || !twi_vec_push(&l->from, photo, err))
                return TW_ENOMEM;
        }
    l->picked.classes.n = (size_t)twi_dataset_n_classes(l->data[TRAINING]);
    return TW_OK;
}

// What was learned about the photos goes back to where they came from.
static void give_back(learning *l)
{
    for (size_t i = 0; i < l->from.n; i++)
        if (l->picked.at.at[i].skipped) {
            twi_free(l->from.at[i]->skipped);
            l->from.at[i]->skipped = l->picked.at.at[i].skipped;
        }
    twi_vec_clear(&l->picked.at);
    twi_vec_clear(&l->from);
}

// ------------------------------------------------------------------------------------------------------------- samples

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

static tw_status make_features(learning *l, tw_err *err)
{
    tw_err ignored = {0};
    const char *wanted = l->o->cache;
    bool is_off = wanted && twi_str_same(wanted, "off");
    // A program without a home keeps nothing: no reason to fail.
    char *dir = is_off ? NULL : wanted ? twi_strdup(wanted, err) : twi_home("features", &ignored);
    if (wanted && !is_off && !dir)
        return TW_ENOMEM;
    twi_progress stage;
    twi_progress_begin(&stage, l->tw, "features", (int64_t)l->picked.at.n, "photos", NULL);
    twi_features_options o = {.frontier = &l->frontier,
                              .recipe = &l->recipe,
                              .cache_dir = dir,
                              .precision = l->precision,
                              .workers = twi_threads(l->tw, 0),
                              .self = &stage,
                              .on_progress = count_features,
                              .is_cancelled = stage_cancelled};
    tw_status status = twi_features_make(l->m, &l->picked, &o, &l->features, err);
    if (!status)
        twi_progress_end(&stage, "%s", l->features.n_decoded == 0 ? "all found in the cache" : "computed");
    twi_free(dir);
    return status;
}

static tw_status make_copies(learning *l, tw_err *err)
{
    int n = (int)l->o->augment_copies;
    char *dir = NULL;
    tw_err ignored = {0};
    bool is_off = l->o->cache && twi_str_same(l->o->cache, "off");
    if (!is_off)
        dir = l->o->cache ? twi_strdup(l->o->cache, err) : twi_home("features", &ignored);
    l->copies = twi_new((size_t)n, sizeof *l->copies, "features of copies", err);
    twi_progress stage;
    twi_progress_begin(&stage, l->tw, "copies", n, "copies", NULL);
    tw_status status = l->copies ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < n; i++) {
        twi_features_options o = {.frontier = &l->frontier,
                                  .recipe = &l->recipe,
                                  .cache_dir = dir,
                                  .precision = l->precision,
                                  .augment = &l->augment,
                                  .seed = l->o->seed ? (uint64_t)l->o->seed : 1,
                                  .copy = i + 1,
                                  .workers = twi_threads(l->tw, 0),
                                  .self = &stage,
                                  .is_cancelled = stage_cancelled};
        status = twi_features_make(l->m, &l->picked, &o, &l->copies[i], err);
        twi_progress_add(&stage, 1);
    }
    if (!status)
        twi_progress_end(&stage, "of each training photo");
    twi_free(dir);
    return status;
}

static tw_status change_photos(learning *l, tw_err *err)
{
    if (!l->augment.n)
        return TW_OK;
    tw_status status = twi_augment_check(&l->augment, &l->recipe, err);
    if (!status && !l->is_online)
        status = make_copies(l, err);
    if (!status && !l->is_online)
        twi_part_samples_copies(&l->photos[TRAINING], l->copies, (int)l->o->augment_copies);
    else if (!status)
        status = twi_part_samples_augment(&l->photos[TRAINING], &l->augment,
                                          l->o->seed ? (uint64_t)l->o->seed : 1, err);
    return status;
}

static void clear_copies(learning *l)
{
    for (int64_t i = 0; l->copies && i < l->o->augment_copies; i++)
        twi_features_clear(&l->copies[i]);
    twi_free(l->copies);
    l->copies = NULL;
}

static tw_status photo_samples(learning *l, tw_err *err)
{
    // What is changed anew in each epoch cannot be kept as features; what validates can.
    l->is_online = l->augment.n && !(l->frontier.n && l->o->augment_copies);
    tw_status status = twi_learn_recipe(l->m, l->data[TRAINING], &l->recipe, err);
    if (!status && !l->picked.at.n)
        status = pick_photos(l, err);
    if (!status && l->frontier.n)
        status = make_features(l, err);
    for (int side = 0; !status && side < SIDES; side++) {
        twi_part part = side == TRAINING ? TWI_TRAIN : TWI_VAL;
        bool has_rows = l->frontier.n && !(l->is_online && side == TRAINING);
        status = has_rows ? twi_features_samples(&l->features, &l->picked, part, &l->photos[side], err)
                          : twi_pixel_samples(&l->picked, part, &l->recipe, twi_threads(l->tw, 0),
                                              &l->photos[side], err);
        l->samples[side] = l->photos[side].samples.n ? &l->photos[side].samples : NULL;
    }
    return status ? status : change_photos(l, err);
}

static tw_status array_samples(learning *l, tw_err *err)
{
    int64_t n = l->data[TRAINING]->n + (l->data[VALIDATION] ? l->data[VALIDATION]->n : 0);
    if (l->frontier.n && n * (int64_t)twi_frontier_bytes(&l->frontier) > MEMORY_ROWS_BYTES)
        l->frontier.n = 0;
    twi_array_run o = {.batch = l->o->batch_size ? l->o->batch_size : 32,
                       .precision = l->precision,
                       .threads = twi_threads(l->tw, 0),
                       .self = l,
                       .is_cancelled = is_cancelled};
    tw_status status = TW_OK;
    for (int side = 0; !status && side < SIDES; side++) {
        if (!l->data[side] || !l->data[side]->n)
            continue;
        status = twi_arrays_check(l->m, l->data[side], err);
        if (!status)
            status = twi_array_samples_make(l->m, l->data[side], &l->frontier, &o, &l->arrays[side], err);
        l->arrays[side].samples.n_classes = twi_dataset_n_classes(l->data[TRAINING]);
        l->samples[side] = &l->arrays[side].samples;
    }
    return status;
}

static tw_status open_samples(learning *l, tw_err *err)
{
    tw_status status = twi_frontier_find(l->m, TRUNK_ROW_BYTES, &l->frontier, err);
    // model.trainable = False silences every layer in it, as in Keras.
    if (!status && (l->frontier.is_all || !l->m->is_trainable))
        status =
            twi_fail(err, TW_EINVAL, "nothing to train: every weight of model '%s' is frozen", l->m->name);
    if (status)
        return status;
    if (twi_frontier_bytes(&l->frontier) > CACHED_ROW_BYTES)
        l->frontier.n = 0;
    status = l->data[TRAINING]->store->has_photos ? photo_samples(l, err) : array_samples(l, err);
    if (!status && !l->samples[TRAINING])
        status = twi_fail(err, TW_EUNUSABLE,
                          l->data[TRAINING]->n ? "none of the training photos could be read"
                                               : "there are no samples to train on");
    return status;
}

// Layers were frozen or freed: another part of the model stands in front.
static tw_status open_samples_again(learning *l, tw_err *err)
{
    for (int side = 0; side < SIDES; side++) {
        twi_part_samples_clear(&l->photos[side]);
        twi_array_samples_clear(&l->arrays[side]);
    }
    twi_features_clear(&l->features);
    clear_copies(l);
    l->frontier = (twi_frontier){0};
    return open_samples(l, err);
}

// The model remembers what it was trained to answer, and on which pixels.
static tw_status note_data(learning *l, tw_err *err)
{
    const tw_dataset *d = l->data[TRAINING];
    if (!d->store->has_photos)
        return TW_OK;
    const twi_photos *photos = &d->store->photos;
    tw_status status = twi_recipe_store(l->m, &l->recipe, err);
    if (!status && !twi_info_n_labels(l->m))
        status =
            twi_info_set_labels(l->m, (int)photos->classes.n, (const char *const *)photos->classes.at, err);
    return status;
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

static twi_fit_options fit_options(learning *l, twi_fit_state *state)
{
    const tw_fit_options *o = l->o;
    return (twi_fit_options){.phase = "fit",
                             .epochs = epochs_of(l),
                             .batch_size = o->batch_size ? o->batch_size : 32,
                             .optimizer = l->compiled.optimizer,
                             .loss = l->compiled.loss,
                             .schedule = l->compiled.schedule,
                             .metrics = l->compiled.metrics,
                             .early_stopping = l->early_stopping,
                             .callbacks = l->callbacks,
                             .seed = o->seed ? (uint64_t)o->seed : 1,
                             .validation = l->samples[VALIDATION],
                             .from = l->frontier.n && !l->is_online ? &l->frontier : NULL,
                             .validation_from = l->frontier.n ? &l->frontier : NULL,
                             .patience = o->patience,
                             .class_weight = o->class_weight,
                             .sample_weight = o->sample_weight,
                             .no_shuffle = o->no_shuffle,
                             .is_proximal = o->proximal,
                             .mixup = o->mixup,
                             .cutmix = o->cutmix,
                             .threads = twi_threads(l->tw, 0),
                             .keeps_last = o->keep_last,
                             .keeps_slots = true,
                             .state = state,
                             .self = l,
                             .on_progress = on_progress,
                             .on_epoch = on_epoch,
                             .on_moment = on_moment,
                             .is_cancelled = is_cancelled};
}

// Files say how many steps the schedule had; one that Keras does not know leaves its rate.
static tw_status settle_schedule(learning *l, tw_err *err)
{
    twi_compiled c = l->compiled;
    int64_t batch = l->o->batch_size ? l->o->batch_size : 32, n = l->samples[TRAINING]->n;
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
    do {
        twi_history_clear(&history);
        if (!status && history.is_changed)
            status = open_samples_again(l, err);
        twi_fit_options options = fit_options(l, &state);
        if (!status)
            status = twi_fit(l->m, l->samples[TRAINING], &options, &history, err);
    } while (!status && history.is_changed);
    if (!status && !err->status)
        status = settle_schedule(l, err);
    if (!status && !err->status)
        status = twi_model_mark_trained(l->m, err);
    if (!status && !err->status)
        out = history_of(&history, history.is_stopped_early || history.is_cancelled || l->wants_stop, err);
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
    if (!status && l->augment.n && !l->data[TRAINING]->store->has_photos)
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

static tw_status prepare(learning *l, tw_err *err)
{
    tw_status status = check_options(l->o, err);
    if (!status)
        status = twi_learn_precision(l->o->precision, &l->precision, err);
    if (!status)
        status = twi_learn_ready(l->m, l->o->seed, err);
    if (!status)
        status = check_surgery(l, err);
    if (!status)
        status = twi_compile_read(l->m, &l->compiled, err);
    if (!status)
        status = choose_data(l, err);
    if (!status)
        status = twi_learn_size(l->m, l->data[TRAINING], err);
    if (!status)
        status = read_callbacks(l, err);
    if (!status)
        status = twi_learn_classes(l->m, l->data[TRAINING], err);
    if (!status)
        status = open_samples(l, err);
    return status ? status : note_data(l, err);
}

tw_history *twi_learn_fit(const tw_fit_options *o, tw_err *err)
{
    learning l = {.tw = o->data->store->tw, .o = o, .m = o->model};
    tw_history *history = prepare(&l, err) ? NULL : fit(&l, err);
    for (int side = 0; side < SIDES; side++) {
        twi_part_samples_clear(&l.photos[side]);
        twi_array_samples_clear(&l.arrays[side]);
        twi_dataset_free(l.data[side]);
    }
    twi_features_clear(&l.features);
    clear_copies(&l);
    give_back(&l);
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
