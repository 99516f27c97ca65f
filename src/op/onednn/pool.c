// pool: largest or mean of windows, forward in whatever layout the input comes in, and backward.
//
// Backward of the largest runs forward once more, for the library's record of where each largest was (its workspace);
// keeping that from the forward run would cost memory for the whole step. Gradient goes to the first largest.

#include "op/onednn/dnnl.h"

typedef struct pool {
    twi_builder b;
    dnnl_alg_kind_t alg;
    dnnl_dims_t stride, window, dilate, pad_l, pad_r;
} pool;

static void describe(pool *c)
{
    const twi_pool_params *p = c->b.request->params;
    c->alg = p->is_mean ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max;
    for (int i = 0; i < 2; i++) {
        c->stride[i] = p->stride[i];
        c->window[i] = p->window[i];
        c->dilate[i] = 0;
        c->pad_l[i] = p->pad[2 * i];
        c->pad_r[i] = p->pad[2 * i + 1];
    }
}

static dnnl_primitive_desc_t forward_pd(pool *c, dnnl_prop_kind_t prop, twi_lent_md src, twi_lent_md dst)
{
    if (c->b.is_over)
        return NULL;
    dnnl_status_t status = dnnl_pooling_forward_primitive_desc_create(
        twi_pd_at(&c->b), c->b.engine, prop, c->alg, src, dst, c->stride, c->window, c->dilate, c->pad_l,
        c->pad_r, c->b.attr);
    return twi_pd(&c->b, status) ? twi_pd_last(&c->b) : NULL;
}

static void forward(pool *c)
{
    twi_builder *b = &c->b;
    const twi_kernel_request *r = b->request;
    twi_lent_md src = twi_hinted(b, 0, TWI_AXES_IMAGE);
    twi_lent_md dense = twi_dense(b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    if (b->is_over)
        return;
    dnnl_primitive_desc_t pd = forward_pd(c, dnnl_forward_inference, src,
                                          twi_any(b, &r->out[0], TWI_AXES_IMAGE, 1, twi_md_type(src)));
    if (!pd || twi_pd_is_slow(pd))
        pd = forward_pd(c, dnnl_forward_inference, dense,
                        twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32));
    if (!pd) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_dst_md, 0));
    twi_add_step(b, pd);
}

// Forward into scratch; returns where the workspace lies.
static twi_slot again(pool *c, dnnl_primitive_desc_t pd, twi_lent_md workspace)
{
    twi_builder *b = &c->b;
    twi_lent_md dst = twi_pd_md(pd, dnnl_query_dst_md, 0);
    twi_slot at = twi_scratch_for(b, workspace);
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind(b, DNNL_ARG_DST, twi_scratch_for(b, dst), dst);
    twi_bind(b, DNNL_ARG_WORKSPACE, at, workspace);
    twi_add_step(b, pd);
    return at;
}

static void backward(pool *c)
{
    twi_builder *b = &c->b;
    const twi_kernel_request *r = b->request;
    twi_lent_md src = twi_dense(b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dst = twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32), workspace = NULL;
    dnnl_primitive_desc_t hint = forward_pd(c, dnnl_forward_training, src, dst);
    if (!hint || !twi_pd(b, dnnl_pooling_backward_primitive_desc_create(twi_pd_at(b), b->engine, c->alg, src,
                                                                        dst, c->stride, c->window, c->dilate,
                                                                        c->pad_l, c->pad_r, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    if (c->alg == dnnl_pooling_max) {
        workspace = twi_pd_md(hint, dnnl_query_workspace_md, 0);
        twi_slot at = again(c, hint, workspace);
        twi_bind(b, DNNL_ARG_WORKSPACE, at, workspace);
    }
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, dst);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, src);
    twi_add_step(b, pd);
}

twi_kernel *twi_dnnl_pool(const twi_kernel_request *request, tw_err *err)
{
    pool c = {0};
    if (!twi_build(&c.b, request, "pooling", 0, err))
        return NULL;
    describe(&c);
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
