// topwork: transfer learning in C. The public header.
//
// A function named `new`, `copy`, `open` or `load` returns what you own; `get` and `find` return what the owner
// lends until it changes or dies; nothing else changes ownership. Every `free` and `close` accepts NULL.
//
// Errors: a function that can fail takes a `tw_err *` last (NULL allowed) and returns a tw_status or NULL. The first
// error stays: an err that is already set is not overwritten, and a NULL object argument returns NULL without
// writing, so a chain of calls needs one check at its end. The library never exits, prints or aborts on bad input.
//
// Threads: a tw_context may be used from several threads; one model, with the layers, weights and models it shares,
// must not: use a copy for each thread.
//
// Options: calls with options are macros over a function that takes one struct, `tw_fit(model, data, .epochs = 3)` is
// `tw_fit_(&(tw_fit_options){.model = model, .data = data, .epochs = 3})`. From C++ or another language fill the struct
// and call the function with the underscore. Zero is Keras's default, so flags are negative (`.no_top`); where a number
// must be zero, TW_ZERO says so.
//
// Contents: 1 status and errors · 2 shapes · 3 option rows · 4 context · 5 the verbs (a job in one call each)
//           6 models and layers · 7 data · 8 training · 9 weights and files (the same jobs from their parts)
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

// TW_SHAPE(224, 224, 3): a shape of up to TW_RANK_MAX sizes. C++: tw_shape{3, {224, 224, 3}}.
#define TW_SHAPE(...) \
    ((tw_shape){.rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})

// Zero, in members where 0 means the default: `.rate = TW_ZERO`. An odd number that no option can mean.
#define TW_ZERO INT64_C(-4503599627370497)

// Frees texts that are said to be yours to tw_free. NULL allowed.
TW_API void tw_free(void *text);

// -------------------------------------------------------------------------------------------------- 3 option rows
//
// One row describes one option of a layer, a setting, a verb: the same row reads and writes JSON, checks ranges, fills
// in the default, reads a command-line flag and prints the help.

// A named thing with up to TW_SETTING_ARGS numbers: an initializer, regularizer, optimizer, loss … as text `l2:1e-4`
// or as Keras JSON {"class_name": "L2", "config": {"l2": 1e-4}}.
#define TW_SETTING_ARGS 24
enum {
    TW_ARG_FLAG = 1,    // true or false
    TW_ARG_WHOLE = 2,   // a whole number
    TW_ARG_NULLABLE = 4 // may be null (text "none"): the value is NaN
};
typedef struct tw_setting_arg {
    const char *key;            // Keras's name of the argument
    double otherwise;           // its default
    double low, high;           // allowed range
    const char *const *choices; // NULL-ended names: the value is an index into them; NULL: a number
    unsigned flags;             // TW_ARG_FLAG …
} tw_setting_arg;

typedef struct tw_setting_kind {
    const char *name;                     // Keras's class name, "L2"
    const char *aliases;                  // further names, separated by blanks: "l2"; or NULL
    const char *doc;                      // one line
    tw_setting_arg args[TW_SETTING_ARGS]; // ends at the first NULL key
    const void *row;                      // what its room does with it; NULL: not supported yet, doc says why
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
    TW_FIELD_SHAPE,   // tw_shape; JSON list, null = -1 (written as null where the row is nullable)
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
    TW_FIELD_OLD = 64,      // an older key of another row's member: read, never written
    TW_FIELD_RARE = 128     // TW_FIELD_SETTING: written only where it is set, as Keras does with some
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
    const char *const *choices; // NULL-ended, for TW_FIELD_CHOICE; TW_FIELD_INT: a word that is kept as 0
    const tw_setting_kind *(*find)(const char *name); // for TW_FIELD_SETTING; NULL result: unknown name
    const char *const *(*names)(void);                // for messages: NULL-ended names `find` knows
    const char *group; // help: heading over this row and those after it, or NULL
    const char *value; // help: what a value is called ("FILE"); NULL: by type
    const char *later; // one value that is not served yet ("auto"), or NULL
} tw_field;

// Reading options from text or a table, the way the program does. Texts are lent by the arena.
typedef struct tw_arena tw_arena;
TW_API tw_arena *tw_arena_new(tw_err *err);
TW_API void tw_arena_free(tw_arena *arena);
// Fills members of `object` (the struct the table describes, zero-initialised) with their defaults; zero bytes stay where a row
// has none.
TW_API tw_status tw_fields_default(const tw_field *fields, void *object, tw_arena *arena, tw_err *err);
// Reads a JSON file ({"epochs": 3, …}, such as a run's args.json) over what `object` holds. Unknown keys and wrong
// values: TW_EINVAL naming the key; no JSON: TW_EMALFORMED.
TW_API tw_status tw_fields_read(const tw_field *fields, void *object, const char *path, tw_arena *arena,
                                tw_err *err);
// The same for a file that holds options of another table too (a sweep's, and those of its runs): keys that only `rest` knows are
// left to whoever reads them.
TW_API tw_status tw_fields_read_part(const tw_field *fields, const tw_field *rest, void *object,
                                     const char *path, tw_arena *arena, tw_err *err);
