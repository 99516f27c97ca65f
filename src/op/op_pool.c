// pool: largest or mean of each window of h and w.
//
// Formula  y[n,oh,ow,c] = max or mean of x over the real pixels of the window; padding is neither a candidate nor counted,
//          so that a corner of an average with padding "same" divides by 4 where the middle divides by 9.
// Layout   x [n,h,w,c] → y [n,oh,ow,c].
// Gradient of max goes to the first largest pixel in reading order.
// Source   keras.layers.MaxPooling2D and AveragePooling2D, Keras 3.15.

#include "op/row.h"

#include <string.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_pool_params *p = params;
    const int64_t *x = in[0].dim;
    if (twi_check_rank("pool", "input", &in[0], 4, err) || twi_check_pair("pool", "window", p->window, err) ||
        twi_check_pair("pool", "strides", p->stride, err) || twi_check_pads("pool", p->pad, err))
        return TW_EINVAL;
    for (int i = 0; i < 4; i++)
        if (p->pad[i] >= p->window[i / 2])
            return twi_fail(err, TW_EINVAL, "pool: padding of %lld leaves windows of %lld without a pixel",
                            (long long)p->pad[i], (long long)p->window[i / 2]);
    int64_t oh = twi_windows(x[1], p->window[0], p->stride[0], 1, p->pad[0], p->pad[1]);
    int64_t ow = twi_windows(x[2], p->window[1], p->stride[1], 1, p->pad[2], p->pad[3]);
    if (oh < 1 || ow < 1)
        return twi_fail(err, TW_EINVAL, "pool: the input of %lld×%lld is smaller than the window",
                        (long long)x[1], (long long)x[2]);
    return twi_infer_one("pool", TWI_SHAPE(x[0], oh, ow, x[3]), out, n_out, err);
}

// The real pixels of one window: rows h0 … h1, columns w0 … w1, ends excluded.
typedef struct window {
    int64_t h0, h1, w0, w1;
} window;

static window window_at(const twi_pool_params *p, const tw_shape *x, int64_t oh, int64_t ow)
{
    int64_t h = oh * p->stride[0] - p->pad[0], w = ow * p->stride[1] - p->pad[2];
    return (window){twi_max(h, 0), twi_min(h + p->window[0], x->dim[1]), twi_max(w, 0),
                    twi_min(w + p->window[1], x->dim[2])};
}

static void largest(const float *image, const window *at, int64_t width, int64_t channels, float *y)
{
    memcpy(y, image + (at->h0 * width + at->w0) * channels, (size_t)channels * sizeof *y);
    for (int64_t h = at->h0; h < at->h1; h++)
        for (int64_t w = at->w0; w < at->w1; w++) {
            const float *x = image + (h * width + w) * channels;
            for (int64_t c = 0; c < channels; c++)
                y[c] = x[c] > y[c] ? x[c] : y[c];
        }
}

static void mean(const float *image, const window *at, int64_t width, int64_t channels, float *y)
{
    double share = 1.0 / (double)((at->h1 - at->h0) * (at->w1 - at->w0));
    for (int64_t first = 0; first < channels; first += TWI_BLOCK) {
        double sum[TWI_BLOCK] = {0};
        int64_t n = twi_min(TWI_BLOCK, channels - first);
        for (int64_t h = at->h0; h < at->h1; h++)
            for (int64_t w = at->w0; w < at->w1; w++) {
                const float *x = image + (h * width + w) * channels + first;
                for (int64_t c = 0; c < n; c++)
                    sum[c] += x[c];
            }
        for (int64_t c = 0; c < n; c++)
            y[first + c] = (float)(sum[c] * share);
    }
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_pool_params *p = params;
    const tw_shape *xs = &call->in[0].shape, *ys = &call->out[0].shape;
    int64_t channels = xs->dim[3];
    const float *image = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t n = 0; n < xs->dim[0]; n++, image += xs->dim[1] * xs->dim[2] * channels)
        for (int64_t oh = 0; oh < ys->dim[1]; oh++)
            for (int64_t ow = 0; ow < ys->dim[2]; ow++, y += channels) {
                window at = window_at(p, xs, oh, ow);
                (p->is_mean ? mean : largest)(image, &at, xs->dim[2], channels, y);
            }
}

static void spread_to_largest(const float *image, const float *y, const float *grad, const window *at,
                              int64_t width, int64_t channels, float *to)
{
    for (int64_t c = 0; c < channels; c++) {
        bool is_found = false;
        for (int64_t h = at->h0; h < at->h1 && !is_found; h++)
            for (int64_t w = at->w0; w < at->w1 && !is_found; w++) {
                int64_t i = (h * width + w) * channels + c;
                is_found = image[i] == y[c];
                if (is_found)
                    to[i] += grad[c];
            }
    }
}

static void spread_evenly(const float *grad, const window *at, int64_t width, int64_t channels, float *to)
{
    float share = 1.0f / (float)((at->h1 - at->h0) * (at->w1 - at->w0));
    for (int64_t h = at->h0; h < at->h1; h++)
        for (int64_t w = at->w0; w < at->w1; w++)
            for (int64_t c = 0; c < channels; c++)
                to[(h * width + w) * channels + c] += grad[c] * share;
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_pool_params *p = params;
    const tw_shape *xs = &call->in[0].shape, *ys = &call->grad_out.shape;
    const float *x = call->in[0].data, *y = call->out[0].data, *grad = call->grad_out.data;
    float *to = call->grad_in[0].data;
    int64_t channels = xs->dim[3], image = xs->dim[1] * xs->dim[2] * channels, at_y = 0;
    if (!to)
        return;
    memset(to, 0, (size_t)twi_shape_count(xs) * sizeof *to);
    for (int64_t n = 0; n < xs->dim[0]; n++)
        for (int64_t oh = 0; oh < ys->dim[1]; oh++)
            for (int64_t ow = 0; ow < ys->dim[2]; ow++, at_y += channels) {
                window at = window_at(p, xs, oh, ow);
                if (p->is_mean)
                    spread_evenly(grad + at_y, &at, xs->dim[2], channels, to + n * image);
                else
                    spread_to_largest(x + n * image, y + at_y, grad + at_y, &at, xs->dim[2], channels,
                                      to + n * image);
            }
}

twi_value twi_emit_pool(twi_emitter *e, twi_value x, const twi_pool_params *p)
{
    return twi_emit(e, &twi_op_pool, p, 1, &x);
}

const twi_op_kind twi_op_pool = {.name = "pool",
                                 .doc = "largest or mean of each window",
                                 .params_size = sizeof(twi_pool_params),
                                 .in_min = 1,
                                 .in_max = 1,
                                 .backward_reads = TWI_READS_IN(0) | TWI_READS_OUT, // max only
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .dnnl = twi_dnnl_pool};
