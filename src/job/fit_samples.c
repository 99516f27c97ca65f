// The samples of a tw_fit: the two sides, what the frozen part makes of them, and how they are read. See learning.h.

#include "job/learning.h"

#include <string.h>

enum {
    TRUNK_ROW_BYTES =
        128 << 10, // default cut: the trunk's output while a sample's row is no larger (architecture §1)
    CACHED_ROW_BYTES = 512 << 10 // a row larger than this is cheaper to compute again than to keep
};
#define MEMORY_ROWS_BYTES \
    (INT64_C(2) << 30) // of samples in memory: features larger than this are computed again

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

tw_status twi_learning_choose_data(learning *l, tw_err *err)
{
    tw_dataset *all = l->o->data, *validation = l->o->validation;
    bool is_whole = all->part == TW_PART_ALL && all->store->has_photos;
    l->data[TWI_TRAINING] = twi_dataset_part(all, is_whole ? TW_PART_TRAIN : all->part, err);
    if (validation)
        l->data[TWI_VALIDATING] = twi_dataset_part(validation, validation->part, err);
    else if (is_whole)
        l->data[TWI_VALIDATING] = twi_dataset_part(all, TW_PART_VALIDATION, err);
    if (err->status)
        return err->status;
    const tw_dataset *a = l->data[TWI_TRAINING], *b = l->data[TWI_VALIDATING];
    if (b && check_same_classes(a, b, err))
        return err->status;
    for (int side = 0; side < TWI_SIDES; side++)
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
    for (int side = 0; side < TWI_SIDES; side++)
        for (int64_t i = 0; l->data[side] && i < l->data[side]->n; i++) {
            twi_photo *photo = twi_dataset_photo(l->data[side], i), copy = *photo;
            copy.part = side == TWI_TRAINING ? TWI_TRAIN : TWI_VAL;
            copy.skipped = NULL;
            if (!twi_vec_push(&l->picked.at, copy, err) || !twi_vec_push(&l->from, photo, err))
                return TW_ENOMEM;
        }
    l->picked.classes.n = (size_t)twi_dataset_n_classes(l->data[TWI_TRAINING]);
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
                              .cache_limit = l->cache_limit,
                              .precision = l->precision,
                              .workers = l->feature_workers,
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
                                  .cache_limit = l->cache_limit,
                                  .precision = l->precision,
                                  .augment = &l->augment,
                                  .seed = twi_learning_seed(l),
                                  .copy = i + 1,
                                  .workers = l->feature_workers,
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
    if (!l->augment.n && !l->is_online)
        return TW_OK;
    tw_status status = twi_augment_check(&l->augment, &l->recipe, err);
    if (!status && !l->is_online)
        status = make_copies(l, err);
    if (!status && !l->is_online)
        twi_part_samples_copies(&l->photos[TWI_TRAINING], l->copies, (int)l->o->augment_copies);
    else if (!status)
        status = twi_part_samples_augment(&l->photos[TWI_TRAINING], &l->augment, twi_learning_seed(l), err);
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
    tw_status status = twi_learn_recipe(l->m, l->data[TWI_TRAINING], &l->recipe, err);
    if (!status && !l->picked.at.n)
        status = pick_photos(l, err);
    if (!status && l->frontier.n)
        status = make_features(l, err);
    for (int side = 0; !status && side < TWI_SIDES; side++) {
        twi_part part = side == TWI_TRAINING ? TWI_TRAIN : TWI_VAL;
        bool has_rows = l->frontier.n && !(l->is_online && side == TWI_TRAINING);
        status = has_rows ? twi_features_samples(&l->features, &l->picked, part, &l->photos[side], err)
                          : twi_pixel_samples(&l->picked, part, &l->recipe, twi_threads(l->tw, 0),
                                              &l->photos[side], err);
        l->samples[side] = l->photos[side].samples.n ? &l->photos[side].samples : NULL;
    }
    return status ? status : change_photos(l, err);
}

