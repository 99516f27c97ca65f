// The classifier: a pretrained trunk with a new head. See classifier.h.

#include "job/classifier.h"

#include "job/memory.h"
#include "job/trunk.h"
#include "layer/spec.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------------- preprocessing

// ImageNet's statistics of 0…1 RGB ("torch") and of 0…255 BGR ("caffe"): keras.applications.imagenet_utils.
static twi_tensor torch_layers(tw_model *m, twi_tensor x)
{
    static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    char config[256];
    snprintf(config, sizeof config, "axis=-1 mean=%.9g,%.9g,%.9g variance=%.9g,%.9g,%.9g", 255 * mean[0],
             255 * mean[1], 255 * mean[2], pow(255 * deviation[0], 2), pow(255 * deviation[1], 2),
             pow(255 * deviation[2], 2));
    return twi_model_layer(m, twi_layer_kind_find("Normalization"), "preprocessing", 1, &x, "%s", config);
}

static twi_tensor caffe_layers(tw_model *m, twi_tensor x)
{
    x = twi_model_layer(m, twi_layer_kind_of("keras.src.ops.numpy", "Flip"), "preprocessing_flip", 1, &x,
                        "axis=-1");
    return twi_model_layer(m, twi_layer_kind_find("Normalization"), "preprocessing", 1, &x,
                           "axis=-1 mean=103.939,116.779,123.68 variance=1,1,1");
}

static twi_tensor rescaling(tw_model *m, twi_tensor x, double scale, double offset)
{
    return twi_model_layer(m, twi_layer_kind_find("Rescaling"), "preprocessing", 1, &x,
                           "scale=%.17g offset=%.17g", scale, offset);
}

// The layers that turn 0…255 RGB into what the trunk was trained on.
static twi_tensor preprocessing(tw_model *m, twi_tensor x, const char *mode)
{
    if (twi_str_same(mode, "tf"))
        return rescaling(m, x, 1 / 127.5, -1);
    if (twi_str_same(mode, "lite"))
        return rescaling(m, x, 1 / 128.0, -127 / 128.0);
    if (twi_str_same(mode, "unit"))
        return rescaling(m, x, 1 / 255.0, 0);
    if (twi_str_same(mode, "torch"))
        return torch_layers(m, x);
    if (twi_str_same(mode, "caffe"))
        return caffe_layers(m, x);
    return x;
}

// ---------------------------------------------------------------------------------------------------------------- head

static tw_status set_option(twi_layer *layer, const char *key, const char *value, tw_err *err)
{
    const tw_field *field = twi_field_find(layer->kind->fields, key);
    return field ? twi_field_set(field, layer->config, value, key, &layer->arena, err) : TW_OK;
}

static tw_status regularize(twi_layer *layer, const twi_classifier_options *o, tw_err *err)
{
    char text[96];
    if (o->l1 <= 0 && o->l2 <= 0)
        return TW_OK;
    snprintf(text, sizeof text, "l1_l2:l1=%.17g:l2=%.17g", o->l1, o->l2);
    return set_option(layer, "kernel_regularizer", text, err);
}

static bool is_dropout(const twi_layer *layer)
{
    return strcmp(layer->kind->name, "Dropout") == 0;
}

// Whether a head is whole: it ends as the classes ask for, with one sigmoid unit for two of them or a softmax unit each.
static bool has_output(const twi_layers_parsed *head, int64_t n_classes)
{
    const twi_layer *last = head->at.n ? head->at.at[head->at.n - 1] : NULL;
    json_t *config = json_object();
    tw_err ignored = {0};
    bool is_whole = false;
    if (last && strcmp(last->kind->name, "Dense") == 0 &&
        !twi_fields_write(last->kind->fields, last->config, config, &ignored)) {
        int64_t units = twi_json_int(config, "units", 0);
        const char *activation = twi_json_string(config, "activation", "");
        is_whole = (units == 1 && n_classes == 2 && strcmp(activation, "sigmoid") == 0) ||
                   (units == n_classes && strcmp(activation, "softmax") == 0);
    }
    json_decref(config);
    return is_whole;
}

// --dropout: the rate of every Dropout in the head, or a new one before its output.
static tw_status set_dropout(twi_layers_parsed *head, double rate, int64_t n_classes, tw_err *err)
{
    char text[64];
    snprintf(text, sizeof text, "%.17g", rate);
    bool is_there = false;
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < head->at.n; i++)
        if (is_dropout(head->at.at[i])) {
            is_there = true;
            status = set_option(head->at.at[i], "rate", text, err);
        }
    if (status || is_there || rate <= 0)
        return status;
    twi_layer *layer = twi_layer_new(twi_layer_kind_find("Dropout"), NULL, err);
    if (!layer || set_option(layer, "rate", text, err) || !twi_vec_push(&head->at, layer, err)) {
        twi_layer_free(layer);
        return TW_ENOMEM;
    }
    size_t n = head->at.n - 1;
    const twi_layers_parsed before = {.at = {head->at.at, n, n}};
    if (has_output(&before, n_classes)) {
        head->at.at[n] = head->at.at[n - 1];
        head->at.at[n - 1] = layer;
    }
    return TW_OK;
}

