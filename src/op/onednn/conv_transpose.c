// conv_transpose: the gradient of a convolution as a layer, as the library's deconvolution; forward and backward.
//
// kernel [kh,kw,cout,cin] is seen as (o,i,kh,kw): o is what this op makes. Padding is that of the convolution it
// belongs to, for both.

#include "op/onednn/dnnl.h"

typedef struct transposed {
    twi_builder b;
    dnnl_dims_t stride, dilate, pad_l, pad_r;
    bool has_bias;
    twi_lent_md src, weights, bias, dst;
} transposed;

static void describe(transposed *c)
{
    const twi_kernel_request *r = c->b.request;
    const twi_conv_transpose_params *p = r->params;
    for (int i = 0; i < 2; i++) {
        c->stride[i] = p->stride[i];
        c->dilate[i] = p->dilation[i] - 1;
        c->pad_l[i] = p->pad[2 * i];
        c->pad_r[i] = p->pad[2 * i + 1];
    }
    c->has_bias = r->n_in > 2 && !r->is_absent[2];
    c->src = twi_dense(&c->b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    c->dst = twi_dense(&c->b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    c->weights = twi_any(&c->b, &r->in[1], TWI_AXES_TRANSPOSED, 1, dnnl_f32);
    if (c->has_bias)
        c->bias = twi_dense(&c->b, &r->in[2], TWI_AXES_PLAIN, 1, dnnl_f32);
}

static dnnl_primitive_desc_t forward_pd(transposed *c, dnnl_prop_kind_t prop)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return NULL;
    if (!twi_pd(b, dnnl_deconvolution_forward_primitive_desc_create(
                       twi_pd_at(b), b->engine, prop, dnnl_deconvolution_direct, c->src, c->weights, c->bias,
                       c->dst, c->stride, c->dilate, c->pad_l, c->pad_r, b->attr)))
        twi_give_up(b);
    return b->is_over ? NULL : twi_pd_last(b);
}

static void forward(transposed *c)
{
    twi_builder *b = &c->b;
    dnnl_primitive_desc_t pd = forward_pd(c, dnnl_forward_inference);
    if (!pd)
        return;
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, c->src);
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_TRANSPOSED, 1, twi_pd_md(pd, dnnl_query_weights_md, 0));
    if (c->has_bias)
        twi_bind_in(b, DNNL_ARG_BIAS, 2, TWI_AXES_PLAIN, 1, c->bias);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, c->dst);
    twi_add_step(b, pd);
}

static void backward_weights(transposed *c, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &c->b;
    bool wants_kernel = b->request->grads_wanted & 2,
         wants_bias = c->has_bias && b->request->grads_wanted & 4;
    if (b->is_over)
        return;
    if (!wants_kernel) {
        twi_give_up(b);
        return;
    }
    dnnl_status_t status = dnnl_deconvolution_backward_weights_primitive_desc_create(
        twi_pd_at(b), b->engine, dnnl_deconvolution_direct, c->src, c->weights, wants_bias ? c->bias : NULL,
        c->dst, c->stride, c->dilate, c->pad_l, c->pad_r, hint, b->attr);
    if (!twi_pd(b, status)) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, c->src);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, c->dst);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_WEIGHTS, 1, TWI_AXES_TRANSPOSED, 1,
                     twi_pd_md(pd, dnnl_query_diff_weights_md, 0));
    if (wants_bias)
        twi_bind_grad_in(b, DNNL_ARG_DIFF_BIAS, 2, TWI_AXES_PLAIN, 1, c->bias);
    twi_add_step(b, pd);
}

static void backward_data(transposed *c, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return;
    if (!twi_pd(b, dnnl_deconvolution_backward_data_primitive_desc_create(
                       twi_pd_at(b), b->engine, dnnl_deconvolution_direct, c->src, c->weights, c->dst,
                       c->stride, c->dilate, c->pad_l, c->pad_r, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, c->dst);
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_TRANSPOSED, 1, twi_pd_md(pd, dnnl_query_weights_md, 0));
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, c->src);
    twi_add_step(b, pd);
}

twi_kernel *twi_dnnl_conv_transpose(const twi_kernel_request *request, tw_err *err)
{
    transposed c = {0};
    if (request->dtype != TWI_F32 || !twi_build(&c.b, request, "deconvolution", 0, err))
        return NULL;
    describe(&c);
    if (request->direction == TWI_FORWARD) {
        forward(&c);
    } else {
        dnnl_primitive_desc_t hint = forward_pd(&c, dnnl_forward_training);
        if (request->grads_wanted & 6)
            backward_weights(&c, hint);
        if (request->grads_wanted & 1)
            backward_data(&c, hint);
    }
    return twi_built(&c.b);
}
