// Activations: the list of functions by their Keras names, and the layer Activation that applies one of them.
//
// Formulas stand with the op (op/params.h). Softmax normalises over the last axis.
// Source   keras.activations, Keras 3.15. hard_sigmoid is Keras 3's relu6(x + 3) / 6 (Keras 2 had 0.2 x + 0.5).
//
// One row here serves `activation=` of every layer, the layer Activation and the head language.

#include "layer/layer.h"

#include <math.h>

typedef struct activation_row {
    twi_activation_params op;
    bool is_softmax;
} activation_row;

#define ROWS(ROW)                                                                       \
    ROW(linear, "none identity", "x", TWI_LINEAR, 0, 0)                                 \
    ROW(relu, "", "x where above zero, else 0", TWI_RELU, INFINITY, 0)                  \
    ROW(relu6, "", "relu, at most 6", TWI_RELU, 6, 0)                                   \
    ROW(leaky_relu, "", "x where above zero, else 0.2 x", TWI_RELU, INFINITY, 0.2)      \
    ROW(sigmoid, "", "1 / (1 + exp(-x))", TWI_SIGMOID, 0, 0)                            \
    ROW(tanh, "", "hyperbolic tangent", TWI_TANH, 0, 0)                                 \
    ROW(silu, "swish", "x sigmoid(x)", TWI_SILU, 0, 0)                                  \
    ROW(elu, "celu", "x where above zero, else exp(x) - 1", TWI_ELU, 1, 0)              \
    ROW(selu, "", "scaled elu", TWI_SELU, 0, 0)                                         \
    ROW(softplus, "", "log(1 + exp(x))", TWI_SOFTPLUS, 0, 0)                            \
    ROW(softsign, "", "x / (1 + |x|)", TWI_SOFTSIGN, 0, 0)                              \
    ROW(exponential, "exp", "exp(x)", TWI_EXPONENTIAL, 0, 0)                            \
    ROW(hard_sigmoid, "", "relu6(x + 3) / 6", TWI_HARD_SIGMOID, 0, 0)                   \
    ROW(hard_silu, "hard_swish", "x hard_sigmoid(x)", TWI_HARD_SILU, 0, 0)              \
    ROW(gelu, "", "x times the share of a normal distribution below x", TWI_GELU, 0, 0) \
    ROW(mish, "", "x tanh(softplus(x))", TWI_MISH, 0, 0)

// The first alias is what Keras writes.
#define KIND(id, more, text, function_, alpha_, beta_)                                                      \
    static const activation_row row_##id = {.op = {.function = function_, .alpha = alpha_, .beta = beta_}}; \
    static const tw_setting_kind kind_##id = {                                                              \
        .name = #id, .aliases = #id " " more, .doc = text, .row = &row_##id};
#define POINTER(id, ...) &kind_##id,
#define NAME(id, ...)    #id,

ROWS(KIND)
static const activation_row row_softmax = {.is_softmax = true};
static const tw_setting_kind kind_softmax = {
    .name = "softmax", .aliases = "softmax", .doc = "exp(x), divided by its sum", .row = &row_softmax};

static const tw_setting_kind *const kinds[] = {ROWS(POINTER) & kind_softmax, NULL};
static const char *const names[] = {ROWS(NAME) "softmax", NULL};

const tw_setting_kind *twi_activation_find(const char *name)
{
    return twi_setting_find(kinds, name);
}

const char *const *twi_activation_names(void)
{
    return names;
}

twi_value twi_emit_activation_setting(twi_emitter *e, twi_value x, const tw_setting *activation)
{
    if (!activation->kind)
        return x;
    const activation_row *row = activation->kind->row;
    if (row->is_softmax)
        return twi_emit_softmax(e, x);
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
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
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