static tw_status array_samples(learning *l, tw_err *err)
{
    twi_array_run o = {.batch = twi_learning_batch(l),
                       .precision = l->precision,
                       .threads = twi_threads(l->tw, 0),
                       .self = l,
                       .is_cancelled = twi_learning_is_cancelled};
    tw_status status = TW_OK;
    for (int side = 0; !status && side < TWI_SIDES; side++) {
        if (!l->data[side] || !l->data[side]->n)
            continue;
        status = twi_arrays_check(l->m, l->data[side], err);
        if (!status)
            status = twi_array_samples_make(l->m, l->data[side], &l->frontier, &o, &l->arrays[side], err);
        l->arrays[side].samples.n_classes = twi_dataset_n_classes(l->data[TWI_TRAINING]);
        l->samples[side] = &l->arrays[side].samples;
    }
    return status;
}

tw_status twi_learning_open_samples(learning *l, tw_err *err)
{
    tw_status status = twi_frontier_find(l->m, TRUNK_ROW_BYTES, &l->frontier, err);
    // model.trainable = False silences every layer in it, as in Keras.
    if (!status && (l->frontier.is_all || !l->m->is_trainable))
        status =
            twi_fail(err, TW_EINVAL, "nothing to train: every weight of model '%s' is frozen", l->m->name);
    if (status)
        return status;
    bool has_photos = l->data[TWI_TRAINING]->store->has_photos;
    int64_t n = l->data[TWI_TRAINING]->n + (l->data[TWI_VALIDATING] ? l->data[TWI_VALIDATING]->n : 0),
            row = (int64_t)twi_frontier_bytes(&l->frontier);
    if (row > CACHED_ROW_BYTES || (!has_photos && n * row > MEMORY_ROWS_BYTES))
        l->frontier.n = 0;
    if (l->o->cutmix > 0 && !has_photos) // it cuts pictures, not what is made of them
        l->frontier.n = 0;
    // What is changed anew in each epoch cannot be kept as features; what validates can.
    l->is_online =
        (l->augment.n || (l->o->cutmix > 0 && has_photos)) && !(l->frontier.n && l->o->augment_copies);
    status = twi_learning_check_memory(l, err);
    if (status)
        return status;
    status = has_photos ? photo_samples(l, err) : array_samples(l, err);
    if (!status && !l->samples[TWI_TRAINING])
        status = twi_fail(err, TW_EUNUSABLE,
                          l->data[TWI_TRAINING]->n ? "none of the training photos could be read"
                                                   : "there are no samples to train on");
    return status;
}

// Layers were frozen or freed: another part of the model stands in front.
tw_status twi_learning_open_samples_again(learning *l, tw_err *err)
{
    for (int side = 0; side < TWI_SIDES; side++) {
        twi_part_samples_clear(&l->photos[side]);
        twi_array_samples_clear(&l->arrays[side]);
    }
    twi_features_clear(&l->features);
    clear_copies(l);
    l->frontier = (twi_frontier){0};
    return twi_learning_open_samples(l, err);
}

// The model remembers what it was trained to answer, and on which pixels.
tw_status twi_learning_note_data(learning *l, tw_err *err)
{
    const tw_dataset *d = l->data[TWI_TRAINING];
    if (!d->store->has_photos)
        return TW_OK;
    const twi_photos *photos = &d->store->photos;
    tw_status status = twi_recipe_store(l->m, &l->recipe, err);
    if (!status && !twi_info_n_labels(l->m))
        status =
            twi_info_set_labels(l->m, (int)photos->classes.n, (const char *const *)photos->classes.at, err);
    return status;
}

void twi_learning_close_samples(learning *l)
{
    for (int side = 0; side < TWI_SIDES; side++) {
        twi_part_samples_clear(&l->photos[side]);
        twi_array_samples_clear(&l->arrays[side]);
        twi_dataset_free(l->data[side]);
    }
    twi_features_clear(&l->features);
    clear_copies(l);
    give_back(l);
}
