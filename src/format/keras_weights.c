// Keras 3 weights: the tree in .weights.h5 files and in model.weights.h5 of .keras archives (interop b1–b4).
//
//   /layers/<class>[_n]/vars/0, 1 …        a layer's variables, in Keras's order; attribute `name`: the layer's name
//   /layers/functional/layers/…            a nested model
//   /optimizer/vars/0, 1 …                 iteration, learning rate, slots
// Groups are named by class and place in model.layers, so that freezing never moves a weight. Reading goes by the `name`
// attributes where they name every layer, else by place. --by-name takes the layers that are named anywhere in the file, also
// in groups of other models' attributes, and leaves the rest of the model as it is; Keras has that for legacy files only.
// Source   keras.saving.saving_lib, Keras 3.15.

#include "format/parts.h"

#include <stdio.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------------------ group names

// Names of a model's layer groups in model.layers order, made unique by counting, as Keras counts.
typedef struct group_names {
    int n;
    int *order; // indices into m->layers
    char (*name)[96];
} group_names;

static void clear_names(group_names *g)
{
    twi_free(g->order);
    twi_free(g->name);
}

static tw_status make_names(const tw_model *m, group_names *g, tw_err *err)
{
    *g = (group_names){0};
    g->order = twi_model_order(m, false, &g->n, err);
    g->name = g->order ? twi_new((size_t)g->n, sizeof *g->name, "group names", err) : NULL;
    if (!g->name) {
        clear_names(g);
        return TW_ENOMEM;
    }
    for (int i = 0; i < g->n; i++) {
        char base[80];
        const tw_layer_kind *kind = m->layers.at[g->order[i]]->kind;
        twi_snake_case(kind->name, base, sizeof base);
        int before = 0;
        for (int j = 0; j < i; j++)
            before += m->layers.at[g->order[j]]->kind == kind;
        if (before)
            snprintf(g->name[i], sizeof g->name[i], "%s_%d", base, before);
        else
            snprintf(g->name[i], sizeof g->name[i], "%s", base);
    }
    return TW_OK;
}

// -------------------------------------------------------------------------------------------------------------- reading

typedef struct tree {
    twi_hdf5 *file;
    twi_stage stage;
    tw_err *err;
} tree;

// A group that holds variables, found anywhere in the file.
typedef struct found {
    char *name; // its attribute, or NULL
    char *group;
    twi_hdf5_object object; // the layer's group
    bool has_data, is_used;
} found;
typedef struct founds {
    found *at;
    size_t n, cap;
} founds;

static void clear_founds(founds *f)
{
    for (size_t i = 0; i < f->n; i++) {
        twi_free(f->at[i].name);
        twi_free(f->at[i].group);
    }
    twi_vec_clear(f);
}

// The `layers` of a model's group; Keras 2.12 and 2.13 called it otherwise.
static tw_status layers_of(tree *t, twi_hdf5_object group, twi_hdf5_object *layers)
{
    tw_status status = twi_hdf5_find(t->file, group, "layers", layers, t->err);
    if (!status && !*layers)
        status = twi_hdf5_find(t->file, group, "_layer_checkpoint_dependencies", layers, t->err);
    return status;
}

static tw_status push_group(tree *t, twi_hdf5_object object, const char *group, founds *out)
{
    found f = {.object = object, .group = twi_strdup(group, t->err)};
    twi_hdf5_object vars = 0;
    tw_status status = f.group ? twi_hdf5_find(t->file, object, "vars", &vars, t->err) : TW_ENOMEM;
    twi_hdf5_texts members = {0};
    if (!status && vars)
        status = twi_hdf5_text(t->file, vars, "name", &f.name, t->err);
    if (!status && vars)
        status = twi_hdf5_members(t->file, vars, &members, t->err);
    f.has_data = members.n > 0;
    twi_hdf5_texts_clear(&members);
    if (!status && twi_vec_push(out, f, t->err))
        return TW_OK;
    twi_free(f.name);
    twi_free(f.group);
    return status ? status : TW_ENOMEM;
}

