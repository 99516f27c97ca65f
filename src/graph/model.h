// Models: a graph of layer calls, as data.
//
//   layer   an object with a config and weights; shared when it is called twice (reference-counted)
//   node    one call of a layer: which layer, on which tensors
//   tensor  (node, slot): what a call gives back
// A model used as a layer is a layer whose `nested` is that model. Node order is a valid execution order.
#ifndef TWI_GRAPH_MODEL_H
#define TWI_GRAPH_MODEL_H

#include "graph/kind.h"

// ----------------------------------------------------------------------------------------------------------- weights

typedef struct twi_weight {
    char *name; // "kernel"
    tw_shape shape;
    tw_setting init, regularizer;
    bool is_state;     // created non-trainable
    bool is_trainable; // the per-variable flag, the only one that decides (Keras 3)
    bool is_set;       // data holds values
    bool is_drawn;     // they are the first ones, from a random stream, and nothing has trained them yet
    float *data;       // dense f32, TWI_ALIGN-ed; NULL until set
    uint64_t version;  // grows with every change, so that plans and caches notice
} twi_weight;

// Memory for the weight (contents undefined until is_set). TW_ENOMEM.
tw_status twi_weight_allocate(twi_weight *w, tw_err *err);

// ------------------------------------------------------------------------------------------------------------ layers

typedef struct twi_layer {
    int references;
    const tw_layer_kind *kind;
    char *name;
    void *config;      // kind->size bytes
    twi_arena arena;   // what config lends
    bool is_trainable; // layer.trainable
    bool is_built;     // weights exist
    int n_weights;
    twi_weight *weights;     // in Keras's order: trainable-created first, then state
    struct tw_model *nested; // a model used as a layer (one reference), else NULL
    bool is_inference;       // nest: its random layers and BatchNormalization always run in inference mode
} twi_layer;

// A layer with default config. `name` NULL: named when first called in a model. NULL with err.
twi_layer *twi_layer_new(const tw_layer_kind *kind, const char *name, tw_err *err);
// A model as a layer; takes its own reference of the model.
twi_layer *twi_layer_nest(struct tw_model *nested, tw_err *err);
twi_layer *twi_layer_retain(twi_layer *layer);
void twi_layer_free(twi_layer *layer); // drops one reference
// Config from text "filters=64 kernel_size=3 padding=same" (values without blanks), over what is there. TW_EINVAL.
tw_status twi_layer_set(twi_layer *layer, const char *config, tw_err *err);
// Config from Keras JSON (the "config" object); reads name, trainable, ignores dtype; then the kind's fields.
tw_status twi_layer_read(twi_layer *layer, const json_t *config, tw_err *err);
// Keras JSON "config" object: name, trainable, dtype policy, then the kind's fields. NULL with err.
json_t *twi_layer_write(const twi_layer *layer, tw_err *err);
// The numbers a bare operation is called with: a JSON array with null where a tensor comes in; NULL if the kind takes none.
json_t *twi_layer_arguments(const twi_layer *layer, tw_err *err);
// Sets the positional argument `i` of a bare operation to a number. TW_EUNSUPPORTED if the kind takes none there.
tw_status twi_layer_set_argument(twi_layer *layer, int i, const json_t *value, tw_err *err);
// layer.trainable = value, recursively; sets the flags of weights that were created trainable (Keras 3).
void twi_layer_set_trainable(twi_layer *layer, bool value);
// Number of values in own and nested weights; either result may be NULL.
void twi_layer_params(const twi_layer *layer, int64_t *trainable, int64_t *non_trainable);

// ------------------------------------------------------------------------------------------------------------ models

typedef struct twi_tensor {
    int node, slot; // node -1: none (a failed call)
} twi_tensor;

typedef struct twi_node {
    int layer; // index into model->layers
    int call;  // how many earlier nodes call the same layer
    int n_in, n_out;
    twi_tensor in[TWI_LAYER_IN_MAX];
    tw_shape out[TWI_OP_OUT_MAX]; // batch -1; other sizes too where the input's are open
} twi_node;

typedef struct tw_model {
    int references;
    char *name;
    bool is_sequential;
    bool is_trainable;           // model.trainable as set last
    twi_vec(twi_layer *) layers; // one reference each, in order of first call (inputs included)
    twi_vec(twi_node) nodes;
    twi_vec(twi_tensor) inputs, outputs;
    tw_err err;   // first error of building; later building does nothing
    json_t *info; // labels, preprocessing …: what assets/topwork/model.json holds (graph/info.h); never NULL
    json_t *compile; // Keras compile_config, or NULL
    uint64_t
        learned; // which weights learned when it was compiled or trained last (job/compile.c); 0: unknown
    twi_vec(twi_view) slots; // optimizer variables in Keras's order (b4), owned; empty: none
} tw_model;

// The kind of input layers (graph/input.c).
const tw_layer_kind *twi_kind_input(void);
// The shape an input layer asks for.
void twi_input_set(twi_layer *layer, const tw_shape *shape);

// Building. Functions return what follows; errors stay in model->err and make later calls return node -1.
tw_model *twi_model_new(const char *name, bool is_sequential, tw_err *err);
twi_tensor twi_model_input(tw_model *m, const char *name,
                           const tw_shape *shape); // shape with batch -1; -1: open
