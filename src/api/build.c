// Building models in public: every call records its first error in the model. See topwork.h.

#include "layer/options.h"

// Building has failed before, or there is nothing to build in.
static bool is_over(const tw_model *m)
{
    return !m || m->err.status;
}

tw_layer_spec tw_layer_(const char *class_name, const char *json)
{
    return (tw_layer_spec){.class_name = class_name, .json = json ? json : "{}"};
}

tw_layer_spec tw_nest_(const tw_nest_options *o)
{
    return (tw_layer_spec){.nested = o ? o->model : NULL, .inference = o && o->inference};
}

// -------------------------------------------------------------------------------------------------------------- layers

tw_layer *tw_layer_new(tw_layer_spec layer, tw_err *err)
{
    return err && err->status ? NULL : twi_spec_layer(&layer, err);
}

tw_layer *tw_layer_retain(tw_layer *layer)
{
    return twi_layer_retain(layer);
}

void tw_layer_free(tw_layer *layer)
{
    twi_layer_free(layer);
}

// A model inside itself would never end.
static bool contains(const tw_model *m, const tw_model *part)
{
    bool found = m == part;
    for (size_t i = 0; !found && i < m->layers.n; i++)
        found = m->layers.at[i]->nested && contains(m->layers.at[i]->nested, part);
    return found;
}

static bool may_take(tw_model *m, const tw_layer *layer)
{
    if (!layer) {
        twi_fail(&m->err, TW_EINVAL, "model '%s': a layer is NULL: what should have made it failed", m->name);
        return false;
    }
    if (layer->nested && contains(layer->nested, m)) {
        twi_fail(&m->err, TW_EINVAL, "model '%s' cannot be a layer of itself", m->name);
        return false;
    }
    return true;
}

// --------------------------------------------------------------------------------------------------------------- calls

static tw_tensor public_tensor(tw_model *m, twi_tensor x)
{
    return x.node < 0 ? (tw_tensor){0} : (tw_tensor){m, x.node, x.slot};
}

tw_tensor tw_input(tw_model *model, tw_shape shape, const char *name)
{
    if (is_over(model))
        return (tw_tensor){0};
    if (shape.rank < 1 || shape.rank >= TW_RANK_MAX) {
        twi_fail(&model->err, TW_EINVAL, "model '%s': an input has 1 to %d sizes, received %d", model->name,
                 TW_RANK_MAX - 1, (int)shape.rank);
        return (tw_tensor){0};
    }
    tw_shape batched = {.rank = shape.rank + 1, .dim = {-1}};
    for (int i = 0; i < shape.rank; i++)
        batched.dim[i + 1] = shape.dim[i];
    return public_tensor(model, twi_model_input(model, name, &batched));
}

// A model frozen as a whole is that no longer once a layer that trains is in it: freezing meant the layers of then.
static void take(tw_model *m, const tw_layer *layer)
{
    if (layer->is_trainable && layer->n_weights)
        m->is_trainable = true;
}

void tw_add_layer(tw_model *model, tw_layer *layer)
{
    if (is_over(model) || !may_take(model, layer))
        return;
    twi_model_add(model, layer);
    take(model, layer);
}

void tw_add(tw_model *model, tw_layer_spec layer)
{
    if (is_over(model))
        return;
    tw_layer *made = twi_spec_layer(&layer, &model->err);
    if (made)
        tw_add_layer(model, made);
    twi_layer_free(made);
}

// The model n tensors belong to, or NULL where one is none or building is over.
static tw_model *model_of(int64_t n, const tw_tensor *x)
{
    tw_model *m = n > 0 && x ? x[0].model : NULL;
    for (int64_t i = 0; m && i < n; i++) {
        if (!x[i].model)
            return NULL;
        if (x[i].model != m)
            twi_fail(&m->err, TW_EINVAL, "tensor %lld belongs to model '%s', the others to '%s'",
                     (long long)i, x[i].model->name, m->name);
    }
    return is_over(m) ? NULL : m;
}

tw_tensor tw_apply_all(tw_layer *layer, int64_t n, const tw_tensor *x)
{
    tw_model *m = model_of(n, x);
    if (!m || !may_take(m, layer))
        return (tw_tensor){0};
    twi_tensor in[TWI_LAYER_IN_MAX];
    if (n > TWI_LAYER_IN_MAX) {
        twi_fail(&m->err, TW_EINVAL, "a call takes at most %d tensors, received %lld", TWI_LAYER_IN_MAX,
                 (long long)n);
        return (tw_tensor){0};
    }
    for (int64_t i = 0; i < n; i++)
        in[i] = (twi_tensor){x[i].node, x[i].slot};
    twi_tensor out = twi_model_call(m, layer, (int)n, in);
    take(m, layer);
    return public_tensor(m, out);
}

tw_tensor tw_apply(tw_layer *layer, tw_tensor x)
{
    return tw_apply_all(layer, 1, &x);
}

tw_tensor tw_call_all(tw_layer_spec layer, int64_t n, const tw_tensor *x)
{
    tw_model *m = model_of(n, x);
    tw_layer *made = m ? twi_spec_layer(&layer, &m->err) : NULL;
    tw_tensor out = made ? tw_apply_all(made, n, x) : (tw_tensor){0};
    twi_layer_free(made);
    return out;
}

tw_tensor tw_call(tw_layer_spec layer, tw_tensor x)
{
    return tw_call_all(layer, 1, &x);
}

// A tensor of the model that a call gave.
static bool is_tensor(const tw_tensor *x)
{
    const tw_model *m = x->model;
    return m && x->node >= 0 && (size_t)x->node < m->nodes.n && x->slot >= 0 &&
           x->slot < m->nodes.at[x->node].n_out;
}

void tw_outputs(int64_t n, const tw_tensor *x)
{
    tw_model *m = model_of(n, x);
    for (int64_t i = 0; m && i < n; i++)
        if (!is_tensor(&x[i]))
            twi_fail(&m->err, TW_EINVAL, "output %lld is no tensor of model '%s'", (long long)i, m->name);
    if (is_over(m))
        return;
    m->outputs.n = 0;
    for (int64_t i = 0; i < n; i++)
        twi_model_output(m, (twi_tensor){x[i].node, x[i].slot});
}

void tw_output(tw_tensor x)
{
    tw_outputs(1, &x);
}

tw_shape tw_tensor_shape(tw_tensor x)
{
    return is_tensor(&x) ? twi_model_shape(x.model, (twi_tensor){x.node, x.slot}) : (tw_shape){0};
}
