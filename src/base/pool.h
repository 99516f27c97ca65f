// Thread pool: runs n independent tasks on a fixed set of workers.
#ifndef TWI_BASE_POOL_H
#define TWI_BASE_POOL_H

#include "base/error.h"

typedef struct twi_pool twi_pool;

// n_workers ≥ 1; 0 means one per available core (affinity respected). NULL with err set on failure.
twi_pool *twi_pool_new(int n_workers, tw_err *err);
void twi_pool_free(twi_pool *pool);
int twi_pool_workers(const twi_pool *pool);

// Calls task(arg, index, worker) for every index in 0 … n-1, each once, in order of claiming; returns when all are
// done. `worker` in 0 … workers-1 names the thread (for per-worker state). One run at a time per pool.
void twi_pool_run(twi_pool *pool, int64_t n, void (*task)(void *arg, int64_t index, int worker), void *arg);

// Cores this process may use.
int twi_cores(void);

#endif
