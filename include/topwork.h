// topwork: transfer learning in C. The public header.
//
// A function named `new`, `copy`, `open` or `load` returns what you own; `get` and `find` return what the owner
// lends until it changes or dies; nothing else changes ownership. Every `free` and `close` accepts NULL.
//
// Errors: a function that can fail takes a `tw_err *` last (NULL allowed) and returns a tw_status or NULL. The first
// error stays: an err that is already set is not overwritten, and a NULL object argument returns NULL without
// writing, so a chain of calls needs one check at its end. The library never exits, prints or aborts on bad input.
//
// Threads: a tw_context may be used from several threads; one model must not be trained from two at once.
//
// Contents: 1 status and errors · 2 context
#ifndef TOPWORK_H
#define TOPWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TW_API __attribute__((visibility("default")))

#define TW_VERSION_MAJOR 0
#define TW_VERSION_MINOR 1
#define TW_VERSION_PATCH 0

// --------------------------------------------------------------------------------------------- 1 status and errors

// What went wrong, by what the caller can do about it. The command line's exit codes follow from it (tw_status_exit).
typedef enum tw_status {
    TW_OK = 0,
    TW_EFAILED = 1,      // anything without a class of its own
    TW_EINVAL = 2,       // an argument, option or flag is wrong: correct the call
    TW_EUNUSABLE = 3,    // data or model is well-formed but cannot be used for this: choose another
    TW_EDIVERGED = 4,    // training produced NaN or Inf; the best weights so far are kept
    TW_EMALFORMED = 5,   // a file is truncated, corrupt or hostile, and was refused
    TW_ENOMEM = 6,       // memory is not enough
    TW_EWRITE = 7,       // cannot write: no space, no permission
    TW_EUNSUPPORTED = 8, // valid, but not supported (exit code 2)
    TW_ECANCELLED = 9    // the caller asked to stop (exit code 130)
} tw_status;

// One error. Zero-initialise it; the library fills it once.
typedef struct tw_err {
    tw_status status; // TW_OK while nothing has gone wrong
    char msg[768];    // one sentence, lower case, no full stop; further lines (after '\n') say what to do
    char where[256];  // file, layer or key it is about; may be empty
    int64_t offset;   // byte in the file `where`, or -1
} tw_err;

// The short lower-case text of a status ("malformed file"). Never NULL. Static.
TW_API const char *tw_status_text(tw_status status);

// The process exit code of a status: 0–7 as numbered, 2 for TW_EUNSUPPORTED, 130 for TW_ECANCELLED.
TW_API int tw_status_exit(tw_status status);

// The library's version, "0.1.0". Static.
TW_API const char *tw_version(void);

#ifdef __cplusplus
}
#endif
#endif
