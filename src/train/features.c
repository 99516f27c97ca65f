// Features: rows of the frozen prefix, made once. See features.h.

#include "train/features.h"

#include "engine/choices.h"
#include "engine/trials.h"

#include <string.h>
#include <xxhash.h>

enum {
    MICRO_BATCH = 4
}; // photos a worker runs at once: few enough for its cache, enough to share weight traffic

typedef struct maker {
    twi_features *f;
    int64_t *which; // photo of each path
    int64_t n;
    twi_photos *photos;
    const twi_features_options *o;
} maker;

// ---------------------------------------------------------------------------------------------------------------- key

static tw_status cache_key(const twi_features_options *o, const twi_plan *plan, uint8_t key[16], tw_err *err)
{
    twi_str text = {0};
    char versions[128];
    uint8_t kernels[16];
    twi_ops_versions(versions, sizeof versions);
    twi_plan_key(plan, kernels);
    twi_str_printf(&text, "features 2 precision %d kernels %s ", (int)o->precision, versions);
    for (int i = 0; i < 16; i++)
        twi_str_printf(&text, "%02x", kernels[i]);
    twi_str_add(&text, " ");
    for (int i = 0; i < 16; i++)
        twi_str_printf(&text, "%02x", o->frontier->key[i]);
    twi_str_add(&text, " ");
    tw_status status = twi_recipe_key(o->recipe, &text);
    if (o->augment) {
        twi_str_printf(&text, " augment 1 seed %llu copy %d", (unsigned long long)o->seed, o->copy);
        twi_augment_key(o->augment, &text);
    }
    char *all = twi_str_take(&text, err);
    if (!all || status)
        return TW_ENOMEM;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(all, strlen(all)));
    memcpy(key, canonical.digest, 16);
    twi_free(all);
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- making

static tw_status mark_skipped(twi_photo *photo, const char *reason, tw_err *err)
{
    twi_free(photo->skipped);
    photo->skipped = twi_strdup(reason, err);
    return photo->skipped ? TW_OK : TW_ENOMEM;
}

static bool is_known(void *self, int64_t photo, const uint8_t hash[16])
{
    maker *m = self;
    bool is_bad;
    photo = m->which[photo];
    int64_t slot = twi_cache_find(m->f->cache, hash, &is_bad);
    if (slot < 0)
        return false;
    if (is_bad) {
        char reason[256];
        tw_err err = {0};
        if (twi_cache_reason(m->f->cache, slot, reason, sizeof reason, &err))
            return false;
        return mark_skipped(&m->photos->at.at[photo], reason, &err) == TW_OK;
    }
    m->f->slot[photo] = slot;
    return true;
}

static tw_status on_row(void *self, int64_t photo, const uint8_t hash[16], const float *const outputs[],
                        tw_err *err)
{
    maker *m = self;
    photo = m->which[photo];
    const float *row = outputs[0];
    float *joined = NULL;
    if (m->f->n_values > 1) {
        row = joined = twi_new_aligned((size_t)m->f->row, sizeof *joined, "a feature row", err);
        if (!joined)
            return TW_ENOMEM;
        float *at = joined;
        for (int i = 0; i < m->f->n_values; at += m->f->size[i++])
            memcpy(at, outputs[i], (size_t)m->f->size[i] * sizeof *at);
    }
    tw_status status = twi_cache_put(m->f->cache, hash, row, &m->f->slot[photo], err);
    twi_free(joined);
    return status;
}

static tw_status on_bad(void *self, int64_t photo, const uint8_t hash[16], const char *reason, tw_err *err)
{
    static const uint8_t none[16];
    maker *m = self;
    tw_status status = mark_skipped(&m->photos->at.at[m->which[photo]], reason, err);
    if (!status && memcmp(hash, none, sizeof none) != 0)
        status = twi_cache_put_bad(m->f->cache, hash, reason, err);
    return status;
}

static void on_progress(void *self, int64_t done, int64_t total)
{
    maker *m = self;
    if (m->o->on_progress)
        m->o->on_progress(m->o->self, done, total);
}

static bool is_cancelled(void *self)
{
    maker *m = self;
    return m->o->is_cancelled && m->o->is_cancelled(m->o->self);
}

// Rows found in the cache may be damaged on disk: each is checked once, and damaged ones are made again.
static tw_status check_known(maker *m, bool *is_complete, tw_err *err)
{
    float *row = twi_new_aligned((size_t)m->f->row, sizeof *row, "a feature row", err);
    if (!row)
        return TW_ENOMEM;
    *is_complete = true;
    for (int64_t i = 0; i < m->f->n_photos; i++) {
        tw_err damaged = {0};
        if (m->f->slot[i] >= 0 && twi_cache_read(m->f->cache, m->f->slot[i], row, &damaged)) {
            m->f->slot[i] = -1;
            *is_complete = false;
        }
    }
    twi_free(row);
    return TW_OK;
}

