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
// Contents: 1 status and errors · 2 shapes · 3 option rows
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

// ------------------------------------------------------------------------------------------------------- 2 shapes

#define TW_RANK_MAX 6
#define TW_DIM_MAX  (INT64_C(1) << 31) // largest size of one axis

// Sizes of a tensor, outermost first: pictures are [n, h, w, c]. A size of -1 is not known yet (the batch).
typedef struct tw_shape {
    int32_t rank; // 0 … TW_RANK_MAX
    int64_t dim[TW_RANK_MAX];
} tw_shape;

// -------------------------------------------------------------------------------------------------- 3 option rows
//
// One row describes one option of a layer, a setting, a verb: the same row reads and writes JSON, checks ranges, fills
// in the default, reads a command-line flag and prints the help.

// A named thing with up to TW_SETTING_ARGS numbers: an initializer, regularizer, optimizer, loss … as text `l2:1e-4`
// or as Keras JSON {"class_name": "L2", "config": {"l2": 1e-4}}.
#define TW_SETTING_ARGS 8
typedef struct tw_setting_arg {
    const char *key;            // Keras's name of the argument
    double otherwise;           // its default
    double low, high;           // allowed range
    const char *const *choices; // NULL-ended names: the value is an index into them; NULL: a number
} tw_setting_arg;

typedef struct tw_setting_kind {
    const char *name;                     // Keras's class name, "L2"
    const char *aliases;                  // further names, separated by blanks: "l2"; or NULL
    const char *doc;                      // one line
    tw_setting_arg args[TW_SETTING_ARGS]; // ends at the first NULL key
    const void *row;                      // what the room that owns the kind does with it
} tw_setting_kind;

typedef struct tw_setting {
    const tw_setting_kind *kind; // NULL: none
    double value[TW_SETTING_ARGS];
} tw_setting;

typedef enum tw_field_type {
    TW_FIELD_INT,     // int64_t
    TW_FIELD_FLOAT,   // double
    TW_FIELD_BOOL,    // bool
    TW_FIELD_NOT,     // bool, stored negated: key "use_bias" fills a member `no_bias`
    TW_FIELD_TEXT,    // const char *, lent by the arena the object was filled from
    TW_FIELD_TEXTS,   // tw_texts: list of texts
    TW_FIELD_CHOICE,  // int, index into `choices`
    TW_FIELD_PAIR,    // int64_t[2] (height, width); one number means both
    TW_FIELD_PADS,    // int64_t[4] (top, bottom, left, right); JSON [[t, b], [l, r]], [h, w] or one number
    TW_FIELD_SHAPE,   // tw_shape; JSON list, null = -1
    TW_FIELD_FLOATS,  // tw_floats: list of numbers
    TW_FIELD_SETTING, // tw_setting, found with `find`
    TW_FIELD_IGNORED  // accepted when read (any value), nothing stored, never written
} tw_field_type;

typedef struct tw_floats {
    int64_t n;
    const double *at; // lent by the arena
} tw_floats;

enum {
    TW_FIELD_REQUIRED = 1, // no default: leaving it out is an error
    TW_FIELD_ARGUMENT = 2, // command line: a positional argument, in row order
    TW_FIELD_REST = 4,     // command line: a TW_FIELD_TEXTS that takes all remaining positional arguments
    TW_FIELD_LATER = 8     // known, but not served yet: using it is "not supported yet"
};

typedef struct tw_texts {
    int64_t n;
    const char *const *at; // lent by the arena
} tw_texts;

typedef struct tw_field {
    const char *key;  // JSON key and, with '-' for '_', the flag; NULL ends the table
    const char *help; // one line
    tw_field_type type;
    unsigned flags;             // TW_FIELD_REQUIRED …
    size_t offset;              // of the member
    const char *otherwise;      // default, as text on the command line would give it; NULL: zero bytes
    double low, high;           // range of numbers (inclusive)
    const char *const *choices; // NULL-ended, for TW_FIELD_CHOICE
    const tw_setting_kind *(*find)(const char *name); // for TW_FIELD_SETTING; NULL result: unknown name
    const char *const *(*names)(void);                // for messages: NULL-ended names `find` knows
} tw_field;

#ifdef __cplusplus
}
#endif
#endif
