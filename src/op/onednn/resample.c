// resample: nearest or bilinear to another height and width, forward in whatever layout the input comes in, and backward.
//
// Both sides put pixel centres at half pixels. Nearest is taken for whole factors only: elsewhere the library rounds ties
// in its own way.

#include "op/onednn/dnnl.h"

static dnnl_primitive_desc_t forward_pd(twi_builder *b, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
                                        twi_lent_md src, twi_lent_md dst)
{
    if (b->is_over || !src || !dst)
        return NULL;
    dnnl_status_t status = dnnl_resampling_forward_primitive_desc_create(twi_pd_at(b), b->engine, prop, alg,
                                                                         NULL, src, dst, b->attr);
    return twi_pd(b, status) ? twi_pd_last(b) : NULL;
}

static void forward(twi_builder *b, dnnl_alg_kind_t alg)
{
    const twi_kernel_request *r = b->request;
    twi_lent_md src = twi_hinted(b, 0, TWI_AXES_IMAGE);
    twi_lent_md dense_src = twi_dense(b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dense_dst = twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    if (b->is_over)
        return;
    dnnl_primitive_desc_t pd = forward_pd(b, dnnl_forward_inference, alg, src,
                                          twi_any(b, &r->out[0], TWI_AXES_IMAGE, 1, twi_md_type(src)));
    if (!pd || twi_pd_is_slow(pd))
        pd = forward_pd(b, dnnl_forward_inference, alg, dense_src, dense_dst);
    if (!pd) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_dst_md, 0));
    twi_add_step(b, pd);
}

static void backward(twi_builder *b, dnnl_alg_kind_t alg)
{
    const twi_kernel_request *r = b->request;
    twi_lent_md src = twi_dense(b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dst = twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    dnnl_primitive_desc_t hint = forward_pd(b, dnnl_forward_training, alg, src, dst);
    if (!hint || !twi_pd(b, dnnl_resampling_backward_primitive_desc_create(twi_pd_at(b), b->engine, alg, NULL,
                                                                           src, dst, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, dst);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, src);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_resample(const twi_kernel_request *request, tw_err *err)
{
    const twi_resample_params *p = request->params;
    const tw_shape *x = &request->in[0], *y = &request->out[0];
    twi_builder b;
    if (!p->is_bilinear && (y->dim[1] % x->dim[1] || y->dim[2] % x->dim[2]))
        return NULL;
    if (!twi_build(&b, request, "resampling", 0, err))
        return NULL;
    dnnl_alg_kind_t alg = p->is_bilinear ? dnnl_resampling_linear : dnnl_resampling_nearest;
    if (request->direction == TWI_FORWARD)
        forward(&b, alg);
    else
        backward(&b, alg);
    return twi_built(&b);
}
