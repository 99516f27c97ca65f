// Reading Keras configs: {"module", "class_name", "config", …} objects become models (interop c2, c3, a4).
//
// Both dialects are read: Keras 3 objects and the forms Keras 2 left in .h5 files. Only classes of our own lists are made;
// everything else is refused by name, since Keras objects may carry code (Lambda) or name any importable thing.
// Sequential stands here; Functional graphs in config_graph.c.

#include "format/config_read.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

static const char *class_of(const json_t *object)
{
    return twi_json_string(object, "class_name", "");
}

bool twi_config_is_input(const json_t *object)
{
    return strcmp(class_of(object), "InputLayer") == 0;
}

bool twi_config_is_model(const json_t *object)
{
    const char *name = class_of(object);
    return strcmp(name, "Sequential") == 0 || strcmp(name, "Functional") == 0 || strcmp(name, "Model") == 0;
}

tw_status twi_config_adopt(twi_config_reader *r, const tw_err *err)
{
    if (!err->status || !r->err || r->err->status)
        return err->status;
    *r->err = *err;
    if (r->err->status == TW_EINVAL)
        r->err->status = TW_EMALFORMED;
    snprintf(r->err->where, sizeof r->err->where, "%s", r->where);
    twi_err_context(r->err, "%s", twi_base_name(r->where));
    return r->err->status;
}

// --------------------------------------------------------------------------------------------------------------- kinds

// Bare operations share names with layers (Add); the module tells them apart.
static bool is_operation(const json_t *object)
{
    return twi_str_starts(twi_json_string(object, "module", ""), "keras.src.ops");
}

static bool is_foreign(const json_t *object)
{
    const char *module = twi_json_string(object, "module", NULL);
    return module && !twi_str_starts(module, "keras") && !twi_str_starts(module, "tf_keras") &&
           !twi_str_starts(module, "tensorflow");
}

static const tw_layer_kind *operation(const char *name)
{
    for (int i = 0; twi_layers[i]; i++)
        if ((twi_layers[i]->flags & TWI_KIND_OP) && strcmp(twi_layers[i]->name, name) == 0)
            return twi_layers[i];
    return NULL;
}

// Keras 2 wrote TensorFlow's functions as layers of class TFOpLambda; these are data, not code.
static const tw_layer_kind *tf_operation(const json_t *config)
{
    static const char *const names[][2] = {{"math.truediv", "TrueDivide"},
                                           {"math.divide", "TrueDivide"},
                                           {"math.subtract", "Subtract"},
                                           {"math.add", "Add"},
                                           {"math.multiply", "Multiply"},
                                           {"__operators__.add", "Add"},
                                           {"math.maximum", "Maximum"},
                                           {"math.minimum", "Minimum"},
                                           {"nn.relu", "Relu"},
                                           {"nn.relu6", "Relu6"},
                                           {"math.sigmoid", "Sigmoid"},
                                           {"math.tanh", "Tanh"}};
    const char *function = twi_json_string(config, "function", "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], function) == 0)
            return operation(names[i][1]);
    return NULL;
}

static bool is_tf_operation(const json_t *object)
{
    return strcmp(class_of(object), "TFOpLambda") == 0;
}

// Augmentation inside a model is for training with Keras: at prediction these layers pass the picture through, and here
// they always do (topwork augments beforehand). Their names are kept in the model's info.
static bool is_augmentation(const json_t *object)
{
    static const char *const names[] = {"RandomFlip",        "RandomRotation", "RandomZoom",
                                        "RandomTranslation", "RandomContrast", "RandomBrightness",
                                        "RandomShear",       "RandomHue",      "RandomSaturation",
                                        "RandomErasing",     "RandAugment"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(class_of(object), names[i]) == 0)
            return true;
    return false;
}

const tw_layer_kind *twi_config_kind(const json_t *object)
{
    if (is_foreign(object))
        return NULL;
    if (is_augmentation(object))
        return &twi_layer_identity;
    if (is_operation(object))
        return operation(class_of(object));
    if (is_tf_operation(object))
        return tf_operation(json_object_get(object, "config"));
    const tw_layer_kind *kind = twi_layer_kind_find(class_of(object));
    return kind && !(kind->flags & TWI_KIND_OP) ? kind : NULL;
}

static void refuse(twi_config_reader *r, const json_t *object)
{
    const char *kind = class_of(object);
    const char *name = twi_json_string(json_object_get(object, "config"), "name", "");
    if (strcmp(kind, "Lambda") == 0)
        twi_fail_at(r->err, TW_EMALFORMED, r->where, -1,
                    "%s: layer '%s' is a Lambda, which carries code: refused", twi_base_name(r->where), name);
    else
        twi_fail_at(
            r->err, TW_EMALFORMED, r->where, -1,
            "%s: layer '%s' is of class '%s'%s%s, which is not known here: refused", twi_base_name(r->where),
            name, *kind ? kind : "(none)", is_tf_operation(object) ? " with function " : "",
            is_tf_operation(object) ? twi_json_string(json_object_get(object, "config"), "function", "")
                                    : "");
}

// -------------------------------------------------------------------------------------------------------------- layers

static bool is_off(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) || (json_is_array(value) && !json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value));
}

