// Writing Keras configs: models become {"module", "class_name", "config", …} objects (interop c2, c3, a4).
//
// Keys stand in Keras 3.15's order. The legacy dialect (.h5) leaves out module, registered_name and build_config of
// layers, as Keras does. A frozen container is written with trainable: false in every inner layer, because Keras trains
// whatever says nothing (interop, trap 12); flags of inner layers are written as they are, since freezing sets them all.

#include "format/parts.h"

#include <ctype.h>
#include <string.h>

typedef struct writer {
    twi_dialect dialect;
    bool failed; // memory ran out
    tw_err *err;
} writer;

// Takes the value.
static void put(writer *w, json_t *object, const char *key, json_t *value)
{
    if (!value || json_object_set_new(object, key, value) != 0)
        w->failed = true;
}

static void append(writer *w, json_t *list, json_t *value)
{
    if (!value || json_array_append_new(list, value) != 0)
        w->failed = true;
}

static json_t *shape_json(writer *w, const tw_shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++)
        append(w, list, shape->dim[i] < 0 ? json_null() : json_integer((json_int_t)shape->dim[i]));
    return list;
}

// ------------------------------------------------------------------------------------------------------------ snake case

static bool is_capitalised_word(const char *s)
{
    return isupper((unsigned char)s[0]) && islower((unsigned char)s[1]);
}

// Keras: "_" before a capital that starts a capitalised word, and between a small letter and a capital.
void twi_snake_case(const char *class_name, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; class_name[i] && at + 2 < size; i++) {
        unsigned char c = (unsigned char)class_name[i];
        if (!isalnum(c) && c != '_')
            continue;
        bool after_small = i && islower((unsigned char)class_name[i - 1]) && isupper(c);
        if (i && (is_capitalised_word(class_name + i) || after_small))
            out[at++] = '_';
        out[at++] = (char)tolower(c);
    }
    out[at] = 0;
}

// ------------------------------------------------------------------------------------------------------------- objects

static json_t *object_of(writer *w, const char *module, const char *class_name, json_t *config,
                         const char *registered)
{
    json_t *object = json_object();
    // Operations are found by their module only: Keras reads it in legacy files too.
    bool is_full = w->dialect == TWI_KERAS3 || twi_str_starts(module, "keras.src.ops");
    if (is_full)
        put(w, object, "module", json_string(module));
    put(w, object, "class_name", json_string(class_name));
    put(w, object, "config", config);
    if (is_full)
        put(w, object, "registered_name", registered ? json_string(registered) : json_null());
    return object;
}

static json_t *model_config(writer *w, const tw_model *m, bool is_trainable);

// Shapes the layer was first called on: Keras makes the variables from them before weights are read.
static json_t *build_config(writer *w, const tw_model *m, const twi_node *first)
{
    json_t *shapes = json_array();
    for (int i = 0; i < first->n_in; i++) {
        tw_shape in = twi_model_shape(m, first->in[i]);
        append(w, shapes, shape_json(w, &in));
    }
    json_t *build = json_object();
    json_t *shape = first->n_in == 1 ? json_incref(json_array_get(shapes, 0)) : json_incref(shapes);
    put(w, build, "input_shape", shape);
    json_decref(shapes);
    return build;
}

static json_t *layer_object(writer *w, const tw_model *m, const twi_layer *layer, const twi_node *first)
{
    const tw_layer_kind *kind = layer->kind;
    if (layer->nested) {
        bool is_sequential = layer->nested->is_sequential;
        json_t *object = object_of(w, kind->module, is_sequential ? "Sequential" : "Functional",
                                   model_config(w, layer->nested, layer->is_trainable),
                                   is_sequential ? NULL : "Functional");
        if (w->dialect == TWI_KERAS3) {
            put(w, object, "build_config",
                is_sequential && first ? build_config(w, m, first) : json_pack("{sn}", "input_shape"));
            put(w, object, "compile_config", json_object());
        }
        return object;
    }
    json_t *config = twi_layer_write(layer, w->err);
    const char *module = kind->module ? kind->module : "keras.layers";
    // Classes without a public name are registered under their own.
    bool is_private = twi_str_starts(module, "keras.src");
    json_t *object = object_of(w, module, kind->name, config, is_private ? kind->name : NULL);
    if (w->dialect == TWI_KERAS3 && layer->n_weights && first)
        put(w, object, "build_config", build_config(w, m, first));
    return object;
}

// ----------------------------------------------------------------------------------------------------------- functional

static json_t *tensor_json(writer *w, const tw_model *m, twi_tensor t)
{
    const twi_node *node = &m->nodes.at[t.node];
    json_t *config = json_object();
    put(w, config, "shape", shape_json(w, &node->out[t.slot]));
    put(w, config, "dtype", json_string("float32"));
    put(w, config, "keras_history",
        json_pack("[s,i,i]", m->layers.at[node->layer]->name, node->call, t.slot));
    json_t *tensor = json_object();
    put(w, tensor, "class_name", json_string("__keras_tensor__"));
    put(w, tensor, "config", config);
    return tensor;
}

// Operations take tensors and numbers one by one, in the order of their arguments.
static json_t *operation_args(writer *w, const tw_model *m, const twi_node *node)
{
    json_t *numbers = twi_layer_arguments(m->layers.at[node->layer], w->err), *args = json_array();
    int next = 0;
    for (size_t i = 0; i < json_array_size(numbers); i++) {
        json_t *number = json_array_get(numbers, i);
        if (json_is_number(number))
            append(w, args, json_incref(number));
        else if (next < node->n_in)
            append(w, args, tensor_json(w, m, node->in[next++]));
    }
    while (next < node->n_in)
        append(w, args, tensor_json(w, m, node->in[next++]));
    json_decref(numbers);
    return args;
}

