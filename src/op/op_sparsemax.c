// sparsemax over the last axis, as Keras computes it: y = max(x − τ, 0).
//
// Sorted downwards as z, the first k satisfy z_k > (z_1 + … + z_k − 1) / k. The paper's τ is (z_1 + … + z_k − 1) / k, so that a row
// sums to one; Keras adds up the running sums instead, τ = (k z_1 + (k − 1) z_2 + … + z_k − 1) / k, and only rows with k = 1 do.
// Models must answer here as they do there, so its numbers are kept.
// Gradient dL/dx_i = g_i [y_i > 0] − (k − r_i) / k · Σ g [y > 0], with r_i = 0, 1 … k − 1 the place of x_i among those k, else 0.
// Source   keras.src.backend.*.nn.sparsemax, Keras 3.15; Martins & Astudillo, "From softmax to sparsemax", 2016.

#include "op/row.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)params, (void)n_in;
    if (twi_check_sizes("sparsemax", "input", &in[0], err))
        return TW_EINVAL;
    return twi_infer_one("sparsemax", in[0], out, n_out, err);
}

// The next of a row sorted downwards, after place `last` (−1: the first); equal numbers keep their order. No row is copied to be
// sorted: few numbers are in the support, and each costs one walk.
static int64_t next_down(const float *x, int64_t n, int64_t last)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        bool is_after = last < 0 || x[i] < x[last] || (x[i] == x[last] && i > last);
        if (is_after && (best < 0 || x[i] > x[best]))
            best = i;
    }
    return best;
}

// How many numbers are in the support (at least one: z_1 > z_1 − 1), and τ.
static int64_t support(const float *x, int64_t n, double *tau)
{
    int64_t k = 0;
    double sum = 0, all = 0;
    for (int64_t i = next_down(x, n, -1); i >= 0; i = next_down(x, n, i)) {
        sum += x[i];
        if (!(x[i] > (sum - 1) / (double)(k + 1)))
            break;
        all += sum;
        k++;
    }
    *tau = (all - 1) / (double)k;
    return k;
}

static void forward(const void *params, const twi_op_call *call)
{
    (void)params;
    int64_t rows = twi_rows(&call->in[0].shape), n = twi_shape_last(&call->in[0].shape);
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        double tau;
        support(x, n, &tau);
        for (int64_t c = 0; c < n; c++)
            y[c] = (float)(x[c] > tau ? x[c] - tau : 0);
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    (void)params;
    int64_t rows = twi_rows(&call->grad_out.shape), n = twi_shape_last(&call->grad_out.shape);
    const float *x = call->in[0].data, *grad = call->grad_out.data;
    float *to = call->grad_in[0].data;
    for (int64_t r = 0; to && r < rows; r++, x += n, grad += n, to += n) {
        double tau, along = 0;
        int64_t k = support(x, n, &tau), at = -1;
        for (int64_t c = 0; c < n; c++) {
            to[c] = x[c] > tau ? grad[c] : 0;
            along += to[c];
        }
        for (int64_t place = 0; place < k; place++) {
            at = next_down(x, n, at);
            to[at] -= (float)((double)(k - place) / (double)k * along);
        }
    }
}

twi_value twi_emit_sparsemax(twi_emitter *e, twi_value x)
{
    return twi_emit(e, &twi_op_sparsemax, NULL, 1, &x);
}

const twi_op_kind twi_op_sparsemax = {.name = "sparsemax",
                                      .doc = "few numbers along the last axis, the others zero",
                                      .in_min = 1,
                                      .in_max = 1,
                                      .backward_reads = TWI_READS_IN(0),
                                      .infer = infer,
                                      .forward = forward,
                                      .backward = backward};
