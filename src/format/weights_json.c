// Sharded Keras 3 weights: an index .weights.json beside numbered .weights.h5 files (interop b5).
//
//   {"metadata": {…}, "weight_map": {"/layers/dense/vars": "m_00000.weights.h5" or a list of them, …}}
// Each shard is a tree like keras_weights.c's with some of the groups. Shards are named relative to the index and must
// stand beside it. Weights are found by the groups Keras would give them. Writing begins a new shard where the next array
// would make the last too large; all shards are whole before the first is renamed, and the index comes last.

#include "format/parts.h"

#include <stdio.h>
#include <string.h>

static bool weights_json_is(const twi_source *source)
{
    char head[4096];
    size_t n = source->size < sizeof head - 1 ? (size_t)source->size : sizeof head - 1;
    if (n < 2 || twi_source_read(source, 0, head, n, NULL))
        return false;
    head[n] = 0;
    const char *first = head + strspn(head, " \t\r\n");
    return *first == '{' && (strstr(head, "\"weight_map\"") || strstr(head, "\"total_size\""));
}

// ----------------------------------------------------------------------------------------------------------- the shards

typedef struct shard {
    char *name;
    twi_source source;
    twi_hdf5 *file;
} shard;

enum { SHARDS_MAX = 4096 };

typedef struct sharded {
    const char *index; // path of the index
    const json_t *map;
    twi_vec(shard *) shards; // those opened so far
    twi_stage stage;
} sharded;

static void close_shard(shard *s)
{
    twi_hdf5_close(s->file);
    if (s->name)
        twi_source_close(&s->source);
    twi_free(s->name);
    twi_free(s);
}

// The shard of this name, opened at first use. It must stand beside the index.
static shard *open_shard(sharded *w, const char *name, tw_err *err)
{
    for (size_t i = 0; i < w->shards.n; i++)
        if (strcmp(w->shards.at[i]->name, name) == 0)
            return w->shards.at[i];
    if (strchr(name, '/') || strcmp(name, "..") == 0 || w->shards.n == SHARDS_MAX) {
        twi_fail_at(err, TW_EMALFORMED, w->index, -1, "%s: shard '%s' is no file beside it", w->index, name);
        return NULL;
    }
    twi_str path = {0};
    twi_str_add_n(&path, w->index, (size_t)(twi_base_name(w->index) - w->index));
    twi_str_add(&path, name);
    shard *s = path.failed ? NULL : twi_new(1, sizeof *s, "a shard", err);
    bool ok = s && !twi_source_open(&s->source, path.text, err);
    if (ok) {
        s->name = twi_strdup(name, err);
        s->file = s->name ? twi_hdf5_open(&s->source, err) : NULL;
        if (!s->name)
            twi_source_close(&s->source);
    }
    ok = ok && s->file && twi_vec_push(&w->shards, s, err);
    if (s && !ok) {
        close_shard(s);
        s = NULL;
    }
    twi_str_clear(&path);
    return s;
}

// ------------------------------------------------------------------------------------------------------------- reading

static tw_status read_array(sharded *w, const twi_layer *layer, int i, const char *path, const char *name,
                            bool *is_found, tw_err *err)
{
    shard *s = open_shard(w, name, err);
    twi_hdf5_object data = 0;
    tw_status status = s ? twi_hdf5_find(s->file, twi_hdf5_root(s->file), path, &data, err) : TW_EMALFORMED;
    *is_found = data != 0;
    if (status || !data)
        return status;
    return twi_stage_read(&w->stage, layer, &layer->weights[i], s->file, data, err);
}

