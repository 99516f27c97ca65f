// pad: zeros around h and w; negative numbers crop.
//
// Layout   x [n,h,w,c] → y [n, top + h + bottom, left + w + right, c].
// Gradient is the same op with the signs turned: what was added is cut off, what was cut off is zero.
// Source   keras.layers.ZeroPadding2D and Cropping2D, Keras 3.15.

#include "op/row.h"

#include <string.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_pad_params *p = params;
    if (twi_check_rank("pad", "input", &in[0], 4, err))
        return TW_EINVAL;
    tw_shape y = in[0];
    for (int i = 0; i < 4; i++) {
        if (p->pad[i] > TW_DIM_MAX || p->pad[i] <= -in[0].dim[1 + i / 2])
            return twi_fail(err, TW_EINVAL, "pad: %lld is out of range for %lld pixels", (long long)p->pad[i],
                            (long long)in[0].dim[1 + i / 2]);
        y.dim[1 + i / 2] += p->pad[i];
    }
    return twi_infer_one("pad", y, out, n_out, err);
}

static void copy(const float *x, const tw_shape *xs, float *y, const tw_shape *ys, int64_t top, int64_t left)
{
    int64_t c = xs->dim[3], line = ys->dim[2] * c;
    int64_t w0 = twi_max(left, 0), w1 = twi_min(left + xs->dim[2], ys->dim[2]);
    for (int64_t n = 0; n < ys->dim[0]; n++)
        for (int64_t h = 0; h < ys->dim[1]; h++, y += line) {
            int64_t from = h - top;
            if (from < 0 || from >= xs->dim[1] || w1 <= w0) {
                memset(y, 0, (size_t)line * sizeof *y);
                continue;
            }
            memset(y, 0, (size_t)(w0 * c) * sizeof *y);
            memcpy(y + w0 * c, x + ((n * xs->dim[1] + from) * xs->dim[2] + w0 - left) * c,
                   (size_t)((w1 - w0) * c) * sizeof *y);
            memset(y + w1 * c, 0, (size_t)((ys->dim[2] - w1) * c) * sizeof *y);
        }
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_pad_params *p = params;
    copy(call->in[0].data, &call->in[0].shape, call->out[0].data, &call->out[0].shape, p->pad[0], p->pad[2]);
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_pad_params *p = params;
    if (call->grad_in[0].data)
        copy(call->grad_out.data, &call->grad_out.shape, call->grad_in[0].data, &call->in[0].shape,
             -p->pad[0], -p->pad[2]);
}

twi_value twi_emit_pad(twi_emitter *e, twi_value x, const int64_t pad[4])
{
    twi_pad_params p = {{pad[0], pad[1], pad[2], pad[3]}};
    return twi_emit(e, &twi_op_pad, &p, 1, &x);
}

const twi_op_kind twi_op_pad = {.name = "pad",
                                .doc = "zeros around height and width, or cropping",
                                .params_size = sizeof(twi_pad_params),
                                .in_min = 1,
                                .in_max = 1,
                                .infer = infer,
                                .forward = forward,
                                .backward = backward};
