// TensorFlow.js layers models: model.json beside binary shards, as its converter, its own save() and Teachable Machine write.
//
//   modelTopology     a Keras 2 object, or {"model_config": that}
//   weightsManifest   [{"paths": ["group1-shard1of2.bin", …], "weights": [{"name": "conv/kernel", "shape", "dtype",
//                     "quantization": {"dtype": "uint8", "min", "scale"}}, …]}, …]
// The shards of a group are one run of bytes, its weights one after the other. Quantized values are q · scale + min. A
// weight belongs to the layer its name tells; inside a layer names, then places decide, since Keras renamed some.
// Teachable Machine's metadata.json has the labels. Read only; shards must stand beside the file.
// Source   tensorflow/tfjs-converter, docs on the web format; tfjs-core io/types.ts

#include "format/parts.h"

#include "graph/info.h"

#include <string.h>

enum { GROUPS_MAX = 4096, SHARDS_MAX = 512, HEAD_MAX = 65536 };

static bool tfjs_is(const twi_source *source)
{
    static char const *const marks[] = {"\"modelTopology\"", "\"weightsManifest\"", "\"graph-model\"",
                                        "\"layers-model\""};
    size_t n = source->size < HEAD_MAX ? (size_t)source->size : HEAD_MAX;
    char first = 0;
    if (n < 2 || twi_source_read(source, 0, &first, 1, NULL) ||
        (first != '{' && first != ' ' && first != '\n'))
        return false;
    char *head = twi_new(n + 1, 1, "a file's head", NULL);
    bool is = false;
    if (head && !twi_source_read(source, 0, head, n, NULL))
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            is = is || strstr(head, marks[i]);
    twi_free(head);
    return is;
}

// ----------------------------------------------------------------------------------------------------------- the shards

typedef struct shards {
    int n;
    twi_source at[SHARDS_MAX];
    uint64_t end[SHARDS_MAX]; // where each ends in the group's bytes
} shards;

typedef struct entry {
    const char *name;
    const json_t *json;
    const shards *bytes;
    uint64_t first, size;
    tw_shape shape;
    twi_dtype dtype; // as stored, unless is_quantized
    bool is_quantized;
    int width; // bytes of a number
    double min, scale;
} entry;

typedef struct reading {
    const char *path; // of model.json
    twi_vec(shards *) groups;
    twi_vec(entry) entries;
    twi_stage stage;
    tw_err *err;
} reading;

static tw_status bad(reading *r, const char *what, const char *name)
{
    return twi_fail_at(r->err, TW_EMALFORMED, r->path, -1, "%s: %s '%.200s'", r->path, what, name);
}

static void clear(reading *r)
{
    for (size_t i = 0; i < r->groups.n; i++) {
        for (int j = 0; j < r->groups.at[i]->n; j++)
            twi_source_close(&r->groups.at[i]->at[j]);
        twi_free(r->groups.at[i]);
    }
    twi_vec_clear(&r->groups);
    twi_vec_clear(&r->entries);
}

static tw_status open_shard(reading *r, shards *group, const char *name)
{
    name = twi_str_starts(name, "./") ? name + 2 : name;
    if (!*name || strchr(name, '/') || strcmp(name, "..") == 0)
        return bad(r, "a shard must be a file beside it, not", name);
    if (group->n == SHARDS_MAX)
        return bad(r, "more than 512 shards in a group, at", name);
    twi_str path = {0};
    twi_str_add_n(&path, r->path, (size_t)(twi_base_name(r->path) - r->path));
    twi_str_add(&path, name);
    tw_status status = path.failed ? twi_fail_memory(r->err, 0, "a file name")
                                   : twi_source_open(&group->at[group->n], path.text, r->err);
    twi_str_clear(&path);
    if (status)
        return status;
    uint64_t before = group->n ? group->end[group->n - 1] : 0;
    group->end[group->n] = before + group->at[group->n].size;
    group->n++;
    return TW_OK;
}

