// layer_norm: normalization of each row (last axis), forward and backward. Rows are dense.
//
// Backward computes the rows' statistics again: [rows] numbers, cheaper to make than to keep through a step.

#include "op/onednn/dnnl.h"

enum { X, GAMMA, BETA };

typedef struct layer_norm {
    twi_builder b;
    float epsilon;
    unsigned flags;
    twi_lent_md rows, vector, stat; // [rows, c], [c], [rows]
} layer_norm;

static bool has(const layer_norm *c, int i)
{
    return i < c->b.request->n_in && !c->b.request->is_absent[i];
}

static dnnl_primitive_desc_t forward_pd(layer_norm *c, dnnl_prop_kind_t prop, unsigned flags)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return NULL;
    dnnl_status_t status = dnnl_layer_normalization_forward_primitive_desc_create(
        twi_pd_at(b), b->engine, prop, c->rows, c->rows, c->stat, c->epsilon, flags, b->attr);
    if (!twi_pd(b, status))
        twi_give_up(b);
    return b->is_over ? NULL : twi_pd_last(b);
}

static void forward(layer_norm *c)
{
    twi_builder *b = &c->b;
    dnnl_primitive_desc_t pd = forward_pd(c, dnnl_forward_inference, c->flags);
    if (!pd)
        return;
    twi_bind(b, DNNL_ARG_SRC, TWI_IN(X), c->rows);
    if (has(c, GAMMA))
        twi_bind(b, DNNL_ARG_SCALE, TWI_IN(GAMMA), c->vector);
    if (has(c, BETA))
        twi_bind(b, DNNL_ARG_SHIFT, TWI_IN(BETA), c->vector);
    twi_bind(b, DNNL_ARG_DST, TWI_OUT(0), c->rows);
    twi_add_step(b, pd);
}

// Forward without gamma and beta, for the statistics only.
static void add_statistics(layer_norm *c, twi_slot mean, twi_slot variance)
{
    twi_builder *b = &c->b;
    dnnl_primitive_desc_t pd = forward_pd(c, dnnl_forward_training, 0);
    if (!pd)
        return;
    twi_bind(b, DNNL_ARG_SRC, TWI_IN(X), c->rows);
    twi_bind(b, DNNL_ARG_DST, twi_scratch_for(b, c->rows), c->rows);
    twi_bind(b, DNNL_ARG_MEAN, mean, c->stat);
    twi_bind(b, DNNL_ARG_VARIANCE, variance, c->stat);
    twi_add_step(b, pd);
}

static void bind_grad(layer_norm *c, int arg, int i, twi_lent_md md)
{
    bool is_wanted = c->b.request->grads_wanted >> i & 1;
    twi_bind(&c->b, arg, is_wanted ? TWI_GRAD_IN(i) : twi_scratch_for(&c->b, md), md);
}

static void backward(layer_norm *c)
{
    twi_builder *b = &c->b;
    bool wants_parameters = b->request->grads_wanted & (1u << GAMMA | 1u << BETA);
    dnnl_prop_kind_t prop = wants_parameters ? dnnl_backward : dnnl_backward_data;
    dnnl_primitive_desc_t hint = forward_pd(c, dnnl_forward_training, c->flags);
    if (!hint || !twi_pd(b, dnnl_layer_normalization_backward_primitive_desc_create(
                                twi_pd_at(b), b->engine, prop, c->rows, c->rows, c->rows, c->stat, c->epsilon,
                                c->flags, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    twi_slot mean = twi_scratch_for(b, c->stat), variance = twi_scratch_for(b, c->stat);
    add_statistics(c, mean, variance);
    twi_bind(b, DNNL_ARG_SRC, TWI_IN(X), c->rows);
    twi_bind(b, DNNL_ARG_MEAN, mean, c->stat);
    twi_bind(b, DNNL_ARG_VARIANCE, variance, c->stat);
    twi_bind(b, DNNL_ARG_DIFF_DST, TWI_GRAD_OUT, c->rows);
    if (has(c, GAMMA))
        twi_bind(b, DNNL_ARG_SCALE, TWI_IN(GAMMA), c->vector);
    // oneDNN 2 counts beta among the inputs of backward, and does not read it.
    if (has(c, BETA))
        twi_bind(b, DNNL_ARG_SHIFT, twi_scratch_for(b, c->vector), c->vector);
    bind_grad(c, DNNL_ARG_DIFF_SRC, X, c->rows);
    if (wants_parameters && has(c, GAMMA))
        bind_grad(c, DNNL_ARG_DIFF_SCALE, GAMMA, c->vector);
    if (wants_parameters && has(c, BETA))
        bind_grad(c, DNNL_ARG_DIFF_SHIFT, BETA, c->vector);
    twi_add_step(b, pd);
}

twi_kernel *twi_dnnl_layer_norm(const twi_kernel_request *request, tw_err *err)
{
    const twi_layer_norm_params *p = request->params;
    layer_norm c = {.epsilon = (float)p->epsilon};
    if (request->dtype != TWI_F32 || !twi_build(&c.b, request, "layer normalization", 0, err))
        return NULL;
    int64_t last = twi_shape_last(&request->in[X]), n = twi_shape_count(&request->in[X]) / last;
    tw_shape rows = TWI_SHAPE(n, last), vector = TWI_SHAPE(last), stat = TWI_SHAPE(n);
    c.flags =
        (has(&c, GAMMA) ? (unsigned)dnnl_use_scale : 0u) | (has(&c, BETA) ? (unsigned)dnnl_use_shift : 0u);
    c.rows = twi_dense(&c.b, &rows, TWI_AXES_PLAIN, 1, dnnl_f32);
    c.vector = twi_dense(&c.b, &vector, TWI_AXES_PLAIN, 1, dnnl_f32);
    c.stat = twi_dense(&c.b, &stat, TWI_AXES_PLAIN, 1, dnnl_f32);
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
