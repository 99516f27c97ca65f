// Layers: objects with a config and weights, shared by reference. See model.h.

#include "graph/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void twi_weight_ask(twi_weight_list *list, const char *name, tw_shape shape, const tw_setting *init,
                    const tw_setting *regularizer)
{
    if (list->n == TWI_LAYER_WEIGHTS_MAX)
        TWI_BUG("a layer asks for too many weights");
    twi_weight_spec *w = &list->at[list->n++];
    *w = (twi_weight_spec){.name = name, .shape = shape};
    if (init)
        w->init = *init;
    if (regularizer)
        w->regularizer = *regularizer;
}

void twi_weight_ask_state(twi_weight_list *list, const char *name, tw_shape shape, const tw_setting *init)
{
    twi_weight_ask(list, name, shape, init, NULL);
    list->at[list->n - 1].is_state = true;
}

tw_status twi_weight_allocate(twi_weight *w, tw_err *err)
{
    int64_t n = twi_shape_count(&w->shape);
    if (!w->data && n >= 0)
        w->data = twi_new_aligned((size_t)n, sizeof *w->data, w->name, err);
    return w->data ? TW_OK : TW_ENOMEM;
}

// ------------------------------------------------------------------------------------------------------------ lifetime

twi_layer *twi_layer_new(const tw_layer_kind *kind, const char *name, tw_err *err)
{
    twi_layer *layer = twi_new(1, sizeof *layer, "a layer", err);
    if (!layer)
        return NULL;
    layer->references = 1;
    layer->kind = kind;
    layer->is_trainable = true;
    layer->name = twi_strdup(name, err);
    layer->config = twi_new(1, kind->size, "a layer's config", err);
    bool ok = layer->config && (layer->name || !name);
    if (!ok || twi_fields_default(kind->fields, layer->config, &layer->arena, err)) {
        twi_layer_free(layer);
        return NULL;
    }
    return layer;
}

twi_layer *twi_layer_retain(twi_layer *layer)
{
    if (layer)
        layer->references++;
    return layer;
}

void twi_layer_free(twi_layer *layer)
{
    if (!layer || --layer->references > 0)
        return;
    for (int i = 0; i < layer->n_weights; i++) {
        twi_free(layer->weights[i].name);
        twi_free(layer->weights[i].data);
    }
    twi_free(layer->weights);
    twi_model_free(layer->nested);
    twi_free(layer->config);
    twi_free(layer->name);
    twi_arena_clear(&layer->arena);
    twi_free(layer);
}

// -------------------------------------------------------------------------------------------------------------- config

// "conv2d 'block1_conv1'", as messages name a layer.
static const char *title(const twi_layer *layer, char *buf, size_t size)
{
    char *at = buf;
    for (const char *c = layer->kind->name; *c && at + 1 < buf + size; c++)
        *at++ = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    *at = 0;
    twi_str rest = {0};
    twi_str_printf(&rest, "%s '%s'", buf, layer->name ? layer->name : "(new)");
    size_t n = rest.n < size ? rest.n : size - 1;
    if (rest.text)
        memcpy(buf, rest.text, n);
    buf[n] = 0;
    twi_str_clear(&rest);
    return buf;
}

tw_status twi_layer_set(twi_layer *layer, const char *config, tw_err *err)
{
    char where[128];
    title(layer, where, sizeof where);
    char *copy = twi_strdup(config, err), *rest = copy;
    tw_status status = copy ? TW_OK : TW_ENOMEM;
    for (char *part; !status && (part = strsep(&rest, " "));) {
        char *equals = strchr(part, '=');
        if (!*part)
            continue;
        if (equals)
            *equals = 0;
        const tw_field *field = twi_field_find(layer->kind->fields, part);
        if (!field || !equals)
            status = twi_fail_at(err, TW_EINVAL, where, -1, "%s: no option '%s'", where, part);
        else
            status = twi_field_set(field, layer->config, equals + 1, where, &layer->arena, err);
    }
    twi_free(copy);
    return status;
}

// Keys every layer has, or had in Keras 2; they are not in the kinds' tables.
static bool is_common(const char *key)
{
    static const char *const common[] = {"name", "trainable", "dtype", "batch_input_shape", "autocast"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(key, common[i]) == 0)
            return true;
    return false;
}

