// reduce: mean or largest over h and w.
//
// Layout   x [n,h,w,c] → y [n,c], or [n,1,1,c] with keep_dims: the same numbers.
// Gradient of max goes to the first largest pixel in reading order.
// Source   keras.layers.GlobalAveragePooling2D and GlobalMaxPooling2D, Keras 3.15.

#include "op/row.h"

#include <string.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_reduce_params *p = params;
    const int64_t *x = in[0].dim;
    if (twi_check_rank("reduce", "input", &in[0], 4, err))
        return TW_EINVAL;
    tw_shape y = p->keep_dims ? TWI_SHAPE(x[0], 1, 1, x[3]) : TWI_SHAPE(x[0], x[3]);
    return twi_infer_one("reduce", y, out, n_out, err);
}

// The first largest pixel of channel c.
static int64_t largest(const float *image, int64_t pixels, int64_t channels, int64_t c)
{
    int64_t best = 0;
    for (int64_t i = 1; i < pixels; i++)
        if (image[i * channels + c] > image[best * channels + c])
            best = i;
    return best;
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_reduce_params *p = params;
    const int64_t *dim = call->in[0].shape.dim;
    int64_t pixels = dim[1] * dim[2], channels = dim[3];
    const float *image = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t n = 0; n < dim[0]; n++, image += pixels * channels, y += channels) {
        if (p->is_max) {
            memcpy(y, image, (size_t)channels * sizeof *y);
            for (int64_t i = 1; i < pixels; i++)
                for (int64_t c = 0; c < channels; c++)
                    y[c] = image[i * channels + c] > y[c] ? image[i * channels + c] : y[c];
        } else {
            twi_sum_rows(image, pixels, channels, y);
            for (int64_t c = 0; c < channels; c++)
                y[c] /= (float)pixels;
        }
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_reduce_params *p = params;
    const int64_t *dim = call->in[0].shape.dim;
    int64_t pixels = dim[1] * dim[2], channels = dim[3];
    const float *image = call->in[0].data, *grad = call->grad_out.data;
    float *to = call->grad_in[0].data;
    if (!to)
        return;
    for (int64_t n = 0; n < dim[0]; n++, to += pixels * channels, grad += channels) {
        if (p->is_max) {
            memset(to, 0, (size_t)(pixels * channels) * sizeof *to);
            for (int64_t c = 0; c < channels; c++)
                to[largest(image + n * pixels * channels, pixels, channels, c) * channels + c] = grad[c];
        } else {
            for (int64_t i = 0; i < pixels; i++)
                for (int64_t c = 0; c < channels; c++)
                    to[i * channels + c] = grad[c] / (float)pixels;
        }
    }
}

twi_value twi_emit_reduce(twi_emitter *e, twi_value x, const twi_reduce_params *p)
{
    return twi_emit(e, &twi_op_reduce, p, 1, &x);
}

const twi_op_kind twi_op_reduce = {.name = "reduce",
                                   .doc = "mean or largest over height and width",
                                   .params_size = sizeof(twi_reduce_params),
                                   .in_min = 1,
                                   .in_max = 1,
                                   .backward_reads = TWI_READS_IN(0), // max only
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward,
                                   .dnnl = twi_dnnl_reduce};