static tw_status read_bytes(const shards *group, uint64_t at, void *dst, uint64_t n, tw_err *err)
{
    uint8_t *to = dst;
    for (int i = 0; n && i < group->n; i++) {
        uint64_t begin = i ? group->end[i - 1] : 0;
        if (at >= group->end[i])
            continue;
        uint64_t here = group->end[i] - at < n ? group->end[i] - at : n;
        tw_status status = twi_source_read(&group->at[i], at - begin, to, (size_t)here, err);
        if (status)
            return status;
        at += here, to += here, n -= here;
    }
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------------- the manifest

static tw_status read_dtype(reading *r, entry *e)
{
    static const struct {
        const char *name;
        twi_dtype dtype;
    } known[] = {
        {"float32", TWI_F32}, {"float16", TWI_F16}, {"int32", TWI_I32}, {"uint8", TWI_U8}, {"bool", TWI_U8}};
    const json_t *q = json_object_get(e->json, "quantization");
    const char *name = twi_json_string(json_is_object(q) ? q : e->json, "dtype", "");
    e->is_quantized = json_is_object(q) && strcmp(name, "float16") != 0;
    e->min = twi_json_number(q, "min", 0);
    e->scale = twi_json_number(q, "scale", 1);
    if (e->is_quantized && (strcmp(name, "uint8") == 0 || strcmp(name, "uint16") == 0)) {
        e->width = name[4] == '8' ? 1 : 2;
        return TW_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!e->is_quantized && strcmp(known[i].name, name) == 0) {
            e->dtype = known[i].dtype;
            e->width = (int)twi_dtype_size(e->dtype);
            return TW_OK;
        }
    return twi_fail_at(r->err, TW_EUNSUPPORTED, r->path, -1,
                       "not supported yet: %s: '%.100s' holds values of type '%.30s'", r->path, e->name,
                       name);
}

static tw_status read_entry(reading *r, const json_t *json, const shards *group, uint64_t *at)
{
    entry e = {.name = twi_json_string(json, "name", NULL), .json = json, .bytes = group, .first = *at};
    const json_t *sizes = json_object_get(json, "shape");
    if (!e.name || !json_is_array(sizes) || json_array_size(sizes) > TW_RANK_MAX)
        return bad(r, "a weight without name and shape,", e.name ? e.name : "");
    e.shape.rank = (int32_t)json_array_size(sizes);
    for (int i = 0; i < e.shape.rank; i++) {
        const json_t *size = json_array_get(sizes, (size_t)i);
        e.shape.dim[i] = json_is_integer(size) ? (int64_t)json_integer_value(size) : -1;
        if (e.shape.dim[i] < 0 || e.shape.dim[i] > TW_DIM_MAX)
            return bad(r, "impossible shape of", e.name);
    }
    tw_status status = read_dtype(r, &e);
    if (status)
        return status;
    int64_t bytes;
    if (twi_shape_count(&e.shape) < 0 || !twi_mul(twi_shape_count(&e.shape), e.width, &bytes))
        return bad(r, "impossible shape of", e.name);
    e.size = (uint64_t)bytes;
    uint64_t total = group->n ? group->end[group->n - 1] : 0;
    if (e.first > total || e.size > total - e.first)
        return bad(r, "its shards end before weight", e.name);
    *at += e.size;
    return twi_vec_push(&r->entries, e, r->err) ? TW_OK : TW_ENOMEM;
}

static tw_status read_group(reading *r, const json_t *json)
{
    shards *group = twi_new(1, sizeof *group, "shards", r->err);
    if (!group || !twi_vec_push(&r->groups, group, r->err)) {
        twi_free(group);
        return TW_ENOMEM;
    }
    const json_t *paths = json_object_get(json, "paths"), *weights = json_object_get(json, "weights");
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < json_array_size(paths); i++) {
        const char *name = json_string_value(json_array_get(paths, i));
        status = name ? open_shard(r, group, name) : bad(r, "a path that is no text", "");
    }
    uint64_t at = 0;
    for (size_t i = 0; !status && i < json_array_size(weights); i++)
        status = read_entry(r, json_array_get(weights, i), group, &at);
    return status;
}

static tw_status read_manifest(reading *r, const json_t *json)
{
    const json_t *manifest = json_object_get(json, "weightsManifest");
    if (!json_is_array(manifest) || json_array_size(manifest) > GROUPS_MAX)
        return bad(r, "has no list", "weightsManifest");
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < json_array_size(manifest); i++)
        status = read_group(r, json_array_get(manifest, i));
    return status;
}

// ------------------------------------------------------------------------------------------------------------- weights

// "a/conv/kernel": the layer's name is the last part but one; :0 may follow.
static bool is_of_layer(const entry *e, const char *layer)
{
    const char *last = strrchr(e->name, '/');
    size_t n = strlen(layer);
    if (!last || (size_t)(last - e->name) < n || strncmp(last - n, layer, n) != 0)
        return false;
    return last - n == e->name || last[-(ptrdiff_t)n - 1] == '/';
}

static bool is_called(const entry *e, const char *weight)
{
    const char *last = strrchr(e->name, '/');
    size_t n = strlen(weight);
    return last && strncmp(last + 1, weight, n) == 0 && (!last[1 + n] || last[1 + n] == ':');
}

// The entry of the layer's i-th weight: by its name, else by its place among the layer's.
static const entry *find(const reading *r, const twi_layer *layer, int i)
{
    const entry *placed = NULL;
    int n = 0;
    for (size_t j = 0; j < r->entries.n; j++) {
        const entry *e = &r->entries.at[j];
        if (!is_of_layer(e, layer->name))
            continue;
        if (is_called(e, layer->weights[i].name))
            return e;
        placed = n++ == i ? e : placed;
    }
    return placed;
}

static void widen(const entry *e, const void *bytes, float *values, size_t n)
{
    if (!e->is_quantized) {
        twi_to_f32(e->dtype, bytes, values, n);
        return;
    }
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        unsigned q = e->width == 2 ? (unsigned)b[2 * i] | (unsigned)b[2 * i + 1] << 8 : b[i];
        values[i] = (float)(q * e->scale + e->min);
    }
}