// "dropout", "dense", but "gap": a class name in lower case unless it is long and has a short alias.
static void describe_kind(twi_str *text, const tw_layer_kind *kind)
{
    size_t n = strlen(kind->name), short_name = 14;
    if (n > short_name && kind->aliases) {
        twi_str_add_n(text, kind->aliases, strcspn(kind->aliases, " "));
        return;
    }
    for (const char *c = kind->name; *c; c++) {
        char lower = (char)tolower((unsigned char)*c);
        twi_str_add_n(text, &lower, 1);
    }
}

static void describe(twi_str *text, const twi_layer *layer)
{
    twi_str_add(text, text->n ? " → " : "");
    describe_kind(text, layer->kind);
    json_t *config = json_object();
    tw_err ignored = {0};
    if (!twi_fields_write(layer->kind->fields, layer->config, config, &ignored)) {
        const json_t *rate = json_object_get(config, "rate"), *units = json_object_get(config, "units");
        if (rate)
            twi_str_printf(text, " %g", json_number_value(rate));
        if (units)
            twi_str_printf(text, " %lld", (long long)json_integer_value(units));
    }
    json_decref(config);
}

static twi_tensor add_layer(tw_model *m, twi_tensor x, twi_layer *layer, const twi_classifier_options *o,
                            twi_str *text)
{
    if (!m->err.status)
        regularize(layer, o, &m->err);
    describe(text, layer);
    return twi_model_call(m, layer, 1, &x);
}

// The output layer that follows from the classes, where the head has none: one sigmoid unit for two, else one softmax unit each.
static twi_tensor add_output(tw_model *m, twi_tensor x, const twi_classifier_options *o, twi_str *text)
{
    twi_layer *layer = twi_layer_new(twi_layer_kind_find("Dense"), NULL, &m->err);
    if (!layer)
        return x;
    char units[32];
    snprintf(units, sizeof units, "%lld", (long long)(o->n_classes == 2 ? 1 : o->n_classes));
    if (!set_option(layer, "units", units, &m->err) &&
        !set_option(layer, "activation", o->n_classes == 2 ? "sigmoid" : "softmax", &m->err))
        x = add_layer(m, x, layer, o, text);
    twi_layer_free(layer);
    return x;
}

// The head nobody chose begins with a mean over the picture, which a trunk that ends in numbers does not need.
static const char *head_after(const char *head, const tw_shape *trunk)
{
    static const char mean[] = "gap, "; // what TWI_HEAD_DEFAULT begins with
    bool is_pooled = trunk->rank == 2 && strcmp(head, TWI_HEAD_DEFAULT) == 0;
    return head + (is_pooled ? strlen(mean) : 0);
}

static tw_status read_head(const twi_classifier_options *o, const tw_shape *trunk, twi_layers_parsed *head,
                           tw_err *err)
{
    tw_status status = TW_OK;
    if (twi_str_ends(o->head, ".json"))
        status = twi_head_read(o->head, head, err);
    else if (!twi_str_same(o->head, "output"))
        status = twi_layers_parse(head_after(o->head, trunk), head, err);
    return status || o->dropout < 0 ? status : set_dropout(head, o->dropout, o->n_classes, err);
}

// A row of numbers a photo, whatever the head left: Dense works on the last axis only.
static twi_tensor flat(tw_model *m, twi_tensor x, const char *head, twi_str *text)
{
    tw_shape shape = twi_model_shape(m, x);
    if (m->err.status || shape.rank == 2)
        return x;
    if (!twi_str_same(head, "output")) {
        char got[TWI_SHAPE_TEXT];
        twi_fail(&m->err, TW_EINVAL,
                 "head '%s' leaves %s, expected one row a photo\ntry  'gap' or 'flatten' in it, as in 'gap, "
                 "dropout:0.2'",
                 head, twi_shape_text(&shape, got));
        return x;
    }
    twi_str_add(text, text->n ? " → flatten" : "flatten");
    return twi_model_layer(m, twi_layer_kind_find("Flatten"), NULL, 1, &x, "%s", "");
}

