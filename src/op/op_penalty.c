// penalty: y = x, and what x adds to the loss: the activity regularizer of a layer.
//
// out[1][i] is the share of sample i: for the norms its own sum, for the orthogonal part an n-th of the whole. The loss grows
// by Σ out[1] / n, since Keras divides an activity's penalty by the batch; backward adds the gradient of that.
// Source   keras.layers.Layer.__call__, Keras 3.15.

#include "op/penalty.h"

#include "op/row.h"

#include <math.h>
#include <string.h>

// --------------------------------------------------------------------------------------------------------- orthogonal

// A matrix seen as n vectors of `length`; element k of vector i lies at i · step + k · stride.
typedef struct vectors {
    int64_t n, length, step, stride;
    double scale; // orthogonal · ½ / (n (n − 1) / 2)
} vectors;

static bool vectors_of(const twi_penalty_params *p, const tw_shape *shape, vectors *v)
{
    if (p->orthogonal == 0 || shape->rank != 2)
        return false;
    int64_t rows = shape->dim[0], columns = shape->dim[1];
    *v = p->is_columns ? (vectors){columns, rows, 1, columns, 0} : (vectors){rows, columns, columns, 1, 0};
    v->scale = v->n > 1 ? p->orthogonal * 0.5 / ((double)v->n * ((double)v->n - 1) / 2) : 0;
    return v->n > 1;
}

static double dot(const vectors *v, const float *x, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t k = 0; k < v->length; k++)
        sum += (double)x[i * v->step + k * v->stride] * (double)x[j * v->step + k * v->stride];
    return sum;
}

// Keras divides by max(length, 1e-12)
static double length_of(const vectors *v, const float *x, int64_t i)
{
    return fmax(sqrt(dot(v, x, i, i)), 1e-12);
}

static double orthogonal_value(const vectors *v, const float *x)
{
    double sum = 0;
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < i; j++)
            sum += 2 * fabs(dot(v, x, i, j)) / (length_of(v, x, i) * length_of(v, x, j));
    return v->scale * sum;
}

// d|cos(a, b)| / da = sign(cos) (b/|b| − cos · a/|a|) / |a|; every pair counts twice.
static void orthogonal_gradient(const vectors *v, const float *x, double factor, float *grad)
{
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < v->n; j++) {
            if (i == j)
                continue;
            double a = length_of(v, x, i), b = length_of(v, x, j), cosine = dot(v, x, i, j) / (a * b);
            double scale = 2 * factor * v->scale * (cosine > 0 ? 1 : cosine < 0 ? -1 : 0) / a;
            for (int64_t k = 0; k < v->length; k++) {
                int64_t own = i * v->step + k * v->stride, other = j * v->step + k * v->stride;
                grad[own] += (float)(scale * ((double)x[other] / b - cosine * (double)x[own] / a));
            }
        }
}

// --------------------------------------------------------------------------------------------------------------- sums

double twi_penalty_value(const twi_penalty_params *p, const float *x, const tw_shape *shape)
{
    vectors v;
    double sum1 = 0, sum2 = 0, sum = vectors_of(p, shape, &v) ? orthogonal_value(&v, x) : 0;
    int64_t n = p->l1 != 0 || p->l2 != 0 ? twi_shape_count(shape) : 0;
    for (int64_t i = 0; i < n; i++) {
        double value = (double)x[i];
        sum1 += fabs(value), sum2 += value * value;
    }
    return sum + p->l1 * sum1 + p->l2 * sum2;
}

void twi_penalty_add_gradient(const twi_penalty_params *p, const float *x, const tw_shape *shape,
                              double factor, float *grad)
{
    vectors v;
    if (vectors_of(p, shape, &v))
        orthogonal_gradient(&v, x, factor, grad);
    double first = factor * p->l1, second = factor * 2 * p->l2;
    int64_t n = first != 0 || second != 0 ? twi_shape_count(shape) : 0;
    for (int64_t i = 0; i < n; i++)
        grad[i] += (float)(first * (x[i] > 0 ? 1 : x[i] < 0 ? -1 : 0) + second * (double)x[i]);
}

// ------------------------------------------------------------------------------------------------------------- the op

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_penalty_params *p = params;
    char text[TWI_SHAPE_TEXT];
    if (twi_check_sizes("penalty", "input", &in[0], err) || twi_infer_one("penalty", in[0], out, n_out, err))
        return TW_EINVAL;
    if (p->orthogonal != 0 && in[0].rank != 2)
        return twi_fail(err, TW_EINVAL, "penalty: an orthogonal one needs a matrix, received %s",
                        twi_shape_text(&in[0], text));
    out[1] = TWI_SHAPE(in[0].dim[0]);
    *n_out = 2;
    return TW_OK;
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_penalty_params *p = params;
    const tw_shape *shape = &call->in[0].shape;
    const float *x = call->in[0].data;
    int64_t n = shape->dim[0], size = twi_shape_count(shape) / n;
    float *share = call->out[1].data;
    double whole = p->orthogonal != 0 ? twi_penalty_value(p, x, shape) / (double)n : 0;
    for (int64_t i = 0; i < n; i++)
        share[i] = (float)(p->orthogonal != 0 ? whole : twi_penalty_value(p, x + i * size, &TWI_SHAPE(size)));
    if (call->out[0].data != x)
        memcpy(call->out[0].data, x, (size_t)(n * size) * sizeof *x);
}

static void backward(const void *params, const twi_op_call *call)
{
    const tw_shape *shape = &call->out[0].shape;
    float *grad = call->grad_in[0].data;
    if (!grad)
        return;
    memcpy(grad, call->grad_out.data, (size_t)twi_shape_count(shape) * sizeof *grad);
    twi_penalty_add_gradient(params, call->out[0].data, shape, 1 / (double)shape->dim[0], grad);
}

twi_value twi_emit_penalty(twi_emitter *e, twi_value x, const twi_penalty_params *p)
{
    return twi_emit(e, &twi_op_penalty, p, 1, &x);
}

const twi_op_kind twi_op_penalty = {.name = "penalty",
                                    .doc = "the same, and what it adds to the loss",
                                    .params_size = sizeof(twi_penalty_params),
                                    .in_min = 1,
                                    .in_max = 1,
                                    .backward_reads = TWI_READS_OUT,
                                    .flags = TWI_OP_IN_PLACE | TWI_OP_LOSS,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
