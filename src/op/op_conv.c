// conv: two-dimensional convolution, also grouped and depthwise. The annotated example of this room.
//
// Formula  y[n,oh,ow,o] = Σ over kh,kw,i of x[n, oh·stride − top + kh·dilation, …, i] · kernel[kh,kw,i,o] (+ bias[o])
// Layout   x [n,h,w,cin], kernel [kh,kw,cin/groups,cout], bias [cout]; y [n,oh,ow,cout]. This is Keras's kernel as it is
//          stored. Depthwise: groups = cin; Keras's (kh,kw,cin,mult) read as (kh,kw,1,cin·mult) is the same memory.
// Source   keras.layers.Conv2D and DepthwiseConv2D, Keras 3.15.
//
// Every file op_<name>.c has these parts, in this order:
//   infer      shapes out of shapes. It is the only place that checks: the functions below it trust what it let through
//   macs       multiply-adds, where they cost something
//   forward    the plain C reference: what the op means, and what runs where oneDNN has nothing
//   backward   the same for gradients. It reads only what the row's backward_reads names, and writes only gradients that
//              are wanted (their data is not NULL)
//   emit       what layers call
//   the row    names them all; the line TWI_OP(conv) in list.inc enters it into the table

#include "op/conv_loops.h"
#include "op/winograd.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    const twi_conv_params *p = params;
    const tw_shape *x = &in[0], *kernel = &in[1];
    // `||` stops at the first status that is not TW_OK (0); each check has written its message by then.
    if (twi_check_rank("conv", "input", x, 4, err) || twi_check_rank("conv", "kernel", kernel, 4, err) ||
        twi_check_pair("conv", "strides", p->stride, err) ||
        twi_check_pair("conv", "dilation", p->dilation, err) || twi_check_pads("conv", p->pad, err))
        return TW_EINVAL;
    int64_t cin = x->dim[3], cout = kernel->dim[3], g = p->groups;
    if (g < 1 || cin % g || cout % g)
        return twi_fail(err, TW_EINVAL,
                        "conv: groups must divide %lld input and %lld output channels, received %lld",
                        (long long)cin, (long long)cout, (long long)g);
    if (kernel->dim[2] != cin / g)
        return twi_fail(err, TW_EINVAL, "conv: kernel takes %lld channels a group, the input has %lld",
                        (long long)kernel->dim[2], (long long)(cin / g));
    if (n_in > 2 && twi_check_vector("conv", "bias", &in[2], cout, err))
        return TW_EINVAL;
    int64_t oh = twi_windows(x->dim[1], kernel->dim[0], p->stride[0], p->dilation[0], p->pad[0], p->pad[1]);
    int64_t ow = twi_windows(x->dim[2], kernel->dim[1], p->stride[1], p->dilation[1], p->pad[2], p->pad[3]);
    if (oh < 1 || ow < 1)
        return twi_fail(err, TW_EINVAL, "conv: the input of %lld×%lld is smaller than the window",
                        (long long)x->dim[1], (long long)x->dim[2]);
    return twi_infer_one("conv", TWI_SHAPE(x->dim[0], oh, ow, cout), out, n_out, err);
}

static int64_t macs(const void *params, const tw_shape *in, const tw_shape *out)
{
    (void)params;
    const int64_t *k = in[1].dim;
    return twi_product(4, (int64_t[]){twi_shape_count(out), k[0], k[1], k[2]});
}

static twi_conv_sizes sizes_of(const twi_conv_params *p, const tw_shape *x, const tw_shape *kernel,
                               const tw_shape *y)
{
    return (twi_conv_sizes){.n = x->dim[0],
                            .h = x->dim[1],
                            .w = x->dim[2],
                            .cin = x->dim[3],
                            .oh = y->dim[1],
                            .ow = y->dim[2],
                            .cout = y->dim[3],
                            .kh = kernel->dim[0],
                            .kw = kernel->dim[1],
                            .stride = {p->stride[0], p->stride[1]},
                            .dilation = {p->dilation[0], p->dilation[1]},
                            .pad = {p->pad[0], p->pad[2]},
                            .groups = p->groups};
}

static void forward(const void *params, const twi_op_call *call)
{
    twi_conv_sizes s = sizes_of(params, &call->in[0].shape, &call->in[1].shape, &call->out[0].shape);
    const float *bias = call->n_in > 2 ? call->in[2].data : NULL; // an absent input is a view without data
    twi_conv_forward(&s, call->in[0].data, call->in[1].data, bias, call->out[0].data);
}

static void backward(const void *params, const twi_op_call *call)
{
    // Shapes are always there, whatever the row reads; data is there only for what backward_reads names.
    twi_conv_sizes s = sizes_of(params, &call->in[0].shape, &call->in[1].shape, &call->grad_out.shape);
    const float *grad = call->grad_out.data;
    if (call->grad_in[0].data)
        twi_conv_backward(&s, grad, call->in[1].data, NULL, call->grad_in[0].data);
    if (call->grad_in[1].data)
        twi_conv_gradient(&s, call->in[0].data, grad, call->grad_in[1].data);
    if (call->n_in > 2 && call->grad_in[2].data)
        twi_sum_rows(grad, s.n * s.oh * s.ow, s.cout, call->grad_in[2].data);
}

twi_value twi_emit_conv(twi_emitter *e, twi_value x, twi_value kernel, twi_value bias,
                        const twi_conv_params *p)
{
    return twi_emit(e, &twi_op_conv, p, 3, (twi_value[]){x, kernel, bias});
}

const twi_op_kind twi_op_conv = {.name = "conv",
                                 .doc = "two-dimensional convolution, also grouped and depthwise",
                                 .params_size = sizeof(twi_conv_params),
                                 .in_min = 2,
                                 .in_max = 3,
                                 .backward_reads = TWI_READS_IN(0) | TWI_READS_IN(1),
                                 .infer = infer,
                                 .macs = macs,
                                 .forward = forward,
                                 .backward = backward,
                                 .dnnl = twi_dnnl_conv,
                                 .own = twi_winograd_conv};
