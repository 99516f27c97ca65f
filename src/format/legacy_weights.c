// Legacy HDF5 weights: what Keras 1 and 2 wrote, and what Keras publishes its networks in (interop a2, a3).
//
//   attribute layer_names   names in model.layers order
//   /<layer>                attribute weight_names; one dataset each, "conv1/kernel:0" being a path inside the group
// Plain layers are matched by order (or by name where asked) and then by position inside the layer: names were never
// standardised. A nested model is one group whose order depends on what was frozen when it was saved, so inside it arrays
// are matched by the layer their name tells; positions serve only where every freeze state means the same.
// Source   keras.legacy.saving.legacy_h5_format, Keras 3.15.

#include "format/parts.h"

#include <stdio.h>
#include <string.h>

// -------------------------------------------------------------------------------------------------------------- the file

typedef struct saved {
    char *name;
    twi_hdf5_object object;
    twi_hdf5_texts weights;
    bool is_used;
} saved;

typedef struct legacy {
    twi_hdf5 *file;
    twi_stage stage;
    twi_vec(saved) groups; // those with weights
    tw_err *err;
} legacy;

static void clear(legacy *l)
{
    for (size_t i = 0; i < l->groups.n; i++) {
        twi_free(l->groups.at[i].name);
        twi_hdf5_texts_clear(&l->groups.at[i].weights);
    }
    twi_vec_clear(&l->groups);
}

static tw_status malformed(const legacy *l, const char *what, const char *name)
{
    return twi_fail_at(l->err, TW_EMALFORMED, l->stage.file, -1, "%s: %s '%s'", l->stage.file, what, name);
}

static tw_status list_group(legacy *l, twi_hdf5_object at, const char *name)
{
    saved s = {0};
    tw_status status = twi_hdf5_find(l->file, at, name, &s.object, l->err);
    if (!status && !s.object)
        return malformed(l, "layer_names tells of a group that is not there,", name);
    if (!status)
        status = twi_hdf5_texts_of(l->file, s.object, "weight_names", &s.weights, l->err);
    if (status || !s.weights.n)
        return status;
    s.name = twi_strdup(name, l->err);
    if (s.name && twi_vec_push(&l->groups, s, l->err))
        return TW_OK;
    twi_free(s.name);
    twi_hdf5_texts_clear(&s.weights);
    return TW_ENOMEM;
}

static tw_status list_groups(legacy *l)
{
    twi_hdf5_object at = twi_hdf5_root(l->file), inner = 0;
    twi_hdf5_texts names = {0};
    tw_status status = twi_hdf5_texts_of(l->file, at, "layer_names", &names, l->err);
    if (!status && !names.n)
        status = twi_hdf5_find(l->file, at, "model_weights", &inner, l->err);
    if (!status && inner) {
        at = inner;
        status = twi_hdf5_texts_of(l->file, at, "layer_names", &names, l->err);
    }
    for (size_t i = 0; !status && i < names.n; i++)
        status = list_group(l, at, names.at[i]);
    twi_hdf5_texts_clear(&names);
    return status;
}

static tw_status read_array(legacy *l, const saved *s, size_t i, const twi_layer *layer, twi_weight *w)
{
    twi_hdf5_object data = 0;
    tw_status status = twi_hdf5_find(l->file, s->object, s->weights.at[i], &data, l->err);
    if (!status && !data)
        return malformed(l, "weight_names tells of an array that is not there,", s->weights.at[i]);
    return status ? status : twi_stage_read(&l->stage, layer, w, l->file, data, l->err);
}

// -------------------------------------------------------------------------------------------------------- nested models

// "trunk/conv1/kernel:0" → length of "trunk/conv1".
static size_t layer_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

// Whether one of two paths ends with the other, at a '/'.
static bool is_same_layer(const char *a, size_t n, const char *b, size_t m)
{
    const char *longer = n >= m ? a : b, *shorter = n >= m ? b : a;
    size_t more = n >= m ? n - m : m - n, common = n >= m ? m : n;
    return common && memcmp(longer + more, shorter, common) == 0 && (more == 0 || longer[more - 1] == '/');
}

// file_of[i] = array of the file for weight i, by the layers the names tell. false: they do not tell.
static bool map_by_name(const twi_weights *all, const saved *s, int *file_of)
{
    for (int i = 0; i < all->n; i++)
        file_of[i] = -1;
    for (int i = 0; i < all->n; i++) {
        const twi_layer *layer = all->layer[i];
        if (i && all->layer[i - 1] == layer)
            continue;
        int n = 0;
        for (size_t j = 0; j < s->weights.n; j++) {
            const char *name = s->weights.at[j];
            if (!is_same_layer(name, layer_part(name), all->path[i], layer_part(all->path[i])))
                continue;
            if (n == layer->n_weights)
                return false;
            file_of[i + n++] = (int)j;
        }
        if (n != layer->n_weights)
            return false;
    }
    return true;
}

