// matmul: y[…,cout] = x[…,cin] · w[cin,cout] (+ bias[cout]); leading axes are rows.
//
// Source   keras.layers.Dense, Keras 3.15, which multiplies the last axis.
//
// To the loops it is a 1×1 convolution over an image of one line, whose pixels are the rows.

#include "op/conv_loops.h"
#include "op/wide.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)params;
    tw_shape y = in[0];
    if (twi_check_sizes("matmul", "input", &in[0], err) || twi_check_rank("matmul", "matrix", &in[1], 2, err))
        return TW_EINVAL;
    if (in[1].dim[0] != twi_shape_last(&y))
        return twi_fail(err, TW_EINVAL, "matmul: the matrix takes %lld numbers a row, the input has %lld",
                        (long long)in[1].dim[0], (long long)twi_shape_last(&y));
    y.dim[y.rank - 1] = in[1].dim[1];
    if (n_in > 2 && twi_check_vector("matmul", "bias", &in[2], in[1].dim[1], err))
        return TW_EINVAL;
    return twi_infer_one("matmul", y, out, n_out, err);
}

static int64_t macs(const void *params, const tw_shape *in, const tw_shape *out)
{
    (void)params;
    return twi_product(2, (int64_t[]){twi_shape_count(out), in[1].dim[0]});
}

static twi_conv_sizes sizes_of(const twi_op_call *call)
{
    int64_t rows = twi_rows(&call->in[0].shape);
    const int64_t *w = call->in[1].shape.dim;
    return (twi_conv_sizes){.n = 1,
                            .h = 1,
                            .w = rows,
                            .cin = w[0],
                            .oh = 1,
                            .ow = rows,
                            .cout = w[1],
                            .kh = 1,
                            .kw = 1,
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .groups = 1};
}

static void forward(const void *params, const twi_op_call *call)
{
    (void)params;
    twi_conv_sizes s = sizes_of(call);
    const float *bias = call->n_in > 2 ? call->in[2].data : NULL;
    twi_conv_forward(&s, call->in[0].data, call->in[1].data, bias, call->out[0].data);
}

static void backward(const void *params, const twi_op_call *call)
{
    (void)params;
    twi_conv_sizes s = sizes_of(call);
    const float *grad = call->grad_out.data;
    if (call->grad_in[0].data)
        twi_conv_backward(&s, grad, call->in[1].data, NULL, call->grad_in[0].data);
    if (call->grad_in[1].data)
        twi_conv_gradient(&s, call->in[0].data, grad, call->grad_in[1].data);
    if (call->n_in > 2 && call->grad_in[2].data)
        twi_sum_rows(grad, s.w, s.cout, call->grad_in[2].data);
}

twi_value twi_emit_matmul(twi_emitter *e, twi_value x, twi_value w, twi_value bias)
{
    return twi_emit(e, &twi_op_matmul, NULL, 3, (twi_value[]){x, w, bias});
}

const twi_op_kind twi_op_matmul = {.name = "matmul",
                                   .doc = "rows times a matrix",
                                   .in_min = 2,
                                   .in_max = 3,
                                   .backward_reads = TWI_READS_IN(0) | TWI_READS_IN(1),
                                   .infer = infer,
                                   .macs = macs,
                                   .forward = forward,
                                   .backward = backward,
                                   .dnnl = twi_dnnl_matmul,
                                   .own = twi_wide_matmul};
