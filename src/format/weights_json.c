// Sharded Keras 3 weights: an index .weights.json beside numbered .weights.h5 files (interop b5).
//
//   {"metadata": {…}, "weight_map": {"/layers/dense/vars": "m_00000.weights.h5" or a list of them, …}}
// Each shard is a tree like keras_weights.c's with some of the groups. Shards are named relative to the index and must
// stand beside it. Read only; weights are found by the groups Keras would give them.

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

const twi_format twi_format_weights_json = {.name = "weights_json",
                                            .doc = "sharded Keras 3 weights",
                                            .is = weights_json_is,
                                            .read_weights = weights_json_read};
