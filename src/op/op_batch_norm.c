// batch_norm: normalization of each channel (last axis).
//
// Formula  y = gamma · (x − mean) / √(variance + epsilon) + beta
//          inference: mean and variance are inputs 3 and 4
//          training:  of this batch (biased variance), written to out[1] and out[2]; inputs 3 and 4 are moved towards them
//                     in place: moving = moving · momentum + batch · (1 − momentum)
// Gradient inference: mean and variance are constants
//          training:  through them too; with g = dL/dy · gamma / √(variance + epsilon) and x̂ the normalized x:
//                     dL/dx = g − mean(g) − x̂ · mean(g · x̂)
//          an activation: y = f(that), and dL/dy is first multiplied by f' at what went into it, which is computed again
//          The moving statistics are state, not parameters: their gradient is zero.
// Source   keras.layers.BatchNormalization, Keras 3.15 (also moves by the biased variance).

#include "op/batch_norm_train.h"
#include "op/row.h"

#include <math.h>
#include <string.h>

enum { X, GAMMA, BETA, MEAN, VARIANCE };

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_batch_norm_params *p = params;
    static const char *const names[] = {"input", "gamma", "beta", "mean", "variance"};
    if (twi_check_sizes("batch_norm", names[X], &in[X], err))
        return TW_EINVAL;
    int64_t c = twi_shape_last(&in[X]);
    for (int i = GAMMA; i <= VARIANCE; i++)
        if (twi_check_vector("batch_norm", names[i], &in[i], c, err))
            return TW_EINVAL;
    if (!in[MEAN].rank || !in[VARIANCE].rank)
        return twi_fail(err, TW_EINVAL, "batch_norm: mean and variance must be given");
    if (!(p->epsilon >= 0) || !(p->momentum >= 0 && p->momentum <= 1))
        return twi_fail(err, TW_EINVAL,
                        "batch_norm: epsilon must be 0 or more and momentum in 0..1, received %g and %g",
                        p->epsilon, p->momentum);
    if ((int)p->activation.function < 0 || p->activation.function >= TWI_ACTIVATIONS)
        return twi_fail(err, TW_EINVAL, "batch_norm: there is no activation number %d",
                        (int)p->activation.function);
    tw_status status = twi_infer_one("batch_norm", in[X], out, n_out, err);
    if (!status && p->is_training) {
        out[1] = out[2] = TWI_SHAPE(c);
        *n_out = 3;
    }
    return status;
}

// Up to TWI_BLOCK neighbouring channels of all rows.
typedef struct channels {
    int64_t rows, stride, first, n;
    double mean[TWI_BLOCK], scale[TWI_BLOCK];    // scale: 1 / √(variance + epsilon)
    double factor[TWI_BLOCK], offset[TWI_BLOCK]; // z = (x − mean) · factor + offset
} channels;

static void batch_statistics(const channels *b, const float *x, double *mean, double *variance)
{
    for (int64_t c = 0; c < b->n; c++)
        mean[c] = variance[c] = 0;
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t c = 0; c < b->n; c++)
            mean[c] += x[r * b->stride + b->first + c];
    for (int64_t c = 0; c < b->n; c++)
        mean[c] /= (double)b->rows;
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t c = 0; c < b->n; c++) {
            double d = x[r * b->stride + b->first + c] - mean[c];
            variance[c] += d * d;
        }
    for (int64_t c = 0; c < b->n; c++)
        variance[c] /= (double)b->rows;
}

static void use_statistics(channels *b, const float *mean, const float *variance, double epsilon)
{
    for (int64_t c = 0; c < b->n; c++) {
        b->mean[c] = mean[b->first + c];
        b->scale[c] = 1 / sqrt((double)variance[b->first + c] + epsilon);
    }
}

// Training: statistics of the batch for this block, kept in out[1] and out[2], and the moving ones moved.
static void train_statistics(channels *b, const twi_batch_norm_params *p, const twi_op_call *call)
{
    double mean[TWI_BLOCK], variance[TWI_BLOCK];
    float *moving_mean = call->in[MEAN].data, *moving_variance = call->in[VARIANCE].data;
    float *batch_mean = call->out[1].data, *batch_variance = call->out[2].data;
    batch_statistics(b, call->in[X].data, mean, variance);
    for (int64_t c = 0; c < b->n; c++) {
        int64_t i = b->first + c;
        batch_mean[i] = (float)mean[c];
        batch_variance[i] = (float)variance[c];
        moving_mean[i] = (float)(moving_mean[i] * p->momentum + mean[c] * (1 - p->momentum));
        moving_variance[i] = (float)(moving_variance[i] * p->momentum + variance[c] * (1 - p->momentum));
        b->mean[c] = mean[c];
        b->scale[c] = 1 / sqrt(variance[c] + p->epsilon);
    }
}

