// resample: h and w to another size, nearest or bilinear, with half-pixel centres.
//
// Formula  pixel i of y looks at s = (i + ½) · in / out − ½ of x
//          nearest:  pixel ⌊(i + ½) · in / out⌋, computed in whole numbers. For a whole factor this repeats each pixel
//          bilinear: between ⌊s⌋ and the next by the fraction of s; beyond the rim, the rim
// Layout   x [n,h,w,c] → y [n,out[0],out[1],c].
// Source   keras.layers.UpSampling2D and Resizing (without antialias), Keras 3.15; tf.image.resize.

#include "op/row.h"

#include <math.h>
#include <string.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_resample_params *p = params;
    if (twi_check_rank("resample", "input", &in[0], 4, err) ||
        twi_check_pair("resample", "size", p->out, err))
        return TW_EINVAL;
    return twi_infer_one("resample", TWI_SHAPE(in[0].dim[0], p->out[0], p->out[1], in[0].dim[3]), out, n_out,
                         err);
}

// What one line or column of y looks at: pixel `low` with weight 1 − part, pixel `high` with weight part.
typedef struct taps {
    int64_t low, high;
    double part;
} taps;

static taps taps_at(bool is_bilinear, int64_t i, int64_t in, int64_t out)
{
    if (!is_bilinear) {
        int64_t at = (2 * i + 1) * in / (2 * out);
        return (taps){at, at, 0};
    }
    double s = ((double)i + 0.5) * (double)in / (double)out - 0.5, low = floor(s);
    return (taps){twi_max((int64_t)low, 0), twi_min((int64_t)low + 1, in - 1), s < 0 ? 0 : s - low};
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_resample_params *p = params;
    const int64_t *xs = call->in[0].shape.dim, *ys = call->out[0].shape.dim, c = xs[3];
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t n = 0; n < xs[0]; n++, x += xs[1] * xs[2] * c)
        for (int64_t h = 0; h < ys[1]; h++) {
            taps v = taps_at(p->is_bilinear, h, xs[1], ys[1]);
            for (int64_t w = 0; w < ys[2]; w++, y += c) {
                taps u = taps_at(p->is_bilinear, w, xs[2], ys[2]);
                const float *top = x + v.low * xs[2] * c, *bottom = x + v.high * xs[2] * c;
                if (!p->is_bilinear) {
                    memcpy(y, top + u.low * c, (size_t)c * sizeof *y);
                    continue;
                }
                for (int64_t k = 0; k < c; k++) {
                    double above = top[u.low * c + k] * (1 - u.part) + top[u.high * c + k] * u.part;
                    double below = bottom[u.low * c + k] * (1 - u.part) + bottom[u.high * c + k] * u.part;
                    y[k] = (float)(above * (1 - v.part) + below * v.part);
                }
            }
        }
}

static void spread(float *to, double weight, const float *grad, int64_t c)
{
    for (int64_t k = 0; weight != 0 && k < c; k++)
        to[k] += (float)(grad[k] * weight);
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_resample_params *p = params;
    const int64_t *xs = call->in[0].shape.dim, *ys = call->grad_out.shape.dim, c = xs[3];
    const float *grad = call->grad_out.data;
    float *to = call->grad_in[0].data;
    if (!to)
        return;
    memset(to, 0, (size_t)twi_shape_count(&call->in[0].shape) * sizeof *to);
    for (int64_t n = 0; n < xs[0]; n++, to += xs[1] * xs[2] * c)
        for (int64_t h = 0; h < ys[1]; h++) {
            taps v = taps_at(p->is_bilinear, h, xs[1], ys[1]);
            for (int64_t w = 0; w < ys[2]; w++, grad += c) {
                taps u = taps_at(p->is_bilinear, w, xs[2], ys[2]);
                float *top = to + v.low * xs[2] * c, *bottom = to + v.high * xs[2] * c;
                spread(top + u.low * c, (1 - v.part) * (1 - u.part), grad, c);
                spread(top + u.high * c, (1 - v.part) * u.part, grad, c);
                spread(bottom + u.low * c, v.part * (1 - u.part), grad, c);
                spread(bottom + u.high * c, v.part * u.part, grad, c);
            }
        }
}

twi_value twi_emit_resample(twi_emitter *e, twi_value x, const twi_resample_params *p)
{
    return twi_emit(e, &twi_op_resample, p, 1, &x);
}

const twi_op_kind twi_op_resample = {.name = "resample",
                                     .doc = "height and width to another size",
                                     .params_size = sizeof(twi_resample_params),
                                     .in_min = 1,
                                     .in_max = 1,
                                     .infer = infer,
                                     .forward = forward,
                                     .backward = backward,
                                     .dnnl = twi_dnnl_resample};