// How trained and untrained weights stood when the file was saved.
typedef enum twi_legacy_order {
    ALL_TRAINABLE,
    AS_FLAGGED,
    ALL_FROZEN,
} legacy_order;

static bool is_late(const twi_weight *w, legacy_order order)
{
    return order == ALL_TRAINABLE ? w->is_state : order == AS_FLAGGED ? !w->is_trainable : false;
}

static void map_by_place(const twi_weights *all, legacy_order order, int *file_of)
{
    int next = 0;
    for (int late = 0; late < 2; late++)
        for (int i = 0; i < all->n; i++)
            if (is_late(all->at[i], order) == late)
                file_of[i] = next++;
}

static tw_status shapes_fit(legacy *l, const twi_weights *all, const saved *s, const int *file_of, bool *fit)
{
    *fit = true;
    for (int i = 0; *fit && i < all->n; i++) {
        twi_hdf5_object data = 0;
        twi_hdf5_data info;
        tw_status status = twi_hdf5_find(l->file, s->object, s->weights.at[file_of[i]], &data, l->err);
        if (!status && !data)
            return malformed(l, "weight_names tells of an array that is not there,",
                             s->weights.at[file_of[i]]);
        if (!status)
            status = twi_hdf5_data_of(l->file, data, &info, l->err);
        if (status)
            return status;
        *fit = twi_shape_same(&info.shape, &all->at[i]->shape);
    }
    return TW_OK;
}

// Names that tell nothing: positions, if only one order of the three fits.
static tw_status guess(legacy *l, const twi_layer *nest, const twi_weights *all, const saved *s, int *file_of)
{
    size_t bytes = (size_t)all->n * sizeof *file_of;
    int *kept = twi_new((size_t)all->n, sizeof *kept, "an order", l->err);
    tw_status status = kept ? TW_OK : TW_ENOMEM;
    int n_fitting = 0;
    for (legacy_order order = ALL_TRAINABLE; !status && order <= ALL_FROZEN; order++) {
        bool fit;
        map_by_place(all, order, file_of);
        status = shapes_fit(l, all, s, file_of, &fit);
        if (status || !fit || (n_fitting && memcmp(kept, file_of, bytes) == 0))
            continue;
        memcpy(kept, file_of, bytes);
        n_fitting++;
    }
    if (!status && n_fitting != 1)
        status = twi_fail_at(
            l->err, TW_EUNUSABLE, l->stage.file, -1,
            "%s: the arrays of nested model '%s' have names that do not tell their layers, and %s",
            l->stage.file, nest->name,
            n_fitting ? "their order can be read in more than one way" : "their shapes fit in no order");
    if (!status)
        memcpy(file_of, kept, bytes);
    twi_free(kept);
    return status;
}

