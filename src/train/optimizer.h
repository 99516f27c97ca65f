// Optimizers: how a weight moves along its gradient.
//
// One file per optimizer (optimizer_<name>.c) and one line in optimizer_list.inc. State ("slots") belongs to the caller:
// per weight, n_slots arrays of the weight's size, in Keras's order (interop b4).
#ifndef TWI_TRAIN_OPTIMIZER_H
#define TWI_TRAIN_OPTIMIZER_H

#include "base/field.h"

enum { TWI_SLOTS_MAX = 3 };

typedef struct twi_optimizer_step {
    double lr;      // current learning rate
    uint64_t t;     // step number, from 1
    int64_t n;      // values in the weight
    float *w;       // updated in place
    const float *g; // gradient
    float *slot[TWI_SLOTS_MAX];
} twi_optimizer_step;

typedef struct twi_optimizer_kind {
    tw_setting_kind setting; // the first argument is always learning_rate
    int (*n_slots)(const tw_setting *s);
    double slot_start; // initial value of every slot (0 for most, 0.1 for Adagrad)
    // One step of one weight. Elementwise: may be called on parts of a weight from several threads.
    void (*step)(const tw_setting *s, const twi_optimizer_step *o);
} twi_optimizer_kind;

const tw_setting_kind *twi_optimizer_find(const char *name);
const char *const *twi_optimizer_names(void);

#endif