// Whether an object may be used: required members set, numbers in range, choices known, nothing asked for that is not
// served yet. Every verb checks its options with it.
TW_API tw_status tw_fields_check(const tw_field *fields, const void *object, tw_err *err);
// The row of a key ('-' and '_' alike), or NULL.
TW_API const tw_field *tw_field_find(const tw_field *fields, const char *key);
// The key nearest to a misspelt one, or NULL. Static.
TW_API const char *tw_field_nearest(const tw_field *fields, const char *key);
// Sets one member from text: "3", "3x5", "relu", "true". `where` begins the message ("--epochs"). TW_EINVAL, or
// TW_EUNSUPPORTED for what is not served yet.
TW_API tw_status tw_field_set(const tw_field *field, void *object, const char *text, const char *where,
                              tw_arena *arena, tw_err *err);
// Appends one more text to a member of type TW_FIELD_TEXTS.
TW_API tw_status tw_field_append(const tw_field *field, void *object, const char *text, tw_arena *arena,
                                 tw_err *err);

// ------------------------------------------------------------------------------------------------------ 4 context

// What everything happens in: threads, where output goes, and whether the caller asked to stop.
typedef struct tw_context tw_context;

typedef enum tw_event_kind {
    TW_EVENT_STAGE, // a stage begins or says one thing: `stage`, `total` (0: not counted), `text` says what
    TW_EVENT_PROGRESS, // `done` of `total` items of the stage (0: not known); `text` may say which part ("epoch 3/10")
    TW_EVENT_EPOCH,  // an epoch ended: `done` of `total` epochs, and the measured values
    TW_EVENT_END,    // the stage ended; `done` of `total`, `text` sums it up
    TW_EVENT_NOTE,   // something worth knowing: `text`
    TW_EVENT_WARNING // something that may be wrong: `text`
} tw_event_kind;

typedef struct tw_event {
    tw_event_kind kind;
    const char
        *stage; // "photos", "model", "features", "head", "fine-tune", "fit", "evaluate", "report", "predict"
    const char *text; // one line or more, lower case, no full stop; NULL where none
    int64_t done, total;
    const char *unit; // what is counted: "photos", "steps"; NULL: nothing is
    double seconds;   // since the stage began; TW_EVENT_EPOCH: of the epoch; 0: not known
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
// program's flags and help. Zero the struct and fill it with tw_fields_default first. What a verb gives goes to the context's
// `write`. All of them may take long, check tw_cancel, and hold no state afterwards.

typedef enum tw_format { TW_FORMAT_TEXT, TW_FORMAT_JSON, TW_FORMAT_CSV } tw_format;

typedef struct tw_train_options {
    const char *photos;
    const char *model, *weights;
    bool top, no_top; // both false: no top
    int64_t input_size;
    const char *cut, *head, *freeze;
    int64_t epochs;
    const char *lr; // a number, or "auto"; NULL: the optimizer's own
    const char *optimizer, *loss;
    const char *schedule, *metrics, *callbacks;
    int64_t batch_size; // 0: auto
    double l1, l2;
    bool proximal;
    double dropout; // negative: as the head says
    const char *augment;
    int64_t augment_copies;
    double mixup, cutmix;
    int64_t fine_tune; // epochs
    const char *fine_tune_from;
    double fine_tune_lr;      // 0: lr / 100
    double fine_tune_stem;    // share of that rate for the first layer that learns; 0: 1
    int64_t fine_tune_warmup; // steps
    int64_t unfreeze_every;   // epochs; 0: all at once
    int bn;                   // 0 the model's, 1 freeze, 2 train
    double val_split, test_split;
    int64_t per_class;      // 0: all photos
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
    const char *cache, *cache_limit, *output_dir;
    bool force, resume;
    const char *plan, *config;
    bool skip_mismatch, by_name;
    bool save_optimizer, tensorboard;
    int format;
} tw_train_options;
TW_API extern const tw_field tw_train_fields[];
// Photos → split → features → head → (fine-tuning) → evaluation → run directory with model.keras and report.html.
TW_API tw_status tw_train(tw_context *tw, const tw_train_options *options, tw_err *err);

typedef struct tw_sweep_options {
    const char *photos;
    const char *grid; // "dropout=0,0.2,0.5 l2=0,1e-4"
    // JSON file with options of train, such as a run's args.json; those that are members here count as here.
    const char *config;
    const char *model, *weights, *head, *optimizer, *lr;
    int64_t epochs, batch_size, patience;
    double val_split;
    int64_t seed, threads;
    const char *cache, *cache_limit, *output_dir;
    int format;
} tw_sweep_options;
TW_API extern const tw_field tw_sweep_fields[];
// Many heads and settings on the same cached features: a table, best first, and a report. Runs go on side by side. A sweep that was
// stopped goes on. TW_EFAILED: some runs could not be done, which the table tells.
TW_API tw_status tw_sweep(tw_context *tw, const tw_sweep_options *options, tw_err *err);

typedef struct tw_predict_options {
    const char *model;
    tw_texts photos;    // files, directories, or "-" for a list on standard input
    int64_t input_size; // 0: the model's
    int64_t topk, threads, batch_size;
    int precision, format;
    const char *preprocess, *labels, *weights;
    bool exact_decode;
} tw_predict_options;
TW_API extern const tw_field tw_predict_fields[];
// Classes and probabilities, one photo a line. TW_EFAILED when some, TW_EUNUSABLE when all photos could not be read.
TW_API tw_status tw_predict(tw_context *tw, const tw_predict_options *options, tw_err *err);

typedef struct tw_evaluate_options {
    const char *model, *photos;
    const char *labels, *label_regex, *preprocess;
    int64_t input_size; // 0: the model's
    int64_t threads, batch_size;
    int precision, format;
    bool exact_decode;
} tw_evaluate_options;
TW_API extern const tw_field tw_evaluate_fields[];
// Loss, accuracy, per-class table and confusion matrix of a model on labelled photos. The loss is Keras's: the one the model was
// trained with (a model that does not say: cross-entropy), penalties included; batch_size matters only where an orthogonal
// activity regularizer looks at batches as a whole.
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
    const char *only; // part of a name, or NULL: all
    bool measure;
    const char *html; // file of the chart, or NULL
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
    int64_t input_size; // 0: the model's
    int64_t batch_size, threads;
    int precision, format;
    bool measure;
    const char *profile;
    const char *cache; // folder where trials of kernels are remembered, or "off"
} tw_plan_options;
TW_API extern const tw_field tw_plan_fields[];
// The execution plan of a model: ops, implementations, memory and, with `measure`, time.
TW_API tw_status tw_plan(tw_context *tw, const tw_plan_options *options, tw_err *err);

