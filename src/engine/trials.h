// Trials: where an op can be computed in more than one way, a short timing decides, once.
//
// What was found is remembered in the folder of the feature cache, a file for each processor and version of the kernels:
//
//   kernels-<hash of both>.json   {"processor", "kernels", "trials": {<shape>: {"chosen", "tried": [{…, "seconds"}]}}}
//
// A file decides alone: with the same file a plan has the same kernels, and so the same bits. What a run has no time to try is
// remembered as it stands, so that the next run does not choose otherwise and find other rows in the cache. Processes that
// try at once each write the whole file under its name at once; what was there before is kept. A damaged file is none.
#ifndef TWI_ENGINE_TRIALS_H
#define TWI_ENGINE_TRIALS_H

#include "engine/plan.h"

// A way to compute an op, of those that a request for a kernel can name.
typedef struct twi_way {
    twi_algorithm algorithm;
    bool is_liked; // twi_kernel_request
} twi_way;

enum { TWI_WAYS_MAX = 4 };

// dir NULL: nothing is remembered. runs: how often the plan will run, of which a few percent may be spent on trials;
// INFINITY: all are made; 0: none, but what is remembered counts.
twi_trials *twi_trials_open(const char *dir, double runs, tw_err *err);
// Writes what is new. That it cannot is no failure of the run: the next one tries again.
void twi_trials_close(twi_trials *t);
int twi_trials_made(const twi_trials *t, double *seconds); // since it was opened

// Deletes what is remembered in a folder, for every processor.
void twi_trials_forget(const char *dir);

// Before the ops of a plan of so many multiply-adds.
void twi_trials_begin(twi_trials *t, double macs);
// The name of what is asked for: kind, parameters, shapes, what is fused, how the first input lies. Yours; NULL: TW_ENOMEM.
char *twi_trials_key(const twi_kernel_request *r, tw_err *err);
bool twi_trials_may(const twi_trials *t); // there is time for some
// What is remembered, or NULL: {"chosen", "tried"}, lent. `way` is of the chosen one.
const json_t *twi_trials_find(const twi_trials *t, const char *key, twi_way *way);
// Times the kernels (ways without one are NULL; the first is what would be taken without a trial) and remembers the best.
// lies[i]: how the first input lies now, else a reorder counts, too. *best: index of it.
tw_status twi_trials_make(twi_trials *t, const char *key, int n, twi_kernel *const *kernels,
                          const twi_way *ways, const twi_layout *lies, int *best, tw_err *err);

#endif
