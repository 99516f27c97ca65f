// Features: what the frozen prefix of a model makes of every photo, computed once and kept in the feature cache.
//
// Everything that changes a row is part of the cache's key: prefix structure and weights, recipe, precision, kernel
// family. So a second run with another head decodes nothing, and a stale row cannot be met.
#ifndef TWI_TRAIN_FEATURES_H
#define TWI_TRAIN_FEATURES_H

#include "engine/cache.h"
#include "train/fit.h"
#include "train/pipeline.h"

typedef struct twi_features_options {
    const twi_frontier *frontier; // n ≥ 1
    const twi_recipe *recipe;
    const char *cache_dir; // NULL: a temporary file that vanishes
    int64_t cache_limit;   // bytes its files may take together; 0: twi_cache_limit
    twi_precision precision;
    const twi_choices *choices; // kernels to run with; NULL: the best
    const twi_augment *augment; // rows of changed photos, of the training part only; NULL: as they are
    uint64_t seed;              // of the changes
    int copy;
    int workers;
    void *self;
    void (*on_progress)(void *self, int64_t done, int64_t total);
    bool (*is_cancelled)(void *self);
} twi_features_options;

// Zero-initialise; twi_features_clear.
typedef struct twi_features {
    twi_cache *cache;
    int n_values;
    int64_t size[TWI_FRONTIER_MAX]; // numbers of each frontier value in a row
    int64_t row;                    // numbers in a row
    int64_t n_photos;
    int64_t *slot; // [n_photos] row of each photo in the cache; -1: unreadable
    int64_t n_decoded, n_known;
    json_t *plan; // what they were made with, printed
    int n_trials; // of kernels, made now (engine/trials.h), and what they took
    double trial_seconds;
    bool is_kept; // for the next run: the cache has a file, and it is not larger than the limit
} twi_features;

// Makes or finds the rows of all photos. Unreadable ones get photos->at.at[i].skipped.
tw_status twi_features_make(const tw_model *m, twi_photos *photos, const twi_features_options *o,
                            twi_features *f, tw_err *err);
void twi_features_clear(twi_features *f);

// Samples of one part of the photos, in photo order. Zero-initialise; twi_part_samples_clear.
typedef struct twi_part_samples {
    twi_samples samples;
    int64_t *photo; // [samples.n] index into photos
    int32_t *label;
    const twi_photos *photos;     // lent
    const twi_features *features; // lent; NULL: pixels
    const twi_features *original,
        *copies; // epoch e reads copy e mod (n_copies + 1); copy 0 is the photo itself
    int n_copies;
    float *row;
    struct twi_pixel_reader *pixels;
} twi_part_samples;
// Rows of the cache.
tw_status twi_features_samples(const twi_features *f, const twi_photos *photos, twi_part part,
                               twi_part_samples *out, tw_err *err);
// Pixels, decoded anew each time and one batch ahead, for models without a frozen prefix. Photos marked skipped are left out.
tw_status twi_pixel_samples(const twi_photos *photos, twi_part part, const twi_recipe *recipe, int workers,
                            twi_part_samples *out, tw_err *err);
// Epochs take turns with n copies (lent) of the features.
void twi_part_samples_copies(twi_part_samples *s, const twi_features *copies, int n);
// Pixels changed anew in each epoch. Lends `augment`.
tw_status twi_part_samples_augment(twi_part_samples *s, const twi_augment *augment, uint64_t seed,
                                   tw_err *err);
void twi_part_samples_clear(twi_part_samples *s);

#endif