// Keys that some version of Keras writes and that say nothing: an unknown key that is switched off, Keras 2's groups of
// a DepthwiseConv2D. Anything else unknown would change what the layer computes, and the layer refuses it.
static bool is_idle(const tw_layer_kind *kind, const char *key, const json_t *value)
{
    if (strcmp(key, "trainable") == 0 || twi_field_find(kind->fields, key))
        return false;
    if (kind->flags & TWI_KIND_OP && strcmp(key, "function") == 0)
        return true;
    return is_off(value) || (strcmp(key, "groups") == 0 && json_integer_value(value) == 1);
}

// The config a layer reads: without idle keys and mixed-precision policies (their variables are float32 too).
static json_t *clean(const tw_layer_kind *kind, const json_t *config)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        const char *policy = json_string_value(value);
        if (!policy)
            policy = twi_json_string(json_object_get(value, "config"), "name", "");
        bool is_mixed = strcmp(key, "dtype") == 0 && twi_str_starts(policy, "mixed_");
        if (strcmp(key, "dtype") == 0 ? !is_mixed : !is_idle(kind, key, value))
            json_object_set(out, key, value);
    }
    return out;
}

static twi_layer *read_layer(twi_config_reader *r, const tw_layer_kind *kind, const json_t *config)
{
    tw_err own = {0};
    twi_layer *layer = twi_layer_new(kind, NULL, &own);
    json_t *cleaned = layer ? clean(kind, config) : NULL;
    if (!layer || twi_layer_read(layer, cleaned, &own)) {
        twi_config_adopt(r, &own);
        twi_layer_free(layer);
        layer = NULL;
    }
    json_decref(cleaned);
    return layer;
}

static tw_shape shape_of(const json_t *list)
{
    tw_shape shape = {.rank = 0};
    if (json_array_size(list) > TW_RANK_MAX)
        return shape;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *size = json_array_get(list, i);
        bool is_size = json_is_integer(size) && json_integer_value(size) <= TW_DIM_MAX;
        shape.dim[shape.rank++] = is_size ? (int64_t)json_integer_value(size) : -1;
    }
    return shape;
}

static json_t *shape_json(const tw_shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++)
        json_array_append_new(list,
                              shape->dim[i] < 0 ? json_null() : json_integer((json_int_t)shape->dim[i]));
    return list;
}

twi_layer *twi_config_input(twi_config_reader *r, const json_t *object, const tw_shape *hint)
{
    const json_t *config = json_object_get(object, "config");
    const json_t *given = json_object_get(config, "batch_shape");
    if (!given)
        given = json_object_get(config, "batch_input_shape"); // Keras 2
    tw_shape shape = shape_of(given);
    for (int i = 1; i < shape.rank && hint && hint->rank == shape.rank; i++)
        if (shape.dim[i] < 0)
            shape.dim[i] = hint->dim[i];
    json_t *own = json_copy((json_t *)config);
    json_object_del(own, "batch_input_shape");
    json_object_set_new(own, "batch_shape", shape_json(&shape));
    twi_layer *layer = read_layer(r, twi_kind_input(), own);
    json_decref(own);
    return layer;
}

static tw_model *read_model(twi_config_reader *r, const json_t *object, twi_hints hints);

twi_layer *twi_config_layer(twi_config_reader *r, const json_t *object, twi_hints hints)
{
    if (twi_config_is_model(object) && !is_foreign(object)) {
        tw_model *nested = read_model(r, object, hints);
        twi_layer *nest = twi_layer_nest(nested, r->err);
        twi_model_free(nested);
        return nest;
    }
    const tw_layer_kind *kind = twi_config_kind(object);
    if (!kind) {
        refuse(r, object);
        return NULL;
    }
    if (!is_augmentation(object))
        return read_layer(r, kind, json_object_get(object, "config"));
    const char *name = twi_json_string(json_object_get(object, "config"), "name", class_of(object));
    json_array_append_new(r->left_out, json_string(name));
    json_t *config = json_pack("{ss}", "name", name);
    twi_layer *layer = read_layer(r, kind, config);
    json_decref(config);
    return layer;
}

// ---------------------------------------------------------------------------------------------------------- Sequential

