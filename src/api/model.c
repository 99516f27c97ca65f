// Models in public: making, counting references, looking. Each function checks its arguments and asks the graph.

#include "graph/info.h"
#include "graph/summary.h"
#include "graph/summary_rows.h"
#include "job/learn.h"

#include <string.h>

void tw_free(void *text)
{
    twi_free(text);
}

// -------------------------------------------------------------------------------------------------------------- making

tw_model *tw_application_(const tw_application_options *o)
{
    if (!o || !o->tw || (o->err && o->err->status))
        return NULL;
    tw_err own = {0};
    if (!o->architecture)
        twi_fail(&own, TW_EINVAL, "the name of an architecture is missing");
    tw_model *m = own.status ? NULL : twi_application(o, &own);
    if (own.status && o->err)
        *o->err = own;
    return m;
}

tw_model *tw_sequential_(const tw_model_options *o)
{
    return o && o->tw ? twi_model_new(o->name, true, o->err) : NULL;
}

tw_model *tw_functional_(const tw_model_options *o)
{
    return o && o->tw ? twi_model_new(o->name, false, o->err) : NULL;
}

tw_model *tw_model_copy(tw_model *model, tw_err *err)
{
    return model ? twi_model_copy(model, err) : NULL;
}

tw_model *tw_model_cut(tw_model *model, const char *layer, char **dropped, tw_err *err)
{
    if (dropped)
        *dropped = NULL;
    if (!model || twi_model_verify(model, err))
        return NULL;
    if (!layer) {
        twi_fail(err, TW_EINVAL, "the name of a layer is missing");
        return NULL;
    }
    return twi_model_cut(model, layer, dropped, err);
}

tw_model *tw_model_retain(tw_model *model)
{
    return twi_model_retain(model);
}

void tw_model_free(tw_model *model)
{
    twi_model_free(model);
}

tw_status tw_model_check(tw_model *model, tw_err *err)
{
    return twi_model_verify(model, err);
}

// ------------------------------------------------------------------------------------------------------------- looking

const char *tw_model_name(const tw_model *model)
{
    return model ? model->name : NULL;
}

int64_t tw_model_n_inputs(const tw_model *model)
{
    return model ? (int64_t)model->inputs.n : 0;
}

int64_t tw_model_n_outputs(const tw_model *model)
{
    return model ? (int64_t)model->outputs.n : 0;
}

static tw_tensor tensor_at(tw_model *m, const twi_tensor *at, size_t n, int64_t i)
{
    if (i < 0 || (size_t)i >= n)
        return (tw_tensor){0};
    return (tw_tensor){m, at[i].node, at[i].slot};
}

tw_tensor tw_model_input(tw_model *model, int64_t i)
{
    return model ? tensor_at(model, model->inputs.at, model->inputs.n, i) : (tw_tensor){0};
}

tw_tensor tw_model_output(tw_model *model, int64_t i)
{
    return model ? tensor_at(model, model->outputs.at, model->outputs.n, i) : (tw_tensor){0};
}

int64_t tw_model_n_layers(const tw_model *model)
{
    int n = 0;
    if (model)
        twi_free(twi_model_order(model, false, &n, NULL));
    return n;
}

tw_layer *tw_model_layer(tw_model *model, int64_t i)
{
    int n = 0;
    int *order = model ? twi_model_order(model, false, &n, NULL) : NULL;
    if (i < 0)
        i += n;
    tw_layer *layer = order && i >= 0 && i < n ? model->layers.at[order[i]] : NULL;
    twi_free(order);
    return layer;
}

tw_layer *tw_model_find_layer(tw_model *model, const char *name)
{
    return model && name ? twi_model_find(model, name) : NULL;
}

static tw_counts counts_of(int64_t trainable, int64_t non_trainable)
{
    return (tw_counts){trainable + non_trainable, trainable, non_trainable};
}

tw_counts tw_model_count_params(const tw_model *model)
{
    twi_summary_totals t = {0};
    if (model)
        twi_summary_totals_of(&t, model, NULL);
    return counts_of(t.params[1], t.params[0]);
}

tw_counts tw_model_count_weights(const tw_model *model)
{
    twi_summary_totals t = {0};
    if (model)
        twi_summary_totals_of(&t, model, NULL);
    return counts_of(t.weights[1], t.weights[0]);
}

static char *summary_json(const tw_model *m, tw_err *err)
{
    json_t *json = twi_summary_json(m, err);
    char *text = json ? twi_json_text(json, 2, err) : NULL;
    json_decref(json);
    return text;
}

char *tw_model_summary_(const tw_model_summary_options *o)
{
    if (!o || !o->model)
        return NULL;
    if (o->json)
        return summary_json(o->model, o->err);
    if (o->line_length < 0 || o->line_length > 10000) {
        twi_fail(o->err, TW_EINVAL, "line_length must be in 0..10000, received %lld",
                 (long long)o->line_length);
        return NULL;
    }
    twi_summary_options options = {.is_keras2 = o->keras2,
                                   .expand_nested = o->expand_nested,
                                   .show_trainable = o->show_trainable,
                                   .line_length = (int)o->line_length};
    twi_str text = {0};
    char *taken = twi_summary_text(o->model, &options, &text, o->err) ? NULL : twi_str_take(&text, o->err);
    twi_str_clear(&text);
    return taken;
}

// ------------------------------------------------------------------------------------------------------------ freezing

void tw_model_set_trainable(tw_model *model, bool value)
{
    if (model)
        twi_model_set_trainable(model, value);
}

tw_status tw_model_resize(tw_model *model, int64_t height, int64_t width, tw_err *err)
{
    tw_shape shape[TWI_LAYER_IN_MAX];
    tw_status status = model ? twi_model_verify(model, err) : err && err->status ? err->status : TW_EINVAL;
    if (!status && (height < 1 || width < 1 || model->inputs.n > TWI_LAYER_IN_MAX))
        status = twi_fail(err, TW_EINVAL, "pictures of %lld by %lld, expected 1 or more", (long long)height,
                          (long long)width);
    for (size_t i = 0; !status && i < model->inputs.n; i++) {
        shape[i] = twi_model_shape(model, model->inputs.at[i]);
        if (shape[i].rank == 4)
            shape[i].dim[1] = height, shape[i].dim[2] = width;
    }
    return status ? status : twi_model_resize(model, (int)model->inputs.n, shape, err);
}

tw_status tw_model_freeze(tw_model *model, const char *spec, tw_err *err)
{
    if (!model)
        return err && err->status ? err->status : TW_EINVAL;
    return spec ? twi_model_freeze(model, spec, err) : twi_fail(err, TW_EINVAL, "what to freeze is missing");
}

// -------------------------------------------------------------------------------------------------------------- labels

int64_t tw_model_n_labels(const tw_model *model)
{
    return model ? twi_info_n_labels(model) : 0;
}

const char *tw_model_label(const tw_model *model, int64_t i)
{
    return model && i >= 0 && i < twi_info_n_labels(model) ? twi_info_label(model, (int)i) : NULL;
}

tw_status tw_model_set_labels(tw_model *model, int64_t n, const char *const *labels, tw_err *err)
{
    if (!model)
        return err && err->status ? err->status : TW_EINVAL;
    bool is_wrong = n < 0 || n > INT32_MAX || (n && !labels);
    for (int64_t i = 0; !is_wrong && i < n; i++)
        is_wrong = !labels[i];
    if (is_wrong)
        return twi_fail(err, TW_EINVAL, "labels must be n names");
    return twi_info_set_labels(model, (int)n, labels, err);
}
