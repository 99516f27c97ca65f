// Whole models in legacy HDF5: architecture, weights and training settings in one file (interop a4).
//
//   attributes  model_config, training_config (JSON texts), keras_version, backend
//   groups      /model_weights (see legacy_weights.c), /optimizer_weights
// Read as Keras 2 and 3 wrote them, Teachable Machine's among them; written as Keras 3 writes them.

#include "format/parts.h"

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
        m->compile = json_pack("{so}", "optimizer", object);
        json_object_del(training, "optimizer_config");
        json_object_update(m->compile, training);
    }
    json_decref(training);
    return own.status;
}

static tw_model *read_open(twi_hdf5 *file, const char *where, const twi_load_options *o,
                           twi_load_report *report, tw_err *err)
{
    json_t *config = json_attribute(file, "model_config", where, err);
    tw_model *m = config ? twi_keras_build(config, where, err) : NULL;
    json_decref(config);
    if (m && (twi_legacy_read(m, file, where, o, report, err) || read_compile(file, m, where, err))) {
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
