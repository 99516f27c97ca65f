// What a model from elsewhere says about its pictures: labels.txt beside it, scaling inside it, a trunk we know.
//
//   Rescaling or Normalization right after the input   the model takes raw pixels: mode raw, inside true
//   Teachable Machine (keras_model.h5 and labels.txt)  x / 127.5 − 1, pictures cropped to a square
//   a trunk of the zoo, by name or by its layers       the family's mode
// Else `preprocessing.mode` stays absent, and whoever needs it asks for --preprocess. Guessing wrong would give pictures
// that look random to the network without any error. Models from here carry all this (graph/info.h) and are left alone.

#include "format/parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --------------------------------------------------------------------------------------------------------------- labels

typedef struct lines {
    int n;
    char **at; // lent by `text`
    char *text;
    bool is_indexed; // "0 cats", "1 dogs": the numbers are stripped
} lines;

static void clear_lines(lines *l)
{
    twi_free(l->at);
    twi_free(l->text);
}

// The text after a leading index, or NULL.
static char *after_index(char *line, int index)
{
    char *end;
    long number = strtol(line, &end, 10);
    if (end == line || number != index || (*end != ' ' && *end != '\t' && *end != ':' && *end != ','))
        return NULL;
    while (*end == ' ' || *end == '\t' || *end == ':' || *end == ',')
        end++;
    return *end ? end : NULL;
}

static tw_status split_lines(lines *l, tw_err *err)
{
    int n = 0;
    for (const char *c = l->text; *c; c++)
        n += *c == '\n';
    l->at = twi_new((size_t)n + 1, sizeof *l->at, "labels", err);
    char *rest = l->text;
    for (char *line; l->at && (line = strsep(&rest, "\n"));) {
        size_t length = strlen(line);
        while (length && isspace((unsigned char)line[length - 1]))
            line[--length] = 0;
        if (length)
            l->at[l->n++] = line;
    }
    if (!l->at)
        return TW_ENOMEM;
    l->is_indexed = l->n > 0;
    for (int i = 0; i < l->n; i++)
        l->is_indexed = l->is_indexed && after_index(l->at[i], i);
    for (int i = 0; l->is_indexed && i < l->n; i++)
        l->at[i] = after_index(l->at[i], i);
    return TW_OK;
}

enum { LABELS_BYTES_MAX = 1 << 20 };

// labels.txt beside the file, or in the folder. None, or one that cannot be read: no lines, no error.
static tw_status read_lines(const char *path, lines *l, tw_err *err)
{
    twi_str beside = {0};
    *l = (lines){0};
    twi_str_printf(&beside, "%s/labels.txt", path);
    if (!beside.text || !twi_file_exists(beside.text)) {
        twi_str_clear(&beside);
        twi_str_add_n(&beside, path, (size_t)(twi_base_name(path) - path));
        twi_str_add(&beside, "labels.txt");
    }
    twi_source source;
    tw_status status = beside.failed ? twi_fail_memory(err, 0, "a file name") : TW_OK;
    if (!status && twi_file_exists(beside.text) && !twi_source_open(&source, beside.text, NULL)) {
        size_t n = 0;
        l->text = source.size <= LABELS_BYTES_MAX ? twi_source_all(&source, &n, NULL) : NULL;
        twi_source_close(&source);
        status = l->text ? split_lines(l, err) : TW_OK;
    }
    twi_str_clear(&beside);
    return status;
}

// How many classes the model tells apart: its last size; one sigmoid unit tells two.
static int64_t n_classes(const tw_model *m)
{
    tw_shape out = twi_model_shape(m, m->outputs.at[0]);
    int64_t n = out.rank == 2 ? out.dim[1] : 0;
    return n == 1 ? 2 : n;
}

