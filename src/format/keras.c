// .keras: Keras 3's archive of a whole model (interop c). The annotated example of this room.
//
//   metadata.json                 versions
//   config.json                   the graph, as Keras objects (config_read.c, config_write.c)
//   model.weights.h5              weights and optimizer (keras_weights.c)
//   assets/topwork/model.json     labels, preprocessing, origin (graph/info.h): members Keras does not know it ignores
// A format is a row: how its files are recognised by content, and up to four functions. Reading makes a model or fails as
// a whole; writing goes through temporary siblings, so that a file of this name is always a whole one. Same model, same
// bytes: nothing in the archive depends on the clock.

#include "format/parts.h"

#include <stdio.h>
#include <string.h>

#define INFO "assets/topwork/model.json"

// -------------------------------------------------------------------------------------------------------------- reading

// Where the parts are: an archive, or a folder with the archive's members.
typedef struct parts {
    twi_zip *zip;
    const char *folder; // NULL: the archive
    const char *name;   // for messages
} parts;

// *is_there is false when the member is absent, which is no error.
static tw_status open_part(const parts *p, const char *member, twi_source *out, bool *is_there, tw_err *err)
{
    *is_there = true;
    if (!p->folder) {
        int64_t i = twi_zip_find(p->zip, member);
        *is_there = i >= 0;
        return *is_there ? twi_zip_member(p->zip, (size_t)i, out, err) : TW_OK;
    }
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", p->folder, member);
    tw_status status = path.failed ? twi_fail_memory(err, 0, "a file name") : TW_OK;
    if (!status) {
        *is_there = twi_file_exists(path.text);
        status = *is_there ? twi_source_open(out, path.text, err) : TW_OK;
    }
    twi_str_clear(&path);
    return status;
}

// NULL without err when the member is absent.
static json_t *json_part(const parts *p, const char *member, tw_err *err)
{
    twi_source source;
    bool is_there;
    if (open_part(p, member, &source, &is_there, err) || !is_there)
        return NULL;
    size_t n;
    char *bytes = twi_source_all(&source, &n, err);
    json_t *value = bytes ? twi_json_parse(source.name, bytes, n, err) : NULL;
    twi_free(bytes);
    twi_source_close(&source);
    return value;
}

static tw_status read_weights(const parts *p, tw_model *m, bool wants_slots, const twi_load_options *o,
                              twi_load_report *report, tw_err *err)
{
    twi_source source;
    bool is_there;
    tw_status status = open_part(p, "model.weights.h5", &source, &is_there, err);
    if (status)
        return status;
    if (!is_there)
        return twi_fail_at(err, TW_EMALFORMED, p->name, -1, "%s: has no model.weights.h5", p->name);
    twi_hdf5 *file = twi_hdf5_open(&source, err);
    status = file ? twi_keras_tree_read(m, file, p->name, wants_slots, o, report, err) : TW_EMALFORMED;
    twi_hdf5_close(file);
    twi_source_close(&source);
    return status;
}

// Nests marked `inference` are listed in the info: a Sequential's config has no place for it.
static tw_status read_info(const parts *p, tw_model *m, tw_err *err)
{
    tw_err own = {0};
    json_t *info = json_part(p, INFO, &own);
    if (info && !json_is_object(info))
        twi_fail_at(&own, TW_EMALFORMED, p->name, -1, "%s: %s is no JSON object", p->name, INFO);
    const json_t *marked = json_object_get(info, "inference");
    for (size_t i = 0; !own.status && i < json_array_size(marked); i++) {
        const char *path = json_string_value(json_array_get(marked, i));
        twi_layer *layer = path ? twi_model_find(m, path) : NULL;
        if (layer && layer->nested)
            layer->is_inference = true;
    }
    json_object_del(info, "inference");
    if (!own.status && info)
        json_object_update(m->info, info);
    json_decref(info);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}

static tw_model *read_parts(const parts *p, const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    tw_err own = {0};
    json_t *config = json_part(p, "config.json", &own);
    if (!config)
        twi_fail_at(&own, TW_EMALFORMED, p->name, -1, "%s: has no config.json", p->name);
    tw_model *m = config ? twi_keras_build(config, p->name, &own) : NULL;
    const json_t *compile = json_object_get(config, "compile_config");
    bool is_compiled = m && json_object_size(compile) > 0;
    if (is_compiled)
        m->compile = json_deep_copy(compile);
    json_decref(config);
    if (m && (read_info(p, m, &own) || read_weights(p, m, is_compiled, o, report, &own))) {
        twi_model_free(m);
        m = NULL;
    }
    if (!m && err && !err->status)
        *err = own;
    return m;
}