typedef struct tw_cache_options {
    const char *what; // "ls", "size" or "clear"
    const char *cache;
    const char *limit; // clear: delete only until so much is left
    int format;
} tw_cache_options;
TW_API extern const tw_field tw_cache_fields[];
// The feature cache, and the weights beside it: what is there, how large it is; empties the feature cache.
TW_API tw_status tw_cache(tw_context *tw, const tw_cache_options *options, tw_err *err);

typedef struct tw_convert_options {
    const char *in, *out;
    bool verify;
    double tolerance; // 0: 1e-5
    bool force;
    int format;
    int64_t threads;
    const char *model, *weights;
    bool top, no_top; // both false: top
    int64_t input_size, classes;
    bool skip_mismatch, by_name; // how weights in `in` meet `model`
    const char *shard_size;      // of weights in .weights.json, as "500M"; NULL: 5 GB
} tw_convert_options;
TW_API extern const tw_field tw_convert_fields[];
// A model or weights in the format that the ending of `out` names. TW_EFAILED: what was written answers otherwise.
TW_API tw_status tw_convert(tw_context *tw, const tw_convert_options *options, tw_err *err);

typedef struct tw_fetch_options {
    tw_texts names;
    bool list, top, force;
    const char *base_url;
    int format;
} tw_fetch_options;
TW_API extern const tw_field tw_fetch_fields[];
// Published weights and photo sets into topwork's folder, where the other verbs look; the only call that uses the network.
// Writes the paths. TW_EFAILED: no connection (what was got is kept, and the next call goes on); TW_EUNUSABLE: not there;
// TW_EMALFORMED: not the file expected.
TW_API tw_status tw_fetch(tw_context *tw, const tw_fetch_options *options, tw_err *err);

typedef struct tw_report_options {
    const char *run; // a run directory, or that of a sweep
} tw_report_options;
TW_API extern const tw_field tw_report_fields[];
// (Re)writes <run>/report.html from the files of the run; prints its path.
TW_API tw_status tw_report(tw_context *tw, const tw_report_options *options, tw_err *err);

// --------------------------------------------------------------------------------------------- 6 models and layers
//
// Transfer learning from its parts:
//
//     tw_model *trunk = tw_application(tw, "vgg16", .no_top = true, .err = &err);
//     tw_model_set_trainable(trunk, false);
//     tw_model *model = tw_sequential(tw, "cats_dogs");
//     tw_add(model, tw_nest(trunk, .inference = true));
//     tw_add(model, tw_flatten());
//     tw_add(model, tw_dense(256, .activation = "relu", .kernel_regularizer = "l2:1e-4"));
//     tw_add(model, tw_dropout(0.5));
//     tw_add(model, tw_dense(1, .activation = "sigmoid"));
//     tw_compile(model, .optimizer = "adam", .loss = "binary_crossentropy");
//     tw_history *history = tw_fit(model, photos, .epochs = 10, .patience = 3, .err = &err);
//
// Calls that build (tw_add, tw_input, tw_call, tw_output …) record their first error in the model; tw_compile, tw_fit,
// tw_model_save and the like return it. So a model is built without checks in between.
//
// Models and layers are counted references: tw_add, tw_call and tw_apply keep what they are given alive, so a trunk may
// be freed once it is in a model, or kept and unfrozen later. Counting is not atomic.
//
// Memory: a model without values costs next to nothing; values cost 4 bytes a parameter once they are loaded or drawn.
// Training adds, for each trained parameter, the optimizer's variables and a copy each of the best and the last epoch.

typedef struct tw_model tw_model;
typedef struct twi_layer tw_layer;   // one layer with its weights; may be called in several places
typedef struct twi_weight tw_weight; // one variable of a layer

// What a layer shall be, before it is one: kind and options, copied. Made by the constructors of topwork_layers.h
// (tw_dense, tw_conv2d …), by tw_layer and tw_nest; used up at once by tw_add, tw_call or tw_layer_new.
#define TW_LAYER_TEXT 1024
typedef struct tw_layer_spec {
    const char *class_name;   // Keras's, "Dense"; lent until used
    const char *json;         // Keras's config, lent until used; NULL: `text` holds the options
    tw_model *nested;         // of tw_nest, lent until used
    bool frozen, inference;   // trainable = False; of tw_nest
    bool overflows;           // `text` was too short: an error where the layer is made
    char text[TW_LAYER_TEXT]; // "name=value" lines
} tw_layer_spec;

