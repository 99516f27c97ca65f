// Whole models in legacy HDF5: architecture, weights and training settings in one file (interop a4).
//
//   attributes  model_config, training_config (JSON texts), keras_version, backend
//   groups      /model_weights (see legacy_weights.c), /optimizer_weights
// Read as Keras 2 and 3 wrote them, Teachable Machine's among them; written as Keras 3 writes them.

#include "format/parts.h"

#include <stdio.h>
#include <string.h>

static bool legacy_model_is(const twi_source *source)
{
    twi_source copy = *source;
    copy.is_owner = false;
    twi_hdf5 *file = twi_hdf5_is(&copy) ? twi_hdf5_open(&copy, NULL) : NULL;
    char *config = NULL;
    bool is = file && !twi_hdf5_text(file, twi_hdf5_root(file), "model_config", &config, NULL) && config;
    twi_free(config);
    twi_hdf5_close(file);
    return is;
}

static json_t *json_attribute(twi_hdf5 *file, const char *name, const char *where, tw_err *err)
{
    char *text = NULL;
    if (twi_hdf5_text(file, twi_hdf5_root(file), name, &text, err) || !text)
        return NULL;
    json_t *value = twi_json_parse(where, text, strlen(text), err);
    twi_free(text);
    return value;
}

// Legacy files call losses, metrics and schedules by class name alone; Keras 3's archive wants the module too.
static void add_modules(json_t *value, const char *module)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_array(value))
        json_array_foreach(value, i, item) add_modules(item, module);
    if (!json_is_object(value))
        return;
    if (!json_is_string(json_object_get(value, "class_name"))) // by output
        json_object_foreach(value, key, item) add_modules(item, module);
    else if (!json_object_get(value, "module")) {
        json_object_set_new(value, "module", json_string(module));
        json_object_set_new(value, "registered_name", json_null());
    }
}

// training_config → compile_config. Keras 2's optimizers had other arguments (lr, decay), so only Keras 3's are kept.
static tw_status read_compile(twi_hdf5 *file, tw_model *m, const char *where, tw_err *err)
{
    char *version = NULL;
    tw_status status = twi_hdf5_text(file, twi_hdf5_root(file), "keras_version", &version, err);
    bool is_keras3 = version && version[0] == '3';
    twi_free(version);
    if (status || !is_keras3)
        return status;
    tw_err own = {0};
    json_t *training = json_attribute(file, "training_config", where, &own);
    if (own.status && err && !err->status)
        *err = own;
    json_t *optimizer = json_object_get(training, "optimizer_config");
    if (json_is_object(optimizer)) {
        json_t *object = json_pack("{ss sO? sO? sn}", "module", "keras.optimizers", "class_name",
                                   json_object_get(optimizer, "class_name"), "config",
                                   json_object_get(optimizer, "config"), "registered_name");
        add_modules(json_object_get(json_object_get(optimizer, "config"), "learning_rate"),
                    "keras.optimizers.schedules");
        add_modules(json_object_get(training, "loss"), "keras.losses");
        add_modules(json_object_get(training, "metrics"), "keras.metrics");
        add_modules(json_object_get(training, "weighted_metrics"), "keras.metrics");
        m->compile = json_pack("{so}", "optimizer", object);
        json_object_del(training, "optimizer_config");
        json_object_update(m->compile, training);
    }
    json_decref(training);
    return own.status;
}

// /optimizer_weights names its arrays in the optimizer's order; the names say nothing.
static tw_status read_slots(twi_hdf5 *file, tw_model *m, tw_err *err)
{
    twi_hdf5_object group = 0;
    twi_hdf5_texts names = {0};
    tw_status status = twi_hdf5_find(file, twi_hdf5_root(file), "optimizer_weights", &group, err);
    if (!status && group)
        status = twi_hdf5_texts_of(file, group, "weight_names", &names, err);
    twi_vec(twi_hdf5_object) data = {0};
    for (size_t i = 0; !status && i < names.n; i++) {
        twi_hdf5_object one = 0;
        status = twi_hdf5_find(file, group, names.at[i], &one, err);
        if (!status && !twi_vec_push(&data, one, err))
            status = TW_ENOMEM;
    }
    if (!status)
        status = twi_slots_read(m, file, data.n, data.at, err);
    twi_vec_clear(&data);
    twi_hdf5_texts_clear(&names);
    return status;
}

static tw_status read_rest(twi_hdf5 *file, tw_model *m, const char *where, tw_err *err)
{
    tw_status status = read_compile(file, m, where, err);
    return status || !m->compile ? status : read_slots(file, m, err);
}

