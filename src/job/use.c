// tw_model_evaluate and tw_model_predict: a model over a data set. See learn.h.

#include "job/learn.h"
#include "job/memory.h"
#include "job/penalties.h"
#include "train/arrays.h"

#include <string.h>

// Answers for every sample, [n, k], and why photos could not be read.
typedef struct answers {
    int64_t n, k;
    float *at;
    float
        *penalty; // [n] what activities add to the loss, or NULL: not asked for, or not to be told one by one
    char **skipped;
} answers;

static void clear(answers *a)
{
    for (int64_t i = 0; a->skipped && i < a->n; i++)
        twi_free(a->skipped[i]);
    twi_free(a->skipped);
    twi_free(a->at);
    twi_free(a->penalty);
    *a = (answers){0};
}

static tw_status make_room(answers *a, int64_t n, int64_t k, tw_err *err)
{
    int64_t count;
    a->n = n;
    a->k = k;
    if (!twi_mul(n, k, &count))
        return twi_fail_memory(err, SIZE_MAX, "answers");
    a->at = twi_new((size_t)count, sizeof *a->at, "answers", err);
    a->skipped = twi_new((size_t)n, sizeof *a->skipped, "answers", err);
    return a->at && a->skipped ? TW_OK : TW_ENOMEM;
}

// -------------------------------------------------------------------------------------------------------------- running

typedef struct watcher {
    tw_context *tw;
    twi_progress stage;
} watcher;

static void on_progress(void *self, int64_t done, int64_t total)
{
    watcher *w = self;
    twi_progress_set(&w->stage, done, total, NULL);
}

static bool is_cancelled(void *self)
{
    const watcher *w = self;
    return twi_is_cancelled(w->tw);
}

static tw_status answer_photos(const tw_use_options *o, twi_precision precision, const char *stage,
                               answers *a, tw_err *err)
{
    const tw_dataset *d = o->data;
    twi_recipe recipe;
    tw_status status = twi_learn_recipe(o->model, d, &recipe, err);
    watcher w = {.tw = d->store->tw};
    twi_predict_options options = {.recipe = &recipe,
                                   .precision = precision,
                                   .workers = twi_threads(w.tw, 0),
                                   .penalty = a->penalty,
                                   .self = &w,
                                   .on_progress = on_progress,
                                   .is_cancelled = is_cancelled};
    twi_predictor *p = status ? NULL : twi_predictor_new(o->model, &options, err);
    if (p)
        twi_memory_fit_predictor(p, options.workers, err);
    const char **paths = p && !err->status ? twi_new((size_t)d->n, sizeof *paths, "paths", err) : NULL;
    if (paths && !make_room(a, d->n, twi_predictor_outputs(p), err)) {
        for (int64_t i = 0; i < d->n; i++)
            paths[i] = twi_dataset_photo(d, i)->path;
        twi_progress_begin(&w.stage, w.tw, stage, d->n, "photos", NULL);
        if (!twi_predictor_run(p, d->n, paths, a->at, a->skipped, err))
            twi_progress_end(&w.stage, NULL);
    }
    twi_free(paths);
    twi_predictor_free(p);
    return err->status;
}

static int64_t batch_of(const tw_use_options *o)
{
    return o->batch_size > 0 ? o->batch_size : TWI_BATCH;
}

static tw_status answer_arrays(const tw_use_options *o, twi_precision precision, answers *a, tw_err *err)
{
    tw_status status = twi_arrays_check(o->model, o->data, err);
    if (!status)
        status = twi_check_finite(o->model, TW_EUNUSABLE, err);
    if (status)
        return status;
    tw_shape out = twi_model_shape(o->model, o->model->outputs.at[0]), one = twi_shape_batch(&out, 1);
    status = make_room(a, o->data->n, twi_shape_count(&one), err);
    watcher w = {.tw = o->data->store->tw};
    twi_array_run run = {.batch = batch_of(o),
                         .precision = precision,
                         .threads = twi_threads(w.tw, 0),
                         .self = &w,
                         .is_cancelled = is_cancelled,
                         .penalty = a->penalty};
    return status ? status : twi_arrays_answer(o->model, o->data, &run, a->at, err);
}

static tw_status answer(const tw_use_options *o, const char *stage, answers *a, tw_err *err)
{
    twi_precision precision;
    tw_status status = twi_learn_precision(o->precision, &precision, err);
    if (!status)
        status = twi_learn_ready(o->model, 1, err);
    if (!status)
        status = twi_learn_size(o->model, o->data, err);
    if (status)
        return status;
    return o->data->store->has_photos ? answer_photos(o, precision, stage, a, err)
                                      : answer_arrays(o, precision, a, err);
}

// ------------------------------------------------------------------------------------------------------------- evaluate

typedef struct scores {
    tw_scores shown; // first: what the caller holds
    twi_evaluation inside;
} scores;

