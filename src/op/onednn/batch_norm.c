// batch_norm over channels with given statistics, forward and backward. That of training is our own (batch_norm_train.c).
//
// Forward takes the layout the input comes in. Backward is dense and wants its scratch for gradients that the library
// computes but nobody asked for.

#include "op/onednn/dnnl.h"

enum { X, GAMMA, BETA, MEAN, VARIANCE };

typedef struct batch_norm {
    twi_builder b;
    float epsilon;
    unsigned flags;
    twi_lent_md vector; // [c]
} batch_norm;

static bool has(const batch_norm *c, int i)
{
    return !c->b.request->is_absent[i];
}

static dnnl_primitive_desc_t forward_pd(batch_norm *c, dnnl_prop_kind_t prop, twi_lent_md md)
{
    twi_builder *b = &c->b;
    if (b->is_over || !md)
        return NULL;
    dnnl_status_t status = dnnl_batch_normalization_forward_primitive_desc_create(
        twi_pd_at(b), b->engine, prop, md, md, c->epsilon, c->flags, b->attr);
    return twi_pd(b, status) ? twi_pd_last(b) : NULL;
}

static void bind_statistics(batch_norm *c)
{
    twi_builder *b = &c->b;
    twi_bind(b, DNNL_ARG_MEAN, TWI_IN(MEAN), c->vector);
    twi_bind(b, DNNL_ARG_VARIANCE, TWI_IN(VARIANCE), c->vector);
}

static void forward(batch_norm *c)
{
    twi_builder *b = &c->b;
    const dnnl_prop_kind_t prop = dnnl_forward_inference;
    dnnl_primitive_desc_t pd = forward_pd(c, prop, twi_hinted(b, X, TWI_AXES_IMAGE));
    if (!pd || twi_pd_is_slow(pd))
        pd = forward_pd(c, prop, twi_dense(b, &b->request->in[X], TWI_AXES_IMAGE, 1, dnnl_f32));
    if (!pd) {
        twi_give_up(b);
        return;
    }
    twi_lent_md md = twi_pd_md(pd, dnnl_query_src_md, 0);
    twi_bind_in(b, DNNL_ARG_SRC, X, TWI_AXES_IMAGE, 1, md);
    bind_statistics(c);
    if (has(c, GAMMA))
        twi_bind(b, DNNL_ARG_SCALE, TWI_IN(GAMMA), c->vector);
    if (has(c, BETA))
        twi_bind(b, DNNL_ARG_SHIFT, TWI_IN(BETA), c->vector);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, md);
    twi_add_step(b, pd);
}

// A gradient of gamma or beta: where it is wanted, or in scratch.
static void bind_grad(batch_norm *c, int arg, int i)
{
    bool is_wanted = c->b.request->grads_wanted >> i & 1;
    twi_bind(&c->b, arg, is_wanted ? TWI_GRAD_IN(i) : twi_scratch_for(&c->b, c->vector), c->vector);
}

static void backward(batch_norm *c)
{
    twi_builder *b = &c->b;
    twi_lent_md md = twi_dense(b, &b->request->in[X], TWI_AXES_IMAGE, 1, dnnl_f32);
    dnnl_primitive_desc_t hint = forward_pd(c, dnnl_forward_training, md);
    // With parameters always their gradients too: oneDNN 2 has no data-only backward then, oneDNN 3 wants room for them.
    dnnl_prop_kind_t prop = has(c, GAMMA) || has(c, BETA) ? dnnl_backward : dnnl_backward_data;
    if (!hint ||
        !twi_pd(b, dnnl_batch_normalization_backward_primitive_desc_create(
                       twi_pd_at(b), b->engine, prop, md, md, md, c->epsilon, c->flags, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind(b, DNNL_ARG_SRC, TWI_IN(X), md);
    bind_statistics(c);
    twi_bind(b, DNNL_ARG_DIFF_DST, TWI_GRAD_OUT, md);
    if (has(c, GAMMA))
        twi_bind(b, DNNL_ARG_SCALE, TWI_IN(GAMMA), c->vector);
    if (TWI_DNNL_HAS_SHIFT_IN_BACKWARD && has(c, BETA))
        twi_bind(b, DNNL_ARG_SHIFT, twi_scratch_for(b, c->vector), c->vector);
    bool wants_x = b->request->grads_wanted & 1;
    twi_bind(b, DNNL_ARG_DIFF_SRC, wants_x ? TWI_GRAD_IN(X) : twi_scratch_for(b, md), md);
    if (has(c, GAMMA))
        bind_grad(c, DNNL_ARG_DIFF_SCALE, GAMMA);
    if (has(c, BETA))
        bind_grad(c, DNNL_ARG_DIFF_SHIFT, BETA);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_batch_norm(const twi_kernel_request *request, tw_err *err)
{
    const twi_batch_norm_params *p = request->params;
    const tw_shape *x = &request->in[X];
    batch_norm c = {.epsilon = (float)p->epsilon};
    // The statistics get no gradient worth a primitive; the library takes images and rows.
    if (p->is_training || p->activation.function != TWI_LINEAR || request->grads_wanted >> MEAN ||
        (x->rank != 4 && x->rank != 2))
        return NULL;
    if (!twi_build(&c.b, request, "batch normalization", 0, err))
        return NULL;
    c.flags = (unsigned)dnnl_use_global_stats | (has(&c, GAMMA) ? (unsigned)dnnl_use_scale : 0u) |
              (has(&c, BETA) ? (unsigned)dnnl_use_shift : 0u);
    tw_shape vector = TWI_SHAPE(twi_shape_last(x));
    c.vector = twi_dense(&c.b, &vector, TWI_AXES_PLAIN, 1, dnnl_f32);
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