static tw_status read_nest(legacy *l, const twi_layer *nest, const saved *s)
{
    twi_weights all;
    tw_status status = twi_model_weights(nest->nested, &all, l->err);
    if (status)
        return status;
    if ((size_t)all.n != s->weights.n) {
        twi_stage_note(&l->stage, nest->name, "nested model '%s': has %zu arrays in %s, expected %d",
                       nest->name, s->weights.n, l->stage.file, all.n);
        twi_weights_clear(&all);
        return TW_OK;
    }
    int *file_of = twi_new((size_t)all.n, sizeof *file_of, "an order", l->err);
    if (!file_of)
        status = TW_ENOMEM;
    else if (!map_by_name(&all, s, file_of))
        status = guess(l, nest, &all, s, file_of);
    for (int i = 0; !status && i < all.n; i++)
        status = read_array(l, s, (size_t)file_of[i], all.layer[i], all.at[i]);
    twi_free(file_of);
    twi_weights_clear(&all);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- matching

static tw_status read_layer(legacy *l, const twi_layer *layer, saved *s)
{
    s->is_used = true;
    if (layer->nested)
        return read_nest(l, layer, s);
    char title[192];
    if ((int)s->weights.n != layer->n_weights) {
        twi_stage_note(&l->stage, layer->name, "%s: has %zu arrays in %s (as '%s'), expected %d",
                       twi_layer_title(layer, title, sizeof title), s->weights.n, l->stage.file, s->name,
                       layer->n_weights);
        return TW_OK;
    }
    tw_status status = TW_OK;
    for (int i = 0; !status && i < layer->n_weights; i++)
        status = read_array(l, s, (size_t)i, layer, &layer->weights[i]);
    return status;
}

static tw_status count_differs(const legacy *l, const tw_model *m, const int *order, int n)
{
    const twi_layer *odd = NULL; // where the two first part
    size_t j = 0;
    for (int i = 0; i < n && !odd; i++) {
        const twi_layer *layer = m->layers.at[order[i]];
        if (twi_layer_has_weights(layer) &&
            (j >= l->groups.n || strcmp(l->groups.at[j].name, layer->name) != 0))
            odd = layer;
        j += twi_layer_has_weights(layer);
    }
    int expected = 0;
    for (int i = 0; i < n; i++)
        expected += twi_layer_has_weights(m->layers.at[order[i]]);
    return twi_fail_at(l->err, TW_EUNUSABLE, l->stage.file, -1,
                       "%s: holds weights of %zu layers, model '%s' has %d; they part at layer '%s'\n"
                       "try  --by-name, which loads the layers whose names agree",
                       l->stage.file, l->groups.n, m->name, expected,
                       odd ? odd->name : l->groups.at[expected].name);
}

static tw_status read_in_order(legacy *l, const tw_model *m, const int *order, int n)
{
    int expected = 0;
    for (int i = 0; i < n; i++)
        expected += twi_layer_has_weights(m->layers.at[order[i]]);
    if ((size_t)expected != l->groups.n)
        return count_differs(l, m, order, n);
    tw_status status = TW_OK;
    size_t next = 0;
    for (int i = 0; !status && i < n; i++)
        if (twi_layer_has_weights(m->layers.at[order[i]]))
            status = read_layer(l, m->layers.at[order[i]], &l->groups.at[next++]);
    return status;
}

static tw_status read_by_name(legacy *l, const tw_model *m, const int *order, int n)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < n; i++) {
        const twi_layer *layer = m->layers.at[order[i]];
        saved *s = NULL;
        for (size_t j = 0; j < l->groups.n; j++)
            if (strcmp(l->groups.at[j].name, layer->name) == 0)
                s = &l->groups.at[j];
        if (s && twi_layer_has_weights(layer))
            status = read_layer(l, layer, s);
        else if (twi_layer_has_weights(layer) && l->stage.report)
            twi_list_add(&l->stage.report->skipped, layer->name);
    }
    return status;
}

tw_status twi_legacy_read(tw_model *m, twi_hdf5 *file, const char *path, const twi_load_options *o,
                          twi_load_report *report, tw_err *err)
{
    legacy l = {.file = file, .err = err};
    twi_stage_begin(&l.stage, path, o, report);
    int n = 0;
    int *order = twi_model_order(m, false, &n, err);
    tw_status status = order ? list_groups(&l) : TW_ENOMEM;
    if (!status)
        status = o && o->by_name ? read_by_name(&l, m, order, n) : read_in_order(&l, m, order, n);
    for (size_t i = 0; !status && report && i < l.groups.n; i++)
        if (!l.groups.at[i].is_used)
            twi_list_add(&report->left_over, l.groups.at[i].name);
    twi_free(order);
    clear(&l);
    return twi_stage_finish(&l.stage, status, err);
}

// -------------------------------------------------------------------------------------------------------------- writing

static tw_status put_weight(twi_hdf5_writer *w, const char *group, const char *name, const twi_weight *weight,
                            tw_err *err)
{
    char path[1600];
    if (!weight->is_set)
        return twi_fail(err, TW_EUNUSABLE, "weight '%s' has no values to save", name);
    snprintf(path, sizeof path, "%s/%s", group, name);
    return twi_hdf5_put_data(w, path, TWI_F32, &weight->shape, weight->data, err);
}

// A layer's weights with their names, nests flattened, in the order its group has.
static tw_status weights_of(const twi_layer *layer, legacy_order order, twi_weights *out, tw_err *err)
{
    twi_weights all = {0};
    *out = (twi_weights){0};
    if (layer->nested) {
        tw_status status = twi_model_weights(layer->nested, &all, err);
        int *place = status ? NULL : twi_new((size_t)all.n, sizeof *place, "an order", err);
        if (!place) {
            twi_weights_clear(&all);
            return TW_ENOMEM;
        }
        map_by_place(&all, layer->is_trainable || order == ALL_TRAINABLE ? order : ALL_FROZEN, place);
        *out = (twi_weights){.n = all.n,
                             .at = twi_new((size_t)all.n, sizeof *out->at, "an order", err),
                             .path = twi_new((size_t)all.n, sizeof *out->path, "an order", err)};
        bool ok = out->at && out->path;
        for (int i = 0; ok && i < all.n; i++) {
            out->at[place[i]] = all.at[i];
            out->path[place[i]] = all.path[i];
            all.path[i] = NULL;
        }
        twi_free(place);
        twi_weights_clear(&all);
        if (!ok)
            twi_weights_clear(out);
        return ok ? TW_OK : TW_ENOMEM;
    }
    size_t n = (size_t)layer->n_weights;
    *out = (twi_weights){.n = (int)n,
                         .at = twi_new(n, sizeof *out->at, "names", err),
                         .path = twi_new(n, sizeof *out->path, "names", err)};
    bool ok = out->at && out->path;
    for (size_t i = 0; ok && i < n; i++) {
        char name[300];
        snprintf(name, sizeof name, "%.200s/%.80s", layer->name, layer->weights[i].name);
        out->at[i] = &layer->weights[i];
        out->path[i] = twi_strdup(name, err);
        ok = out->path[i];
    }
    return ok ? TW_OK : TW_ENOMEM;
}

