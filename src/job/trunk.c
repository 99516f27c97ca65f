// The trunk: the pretrained part of a classifier. See trunk.h.

#include "job/trunk.h"

#include <string.h>
#include <unistd.h>

// ---------------------------------------------------------------------------------------------------------------- cuts

// The layer whose output a new output layer should start from: what feeds the last layer that has weights.
static const char *before_output(const tw_model *m)
{
    for (size_t i = m->nodes.n; i-- > 0;) {
        const twi_node *node = &m->nodes.at[i];
        if (m->layers.at[node->layer]->n_weights && node->n_in == 1)
            return m->layers.at[m->nodes.at[node->in[0].node].layer]->name;
    }
    return NULL;
}

// The last layer that still gives a feature map, for model files whose head is to be replaced.
static const char *last_map(const tw_model *m)
{
    for (size_t i = m->nodes.n; i-- > 0;)
        if (m->nodes.at[i].out[0].rank == 4 && m->layers.at[m->nodes.at[i].layer]->kind != twi_kind_input())
            return m->layers.at[m->nodes.at[i].layer]->name;
    return NULL;
}

static tw_model *cut(tw_model *m, const char *layer, char **dropped, tw_err *err)
{
    if (!layer) {
        twi_fail(err, TW_EUNUSABLE, "model '%s' has no layer a head could start from", m->name);
        return NULL;
    }
    return twi_model_cut(m, layer, dropped, err);
}

// -------------------------------------------------------------------------------------------------------- architectures

// A layer that only the network with its fully connected part has asks for that part.
static bool is_in_top(const char *name, const twi_zoo_options *without, const char *layer)
{
    tw_err ignored = {0};
    twi_zoo_options with = *without;
    with.has_top = true;
    tw_model *small = twi_zoo_build(name, without, &ignored), *full = twi_zoo_build(name, &with, &ignored);
    bool found = small && full && !twi_model_find(small, layer) && twi_model_find(full, layer);
    twi_model_free(small);
    twi_model_free(full);
    return found;
}

static tw_model *from_architecture(const twi_classifier_options *o, char **source, char **dropped,
                                   twi_load_report *report, tw_err *err)
{
    bool replaces_output = twi_str_same(o->head, "output");
    twi_zoo_options zoo = {.has_top = o->top || replaces_output};
    if (o->input_size)
        zoo.input = TWI_SHAPE(o->input_size, o->input_size, 3);
    if (!zoo.has_top && o->cut && is_in_top(o->model, &zoo, o->cut))
        zoo.has_top = true;
    tw_model *m =
        twi_open_architecture(o->model, &zoo, o->weights, &o->loading, o->seed, source, report, err);
    const char *layer = o->cut ? o->cut : m && replaces_output ? before_output(m) : NULL;
    if (!m || (!o->cut && !replaces_output))
        return m;
    tw_model *part = cut(m, layer, dropped, err);
    twi_model_free(m);
    return part;
}

// --------------------------------------------------------------------------------------------------------------- files

// A classifier made of [preprocessing, trunk, head] keeps its trunk; other models are cut at their last feature map.
static tw_model *inner_trunk(tw_model *m)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (m->layers.at[i]->nested && m->layers.at[i]->nested->outputs.n == 1)
            return m->layers.at[i]->nested;
    return NULL;
}

static bool own_layer(const tw_model *m, const char *name)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (strcmp(m->layers.at[i]->name, name) == 0)
            return true;
    return false;
}

