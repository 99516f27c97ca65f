// Bare operations of one tensor: activations without and with a number, softmax, flip.
//
// Source   keras.src.ops.nn and keras.src.ops.numpy, Keras 3.15: what keras.ops.relu(x) … in a Functional model becomes.
//          Their config holds the numbers beside the tensor.

#include "layer/layer.h"

#include <math.h>

typedef struct op_unary {
    double number; // negative_slope, alpha, threshold, b
    double other;  // default_value
    bool flag;     // approximate
    int64_t axis;
} op_unary;

static const tw_field no_fields[] = {{0}};
static const tw_field slope_fields[] = {
    {TWI_FLOAT("negative_slope", "factor below zero", op_unary, number, 0, 1e30), .otherwise = "0.2"}, {0}};
static const tw_field alpha_fields[] = {
    {TWI_FLOAT("alpha", "how deep it goes below zero", op_unary, number, 0, 1e30), .otherwise = "1"}, {0}};
static const tw_field celu_fields[] = {
    {TWI_FLOAT("alpha", "how deep it goes below zero", op_unary, number, 1e-30, 1e30), .otherwise = "1"},
    {0}};
static const tw_field shrink_fields[] = {
    {TWI_FLOAT("threshold", "up to where it is nothing", op_unary, number, 0, 1e30), .otherwise = "0.5"},
    {0}};
static const tw_field b_fields[] = {
    {TWI_FLOAT("b", "how round it is", op_unary, number, 0, 1e30), .otherwise = "4"}, {0}};
static const tw_field threshold_fields[] = {
    {TWI_FLOAT("threshold", "above it numbers stay", op_unary, number, -1e30, 1e30),
     .flags = TW_FIELD_REQUIRED},
    {TWI_FLOAT("default_value", "what the others become", op_unary, other, -1e30, 1e30),
     .flags = TW_FIELD_REQUIRED},
    {0}};
static const tw_field approximate_fields[] = {
    {TWI_FIELD("approximate", "by tanh instead of erf", TW_FIELD_BOOL, op_unary, flag), .otherwise = "true"},
    {0}};
static const tw_field axis_fields[] = {
    {TWI_INT("axis", "along which axis", op_unary, axis, -TW_RANK_MAX, TW_RANK_MAX), .otherwise = "-1"}, {0}};

static tw_status op_unary_infer(const op_unary *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}
TWI_THUNK_INFER(op_unary)

#define EMIT(kind, ...)                                                                                   \
    typedef op_unary kind;                                                                                \
    static void kind##_emit(twi_emitter *e, const kind *c, int n_in, const twi_value *in, twi_value *out) \
    {                                                                                                     \
        (void)c, (void)n_in;                                                                              \
        out[0] = twi_emit_activation(e, in[0], &(twi_activation_params){__VA_ARGS__});                    \
    }                                                                                                     \
    TWI_THUNK_EMIT(kind)

EMIT(op_elu, .function = TWI_ELU, .alpha = c->number)
EMIT(op_exp, .function = TWI_EXPONENTIAL)
EMIT(op_gelu, .function = c->flag ? TWI_GELU_TANH : TWI_GELU)
EMIT(op_hard_sigmoid, .function = TWI_HARD_SIGMOID)
EMIT(op_hard_silu, .function = TWI_HARD_SILU)
EMIT(op_leaky_relu, .function = TWI_RELU, .alpha = INFINITY, .beta = c->number)
EMIT(op_relu, .function = TWI_RELU, .alpha = INFINITY)
EMIT(op_relu6, .function = TWI_RELU, .alpha = 6)
EMIT(op_sigmoid, .function = TWI_SIGMOID)
EMIT(op_silu, .function = TWI_SILU)
EMIT(op_softplus, .function = TWI_SOFTPLUS)
EMIT(op_sqrt, .function = TWI_SQRT)
EMIT(op_tanh, .function = TWI_TANH)
EMIT(op_hard_shrink, .function = TWI_HARD_SHRINK, .alpha = c->number)
EMIT(op_hard_tanh, .function = TWI_HARD_TANH)
EMIT(op_log_sigmoid, .function = TWI_LOG_SIGMOID)
EMIT(op_selu, .function = TWI_SELU)
EMIT(op_soft_shrink, .function = TWI_SOFT_SHRINK, .alpha = c->number)
EMIT(op_softsign, .function = TWI_SOFTSIGN)
EMIT(op_sparse_plus, .function = TWI_SPARSE_PLUS)
EMIT(op_sparse_sigmoid, .function = TWI_SPARSE_SIGMOID)
EMIT(op_squareplus, .function = TWI_SQUAREPLUS, .alpha = c->number)
EMIT(op_tanh_shrink, .function = TWI_TANH_SHRINK)
EMIT(op_threshold, .function = TWI_THRESHOLD, .beta = c->other, .threshold = c->number)