// Keras's layers: tw_dense(units, …), tw_conv2d(filters, {3}, …), tw_flatten() … (generated from the library's tables).
#include "topwork_layers.h"

// Any layer from its Keras class name ("Dense") and JSON config ("{\"units\": 10}"; NULL: defaults). What the
// constructors above do, for C++, other languages and files. Both texts are lent until the layer is made.
TW_API tw_layer_spec tw_layer_(const char *class_name, const char *json);
#define tw_layer(class_name, json) tw_layer_(class_name, json)

// A model as a layer. inference: its random layers stay quiet and its BatchNormalization keeps its statistics, also
// while training, so that a frozen trunk is one frozen prefix. Without it, Keras's rules: Dropout is active in tw_fit
// even in a frozen model.
typedef struct tw_nest_options {
    tw_model *model;
    bool inference;
} tw_nest_options;
TW_API tw_layer_spec tw_nest_(const tw_nest_options *o);
#define tw_nest(...) tw_nest_(&(tw_nest_options){.model = __VA_ARGS__})

// A value of a functional model: output `slot` of a call. model NULL: none, the result of a failed call; calls on it
// do nothing. Valid as long as its model.
typedef struct tw_tensor {
    tw_model *model;
    int32_t node, slot;
} tw_tensor;

// ---- making models. All are yours: tw_model_free.

// An architecture of Keras Applications by name ("vgg16", "mobilenet_v2:0.35"; `topwork models` lists them).
// TW_EINVAL: unknown name or wrong option. TW_EUNUSABLE: weights not found (the message says where they were looked
// for) or not fitting.
typedef struct tw_application_options {
    tw_context *tw;
    const char *architecture;
    const char *weights;  // NULL or "imagenet"; "none": random, drawn when first needed; or a file
    bool no_top;          // without its classifier
    tw_shape input_shape; // TW_SHAPE(height, width, 3); rank 0: the architecture's
    // Builds on this tensor of a functional model instead of an input of its own. The result is a new reference to that
    // model; its output becomes the network's.
    tw_tensor input_tensor;
    const char *pooling;               // without top: NULL, "avg" or "max"
    int64_t classes;                   // with top; 0: 1000
    const char *classifier_activation; // with top; NULL: "softmax"
    const char *name;                  // NULL: Keras's
    tw_err *err;
} tw_application_options;
TW_API tw_model *tw_application_(const tw_application_options *o);
#define tw_application(...) tw_application_(&(tw_application_options){.tw = __VA_ARGS__})

// An empty model: a chain of layers (tw_add), or a graph of calls (tw_input, tw_call, tw_output). name may be NULL.
typedef struct tw_model_options {
    tw_context *tw;
    const char *name;
    tw_err *err; // TW_ENOMEM
} tw_model_options;
TW_API tw_model *tw_sequential_(const tw_model_options *o);
TW_API tw_model *tw_functional_(const tw_model_options *o);
#define tw_sequential(...) tw_sequential_(&(tw_model_options){.tw = __VA_ARGS__})
#define tw_functional(...) tw_functional_(&(tw_model_options){.tw = __VA_ARGS__})

// A copy with layers and weights of its own (flags, values, labels and how it was compiled). TW_ENOMEM.
TW_API tw_model *tw_model_copy(tw_model *model, tw_err *err);
// From the input to the output of a layer: its name, or its place in model.layers as "#5" or "#-5". Shares layers and
// weights with `model`; what is no ancestor of that layer is left out, and its names, joined by ", ", go to *dropped if
// that is not NULL (yours to tw_free). TW_EINVAL.
TW_API tw_model *tw_model_cut(tw_model *model, const char *layer, char **dropped, tw_err *err);
// One more reference; returns model.
TW_API tw_model *tw_model_retain(tw_model *model);
// Gives one reference back.
TW_API void tw_model_free(tw_model *model);

// ---- building

// A place where samples come in: shape without the batch. name NULL: Keras's automatic one. In a sequential model: its
// input, before the first tw_add (not needed where that is a nest).
TW_API tw_tensor tw_input(tw_model *model, tw_shape shape, const char *name);
// Appends a layer: it is called on the model's output (or input), and its result is the new output.
TW_API void tw_add(tw_model *model, tw_layer_spec layer);
TW_API void tw_add_layer(tw_model *model, tw_layer *layer);
// Calls a new layer on one tensor, or on n of one model (tw_concatenate, tw_add_tensors).
TW_API tw_tensor tw_call(tw_layer_spec layer, tw_tensor x);
TW_API tw_tensor tw_call_all(tw_layer_spec layer, int64_t n, const tw_tensor *x);
// Calls a layer that may have been called before: the calls share its weights.
TW_API tw_tensor tw_apply(tw_layer *layer, tw_tensor x);
TW_API tw_tensor tw_apply_all(tw_layer *layer, int64_t n, const tw_tensor *x);
// Makes x, or the n tensors, the outputs of their model.
TW_API void tw_output(tw_tensor x);
TW_API void tw_outputs(int64_t n, const tw_tensor *x);
// Shape of a tensor, batch -1. Rank 0 for none.
TW_API tw_shape tw_tensor_shape(tw_tensor x);
// The first error of building, or TW_OK; also whether the model has inputs and outputs.
TW_API tw_status tw_model_check(tw_model *model, tw_err *err);

