// A tw_fit in progress: what its steps hand to each other. See fit.c for their order.
#ifndef TWI_JOB_LEARNING_H
#define TWI_JOB_LEARNING_H

#include "job/learn.h"
#include "train/arrays.h"
#include "train/features.h"

enum { TWI_TRAINING, TWI_VALIDATING, TWI_SIDES };

typedef struct learning {
    tw_context *tw;
    const tw_fit_options *o;
    tw_model *m;
    twi_compiled compiled;
    twi_callbacks callbacks;
    tw_setting early_stopping;
    twi_precision precision;
    twi_frontier frontier;
    tw_dataset *data[TWI_SIDES]; // views, owned; NULL: no validation
    twi_photos picked;           // photos of both sides: structs copied, texts lent by the stores
    twi_vec(twi_photo *) from;   // where each came from
    twi_recipe recipe;
    twi_augment augment;
    bool is_online;                 // training photos are changed anew in each epoch, so they come as pixels
    twi_features features, *copies; // copies [augment_copies], or NULL
    twi_part_samples photos[TWI_SIDES];
    twi_array_samples arrays[TWI_SIDES];
    const twi_samples *samples[TWI_SIDES];
    bool wants_stop; // said by on_epoch
    tw_training training;
    twi_fit_files files;
    int64_t memory, cache_limit; // bytes; 0: what is free, the default
    int feature_workers;         // of the threads, as many as fit into memory
    int64_t run_limit;           // bytes of a step, beyond which activations are made again; 0: they fit
    tw_err *err;                 // of the fit under way
} learning;

// fit_samples.c: which samples train and which validate. TW_EINVAL, TW_EUNUSABLE.
tw_status twi_learning_choose_data(learning *l, tw_err *err);
// Finds what is frozen in front, sees whether what follows fits into memory, and opens the samples of both sides.
tw_status twi_learning_open_samples(learning *l, tw_err *err);
// Layers were frozen or freed: another part of the model stands in front.
tw_status twi_learning_open_samples_again(learning *l, tw_err *err);
// The model remembers what it was trained to answer, and on which pixels.
tw_status twi_learning_note_data(learning *l, tw_err *err);
void twi_learning_close_samples(learning *l); // and gives back what was learned about the photos

// fit_memory.c: o->memory and o->cache_limit in bytes.
tw_status twi_learning_read_limits(learning *l, tw_err *err);
// For the frontier as it is: feature_workers and run_limit, or TW_ENOMEM with advice.
tw_status twi_learning_check_memory(learning *l, tw_err *err);

int64_t twi_learning_batch(const learning *l);
uint64_t twi_learning_seed(const learning *l);
bool twi_learning_is_cancelled(void *self);

#endif
