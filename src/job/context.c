// The context: threads, where output goes, and the wish to stop. See context.h.
//
// Events and writes share one lock, so a listener needs none of its own and a line is never cut by another. Texts are
// formatted before the lock is taken; one that finds no memory is left out, since telling must never stop the work.

#include "job/context.h"

#include "base/mem.h"
#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

tw_context *tw_open(const tw_open_options *options, tw_err *err)
{
    if (options && (options->threads < 0 || options->threads > 4096)) {
        twi_fail(err, TW_EINVAL, "threads must be in 0..4096, received %lld", (long long)options->threads);
        return NULL;
    }
    tw_context *tw = twi_new(1, sizeof *tw, "the context", err);
    if (!tw)
        return NULL;
    if (options)
        tw->options = *options;
    tw->threads = tw->options.threads > 0 ? (int)tw->options.threads : twi_cores();
    atomic_init(&tw->is_cancelled, false);
    pthread_mutex_init(&tw->lock, NULL);
    return tw;
}

void tw_close(tw_context *tw)
{
    if (!tw)
        return;
    pthread_mutex_destroy(&tw->lock);
    twi_free(tw);
}

// Lock-free by construction: a signal handler may interrupt any instruction of ours.
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "tw_cancel must be safe in a signal handler");

void tw_cancel(tw_context *tw)
{
    if (tw)
        atomic_store(&tw->is_cancelled, true);
}

int twi_threads(const tw_context *tw, int64_t wanted)
{
    return wanted > 0 ? (int)wanted : tw->threads;
}

bool twi_is_cancelled(void *context)
{
    tw_context *tw = context;
    return tw && atomic_load(&tw->is_cancelled);
}

tw_status twi_check_cancelled(tw_context *tw, tw_err *err)
{
    return twi_is_cancelled(tw) ? twi_fail(err, TW_ECANCELLED, "cancelled") : TW_OK;
}

double twi_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// -------------------------------------------------------------------------------------------------------------- giving

void twi_write(tw_context *tw, const char *text, size_t n)
{
    if (!tw || !tw->options.write)
        return;
    pthread_mutex_lock(&tw->lock);
    tw->options.write(tw->options.arg, text, n);
    pthread_mutex_unlock(&tw->lock);
}

// The formatted text, NULL without memory or for a NULL format; yours to twi_free.
static char *format(const char *fmt, va_list args)
{
    if (!fmt)
        return NULL;
    char line[512];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(line, sizeof line, fmt, args);
    char *text = n < 0 ? NULL : twi_new((size_t)n + 1, 1, "a line of text", NULL);
    if (text && (size_t)n < sizeof line)
        memcpy(text, line, (size_t)n + 1);
    else if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

void twi_print(tw_context *tw, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args);
    va_end(args);
    if (text)
        twi_write(tw, text, strlen(text));
    twi_free(text);
}

// ------------------------------------------------------------------------------------------------------------- telling

void twi_event(tw_context *tw, const tw_event *event)
{
    if (!tw || !tw->options.event)
        return;
    pthread_mutex_lock(&tw->lock);
    tw->options.event(tw->options.arg, event);
    pthread_mutex_unlock(&tw->lock);
}

static tw_event event_of(tw_event_kind kind, const char *stage, const char *text)
{
    return (tw_event){.kind = kind,
                      .stage = stage,
                      .text = text,
                      .loss = NAN,
                      .accuracy = NAN,
                      .val_loss = NAN,
                      .val_accuracy = NAN,
                      .learning_rate = NAN};
}

#define TELL(kind, stage)                             \
    do {                                              \
        va_list args;                                 \
        va_start(args, fmt);                          \
        char *text = format(fmt, args);               \
        va_end(args);                                 \
        tw_event event = event_of(kind, stage, text); \
        if (text)                                     \
            twi_event(tw, &event);                    \
        twi_free(text);                               \
    } while (0)

void twi_say(tw_context *tw, const char *stage, const char *fmt, ...)
{
    TELL(TW_EVENT_STAGE, stage);
}

void twi_note(tw_context *tw, const char *fmt, ...)
{
    TELL(TW_EVENT_NOTE, "note");
}

void twi_warn(tw_context *tw, const char *fmt, ...)
{
    TELL(TW_EVENT_WARNING, "warning");
}

// -------------------------------------------------------------------------------------------------------------- stages

static void tell(twi_progress *s, tw_event_kind kind, int64_t done, int64_t total, const char *text)
{
    tw_event event = event_of(kind, s->name, text);
    event.done = done;
    event.total = total;
    event.unit = s->unit;
    event.seconds = twi_progress_seconds(s);
    twi_event(s->tw, &event);
}

void twi_progress_begin(twi_progress *stage, tw_context *tw, const char *name, int64_t total,
                        const char *unit, const char *fmt, ...)
{
    stage->tw = tw;
    stage->name = name;
    stage->unit = unit;
    stage->total = total;
    stage->began = twi_seconds();
    atomic_init(&stage->done, 0);
    atomic_init(&stage->next_ns, 0);
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args);
    va_end(args);
    tell(stage, TW_EVENT_STAGE, 0, total, text);
    twi_free(text);
}

// True for one thread each tenth of a second.
static bool is_due(twi_progress *s)
{
    long long now = (long long)(twi_progress_seconds(s) * 1e9), due = atomic_load(&s->next_ns);
    return now >= due && atomic_compare_exchange_strong(&s->next_ns, &due, now + 100000000);
}

void twi_progress_add(twi_progress *stage, int64_t n)
{
    long long done = atomic_fetch_add(&stage->done, n) + n;
    if (is_due(stage))
        tell(stage, TW_EVENT_PROGRESS, done, stage->total, NULL);
}

void twi_progress_set(twi_progress *stage, int64_t done, int64_t total, const char *text)
{
    atomic_store(&stage->done, done);
    if (is_due(stage))
        tell(stage, TW_EVENT_PROGRESS, done, total, text);
}

void twi_progress_end(twi_progress *stage, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args);
    va_end(args);
    tell(stage, TW_EVENT_END, atomic_load(&stage->done), stage->total, text);
    twi_free(text);
}

double twi_progress_seconds(const twi_progress *stage)
{
    return twi_seconds() - stage->began;
}