static tw_model *keras_read(twi_source *source, const twi_load_options *o, twi_load_report *report,
                            tw_err *err)
{
    parts p = {.zip = twi_zip_open(source, err), .name = source->name};
    tw_model *m = p.zip ? read_parts(&p, o, report, err) : NULL;
    twi_zip_close(p.zip);
    return m;
}

static tw_status keras_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                    twi_load_report *report, tw_err *err)
{
    parts p = {.zip = twi_zip_open(source, err), .name = source->name};
    tw_status status = p.zip ? read_weights(&p, m, false, o, report, err) : TW_EMALFORMED;
    twi_zip_close(p.zip);
    return status;
}

tw_model *twi_keras_folder(const char *folder, const twi_load_options *o, twi_load_report *report,
                           tw_err *err)
{
    parts p = {.folder = folder, .name = folder};
    return read_parts(&p, o, report, err);
}

// -------------------------------------------------------------------------------------------------------------- writing

static tw_status put_json(twi_member_writer put, void *to, const char *member, json_t *value, tw_err *err)
{
    char *text = value ? twi_json_text(value, 0, err) : NULL;
    json_decref(value);
    tw_status status = text ? put(to, member, text, strlen(text), err) : TW_ENOMEM;
    twi_free(text);
    return status;
}

static void list_inference(const tw_model *m, const char *prefix, json_t *out)
{
    for (size_t i = 0; i < m->layers.n; i++) {
        const twi_layer *layer = m->layers.at[i];
        char path[512];
        if (!layer->nested)
            continue;
        snprintf(path, sizeof path, "%s%s", prefix, layer->name);
        if (layer->is_inference)
            json_array_append_new(out, json_string(path));
        strncat(path, "/", sizeof path - strlen(path) - 1);
        list_inference(layer->nested, path, out);
    }
}

static json_t *info_json(const tw_model *m)
{
    json_t *info = json_copy(m->info), *marked = json_array();
    list_inference(m, "", marked);
    if (json_array_size(marked))
        json_object_set(info, "inference", marked);
    json_decref(marked);
    return info;
}

tw_status twi_keras_head(const tw_model *m, twi_member_writer put, void *to, tw_err *err)
{
    // The date is fixed: the same model gives the same bytes.
    tw_status status =
        put_json(put, to, "metadata.json",
                 json_pack("{ss ss}", "keras_version", "3.15.1", "date_saved", "1980-01-01@00:00:00"), err);
    return status ? status : put_json(put, to, "config.json", twi_keras_config(m, err), err);
}

tw_status twi_keras_tail(const tw_model *m, twi_member_writer put, void *to, tw_err *err)
{
    return put_json(put, to, INFO, info_json(m), err);
}

static tw_status put_into_zip(void *to, const char *member, const void *bytes, size_t n, tw_err *err)
{
    return twi_zip_put(to, member, bytes, n, err);
}

static tw_status put_members(const tw_model *m, twi_zip_writer *w, const char *weights, tw_err *err)
{
    tw_status status = twi_keras_head(m, put_into_zip, w, err);
    if (!status)
        status = twi_zip_put_file(w, "model.weights.h5", weights, err);
    return status ? status : twi_keras_tail(m, put_into_zip, w, err);
}

static tw_status keras_write(const tw_model *m, const char *path, tw_err *err)
{
    char *weights = twi_part_path(path, err);
    tw_status status = weights ? twi_hdf5_write(m, weights, twi_keras_tree_write, err) : TW_ENOMEM;
    twi_zip_writer *w = status ? NULL : twi_zip_create(path, err);
    if (!status && !w)
        status = TW_EWRITE;
    if (!status)
        status = put_members(m, w, weights, err);
    if (w && status)
        twi_zip_abandon(w);
    else if (w)
        status = twi_zip_finish(w, err);
    if (weights)
        twi_part_drop(weights, status);
    twi_free(weights);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- the format

static bool keras_is(const twi_source *source)
{
    twi_source copy = *source;
    copy.is_owner = false;
    twi_zip *zip = twi_zip_is(&copy) ? twi_zip_open(&copy, NULL) : NULL;
    bool is = zip && twi_zip_find(zip, "config.json") >= 0;
    twi_zip_close(zip);
    return is;
}

const twi_format twi_format_keras = {.name = "keras",
                                     .doc = "Keras 3 archive",
                                     .suffix = ".keras",
                                     .is = keras_is,
                                     .read_model = keras_read,
                                     .read_weights = keras_read_weights,
                                     .write_model = keras_write};