// A layer of its own, for tw_add_layer and tw_apply. Yours: tw_layer_free. TW_EINVAL: wrong options, with the range.
TW_API tw_layer *tw_layer_new(tw_layer_spec layer, tw_err *err);
TW_API tw_layer *tw_layer_retain(tw_layer *layer);
TW_API void tw_layer_free(tw_layer *layer);

// ---- looking at models

TW_API const char *tw_model_name(const tw_model *model);
TW_API int64_t tw_model_n_inputs(const tw_model *model);
TW_API int64_t tw_model_n_outputs(const tw_model *model);
// Its i-th input or output: to go on building, or for the shape. None where there is no such.
TW_API tw_tensor tw_model_input(tw_model *model, int64_t i);
TW_API tw_tensor tw_model_output(tw_model *model, int64_t i);
// Layers in the order of Keras's model.layers; i < 0 counts from the end. Lent; NULL: no such layer.
TW_API int64_t tw_model_n_layers(const tw_model *model);
TW_API tw_layer *tw_model_layer(tw_model *model, int64_t i);
// By name: "block1_conv1", "trunk/block1_conv1", or the bare name of a layer inside a nest. Lent; NULL: no such layer.
TW_API tw_layer *tw_model_find_layer(tw_model *model, const char *name);

typedef struct tw_counts {
    int64_t all, trainable, non_trainable;
} tw_counts;
// Numbers in all weights: Keras's model.count_params() and the end of model.summary().
TW_API tw_counts tw_model_count_params(const tw_model *model);
// Variables: Keras's len(model.weights), len(model.trainable_weights), len(model.non_trainable_weights).
TW_API tw_counts tw_model_count_weights(const tw_model *model);

// model.summary() as text, yours to tw_free.
typedef struct tw_model_summary_options {
    const tw_model *model;
    bool keras2; // Keras 2's text instead of Keras 3's table
    bool json;   // the same facts as JSON
    bool expand_nested, show_trainable;
    int64_t line_length; // columns; 0: Keras's choice at 80
    tw_err *err;
} tw_model_summary_options;
TW_API char *tw_model_summary_(const tw_model_summary_options *o);
#define tw_model_summary(...) tw_model_summary_(&(tw_model_summary_options){.model = __VA_ARGS__})

TW_API const char *tw_layer_name(const tw_layer *layer);  // NULL before its first call, where none was given
TW_API const char *tw_layer_class(const tw_layer *layer); // "Dense", "Functional"
TW_API bool tw_layer_is_trainable(const tw_layer *layer);
TW_API tw_counts tw_layer_count_params(const tw_layer *layer);
// The model inside a nest, lent; NULL: an ordinary layer.
TW_API tw_model *tw_layer_nested(const tw_layer *layer);
// Keras's config of the layer as JSON, yours to tw_free.
TW_API char *tw_layer_config(const tw_layer *layer, tw_err *err);

// Pictures of another size for a model, and those inside it: shapes are worked out anew, weights stay. A file of Keras may
// leave the size open (input_shape=(None, None, 3)): tw_fit and its like then take that of the data, or of the known trunk.
// TW_EINVAL, and the model as it was, where a weight would need another shape (a Dense right after a Flatten).
TW_API tw_status tw_model_resize(tw_model *model, int64_t height, int64_t width, tw_err *err);

// ---- freezing: facts of each weight, as in Keras 3. They count when tw_fit begins.

// layer.trainable = value, and of all layers inside. Layers added to a model later train again.
TW_API void tw_model_set_trainable(tw_model *model, bool value);
TW_API void tw_layer_set_trainable(tw_layer *layer, bool value);
// Freezes by text: "all", "none" (makes everything trainable), "first:N", "until:NAME", or a list of NAME, #INDEX (of
// model.layers; #-1: the last), block1_*, also of layers inside nests. TW_EINVAL naming the nearest layer.
TW_API tw_status tw_model_freeze(tw_model *model, const char *spec, tw_err *err);

// ---- labels: the names of the classes a model answers with, in the order of its outputs (two for one sigmoid unit)

TW_API int64_t tw_model_n_labels(const tw_model *model);
TW_API const char *tw_model_label(const tw_model *model, int64_t i); // lent; NULL: none
// Copies n names (UTF-8). tw_fit takes them from the photos where the model has none.
TW_API tw_status tw_model_set_labels(tw_model *model, int64_t n, const char *const *labels, tw_err *err);

// ---------------------------------------------------------------------------------------------------------- 7 data
//
// A data set is a list of samples with classes: photos on disk, decoded when needed, or numbers in memory.

typedef struct tw_dataset tw_dataset; // yours: tw_dataset_free; models keep none

typedef enum tw_part { TW_PART_ALL, TW_PART_TRAIN, TW_PART_VALIDATION, TW_PART_TEST } tw_part;