static tw_status run_photos(maker *m, const twi_plan *plan, tw_err *err)
{
    const char **paths = twi_new((size_t)m->f->n_photos, sizeof *paths, "paths", err);
    if (!paths)
        return TW_ENOMEM;
    for (int64_t i = 0; i < m->n; i++)
        paths[i] = m->photos->at.at[m->which[i]].path;
    twi_pipeline_options o = {.plan = plan,
                              .recipe = m->o->recipe,
                              .augment = m->o->augment,
                              .seed = m->o->seed,
                              .copy = m->o->copy,
                              .workers = m->o->workers,
                              .self = m,
                              .is_known = is_known,
                              .on_row = on_row,
                              .on_bad = on_bad,
                              .on_progress = on_progress,
                              .is_cancelled = is_cancelled};
    bool is_complete = false;
    tw_status status = TW_OK;
    for (int round = 0; !status && !is_complete && round < 2; round++) {
        int64_t decoded = 0;
        status = twi_pipeline_run(&o, m->n, paths, &decoded, err);
        m->f->n_decoded += decoded;
        if (!status)
            status = check_known(m, &is_complete, err);
    }
    if (!status && !is_complete)
        status = twi_fail(err, TW_EFAILED,
                          "the feature cache gives back other rows than were written\n"
                          "try  --cache off, or another --cache DIR");
    twi_free(paths);
    return status;
}

// Room for the rows that are still missing, before they are made; and what is above the limit goes when they are there.
// What cannot be deleted stays: a reason to complain for `topwork cache clear`, not for a training.
static void keep_limit(const twi_features *f, const twi_features_options *o, bool is_done)
{
    const char *path = twi_cache_path(f->cache);
    uint64_t freed, growth = is_done ? 0 : twi_cache_growth(f->cache, f->n_photos);
    tw_err ignored = {0};
    if (!path)
        return;
    uint64_t limit = o->cache_limit > 0 ? (uint64_t)o->cache_limit : twi_cache_limit(o->cache_dir);
    twi_cache_trim(o->cache_dir, limit > growth ? limit - growth : 0, is_done ? NULL : path, &freed,
                   &ignored);
}

// All photos, or those of the training part that were readable as they are.
static tw_status choose(maker *m, tw_err *err)
{
    m->which = twi_new(m->photos->at.n, sizeof *m->which, "photos", err);
    for (size_t i = 0; m->which && i < m->photos->at.n; i++)
        if (!m->o->augment || (m->photos->at.at[i].part == TWI_TRAIN && !m->photos->at.at[i].skipped))
            m->which[m->n++] = (int64_t)i;
    return m->which ? TW_OK : TW_ENOMEM;
}

// Opens the cache for what the plan makes, and fills it.
static tw_status make_rows(maker *m, const twi_plan *plan, tw_err *err)
{
    twi_features *f = m->f;
    uint8_t key[16];
    tw_status status = cache_key(m->o, plan, key, err);
    if (!status && m->o->cache_dir)
        status = twi_cache_folder(m->o->cache_dir, err);
    if (!status)
        f->cache = twi_cache_open(m->o->cache_dir, key, (size_t)f->row * sizeof(float), err);
    if (!f->cache)
        return status ? status : TW_EFAILED;
    keep_limit(f, m->o, false);
    status = run_photos(m, plan, err);
    if (!status)
        keep_limit(f, m->o, true);
    f->is_kept = twi_cache_is_kept(f->cache);
    return status;
}

// The plan, and its kernels: given, or decided by trials that are remembered with the cache, or the usual ones.
static twi_plan *make_plan(const maker *m, const tw_model *model, tw_err *err)
{
    const twi_features_options *o = m->o;
    twi_plan_options options = {.batch = MICRO_BATCH,
                                .to = o->frontier,
                                .precision = o->precision,
                                .choices = o->choices,
                                .threads = 1};
    if (o->cache_dir && !o->choices && o->precision != TWI_EXACT) {
        int64_t runs_at_once = MICRO_BATCH * (int64_t)(o->workers > 1 ? o->workers : 1);
        options.trials = twi_trials_open(o->cache_dir, (double)m->n / (double)runs_at_once, err);
        if (!options.trials)
            return NULL;
    }
    twi_plan *plan = twi_plan_new(model, &options, err);
    if (options.trials)
        m->f->n_trials = twi_trials_made(options.trials, &m->f->trial_seconds);
    twi_trials_close(options.trials);
    return plan;
}

tw_status twi_features_make(const tw_model *model, twi_photos *photos, const twi_features_options *o,
                            twi_features *f, tw_err *err)
{
    maker m = {.f = f, .photos = photos, .o = o};
    f->n_photos = (int64_t)photos->at.n;
    f->n_values = o->frontier->n;
    f->row = 0;
    for (int i = 0; i < f->n_values; i++) {
        tw_shape one = twi_shape_batch(&o->frontier->at[i].shape, 1);
        f->row += f->size[i] = twi_shape_count(&one);
    }
    f->slot = twi_new((size_t)f->n_photos, sizeof *f->slot, "an index of features", err);
    if (!f->slot)
        return TW_ENOMEM;
    for (int64_t i = 0; i < f->n_photos; i++)
        f->slot[i] = -1;
    twi_plan *plan = choose(&m, err) ? NULL : make_plan(&m, model, err);
    f->plan = plan ? twi_plan_json(plan, err) : NULL;
    tw_status status = f->plan ? make_rows(&m, plan, err) : TW_EFAILED;
    twi_plan_free(plan);
    twi_free(m.which);
    f->n_known = 0;
    for (int64_t i = 0; i < f->n_photos; i++)
        f->n_known += f->slot[i] >= 0;
    f->n_known -= f->n_decoded < f->n_known ? f->n_decoded : f->n_known;
    return status ? (err && err->status ? err->status : status) : TW_OK;
}

void twi_features_clear(twi_features *f)
{
    twi_cache_close(f->cache);
    json_decref(f->plan);
    twi_free(f->slot);
    *f = (twi_features){0};
}