static tw_status read_layer(void *self, const twi_layer *layer, const char *group, tw_err *err)
{
    sharded *w = self;
    char path[1024], title[192];
    snprintf(path, sizeof path, "%s/vars", group);
    const json_t *where = layer->n_weights ? json_object_get(w->map, path) : NULL;
    tw_status status = TW_OK;
    for (int i = 0; !status && i < layer->n_weights; i++) {
        bool is_found = false;
        snprintf(path, sizeof path, "%s/vars/%d", group + 1, i); // paths inside a file begin without '/'
        if (json_is_string(where))
            status = read_array(w, layer, i, path, json_string_value(where), &is_found, err);
        for (size_t j = 0; !status && !is_found && j < json_array_size(where); j++) {
            const char *name = json_string_value(json_array_get(where, j));
            if (name)
                status = read_array(w, layer, i, path, name, &is_found, err);
        }
        if (!status && !is_found)
            twi_stage_note(&w->stage, layer->name, "%s: array %d of %d is in no shard of %s",
                           twi_layer_title(layer, title, sizeof title), i, layer->n_weights, w->stage.file);
    }
    return status;
}

static tw_status weights_json_read(tw_model *m, twi_source *source, const twi_load_options *o,
                                   twi_load_report *report, tw_err *err)
{
    size_t n;
    char *text = twi_source_all(source, &n, err);
    json_t *index = text ? twi_json_parse(source->name, text, n, err) : NULL;
    twi_free(text);
    if (!index)
        return TW_EMALFORMED;
    sharded w = {.index = source->name, .map = json_object_get(index, "weight_map")};
    twi_stage_begin(&w.stage, source->name, o, report);
    tw_status status = json_is_object(w.map) ? twi_keras_groups(m, read_layer, &w, err)
                                             : twi_fail_at(err, TW_EMALFORMED, source->name, -1,
                                                           "%s: has no weight_map", source->name);
    status = twi_stage_finish(&w.stage, status, err);
    for (size_t i = 0; i < w.shards.n; i++)
        close_shard(w.shards.at[i]);
    twi_vec_clear(&w.shards);
    json_decref(index);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- writing

typedef struct shard_file {
    char *part, *path; // where it is written, and what it is called then
} shard_file;

typedef struct sharding {
    const char *index;
    int64_t limit, n_here; // bytes: of a shard, in this one
    double total;
    json_t *map;
    twi_vec(shard_file) files;
    twi_hdf5_writer *to; // the last of them
    tw_err *err;
} sharding;

static tw_status next_shard(sharding *w)
{
    tw_status status = w->to ? twi_hdf5_finish(w->to, w->err) : TW_OK;
    twi_str path = {0};
    twi_str_add_n(&path, w->index, strlen(w->index) - strlen(".weights.json"));
    twi_str_printf(&path, "_%05zu.weights.h5", w->files.n);
    w->to = NULL;
    w->n_here = 0;
    shard_file file = {.path = twi_str_take(&path, w->err)};
    file.part = file.path ? twi_part_path(file.path, w->err) : NULL;
    if (!file.part || !twi_vec_push(&w->files, file, w->err)) {
        twi_free(file.path);
        twi_free(file.part);
        return TW_ENOMEM;
    }
    w->to = status ? NULL : twi_hdf5_create(file.part, w->err);
    return status ? status : w->to ? TW_OK : TW_EWRITE;
}

// "m_00000.weights.h5", or a list where a group goes on in the next shard.
static tw_status map_group(sharding *w, const char *vars)
{
    json_t *name = json_string(twi_base_name(w->files.at[w->files.n - 1].path));
    json_t *known = json_object_get(w->map, vars);
    int failed = json_is_array(known) ? json_array_append_new(known, name)
                 : known              ? json_object_set_new(w->map, vars, json_pack("[Oo]", known, name))
                                      : json_object_set_new(w->map, vars, name);
    return failed ? twi_fail_memory(w->err, 0, "the list of shards") : TW_OK;
}

// Array i of a group. *in_shard: how many shards there were when the group was last written to.
static tw_status put_array(sharding *w, const char *group, const char *title, size_t i, const twi_view *array,
                           size_t *in_shard)
{
    char vars[1024], path[1088];
    snprintf(vars, sizeof vars, "%s/vars", group);
    snprintf(path, sizeof path, "%s/%zu", vars, i);
    int64_t bytes = twi_shape_count(&array->shape) * (int64_t)twi_dtype_size(array->dtype);
    if (bytes > w->limit)
        return twi_fail(w->err, TW_EINVAL, "'%s' has %lld bytes, more than the %lld of a shard", path,
                        (long long)bytes, (long long)w->limit);
    tw_status status = w->n_here + bytes > w->limit ? next_shard(w) : TW_OK;
    w->n_here += bytes;
    w->total += (double)bytes;
    if (!status && *in_shard != w->files.n) {
        *in_shard = w->files.n;
        status = map_group(w, vars);
        if (!status)
            status = twi_hdf5_put_group(w->to, vars, w->err);
        if (!status)
            status = twi_hdf5_put_text(w->to, vars, "name", title, w->err);
    }
    return status ? status : twi_hdf5_put_data(w->to, path, array->dtype, &array->shape, array->data, w->err);
}

static tw_status put_layer(void *self, const twi_layer *layer, const char *group, tw_err *err)
{
    size_t in_shard = 0;
    tw_status status = TW_OK;
    for (int i = 0; !status && i < layer->n_weights; i++) {
        const twi_weight *w = &layer->weights[i];
        twi_view array = {.dtype = TWI_F32, .shape = w->shape, .data = w->data};
        status = w->is_set ? put_array(self, group, layer->name, (size_t)i, &array, &in_shard)
                           : twi_fail(err, TW_EUNUSABLE, "%s '%s': weight '%s' has no values to save",
                                      layer->kind->name, layer->name, w->name);
    }
    return status;
}

static tw_status put_all(sharding *w, const tw_model *m)
{
    const json_t *optimizer = json_object_get(json_object_get(m->compile, "optimizer"), "config");
    const char *title = twi_json_string(optimizer, "name", "optimizer");
    size_t in_shard = 0;
    tw_status status = next_shard(w);
    if (!status)
        status = twi_keras_groups(m, put_layer, w, w->err);
    for (size_t i = 0; !status && i < m->slots.n; i++)
        status = put_array(w, "/optimizer", title, i, &m->slots.at[i], &in_shard);
    tw_status closed = w->to ? twi_hdf5_finish(w->to, w->err) : TW_OK;
    return status ? status : closed;
}

static tw_status put_index(sharding *w)
{
    json_t *index = json_pack("{s{sf} sO}", "metadata", "total_size", w->total, "weight_map", w->map);
    char *text = index ? twi_json_text(index, 4, w->err) : NULL;
    json_decref(index);
    tw_status status = text ? twi_file_write(w->index, text, strlen(text), w->err) : TW_ENOMEM;
    twi_free(text);
    return status;
}

tw_status twi_shards_write(const tw_model *m, const char *path, int64_t limit, tw_err *err)
{
    sharding w = {.index = path, .limit = limit, .map = json_object(), .err = err};
    tw_status status = w.map ? put_all(&w, m) : twi_fail_memory(err, 0, "the list of shards");
    for (size_t i = 0; i < w.files.n; i++) {
        const shard_file *f = &w.files.at[i];
        status = status ? twi_part_drop(f->part, status) : twi_part_commit(f->part, f->path, err);
        twi_free(f->part);
        twi_free(f->path);
    }
    if (!status)
        status = put_index(&w);
    twi_vec_clear(&w.files);
    json_decref(w.map);
    return status;
}

static tw_status weights_json_write(const tw_model *m, const char *path, tw_err *err)
{
    return twi_shards_write(m, path, TWI_SHARD_BYTES, err);
}

const twi_format twi_format_weights_json = {.name = "weights_json",
                                            .doc = "sharded Keras 3 weights",
                                            .suffix = ".weights.json",
                                            .beside = "_00000.weights.h5",
                                            .is = weights_json_is,
                                            .read_weights = weights_json_read,
                                            .write_weights = weights_json_write};
