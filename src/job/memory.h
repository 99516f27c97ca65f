// Memory said beforehand: a job that would not fit is refused before it begins, with what it needs, what there is, and what
// to change, instead of being ended by the system in the middle.
#ifndef TWI_JOB_MEMORY_H
#define TWI_JOB_MEMORY_H

#include "base/room.h"
#include "job/context.h"
#include "train/evaluate.h"

// What the process may still take; `limit` (--memory, bytes) bounds all of it, 0: no such limit.
twi_room twi_memory_room(int64_t limit);
// TW_ENOMEM unless `more` bytes fit: "fine-tuning needs about 5.1 GB of memory; the container allows 3.0 GB", followed by a
// line of advice.
tw_status twi_memory_check(int64_t more, int64_t limit, const char *what, const char *advice, tw_err *err);
// The most workers that fit, of those wanted; 1 where none does (the check refuses then).
int twi_memory_workers(const twi_need *need, int wanted, int64_t limit);
int64_t twi_memory_all(const twi_need *need, int workers);
// Where a fit needs more than there is, activations are kept only as far as there is room (engine/recompute.c): sets
// o->run_limit, and *need to what is needed then; both stay where that does not help.
tw_status twi_memory_lower(const tw_model *m, const twi_fit_size *size, twi_fit_options *o, int64_t limit,
                           twi_need *need, tw_err *err);
// Says that `what` does so, and what it costs.
void twi_memory_say_lowered(tw_context *tw, const char *what, int64_t limit, double more_time);
// Workers of a predictor, as many of those wanted as fit. TW_ENOMEM where not even one does.
tw_status twi_memory_fit_predictor(twi_predictor *p, int wanted, tw_err *err);
// Before weights are given memory: those of a model that has none yet, or of a file.
tw_status twi_memory_check_weights(const tw_model *m, tw_err *err);
tw_status twi_memory_check_file(const char *path, tw_err *err);

#endif
