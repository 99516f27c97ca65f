// An architecture as the API makes it: by itself or onto a tensor, its weights loaded or left for later. See learn.h.
//
// Weights "none" are not drawn here: a model that is only looked at costs no memory, and what is loaded over them later
// is not drawn first.

#include "job/learn.h"

#include <string.h>

static tw_status load_weights(tw_model *m, const twi_zoo_variant *v, bool has_top, const char *weights,
                              tw_err *err)
{
    twi_load_options o = {.variant = v};
    twi_load_report report = {0};
    char *path =
        twi_str_same(weights, "imagenet") ? twi_weights_find(v, has_top, err) : twi_strdup(weights, err);
    tw_status status = path ? twi_weights_load(m, path, &o, &report, err) : TW_EUNUSABLE;
    twi_load_report_clear(&report);
    twi_free(path);
    return status;
}

// What the network takes is what the model takes only where the model's input is the network's.
static tw_status note_pixels(tw_model *m, const twi_zoo_variant *v, const tw_tensor *on, tw_err *err)
{
    for (size_t i = 0; on->model && i < m->inputs.n; i++)
        if (m->inputs.at[i].node == on->node)
            return twi_info_set_text(m, "preprocessing.mode", v->preprocess, err);
    return on->model ? TW_OK : twi_info_set_text(m, "preprocessing.mode", v->preprocess, err);
}

tw_model *twi_application(const tw_application_options *o, tw_err *err)
{
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(o->architecture, &family, err);
    const char *weights = o->weights ? o->weights : "imagenet";
    twi_zoo_options zoo = {.has_top = !o->no_top,
                           .input = o->input_shape,
                           .pooling = o->pooling,
                           .classes = o->classes,
                           .classifier_activation = o->classifier_activation,
                           .name = o->name};
    if (!v)
        return NULL;
    if (twi_str_same(weights, "imagenet") && !o->no_top && o->classes && o->classes != 1000) {
        twi_fail(err, TW_EINVAL,
                 "%s: ImageNet weights have 1000 classes, received %lld\ntry  .no_top = true, or .weights = "
                 "\"none\"",
                 o->architecture, (long long)o->classes);
        return NULL;
    }
    const tw_tensor *on = &o->input_tensor;
    tw_model *m = on->model ? twi_model_retain(on->model) : twi_zoo_build(o->architecture, &zoo, err);
    if (!m)
        return NULL;
    tw_status status = TW_OK;
    if (on->model)
        status = twi_zoo_build_on(m, (twi_tensor){on->node, on->slot}, o->architecture, &zoo, err);
    if (!status)
        status = note_pixels(m, v, on, err);
    if (!status && !twi_str_same(weights, "none"))
        status = load_weights(m, v, !o->no_top, weights, err);
    if (!status)
        return m;
    twi_model_free(m);
    return NULL;
}
