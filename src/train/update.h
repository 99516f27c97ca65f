// Updates: one optimizer step over all trained weights, with what every Keras optimizer shares (interop e4).
//
//   gradients → (accumulate) → clip → weights shrink → the optimizer's own step → (averages)
// State lives in arrays ("slots") of the caller's, so that a checkpoint holds it: per weight the kind's own, then the
// average (use_ema), then the accumulated gradient (gradient_accumulation_steps).
#ifndef TWI_TRAIN_UPDATE_H
#define TWI_TRAIN_UPDATE_H

#include "graph/model.h"
#include "train/optimizer.h"

typedef struct twi_update {
    const tw_setting *optimizer; // lent, as are the following
    int n;                       // trained weights
    twi_weight **weight;         // [n]
    float **slot;                // [n * per_weight]; NULL where a weight has none
    // by twi_update_open
    const twi_optimizer_kind *kind;
    int own, per_weight;    // slots of the kind; of each weight
    int average, collected; // index of these among a weight's slots; -1: none
    double clip_norm, clip_all, clip_value, ema_momentum;
    uint64_t every, ema_every; // steps an update takes; copies of the averages (0: never)
    float *scratch;
} twi_update;

// How many arrays a weight has, and what array j of a weight of this shape is.
int twi_update_per_weight(const tw_setting *optimizer);
int64_t twi_update_slot_size(const tw_setting *optimizer, const tw_shape *shape, int j); // 0: none
float twi_update_slot_start(const tw_setting *optimizer, int j);

// Fills in what follows from optimizer, n and weight. TW_ENOMEM.
tw_status twi_update_open(twi_update *u, tw_err *err);
void twi_update_close(twi_update *u);
// Step number `step` (from 1, batches counted) with gradient[i] of each weight, which it may change.
void twi_update_step(twi_update *u, double lr, uint64_t step, float *const *gradient);
// Exchanges weights and averages (use_ema): after twice nothing has changed.
void twi_update_swap(twi_update *u);
bool twi_update_has_average(const tw_setting *optimizer);

// ---- the same state as Keras's files have it (interop b4)

// Into m->slots: iteration, learning rate (left out with a schedule), averages, accumulated gradients, slots, numbers of
// the step. Leaves none where the model has trainable weights that are not trained.
tw_status twi_update_store(const twi_update *u, tw_model *m, double lr, bool has_schedule, uint64_t step,
                           tw_err *err);
// From m->slots into u->slot and *step; false (nothing changed) where they belong to another optimizer or model.
bool twi_update_take(twi_update *u, const tw_model *m, bool has_schedule, uint64_t *step);

#endif
