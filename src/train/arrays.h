// Samples in memory: given to a fit as they are, or as what the frozen prefix makes of them (computed once, kept in
// memory), and answered by a model.
#ifndef TWI_TRAIN_ARRAYS_H
#define TWI_TRAIN_ARRAYS_H

#include "train/dataset.h"

typedef struct twi_array_run {
    int64_t batch;
    twi_precision precision;
    int threads;
    void *self;
    bool (*is_cancelled)(void *self); // may be NULL
    float *penalty;                   // as twi_predict_options has it
} twi_array_run;

// Zero-initialise; twi_array_samples_clear.
typedef struct twi_array_samples {
    twi_samples samples;
    int n_values;
    int64_t size[TWI_FRONTIER_MAX];    // numbers of each value in a sample
    const float *at[TWI_FRONTIER_MAX]; // [n, size]
    float *owned[TWI_FRONTIER_MAX];
} twi_array_samples;

// Whether the data's samples have the shape the model takes: TW_EUNUSABLE naming both.
tw_status twi_arrays_check(const tw_model *m, const tw_dataset *data, tw_err *err);
// frontier n = 0: the samples themselves.
tw_status twi_array_samples_make(const tw_model *m, const tw_dataset *data, const twi_frontier *frontier,
                                 const twi_array_run *o, twi_array_samples *out, tw_err *err);
void twi_array_samples_clear(twi_array_samples *s);

// The model's first output for every sample: [n, k] into answers.
tw_status twi_arrays_answer(const tw_model *m, const tw_dataset *data, const twi_array_run *o, float *answers,
                            tw_err *err);

#endif
