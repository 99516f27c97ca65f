// Team: starts the threads of OpenMP ahead of the first parallel loop. See team.h.
//
// OpenMP starts its threads in the first loop that needs them, and where it cannot, libgomp ends the program. So as many
// ordinary threads are started first, all alive at once: when that fails, it is an error like others. When it works, the
// C library keeps the stacks of the ended ones for the next, which are OpenMP's.

#include "base/team.h"

#include "base/mem.h"

#include <omp.h>
#include <pthread.h>

typedef struct rehearsal {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over;
} rehearsal;

static void *wait_for_the_end(void *arg)
{
    rehearsal *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->is_over)
        pthread_cond_wait(&r->over, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

// How many of n threads the system gives.
static int rehearse(pthread_t *thread, int n)
{
    rehearsal r = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
    int started = 0;
    while (started < n && pthread_create(&thread[started], NULL, wait_for_the_end, &r) == 0)
        started++;
    pthread_mutex_lock(&r.lock);
    r.is_over = true;
    pthread_cond_broadcast(&r.over);
    pthread_mutex_unlock(&r.lock);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    return started;
}

tw_status twi_team_start(int n, tw_err *err)
{
    if (n <= 1)
        return TW_OK;
    pthread_t *thread = twi_new((size_t)n, sizeof *thread, "a team of threads", err);
    if (!thread)
        return TW_ENOMEM;
    int started = rehearse(thread, n - 1);
    twi_free(thread);
    if (started < n - 1)
        return twi_fail(err, TW_ENOMEM,
                        "cannot start thread %d of %d: no memory for its stack, or the limit of threads\n"
                        "try  fewer --threads",
                        started + 2, n);
    int there = 0;
#pragma omp parallel num_threads(n) reduction(+ : there)
    there++;
    return there > 0 ? TW_OK : TW_ENOMEM;
}