// Photos of a folder: one sub-folder a class; or the class in the file name (cat.0.jpg); or a table. Sub-folders named
// train, val and test are parts. No photo is opened yet. Photos are resized to the model's input when they are used.
// TW_EUNUSABLE with advice: no photos, one class only, a mixed layout.
typedef struct tw_photos_options {
    tw_context *tw;
    const char *folder;
    double val_split, test_split; // shares of each class; drawn from `seed`, stratified
    int64_t per_class;            // at most so many of each class in each part, drawn from `seed`; 0: all
    int64_t seed;                 // 0: 1
    const char *val, *test;       // further folders for these parts
    const char *labels;           // CSV file path,label
    const char *label_regex;      // class = first group of the file name
    bool unlabelled;              // photos of no known class, for tw_model_predict
    // A fixed order of classes, n_classes of them (a loaded model's labels); NULL: by name.
    const char *const *classes;
    int64_t n_classes;
    // How a photo becomes numbers. NULL: as the model says, else as `topwork train` does.
    const char *preprocess; // what pixel values the model takes: raw tf torch caffe lite unit
    const char *resize;     // stretch crop pad
    const char *filter;     // tf-antialias tf pil
    const char *alpha;      // white drop
    bool ignore_exif;       // do not turn photos
    bool exact_decode;      // JPEG at full size, as TensorFlow decodes
    tw_err *err;
} tw_photos_options;
TW_API tw_dataset *tw_dataset_photos_(const tw_photos_options *o);
#define tw_dataset_photos(...) tw_dataset_photos_(&(tw_photos_options){.tw = __VA_ARGS__})

// n photo files without classes (paths are copied), for tw_model_predict. TW_ENOMEM.
TW_API tw_dataset *tw_dataset_files(tw_context *tw, int64_t n, const char *const *paths, tw_err *err);

// n samples in memory, lent until the data set is freed: x holds n × shape floats, already as the model takes them.
typedef struct tw_arrays_options {
    tw_context *tw;
    int64_t n;
    const float *x;
    tw_shape shape;        // of one sample
    const int32_t *labels; // [n] classes from 0; NULL: not known
    int64_t n_classes;     // 0: the largest label and one, at least 2
    tw_err *err;           // TW_EINVAL: a label out of range
} tw_arrays_options;
TW_API tw_dataset *tw_dataset_arrays_(const tw_arrays_options *o);
#define tw_dataset_arrays(...) tw_dataset_arrays_(&(tw_arrays_options){.tw = __VA_ARGS__})

// One part of a data set (a view: both are yours to free, in any order). TW_ENOMEM.
TW_API tw_dataset *tw_dataset_part(tw_dataset *data, tw_part part, tw_err *err);
TW_API void tw_dataset_free(tw_dataset *data);

// Samples in it.
TW_API int64_t tw_dataset_count(const tw_dataset *data);
TW_API int64_t tw_dataset_n_classes(const tw_dataset *data);
TW_API const char *tw_dataset_class(const tw_dataset *data, int64_t i); // lent; NULL: without names
// Of sample i: class (-1: not known), file (lent; NULL: of no file), and why tw_fit could not read it (lent; NULL: it
// could, or has not tried).
TW_API int64_t tw_dataset_label(const tw_dataset *data, int64_t i);
TW_API const char *tw_dataset_path(const tw_dataset *data, int64_t i);
TW_API const char *tw_dataset_skipped(const tw_dataset *data, int64_t i);

// ------------------------------------------------------------------------------------------------------ 8 training

// What to learn, and how. Stored in the model and in the files it is saved to. Optimizers, losses and their arguments
// are Keras's, as text: "sgd:momentum=0.9:nesterov=true", "categorical_crossentropy:label_smoothing=0.1".
// A schedule ("cosine_decay", "exponential_decay:decay_steps=100:decay_rate=0.5") takes the place of the learning rate; what
// it leaves out is the run's: its rate and its number of steps. Metrics are a list: "auc, precision:0.7, f1_score".
// TW_EINVAL: unknown names, with the nearest.
typedef struct tw_compile_options {
    tw_model *model;
    const char *optimizer; // NULL: "rmsprop"
    double learning_rate;  // 0: the optimizer's
    const char *loss;      // required
    const char *metrics;   // NULL or "accuracy": it is measured in any case
    const char *schedule;  // NULL: the rate stays
    tw_err *err;           // NULL: an error is recorded in the model, and tw_fit returns it
} tw_compile_options;
TW_API tw_status tw_compile_(const tw_compile_options *o);
#define tw_compile(...) tw_compile_(&(tw_compile_options){.model = __VA_ARGS__})

// One epoch of training. Losses contain the penalties of trainable weights. NaN: not measured.
typedef struct tw_epoch {
    int64_t epoch; // from 0
    double loss, accuracy, val_loss, val_accuracy;
    double learning_rate, seconds;
    bool is_best; // lowest val_loss so far (loss without validation)
} tw_epoch;

typedef struct tw_history tw_history; // yours: tw_history_free