// alpha · elu(x / alpha)
typedef op_unary op_celu;
static void op_celu_emit(twi_emitter *e, const op_celu *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    double inverse = 1 / c->number;
    twi_value x = twi_emit_binary(e, in[0], twi_emit_numbers(e, 1, &inverse), TWI_MUL);
    x = twi_emit_activation(e, x, &(twi_activation_params){.function = TWI_ELU, .alpha = 1});
    out[0] = twi_emit_binary(e, x, twi_emit_numbers(e, 1, &c->number), TWI_MUL);
}
TWI_THUNK_EMIT(op_celu)

#define UNARY .flags = TWI_KIND_OP | TWI_KIND_LINEAR, .size = sizeof(op_unary), .infer = op_unary_infer_thunk
#define NN    .module = "keras.src.ops.nn", UNARY
#define NUMPY .module = "keras.src.ops.numpy", UNARY

const tw_layer_kind twi_layer_op_celu = {
    .name = "Celu", .doc = "elu, by another formula", NN, .fields = celu_fields, .emit = op_celu_emit_thunk};

const tw_layer_kind twi_layer_op_elu = {
    .name = "Elu", .doc = "exponential below zero", NN, .fields = alpha_fields, .emit = op_elu_emit_thunk};

const tw_layer_kind twi_layer_op_exp = {
    .name = "Exp", .doc = "exp(x)", NUMPY, .fields = no_fields, .emit = op_exp_emit_thunk};

const tw_layer_kind twi_layer_op_gelu = {
    .name = "Gelu", .doc = "gelu", NN, .fields = approximate_fields, .emit = op_gelu_emit_thunk};

const tw_layer_kind twi_layer_op_hard_sigmoid = {.name = "HardSigmoid",
                                                 .doc = "relu6(x + 3) / 6",
                                                 NN,
                                                 .fields = no_fields,
                                                 .emit = op_hard_sigmoid_emit_thunk};

const tw_layer_kind twi_layer_op_hard_silu = {
    .name = "HardSilu", .doc = "x hard_sigmoid(x)", NN, .fields = no_fields, .emit = op_hard_silu_emit_thunk};

const tw_layer_kind twi_layer_op_leaky_relu = {.name = "LeakyRelu",
                                               .doc = "flattens what is below zero",
                                               NN,
                                               .fields = slope_fields,
                                               .emit = op_leaky_relu_emit_thunk};

const tw_layer_kind twi_layer_op_relu = {.name = "Relu",
                                         .doc = "cuts off what is below zero",
                                         NN,
                                         .fields = no_fields,
                                         .emit = op_relu_emit_thunk};

const tw_layer_kind twi_layer_op_relu6 = {
    .name = "Relu6", .doc = "relu, at most 6", NN, .fields = no_fields, .emit = op_relu6_emit_thunk};

const tw_layer_kind twi_layer_op_sigmoid = {
    .name = "Sigmoid", .doc = "1 / (1 + exp(-x))", NN, .fields = no_fields, .emit = op_sigmoid_emit_thunk};

const tw_layer_kind twi_layer_op_silu = {
    .name = "Silu", .doc = "x sigmoid(x)", NN, .fields = no_fields, .emit = op_silu_emit_thunk};