static void use_parameters(channels *b, const twi_op_call *call)
{
    const float *gamma = call->in[GAMMA].data, *beta = call->in[BETA].data;
    for (int64_t c = 0; c < b->n; c++) {
        b->factor[c] = b->scale[c] * (gamma ? gamma[b->first + c] : 1);
        b->offset[c] = beta ? beta[b->first + c] : 0;
    }
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_batch_norm_params *p = params;
    const float *x = call->in[X].data;
    float *y = call->out[0].data;
    channels b = {.rows = twi_rows(&call->in[X].shape), .stride = twi_shape_last(&call->in[X].shape)};
    for (; b.first < b.stride; b.first += TWI_BLOCK) {
        b.n = twi_min(TWI_BLOCK, b.stride - b.first);
        if (p->is_training)
            train_statistics(&b, p, call);
        else
            use_statistics(&b, call->in[MEAN].data, call->in[VARIANCE].data, p->epsilon);
        use_parameters(&b, call);
        for (int64_t r = 0; r < b.rows; r++)
            for (int64_t c = 0; c < b.n; c++) {
                int64_t i = r * b.stride + b.first + c;
                y[i] = (float)((x[i] - b.mean[c]) * b.factor[c] + b.offset[c]);
            }
    }
    twi_activation_run(&p->activation, y, y, twi_shape_count(&call->out[0].shape));
}

// dL/dz of row r for this block.
static void back_through_activation(const channels *b, int64_t r, const twi_batch_norm_params *p,
                                    const twi_op_call *call, float *g)
{
    const float *x = (const float *)call->in[X].data + r * b->stride + b->first,
                *grad = (const float *)call->grad_out.data + r * b->stride + b->first;
    float z[TWI_BLOCK];
    for (int64_t c = 0; c < b->n; c++)
        z[c] = (float)((x[c] - b->mean[c]) * b->factor[c] + b->offset[c]);
    twi_activation_back(&p->activation, z, grad, g, b->n);
}

static void backward_block(const channels *b, const twi_batch_norm_params *p, const twi_op_call *call)
{
    const float *x = call->in[X].data;
    float *to = call->grad_in[X].data, *to_gamma = call->grad_in[GAMMA].data,
          *to_beta = call->grad_in[BETA].data;
    float g[TWI_BLOCK];
    double sum[TWI_BLOCK] = {0}, along[TWI_BLOCK] = {0}; // Σ dL/dz and Σ dL/dz · x̂
    for (int64_t r = 0; r < b->rows; r++) {
        back_through_activation(b, r, p, call, g);
        for (int64_t c = 0; c < b->n; c++) {
            sum[c] += g[c];
            along[c] += g[c] * ((x[r * b->stride + b->first + c] - b->mean[c]) * b->scale[c]);
        }
    }
    for (int64_t c = 0; c < b->n; c++) {
        if (to_gamma)
            to_gamma[b->first + c] = (float)along[c];
        if (to_beta)
            to_beta[b->first + c] = (float)sum[c];
        // In inference the statistics do not depend on x, so their part is nothing.
        sum[c] = p->is_training ? sum[c] / (double)b->rows : 0;
        along[c] = p->is_training ? along[c] / (double)b->rows : 0;
    }
    for (int64_t r = 0; to && r < b->rows; r++) {
        back_through_activation(b, r, p, call, g);
        for (int64_t c = 0; c < b->n; c++) {
            int64_t i = r * b->stride + b->first + c;
            to[i] = (float)(b->factor[c] * (g[c] - sum[c] - (x[i] - b->mean[c]) * b->scale[c] * along[c]));
        }
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_batch_norm_params *p = params;
    const float *mean = p->is_training ? call->out[1].data : call->in[MEAN].data;
    const float *variance = p->is_training ? call->out[2].data : call->in[VARIANCE].data;
    channels b = {.rows = twi_rows(&call->in[X].shape), .stride = twi_shape_last(&call->in[X].shape)};
    for (; b.first < b.stride; b.first += TWI_BLOCK) {
        b.n = twi_min(TWI_BLOCK, b.stride - b.first);
        use_statistics(&b, mean, variance, p->epsilon);
        use_parameters(&b, call);
        backward_block(&b, p, call);
    }
    for (int i = MEAN; i <= VARIANCE; i++)
        if (call->grad_in[i].data)
            memset(call->grad_in[i].data, 0, (size_t)b.stride * sizeof(float));
}

twi_value twi_emit_batch_norm(twi_emitter *e, twi_value x, twi_value gamma, twi_value beta, twi_value mean,
                              twi_value variance, const twi_batch_norm_params *p)
{
    return twi_emit(e, &twi_op_batch_norm, p, 5, (twi_value[]){x, gamma, beta, mean, variance});
}

const twi_op_kind twi_op_batch_norm = {.name = "batch_norm",
                                       .doc = "normalization of each channel by mean and variance",
                                       .params_size = sizeof(twi_batch_norm_params),
                                       .in_min = 5,
                                       .in_max = 5,
                                       .backward_reads = TWI_READS_IN(X) | TWI_READS_IN(GAMMA) |
                                                         TWI_READS_IN(BETA) | TWI_READS_IN(MEAN) |
                                                         TWI_READS_IN(VARIANCE),
                                       .flags = TWI_OP_IN_PLACE | TWI_OP_GRAD_IN_PLACE,
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward,
                                       .dnnl = twi_dnnl_batch_norm,
                                       .own = twi_batch_norm_train};