// A fit in progress, lent to callbacks.
typedef struct tw_training tw_training;
// What a program does while tw_fit goes on. Members may be NULL. The order: on_train_begin; for each epoch on_epoch_begin,
// then for each batch on_batch_begin and on_batch_end, then validation and the callbacks of tw_fit_options.callbacks, then
// on_epoch_end; on_train_end when the model has its final weights. Several callbacks hear each of these in their order.
// At the beginning and the end of an epoch layers may be frozen and freed (tw_layer_set_trainable): it takes effect with
// the next batch, and frozen layers in front are computed anew. All calls come from the thread that called tw_fit.
typedef struct tw_callback {
    void *arg;
    void (*on_train_begin)(void *arg, tw_training *training);
    void (*on_epoch_begin)(void *arg, tw_training *training, int64_t epoch);
    void (*on_batch_begin)(void *arg, tw_training *training, int64_t batch); // of the epoch, from 0
    void (*on_batch_end)(void *arg, tw_training *training, int64_t batch);
    void (*on_epoch_end)(void *arg, tw_training *training, const tw_epoch *epoch);
    void (*on_train_end)(void *arg, tw_training *training);
} tw_callback;
TW_API tw_model *tw_training_model(tw_training *training);            // lent
TW_API double tw_training_learning_rate(const tw_training *training); // NaN: a schedule decides
// From the next batch on. TW_EINVAL: below 0, or a schedule decides.
TW_API tw_status tw_training_set_learning_rate(tw_training *training, double rate);
TW_API void tw_training_stop(tw_training *training); // after this batch or epoch
// A value of the epoch that ended, as histories call it ("val_loss", "auc"); NaN: not measured. In on_epoch_end.
TW_API double tw_training_value(const tw_training *training, const char *name);

// Trains what is trainable. Without `.validation`, a data set with a validation part trains on its training part and
// validates on that; its test part is never trained on.
//
// What the frozen layers in front make of a photo is computed once and kept in the feature cache, over epochs and
// over programs: an epoch then costs what the trainable layers cost. In-memory samples keep it in memory.
//
// The model ends with the weights of its best epoch (Keras: of the last one; see keep_last). The optimizer goes on where the
// last call, or the file the model came from, left it; tw_compile starts it anew. Progress goes to the context's `event`. Weights that have no values yet are drawn from `seed`; same seed,
// data, and thread count give the same weights.
//
// NULL with err: an error recorded while building; TW_EINVAL: not compiled, nothing to train; TW_EUNUSABLE: outputs and classes do
// not fit; TW_EDIVERGED: NaN or infinite loss (the best weights so far are kept); TW_ENOMEM, TW_EWRITE.
// After tw_cancel, or an on_epoch that said stop, the history so far is returned.
typedef struct tw_fit_options {
    tw_model *model;
    tw_dataset *data;
    tw_dataset *validation;
    int64_t epochs;             // 0: 1
    int64_t batch_size;         // 0: 32; the last batch of an epoch may be smaller
    int64_t patience;           // stop after so many epochs without a better val_loss; 0: never
    int64_t seed;               // 0: 1
    const double *class_weight; // [classes] factor of each class in the loss, 0 or more, or NULL
    const float *sample_weight; // [samples of .data] factor of each sample in memory, or NULL
    bool no_shuffle;            // samples in their order in every epoch
    const char *augment;        // photos changed anew in each epoch: "flip, rotation:0.1, contrast:0.2"
    int64_t augment_copies;     // so many changed copies, computed once; epochs take turns with them
    double mixup, cutmix;       // alpha; 0: none
    bool proximal;              // L1 penalties act as thresholds after each step: weights become exactly zero
    // Ready-made callbacks with Keras's names and arguments: "early_stopping:monitor=val_auc:patience=5,
    // reduce_lr_on_plateau:factor=0.5, terminate_on_nan, swap_ema_weights".
    const char *callbacks;
    const tw_callback *callback; // [n_callbacks] your own
    int64_t n_callbacks;
    const char *csv_log; // file: a line an epoch, as Keras's CSVLogger
    // File of the model after each epoch that is the best so far (.keras, .h5, .weights.h5). With places in its name, as in Keras,
    // after each epoch: "m-{epoch:02d}-{val_loss:.2f}.keras" (epochs from 1; loss, accuracy, metrics, learning_rate).
    const char *checkpoint;
    // Folder that holds what an interrupted fit needs to go on, written after each epoch: weights, optimizer, what callbacks
    // remember, the best model so far. A tw_fit that finds it there goes on to the same bits; one that ends by itself removes it.
    // Layers are trainable then as they are now: where a callback frees some in the middle, free them before going on.
    const char *backup;
    const char *tensorboard; // folder of event files
    bool keep_last;          // keep the weights of the last epoch
    bool new_in_front; // let new layers stand in front of frozen pretrained ones (else refused: TW_EINVAL)
    const char *cache; // folder of the feature cache; NULL: the user's; "off": none
    // What the feature cache may hold, as "2G": the least recently used goes first. NULL: 10 GB, or a tenth of the free disk.
    const char *cache_limit;
    // What the process may take, as "2G" or "500M"; NULL: what is free. A step that would take more keeps fewer activations and
    // computes the others again: the same numbers to the last bit, for more time, which a note says. What does not fit even so
    // is refused before anything is begun: TW_ENOMEM with the batch size that would fit.
    const char *memory;
    const char *precision; // of the frozen part: NULL or "f32", "exact" (direct sums only), "bf16"
    // After each epoch; false stops. Called in the thread that called tw_fit.
    bool (*on_epoch)(void *arg, const tw_epoch *epoch);
    void *arg;
    tw_err *err;
} tw_fit_options;
TW_API tw_history *tw_fit_(const tw_fit_options *o);
#define tw_fit(...) tw_fit_(&(tw_fit_options){.model = __VA_ARGS__})

