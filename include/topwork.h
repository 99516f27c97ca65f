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
// Contents: 1 status and errors · 2 shapes · 3 option rows · 4 context · 5 the verbs
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
    TW_FIELD_REQUIRED = 1,  // no default: leaving it out is an error
    TW_FIELD_ARGUMENT = 2,  // command line: a positional argument, in row order
    TW_FIELD_REST = 4,      // command line: a TW_FIELD_TEXTS that takes all remaining positional arguments
    TW_FIELD_LATER = 8,     // known, but not served yet: using it is "not supported yet"
    TW_FIELD_NULLABLE = 16, // may be null (text "none"): NaN for TW_FIELD_FLOAT, 0 for whole numbers
    TW_FIELD_SCALAR = 32,   // TW_FIELD_FLOATS: one number is written as a number, not as a list
    TW_FIELD_OLD = 64       // an older key of another row's member: read, never written
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

// Reading options from text or a table, the way the program does. Texts are lent by the arena.
typedef struct tw_arena tw_arena;
TW_API tw_arena *tw_arena_new(tw_err *err);
TW_API void tw_arena_free(tw_arena *arena);
// Fills every member of `object` (the struct the table describes) with its default.
TW_API tw_status tw_fields_default(const tw_field *fields, void *object, tw_arena *arena, tw_err *err);
// The row of a key ('-' and '_' alike), or NULL.
TW_API const tw_field *tw_field_find(const tw_field *fields, const char *key);
// The key nearest to a misspelt one, or NULL. Static.
TW_API const char *tw_field_nearest(const tw_field *fields, const char *key);
// Sets one member from text: "3", "3x5", "relu", "true". `where` begins the message ("--epochs"). TW_EINVAL.
TW_API tw_status tw_field_set(const tw_field *field, void *object, const char *text, const char *where,
                              tw_arena *arena, tw_err *err);
// Appends one more text to a member of type TW_FIELD_TEXTS.
TW_API tw_status tw_field_append(const tw_field *field, void *object, const char *text, tw_arena *arena,
                                 tw_err *err);

// ------------------------------------------------------------------------------------------------------ 4 context

// What everything happens in: threads, where output goes, and whether the caller asked to stop.
typedef struct tw_context tw_context;

typedef enum tw_event_kind {
    TW_EVENT_STAGE,    // a stage begins: `stage`, `total` (0: not known), `text` says what
    TW_EVENT_PROGRESS, // `done` of `total` items of the stage
    TW_EVENT_EPOCH,    // an epoch ended: `done` of `total` epochs, and the measured values
    TW_EVENT_END,      // the stage ended; `text` sums it up
    TW_EVENT_NOTE,     // something worth knowing: `text`
    TW_EVENT_WARNING   // something that may be wrong: `text`
} tw_event_kind;

typedef struct tw_event {
    tw_event_kind kind;
    const char *stage; // "photos", "model", "features", "head", "fine-tune", "evaluate", "report", "predict"
    const char *text;  // one line or more, lower case, no full stop; NULL where none
    int64_t done, total;
    double seconds; // since the stage began
    // TW_EVENT_EPOCH; NaN where not measured
    double loss, accuracy, val_loss, val_accuracy, learning_rate;
    bool is_best; // lowest val_loss so far
} tw_event;

typedef struct tw_open_options {
    int64_t threads; // 0: one per core this process may use
    // Receives what a verb gives (results, tables, JSON). NULL: discarded.
    void (*write)(void *arg, const char *text, size_t n);
    // Receives progress; called from any thread, never two at once. NULL: silent.
    void (*event)(void *arg, const tw_event *event);
    void *arg; // for both
} tw_open_options;

// Opens a context; options may be NULL. TW_ENOMEM.
TW_API tw_context *tw_open(const tw_open_options *options, tw_err *err);
TW_API void tw_close(tw_context *tw);
// Asks running work to end soon and cleanly (TW_ECANCELLED, best model saved). Safe in a signal handler.
TW_API void tw_cancel(tw_context *tw);
// Versions of topwork and of the libraries it uses, one a line. Written into buf; returns buf.
TW_API const char *tw_versions(char *buf, size_t size);

// ---------------------------------------------------------------------------------------------------- 5 the verbs
//
// Each verb of the program is one function; its options struct is described by a table of rows, which is also the
// program's flags and help. Fill the struct with tw_fields_default first. What a verb gives goes to the context's
// `write`. All of them may take long, check tw_cancel, and hold no state afterwards.

typedef enum tw_format { TW_FORMAT_TEXT, TW_FORMAT_JSON, TW_FORMAT_CSV } tw_format;

