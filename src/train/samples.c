// Samples of a part of the photos: rows of the feature cache, or pixels decoded one batch ahead. See features.h.

#include "train/features.h"

#include "base/pool.h"

#include <pthread.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------------- shared parts

static tw_status choose_photos(const twi_photos *photos, twi_part part, const twi_features *f,
                               twi_part_samples *s, tw_err *err)
{
    size_t room = photos->at.n ? photos->at.n : 1;
    s->photo = twi_new(room, sizeof *s->photo, "samples", err);
    s->label = twi_new(room, sizeof *s->label, "samples", err);
    if (!s->photo || !s->label)
        return TW_ENOMEM;
    int64_t n = 0;
    for (size_t i = 0; i < photos->at.n; i++) {
        const twi_photo *photo = &photos->at.at[i];
        if (photo->part != part || photo->skipped || photo->label < 0 || (f && f->slot[i] < 0))
            continue;
        s->photo[n] = (int64_t)i;
        s->label[n++] = photo->label;
    }
    s->samples = (twi_samples){.n = n, .label = s->label, .n_classes = (int64_t)photos->classes.n, .self = s};
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------ rows of a cache

static tw_status read_rows(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                           int64_t n_next, float *const dst[], tw_err *err)
{
    (void)next, (void)n_next;
    twi_part_samples *s = self;
    const twi_features *f = s->features;
    for (int64_t i = 0; i < count; i++) {
        float *row = f->n_values == 1 ? dst[0] + i * f->row : s->row;
        tw_status status = twi_cache_read(f->cache, f->slot[s->photo[index[i]]], row, err);
        if (status)
            return status;
        const float *at = row;
        for (int j = 0; f->n_values > 1 && j < f->n_values; at += f->size[j++])
            memcpy(dst[j] + i * f->size[j], at, (size_t)f->size[j] * sizeof *at);
    }
    return TW_OK;
}

tw_status twi_features_samples(const twi_features *f, const twi_photos *photos, twi_part part,
                               twi_part_samples *s, tw_err *err)
{
    s->features = f;
    s->row = twi_new_aligned((size_t)f->row, sizeof *s->row, "a feature row", err);
    if (!s->row || choose_photos(photos, part, f, s, err))
        return TW_ENOMEM;
    s->samples.read = read_rows;
    return TW_OK;
}

static void begin_rows(void *self, int64_t epoch)
{
    twi_part_samples *s = self;
    int64_t copy = epoch % (s->n_copies + 1);
    s->features = copy ? &s->copies[copy - 1] : s->original;
}

void twi_part_samples_copies(twi_part_samples *s, const twi_features *copies, int n)
{
    s->original = s->features;
    s->copies = copies;
    s->n_copies = n;
    s->samples.begin_epoch = begin_rows;
}

// --------------------------------------------------------------------------------------------------------------- pixels

// Decodes the batch that will be asked for next while the caller computes on the present one.
typedef struct twi_pixel_reader {
    const twi_photos *photos;
    const twi_recipe *recipe;
    twi_pool *pool;
    twi_recipe_work *work;      // one per worker
    int64_t pixels;             // numbers in one photo
    const twi_augment *augment; // NULL: photos stay as they are
    uint64_t seed;
    int64_t epoch;
    float *scratch; // a picture a worker
    pthread_t thread;
    bool is_ahead; // thread runs or has run for `index`
    uint32_t *index;
    int64_t n, room;
    float *ahead; // [room, pixels]
    // of the batch being decoded
    const twi_part_samples *samples;
    const uint32_t *wanted;
    float *into;
    pthread_mutex_t lock;
    tw_err err;
} twi_pixel_reader;

static void decode_one(void *arg, int64_t i, int worker)
{
    twi_pixel_reader *r = arg;
    const char *path = r->photos->at.at[r->samples->photo[r->wanted[i]]].path;
    tw_err err = {0};
    uint8_t hash[16];
    if (!twi_recipe_read(path, &r->work[worker], hash, &err))
        twi_recipe_decode(r->recipe, path, &r->work[worker], r->into + i * r->pixels, &err);
    if (!err.status && r->augment)
        twi_augment_run(r->augment, r->recipe, r->seed, (uint64_t)r->epoch,
                        (uint32_t)r->samples->photo[r->wanted[i]], r->into + i * r->pixels,
                        r->scratch + worker * r->pixels);
    if (!err.status)
        return;
    pthread_mutex_lock(&r->lock);
    if (!r->err.status)
        r->err = err;
    pthread_mutex_unlock(&r->lock);
}

static void decode_batch(twi_pixel_reader *r, const uint32_t *index, int64_t n, float *into)
{
    r->wanted = index;
    r->into = into;
    twi_pool_run(r->pool, n, decode_one, r);
}

static void *decode_ahead(void *arg)
{
    twi_pixel_reader *r = arg;
    decode_batch(r, r->index, r->n, r->ahead);
    return NULL;
}

static void finish_ahead(twi_pixel_reader *r)
{
    if (r->is_ahead)
        pthread_join(r->thread, NULL);
    r->is_ahead = false;
}

static tw_status start_ahead(twi_pixel_reader *r, const uint32_t *next, int64_t n, tw_err *err)
{
    if (n > r->room) {
        twi_free(r->ahead);
        twi_free(r->index);
        r->room = 0;
        r->ahead = twi_new_aligned((size_t)(n * r->pixels), sizeof *r->ahead, "a batch of pixels", err);
        r->index = twi_new((size_t)n, sizeof *r->index, "a batch of pixels", err);
        if (!r->ahead || !r->index)
            return TW_ENOMEM;
        r->room = n;
    }
    memcpy(r->index, next, (size_t)n * sizeof *next);
    r->n = n;
    r->is_ahead = pthread_create(&r->thread, NULL, decode_ahead, r) == 0;
    return TW_OK;
}

static tw_status read_pixels(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                             int64_t n_next, float *const dst[], tw_err *err)
{
    twi_part_samples *s = self;
    twi_pixel_reader *r = s->pixels;
    bool was_ahead = r->is_ahead;
    finish_ahead(r);
    r->samples = s;
    if (was_ahead && r->n == count && memcmp(r->index, index, (size_t)count * sizeof *index) == 0)
        memcpy(dst[0], r->ahead, (size_t)(count * r->pixels) * sizeof(float));
    else
        decode_batch(r, index, count, dst[0]);
    if (r->err.status) {
        if (err && !err->status)
            *err = r->err;
        return r->err.status;
    }
    return n_next > 0 && next ? start_ahead(r, next, n_next, err) : TW_OK;
}

tw_status twi_pixel_samples(const twi_photos *photos, twi_part part, const twi_recipe *recipe, int workers,
                            twi_part_samples *s, tw_err *err)
{
    twi_pixel_reader *r = s->pixels = twi_new(1, sizeof *r, "a reader of pixels", err);
    if (!r)
        return TW_ENOMEM;
    pthread_mutex_init(&r->lock, NULL);
    r->photos = photos;
    r->recipe = recipe;
    r->pixels = recipe->height * recipe->width * 3;
    r->pool = twi_pool_new(workers, err);
    r->work = r->pool ? twi_new((size_t)twi_pool_workers(r->pool), sizeof *r->work, "a reader of pixels", err)
                      : NULL;
    if (!r->work || choose_photos(photos, part, NULL, s, err))
        return TW_ENOMEM;
    s->samples.read = read_pixels;
    return TW_OK;
}

static void begin_pixels(void *self, int64_t epoch)
{
    twi_part_samples *s = self;
    finish_ahead(s->pixels);
    s->pixels->epoch = epoch;
}

tw_status twi_part_samples_augment(twi_part_samples *s, const twi_augment *augment, uint64_t seed,
                                   tw_err *err)
{
    twi_pixel_reader *r = s->pixels;
    r->scratch =
        twi_new_aligned((size_t)(twi_pool_workers(r->pool) * r->pixels), sizeof *r->scratch, "photos", err);
    if (!r->scratch)
        return TW_ENOMEM;
    r->augment = augment;
    r->seed = seed;
    s->samples.begin_epoch = begin_pixels;
    return TW_OK;
}

static void free_pixels(twi_pixel_reader *r)
{
    if (!r)
        return;
    finish_ahead(r);
    for (int i = 0; r->work && i < twi_pool_workers(r->pool); i++)
        twi_recipe_work_clear(&r->work[i]);
    twi_free(r->work);
    twi_pool_free(r->pool);
    twi_free(r->scratch);
    twi_free(r->ahead);
    twi_free(r->index);
    pthread_mutex_destroy(&r->lock);
    twi_free(r);
}

void twi_part_samples_clear(twi_part_samples *s)
{
    free_pixels(s->pixels);
    twi_free(s->photo);
    twi_free(s->label);
    twi_free(s->row);
    *s = (twi_part_samples){0};
}
