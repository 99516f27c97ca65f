// reduce: mean or largest over h and w, as pooling with one window over the whole image.
//
// Its result is [n, c] in a row whatever the layout of the input, unless channels are padded to whole blocks: then it is
// reordered. Backward of the largest is left to the reference: Keras shares it among equal values, pooling does not.

#include "op/onednn/dnnl.h"

typedef struct reduce {
    twi_builder b;
    dnnl_alg_kind_t alg;
    dnnl_dims_t window, none;
    tw_shape y; // [n, 1, 1, c]
} reduce;

static dnnl_primitive_desc_t forward_pd(reduce *c, dnnl_prop_kind_t prop, twi_lent_md src, twi_lent_md dst)
{
    twi_builder *b = &c->b;
    if (b->is_over || !src || !dst)
        return NULL;
    dnnl_dims_t one = {1, 1};
    dnnl_status_t status = dnnl_pooling_forward_primitive_desc_create(
        twi_pd_at(b), b->engine, prop, c->alg, src, dst, one, c->window, c->none, c->none, c->none, b->attr);
    return twi_pd(b, status) ? twi_pd_last(b) : NULL;
}

static void forward(reduce *c)
{
    twi_builder *b = &c->b;
    const twi_kernel_request *r = b->request;
    twi_lent_md dense_dst = twi_dense(b, &c->y, TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dense_src = twi_dense(b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md src = twi_hinted(b, 0, TWI_AXES_IMAGE);
    if (b->is_over)
        return;
    dnnl_primitive_desc_t pd =
        forward_pd(c, dnnl_forward_inference, src, twi_any(b, &c->y, TWI_AXES_IMAGE, 1, twi_md_type(src)));
    if (!pd || twi_pd_is_slow(pd))
        pd = forward_pd(c, dnnl_forward_inference, dense_src, dense_dst);
    if (!pd) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind_to(b, DNNL_ARG_DST, TWI_OUT(0), dense_dst, twi_pd_md(pd, dnnl_query_dst_md, 0));
    twi_add_step(b, pd);
}

static void backward(reduce *c)
{
    twi_builder *b = &c->b;
    dnnl_dims_t one = {1, 1};
    twi_lent_md src = twi_dense(b, &b->request->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dst = twi_dense(b, &c->y, TWI_AXES_IMAGE, 1, dnnl_f32);
    dnnl_primitive_desc_t hint = forward_pd(c, dnnl_forward_training, src, dst);
    if (!hint || !twi_pd(b, dnnl_pooling_backward_primitive_desc_create(twi_pd_at(b), b->engine, c->alg, src,
                                                                        dst, one, c->window, c->none, c->none,
                                                                        c->none, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind(b, DNNL_ARG_DIFF_DST, TWI_GRAD_OUT, dst);
    twi_bind(b, DNNL_ARG_DIFF_SRC, TWI_GRAD_IN(0), src);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_reduce(const twi_kernel_request *request, tw_err *err)
{
    const twi_reduce_params *p = request->params;
    const tw_shape *x = &request->in[0];
    reduce c = {.alg = p->is_max ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding};
    if (x->rank != 4 || (p->is_max && request->direction == TWI_BACKWARD))
        return NULL;
    if (!twi_build(&c.b, request, "global pooling", 0, err))
        return NULL;
    c.window[0] = x->dim[1], c.window[1] = x->dim[2];
    c.y = TWI_SHAPE(x->dim[0], 1, 1, x->dim[3]);
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