typedef struct tw_train_options {
    const char *photos;
    const char *model, *weights;
    bool top, no_top; // both false: no top
    int64_t input_size;
    const char *cut, *head, *freeze;
    int64_t epochs;
    const char *lr; // a number, or "auto"
    const char *optimizer, *loss;
    int64_t batch_size;
    double l1, l2;
    double dropout; // negative: as the head says
    const char *augment;
    int64_t augment_copies;
    int64_t fine_tune; // epochs
    const char *fine_tune_from;
    double fine_tune_lr; // 0: lr / 100
    int bn;              // 0 the model's, 1 freeze, 2 train
    double val_split, test_split;
    const char *val, *test; // folders
    const char *labels, *label_regex;
    int64_t patience;
    int class_weight; // 0 none, 1 balanced
    int64_t seed, threads;
    int precision; // 0 auto, 1 exact, 2 f32, 3 bf16
    const char *memory;
    bool exact_decode;
    int filter, photo_alpha, exif, resize; // as their rows' choices
    const char *preprocess;
    const char *cache, *output_dir;
    bool force, resume;
    const char *plan, *config;
    bool skip_mismatch, by_name;
    int format;
} tw_train_options;
TW_API extern const tw_field tw_train_fields[];
// Photos → split → features → head → (fine-tuning) → evaluation → run directory with model.keras and report.html.
TW_API tw_status tw_train(tw_context *tw, const tw_train_options *options, tw_err *err);

typedef struct tw_predict_options {
    const char *model;
    tw_texts photos; // files, directories, or "-" for a list on standard input
    int64_t topk, threads, batch_size;
    int precision, format;
    const char *preprocess, *labels;
    bool exact_decode;
} tw_predict_options;
TW_API extern const tw_field tw_predict_fields[];
// Classes and probabilities, one photo a line. TW_EFAILED when some, TW_EUNUSABLE when all photos could not be read.
TW_API tw_status tw_predict(tw_context *tw, const tw_predict_options *options, tw_err *err);

typedef struct tw_evaluate_options {
    const char *model, *photos;
    const char *labels, *label_regex, *preprocess;
    int64_t threads, batch_size;
    int precision, format;
    bool exact_decode;
} tw_evaluate_options;
TW_API extern const tw_field tw_evaluate_fields[];
// Loss, accuracy, per-class table and confusion matrix of a model on labelled photos.
TW_API tw_status tw_evaluate(tw_context *tw, const tw_evaluate_options *options, tw_err *err);

typedef struct tw_summary_options {
    const char *model; // architecture or file
    bool top, no_top;  // both false: top
    const char *weights;
    tw_shape input_shape;
    const char *pooling;
    int64_t classes;
    const char *freeze, *cut;
    int style; // 0 keras3, 1 keras2
    bool expand_nested, show_trainable;
    const char *svg;
    int format;
} tw_summary_options;
TW_API extern const tw_field tw_summary_fields[];
// The layers of a model as Keras's model.summary() prints them.
TW_API tw_status tw_summary(tw_context *tw, const tw_summary_options *options, tw_err *err);

typedef struct tw_models_options {
    bool measure;
    int64_t threads;
    int format;
} tw_models_options;
TW_API extern const tw_field tw_models_fields[];
// The architectures topwork knows, what they cost, and where their weights were found.
TW_API tw_status tw_models(tw_context *tw, const tw_models_options *options, tw_err *err);

typedef struct tw_plan_options {
    const char *model;
    const char *weights;
    bool top, no_top;
    int64_t batch_size, threads;
    int precision, format;
    bool measure;
    const char *profile;
} tw_plan_options;
TW_API extern const tw_field tw_plan_fields[];
// The execution plan of a model: ops, implementations, memory and, with `measure`, time.
TW_API tw_status tw_plan(tw_context *tw, const tw_plan_options *options, tw_err *err);

typedef struct tw_cache_options {
    const char *what; // "ls", "size" or "clear"
    const char *cache;
    int format;
} tw_cache_options;
TW_API extern const tw_field tw_cache_fields[];
// The feature cache: what is in it, how large it is; empties it.
TW_API tw_status tw_cache(tw_context *tw, const tw_cache_options *options, tw_err *err);

typedef struct tw_report_options {
    const char *run; // a run directory
} tw_report_options;
TW_API extern const tw_field tw_report_fields[];
// (Re)writes <run>/report.html from the files of the run; prints its path.
TW_API tw_status tw_report(tw_context *tw, const tw_report_options *options, tw_err *err);

#ifdef __cplusplus
}
#endif
#endif