static tw_status add_head(tw_model *m, twi_tensor x, const twi_classifier_options *o, char **described,
                          tw_err *err)
{
    twi_layers_parsed head = {0};
    twi_str text = {0};
    tw_shape trunk = m->err.status ? (tw_shape){0} : twi_model_shape(m, x);
    tw_status status = read_head(o, &trunk, &head, err);
    if (!status) {
        for (size_t i = 0; i < head.at.n; i++)
            x = add_layer(m, x, head.at.at[i], o, &text);
        x = flat(m, x, o->head, &text);
        if (!has_output(&head, o->n_classes))
            x = add_output(m, x, o, &text);
        twi_model_output(m, x);
        status = twi_model_verify(m, err);
    }
    twi_layers_clear(&head);
    if (!status) {
        *described = twi_str_take(&text, err);
        status = *described ? TW_OK : TW_ENOMEM;
    }
    twi_str_clear(&text);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- whole

static tw_status store_info(const twi_classifier_options *o, twi_classifier *c, const tw_model *trunk,
                            tw_err *err)
{
    c->recipe = *o->recipe;
    tw_shape in = twi_model_shape(c->model, c->model->inputs.at[0]);
    c->recipe.height = in.dim[1];
    c->recipe.width = in.dim[2];
    c->recipe.pixels = TWI_PIXELS_RAW;
    tw_status status = twi_info_set_labels(c->model, (int)o->n_classes, o->classes, err);
    if (!status)
        status = twi_recipe_store(c->model, &c->recipe, err);
    if (!status)
        status = twi_info_set_text(c->model, "preprocessing.mode", "raw", err);
    json_t *preprocessing = json_object_get(c->model->info, "preprocessing");
    if (!status && json_object_set_new(preprocessing, "inside", json_true()) != 0)
        status = twi_fail_memory(err, 0, "model info");
    if (!status)
        status = twi_info_set_text(c->model, "trunk", twi_info_text(trunk, "trunk", o->model), err);
    return status ? status : twi_info_set_text(c->model, "weights", o->weights, err);
}

// Freezing one layer of the trunk before others that train is fine: they are pretrained too. The nest runs in inference
// mode only while all of it is frozen (Keras keeps its random layers active otherwise).
static tw_status freeze(const twi_classifier_options *o, tw_model *trunk, twi_layer *nest, tw_err *err)
{
    tw_status status = twi_model_freeze(trunk, o->freeze, err);
    if (!status && !o->trains_norm)
        twi_trunk_freeze_norms(trunk);
    int64_t trainable = 0;
    twi_layer_params(nest, &trainable, NULL);
    nest->is_trainable = trainable > 0;
    trunk->is_trainable = trainable > 0;
    nest->is_inference = trainable == 0;
    return status;
}

tw_status twi_classifier_build(const twi_classifier_options *o, twi_classifier *c, tw_err *err)
{
    tw_model *trunk = twi_trunk_open(o, &c->weights_source, &c->dropped, &c->loaded, err);
    twi_layer *nest = trunk ? twi_layer_nest(trunk, err) : NULL;
    const char *mode = o->preprocess ? o->preprocess
                       : trunk       ? twi_info_text(trunk, "preprocessing.mode", NULL)
                                     : "";
    if (nest && !mode)
        twi_fail(err, TW_EUNUSABLE,
                 "'%s' does not say how its pictures are prepared\n"
                 "try  --preprocess tf (x/127.5-1), torch, caffe, lite, unit (x/255) or raw (0..255)",
                 o->model);
    c->model = nest && mode ? twi_model_new("classifier", false, err) : NULL;
    tw_status status = c->model ? freeze(o, trunk, nest, err) : TW_EFAILED;
    if (!status) {
        int64_t yes, no;
        twi_layer_params(nest, &yes, &no);
        c->trunk_params = yes + no;
        tw_shape in = twi_model_shape(trunk, trunk->inputs.at[0]);
        twi_tensor x = twi_model_input(c->model, "photo", &in);
        x = preprocessing(c->model, x, mode);
        x = twi_model_call(c->model, nest, 1, &x);
        c->trunk = nest;
        status = add_head(c->model, x, o, &c->head, err);
    }
    if (!status)
        status = twi_memory_check_weights(c->model, err); // of the head: the trunk has its own by now
    if (!status)
        status = twi_model_initialize(c->model, o->seed, twi_initializer_fill, err);
    if (!status)
        status = store_info(o, c, trunk, err);
    twi_layer_free(nest);
    twi_model_free(trunk);
    return status ? (err && err->status ? err->status : status) : TW_OK;
}

void twi_classifier_clear(twi_classifier *c)
{
    twi_model_free(c->model);
    twi_free(c->weights_source);
    twi_free(c->dropped);
    twi_load_report_clear(&c->loaded);
    twi_free(c->head);
    *c = (twi_classifier){0};
}

// ---------------------------------------------------------------------------------------------------------- fine-tuning

bool twi_classifier_keeps_frozen(const char *freeze)
{
    return freeze && !twi_str_same(freeze, "all") && !twi_str_same(freeze, "none") &&
           !twi_str_starts(freeze, "first:") && !twi_str_starts(freeze, "until:");
}

tw_status twi_classifier_unfreeze(twi_classifier *c, const char *from, const char *freeze, bool trains_norm,
                                  tw_err *err)
{
    tw_model *trunk = c->trunk->nested;
    twi_layer_set_trainable(c->trunk, true);
    if (from) {
        tw_status status = twi_trunk_freeze_before(trunk, from, err);
        if (status)
            return status;
    }
    if (!trains_norm)
        twi_trunk_freeze_norms(trunk);
    c->trunk->is_inference = false;
    return twi_classifier_keeps_frozen(freeze) ? twi_model_freeze(trunk, freeze, err) : TW_OK;
}
