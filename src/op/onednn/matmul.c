// matmul: y = x · w (+ bias) over the last axis, as the library's inner product; fused activation and addition; backward.
//
// Leading axes are rows: dense memory needs no copy for that. w [cin, cout] is seen as (o, i). Constant weights are laid
// out as the library likes, once; others stay dense, since reordering them costs as much as multiplying a small batch.

#include "op/onednn/dnnl.h"
#include "op/wide.h"

typedef struct matmul {
    twi_builder b;
    bool has_bias;
    twi_lent_md x, w, bias, y;
} matmul;

static tw_shape rows_of(const tw_shape *s)
{
    int64_t last = twi_shape_last(s);
    return TWI_SHAPE(twi_shape_count(s) / last, last);
}

static void describe(matmul *m)
{
    const twi_kernel_request *r = m->b.request;
    tw_shape x = rows_of(&r->in[0]), y = rows_of(&r->out[0]);
    dnnl_data_type_t type = twi_type(r);
    bool may_lay_out = r->direction == TWI_FORWARD && r->is_constant[1];
    m->has_bias = r->n_in > 2 && !r->is_absent[2];
    m->x = twi_dense(&m->b, &x, TWI_AXES_PLAIN, 1, type);
    m->y = twi_dense(&m->b, &y, TWI_AXES_PLAIN, 1, type);
    m->w = (may_lay_out ? twi_any : twi_dense)(&m->b, &r->in[1], TWI_AXES_MATRIX, 1, type);
    if (m->has_bias)
        m->bias = twi_dense(&m->b, &r->in[2], TWI_AXES_PLAIN, 1, dnnl_f32);
}

static dnnl_primitive_desc_t forward_pd(matmul *m, dnnl_prop_kind_t prop, dnnl_primitive_attr_t attr)
{
    twi_builder *b = &m->b;
    if (b->is_over)
        return NULL;
    if (!twi_pd(b, dnnl_inner_product_forward_primitive_desc_create(twi_pd_at(b), b->engine, prop, m->x, m->w,
                                                                    m->bias, m->y, attr)))
        twi_give_up(b);
    return b->is_over ? NULL : twi_pd_last(b);
}

static void forward(matmul *m)
{
    twi_builder *b = &m->b;
    dnnl_primitive_desc_t pd = forward_pd(m, dnnl_forward_inference, twi_fused(b, m->y));
    if (!pd)
        return;
    if (b->request->n_fusion && twi_pd_is_slow(pd))
        twi_give_up(b);
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, m->x);
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_MATRIX, 1, twi_pd_md(pd, dnnl_query_weights_md, 0));
    if (m->has_bias)
        twi_bind_in(b, DNNL_ARG_BIAS, 2, TWI_AXES_PLAIN, 1, m->bias);
    twi_bind_fused(b, TWI_AXES_IMAGE, m->y);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, m->y);
    twi_add_step(b, pd);
}

static void backward_weights(matmul *m, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &m->b;
    bool wants_w = b->request->grads_wanted & 2, wants_bias = m->has_bias && b->request->grads_wanted & 4;
    if (b->is_over)
        return;
    if (!wants_w) {
        twi_give_up(b);
        return;
    }
    dnnl_status_t status = dnnl_inner_product_backward_weights_primitive_desc_create(
        twi_pd_at(b), b->engine, m->x, m->w, wants_bias ? m->bias : NULL, m->y, hint, b->attr);
    if (!twi_pd(b, status)) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, m->x);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, m->y);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_WEIGHTS, 1, TWI_AXES_MATRIX, 1, m->w);
    if (wants_bias)
        twi_bind_grad_in(b, DNNL_ARG_DIFF_BIAS, 2, TWI_AXES_PLAIN, 1, m->bias);
    twi_add_step(b, twi_pd_last(b));
}

static void backward_data(matmul *m, dnnl_primitive_desc_t hint)
{
    twi_builder *b = &m->b;
    if (b->is_over)
        return;
    if (!twi_pd(b, dnnl_inner_product_backward_data_primitive_desc_create(twi_pd_at(b), b->engine, m->x, m->w,
                                                                          m->y, hint, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, m->y);
    twi_bind_in(b, DNNL_ARG_WEIGHTS, 1, TWI_AXES_MATRIX, 1, m->w);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, m->x);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_matmul(const twi_kernel_request *request, tw_err *err)
{
    matmul m = {0};
    // A bf16 tensor of more axes has no dense f32 twin that could be seen as rows.
    if (request->dtype == TWI_BF16 && request->in[0].rank != 2)
        return NULL;
    if (twi_wide_takes(request))
        return NULL; // which it does faster
    if (!twi_build(&m.b, request, "inner product", TWI_CAN_FUSE, err))
        return NULL;
    describe(&m);
    if (request->direction == TWI_FORWARD) {
        forward(&m);
    } else {
        dnnl_primitive_desc_t hint = forward_pd(&m, dnnl_forward_training, m.b.attr);
        if (request->grads_wanted & 6)
            backward_weights(&m, hint);
        if (request->grads_wanted & 1)
            backward_data(&m, hint);
    }
    return twi_built(&m.b);
}
