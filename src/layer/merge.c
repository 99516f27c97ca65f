// Add, Subtract, Multiply, Average, Maximum, Minimum: layers that join several inputs number by number.
//
// Sizes that differ must be 1 on one side (NumPy's broadcasting, as in squeeze-and-excite). Average divides the sum by how
// many inputs there are; Subtract takes exactly two.
// Source   keras.layers.Add …, Keras 3.15.

#include "layer/layer.h"

typedef struct merge {
    char unused; // a config must have a size
} merge;

static const tw_field merge_fields[] = {{0}};

static tw_status merge_infer(const merge *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c;
    *out = in[0];
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    for (int i = 1; i < n_in; i++)
        if (!twi_broadcast(out, &in[i], out))
            return twi_fail(err, TW_EINVAL, "inputs of shapes %s and %s cannot be joined",
                            twi_shape_text(out, a), twi_shape_text(&in[i], b));
    return TW_OK;
}

TWI_THUNK_INFER(merge)

static twi_value fold(twi_emitter *e, int n, const twi_value *in, twi_binary function)
{
    twi_value y = in[0];
    for (int i = 1; i < n; i++)
        y = twi_emit_binary(e, y, in[i], function);
    return y;
}

#define EMIT(kind, function)                                                                              \
    typedef merge kind;                                                                                   \
    static void kind##_emit(twi_emitter *e, const kind *c, int n_in, const twi_value *in, twi_value *out) \
    {                                                                                                     \
        (void)c;                                                                                          \
        out[0] = fold(e, n_in, in, function);                                                             \
    }                                                                                                     \
    TWI_THUNK_EMIT(kind)

EMIT(add, TWI_ADD)
EMIT(subtract, TWI_SUB)
EMIT(multiply, TWI_MUL)
EMIT(maximum, TWI_MAX)
EMIT(minimum, TWI_MIN)

typedef merge average;
static void average_emit(twi_emitter *e, const average *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)c;
    double n = n_in;
    out[0] = twi_emit_binary(e, fold(e, n_in, in, TWI_ADD), twi_emit_numbers(e, 1, &n), TWI_DIV);
}
TWI_THUNK_EMIT(average)

#define MERGE .in_min = 2, .size = sizeof(merge), .fields = merge_fields, .infer = merge_infer_thunk

const tw_layer_kind twi_layer_add = {
    .name = "Add", .doc = "sum of its inputs", .in_max = TWI_LAYER_IN_MAX, MERGE, .emit = add_emit_thunk};

const tw_layer_kind twi_layer_average = {.name = "Average",
                                         .doc = "mean of its inputs",
                                         .in_max = TWI_LAYER_IN_MAX,
                                         MERGE,
                                         .emit = average_emit_thunk};

const tw_layer_kind twi_layer_maximum = {.name = "Maximum",
                                         .doc = "largest of its inputs",
                                         .in_max = TWI_LAYER_IN_MAX,
                                         MERGE,
                                         .emit = maximum_emit_thunk};

const tw_layer_kind twi_layer_minimum = {.name = "Minimum",
                                         .doc = "smallest of its inputs",
                                         .in_max = TWI_LAYER_IN_MAX,
                                         MERGE,
                                         .emit = minimum_emit_thunk};

const tw_layer_kind twi_layer_multiply = {.name = "Multiply",
                                          .doc = "product of its inputs",
                                          .in_max = TWI_LAYER_IN_MAX,
                                          MERGE,
                                          .emit = multiply_emit_thunk};

const tw_layer_kind twi_layer_subtract = {.name = "Subtract",
                                          .doc = "first input less the second",
                                          .in_max = 2,
                                          MERGE,
                                          .emit = subtract_emit_thunk};
