// Finding a batch size: a few steps with each, timed.
//
// Large batches are faster while a step has costs of its own, but make fewer steps of an epoch. Taken is the smallest one
// that does at least NEARLY as many photos a second as the best, of 8, 16 … while an epoch keeps STEPS steps.
#ifndef TWI_TRAIN_FIND_BATCH_H
#define TWI_TRAIN_FIND_BATCH_H

#include "train/fit.h"

enum { TWI_BATCHES_MAX = 8 };

typedef struct twi_batches {
    int n;
    int64_t size[TWI_BATCHES_MAX];
    double photos_per_second[TWI_BATCHES_MAX];
    int64_t chosen;
} twi_batches;

// Trains as `o` says, but for the batch size; weights are afterwards what they were. fits(self, batch): whether memory would
// do. Memory that is not there after all ends the search, not the run. TW_ENOMEM: not even the first fits.
tw_status twi_find_batch(tw_model *m, const twi_samples *train, const twi_fit_options *o,
                         bool (*fits)(void *self, int64_t batch), twi_batches *batches, tw_err *err);

#endif
