// Thread pool: persistent workers that claim task numbers from a counter. See pool.h.
//
// Claiming one by one (not in fixed shares) keeps the cores busy when tasks differ, as photos do.

#include "base/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

typedef struct worker {
    twi_pool *pool;
    int index;
    pthread_t thread;
} worker;

struct twi_pool {
    int n;
    worker *workers; // [n]
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    uint64_t round; // counts runs: workers wait for it to change
    int busy;       // workers still in the current round
    bool is_closing;
    void (*task)(void *, int64_t, int);
    void *arg;
    int64_t n_tasks;
    _Atomic int64_t next;
};

static void *work(void *arg)
{
    worker *w = arg;
    twi_pool *p = w->pool;
    uint64_t seen = 0;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->round == seen && !p->is_closing)
            pthread_cond_wait(&p->start, &p->lock);
        seen = p->round;
        bool closing = p->is_closing;
        pthread_mutex_unlock(&p->lock);
        if (closing)
            return NULL;
        for (int64_t i; (i = atomic_fetch_add(&p->next, 1)) < p->n_tasks;)
            p->task(p->arg, i, w->index);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

int twi_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

twi_pool *twi_pool_new(int n_workers, tw_err *err)
{
    int n = n_workers > 0 ? n_workers : twi_cores();
    twi_pool *p = twi_new(1, sizeof *p, "a thread pool", err);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    p->workers = twi_new((size_t)n, sizeof *p->workers, "a thread pool", err);
    for (int i = 0; p->workers && i < n; i++) {
        p->workers[i] = (worker){.pool = p, .index = i};
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) != 0) {
            twi_fail(err, TW_ENOMEM, "cannot start worker thread %d of %d", i + 1, n);
            break;
        }
        p->n++;
    }
    if (p->n < n) {
        twi_pool_free(p);
        return NULL;
    }
    return p;
}

void twi_pool_free(twi_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->is_closing = true;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->start);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    twi_free(p->workers);
    twi_free(p);
}

int twi_pool_workers(const twi_pool *p)
{
    return p->n;
}

void twi_pool_run(twi_pool *p, int64_t n, void (*task)(void *, int64_t, int), void *arg)
{
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->n_tasks = n;
    atomic_store(&p->next, 0);
    p->busy = p->n;
    p->round++;
    pthread_cond_broadcast(&p->start);
    while (p->busy)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
