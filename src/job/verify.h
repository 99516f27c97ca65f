// Whether two models are the same: what they answer to the same pictures.
#ifndef TWI_JOB_VERIFY_H
#define TWI_JOB_VERIFY_H

#include "job/context.h"

#include "graph/info.h"

enum { TWI_VERIFY_PICTURES = 4 };

// What a model answers: all outputs for all pictures, one after the other. Zero-initialise; free `at` with twi_free.
typedef struct twi_verify_answers {
    int64_t n;
    float *at;
} twi_verify_answers;

// Fills an input (shape with batch) with pictures that depend on `input` alone: colours, slopes and grain, so that none
// looks like another after pooling. `m` says which numbers a pixel may have.
void twi_verify_fill(const tw_model *m, int input, const tw_shape *shape, float *x);
// The model's answers at exact f32. TW_EUNUSABLE: weights without values, inputs of open size.
tw_status twi_verify_answer(const tw_model *m, int threads, twi_verify_answers *out, tw_err *err);
// The same of the ops that a format is written from which is not read here (format/export.h).
tw_status twi_verify_exported(const tw_model *m, twi_verify_answers *out, tw_err *err);
// Largest difference between answers, as a share of the largest answer where that is above 1; infinite for NaN.
double twi_verify_difference(const twi_verify_answers *a, const twi_verify_answers *b);

#endif
