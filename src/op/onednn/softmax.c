// softmax over the last axis, forward and backward. Rows are dense.

#include "op/onednn/dnnl.h"

static void forward(twi_builder *b, twi_lent_md md)
{
    if (!twi_pd(b, dnnl_softmax_forward_primitive_desc_create(twi_pd_at(b), b->engine, dnnl_forward_inference,
                                                              dnnl_softmax_accurate, md, md, 1, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, md);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, md);
    twi_add_step(b, twi_pd_last(b));
}

static void backward(twi_builder *b, twi_lent_md md)
{
    if (!twi_pd(b, dnnl_softmax_forward_primitive_desc_create(twi_pd_at(b), b->engine, dnnl_forward_training,
                                                              dnnl_softmax_accurate, md, md, 1, b->attr)) ||
        !twi_pd(b, dnnl_softmax_backward_primitive_desc_create(twi_pd_at(b), b->engine, dnnl_softmax_accurate,
                                                               md, md, md, 1, twi_pd_last(b), b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind(b, DNNL_ARG_DST, TWI_OUT(0), md);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, md);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, md);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_softmax(const twi_kernel_request *request, tw_err *err)
{
    twi_builder b;
    bool is_forward = request->direction == TWI_FORWARD;
    if (!is_forward && !(request->kind->backward_reads & TWI_READS_OUT))
        return NULL;
    if (!twi_build(&b, request, "softmax", 0, err))
        return NULL;
    int64_t last = twi_shape_last(&request->in[0]);
    tw_shape rows = TWI_SHAPE(twi_shape_count(&request->in[0]) / last, last);
    twi_lent_md md = twi_dense(&b, &rows, TWI_AXES_PLAIN, 1, dnnl_f32);
    if (!b.is_over && is_forward)
        forward(&b, md);
    else if (!b.is_over)
        backward(&b, md);
    return twi_built(&b);
}
