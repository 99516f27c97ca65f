// conv: convolution with groups, dilation and any padding; forward with fused activation and addition, and backward.
//
// Layouts  Where they are free, the source is taken as its producer left it if a fast kernel exists for that, else as the
//          library likes it. Few-channel images (photos) are always taken dense: there are kernels made for them.
// Kernel   in the library's layout: laid out once if constant, else by a reorder in each run (small beside the product).
// Backward all activations dense; the primitive for data and the one for weights are two steps.
// Winograd the library's own (f32, 3×3, AVX-512, oneDNN 2 only).

#include "op/onednn/dnnl.h"

#include <string.h>

typedef struct conv {
    twi_builder b;
    dnnl_alg_kind_t alg;
    dnnl_dims_t stride, dilate, pad_l, pad_r;
    int64_t groups;
    bool has_bias;
    twi_lent_md weights, bias;
} conv;

static void describe(conv *c)
{
    const twi_kernel_request *r = c->b.request;
    const twi_conv_params *p = r->params;
    bool is_winograd = r->algorithm == TWI_WINOGRAD;
    c->alg = is_winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    for (int i = 0; i < 2; i++) {
        c->stride[i] = p->stride[i];
        c->dilate[i] = p->dilation[i] - 1; // the library counts the gaps
        c->pad_l[i] = p->pad[2 * i];
        c->pad_r[i] = p->pad[2 * i + 1];
    }
    c->groups = p->groups;
    c->has_bias = r->n_in > 2 && !r->is_absent[2];
    c->weights = twi_any(&c->b, &r->in[1], TWI_AXES_KERNEL, c->groups, twi_type(r));
    if (c->has_bias)
        c->bias = twi_dense(&c->b, &r->in[2], TWI_AXES_PLAIN, 1, dnnl_f32);
}

// ------------------------------------------------------------------------------------------------------------ forward

static dnnl_primitive_desc_t forward_pd(conv *c, dnnl_prop_kind_t prop, dnnl_primitive_attr_t attr,
                                        twi_lent_md src, twi_lent_md dst)
{
    if (c->b.is_over || !src || !dst)
        return NULL;
    dnnl_status_t status = dnnl_convolution_forward_primitive_desc_create(
        twi_pd_at(&c->b), c->b.engine, prop, c->alg, src, c->weights, c->bias, dst, c->stride, c->dilate,
        c->pad_l, c->pad_r, attr);
    return twi_pd(&c->b, status) ? twi_pd_last(&c->b) : NULL;
}

// Kernels that unfold the image into a matrix, and references: worth a reorder to get away from.
static bool is_fast(dnnl_primitive_desc_t pd)
{
    return pd && !strstr(twi_pd_text(pd), "ref") && !strstr(twi_pd_text(pd), "gemm");
}

static dnnl_primitive_desc_t choose(conv *c, dnnl_primitive_attr_t attr)
{
    const twi_kernel_request *r = c->b.request;
    dnnl_data_type_t type = twi_type(r);
    twi_lent_md dense_src = twi_dense(&c->b, &r->in[0], TWI_AXES_IMAGE, 1, type);
    twi_lent_md dense_dst = twi_dense(&c->b, &r->out[0], TWI_AXES_IMAGE, 1, type);
    if (!r->is_layout_free)
        return forward_pd(c, dnnl_forward_inference, attr, dense_src, dense_dst);
    twi_lent_md any_src = twi_any(&c->b, &r->in[0], TWI_AXES_IMAGE, 1, type);
    twi_lent_md any_dst = twi_any(&c->b, &r->out[0], TWI_AXES_IMAGE, 1, type);
    twi_lent_md hinted = r->in_layout[0] ? twi_hinted(&c->b, 0, TWI_AXES_IMAGE) : NULL;
    if (r->in[0].dim[3] <= 4)
        hinted = dense_src;
    dnnl_primitive_desc_t as_it_comes = forward_pd(c, dnnl_forward_inference, attr, hinted, any_dst);
    if (is_fast(as_it_comes) && !r->is_liked)
        return as_it_comes;
    dnnl_primitive_desc_t as_liked = forward_pd(c, dnnl_forward_inference, attr, any_src, any_dst);
    return as_liked ? as_liked : as_it_comes;
}

