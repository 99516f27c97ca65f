// Memory: what the parts of a job will take, before they take it. Counted from the plans they would make, so that what the
// engine does better counts at once.
#ifndef TWI_TRAIN_MEMORY_H
#define TWI_TRAIN_MEMORY_H

#include "train/fit.h"

// Bytes beyond what the process holds already (the model's weights are there).
typedef struct twi_need {
    int64_t fixed;      // once
    int64_t per_worker; // for each worker of the pipeline
    int64_t run;        // of `fixed`: activations and gradients of a training step, which run_limit can lower
    double more_time;   // what that costs, as a part of a step
} twi_need;

// The pipeline: photos through the part of the model up to `to` (NULL: through all of it).
int64_t twi_need_worker(const twi_plan *plan); // for each worker that runs this plan
tw_status twi_need_pipeline(const tw_model *m, const twi_frontier *to, twi_precision precision,
                            twi_need *need, tw_err *err);
// A fit over samples of o->from. Pixels: each of the workers decodes, batches are fetched ahead. Only batch_size, optimizer,
// from, threads, run_limit and n_validation count of the rest.
typedef struct twi_fit_size {
    int64_t n_train, n_validation;
    bool has_pixels; // samples are photos decoded anew in each epoch, not rows of the cache
} twi_fit_size;
tw_status twi_need_fit(const tw_model *m, const twi_fit_size *size, const twi_fit_options *o, twi_need *need,
                       tw_err *err);

#endif
