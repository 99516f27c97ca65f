// Optimizers: how a weight moves along its gradient.
//
// One file per optimizer (optimizer_<name>.c) and one line in optimizer_list.inc. State ("slots") belongs to the caller:
// per weight, n_slots arrays of the weight's size, in Keras's order (interop b4). What optimizers share (weight decay,
// clipping, averages, accumulation) is done around them in update.c.
#ifndef TWI_TRAIN_OPTIMIZER_H
#define TWI_TRAIN_OPTIMIZER_H

#include "base/field.h"
#include "base/vector.h"
#include "tensor/shape.h"

#include <math.h>

enum { TWI_SLOTS_MAX = 3, TWI_STEP_NUMBERS = 4 };

typedef struct twi_optimizer_step {
    double lr;                       // current learning rate
    uint64_t t;                      // step number, from 1
    int64_t n;                       // values in the weight
    float *w;                        // updated in place
    const float *g;                  // gradient
    float *slot[TWI_SLOTS_MAX];      // NULL: this weight has none
    double number[TWI_STEP_NUMBERS]; // filled by begin and whole
    float *update;                   // filled by whole; NULL for kinds without it
} twi_optimizer_step;

typedef struct twi_optimizer_kind {
    tw_setting_kind setting; // the first argument is always learning_rate, the last ones TWI_OPTIMIZER_COMMON
    int (*n_slots)(const tw_setting *s);
    // First value of slot j; NULL: 0.
    double (*slot_start)(const tw_setting *s, int j);
    // Whether a weight of this shape has slot j; NULL: all have all.
    bool (*has_slot)(const tw_setting *s, const tw_shape *shape, int j);
    // In files slots of one group alternate weight by weight; a slot j with bit j set begins a group of its own.
    unsigned groups;
    // A number that belongs to the step, after the slots in files; NULL: none.
    double (*file_number)(const tw_setting *s, uint64_t t);
    // Share that a weight of this shape shrinks by, per unit of learning rate; NULL: the argument weight_decay.
    double (*decay)(const tw_setting *s, const tw_shape *shape);
    // Once a step, for all weights: fills number[]. NULL: nothing to do.
    void (*begin)(const tw_setting *s, twi_optimizer_step *o);
    // Once a weight, with all its values in view: what needs norms or products. Needs `scratch` floats behind `update`.
    void (*whole)(const tw_setting *s, const tw_shape *shape, twi_optimizer_step *o);
    int64_t (*scratch)(const tw_shape *shape); // floats in `update`; NULL: none
    // One step of one weight. Elementwise: may be called on parts of a weight from several threads.
    void (*step)(const tw_setting *s, const twi_optimizer_step *o);
} twi_optimizer_kind;

const tw_setting_kind *twi_optimizer_find(const char *name);
const char *const *twi_optimizer_names(void);
// What no single range can say: at most one kind of clipping, as in Keras. TW_EINVAL.
tw_status twi_optimizer_check(const tw_setting *optimizer, const char *where, tw_err *err);

// ---- rows of arguments

#define TWI_ARG(key_, default_, lo, hi)                           \
    {                                                             \
        .key = key_, .otherwise = default_, .low = lo, .high = hi \
    }
#define TWI_ARG_FLAG(key_, default_)                                                  \
    {                                                                                 \
        .key = key_, .otherwise = default_, .low = 0, .high = 1, .flags = TW_ARG_FLAG \
    }
#define TWI_BELOW_ONE               0.999999999 // shares of what was: with all of it nothing new would count
#define TWI_LEARNING_RATE(default_) TWI_ARG("learning_rate", default_, 0, 1e3)

// The arguments every Keras optimizer takes. The tail is without weight_decay, for those that have a default of their own.
#define TWI_OPTIMIZER_COMMON TWI_ARG_OR_NONE("weight_decay", 0, 1e3, 0), TWI_OPTIMIZER_TAIL
#define TWI_ARG_OR_NONE(key_, lo, hi, more)                                                             \
    {                                                                                                   \
        .key = key_, .otherwise = (double)NAN, .low = lo, .high = hi, .flags = TW_ARG_NULLABLE | (more) \
    }
#define TWI_OPTIMIZER_TAIL                                                                   \
    TWI_ARG_OR_NONE("clipnorm", 0, 1e30, 0), TWI_ARG_OR_NONE("global_clipnorm", 0, 1e30, 0), \
        TWI_ARG_OR_NONE("clipvalue", 0, 1e30, 0), TWI_ARG_FLAG("use_ema", 0),                \
        TWI_ARG("ema_momentum", 0.99, 0, 1),                                                 \
        TWI_ARG_OR_NONE("ema_overwrite_frequency", 1, 1e15, TW_ARG_WHOLE),                   \
        TWI_ARG_OR_NONE("loss_scale_factor", 1e-30, 1e30, 0),                                \
        TWI_ARG_OR_NONE("gradient_accumulation_steps", 2, 1e9, TW_ARG_WHOLE)

#endif