// Moves what could be read to the front; labels go beside it.
static tw_status keep_read(const tw_dataset *d, answers *a, int32_t *label, int64_t n_classes, int64_t *n,
                           tw_err *err)
{
    *n = 0;
    for (int64_t i = 0; i < a->n; i++) {
        int64_t c = twi_dataset_label(d, i);
        if (a->skipped[i])
            continue;
        if (c < 0 || c >= n_classes)
            return twi_fail(err, TW_EUNUSABLE, "sample %lld has none of the %lld classes of the model",
                            (long long)i, (long long)n_classes);
        if (a->penalty)
            a->penalty[*n] = a->penalty[i];
        memmove(a->at + *n * a->k, a->at + i * a->k, (size_t)a->k * sizeof *a->at);
        label[(*n)++] = (int32_t)c;
    }
    return *n ? TW_OK
              : twi_fail(err, TW_EUNUSABLE, "none of the %lld samples could be read", (long long)a->n);
}

// Penalties of activities that look at a batch as a whole, and all others.
static tw_status measure_batches(const tw_use_options *o, const answers *a, double *penalty, tw_err *err)
{
    const tw_dataset *d = o->data;
    int threads = twi_threads(d->store->tw, 0);
    if (!d->store->has_photos)
        return twi_penalties_of_arrays(o->model, d, batch_of(o), threads, penalty, err);
    twi_recipe recipe;
    tw_status status = twi_learn_recipe(o->model, d, &recipe, err);
    const char **paths = status ? NULL : twi_new((size_t)d->n, sizeof *paths, "paths", err);
    for (int64_t i = 0; paths && i < d->n; i++)
        paths[i] = twi_dataset_photo(d, i)->path;
    if (paths)
        status = twi_penalties_of_photos(o->model, &recipe, d->n, paths, a->skipped, batch_of(o), threads,
                                         penalty, err);
    twi_free(paths);
    return err->status ? err->status : status;
}

static tw_status measure(const tw_use_options *o, answers *a, scores *s, tw_err *err)
{
    tw_setting loss;
    double penalty = 0;
    int64_t n, n_classes = a->k == 1 ? 2 : a->k;
    tw_status status = twi_compiled_loss(o->model, a->k, &loss, err);
    int32_t *label = status ? NULL : twi_new((size_t)a->n, sizeof *label, "labels", err);
    if (!label)
        return err->status;
    if (!a->penalty)
        status = measure_batches(o, a, &penalty, err);
    if (!status)
        status = keep_read(o->data, a, label, n_classes, &n, err);
    if (!status && a->penalty)
        penalty = twi_penalties_sum(o->model, n, a->penalty, err);
    if (!status)
        status = twi_evaluate(a->at, a->k, label, n, n_classes, &loss, penalty, &s->inside, err);
    twi_free(label);
    if (status)
        return status;
    const twi_evaluation *e = &s->inside;
    s->shown = (tw_scores){.n = e->n,
                           .n_classes = e->n_classes,
                           .n_skipped = a->n - n,
                           .loss = e->loss,
                           .penalty = e->penalty,
                           .accuracy = e->accuracy,
                           .low = e->low,
                           .high = e->high,
                           .confusion = e->confusion};
    return err->status;
}

tw_scores *twi_learn_evaluate(const tw_use_options *o, tw_err *err)
{
    answers a = {0};
    scores *s = NULL;
    bool is_joint = false;
    tw_status status = twi_learn_ready(o->model, 1, err);
    if (!status)
        status = twi_learn_size(o->model, o->data, err);
    if (!status)
        status = twi_penalties_are_joint(o->model, &is_joint, err);
    if (!status && !is_joint && !(a.penalty = twi_new((size_t)o->data->n, sizeof *a.penalty, "answers", err)))
        status = TW_ENOMEM;
    if (!status)
        status = twi_learn_classes(o->model, o->data, err);
    if (!status && !answer(o, "evaluate", &a, err))
        s = twi_new(1, sizeof *s, "scores", err);
    if (s && measure(o, &a, s, err)) {
        twi_learn_scores_free(&s->shown);
        s = NULL;
    }
    clear(&a);
    return s ? &s->shown : NULL;
}

void twi_learn_scores_free(tw_scores *shown)
{
    scores *s = (scores *)shown;
    if (s)
        twi_evaluation_clear(&s->inside);
    twi_free(s);
}

// -------------------------------------------------------------------------------------------------------------- predict

typedef struct predictions {
    tw_predictions shown; // first: what the caller holds
    answers inside;
} predictions;

tw_predictions *twi_learn_predict(const tw_use_options *o, tw_err *err)
{
    predictions *p = twi_new(1, sizeof *p, "predictions", err);
    if (!p)
        return NULL;
    if (answer(o, "predict", &p->inside, err)) {
        twi_learn_predictions_free(&p->shown);
        return NULL;
    }
    p->shown = (tw_predictions){.n = p->inside.n,
                                .k = p->inside.k,
                                .at = p->inside.at,
                                .skipped = (const char *const *)p->inside.skipped};
    return &p->shown;
}

void twi_learn_predictions_free(tw_predictions *shown)
{
    predictions *p = (predictions *)shown;
    if (p)
        clear(&p->inside);
    twi_free(p);
}
