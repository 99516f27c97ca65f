// The pipeline: photo files through a plan, in parallel. See pipeline.h.

#include "train/pipeline.h"

#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

// What one worker keeps between photos: its run, and the photos waiting in its next batch.
typedef struct worker {
    twi_run *run;
    twi_recipe_work work;
    float *scratch; // a picture, for changing photos
    int64_t n_waiting;
    int64_t *photo;      // [batch]
    uint8_t (*hash)[16]; // [batch]
} worker;

typedef struct pipeline {
    const twi_pipeline_options *o;
    const char *const *paths;
    int64_t n, batch, done, decoded;
    worker *workers;
    pthread_mutex_t lock; // progress and the first error
    _Atomic bool is_stopped;
    tw_err err;
} pipeline;

static void stop(pipeline *p, const tw_err *why)
{
    pthread_mutex_lock(&p->lock);
    if (!p->err.status)
        p->err = *why;
    pthread_mutex_unlock(&p->lock);
    atomic_store(&p->is_stopped, true);
}

static void count_done(pipeline *p, int64_t decoded)
{
    pthread_mutex_lock(&p->lock);
    p->done++;
    p->decoded += decoded;
    if (p->o->on_progress)
        p->o->on_progress(p->o->self, p->done, p->n);
    pthread_mutex_unlock(&p->lock);
}

// Runs the waiting photos and hands their rows over. Places without a photo hold old pixels; nobody reads their rows.
static void flush(pipeline *p, worker *w)
{
    const twi_plan *plan = p->o->plan;
    if (!w->n_waiting || atomic_load(&p->is_stopped))
        return;
    tw_err err = {0};
    tw_status status = twi_run_forward(w->run, 0, 0, &err);
    for (int64_t i = 0; !status && i < w->n_waiting; i++) {
        const float *rows[TWI_FRONTIER_MAX];
        for (int j = 0; j < twi_plan_n_outputs(plan); j++)
            rows[j] = twi_run_output(w->run, j) + i * (twi_shape_count(twi_plan_output(plan, j)) / p->batch);
        status = p->o->on_row(p->o->self, w->photo[i], w->hash[i], rows, &err);
        if (!status)
            count_done(p, 1);
    }
    if (status)
        stop(p, &err);
    w->n_waiting = 0;
}

static void refuse(pipeline *p, int64_t photo, const uint8_t hash[16], const tw_err *why)
{
    tw_err err = {0};
    if (why->status == TW_ENOMEM)
        stop(p, why);
    else if (p->o->on_bad(p->o->self, photo, hash, why->msg, &err))
        stop(p, &err);
    else
        count_done(p, 0);
}

// The photo's own bytes name what is drawn, so that a kept row is the one that would be made.
static tw_status change(pipeline *p, worker *w, const uint8_t hash[16], float *pixels, tw_err *err)
{
    const twi_recipe *r = p->o->recipe;
    uint32_t name;
    memcpy(&name, hash, sizeof name);
    if (!w->scratch)
        w->scratch = twi_new_aligned((size_t)(r->height * r->width * 3), sizeof *w->scratch, "a photo", err);
    if (!w->scratch)
        return TW_ENOMEM;
    twi_augment_run(p->o->augment, r, p->o->seed, (uint64_t)p->o->copy, name, pixels, w->scratch);
    return TW_OK;
}

static void one_photo(void *arg, int64_t photo, int index)
{
    pipeline *p = arg;
    worker *w = &p->workers[index];
    if (p->o->is_cancelled && p->o->is_cancelled(p->o->self)) {
        tw_err cancelled = {0};
        twi_fail(&cancelled, TW_ECANCELLED, "stopped");
        stop(p, &cancelled);
    }
    if (atomic_load(&p->is_stopped))
        return;
    tw_err err = {0};
    uint8_t hash[16] = {0};
    if (twi_recipe_read(p->paths[photo], &w->work, hash, &err)) {
        memset(hash, 0, sizeof hash);
        refuse(p, photo, hash, &err);
        return;
    }
    if (p->o->is_known && p->o->is_known(p->o->self, photo, hash)) {
        count_done(p, 0);
        return;
    }
    float *pixels =
        twi_run_input(w->run, 0) + w->n_waiting * (twi_shape_count(twi_plan_input(p->o->plan, 0)) / p->batch);
    if (twi_recipe_decode(p->o->recipe, p->paths[photo], &w->work, pixels, &err)) {
        refuse(p, photo, hash, &err);
        return;
    }
    if (p->o->augment && change(p, w, hash, pixels, &err)) {
        stop(p, &err);
        return;
    }
    w->photo[w->n_waiting] = photo;
    memcpy(w->hash[w->n_waiting++], hash, 16);
    if (w->n_waiting == p->batch)
        flush(p, w);
}

static void flush_rest(void *arg, int64_t index, int thread)
{
    (void)thread;
    pipeline *p = arg;
    flush(p, &p->workers[index]);
}

static tw_status open_workers(pipeline *p, tw_err *err)
{
    p->workers = twi_new((size_t)p->o->workers, sizeof *p->workers, "the pipeline", err);
    for (int i = 0; p->workers && i < p->o->workers; i++) {
        worker *w = &p->workers[i];
        w->run = twi_run_new(p->o->plan, err);
        w->photo = twi_new((size_t)p->batch, sizeof *w->photo, "the pipeline", err);
        w->hash = twi_new((size_t)p->batch, sizeof *w->hash, "the pipeline", err);
        if (!w->run || !w->photo || !w->hash)
            return err && err->status ? err->status : TW_ENOMEM;
        memset(twi_run_input(w->run, 0), 0,
               (size_t)twi_shape_count(twi_plan_input(p->o->plan, 0)) * sizeof(float));
    }
    return p->workers ? TW_OK : TW_ENOMEM;
}

static void close_workers(pipeline *p)
{
    for (int i = 0; p->workers && i < p->o->workers; i++) {
        twi_run_free(p->workers[i].run);
        twi_recipe_work_clear(&p->workers[i].work);
        twi_free(p->workers[i].scratch);
        twi_free(p->workers[i].photo);
        twi_free(p->workers[i].hash);
    }
    twi_free(p->workers);
}

tw_status twi_pipeline_run(const twi_pipeline_options *o, int64_t n, const char *const *paths,
                           int64_t *decoded, tw_err *err)
{
    pipeline p = {.o = o, .paths = paths, .n = n, .batch = twi_plan_input(o->plan, 0)->dim[0]};
    pthread_mutex_init(&p.lock, NULL);
    tw_err own = {0};
    tw_status status = open_workers(&p, &own);
    twi_pool *pool = status ? NULL : twi_pool_new(o->workers, &own);
    if (pool) {
        twi_pool_run(pool, n, one_photo, &p);
        twi_pool_run(pool, o->workers, flush_rest, &p);
        own = p.err;
    }
    twi_pool_free(pool);
    close_workers(&p);
    pthread_mutex_destroy(&p.lock);
    if (decoded)
        *decoded = p.decoded;
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
