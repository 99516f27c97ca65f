// A fit in progress: what the files fit*.c share, and nobody else sees.
#ifndef TWI_TRAIN_TRAINER_H
#define TWI_TRAIN_TRAINER_H

#include "train/fit.h"
#include "train/update.h"

typedef struct twi_trainer {
    tw_model *m;
    const twi_samples *train;
    const twi_fit_options *o;
    twi_history *history;
    twi_fit_state own, *state; // o->state, or own where the caller keeps none
    twi_weights all;           // every weight of the model: what is kept and restored
    bool *was_trainable;       // [all.n, 2] flags of weight and layer the plans were made for
    twi_plan *plan[2];         // full batches; the smaller last batch (NULL if none)
    twi_run *run[2];
    twi_scorer *validation; // NULL: nothing to validate on
    int64_t batch, rest, k;
    int n_trained;
    twi_weight **weight; // [n_trained]
    float **gradient;    // [n_trained] of the run that went backward
    twi_update update;
    twi_meters meters;
    tw_setting early_stopping, schedule;
    uint32_t *order;          // [n] this epoch's order
    float *y, *sample_weight; // [batch, k], [batch]
    double lr;                // of the current step
    twi_watch watch;
} twi_trainer;

// Running sums of an epoch.
typedef struct twi_tally {
    double loss; // of the batches, times their photos
    int64_t right, seen;
} twi_tally;

// fit_step.c: photos order[at … at + count - 1]. TW_EDIVERGED: the loss is no number.
tw_status twi_trainer_step(twi_trainer *t, int64_t at, int64_t count, twi_tally *tally, tw_err *err);

// fit_state.c
// A new state, or an earlier one brought into the model; weights that are trained now and were not before begin anew.
tw_status twi_trainer_state(twi_trainer *t, tw_err *err);
// Copies of what training can change, into `into` (state->weight or state->best).
tw_status twi_trainer_keep(twi_trainer *t, float **into, tw_err *err);
void twi_trainer_restore_best(twi_trainer *t);

#endif
