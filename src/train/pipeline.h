// The pipeline: photo files through a plan, in parallel.
//
// One worker a core decodes photos and runs its own small batches with one compute thread: no barriers, activations
// stay in the worker's cache, and decoding overlaps with computing. Memory does not grow with the number of photos.
#ifndef TWI_TRAIN_PIPELINE_H
#define TWI_TRAIN_PIPELINE_H

#include "data/augment.h"
#include "data/photos.h"
#include "data/recipe.h"
#include "engine/plan.h"

typedef struct twi_pipeline_options {
    const twi_plan *plan; // one picture input; made with threads = 1; its batch is each worker's batch
    const twi_recipe *recipe;
    const twi_augment *augment; // how photos are changed, as copy number `copy`; NULL: not at all
    uint64_t seed;
    int copy;
    int workers; // ≥ 1
    void *self;  // given to the following, which are called from any worker
    // Asked with the hash of the photo's bytes before it is decoded: true when its row is known already. NULL: never.
    bool (*is_known)(void *self, int64_t photo, const uint8_t hash[16]);
    // One photo's outputs, one dense row per plan output.
    tw_status (*on_row)(void *self, int64_t photo, const uint8_t hash[16], const float *const outputs[],
                        tw_err *err);
    // A photo that could not be read, and why. hash is all zero where the file itself could not be read.
    tw_status (*on_bad)(void *self, int64_t photo, const uint8_t hash[16], const char *reason, tw_err *err);
    void (*on_progress)(void *self, int64_t done, int64_t total); // may be NULL; one call at a time
    bool (*is_cancelled)(void *self);                             // may be NULL
} twi_pipeline_options;

// Runs all photos; *decoded (may be NULL) counts those that were decoded. TW_ECANCELLED when asked to stop.
tw_status twi_pipeline_run(const twi_pipeline_options *o, int64_t n, const char *const *paths,
                           int64_t *decoded, tw_err *err);

#endif