tw_status twi_labels_load(tw_model *m, const char *path, tw_err *err)
{
    lines l = {0};
    twi_source source;
    size_t size = 0;
    tw_status status = twi_source_open(&source, path, err);
    if (status)
        return status;
    if (source.size > LABELS_BYTES_MAX)
        status =
            twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' is too large for a list of class names", path);
    else
        l.text = twi_source_all(&source, &size, err);
    twi_source_close(&source);
    if (!status)
        status = l.text ? split_lines(&l, err) : err->status;
    if (!status && (!l.n || l.n != n_classes(m)))
        status =
            twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' names %d classes, model '%s' tells %lld apart",
                        path, l.n, m->name, (long long)n_classes(m));
    if (!status)
        status = twi_info_set_labels(m, l.n, (const char *const *)l.at, err);
    clear_lines(&l);
    return status;
}

// ------------------------------------------------------------------------------------------------------- scaling inside

typedef enum start { START_OTHER, START_SCALING, START_NOTHING } start;

static const twi_node *consumer(const tw_model *m, int node)
{
    for (size_t i = 0; i < m->nodes.n; i++)
        for (int j = 0; j < m->nodes.at[i].n_in; j++)
            if (m->nodes.at[i].in[j].node == node)
                return &m->nodes.at[i];
    return NULL;
}

// Scaling by layers, or by arithmetic on the input: x / 127.5 - 1.
static start step_of(const tw_layer_kind *kind)
{
    static const char *const scaling[] = {"Rescaling", "Normalization", "TrueDivide", "Multiply",
                                          "Subtract",  "Add",           "Flip"};
    for (size_t i = 0; i < sizeof scaling / sizeof *scaling; i++)
        if (strcmp(kind->name, scaling[i]) == 0 && (i < 2 || (kind->flags & TWI_KIND_OP)))
            return START_SCALING;
    bool passes = kind->flags & TWI_KIND_RANDOM || kind == &twi_layer_identity || kind == &twi_layer_resizing;
    return passes ? START_NOTHING : START_OTHER;
}

// The first thing that happens to the picture; layers that only augment or resize are passed.
static start first_step(const tw_model *m)
{
    const twi_node *node = consumer(m, m->inputs.at[0].node);
    while (node) {
        const twi_layer *layer = m->layers.at[node->layer];
        start s = layer->nested ? first_step(layer->nested) : step_of(layer->kind);
        if (s != START_NOTHING)
            return s;
        node = consumer(m, (int)(node - m->nodes.at));
    }
    return START_NOTHING;
}

// ---------------------------------------------------------------------------------------------------------------- trunk

static bool has_layer(const tw_model *m, const char *name)
{
    return twi_model_find(m, name) != NULL;
}

// "mobilenet_v2:0.35"
static void variant_name(const twi_zoo_variant *v, char *name, size_t size)
{
    if (v->alpha > 0 && v->alpha != 1)
        snprintf(name, size, "%.60s:%g", v->name, v->alpha);
    else
        snprintf(name, size, "%.60s", v->name);
}

// How much of the variant is in the model: its weighted layers that are there, by name; 0 where any is missing.
static int common_layers(const tw_model *m, const twi_zoo_variant *v)
{
    char name[96];
    variant_name(v, name, sizeof name);
    twi_zoo_options o = {.has_top = false};
    tw_model *trunk = twi_zoo_build(name, &o, NULL);
    int n = 0;
    for (size_t i = 0; trunk && i < trunk->layers.n; i++) {
        const twi_layer *layer = trunk->layers.at[i];
        if (!layer->n_weights)
            continue;
        const twi_layer *same = has_layer(m, layer->name) ? twi_model_find(m, layer->name) : NULL;
        bool fits = same && same->kind == layer->kind && same->n_weights == layer->n_weights;
        for (int j = 0; fits && j < layer->n_weights; j++)
            fits = twi_shape_same(&same->weights[j].shape, &layer->weights[j].shape);
        if (!fits) {
            n = 0;
            break;
        }
        n++;
    }
    twi_model_free(trunk);
    return n;
}

