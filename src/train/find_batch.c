// Finding a batch size. See find_batch.h.

#include "train/find_batch.h"

#include "train/trial.h"

#include <time.h>

#define NEARLY       0.9
#define SLOW_SECONDS 4.0 // a step that takes so long: larger batches are not tried
enum { FIRST = 8, STEPS = 8, WARM = 2, TIMED = 4 };

typedef struct watch {
    const twi_fit_options *asked;
    int64_t full; // photos of a batch that is no rest
    int steps;
    double began, seconds; // of the quickest full step
} watch;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The quickest step counts: on a busy machine the others say more about the neighbours.
static void on_moment(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w)
{
    watch *at = self;
    (void)epoch, (void)step;
    if (moment == TWI_BATCH_BEGIN)
        at->began = now();
    if (moment != TWI_BATCH_END || w->batch_photos != at->full)
        return;
    double seconds = now() - at->began;
    bool is_timed = at->steps >= WARM || seconds > SLOW_SECONDS;
    if (is_timed && (at->seconds == 0 || seconds < at->seconds))
        at->seconds = seconds;
    w->wants_stop = ++at->steps >= WARM + TIMED || seconds > SLOW_SECONDS;
}

static bool is_cancelled(void *self)
{
    const twi_fit_options *asked = ((watch *)self)->asked;
    return asked->is_cancelled && asked->is_cancelled(asked->self);
}

static tw_status measure(tw_model *m, const twi_samples *train, const twi_fit_options *asked, int64_t batch,
                         double *seconds, tw_err *err)
{
    twi_fit_options o = *asked;
    watch w = {.asked = asked, .full = batch < train->n ? batch : train->n};
    o.batch_size = batch;
    o.self = &w;
    o.on_moment = on_moment;
    o.is_cancelled = is_cancelled;
    tw_status status = twi_trial(m, train, &o, err);
    *seconds = w.seconds;
    return status;
}

static void choose(twi_batches *b)
{
    double best = 0;
    for (int i = 0; i < b->n; i++)
        best = b->photos_per_second[i] > best ? b->photos_per_second[i] : best;
    for (int i = b->n - 1; i >= 0; i--)
        if (b->photos_per_second[i] >= NEARLY * best)
            b->chosen = b->size[i];
}

tw_status twi_find_batch(tw_model *m, const twi_samples *train, const twi_fit_options *o,
                         bool (*fits)(void *self, int64_t batch), twi_batches *b, tw_err *err)
{
    *b = (twi_batches){.chosen = FIRST};
    double seconds = 0;
    for (int64_t batch = FIRST; b->n < TWI_BATCHES_MAX && seconds < SLOW_SECONDS; batch *= 2) {
        bool is_first = batch == FIRST;
        if (!is_first && (batch * STEPS > train->n || !fits(o->self, batch)))
            break;
        tw_err own = {0};
        tw_status status = measure(m, train, o, batch, &seconds, &own);
        if (status == TW_ENOMEM && !is_first)
            break;
        if (status) {
            if (err && !err->status)
                *err = own;
            return status;
        }
        if (seconds > 0) {
            b->size[b->n] = batch;
            b->photos_per_second[b->n++] = (double)batch / seconds;
        }
    }
    choose(b);
    return TW_OK;
}
