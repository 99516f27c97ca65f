// Activations: the list of functions by their Keras names, and the layer Activation that applies one of them.
//
// Formulas stand with the op (op/params.h); softmax and log_softmax go over the last axis.
// Source   keras.activations, Keras 3.15. hard_sigmoid is Keras 3's relu6(x + 3) / 6 (Keras 2 had 0.2 x + 0.5).
//
// glu halves the channels. Keras's layers go on as if they did not (their output_shape is wrong, and a layer with weights behind
// them fails when it runs); here shapes are what is computed.
// threshold is known, to be refused: Keras finds it by name and then misses its two numbers.
//
// One row here serves `activation=` of every layer, the layer Activation and the head language.

#include "layer/layer.h"

#include <math.h>

typedef struct activation_row {
    twi_activation_params op;
    twi_value (*emit_rows)(twi_emitter *e, twi_value x); // those over the last axis; NULL: number by number
} activation_row;

// a · sigmoid(b) of x = [a, b]: the halves are what is left of rows of channels when the others are cropped.
twi_value twi_emit_glu(twi_emitter *e, twi_value x)
{
    tw_shape shape = twi_value_shape(e, x), out = shape;
    int64_t c = twi_shape_last(&shape), half = c / 2, pixels = 1;
    for (int i = 1; i < shape.rank - 1; i++)
        pixels *= shape.dim[i];
    out.dim[out.rank - 1] = half;
    twi_value rows = twi_emit_reshape(e, x, &TWI_SHAPE(shape.dim[0], pixels, c, 1));
    twi_value a = twi_emit_pad(e, rows, (int64_t[4]){0, 0, 0, -half}),
              b = twi_emit_pad(e, rows, (int64_t[4]){0, 0, -half, 0});
    b = twi_emit_activation(e, b, &(twi_activation_params){.function = TWI_SIGMOID});
    return twi_emit_reshape(e, twi_emit_binary(e, a, b, TWI_MUL), &out);
}

#define ROWS(ROW)                                                                          \
    ROW(linear, "none identity", "x", TWI_LINEAR, 0, 0)                                    \
    ROW(relu, "", "x where above zero, else 0", TWI_RELU, INFINITY, 0)                     \
    ROW(relu6, "", "relu, at most 6", TWI_RELU, 6, 0)                                      \
    ROW(leaky_relu, "", "x where above zero, else 0.2 x", TWI_RELU, INFINITY, 0.2)         \
    ROW(sigmoid, "", "1 / (1 + exp(-x))", TWI_SIGMOID, 0, 0)                               \
    ROW(tanh, "", "hyperbolic tangent", TWI_TANH, 0, 0)                                    \
    ROW(silu, "swish", "x sigmoid(x)", TWI_SILU, 0, 0)                                     \
    ROW(elu, "", "x where above zero, else exp(x) - 1", TWI_ELU, 1, 0)                     \
    ROW(celu, "", "elu, by another formula", TWI_ELU, 1, 0)                                \
    ROW(selu, "", "scaled elu", TWI_SELU, 0, 0)                                            \
    ROW(softplus, "", "log(1 + exp(x))", TWI_SOFTPLUS, 0, 0)                               \
    ROW(softsign, "", "x / (1 + |x|)", TWI_SOFTSIGN, 0, 0)                                 \
    ROW(squareplus, "", "(x + sqrt(x x + 4)) / 2", TWI_SQUAREPLUS, 4, 0)                   \
    ROW(soft_shrink, "", "nearer to 0 by 0.5, not past it", TWI_SOFT_SHRINK, 0.5, 0)       \
    ROW(sparse_plus, "", "0 up to -1, (x + 1)^2 / 4, x from 1", TWI_SPARSE_PLUS, 0, 0)     \
    ROW(exponential, "exp", "exp(x)", TWI_EXPONENTIAL, 0, 0)                               \
    ROW(hard_sigmoid, "", "relu6(x + 3) / 6", TWI_HARD_SIGMOID, 0, 0)                      \
    ROW(hard_silu, "hard_swish", "x hard_sigmoid(x)", TWI_HARD_SILU, 0, 0)                 \
    ROW(hard_tanh, "", "x within -1..1", TWI_HARD_TANH, 0, 0)                              \
    ROW(hard_shrink, "", "x, but 0 within -0.5..0.5", TWI_HARD_SHRINK, 0.5, 0)             \
    ROW(log_sigmoid, "", "log of sigmoid(x)", TWI_LOG_SIGMOID, 0, 0)                       \
    ROW(sparse_sigmoid, "", "0 up to -1, (x + 1) / 2, 1 from 1", TWI_SPARSE_SIGMOID, 0, 0) \
    ROW(tanh_shrink, "", "x - tanh(x)", TWI_TANH_SHRINK, 0, 0)                             \
    ROW(gelu, "", "x times the share of a normal distribution below x", TWI_GELU, 0, 0)    \
    ROW(mish, "", "x tanh(softplus(x))", TWI_MISH, 0, 0)

