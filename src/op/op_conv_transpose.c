// conv_transpose: the gradient of a convolution with respect to its input, as a layer of its own.
//
// Formula  y is what twi_conv_backward makes of x: y[oh,ow,o] = Σ of x[h,w,i] · kernel[kh,kw,o,i] where
//          oh = h·stride − top + kh·dilation (+ bias[o])
// Layout   x [n,h,w,cin], kernel [kh,kw,cout,cin], bias [cout]; y [n,out[0],out[1],cout].
// Source   keras.layers.Conv2DTranspose, Keras 3.15.
//
// Below, the convolution it belongs to runs from y to x: its `x` is our y, its `cin` our cout.

#include "op/conv_loops.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    const twi_conv_transpose_params *p = params;
    const tw_shape *x = &in[0], *kernel = &in[1];
    const char *op = "conv_transpose";
    if (twi_check_rank(op, "input", x, 4, err) || twi_check_rank(op, "kernel", kernel, 4, err) ||
        twi_check_pair(op, "strides", p->stride, err) || twi_check_pair(op, "dilation", p->dilation, err) ||
        twi_check_pads(op, p->pad, err) || twi_check_pair(op, "output size", p->out, err))
        return TW_EINVAL;
    if (kernel->dim[3] != x->dim[3])
        return twi_fail(err, TW_EINVAL, "%s: kernel takes %lld channels, the input has %lld", op,
                        (long long)kernel->dim[3], (long long)x->dim[3]);
    if (n_in > 2 && twi_check_vector(op, "bias", &in[2], kernel->dim[2], err))
        return TW_EINVAL;
    for (int axis = 0; axis < 2; axis++) {
        int64_t windows = twi_windows(p->out[axis], kernel->dim[axis], p->stride[axis], p->dilation[axis],
                                      p->pad[2 * axis], p->pad[2 * axis + 1]);
        if (windows != x->dim[1 + axis])
            return twi_fail(err, TW_EINVAL,
                            "%s: a result of %lld pixels belongs to an input of %lld, received %lld", op,
                            (long long)p->out[axis], (long long)windows, (long long)x->dim[1 + axis]);
    }
    return twi_infer_one(op, TWI_SHAPE(x->dim[0], p->out[0], p->out[1], kernel->dim[2]), out, n_out, err);
}

static int64_t macs(const void *params, const tw_shape *in, const tw_shape *out)
{
    (void)params;
    (void)out;
    const int64_t *k = in[1].dim;
    return twi_product(4, (int64_t[]){twi_shape_count(&in[0]), k[0], k[1], k[2]});
}

static twi_conv_sizes sizes_of(const twi_conv_transpose_params *p, const tw_shape *x, const tw_shape *kernel,
                               const tw_shape *y)
{
    return (twi_conv_sizes){.n = y->dim[0],
                            .h = y->dim[1],
                            .w = y->dim[2],
                            .cin = y->dim[3],
                            .oh = x->dim[1],
                            .ow = x->dim[2],
                            .cout = x->dim[3],
                            .kh = kernel->dim[0],
                            .kw = kernel->dim[1],
                            .stride = {p->stride[0], p->stride[1]},
                            .dilation = {p->dilation[0], p->dilation[1]},
                            .pad = {p->pad[0], p->pad[2]},
                            .groups = 1};
}

static void forward(const void *params, const twi_op_call *call)
{
    twi_conv_sizes s = sizes_of(params, &call->in[0].shape, &call->in[1].shape, &call->out[0].shape);
    const float *bias = call->n_in > 2 ? call->in[2].data : NULL;
    twi_conv_backward(&s, call->in[0].data, call->in[1].data, bias, call->out[0].data);
}

static void backward(const void *params, const twi_op_call *call)
{
    twi_conv_sizes s = sizes_of(params, &call->in[0].shape, &call->in[1].shape, &call->grad_out.shape);
    const float *grad = call->grad_out.data;
    if (call->grad_in[0].data)
        twi_conv_forward(&s, grad, call->in[1].data, NULL, call->grad_in[0].data);
    if (call->grad_in[1].data)
        twi_conv_gradient(&s, grad, call->in[0].data, call->grad_in[1].data);
    if (call->n_in > 2 && call->grad_in[2].data)
        twi_sum_rows(grad, s.n * s.h * s.w, s.cin, call->grad_in[2].data);
}

twi_value twi_emit_conv_transpose(twi_emitter *e, twi_value x, twi_value kernel, twi_value bias,
                                  const twi_conv_transpose_params *p)
{
    return twi_emit(e, &twi_op_conv_transpose, p, 3, (twi_value[]){x, kernel, bias});
}

const twi_op_kind twi_op_conv_transpose = {.name = "conv_transpose",
                                           .doc = "transposed convolution: the gradient of conv as a layer",
                                           .params_size = sizeof(twi_conv_transpose_params),
                                           .in_min = 2,
                                           .in_max = 3,
                                           .backward_reads = TWI_READS_IN(0) | TWI_READS_IN(1),
                                           .infer = infer,
                                           .macs = macs,
                                           .forward = forward,
                                           .backward = backward,
                                           .dnnl = twi_dnnl_conv_transpose};