enum { LAYERS_MIN = 8 }; // fewer could agree by chance (conv2d, conv2d_1 …)

static const twi_zoo_variant *find_trunk(const tw_model *m)
{
    const twi_zoo_variant *best = NULL;
    int most = LAYERS_MIN - 1;
    for (int i = 0; twi_families[i]; i++)
        for (const twi_zoo_variant *v = twi_families[i]->variants; v->name; v++) {
            int n = common_layers(m, v);
            if (n > most)
                most = n, best = v;
        }
    return best;
}

// ------------------------------------------------------------------------------------------------------------------ size

// The Resizing that the picture comes to first, or NULL.
static const twi_node *first_resizing(const tw_model *m)
{
    const twi_node *node = consumer(m, m->inputs.at[0].node);
    while (node) {
        const twi_layer *layer = m->layers.at[node->layer];
        if (layer->kind == &twi_layer_resizing)
            return node;
        if (layer->nested)
            return first_resizing(layer->nested);
        if (step_of(layer->kind) == START_OTHER)
            return NULL;
        node = consumer(m, (int)(node - m->nodes.at));
    }
    return NULL;
}

const twi_zoo_variant *twi_model_known_trunk(const tw_model *m)
{
    const char *name = twi_info_text(m, "trunk", NULL);
    const twi_zoo_family *family;
    tw_err ignored = {0};
    const twi_zoo_variant *v = name ? twi_zoo_find(name, &family, &ignored) : NULL;
    return v ? v : find_trunk(m);
}

bool twi_model_known_size(const tw_model *m, int64_t size[2])
{
    const twi_node *resizing = m->inputs.n ? first_resizing(m) : NULL;
    const twi_zoo_variant *v = resizing ? NULL : twi_model_known_trunk(m);
    if (v)
        size[0] = size[1] = v->input_size;
    for (int i = 0; resizing && i < 2; i++)
        size[i] = resizing->out[0].dim[1 + i];
    return v || resizing;
}

// ------------------------------------------------------------------------------------------------------------ recognising

static tw_status set_inside(tw_model *m, bool inside, tw_err *err)
{
    json_t *p = json_object_get(m->info, "preprocessing");
    return json_object_set_new(p, "inside", json_boolean(inside)) == 0
               ? TW_OK
               : twi_fail_memory(err, 0, "model info");
}

static tw_status set_mode(tw_model *m, const char *mode, bool inside, tw_err *err)
{
    tw_status status = twi_info_set_text(m, "preprocessing.mode", mode, err);
    return status ? status : set_inside(m, inside, err);
}

static tw_status recognise_mode(tw_model *m, const char *path, const lines *labels, const twi_load_options *o,
                                tw_err *err)
{
    if (first_step(m) == START_SCALING)
        return set_mode(m, "raw", true, err);
    if (labels->is_indexed && strcmp(twi_base_name(path), "keras_model.h5") == 0) {
        tw_status status = set_mode(m, "tf", false, err);
        return status ? status : twi_info_set_text(m, "preprocessing.resize", "crop", err);
    }
    const twi_zoo_variant *v = o && o->variant ? o->variant : find_trunk(m);
    if (!v)
        return TW_OK;
    tw_status status = set_mode(m, v->preprocess, false, err);
    char name[96];
    variant_name(v, name, sizeof name);
    return status ? status : twi_info_set_text(m, "trunk", name, err);
}

tw_status twi_recognise(tw_model *m, const char *path, const twi_load_options *o, tw_err *err)
{
    if (json_object_get(m->info, "preprocessing"))
        return TW_OK;
    lines labels;
    tw_status status = read_lines(path, &labels, err);
    if (!status)
        status = recognise_mode(m, path, &labels, o, err);
    if (!status && !twi_info_n_labels(m) && labels.n && labels.n == n_classes(m))
        status = twi_info_set_labels(m, labels.n, (const char *const *)labels.at, err);
    clear_lines(&labels);
    return status;
}
