// The context inside: what a verb uses to give results, to tell how far it is, and to learn that it should stop.
//
//     twi_say(tw, "photos", "%s in 2 classes", count);                 // one line
//     twi_progress features;
//     twi_progress_begin(&features, tw, "features", n, "photos", NULL);   // a stage that is counted
//     twi_progress_add(&features, 1);                                     // from any thread
//     twi_progress_end(&features, "kept for the next run");
#ifndef TWI_JOB_CONTEXT_H
#define TWI_JOB_CONTEXT_H

#include "base/error.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

struct tw_context {
    tw_open_options options;
    int threads; // ≥ 1
    atomic_bool is_cancelled;
    pthread_mutex_t lock; // one event or write at a time
};

// Threads a verb should use: what its options say, else the context's.
int twi_threads(const tw_context *tw, int64_t wanted);

// Whether tw_cancel was called. `context` is a tw_context: the signature fits twi_fit_options.is_cancelled.
bool twi_is_cancelled(void *context);
// The same as an error: TW_ECANCELLED "cancelled", or TW_OK.
tw_status twi_check_cancelled(tw_context *tw, tw_err *err);

// What the verb gives: data, for the program's standard output.
void twi_write(tw_context *tw, const char *text, size_t n);
void twi_print(tw_context *tw, const char *fmt, ...) TWI_PRINTF(2, 3);

// What the verb tells. The text may have several lines.
void twi_event(tw_context *tw, const tw_event *event);
void twi_say(tw_context *tw, const char *stage, const char *fmt, ...) TWI_PRINTF(3, 4);
void twi_note(tw_context *tw, const char *fmt, ...) TWI_PRINTF(2, 3);
void twi_warn(tw_context *tw, const char *fmt, ...) TWI_PRINTF(2, 3);

// A stage that is counted. Counting is thread-safe and tells the listener at most ten times a second.
typedef struct twi_progress {
    tw_context *tw;
    const char *name, *unit;
    int64_t total; // 0: not known
    double began;  // twi_seconds
    atomic_llong done, next_ns;
} twi_progress;
// fmt NULL: nothing to say yet.
void twi_progress_begin(twi_progress *stage, tw_context *tw, const char *name, int64_t total,
                        const char *unit, const char *fmt, ...) TWI_PRINTF(6, 7);
void twi_progress_add(twi_progress *stage, int64_t n);
// Sets the count, with what is being counted within the stage ("epoch 3/10") or NULL.
void twi_progress_set(twi_progress *stage, int64_t done, int64_t total, const char *text);
void twi_progress_end(twi_progress *stage, const char *fmt, ...) TWI_PRINTF(2, 3);
double twi_progress_seconds(const twi_progress *stage);

// Seconds of a clock that only goes forward.
double twi_seconds(void);

#endif
