// Penalties of an evaluation: what regularizers add to the loss, as Keras's evaluate has them.
//
// Those of weights count once; those of activities are a mean over batches, weighted by their sizes. Norms can be summed photo
// by photo, so they come with the answers. An orthogonal one looks at a batch as a whole: for it the photos go through the
// model a second time, in batches in their order.
#ifndef TWI_JOB_PENALTIES_H
#define TWI_JOB_PENALTIES_H

#include "data/recipe.h"
#include "train/dataset.h"
#include "train/fit.h"

enum { TWI_BATCH = 32 }; // where nothing else is said

// Whether an activity's penalty depends on the batches.
tw_status twi_penalties_are_joint(const tw_model *m, bool *are, tw_err *err);

// All penalties over photos (those without a reason why they could not be read), in batches of this size.
tw_status twi_penalties_of_photos(const tw_model *m, const twi_recipe *recipe, int64_t n,
                                  const char *const *paths, char *const *reason, int64_t batch, int threads,
                                  double *penalty, tw_err *err);
// The same over samples in memory.
tw_status twi_penalties_of_arrays(const tw_model *m, const tw_dataset *data, int64_t batch, int threads,
                                  double *penalty, tw_err *err);
// All penalties, from the shares that the answers came with.
double twi_penalties_sum(const tw_model *m, int64_t n, const float *share, tw_err *err);

#endif