// Calls a layer (takes its own reference): infers shapes, builds weights at the first call.
twi_tensor twi_model_call(tw_model *m, twi_layer *layer, int n, const twi_tensor *in);
// Makes and calls a layer of a kind: config is a printf format in the manner of twi_layer_set. name NULL: automatic.
twi_tensor twi_model_layer(tw_model *m, const tw_layer_kind *kind, const char *name, int n,
                           const twi_tensor *in, const char *config, ...) TWI_PRINTF(6, 7);
void twi_model_output(tw_model *m, twi_tensor out); // appends an output
// Sequential: calls the layer on the last output (the model's input if first) and makes it the output.
void twi_model_add(tw_model *m, twi_layer *layer);
tw_model *twi_model_retain(tw_model *m);
void twi_model_free(tw_model *m);
// Whether a size of an input is open (batch_shape [null, null, null, 3], as Keras's own networks without top have it).
bool twi_model_is_open(const tw_model *m);
// Gives the inputs (and those of the models inside) other sizes, one shape each, batch -1: every shape is inferred anew, layers
// and weights stay what they are. TW_EINVAL, and the model as it was, where a layer does not take them or a weight would need
// another shape.
tw_status twi_model_resize(tw_model *m, int n, const tw_shape *shapes, tw_err *err);
// err of building, checks (outputs set, every node reachable or dropped, names unique). Call once after building.
tw_status twi_model_verify(tw_model *m, tw_err *err);

// Looking.
tw_shape twi_model_shape(const tw_model *m, twi_tensor t);
twi_layer *twi_model_find(const tw_model *m,
                          const char *path); // by name; "trunk/block1_conv1" or a bare inner name; or NULL
// A layer of m itself, by its name or by its place in model.layers: "#13", "#-1" (the last). NULL with TW_EINVAL that names the
// nearest layer, or the range.
twi_layer *twi_model_named(const tw_model *m, const char *name, tw_err *err);
// TW_EINVAL: m has no layer of that name or pattern; the nearest one, also inside nests, or what its layers are called.
tw_status twi_model_no_layer(const tw_model *m, const char *name, tw_err *err);
// Keras's order of model.layers: Functional operations by depth (interop b2); Sequential without its InputLayer.
// indices into m->layers; *n of them. twi_free it. is_op kinds are included only with `ops`.
int *twi_model_order(const tw_model *m, bool ops, int *n, tw_err *err);
// Every weight of the model, nests included, each once, in Keras's `weights` order. Lends.
typedef struct twi_weights {
    int n;
    twi_weight **at;
    twi_layer **layer; // the layer each belongs to
    char **path;       // "block1_conv1/kernel"
} twi_weights;
tw_status twi_model_weights(const tw_model *m, twi_weights *out, tw_err *err);
void twi_weights_clear(twi_weights *w);

// Gives every weight that is not set its initial value from `seed` (layer/initializer.c does the drawing through `fill`).
tw_status twi_model_initialize(tw_model *m, uint64_t seed,
                               tw_status (*fill)(const twi_weight *w, uint64_t seed, uint32_t index,
                                                 float *data, tw_err *err),
                               tw_err *err);

// ---------------------------------------------------------------------------------------------------------- editing

// A new model from the input to the named layer's (last) output, sharing layers and weights with m. Layers that are no
// ancestors of it are dropped; their names, joined by ", ", go to *dropped (twi_free; may be NULL). For a nest's inner
// layer give the nest itself. TW_EINVAL naming the nearest layer.
tw_model *twi_model_cut(tw_model *m, const char *layer, char **dropped, tw_err *err);
// Freezes by specification: all | none | first:N | until:NAME | list of NAME, #INDEX, GLOB, inside nests too (architecture §4).
tw_status twi_model_freeze(tw_model *m, const char *spec, tw_err *err);
void twi_model_set_trainable(tw_model *m, bool value);

// What a mixture of new, pretrained, frozen and trained layers does to each other (surgery.c). Names lend; NULL: no such pair.
typedef struct twi_surgery {
    const char *new_layer, *frozen_after_new;         // a new layer is in front of a frozen pretrained one
    bool new_learns;                                  // and learns
    const char *trained_layer, *frozen_after_trained; // a pretrained layer does
} twi_surgery;
tw_status twi_model_surgery(const tw_model *m, twi_surgery *found, tw_err *err);
// Refuses the first (TW_EINVAL with the ways out). *note (twi_free; may be NULL) tells of the second, else NULL.
tw_status twi_model_check_surgery(const tw_model *m, char **note, tw_err *err);
// After training: what was trained is no longer new.
tw_status twi_model_mark_trained(tw_model *m, tw_err *err);

// --------------------------------------------------------------------------------------------------------- emitting

typedef struct twi_emit_options {
    int64_t batch;        // n of every input, ≥ 1
    bool is_training;     // random layers drop; trainable BatchNormalization uses batch statistics
    bool wants_penalties; // activity regularizers become penalty ops; without, they leave no trace
} twi_emit_options;
// Translates the model into ops. out[i] receives the value of output i. The program lends weights from the model.
tw_status twi_model_emit(const tw_model *m, const twi_emit_options *options, twi_program *program,
                         twi_value *out, tw_err *err);

#endif
