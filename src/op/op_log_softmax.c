// log_softmax over the last axis: y = x − log Σ eˣ.
//
// The largest number of the row is taken off first, so that large logits do not overflow. The logarithm of softmax's result
// would not do: small probabilities are zero in f32.
// Gradient dL/dx = g − eʸ · Σ g, with g = dL/dy: only the result is needed.
// Source   keras.activations.log_softmax, Keras 3.15.

#include "op/row.h"

#include <math.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)params, (void)n_in;
    if (twi_check_sizes("log_softmax", "input", &in[0], err))
        return TW_EINVAL;
    return twi_infer_one("log_softmax", in[0], out, n_out, err);
}

static void forward(const void *params, const twi_op_call *call)
{
    (void)params;
    int64_t rows = twi_rows(&call->in[0].shape), n = twi_shape_last(&call->in[0].shape);
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        double top = x[0], sum = 0;
        for (int64_t c = 1; c < n; c++)
            top = x[c] > top ? x[c] : top;
        for (int64_t c = 0; c < n; c++)
            sum += exp(x[c] - top);
        double off = top + log(sum);
        for (int64_t c = 0; c < n; c++)
            y[c] = (float)(x[c] - off);
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    (void)params;
    int64_t rows = twi_rows(&call->grad_out.shape), n = twi_shape_last(&call->grad_out.shape);
    const float *y = call->out[0].data, *grad = call->grad_out.data;
    float *to = call->grad_in[0].data;
    for (int64_t r = 0; to && r < rows; r++, y += n, grad += n, to += n) {
        double sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += grad[c];
        for (int64_t c = 0; c < n; c++)
            to[c] = (float)(grad[c] - exp(y[c]) * sum);
    }
}

twi_value twi_emit_log_softmax(twi_emitter *e, twi_value x)
{
    return twi_emit(e, &twi_op_log_softmax, NULL, 1, &x);
}

const twi_op_kind twi_op_log_softmax = {.name = "log_softmax",
                                        .doc = "logarithms of probabilities along the last axis",
                                        .in_min = 1,
                                        .in_max = 1,
                                        .backward_reads = TWI_READS_OUT,
                                        .flags = TWI_OP_IN_PLACE,
                                        .infer = infer,
                                        .forward = forward,
                                        .backward = backward};
