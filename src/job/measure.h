// Measuring: how fast a plan runs here.
#ifndef TWI_JOB_MEASURE_H
#define TWI_JOB_MEASURE_H

#include "engine/plan.h"

// Seconds of each op over some forward runs, for twi_plan_json. The inputs are smooth pictures.
tw_status twi_measure_ops(const twi_plan *plan, tw_err *err);
// Photos a second through a plan, as training computes features: `workers` runs side by side, a batch each, for about `seconds`.
tw_status twi_measure_rate(const twi_plan *plan, int workers, double seconds, double *rate, tw_err *err);
// Multiply-adds a second that this machine reaches on `threads` threads in a large matrix product: what ops are held against.
tw_status twi_measure_peak(int threads, double *macs, tw_err *err);

// A profiled plan as a Chrome trace (chrome://tracing, Perfetto): the ops of one run after the other. yours: json_decref.
json_t *twi_plan_trace(const json_t *plan);

#endif
