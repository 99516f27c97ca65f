// layer_norm: normalization of each row (last axis) by its own mean and variance.
//
// Formula  y = gamma · (x − mean) / √(variance + epsilon) + beta, with the biased variance of the row.
// Gradient with g = dL/dy · gamma and x̂ the normalized row: dL/dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + epsilon)
// Source   keras.layers.LayerNormalization, Keras 3.15.

#include "op/row.h"

#include <math.h>
#include <string.h>

enum { X, GAMMA, BETA };
enum { ROWS = 256 }; // rows whose statistics fit the stack while gamma's and beta's gradients are summed

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    const twi_layer_norm_params *p = params;
    static const char *const names[] = {"input", "gamma", "beta"};
    if (twi_check_sizes("layer_norm", names[X], &in[X], err))
        return TW_EINVAL;
    for (int i = GAMMA; i < n_in; i++)
        if (twi_check_vector("layer_norm", names[i], &in[i], twi_shape_last(&in[X]), err))
            return TW_EINVAL;
    if (!(p->epsilon >= 0))
        return twi_fail(err, TW_EINVAL, "layer_norm: epsilon must be 0 or more, received %g", p->epsilon);
    return twi_infer_one("layer_norm", in[X], out, n_out, err);
}

// mean of a row, and 1 / √(variance + epsilon).
static void row_statistics(const float *x, int64_t n, double epsilon, double *mean, double *scale)
{
    double sum = 0, square = 0;
    for (int64_t c = 0; c < n; c++)
        sum += x[c];
    *mean = sum / (double)n;
    for (int64_t c = 0; c < n; c++)
        square += (x[c] - *mean) * (x[c] - *mean);
    *scale = 1 / sqrt(square / (double)n + epsilon);
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_layer_norm_params *p = params;
    int64_t rows = twi_rows(&call->in[X].shape), n = twi_shape_last(&call->in[X].shape);
    const float *x = call->in[X].data, *gamma = call->n_in > GAMMA ? call->in[GAMMA].data : NULL;
    const float *beta = call->n_in > BETA ? call->in[BETA].data : NULL;
    float *y = call->out[0].data;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        double mean, scale;
        row_statistics(x, n, p->epsilon, &mean, &scale);
        for (int64_t c = 0; c < n; c++)
            y[c] = (float)((x[c] - mean) * scale * (gamma ? gamma[c] : 1) + (beta ? beta[c] : 0));
    }
}

static void backward_row(const float *x, const float *gamma, const float *grad, int64_t n, double mean,
                         double scale, float *to)
{
    double sum = 0, along = 0;
    for (int64_t c = 0; c < n; c++) {
        double g = (double)grad[c] * (gamma ? gamma[c] : 1);
        sum += g;
        along += g * (x[c] - mean) * scale;
    }
    sum /= (double)n, along /= (double)n;
    for (int64_t c = 0; c < n; c++) {
        double g = (double)grad[c] * (gamma ? gamma[c] : 1);
        to[c] = (float)(scale * (g - sum - (x[c] - mean) * scale * along));
    }
}

// Adds what these rows say about gamma and beta; each may be NULL.
static void add_parameters(const float *x, const float *grad, int64_t rows, int64_t n, const double *mean,
                           const double *scale, float *to_gamma, float *to_beta)
{
    for (int64_t first = 0; first < n; first += TWI_BLOCK) {
        double sum[TWI_BLOCK] = {0}, along[TWI_BLOCK] = {0};
        int64_t channels = twi_min(TWI_BLOCK, n - first);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < channels; c++) {
                int64_t i = r * n + first + c;
                sum[c] += grad[i];
                along[c] += grad[i] * (x[i] - mean[r]) * scale[r];
            }
        for (int64_t c = 0; c < channels; c++) {
            if (to_gamma)
                to_gamma[first + c] += (float)along[c];
            if (to_beta)
                to_beta[first + c] += (float)sum[c];
        }
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_layer_norm_params *p = params;
    int64_t rows = twi_rows(&call->in[X].shape), n = twi_shape_last(&call->in[X].shape);
    const float *x = call->in[X].data, *gamma = call->n_in > GAMMA ? call->in[GAMMA].data : NULL;
    const float *grad = call->grad_out.data;
    float *to = call->grad_in[X].data;
    float *to_gamma = call->n_in > GAMMA ? call->grad_in[GAMMA].data : NULL;
    float *to_beta = call->n_in > BETA ? call->grad_in[BETA].data : NULL;
    if (to_gamma)
        memset(to_gamma, 0, (size_t)n * sizeof *to_gamma);
    if (to_beta)
        memset(to_beta, 0, (size_t)n * sizeof *to_beta);
    for (int64_t first = 0; first < rows; first += ROWS) {
        double mean[ROWS], scale[ROWS];
        int64_t some = twi_min(ROWS, rows - first), at = first * n;
        for (int64_t r = 0; r < some; r++) {
            row_statistics(x + at + r * n, n, p->epsilon, &mean[r], &scale[r]);
            if (to)
                backward_row(x + at + r * n, gamma, grad + at + r * n, n, mean[r], scale[r], to + at + r * n);
        }
        if (to_gamma || to_beta)
            add_parameters(x + at, grad + at, some, n, mean, scale, to_gamma, to_beta);
    }
}

twi_value twi_emit_layer_norm(twi_emitter *e, twi_value x, twi_value gamma, twi_value beta,
                              const twi_layer_norm_params *p)
{
    return twi_emit(e, &twi_op_layer_norm, p, 3, (twi_value[]){x, gamma, beta});
}

const twi_op_kind twi_op_layer_norm = {.name = "layer_norm",
                                       .doc = "normalization of each row",
                                       .params_size = sizeof(twi_layer_norm_params),
                                       .in_min = 1,
                                       .in_max = 3,
                                       .backward_reads = TWI_READS_IN(X) | TWI_READS_IN(GAMMA),
                                       .flags = TWI_OP_IN_PLACE,
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward,
                                       .dnnl = twi_dnnl_layer_norm};