static tw_model *read_open(twi_hdf5 *file, const char *where, const twi_load_options *o,
                           twi_load_report *report, tw_err *err)
{
    json_t *config = json_attribute(file, "model_config", where, err);
    tw_model *m = config ? twi_keras_build(config, where, err) : NULL;
    json_decref(config);
    if (m && (twi_legacy_read(m, file, where, o, report, err) || read_rest(file, m, where, err))) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

static tw_model *legacy_model_read(twi_source *source, const twi_load_options *o, twi_load_report *report,
                                   tw_err *err)
{
    twi_hdf5 *file = twi_hdf5_open(source, err);
    tw_model *m = file ? read_open(file, source->name, o, report, err) : NULL;
    twi_hdf5_close(file);
    return m;
}

// Weights of a whole model into another: the same groups, one level down.
static tw_status legacy_model_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                           twi_load_report *report, tw_err *err)
{
    twi_hdf5 *file = twi_hdf5_open(source, err);
    tw_status status = file ? twi_legacy_read(m, file, source->name, o, report, err) : TW_EMALFORMED;
    twi_hdf5_close(file);
    return status;
}

// -------------------------------------------------------------------------------------------------------------- writing

static tw_status put_json(twi_hdf5_writer *w, const char *name, json_t *value, tw_err *err)
{
    char *text = value ? twi_json_text(value, 0, err) : NULL;
    json_decref(value);
    tw_status status = text ? twi_hdf5_put_text(w, "/", name, text, err) : TW_ENOMEM;
    twi_free(text);
    return status;
}

// compile_config → training_config.
static json_t *training_config(const json_t *compile)
{
    json_t *training = json_copy((json_t *)compile);
    const json_t *optimizer = json_object_get(compile, "optimizer");
    json_object_del(training, "optimizer");
    json_object_set_new(training, "optimizer_config",
                        json_pack("{sO? sO?}", "class_name", json_object_get(optimizer, "class_name"),
                                  "config", json_object_get(optimizer, "config")));
    return training;
}

static tw_status put_slots(const tw_model *m, twi_hdf5_writer *w, tw_err *err)
{
    const json_t *optimizer = json_object_get(json_object_get(m->compile, "optimizer"), "config");
    const char *title = twi_json_string(optimizer, "name", "optimizer");
    const char **names = twi_new(m->slots.n, sizeof *names, "names", err);
    twi_arena texts = {0};
    tw_status status = names ? twi_hdf5_put_group(w, "/optimizer_weights", err) : TW_ENOMEM;
    for (size_t i = 0; !status && i < m->slots.n; i++) {
        char name[160], path[192];
        if (i < 2)
            snprintf(name, sizeof name, "%.100s/%s", title, i ? "learning_rate" : "iteration");
        else
            snprintf(name, sizeof name, "%.100s/slot_%zu", title, i - 2);
        snprintf(path, sizeof path, "/optimizer_weights/%s", name);
        names[i] = twi_arena_strdup(&texts, name, err);
        status = names[i] ? twi_slot_write(&m->slots.at[i], w, path, err) : TW_ENOMEM;
    }
    if (!status)
        status = twi_hdf5_put_texts(w, "/optimizer_weights", "weight_names", m->slots.n, names, err);
    twi_arena_clear(&texts);
    twi_free(names);
    return status;
}

static tw_status fill(const tw_model *m, twi_hdf5_writer *w, tw_err *err)
{
    tw_status status = twi_legacy_write(m, w, "/model_weights", err);
    if (!status)
        status = twi_hdf5_put_text(w, "/", "keras_version", "3.15.1", err);
    if (!status)
        status = twi_hdf5_put_text(w, "/", "backend", "tensorflow", err);
    if (!status)
        status = put_json(w, "model_config", twi_keras_write(m, TWI_LEGACY, err), err);
    if (!status && json_is_object(json_object_get(m->compile, "optimizer")))
        status = put_json(w, "training_config", training_config(m->compile), err);
    if (!status && m->slots.n)
        status = put_slots(m, w, err);
    return status;
}

static tw_status legacy_model_write(const tw_model *m, const char *path, tw_err *err)
{
    return twi_hdf5_write(m, path, fill, err);
}

const twi_format twi_format_legacy_model = {.name = "legacy_model",
                                            .doc = "whole model of Keras 2 (HDF5)",
                                            .suffix = ".h5",
                                            .is = legacy_model_is,
                                            .read_model = legacy_model_read,
                                            .read_weights = legacy_model_read_weights,
                                            .write_model = legacy_model_write};