const tw_layer_kind twi_layer_op_softplus = {
    .name = "Softplus", .doc = "log(1 + exp(x))", NN, .fields = no_fields, .emit = op_softplus_emit_thunk};

const tw_layer_kind twi_layer_op_sqrt = {
    .name = "Sqrt", .doc = "square root", NUMPY, .fields = no_fields, .emit = op_sqrt_emit_thunk};

const tw_layer_kind twi_layer_op_tanh = {
    .name = "Tanh", .doc = "hyperbolic tangent", NUMPY, .fields = no_fields, .emit = op_tanh_emit_thunk};

const tw_layer_kind twi_layer_op_hard_shrink = {.name = "HardShrink",
                                                .doc = "x, but 0 near 0",
                                                NN,
                                                .fields = shrink_fields,
                                                .emit = op_hard_shrink_emit_thunk};

const tw_layer_kind twi_layer_op_hard_tanh = {
    .name = "HardTanh", .doc = "x within -1..1", NN, .fields = no_fields, .emit = op_hard_tanh_emit_thunk};

const tw_layer_kind twi_layer_op_log_sigmoid = {.name = "LogSigmoid",
                                                .doc = "log of sigmoid(x)",
                                                NN,
                                                .fields = no_fields,
                                                .emit = op_log_sigmoid_emit_thunk};

const tw_layer_kind twi_layer_op_selu = {
    .name = "Selu", .doc = "scaled elu", NN, .fields = no_fields, .emit = op_selu_emit_thunk};

const tw_layer_kind twi_layer_op_soft_shrink = {.name = "SoftShrink",
                                                .doc = "nearer to 0, not past it",
                                                NN,
                                                .fields = shrink_fields,
                                                .emit = op_soft_shrink_emit_thunk};

const tw_layer_kind twi_layer_op_softsign = {
    .name = "Softsign", .doc = "x / (1 + |x|)", NN, .fields = no_fields, .emit = op_softsign_emit_thunk};

const tw_layer_kind twi_layer_op_sparse_plus = {.name = "SparsePlus",
                                                .doc = "0 up to -1, (x + 1)^2 / 4, x from 1",
                                                NN,
                                                .fields = no_fields,
                                                .emit = op_sparse_plus_emit_thunk};

const tw_layer_kind twi_layer_op_sparse_sigmoid = {.name = "SparseSigmoid",
                                                   .doc = "0 up to -1, (x + 1) / 2, 1 from 1",
                                                   NN,
                                                   .fields = no_fields,
                                                   .emit = op_sparse_sigmoid_emit_thunk};

const tw_layer_kind twi_layer_op_squareplus = {.name = "Squareplus",
                                               .doc = "(x + sqrt(x x + b)) / 2",
                                               NN,
                                               .fields = b_fields,
                                               .emit = op_squareplus_emit_thunk};

const tw_layer_kind twi_layer_op_tanh_shrink = {
    .name = "TanhShrink", .doc = "x - tanh(x)", NN, .fields = no_fields, .emit = op_tanh_shrink_emit_thunk};

const tw_layer_kind twi_layer_op_threshold = {.name = "Threshold",
                                              .doc = "x above a number, else another",
                                              NN,
                                              .fields = threshold_fields,
                                              .emit = op_threshold_emit_thunk};

// ------------------------------------------------------------------------------------------------------- with an axis

typedef op_unary op_softmax, op_flip, op_log_softmax, op_sparsemax, op_glu;

static tw_status op_softmax_infer(const op_softmax *c, int n_in, const tw_shape *in, tw_shape *out,
                                  tw_err *err)
{
    (void)n_in;
    if (twi_axis(in, c->axis) != in->rank - 1)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: axis %lld of rank %d (the last one is)",
                        (long long)c->axis, in->rank);
    return twi_same_shape(in, out);
}

static void op_softmax_emit(twi_emitter *e, const op_softmax *c, int n_in, const twi_value *in,
                            twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_softmax(e, in[0]);
}

static tw_status op_log_softmax_infer(const op_log_softmax *c, int n_in, const tw_shape *in, tw_shape *out,
                                      tw_err *err)
{
    return op_softmax_infer(c, n_in, in, out, err);
}