static tw_status list_groups(tree *t, twi_hdf5_object layers, founds *out)
{
    twi_hdf5_texts members = {0};
    tw_status status = layers ? twi_hdf5_members(t->file, layers, &members, t->err) : TW_OK;
    for (size_t i = 0; !status && i < members.n; i++) {
        twi_hdf5_object object = 0;
        status = twi_hdf5_find(t->file, layers, members.at[i], &object, t->err);
        if (!status && object && twi_hdf5_is_group(t->file, object))
            status = push_group(t, object, members.at[i], out);
    }
    twi_hdf5_texts_clear(&members);
    return status;
}

// The one group with this name, by attribute or by its own name; NULL: none, or more than one.
static found *one_named(founds *f, const char *name, bool by_attribute)
{
    found *only = NULL;
    for (size_t i = 0; i < f->n; i++) {
        const char *own = by_attribute ? f->at[i].name : f->at[i].group;
        if (!own || strcmp(own, name) != 0)
            continue;
        if (only)
            return NULL;
        only = &f->at[i];
    }
    return only;
}

static bool all_named(const tw_model *m, const group_names *g, founds *f, bool by_attribute)
{
    for (int i = 0; i < g->n; i++) {
        const twi_layer *layer = m->layers.at[g->order[i]];
        if (twi_layer_has_weights(layer) &&
            !one_named(f, by_attribute ? layer->name : g->name[i], by_attribute))
            return false;
    }
    return true;
}

static tw_status read_vars(tree *t, const twi_layer *layer, twi_hdf5_object object)
{
    twi_hdf5_object vars = 0;
    twi_hdf5_texts members = {0};
    tw_status status = twi_hdf5_find(t->file, object, "vars", &vars, t->err);
    if (!status && vars)
        status = twi_hdf5_members(t->file, vars, &members, t->err);
    char title[192];
    if (!status && (int)members.n != layer->n_weights)
        twi_stage_note(&t->stage, layer->name, "%s: has %zu arrays in %s, expected %d",
                       twi_layer_title(layer, title, sizeof title), members.n, t->stage.file,
                       layer->n_weights);
    for (int i = 0; !status && i < layer->n_weights && (int)members.n == layer->n_weights; i++) {
        char index[16];
        snprintf(index, sizeof index, "%d", i);
        twi_hdf5_object data = 0;
        status = twi_hdf5_find(t->file, vars, index, &data, t->err);
        if (!status && !data)
            twi_stage_note(&t->stage, layer->name, "%s: array %d of %d is not in %s",
                           twi_layer_title(layer, title, sizeof title), i, layer->n_weights, t->stage.file);
        else if (!status)
            status = twi_stage_read(&t->stage, layer, &layer->weights[i], t->file, data, t->err);
    }
    twi_hdf5_texts_clear(&members);
    return status;
}

static tw_status read_group(tree *t, const tw_model *m, twi_hdf5_object group);

static void tell_left_over(tree *t, const founds *f)
{
    for (size_t i = 0; t->stage.report && i < f->n; i++)
        if (!f->at[i].is_used && f->at[i].has_data)
            twi_list_add(&t->stage.report->left_over, f->at[i].name ? f->at[i].name : f->at[i].group);
}

static tw_status read_layers(tree *t, const tw_model *m, const group_names *g, founds *f, bool by_attribute)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < g->n; i++) {
        twi_layer *layer = m->layers.at[g->order[i]];
        if (!twi_layer_has_weights(layer))
            continue;
        char title[192];
        found *at = one_named(f, by_attribute ? layer->name : g->name[i], by_attribute);
        if (!at) {
            twi_stage_note(&t->stage, layer->name, "%s: has no weights in %s",
                           twi_layer_title(layer, title, sizeof title), t->stage.file);
            continue;
        }
        at->is_used = true;
        if (layer->n_weights && !twi_stage_has(&t->stage, &layer->weights[0]))
            status = read_vars(t, layer, at->object);
        if (!status && layer->nested)
            status = read_group(t, layer->nested, at->object);
    }
    if (!status)
        tell_left_over(t, f);
    return status;
}