static tw_status write_layer(const twi_layer *layer, twi_hdf5_writer *w, const char *at, tw_err *err)
{
    char group[400];
    snprintf(group, sizeof group, "%s/%.300s", at, layer->name);
    twi_weights all;
    // A file of weights only is loaded into fresh models; a whole model is rebuilt with its flags.
    tw_status status = weights_of(layer, *at ? AS_FLAGGED : ALL_TRAINABLE, &all, err);
    if (!status)
        status = twi_hdf5_put_group(w, group, err);
    if (!status)
        status =
            twi_hdf5_put_texts(w, group, "weight_names", (size_t)all.n, (const char *const *)all.path, err);
    for (int i = 0; !status && i < all.n; i++)
        status = put_weight(w, group, all.path[i], all.at[i], err);
    twi_weights_clear(&all);
    return status;
}

tw_status twi_legacy_write(const tw_model *m, twi_hdf5_writer *w, const char *at, tw_err *err)
{
    int n = 0;
    int *order = twi_model_order(m, false, &n, err);
    const char **names = order ? twi_new((size_t)n, sizeof *names, "names", err) : NULL;
    tw_status status = names ? TW_OK : TW_ENOMEM;
    const char *object = *at ? at : "/";
    if (!status)
        status = *at ? twi_hdf5_put_group(w, at, err) : TW_OK;
    for (int i = 0; !status && i < n; i++) {
        names[i] = m->layers.at[order[i]]->name;
        status = write_layer(m->layers.at[order[i]], w, at, err);
    }
    if (!status)
        status = twi_hdf5_put_texts(w, object, "layer_names", (size_t)n, names, err);
    if (!status)
        status = twi_hdf5_put_text(w, object, "backend", "tensorflow", err);
    if (!status)
        status = twi_hdf5_put_text(w, object, "keras_version", "3.15.1", err);
    twi_free(names);
    twi_free(order);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- the format

static bool legacy_weights_is(const twi_source *source)
{
    twi_source copy = *source;
    copy.is_owner = false;
    twi_hdf5 *file = twi_hdf5_is(&copy) ? twi_hdf5_open(&copy, NULL) : NULL;
    twi_hdf5_texts names = {0};
    twi_hdf5_object inner = 0;
    bool is = false;
    if (file) {
        twi_hdf5_object root = twi_hdf5_root(file);
        char *config = NULL;
        is = !twi_hdf5_texts_of(file, root, "layer_names", &names, NULL) &&
             !twi_hdf5_find(file, root, "model_weights", &inner, NULL) &&
             !twi_hdf5_text(file, root, "model_config", &config, NULL) && !config && (names.n || inner);
        twi_free(config);
    }
    twi_hdf5_texts_clear(&names);
    twi_hdf5_close(file);
    return is;
}

static tw_status legacy_weights_read(tw_model *m, twi_source *source, const twi_load_options *o,
                                     twi_load_report *report, tw_err *err)
{
    twi_hdf5 *file = twi_hdf5_open(source, err);
    tw_status status = file ? twi_legacy_read(m, file, source->name, o, report, err) : TW_EMALFORMED;
    twi_hdf5_close(file);
    return status;
}

static tw_status fill(const tw_model *m, twi_hdf5_writer *w, tw_err *err)
{
    return twi_legacy_write(m, w, "", err);
}

static tw_status legacy_weights_write(const tw_model *m, const char *path, tw_err *err)
{
    return twi_hdf5_write(m, path, fill, err);
}

const twi_format twi_format_legacy_weights = {.name = "legacy_weights",
                                              .doc = "weights of Keras 1 and 2",
                                              .suffix = ".h5",
                                              .is = legacy_weights_is,
                                              .read_weights = legacy_weights_read,
                                              .write_weights = legacy_weights_write,
                                              .list = twi_hdf5_list};
