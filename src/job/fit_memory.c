// Whether a tw_fit fits into memory, before its samples are made. See learning.h and memory.h.
//
// As for `topwork train`: fewer workers make features where not all fit, then a step keeps fewer activations and makes the
// others again (engine/recompute.c), and only what does not fit even so is refused.

#include "job/learning.h"
#include "job/memory.h"

#include <string.h>

tw_status twi_learning_read_limits(learning *l, tw_err *err)
{
    const tw_fit_options *o = l->o;
    tw_status status = o->memory ? twi_bytes_read(o->memory, "memory", &l->memory, err) : TW_OK;
    return status || !o->cache_limit ? status
                                     : twi_bytes_read(o->cache_limit, "cache_limit", &l->cache_limit, err);
}

static int64_t samples_of(const learning *l, int side)
{
    return l->data[side] ? l->data[side]->n : 0;
}

// Feature rows of samples in memory are memory, too.
static int64_t row_bytes(const learning *l)
{
    bool is_kept = l->frontier.n && !l->data[TWI_TRAINING]->store->has_photos;
    int64_t n = samples_of(l, TWI_TRAINING) + samples_of(l, TWI_VALIDATING);
    return is_kept ? n * (int64_t)twi_frontier_bytes(&l->frontier) : 0;
}

// The largest batch of half, a quarter … that fits, as advice.
static void advise(const learning *l, const twi_fit_size *size, twi_fit_options o, char *advice, size_t n)
{
    int64_t room = twi_memory_room(l->memory).bytes - row_bytes(l);
    snprintf(advice, n, "try  a smaller model or input");
    for (o.batch_size /= 2; o.batch_size >= 1; o.batch_size /= 2) {
        twi_need need = {0};
        tw_err ignored = {0};
        o.run_limit = 0;
        tw_status status = twi_need_fit(l->m, size, &o, &need, &ignored);
        if (!status && twi_memory_all(&need, o.threads) > room)
            status = twi_memory_lower(l->m, size, &o, l->memory, &need, &ignored);
        if (status)
            return;
        if (twi_memory_all(&need, o.threads) <= room - room / 64) {
            snprintf(advice, n, "try  .batch_size = %lld, or a smaller model or input",
                     (long long)o.batch_size);
            return;
        }
    }
}

static tw_status check_fit(learning *l, bool has_pixels, tw_err *err)
{
    bool takes_rows = l->frontier.n && !l->is_online;
    twi_fit_size size = {.n_train = samples_of(l, TWI_TRAINING),
                         .n_validation = samples_of(l, TWI_VALIDATING),
                         .has_pixels = has_pixels && !takes_rows};
    twi_fit_options o = {.batch_size = twi_learning_batch(l),
                         .optimizer = l->compiled.optimizer,
                         .from = takes_rows ? &l->frontier : NULL,
                         .threads = twi_threads(l->tw, 0)};
    twi_need need = {0};
    char what[64], advice[128] = "";
    tw_status status = twi_need_fit(l->m, &size, &o, &need, err);
    int64_t rows = row_bytes(l), room = twi_memory_room(l->memory).bytes;
    need.fixed += rows;
    if (!status && twi_memory_all(&need, o.threads) > room)
        status = twi_memory_lower(l->m, &size, &o, l->memory, &need, err);
    if (status)
        return status;
    if (o.run_limit)
        need.fixed += rows;
    l->run_limit = o.run_limit;
    int64_t most = twi_memory_all(&need, o.threads);
    if (most > room)
        advise(l, &size, o, advice, sizeof advice);
    else if (o.run_limit)
        twi_memory_say_lowered(l->tw, "tw_fit", l->memory, need.more_time);
    snprintf(what, sizeof what, "tw_fit with batch_size %lld", (long long)twi_learning_batch(l));
    return twi_memory_check(most, l->memory, what, advice, err);
}

tw_status twi_learning_check_memory(learning *l, tw_err *err)
{
    bool has_photos = l->data[TWI_TRAINING]->store->has_photos;
    int threads = twi_threads(l->tw, 0);
    twi_need features = {0};
    l->feature_workers = threads;
    tw_status status = TW_OK;
    if (has_photos && l->frontier.n)
        status = twi_need_pipeline(l->m, &l->frontier, l->precision, &features, err);
    if (!status)
        l->feature_workers = twi_memory_workers(&features, threads, l->memory);
    if (!status)
        status = twi_memory_check(twi_memory_all(&features, l->feature_workers), l->memory,
                                  "computing features", "try  a smaller model or input", err);
    return status ? status : check_fit(l, has_photos, err);
}