static tw_status read_group(tree *t, const tw_model *m, twi_hdf5_object group)
{
    group_names g;
    founds f = {0};
    twi_hdf5_object layers = 0;
    tw_status status = make_names(m, &g, t->err);
    if (status)
        return status;
    status = layers_of(t, group, &layers);
    if (!status)
        status = list_groups(t, layers, &f);
    if (!status)
        status = read_layers(t, m, &g, &f, all_named(m, &g, &f, true));
    clear_founds(&f);
    clear_names(&g);
    return status;
}

// ------------------------------------------------------------------------------------------- weights of another model
//
// Files of models that hold ours as a part (a trunk inside a subclassed model) have other groups; their `name` attributes
// still say which layer each belongs to.

enum { GROUPS_MAX = 100000, DEPTH_MAX = 64 };

// Groups seen so far: links may lead to one group by many ways, and in circles. Open addressing; 0 is a free place.
typedef struct seen {
    twi_hdf5_object *at;
    size_t n, room;
} seen;

static size_t place_of(const seen *s, twi_hdf5_object object)
{
    size_t i = (size_t)((uint64_t)object * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (s->room - 1);
    while (s->at[i] && s->at[i] != object)
        i = (i + 1) & (s->room - 1);
    return i;
}

// *is_new: it was not. TW_ENOMEM.
static tw_status see(seen *s, twi_hdf5_object object, bool *is_new, tw_err *err)
{
    if (2 * s->n >= s->room) {
        seen larger = {.n = s->n, .room = s->room ? 2 * s->room : 256};
        larger.at = twi_new(larger.room, sizeof *larger.at, "a list of groups", err);
        if (!larger.at)
            return TW_ENOMEM;
        for (size_t i = 0; i < s->room; i++)
            if (s->at[i])
                larger.at[place_of(&larger, s->at[i])] = s->at[i];
        twi_free(s->at);
        *s = larger;
    }
    size_t i = place_of(s, object);
    *is_new = !s->at[i];
    s->n += *is_new;
    s->at[i] = object;
    return TW_OK;
}

static tw_status collect_groups(tree *t, twi_hdf5_object group, const char *name, int depth, seen *known,
                                founds *out)
{
    twi_hdf5_texts members = {0};
    bool is_new = false;
    tw_status status = see(known, group, &is_new, t->err);
    if (status || !is_new || depth >= DEPTH_MAX)
        return status;
    status = twi_hdf5_members(t->file, group, &members, t->err);
    for (size_t i = 0; !status && i < members.n && out->n < GROUPS_MAX; i++) {
        twi_hdf5_object object = 0;
        status = twi_hdf5_find(t->file, group, members.at[i], &object, t->err);
        if (status || !object || !twi_hdf5_is_group(t->file, object))
            continue;
        if (strcmp(members.at[i], "vars") == 0)
            status = push_group(t, group, name, out);
        else
            status = collect_groups(t, object, members.at[i], depth + 1, known, out);
    }
    twi_hdf5_texts_clear(&members);
    return status;
}

// Names every layer with weights, each once, or returns false.
static bool all_anywhere(const twi_weights *all, founds *f)
{
    for (int i = 0; i < all->n; i++)
        if (!one_named(f, all->layer[i]->name, true))
            return false;
    return all->n > 0;
}

static tw_status read_named(tree *t, const twi_weights *all, founds *f)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < all->n; i++) {
        if (i && all->layer[i] == all->layer[i - 1])
            continue;
        found *at = one_named(f, all->layer[i]->name, true);
        if (at) {
            at->is_used = true;
            status = read_vars(t, all->layer[i], at->object);
        } else if (t->stage.report) {
            twi_list_add(&t->stage.report->skipped, all->layer[i]->name);
        }
    }
    return status;
}

// `by_name`: layers that the file does not name keep what they have.
static tw_status read_anywhere(tree *t, tw_model *m, twi_hdf5_object root, bool by_name, bool *is_done)
{
    twi_weights all;
    founds f = {0};
    tw_status status = twi_model_weights(m, &all, t->err);
    if (status)
        return status;
    seen known = {0};
    status = collect_groups(t, root, "", 0, &known, &f);
    twi_free(known.at);
    for (size_t i = f.n; i-- > 0;)
        if (!f.at[i].has_data) { // a nest may be named as its layer is
            twi_free(f.at[i].name);
            f.at[i].name = NULL;
        }
    *is_done = !status && (by_name || all_anywhere(&all, &f));
    if (*is_done)
        status = read_named(t, &all, &f);
    if (*is_done && !status)
        tell_left_over(t, &f);
    if (*is_done && !status && !t->stage.arrays.n && !t->stage.n_failures)
        status = twi_fail(t->err, TW_EUNUSABLE, "%s names no layer that '%s' has", t->stage.file, m->name);
    clear_founds(&f);
    twi_weights_clear(&all);
    return status;
}

