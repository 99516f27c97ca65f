// PReLU: y = x where above zero, else alpha · x, with a learned alpha for each number, or shared along axes.
//
// Emits    max(x, 0) + alpha · min(x, 0).
// Weights  alpha: the input's shape without the batch, 1 along shared axes.
// Source   keras.layers.PReLU, Keras 3.15; He et al. 2015.

#include "layer/layer.h"

typedef struct prelu {
    tw_setting alpha_init, alpha_reg;
    tw_shape shared; // axes from 1
} prelu;

static const tw_field prelu_fields[] = {
    {TWI_INITIALIZER("alpha_initializer", prelu, alpha_init, "zeros")},
    {TWI_REGULARIZER("alpha_regularizer", prelu, alpha_reg)},
    TWI_LATER("alpha_constraint"),
    {TWI_FIELD("shared_axes", "axes along which alpha is the same, from 1", TW_FIELD_SHAPE, prelu, shared)},
    {0}};

static tw_status prelu_infer(const prelu *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    for (int i = 0; i < c->shared.rank; i++)
        if (c->shared.dim[i] < 1 || c->shared.dim[i] >= in->rank)
            return twi_fail(err, TW_EINVAL, "shared_axes must be in 1..%d, received %lld", in->rank - 1,
                            (long long)c->shared.dim[i]);
    return twi_same_shape(in, out);
}

static void prelu_weights(const prelu *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape alpha = {.rank = in->rank - 1};
    for (int i = 1; i < in->rank; i++)
        alpha.dim[i - 1] = in->dim[i];
    for (int i = 0; i < c->shared.rank; i++)
        alpha.dim[c->shared.dim[i] - 1] = 1;
    twi_weight_ask(list, "alpha", alpha, &c->alpha_init, &c->alpha_reg);
}

static void prelu_emit(twi_emitter *e, const prelu *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)c, (void)n_in;
    twi_value zero = twi_emit_numbers(e, 1, (double[]){0});
    twi_value above = twi_emit_binary(e, in[0], zero, TWI_MAX);
    twi_value below = twi_emit_binary(e, in[0], zero, TWI_MIN);
    out[0] = twi_emit_binary(e, above, twi_emit_binary(e, below, e->weight[0], TWI_MUL), TWI_ADD);
}

TWI_THUNK_INFER(prelu)
TWI_THUNK_WEIGHTS(prelu)
TWI_THUNK_EMIT(prelu)

const tw_layer_kind twi_layer_prelu = {.name = "PReLU",
                                       .doc = "relu with a learned slope below zero",
                                       .size = sizeof(prelu),
                                       .fields = prelu_fields,
                                       .infer = prelu_infer_thunk,
                                       .weights = prelu_weights_thunk,
                                       .emit = prelu_emit_thunk};
