// activation: y = f(x), number by number.
//
// Each function is one row of FUNCTIONS: its value and its slope at x. Both are computed in double, so that neither end of
// a wide range overflows.
// Source   keras.activations and keras.layers.ReLU, Keras 3.15. At a corner the slope is the left one.

#include "op/row.h"

#include <math.h>

static inline double sigmoid(double x)
{
    return 1 / (1 + exp(-x)); // exp may reach infinity: the quotient is 0 then
}

static inline double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static const double selu_scale = 1.0507009873554805, selu_alpha = 1.6732632423543772;
static const double root_half = 0.70710678118654752, root_2_by_pi = 0.79788456080286536;
static const double density_at_0 = 0.39894228040143268; // 1 / √(2π)

static inline double elu_slope(double x, double alpha)
{
    return x > 0 ? 1 : alpha * exp(x);
}

static inline double gelu_tanh_slope(double x)
{
    double t = tanh(root_2_by_pi * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_by_pi * (1 + 3 * 0.044715 * x * x);
}

static inline double mish_slope(double x)
{
    double t = tanh(softplus(x));
    return t + x * (1 - t * t) * sigmoid(x);
}

static inline double within(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

// FUNCTION(which, value, slope), with x, alpha, beta and threshold in scope
#define FUNCTIONS                                                                                       \
    FUNCTION(TWI_LINEAR, x, 1)                                                                          \
    FUNCTION(TWI_RELU, x > threshold ? fmin(x, alpha) : beta * (x - threshold),                         \
             x > threshold ? (x < alpha ? 1 : 0) : beta)                                                \
    FUNCTION(TWI_SIGMOID, sigmoid(x), sigmoid(x) * sigmoid(-x))                                         \
    FUNCTION(TWI_TANH, tanh(x), 1 - tanh(x) * tanh(x))                                                  \
    FUNCTION(TWI_SILU, x *sigmoid(x), sigmoid(x) * (1 + x * sigmoid(-x)))                               \
    FUNCTION(TWI_ELU, x > 0 ? x : alpha * expm1(x), elu_slope(x, alpha))                                \
    FUNCTION(TWI_SELU, selu_scale *(x > 0 ? x : selu_alpha * expm1(x)),                                 \
             selu_scale *elu_slope(x, selu_alpha))                                                      \
    FUNCTION(TWI_SOFTPLUS, softplus(x), sigmoid(x))                                                     \
    FUNCTION(TWI_SOFTSIGN, x / (1 + fabs(x)), 1 / ((1 + fabs(x)) * (1 + fabs(x))))                      \
    FUNCTION(TWI_EXPONENTIAL, exp(x), exp(x))                                                           \
    FUNCTION(TWI_HARD_SIGMOID, fmin(fmax(x + 3, 0), 6) / 6, x > -3 && x <= 3 ? 1.0 / 6 : 0)             \
    FUNCTION(TWI_HARD_SILU, x *fmin(fmax(x + 3, 0), 6) / 6, x <= -3 ? 0 : x <= 3 ? (2 * x + 3) / 6 : 1) \
    FUNCTION(TWI_GELU, 0.5 * x * (1 + erf(x * root_half)),                                              \
             0.5 * (1 + erf(x * root_half)) + x * density_at_0 * exp(-0.5 * x * x))                     \
    FUNCTION(TWI_GELU_TANH, 0.5 * x * (1 + tanh(root_2_by_pi * (x + 0.044715 * x * x * x))),            \
             gelu_tanh_slope(x))                                                                        \
    FUNCTION(TWI_MISH, x *tanh(softplus(x)), mish_slope(x))                                             \
    FUNCTION(TWI_SQRT, sqrt(x), 0.5 / sqrt(x))                                                          \
    FUNCTION(TWI_LOG_SIGMOID, -softplus(-x), sigmoid(-x))                                               \
    FUNCTION(TWI_SQUAREPLUS, 0.5 * (x + sqrt(x * x + alpha)), 0.5 * (1 + x / sqrt(x * x + alpha)))      \
    FUNCTION(TWI_SPARSE_PLUS, x >= 1 ? x : 0.25 * (within(x, -1, 1) + 1) * (within(x, -1, 1) + 1),      \
             0.5 * (within(x, -1, 1) + 1))                                                              \
    FUNCTION(TWI_SPARSE_SIGMOID, 0.5 * (within(x, -1, 1) + 1), x > -1 && x < 1 ? 0.5 : 0)               \
    FUNCTION(TWI_SOFT_SHRINK, x - within(x, -alpha, alpha), fabs(x) > alpha ? 1 : 0)                    \
    FUNCTION(TWI_HARD_SHRINK, fabs(x) > alpha ? x : 0, fabs(x) > alpha ? 1 : 0)                         \
    FUNCTION(TWI_TANH_SHRINK, x - tanh(x), tanh(x) * tanh(x))                                           \
    FUNCTION(TWI_HARD_TANH, within(x, -1, 1), x > -1 && x < 1 ? 1 : 0)                                  \
    FUNCTION(TWI_THRESHOLD, x > threshold ? x : beta, x > threshold ? 1 : 0)

void twi_activation_run(const twi_activation_params *p, const float *in, float *out, int64_t n)
{
    const double alpha = p->alpha, beta = p->beta, threshold = p->threshold;
    switch (p->function) {
#define FUNCTION(which, value, slope)     \
    case which:                           \
        for (int64_t i = 0; i < n; i++) { \
            double x = in[i];             \
            out[i] = (float)(value);      \
        }                                 \
        return;
        FUNCTIONS
#undef FUNCTION
    case TWI_ACTIVATIONS:
        break;
    }
    TWI_BUG("infer let an unknown activation pass");
}

void twi_activation_back(const twi_activation_params *p, const float *in, const float *grad, float *to,
                         int64_t n)
{
    const double alpha = p->alpha, beta = p->beta, threshold = p->threshold;
    switch (p->function) {
#define FUNCTION(which, value, slope)           \
    case which:                                 \
        for (int64_t i = 0; i < n; i++) {       \
            double x = in[i];                   \
            to[i] = (float)(grad[i] * (slope)); \
            (void)x;                            \
        }                                       \
        return;
        FUNCTIONS
#undef FUNCTION
    case TWI_ACTIVATIONS:
        break;
    }
    TWI_BUG("infer let an unknown activation pass");
}

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_activation_params *p = params;
    if ((int)p->function < 0 || p->function >= TWI_ACTIVATIONS)
        return twi_fail(err, TW_EINVAL, "activation: there is no function number %d", (int)p->function);
    if (twi_check_sizes("activation", "input", &in[0], err))
        return TW_EINVAL;
    return twi_infer_one("activation", in[0], out, n_out, err);
}

static void forward(const void *params, const twi_op_call *call)
{
    twi_activation_run(params, call->in[0].data, call->out[0].data, twi_shape_count(&call->in[0].shape));
}

static void backward(const void *params, const twi_op_call *call)
{
    if (call->grad_in[0].data)
        twi_activation_back(params, call->in[0].data, call->grad_out.data, call->grad_in[0].data,
                            twi_shape_count(&call->in[0].shape));
}

twi_value twi_emit_activation(twi_emitter *e, twi_value x, const twi_activation_params *p)
{
    return p->function == TWI_LINEAR ? x : twi_emit(e, &twi_op_activation, p, 1, &x);
}

const twi_op_kind twi_op_activation = {.name = "activation",
                                       .doc = "a function of each number",
                                       .params_size = sizeof(twi_activation_params),
                                       .in_min = 1,
                                       .in_max = 1,
                                       .backward_reads = TWI_READS_IN(0),
                                       .flags = TWI_OP_IN_PLACE | TWI_OP_GRAD_IN_PLACE,
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward,
                                       .dnnl = twi_dnnl_activation};