TW_API int64_t tw_history_n_epochs(const tw_history *history);
TW_API const tw_epoch *tw_history_epoch(const tw_history *history, int64_t i); // lent; i < 0 from the end
// A value by name, with "val_" in front for validation: "loss", "val_auc"; NaN: not measured.
TW_API double tw_history_value(const tw_history *history, int64_t i, const char *name);
TW_API int64_t tw_history_best(const tw_history *history);    // epoch; -1: none
TW_API bool tw_history_is_stopped(const tw_history *history); // by patience, on_epoch or tw_cancel
TW_API void tw_history_free(tw_history *history);

// How good a model is on samples whose classes are known. Yours: tw_scores_free.
typedef struct tw_scores {
    int64_t n, n_classes, n_skipped; // measured; classes; photos that could not be read
    double loss, accuracy; // of the compiled loss (else cross-entropy), penalties included as in Keras
    double penalty;        // part of the loss: what regularizers of trainable weights and of activities add
    double low, high;      // 95 % interval of the accuracy (Wilson)
    const int64_t *confusion; // [n_classes × n_classes], row = true class, column = answer
} tw_scores;
typedef struct tw_use_options {
    tw_model *model;
    tw_dataset *data;
    // Of samples in memory, and of photos where an orthogonal activity regularizer looks at batches as a whole: the loss then
    // depends on it, as in Keras. 0: 32.
    int64_t batch_size;
    const char *precision; // NULL or "f32", "exact", "bf16"
    tw_err *err;
} tw_use_options;
// TW_EUNUSABLE: no sample could be read, or classes do not fit the model.
TW_API tw_scores *tw_model_evaluate_(const tw_use_options *o);
#define tw_model_evaluate(...) tw_model_evaluate_(&(tw_use_options){.model = __VA_ARGS__})
TW_API void tw_scores_free(tw_scores *scores);

// What a model answers, a row a sample. Yours: tw_predictions_free.
typedef struct tw_predictions {
    int64_t n, k;               // samples, outputs
    const float *at;            // [n × k]; zeros for photos that could not be read
    const char *const *skipped; // [n] why a photo could not be read; NULL: it could
} tw_predictions;
TW_API tw_predictions *tw_model_predict_(const tw_use_options *o);
#define tw_model_predict(...) tw_model_predict_(&(tw_use_options){.model = __VA_ARGS__})
// The class sample i is answered with (one output: 1 above one half), and its probability (may be NULL).
TW_API int64_t tw_predictions_class(const tw_predictions *predictions, int64_t i, double *probability);
TW_API void tw_predictions_free(tw_predictions *predictions);

// ---------------------------------------------------------------------------------------------- 9 weights and files

// A model file (.keras, .h5; its content decides, not its name) or a run directory of `topwork train`. Yours.
// TW_EUNUSABLE: no such file, or weights only; TW_EMALFORMED; TW_EUNSUPPORTED.
TW_API tw_model *tw_model_load(tw_context *tw, const char *path, tw_err *err);
// Writes model, weights, labels, preprocessing and how it was compiled; .keras, .h5 or a folder (an unzipped .keras; path/)
// by its ending. Keras reads all three.
// The old file stays until the new one is whole. TW_EWRITE.
TW_API tw_status tw_model_save(tw_model *model, const char *path, tw_err *err);

// Weights of a file into a model: all or none. TW_EUNUSABLE naming what does not fit.
typedef struct tw_weights_options {
    tw_model *model;
    const char *path;
    bool skip_mismatch; // leave arrays of another shape alone
    bool by_name;       // old .h5 files: match layers by name
    tw_err *err;
} tw_weights_options;
TW_API tw_status tw_weights_load_(const tw_weights_options *o);
#define tw_weights_load(...) tw_weights_load_(&(tw_weights_options){.model = __VA_ARGS__})
// Weights alone (.weights.h5; .weights.json beside shards; .safetensors; .pth). TW_EWRITE.
TW_API tw_status tw_weights_save(tw_model *model, const char *path, tw_err *err);
// Gives every weight that has no values yet its first ones, drawn from seed. tw_fit, tw_model_predict, tw_model_save and
// the like do it with seed 1. TW_ENOMEM.
TW_API tw_status tw_model_initialize(tw_model *model, int64_t seed, tw_err *err);

// Weights of a layer in Keras's order, 0 … n-1 (a nest has none of its own). Lent; NULL: no such weight.
TW_API int64_t tw_layer_n_weights(const tw_layer *layer);
TW_API tw_weight *tw_layer_weight(tw_layer *layer, int64_t i);
TW_API const char *tw_weight_name(const tw_weight *weight); // "kernel"
TW_API tw_shape tw_weight_shape(const tw_weight *weight);   // kernels of convolutions: height, width, in, out
TW_API bool tw_weight_is_trainable(const tw_weight *weight);
// Copies all n values (dense, row-major) out or in. TW_EINVAL: n is not the number of values; TW_EUNUSABLE: no values yet.
TW_API tw_status tw_weight_get(const tw_weight *weight, float *values, int64_t n, tw_err *err);
TW_API tw_status tw_weight_set(tw_weight *weight, const float *values, int64_t n, tw_err *err);

#ifdef __cplusplus
}
#endif
#endif