static tw_status check_dtype(const json_t *dtype, const char *where, tw_err *err)
{
    const char *name = json_string_value(dtype);
    if (!name)
        name = twi_json_string(json_object_get(dtype, "config"), "name", "float32");
    if (strcmp(name, "float32") != 0)
        return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "%s: not supported yet: dtype '%s' (float32 is)",
                           where, name);
    return TW_OK;
}

tw_status twi_layer_read(twi_layer *layer, const json_t *config, tw_err *err)
{
    const char *name = twi_json_string(config, "name", NULL);
    if (name) {
        twi_free(layer->name);
        layer->name = twi_strdup(name, err);
        if (!layer->name)
            return TW_ENOMEM;
    }
    char where[128];
    title(layer, where, sizeof where);
    layer->is_trainable = twi_json_bool(config, "trainable", true);
    tw_status status = check_dtype(json_object_get(config, "dtype"), where, err);
    json_t *own = status ? NULL : json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value) if (own && !is_common(key))
        json_object_set(own, key, value);
    if (own)
        status = twi_fields_read(layer->kind->fields, layer->config, own, where, &layer->arena, err);
    json_decref(own);
    return status;
}

static bool is_op(const twi_layer *layer)
{
    return layer->kind->flags & TWI_KIND_OP;
}

json_t *twi_layer_write(const twi_layer *layer, tw_err *err)
{
    json_t *config = json_object();
    json_object_set_new(config, "name", json_string(layer->name));
    if (!(layer->kind->flags & (TWI_KIND_OP | TWI_KIND_INPUT))) {
        if (!(layer->kind->flags & TWI_KIND_BARE))
            json_object_set_new(config, "trainable", json_boolean(layer->is_trainable));
        json_object_set_new(config, "dtype",
                            json_pack("{ss ss s{ss} sn}", "module", "keras", "class_name", "DTypePolicy",
                                      "config", "name", "float32", "registered_name"));
    }
    if (twi_fields_write(layer->kind->fields, layer->config, config, err)) {
        json_decref(config);
        return NULL;
    }
    for (const tw_field *f = layer->kind->fields; is_op(layer) && f->key; f++)
        if (f->flags & TW_FIELD_ARGUMENT)
            json_object_del(config, f->key);
    return config;
}

json_t *twi_layer_arguments(const twi_layer *layer, tw_err *err)
{
    json_t *config = json_object(), *list = NULL;
    if (is_op(layer) && !twi_fields_write(layer->kind->fields, layer->config, config, err))
        for (const tw_field *f = layer->kind->fields; f->key; f++)
            if (f->flags & TW_FIELD_ARGUMENT) {
                list = list ? list : json_array();
                json_array_append(list, json_object_get(config, f->key));
            }
    json_decref(config);
    return list;
}

tw_status twi_layer_set_argument(twi_layer *layer, int i, const json_t *value, tw_err *err)
{
    char where[128];
    title(layer, where, sizeof where);
    const tw_field *f = layer->kind->fields;
    while (is_op(layer) && f->key && !((f->flags & TW_FIELD_ARGUMENT) && i-- == 0))
        f++;
    if (!is_op(layer) || !f->key)
        return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "%s: not supported yet: a number as argument",
                           where);
    if (!json_is_number(value))
        return twi_fail_at(err, TW_EUNSUPPORTED, where, -1,
                           "%s: not supported yet: %s is neither a tensor nor a number", where, f->key);
    char text[32];
    snprintf(text, sizeof text, "%.17g", json_number_value(value));
    return twi_field_set(f, layer->config, text, where, &layer->arena, err);
}

// ------------------------------------------------------------------------------------------------------------- weights

void twi_layer_set_trainable(twi_layer *layer, bool value)
{
    layer->is_trainable = value;
    for (int i = 0; i < layer->n_weights; i++)
        layer->weights[i].is_trainable = value && !layer->weights[i].is_state;
    if (layer->nested)
        twi_model_set_trainable(layer->nested, value);
}

void twi_layer_params(const twi_layer *layer, int64_t *trainable, int64_t *non_trainable)
{
    int64_t count[2] = {0, 0};
    for (int i = 0; i < layer->n_weights; i++)
        count[layer->weights[i].is_trainable] += twi_shape_count(&layer->weights[i].shape);
    for (size_t i = 0; layer->nested && i < layer->nested->layers.n; i++) {
        int64_t yes, no;
        twi_layer_params(layer->nested->layers.at[i], &yes, &no);
        count[1] += yes, count[0] += no;
    }
    if (trainable)
        *trainable = count[1];
    if (non_trainable)
        *non_trainable = count[0];
}