static tw_model *from_file(const twi_classifier_options *o, char **source, char **dropped,
                           twi_load_report *report, tw_err *err)
{
    tw_model *m = twi_open_file(o->model, &o->loading, report, err);
    if (!m)
        return NULL;
    tw_model *inner = inner_trunk(m), *part = NULL;
    // A layer of the trunk inside is one the trunk is cut at.
    bool cuts_inside = inner && o->cut && !own_layer(m, o->cut) && own_layer(inner, o->cut);
    bool takes_inner = inner && !o->cut && !twi_str_same(o->head, "output") && !o->top;
    if (takes_inner || cuts_inside) {
        part = cuts_inside ? cut(inner, o->cut, dropped, err) : twi_model_retain(inner);
        const char *trunk = twi_info_text(m, "trunk", NULL);
        const twi_zoo_family *family;
        tw_err ignored = {0};
        const twi_zoo_variant *v = trunk ? twi_zoo_find(trunk, &family, &ignored) : NULL;
        if (part && v && twi_info_set_text(part, "preprocessing.mode", v->preprocess, err)) {
            twi_model_free(part);
            part = NULL;
        }
    } else {
        part = cut(m,
                   o->cut                                      ? o->cut
                   : twi_str_same(o->head, "output") || o->top ? before_output(m)
                                                               : last_map(m),
                   dropped, err);
    }
    if (part && twi_open_size(part, m, o->input_size, err)) {
        twi_model_free(part);
        part = NULL;
    }
    *source = part ? twi_strdup(o->model, err) : NULL;
    twi_model_free(m);
    return part;
}

tw_model *twi_trunk_open(const twi_classifier_options *o, char **source, char **dropped,
                         twi_load_report *report, tw_err *err)
{
    bool looks_like_file = access(o->model, F_OK) == 0 || strpbrk(o->model, "/.");
    return looks_like_file && !twi_is_architecture(o->model)
               ? from_file(o, source, dropped, report, err)
               : from_architecture(o, source, dropped, report, err);
}

// ------------------------------------------------------------------------------------------------------------- freezing

void twi_trunk_freeze_norms(tw_model *m)
{
    for (size_t i = 0; i < m->layers.n; i++) {
        twi_layer *layer = m->layers.at[i];
        if (layer->nested)
            twi_trunk_freeze_norms(layer->nested);
        else if (layer->kind->flags & TWI_KIND_NORM)
            twi_layer_set_trainable(layer, false);
    }
}

tw_status twi_trunk_freeze_before(tw_model *m, const char *name, tw_err *err)
{
    const twi_layer *first = twi_model_named(m, name, err);
    int n = 0, at = 0;
    int *order = first ? twi_model_order(m, false, &n, err) : NULL;
    if (!order)
        return first ? TW_ENOMEM : TW_EINVAL;
    while (at < n && m->layers.at[order[at]] != first)
        at++;
    for (int i = 0; at < n && i < at; i++)
        twi_layer_set_trainable(m->layers.at[order[i]], false);
    twi_free(order);
    return at < n ? TW_OK : twi_fail(err, TW_EINVAL, "'%s' is no layer that could learn first", name);
}

// ------------------------------------------------------------------------------------------------------------ JSON heads

static tw_status read_layer(const json_t *object, const char *path, twi_layers_parsed *head, tw_err *err)
{
    const char *class_name = twi_json_string(object, "class_name", "");
    if (twi_str_same(class_name, "InputLayer"))
        return TW_OK;
    const tw_layer_kind *kind = twi_layer_kind_find(class_name);
    if (!kind)
        return twi_fail_at(err, TW_EUNUSABLE, path, -1, "%s: layer class '%s' is not known", path,
                           class_name);
    twi_layer *layer = twi_layer_new(kind, NULL, err);
    json_t *config = json_object_get(object, "config");
    tw_status status = !layer ? TW_ENOMEM : config ? twi_layer_read(layer, config, err) : TW_OK;
    if (!status && !twi_vec_push(&head->at, layer, err))
        status = TW_ENOMEM;
    if (status)
        twi_layer_free(layer);
    return status;
}

tw_status twi_head_read(const char *path, twi_layers_parsed *head, tw_err *err)
{
    json_t *json = twi_json_read(path, err);
    if (!json)
        return err && err->status ? err->status : TW_EUNUSABLE;
    const json_t *list = json, *config = json_object_get(json, "config");
    if (json_is_object(json))
        list = json_object_get(config ? config : json, "layers");
    tw_status status = TW_OK;
    if (!json_is_array(list))
        status = twi_fail_at(err, TW_EUNUSABLE, path, -1,
                             "%s: expected a list of Keras layers, or a Sequential's config", path);
    for (size_t i = 0; !status && i < json_array_size(list); i++)
        status = read_layer(json_array_get(list, i), path, head, err);
    json_decref(json);
    return status;
}