// ROW(name, meaning, emits)
#define WHOLE_ROWS(ROW)                                                                               \
    ROW(softmax, "exp(x), divided by its sum", twi_emit_softmax)                                      \
    ROW(log_softmax, "log of softmax", twi_emit_log_softmax)                                          \
    ROW(sparsemax, "few numbers, as Keras computes it: they need not sum to one", twi_emit_sparsemax) \
    ROW(glu, "half of the channels times the sigmoid of the others", twi_emit_glu)

// The first alias is what Keras writes.
#define KIND(id, more, text, function_, alpha_, beta_)                                                      \
    static const activation_row row_##id = {.op = {.function = function_, .alpha = alpha_, .beta = beta_}}; \
    static const tw_setting_kind kind_##id = {                                                              \
        .name = #id, .aliases = #id " " more, .doc = text, .row = &row_##id};
#define POINTER(id, ...) &kind_##id,
#define NAME(id, ...)    #id,

ROWS(KIND)
#define WHOLE(id, text, emit_)                                   \
    static const activation_row row_##id = {.emit_rows = emit_}; \
    static const tw_setting_kind kind_##id = {.name = #id, .aliases = #id, .doc = text, .row = &row_##id};
WHOLE_ROWS(WHOLE)

static const tw_setting_kind kind_threshold = {
    .name = "threshold", .doc = "it needs two numbers, which Keras's layers cannot give it"};

static const tw_setting_kind *const kinds[] = {ROWS(POINTER) WHOLE_ROWS(POINTER) & kind_threshold, NULL};
static const char *const names[] = {ROWS(NAME) WHOLE_ROWS(NAME) NULL};

const tw_setting_kind *twi_activation_find(const char *name)
{
    return twi_setting_find(kinds, name);
}

const char *const *twi_activation_names(void)
{
    return names;
}

tw_status twi_activation_shape(const tw_setting *activation, tw_shape *shape, tw_err *err)
{
    int64_t *channels = &shape->dim[shape->rank - 1];
    if (activation->kind != &kind_glu)
        return TW_OK;
    if (*channels % 2 != 0)
        return twi_fail(err, TW_EINVAL, "glu halves the channels, but there are %lld", (long long)*channels);
    *channels /= 2;
    return TW_OK;
}

twi_value twi_emit_activation_setting(twi_emitter *e, twi_value x, const tw_setting *activation)
{
    if (!activation->kind)
        return x;
    const activation_row *row = activation->kind->row;
    if (row->emit_rows)
        return row->emit_rows(e, x);
    return row->op.function == TWI_LINEAR ? x : twi_emit_activation(e, x, &row->op);
}

// ----------------------------------------------------------------------------------------------------------- the layer

typedef struct activation {
    tw_setting function;
} activation;

static const tw_field activation_fields[] = {{TWI_ACTIVATION("activation", activation, function)}, {0}};

static tw_status activation_infer(const activation *c, int n_in, const tw_shape *in, tw_shape *out,
                                  tw_err *err)
{
    (void)n_in;
    *out = *in;
    return twi_activation_shape(&c->function, out, err);
}

static void activation_emit(twi_emitter *e, const activation *c, int n_in, const twi_value *in,
                            twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_activation_setting(e, in[0], &c->function);
}

TWI_THUNK_INFER(activation)
TWI_THUNK_EMIT(activation)

static const char *const activation_quick[] = {"activation", NULL};

const tw_layer_kind twi_layer_activation = {.name = "Activation",
                                            .aliases = "act",
                                            .doc = "applies a function to every number",
                                            .flags = TWI_KIND_LINEAR,
                                            .size = sizeof(activation),
                                            .fields = activation_fields,
                                            .quick = activation_quick,
                                            .infer = activation_infer_thunk,
                                            .emit = activation_emit_thunk};
