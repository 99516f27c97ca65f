// Layer kinds: the row every file of src/layer fills in. See src/layer/dense.c for the annotated example.
//
// A row holds what a kind of Keras layer means: its config (option rows), the shape it gives, its weights in Keras's
// order, and the ops it becomes. Rows never run anything: ops do.
#ifndef TWI_GRAPH_KIND_H
#define TWI_GRAPH_KIND_H

#include "base/field.h"
#include "op/params.h"

enum { TWI_LAYER_IN_MAX = TWI_OP_IN_MAX, TWI_LAYER_WEIGHTS_MAX = 8 };

// One weight a layer asks for.
typedef struct twi_weight_spec {
    const char *name; // Keras's variable name, "kernel"; static
    tw_shape shape;
    tw_setting init;        // how it starts (see layer/initializer.h); kind NULL: zeros
    tw_setting regularizer; // penalty; kind NULL: none
    bool is_state;          // created non-trainable: moving statistics, never gets a gradient
} twi_weight_spec;

typedef struct twi_weight_list {
    int n;
    twi_weight_spec at[TWI_LAYER_WEIGHTS_MAX];
} twi_weight_list;

// Appends a weight (a ninth is TWI_BUG). `init` and `regularizer` may be NULL.
void twi_weight_ask(twi_weight_list *list, const char *name, tw_shape shape, const tw_setting *init,
                    const tw_setting *regularizer);
// The same for a weight that is never trained.
void twi_weight_ask_state(twi_weight_list *list, const char *name, tw_shape shape, const tw_setting *init);

enum {
    TWI_KIND_RANDOM = 1, // active only in training, draws random numbers (Dropout …)
    TWI_KIND_OP = 2, // a bare Keras operation (keras.src.ops…): no weights, no `trainable`, no group in files
    TWI_KIND_INPUT = 4,   // InputLayer
    TWI_KIND_NEST = 8,    // a model used as a layer
    TWI_KIND_NORM = 16,   // BatchNormalization: --bn freeze applies
    TWI_KIND_LINEAR = 32, // without weights and result depends on one input only; heads may pool through it
    TWI_KIND_BARE = 64    // its Keras constructor takes no `trainable`: never written
};

// Bare operations (TWI_KIND_OP) are called with positional arguments, each a tensor or a number: x + 3.0 is Add(x, 3.0).
// Their rows flagged TW_FIELD_ARGUMENT are these arguments in order: none where a tensor comes in. Files keep them with
// the call (inbound_nodes), not in the config: see twi_layer_arguments.

typedef struct tw_layer_kind {
    const char *name; // Keras class name, "Conv2D"
    const char
        *aliases; // further class names and head-language names, separated by blanks: "conv conv2d"; or NULL
    const char *module; // Keras module; NULL: "keras.layers"
    const char *doc;    // one line
    unsigned flags;     // TWI_KIND_…
    int in_min, in_max; // number of inputs; 0, 0 means exactly one
    size_t size;        // of the config struct
    const tw_field *
        fields; // config rows after Keras's common keys (name, trainable, dtype), which graph/layer.c handles
    const char *const
        *quick; // NULL-ended keys that positional arguments of the head language fill: dense:4096:relu
    // Output shape from input shapes (batch -1). TW_EINVAL. Also the place to check the config as a whole.
    tw_status (*infer)(const void *config, int n_in, const tw_shape *in, tw_shape *out, tw_err *err);
    void (*weights)(const void *config, const tw_shape *in, twi_weight_list *list); // NULL: none
    void (*emit)(twi_emitter *e, const void *config, int n_in, const twi_value *in, twi_value *out);
} tw_layer_kind;

// Typed functions become the row's const void * ones without a cast:
//     TWI_THUNK_INFER(dense)  TWI_THUNK_WEIGHTS(dense)  TWI_THUNK_EMIT(dense)
// each wraps dense_infer / dense_weights / dense_emit, which take `const dense *`.
#define TWI_THUNK_INFER(kind)                                                                            \
    static tw_status kind##_infer_thunk(const void *config, int n_in, const tw_shape *in, tw_shape *out, \
                                        tw_err *err)                                                     \
    {                                                                                                    \
        const kind *typed = config;                                                                      \
        return kind##_infer(typed, n_in, in, out, err);                                                  \
    }
#define TWI_THUNK_WEIGHTS(kind)                                                                     \
    static void kind##_weights_thunk(const void *config, const tw_shape *in, twi_weight_list *list) \
    {                                                                                               \
        const kind *typed = config;                                                                 \
        kind##_weights(typed, in, list);                                                            \
    }
#define TWI_THUNK_EMIT(kind)                                                                         \
    static void kind##_emit_thunk(twi_emitter *e, const void *config, int n_in, const twi_value *in, \
                                  twi_value *out)                                                    \
    {                                                                                                \
        const kind *typed = config;                                                                  \
        kind##_emit(e, typed, n_in, in, out);                                                        \
    }

#endif