static tw_status stage_entry(reading *r, const twi_layer *layer, twi_weight *w, const entry *e)
{
    size_t n = (size_t)twi_shape_count(&e->shape);
    uint8_t *bytes = twi_new((size_t)e->size + 1, 1, "a weight", r->err);
    float *values = twi_new(n, sizeof *values, "a weight", r->err);
    tw_status status = bytes && values ? read_bytes(e->bytes, e->first, bytes, e->size, r->err) : TW_ENOMEM;
    if (!status) {
        widen(e, bytes, values, n);
        status = twi_stage_copy(&r->stage, layer, w, &e->shape, values, r->err);
    }
    twi_free(bytes);
    twi_free(values);
    return status;
}

static tw_status stage_all(reading *r, tw_model *m)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, r->err);
    for (int i = 0; !status && i < all.n; i++) {
        char title[192];
        const entry *e = find(r, all.layer[i], (int)(all.at[i] - all.layer[i]->weights));
        if (e)
            status = stage_entry(r, all.layer[i], all.at[i], e);
        else
            twi_stage_note(&r->stage, all.path[i], "%s: %s is not in %s",
                           twi_layer_title(all.layer[i], title, sizeof title), all.at[i]->name,
                           r->stage.file);
    }
    twi_weights_clear(&all);
    return status;
}

static tw_status read_weights(const json_t *json, tw_model *m, const char *path, const twi_load_options *o,
                              twi_load_report *report, tw_err *err)
{
    reading r = {.path = path, .err = err};
    twi_stage_begin(&r.stage, path, o, report);
    tw_status status = read_manifest(&r, json);
    if (!status)
        status = stage_all(&r, m);
    status = twi_stage_finish(&r.stage, status, err);
    clear(&r);
    return status;
}

// ----------------------------------------------------------------------------------------------------------- the model

static json_t *read_json(twi_source *source, tw_err *err)
{
    size_t n;
    char *text = twi_source_all(source, &n, err);
    json_t *json = text ? twi_json_parse(source->name, text, n, err) : NULL;
    twi_free(text);
    return json;
}

// What Teachable Machine says of its classes; pictures are cut square and scaled to −1…1.
static tw_status read_metadata(tw_model *m, const char *path, tw_err *err)
{
    twi_str beside = {0};
    twi_str_add_n(&beside, path, (size_t)(twi_base_name(path) - path));
    twi_str_add(&beside, "metadata.json");
    json_t *metadata = beside.text && twi_file_exists(beside.text) ? twi_json_read(beside.text, NULL) : NULL;
    twi_str_clear(&beside);
    const json_t *labels = json_object_get(metadata, "labels");
    const char *names[1024];
    int n = (int)json_array_size(labels);
    tw_status status = TW_OK;
    bool is_list = n > 0 && n <= 1024;
    for (int i = 0; is_list && i < n; i++)
        is_list = (names[i] = json_string_value(json_array_get(labels, (size_t)i))) != NULL;
    tw_shape out = twi_model_shape(m, m->outputs.at[0]);
    if (is_list && twi_shape_last(&out) == n)
        status = twi_info_set_labels(m, n, names, err);
    if (!status && twi_str_starts(twi_json_string(metadata, "packageName", ""), "@teachablemachine/image")) {
        status = twi_info_set_text(m, "preprocessing.mode", "tf", err);
        if (!status)
            status = twi_info_set_text(m, "preprocessing.resize", "crop", err);
    }
    json_decref(metadata);
    return status;
}

static tw_model *build(const json_t *json, const char *path, tw_err *err)
{
    const json_t *topology = json_object_get(json, "modelTopology");
    const json_t *config = json_object_get(topology, "model_config");
    if (strcmp(twi_json_string(json, "format", ""), "graph-model") == 0 ||
        json_object_get(topology, "node")) {
        twi_fail_at(err, TW_EUNSUPPORTED, path, -1,
                    "not supported yet: '%s' is a TensorFlow.js graph model, without Keras layers\n"
                    "try  the layers model (tfjs_layers_model) of the same network",
                    path);
        return NULL;
    }
    if (!json_is_object(topology)) {
        twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' holds weights only, no model", path);
        return NULL;
    }
    return twi_keras_build(json_is_object(config) ? config : topology, path, err);
}

static tw_model *tfjs_read(twi_source *source, const twi_load_options *o, twi_load_report *report,
                           tw_err *err)
{
    json_t *json = read_json(source, err);
    tw_model *m = json ? build(json, source->name, err) : NULL;
    if (m && (read_weights(json, m, source->name, o, report, err) || read_metadata(m, source->name, err))) {
        twi_model_free(m);
        m = NULL;
    }
    json_decref(json);
    return m;
}

static tw_status tfjs_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                   twi_load_report *report, tw_err *err)
{
    json_t *json = read_json(source, err);
    tw_status status = json ? read_weights(json, m, source->name, o, report, err) : TW_EMALFORMED;
    json_decref(json);
    return status;
}

const twi_format twi_format_tfjs = {.name = "tfjs",
                                    .doc = "TensorFlow.js layers model",
                                    .is = tfjs_is,
                                    .read_model = tfjs_read,
                                    .read_weights = tfjs_read_weights};
