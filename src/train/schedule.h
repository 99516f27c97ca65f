// Schedules: the learning rate of each step.
//
// One file per schedule (schedule_<name>.c) and one line in schedule_list.inc, each with Keras's name and arguments.
// Where Keras wants an initial rate or a number of steps, leaving it out takes the run's: its learning rate and the
// steps of the whole phase. Steps are counted from 0, as Keras's optimizer.iterations at the update.
#ifndef TWI_TRAIN_SCHEDULE_H
#define TWI_TRAIN_SCHEDULE_H

#include "base/field.h"
#include "train/optimizer.h" // rows of arguments

typedef struct twi_schedule_kind {
    tw_setting_kind setting;
    double (*rate)(const tw_setting *s, double step); // all arguments filled in
    bool is_ours;                                     // Keras has no such class
} twi_schedule_kind;

const tw_setting_kind *twi_schedule_find(const char *name);
const char *const *twi_schedule_names(void);

// Fills in what was left out: the rate to begin with, and the steps of the run.
void twi_schedule_complete(tw_setting *schedule, double learning_rate, double steps);
double twi_schedule_rate(const tw_setting *schedule, uint64_t step);
// As Keras's files have it in the place of learning_rate (twi_schedule_kind.is_ours: they cannot). And back.
json_t *twi_schedule_write(const tw_setting *schedule);
tw_status twi_schedule_read(tw_setting *schedule, const json_t *value, tw_err *err);

// Rows: a rate or a number of steps that may be left out.
#define TWI_RATE_OR_NONE(key)  TWI_ARG_OR_NONE(key, 0, 1e3, 0)
#define TWI_STEPS_OR_NONE(key) TWI_ARG_OR_NONE(key, 1, 1e15, TW_ARG_WHOLE)

#endif
