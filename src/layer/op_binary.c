// Bare operations of two arguments: x + y, x − y, x · y, x / y, maximum and minimum, with NumPy's broadcasting. Either
// argument may be a number: 1 − x.
//
// Source   keras.src.ops.numpy, Keras 3.15: what `a + b` on tensors of a Functional model becomes.

#include "layer/layer.h"

#include <math.h>

typedef struct op_binary {
    double x1, x2; // NaN: a tensor
} op_binary;

#define ARGUMENT(key, m)                                                           \
    {                                                                              \
        TWI_FLOAT(key, "a number instead of a tensor", op_binary, m, -1e30, 1e30), \
            .flags = TW_FIELD_ARGUMENT | TW_FIELD_NULLABLE, .otherwise = "none"    \
    }
static const tw_field op_binary_fields[] = {ARGUMENT("x1", x1), ARGUMENT("x2", x2), {0}};

static tw_status op_binary_infer(const op_binary *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    if (n_in != isnan(c->x1) + isnan(c->x2))
        return twi_fail(err, TW_EINVAL, "takes two arguments, received %d tensors", n_in);
    if (n_in == 1)
        return twi_same_shape(in, out);
    if (!twi_broadcast(&in[0], &in[1], out))
        return twi_fail(err, TW_EINVAL, "inputs of shapes %s and %s cannot be joined",
                        twi_shape_text(&in[0], a), twi_shape_text(&in[1], b));
    return TW_OK;
}

TWI_THUNK_INFER(op_binary)

static twi_value emit(twi_emitter *e, const op_binary *c, const twi_value *in, twi_binary function)
{
    twi_value a = isnan(c->x1) ? *in++ : twi_emit_numbers(e, 1, &c->x1);
    twi_value b = isnan(c->x2) ? *in : twi_emit_numbers(e, 1, &c->x2);
    return twi_emit_binary(e, a, b, function);
}

#define EMIT(kind, function)                                                                              \
    typedef op_binary kind;                                                                               \
    static void kind##_emit(twi_emitter *e, const kind *c, int n_in, const twi_value *in, twi_value *out) \
    {                                                                                                     \
        (void)n_in;                                                                                       \
        out[0] = emit(e, c, in, function);                                                                \
    }                                                                                                     \
    TWI_THUNK_EMIT(kind)

EMIT(op_add, TWI_ADD)
EMIT(op_maximum, TWI_MAX)
EMIT(op_minimum, TWI_MIN)
EMIT(op_multiply, TWI_MUL)
EMIT(op_subtract, TWI_SUB)
EMIT(op_true_divide, TWI_DIV)

#define BINARY                                                                       \
    .module = "keras.src.ops.numpy", .flags = TWI_KIND_OP, .in_min = 1, .in_max = 2, \
    .size = sizeof(op_binary), .fields = op_binary_fields, .infer = op_binary_infer_thunk

const tw_layer_kind twi_layer_op_add = {.name = "Add", .doc = "x + y", BINARY, .emit = op_add_emit_thunk};

const tw_layer_kind twi_layer_op_maximum = {
    .name = "Maximum", .doc = "the larger of x and y", BINARY, .emit = op_maximum_emit_thunk};

const tw_layer_kind twi_layer_op_minimum = {
    .name = "Minimum", .doc = "the smaller of x and y", BINARY, .emit = op_minimum_emit_thunk};

const tw_layer_kind twi_layer_op_multiply = {
    .name = "Multiply", .doc = "x times y", BINARY, .emit = op_multiply_emit_thunk};

const tw_layer_kind twi_layer_op_subtract = {
    .name = "Subtract", .doc = "x less y", BINARY, .emit = op_subtract_emit_thunk};

const tw_layer_kind twi_layer_op_true_divide = {
    .name = "TrueDivide", .aliases = "Divide", .doc = "x by y", BINARY, .emit = op_true_divide_emit_thunk};