// The input of a Sequential that has no InputLayer: Keras 2 wrote the shape into the first layer, Keras 3 into the model.
static void implied_input(tw_model *m, const json_t *config, const json_t *first, twi_hints hints)
{
    tw_shape shape = shape_of(json_object_get(json_object_get(first, "config"), "batch_input_shape"));
    if (!shape.rank)
        shape = shape_of(json_object_get(config, "build_input_shape"));
    for (int i = 1; i < shape.rank && hints.n == 1 && hints.at->rank == shape.rank; i++)
        if (shape.dim[i] < 0)
            shape.dim[i] = hints.at->dim[i];
    if (!shape.rank && hints.n == 1)
        shape = *hints.at;
    if (shape.rank)
        twi_model_input(m, NULL, &shape);
}

static tw_status add_entry(twi_config_reader *r, tw_model *m, const json_t *entry, bool is_first,
                           twi_hints hints)
{
    if (twi_config_is_input(entry)) {
        twi_layer *input = is_first ? twi_config_input(r, entry, hints.n == 1 ? hints.at : NULL) : NULL;
        if (!is_first)
            return twi_fail_at(r->err, TW_EMALFORMED, r->where, -1,
                               "%s: model '%s' has an InputLayer that is not its first layer",
                               twi_base_name(r->where), m->name);
        twi_tensor in = input ? twi_model_call(m, input, 0, NULL) : (twi_tensor){-1, 0};
        twi_layer_free(input);
        if (in.node >= 0)
            twi_vec_push(&m->inputs, in, r->err);
        return in.node >= 0 ? TW_OK : TW_EMALFORMED;
    }
    tw_shape shape = {0};
    twi_hints inner = {0, &shape};
    if (m->inputs.n && !m->err.status) {
        shape = twi_model_shape(m, m->outputs.n ? m->outputs.at[0] : m->inputs.at[0]);
        inner.n = 1;
    }
    twi_layer *layer = twi_config_layer(r, entry, inner);
    if (layer)
        twi_model_add(m, layer);
    twi_layer_free(layer);
    return layer && !m->err.status ? TW_OK : TW_EMALFORMED;
}

static tw_status read_sequential(twi_config_reader *r, tw_model *m, const json_t *config, twi_hints hints)
{
    // Before Keras 2.2 the config was the list itself.
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    size_t n = json_array_size(layers);
    if (n > TWI_LAYERS_MAX)
        return twi_fail_at(r->err, TW_EMALFORMED, r->where, -1, "%s: model '%s' has %zu layers, at most %d",
                           twi_base_name(r->where), m->name, n, (int)TWI_LAYERS_MAX);
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < n; i++) {
        const json_t *entry = json_array_get(layers, i);
        if (i == 0 && !twi_config_is_input(entry))
            implied_input(m, config, entry, hints);
        status = add_entry(r, m, entry, i == 0, hints);
    }
    return status;
}

// -------------------------------------------------------------------------------------------------------------- models

static tw_model *read_model(twi_config_reader *r, const json_t *object, twi_hints hints)
{
    const json_t *config = json_object_get(object, "config");
    if (!twi_config_is_model(object) || !config) {
        refuse(r, object);
        return NULL;
    }
    if (r->depth >= DEPTH_MAX) {
        twi_fail_at(r->err, TW_EMALFORMED, r->where, -1, "%s: models are nested more than %d deep",
                    twi_base_name(r->where), (int)DEPTH_MAX);
        return NULL;
    }
    bool is_sequential = strcmp(class_of(object), "Sequential") == 0;
    tw_model *m = twi_model_new(twi_json_string(config, "name", NULL), is_sequential, r->err);
    if (!m)
        return NULL;
    r->depth++;
    tw_status status =
        is_sequential ? read_sequential(r, m, config, hints) : twi_config_functional(r, m, config, hints);
    r->depth--;
    // A Functional keeps its own flag, a Sequential forgets it (Keras 3).
    if (!is_sequential)
        m->is_trainable = twi_json_bool(config, "trainable", true);
    tw_err own = {0};
    if (!status || m->err.status)
        status = twi_model_verify(m, &own);
    twi_config_adopt(r, &own);
    if (status) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

tw_model *twi_keras_build(const json_t *object, const char *where, tw_err *err)
{
    tw_err own = {0}; // readers must see their own errors even where the caller wants none
    twi_config_reader r = {.where = where, .err = &own, .left_out = json_array()};
    tw_model *m = read_model(&r, object, (twi_hints){0});
    if (m && json_array_size(r.left_out))
        json_object_set(m->info, "augmentation_left_out", r.left_out);
    json_decref(r.left_out);
    if (!m && !own.status)
        twi_fail_at(&own, TW_EMALFORMED, where, -1, "%s: the model's config cannot be read",
                    twi_base_name(where));
    if (!m && err && !err->status)
        *err = own;
    return m;
}