static void op_log_softmax_emit(twi_emitter *e, const op_log_softmax *c, int n_in, const twi_value *in,
                                twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_log_softmax(e, in[0]);
}

static tw_status op_sparsemax_infer(const op_sparsemax *c, int n_in, const tw_shape *in, tw_shape *out,
                                    tw_err *err)
{
    return op_softmax_infer(c, n_in, in, out, err);
}

static void op_sparsemax_emit(twi_emitter *e, const op_sparsemax *c, int n_in, const twi_value *in,
                              twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_sparsemax(e, in[0]);
}

static tw_status op_glu_infer(const op_glu *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    const tw_setting glu = {.kind = twi_activation_find("glu")};
    tw_status status = op_softmax_infer(c, n_in, in, out, err);
    return status ? status : twi_activation_shape(&glu, out, err);
}

static void op_glu_emit(twi_emitter *e, const op_glu *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_glu(e, in[0]);
}

static tw_status op_flip_infer(const op_flip *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (twi_axis(in, c->axis) < 1)
        return twi_fail(err, TW_EINVAL, "axis %lld is no axis to flip", (long long)c->axis);
    return twi_same_shape(in, out);
}

static void op_flip_emit(twi_emitter *e, const op_flip *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    tw_shape x = twi_value_shape(e, in[0]);
    out[0] = twi_emit_flip(e, in[0], twi_axis(&x, c->axis));
}

TWI_THUNK_INFER(op_softmax)
TWI_THUNK_EMIT(op_softmax)
TWI_THUNK_INFER(op_log_softmax)
TWI_THUNK_EMIT(op_log_softmax)
TWI_THUNK_INFER(op_glu)
TWI_THUNK_EMIT(op_glu)
TWI_THUNK_INFER(op_sparsemax)
TWI_THUNK_EMIT(op_sparsemax)
TWI_THUNK_INFER(op_flip)
TWI_THUNK_EMIT(op_flip)

const tw_layer_kind twi_layer_op_flip = {.name = "Flip",
                                         .module = "keras.src.ops.numpy",
                                         .doc = "reverses an axis",
                                         .flags = TWI_KIND_OP | TWI_KIND_LINEAR,
                                         .size = sizeof(op_unary),
                                         .fields = axis_fields,
                                         .infer = op_flip_infer_thunk,
                                         .emit = op_flip_emit_thunk};

const tw_layer_kind twi_layer_op_softmax = {.name = "Softmax",
                                            .module = "keras.src.ops.nn",
                                            .doc = "turns numbers into probabilities",
                                            .flags = TWI_KIND_OP,
                                            .size = sizeof(op_unary),
                                            .fields = axis_fields,
                                            .infer = op_softmax_infer_thunk,
                                            .emit = op_softmax_emit_thunk};

const tw_layer_kind twi_layer_op_glu = {.name = "Glu",
                                        .module = "keras.src.ops.nn",
                                        .doc = "half of the channels times the sigmoid of the others",
                                        .flags = TWI_KIND_OP,
                                        .size = sizeof(op_unary),
                                        .fields = axis_fields,
                                        .infer = op_glu_infer_thunk,
                                        .emit = op_glu_emit_thunk};

const tw_layer_kind twi_layer_op_log_softmax = {.name = "LogSoftmax",
                                                .module = "keras.src.ops.nn",
                                                .doc = "log of softmax",
                                                .flags = TWI_KIND_OP,
                                                .size = sizeof(op_unary),
                                                .fields = axis_fields,
                                                .infer = op_log_softmax_infer_thunk,
                                                .emit = op_log_softmax_emit_thunk};

const tw_layer_kind twi_layer_op_sparsemax = {.name = "Sparsemax",
                                              .module = "keras.src.ops.nn",
                                              .doc = "few numbers, the others zero",
                                              .flags = TWI_KIND_OP,
                                              .size = sizeof(op_unary),
                                              .fields = axis_fields,
                                              .infer = op_sparsemax_infer_thunk,
                                              .emit = op_sparsemax_emit_thunk};