static void forward(conv *c)
{
    twi_builder *b = &c->b;
    int added_input;
    twi_lent_md added = NULL;
    bool adds = twi_fusion_adds(b->request, &added_input);
    dnnl_primitive_desc_t pd = choose(c, adds ? b->attr : twi_fused(b, NULL));
    if (pd && adds) { // now the result's layout is known, and with it that of what is added
        added = twi_pd_md(pd, dnnl_query_dst_md, 0);
        pd = forward_pd(c, dnnl_forward_inference, twi_fused(b, added), twi_pd_md(pd, dnnl_query_src_md, 0),
                        added);
    }
    // oneDNN 2.6 adds the wrong numbers after a convolution by matrix product.
    if (!pd || (adds && !is_fast(pd)) || (b->request->n_fusion && twi_pd_is_slow(pd))) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_KERNEL, c->groups, twi_pd_md(pd, dnnl_query_weights_md, 0));
    if (c->has_bias)
        twi_bind_in(b, DNNL_ARG_BIAS, 2, TWI_AXES_PLAIN, 1, c->bias);
    twi_bind_fused(b, TWI_AXES_IMAGE, added);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_dst_md, 0));
    twi_add_step(b, pd);
}

// ----------------------------------------------------------------------------------------------------------- backward

static void backward_data(conv *c, twi_lent_md src, twi_lent_md dst, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return;
    dnnl_status_t status = dnnl_convolution_backward_data_primitive_desc_create(
        twi_pd_at(b), b->engine, c->alg, src, c->weights, dst, c->stride, c->dilate, c->pad_l, c->pad_r, hint,
        b->attr);
    if (!twi_pd(b, status)) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_diff_dst_md, 0));
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_KERNEL, c->groups, twi_pd_md(pd, dnnl_query_weights_md, 0));
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_diff_src_md, 0));
    twi_add_step(b, pd);
}

// oneDNN 2.6 gathers the pixels of a strided 1×1 convolution first, and writes beside its scratch memory where channels do
// not fill its vectors.
static bool is_unsafe(const conv *c)
{
    const tw_shape *kernel = &c->b.request->in[1];
    return kernel->dim[0] == 1 && kernel->dim[1] == 1 && (c->stride[0] > 1 || c->stride[1] > 1) &&
           (kernel->dim[2] % 8 || kernel->dim[3] % 8);
}

static void backward_weights(conv *c, twi_lent_md src, twi_lent_md dst, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &c->b;
    bool wants_kernel = b->request->grads_wanted & 2,
         wants_bias = c->has_bias && b->request->grads_wanted & 4;
    if (b->is_over)
        return;
    if (!wants_kernel || is_unsafe(c)) {
        twi_give_up(b);
        return;
    }
    dnnl_status_t status = dnnl_convolution_backward_weights_primitive_desc_create(
        twi_pd_at(b), b->engine, c->alg, src, c->weights, wants_bias ? c->bias : NULL, dst, c->stride,
        c->dilate, c->pad_l, c->pad_r, hint, b->attr);
    if (!twi_pd(b, status)) {
        twi_give_up(b);
        return;
    }
    dnnl_primitive_desc_t pd = twi_pd_last(b);
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, twi_pd_md(pd, dnnl_query_src_md, 0));
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_diff_dst_md, 0));
    twi_bind_grad_in(b, DNNL_ARG_DIFF_WEIGHTS, 1, TWI_AXES_KERNEL, c->groups,
                     twi_pd_md(pd, dnnl_query_diff_weights_md, 0));
    if (wants_bias)
        twi_bind_grad_in(b, DNNL_ARG_DIFF_BIAS, 2, TWI_AXES_PLAIN, 1, c->bias);
    twi_add_step(b, pd);
}

static void backward(conv *c)
{
    const twi_kernel_request *r = c->b.request;
    twi_lent_md src = twi_dense(&c->b, &r->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    twi_lent_md dst = twi_dense(&c->b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    dnnl_primitive_desc_t hint = forward_pd(c, dnnl_forward_training, c->b.attr, src, dst);
    if (!hint)
        twi_give_up(&c->b);
    if (r->grads_wanted & 6)
        backward_weights(c, src, dst, hint);
    if (r->grads_wanted & 1)
        backward_data(c, src, dst, hint);
}

twi_kernel *twi_dnnl_conv(const twi_kernel_request *request, tw_err *err)
{
    conv c = {0};
    if (!twi_build(&c.b, request, "convolution", TWI_CAN_FUSE | TWI_CAN_WINOGRAD, err))
        return NULL;
    describe(&c);
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