// Layers of several inputs take one list.
static json_t *layer_args(writer *w, const tw_model *m, const twi_node *node)
{
    json_t *tensors = json_array();
    for (int i = 0; i < node->n_in; i++)
        append(w, tensors, tensor_json(w, m, node->in[i]));
    if (node->n_in == 1)
        return tensors;
    json_t *args = json_array();
    append(w, args, tensors);
    return args;
}

static json_t *call_json(writer *w, const tw_model *m, const twi_node *node)
{
    const twi_layer *layer = m->layers.at[node->layer];
    bool is_operation = layer->kind->flags & TWI_KIND_OP;
    json_t *args = is_operation ? operation_args(w, m, node) : layer_args(w, m, node);
    json_t *kwargs = json_object();
    if (layer->is_inference)
        put(w, kwargs, "training", json_false());
    if (layer->nested || (layer->kind->flags & TWI_KIND_NORM))
        put(w, kwargs, "mask", json_null());
    json_t *call = json_object();
    put(w, call, "args", args);
    put(w, call, "kwargs", kwargs);
    return call;
}

// In input_layers and output_layers a nested Functional counts its own making as call 0.
static json_t *reference_json(const tw_model *m, twi_tensor t)
{
    const twi_node *node = &m->nodes.at[t.node];
    const twi_layer *layer = m->layers.at[node->layer];
    int call = node->call + (layer->nested && !layer->nested->is_sequential);
    return json_pack("[s,i,i]", layer->name, call, t.slot);
}

static json_t *references_json(writer *w, const tw_model *m, size_t n, const twi_tensor *at)
{
    if (n == 1)
        return reference_json(m, at[0]);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        append(w, list, reference_json(m, at[i]));
    return list;
}

static const twi_node *first_call(const tw_model *m, int layer)
{
    for (size_t i = 0; i < m->nodes.n; i++)
        if (m->nodes.at[i].layer == layer)
            return &m->nodes.at[i];
    return NULL;
}

static json_t *entry_json(writer *w, const tw_model *m, int index)
{
    const twi_layer *layer = m->layers.at[index];
    json_t *entry = layer_object(w, m, layer, first_call(m, index));
    json_t *calls = json_array();
    for (size_t i = 0; i < m->nodes.n; i++)
        if (m->nodes.at[i].layer == index && m->nodes.at[i].n_in)
            append(w, calls, call_json(w, m, &m->nodes.at[i]));
    put(w, entry, "name", json_string(layer->name));
    put(w, entry, "inbound_nodes", calls);
    return entry;
}

// ---------------------------------------------------------------------------------------------------------------- model

static json_t *policy_json(void)
{
    return json_pack("{ss ss s{ss} sn}", "module", "keras", "class_name", "DTypePolicy", "config", "name",
                     "float32", "registered_name");
}

static json_t *model_config(writer *w, const tw_model *m, bool is_trainable)
{
    json_t *config = json_object(), *layers = json_array();
    put(w, config, "name", json_string(m->name));
    put(w, config, "trainable", json_boolean(is_trainable));
    if (m->is_sequential)
        put(w, config, "dtype", policy_json());
    int n = 0;
    int *order = twi_model_order(m, true, &n, w->err);
    w->failed |= !order;
    if (m->is_sequential && m->inputs.n) {
        const twi_layer *input = m->layers.at[m->nodes.at[m->inputs.at[0].node].layer];
        append(w, layers, layer_object(w, m, input, NULL));
    }
    for (int i = 0; order && i < n; i++)
        append(w, layers,
               m->is_sequential ? layer_object(w, m, m->layers.at[order[i]], first_call(m, order[i]))
                                : entry_json(w, m, order[i]));
    twi_free(order);
    put(w, config, "layers", layers);
    if (m->is_sequential && m->inputs.n) {
        tw_shape in = twi_model_shape(m, m->inputs.at[0]);
        put(w, config, "build_input_shape", shape_json(w, &in));
    } else {
        put(w, config, "input_layers", references_json(w, m, m->inputs.n, m->inputs.at));
        put(w, config, "output_layers", references_json(w, m, m->outputs.n, m->outputs.at));
    }
    return config;
}

json_t *twi_keras_write(const tw_model *m, twi_dialect dialect, tw_err *err)
{
    tw_err own = {0};
    writer w = {.dialect = dialect, .err = &own};
    json_t *object = object_of(&w, m->is_sequential ? "keras" : "keras.src.models.functional",
                               m->is_sequential ? "Sequential" : "Functional",
                               model_config(&w, m, m->is_trainable), m->is_sequential ? NULL : "Functional");
    if (dialect == TWI_KERAS3) {
        tw_shape in = m->inputs.n ? twi_model_shape(m, m->inputs.at[0]) : (tw_shape){0};
        json_t *build = json_object();
        put(&w, build, "input_shape", m->is_sequential ? shape_json(&w, &in) : json_null());
        put(&w, object, "build_config", build);
        put(&w, object, "compile_config", m->compile ? json_incref(m->compile) : json_object());
    }
    if (!w.failed && !own.status)
        return object;
    json_decref(object);
    if (!own.status)
        twi_fail_memory(&own, 0, "the model's config");
    if (err && !err->status)
        *err = own;
    return NULL;
}

json_t *twi_keras_config(const tw_model *m, tw_err *err)
{
    return twi_keras_write(m, TWI_KERAS3, err);
}