static bool fits_tree(tree *t, const tw_model *m, twi_hdf5_object layers, tw_status *status)
{
    group_names g;
    founds f = {0};
    *status = make_names(m, &g, t->err);
    if (*status)
        return false;
    *status = list_groups(t, layers, &f);
    bool fits = !*status && (all_named(m, &g, &f, true) || all_named(m, &g, &f, false));
    clear_founds(&f);
    clear_names(&g);
    return fits;
}

static tw_status read_weights(tree *t, tw_model *m)
{
    twi_hdf5_object root = twi_hdf5_root(t->file), layers = 0;
    tw_status status = layers_of(t, root, &layers);
    bool is_done = false;
    bool by_name = t->stage.o && t->stage.o->by_name;
    if (!status && (by_name || !fits_tree(t, m, layers, &status)) && !status)
        status = read_anywhere(t, m, root, by_name, &is_done);
    return status || is_done ? status : read_group(t, m, root);
}

// Slots are named by number, as a layer's variables are.
static tw_status read_slots(tree *t, tw_model *m)
{
    twi_hdf5_object vars = 0;
    twi_hdf5_texts members = {0};
    tw_status status = twi_hdf5_find(t->file, twi_hdf5_root(t->file), "optimizer/vars", &vars, t->err);
    if (!status && vars)
        status = twi_hdf5_members(t->file, vars, &members, t->err);
    twi_vec(twi_hdf5_object) data = {0};
    for (size_t i = 0; !status && i < members.n; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        twi_hdf5_object one = 0;
        status = twi_hdf5_find(t->file, vars, index, &one, t->err);
        if (!status && !twi_vec_push(&data, one, t->err))
            status = TW_ENOMEM;
    }
    if (!status)
        status = twi_slots_read(m, t->file, data.n, data.at, t->err);
    twi_vec_clear(&data);
    twi_hdf5_texts_clear(&members);
    return status;
}

tw_status twi_keras_tree_read(tw_model *m, twi_hdf5 *file, const char *path, bool wants_slots,
                              const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    tree t = {.file = file, .err = err};
    twi_stage_begin(&t.stage, path, o, report);
    tw_status status = twi_stage_finish(&t.stage, read_weights(&t, m), err);
    if (!status && wants_slots)
        status = read_slots(&t, m);
    return status;
}

// -------------------------------------------------------------------------------------------------------------- writing

// Every layer group of a model in the file's order, nests before what follows them; a shared layer at its first place.
typedef struct group_walk {
    twi_group_visitor visit;
    void *self;
    twi_vec(const twi_layer *) done;
    tw_err *err;
} group_walk;

static bool is_done(const group_walk *t, const twi_layer *layer)
{
    for (size_t i = 0; i < t->done.n; i++)
        if (t->done.at[i] == layer)
            return true;
    return false;
}

static tw_status walk_groups(group_walk *t, const tw_model *m, const char *group)
{
    group_names g;
    tw_status status = make_names(m, &g, t->err);
    if (status)
        return status;
    for (int i = 0; !status && i < g.n; i++) {
        const twi_layer *layer = m->layers.at[g.order[i]];
        char path[900];
        int n = snprintf(path, sizeof path, "%s/layers/%s", group, g.name[i]);
        if (n >= (int)sizeof path)
            status = twi_fail(t->err, TW_EUNSUPPORTED, "models are nested too deep for a file of weights");
        if (status || is_done(t, layer))
            continue;
        if (!twi_vec_push(&t->done, layer, t->err))
            status = TW_ENOMEM;
        if (!status)
            status = t->visit(t->self, layer, path, t->err);
        if (!status && layer->nested)
            status = walk_groups(t, layer->nested, path);
    }
    clear_names(&g);
    return status;
}

