// An architecture as the API makes it: by itself or onto a tensor, its weights loaded or left for later. See learn.h.
//
// Weights "none" are not drawn here: a model that is only looked at costs no memory, and what is loaded over them later
// is not drawn first.

#include "job/learn.h"

#include <string.h>

// The file is looked for before anything is built: where it is missing, nothing has happened. *path: twi_free it.
static tw_status find_weights(const tw_application_options *o, const twi_zoo_variant *v, char **path,
                              tw_err *err)
{
    const char *weights = o->weights ? o->weights : "imagenet";
    *path = NULL;
    if (twi_str_same(weights, "none"))
        return TW_OK;
    bool is_published = twi_str_same(weights, "imagenet");
    if (is_published && !o->no_top && o->classes && o->classes != 1000)
        return twi_fail(err, TW_EINVAL,
                        "%s: ImageNet weights have 1000 classes, received %lld\ntry  .no_top = true, or "
                        ".weights = \"none\"",
                        o->architecture, (long long)o->classes);
    *path = is_published ? twi_weights_find(v, !o->no_top, err) : twi_strdup(weights, err);
    return *path ? TW_OK : err->status;
}

static tw_status load_weights(tw_model *m, const twi_zoo_variant *v, const char *path, tw_err *err)
{
    twi_load_options o = {.variant = v};
    twi_load_report report = {0};
    tw_status status = path ? twi_weights_load(m, path, &o, &report, err) : TW_OK;
    twi_load_report_clear(&report);
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

// Where a model under construction stood, for going back when building onto it fails.
typedef struct standing {
    size_t n_layers, n_nodes, n_outputs;
    twi_tensor output; // the first; others are not given back
} standing;

static standing standing_of(const tw_model *m)
{
    standing s = {m->layers.n, m->nodes.n, m->outputs.n, {-1, 0}};
    if (m->outputs.n)
        s.output = m->outputs.at[0];
    return s;
}

static void go_back(tw_model *m, const standing *s)
{
    while (m->layers.n > s->n_layers)
        twi_layer_free(m->layers.at[--m->layers.n]);
    m->nodes.n = s->n_nodes;
    m->outputs.n = 0;
    m->err = (tw_err){0};
    if (s->n_outputs)
        twi_model_output(m, s->output);
}

static tw_status check_tensor(const tw_model *m, twi_tensor x, tw_err *err)
{
    if (m->err.status)
        return twi_fail(err, m->err.status, "%s", m->err.msg);
    bool is = x.node >= 0 && (size_t)x.node < m->nodes.n && x.slot >= 0 && x.slot < m->nodes.at[x.node].n_out;
    return is ? TW_OK : twi_fail(err, TW_EINVAL, "input_tensor is no tensor of model '%s'", m->name);
}

static tw_status build_onto(const tw_application_options *o, const twi_zoo_variant *v,
                            const twi_zoo_options *zoo, const char *path, tw_err *err)
{
    tw_model *m = o->input_tensor.model;
    twi_tensor x = {o->input_tensor.node, o->input_tensor.slot};
    tw_status status = check_tensor(m, x, err);
    if (status)
        return status;
    standing before = standing_of(m);
    status = twi_zoo_build_on(m, x, o->architecture, zoo, err);
    if (!status)
        status = note_pixels(m, v, &o->input_tensor, err);
    if (!status)
        status = load_weights(m, v, path, err);
    if (status)
        go_back(m, &before);
    return status;
}

static tw_model *build_new(const tw_application_options *o, const twi_zoo_variant *v,
                           const twi_zoo_options *zoo, const char *path, tw_err *err)
{
    tw_model *m = twi_zoo_build(o->architecture, zoo, err);
    if (m && (note_pixels(m, v, &o->input_tensor, err) || load_weights(m, v, path, err))) {
        twi_model_free(m);
        return NULL;
    }
    return m;
}

tw_model *twi_application(const tw_application_options *o, tw_err *err)
{
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(o->architecture, &family, err);
    twi_zoo_options zoo = {.has_top = !o->no_top,
                           .input = o->input_shape,
                           .pooling = o->pooling,
                           .classes = o->classes,
                           .classifier_activation = o->classifier_activation,
                           .name = o->name,
                           .is_random = o->weights && twi_str_same(o->weights, "none")};
    char *path;
    if (!v || find_weights(o, v, &path, err))
        return NULL;
    tw_model *m = NULL;
    if (!o->input_tensor.model)
        m = build_new(o, v, &zoo, path, err);
    else if (!build_onto(o, v, &zoo, path, err))
        m = twi_model_retain(o->input_tensor.model);
    twi_free(path);
    return m;
}