tw_status twi_keras_groups(const tw_model *m, twi_group_visitor visit, void *self, tw_err *err)
{
    group_walk walk = {.visit = visit, .self = self, .err = err};
    tw_status status = walk_groups(&walk, m, "");
    twi_vec_clear(&walk.done);
    return status;
}

static tw_status write_vars(void *self, const twi_layer *layer, const char *group, tw_err *err)
{
    twi_hdf5_writer *file = self;
    char path[1024];
    snprintf(path, sizeof path, "%s/vars", group);
    tw_status status = twi_hdf5_put_group(file, path, err);
    if (!status)
        status = twi_hdf5_put_text(file, path, "name", layer->name, err);
    for (int i = 0; !status && i < layer->n_weights; i++) {
        const twi_weight *w = &layer->weights[i];
        snprintf(path, sizeof path, "%s/vars/%d", group, i);
        if (!w->is_set)
            return twi_fail(err, TW_EUNUSABLE, "%s '%s': weight '%s' has no values to save",
                            layer->kind->name, layer->name, w->name);
        status = twi_hdf5_put_data(file, path, TWI_F32, &w->shape, w->data, err);
    }
    return status;
}

static tw_status write_slots(const tw_model *m, twi_hdf5_writer *w, tw_err *err)
{
    if (!m->slots.n)
        return TW_OK;
    const json_t *optimizer = json_object_get(json_object_get(m->compile, "optimizer"), "config");
    tw_status status = twi_hdf5_put_group(w, "/optimizer/vars", err);
    if (!status)
        status = twi_hdf5_put_text(w, "/optimizer/vars", "name",
                                   twi_json_string(optimizer, "name", "optimizer"), err);
    for (size_t i = 0; !status && i < m->slots.n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/optimizer/vars/%zu", i);
        status = twi_slot_write(&m->slots.at[i], w, path, err);
    }
    return status;
}

tw_status twi_keras_tree_write(const tw_model *m, twi_hdf5_writer *w, tw_err *err)
{
    tw_status status = twi_hdf5_put_group(w, "/vars", err);
    if (!status)
        status = twi_hdf5_put_text(w, "/vars", "name", m->name, err);
    if (!status)
        status = twi_keras_groups(m, write_vars, w, err);
    return status ? status : write_slots(m, w, err);
}

// ------------------------------------------------------------------------------------------------------------- the format

static bool keras_weights_is(const twi_source *source)
{
    twi_source copy = *source;
    copy.is_owner = false;
    if (!twi_hdf5_is(&copy))
        return false;
    twi_hdf5 *file = twi_hdf5_open(&copy, NULL);
    twi_hdf5_object layers = 0, vars = 0, names = 0;
    bool is = false;
    if (file) {
        twi_hdf5_object root = twi_hdf5_root(file);
        is = !twi_hdf5_find(file, root, "layers", &layers, NULL) &&
             !twi_hdf5_find(file, root, "_layer_checkpoint_dependencies", &names, NULL) &&
             !twi_hdf5_find(file, root, "vars", &vars, NULL) && (layers || vars || names);
    }
    twi_hdf5_close(file);
    return is;
}

static tw_status keras_weights_read(tw_model *m, twi_source *source, const twi_load_options *o,
                                    twi_load_report *report, tw_err *err)
{
    twi_hdf5 *file = twi_hdf5_open(source, err);
    tw_status status =
        file ? twi_keras_tree_read(m, file, source->name, false, o, report, err) : TW_EMALFORMED;
    twi_hdf5_close(file);
    return status;
}

static tw_status keras_weights_write(const tw_model *m, const char *path, tw_err *err)
{
    return twi_hdf5_write(m, path, twi_keras_tree_write, err);
}

const twi_format twi_format_keras_weights = {.name = "keras_weights",
                                             .doc = "Keras 3 weights",
                                             .suffix = ".weights.h5",
                                             .is = keras_weights_is,
                                             .read_weights = keras_weights_read,
                                             .write_weights = keras_weights_write,
                                             .list = twi_hdf5_list};
