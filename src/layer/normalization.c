// Normalization: y = (x − mean) / max(sqrt(variance), 1e-7) per channel; invert: y = x · max(sqrt(variance), 1e-7) + mean.
//
// Mean and variance are either given in the config (then there are no weights), or were learnt from data before training
// and are weights that never train.
// Without an axis one mean and one variance hold for all numbers.
// Weights  mean [c] or [], variance likewise, count [] (how many numbers they were learnt from); none if given.
// Source   keras.layers.Normalization, Keras 3.15.

#include "layer/layer.h"

#include <math.h>

static const double epsilon = 1e-7; // keras.backend.epsilon()

typedef struct normalization {
    int64_t axis;
    bool is_inverse;
    tw_floats mean, variance; // of 1 or c numbers; none: weights
} normalization;

static const tw_field normalization_fields[] = {
    {TWI_INT("axis", "the channels' axis, else the last; none: one mean for all", normalization, axis,
             -TW_RANK_MAX, TW_RANK_MAX),
     .flags = TW_FIELD_NULLABLE, .otherwise = "-1"},
    {TWI_FIELD("invert", "undo it instead", TW_FIELD_BOOL, normalization, is_inverse)},
    {TWI_FIELD("mean", "fixed mean, one or one a channel", TW_FIELD_FLOATS, normalization, mean),
     .flags = TW_FIELD_SCALAR},
    {TWI_FIELD("variance", "fixed variance, one or one a channel", TW_FIELD_FLOATS, normalization, variance),
     .flags = TW_FIELD_SCALAR},
    {0}};

static tw_status normalization_infer(const normalization *c, int n_in, const tw_shape *in, tw_shape *out,
                                     tw_err *err)
{
    (void)n_in;
    int64_t channels = c->axis ? twi_shape_last(in) : 1;
    if (c->axis && twi_axis(in, c->axis) != in->rank - 1)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: axis %lld of rank %d (the last one is)",
                        (long long)c->axis, in->rank);
    if (!c->mean.at != !c->variance.at)
        return twi_fail(err, TW_EINVAL, "mean and variance must be given together");
    if (c->mean.at &&
        ((c->mean.n != 1 && c->mean.n != channels) || (c->variance.n != 1 && c->variance.n != channels)))
        return twi_fail(err, TW_EINVAL,
                        "mean and variance must have 1 or %lld numbers, received %lld and %lld",
                        (long long)channels, (long long)c->mean.n, (long long)c->variance.n);
    return twi_same_shape(in, out);
}

static void normalization_weights(const normalization *c, const tw_shape *in, twi_weight_list *list)
{
    if (c->mean.at)
        return;
    tw_shape scalar = {0}, channels = c->axis ? TWI_SHAPE(twi_shape_last(in)) : scalar;
    tw_setting ones = {.kind = twi_initializer_find("ones")};
    twi_weight_ask_state(list, "mean", channels, NULL);
    twi_weight_ask_state(list, "variance", channels, &ones);
    twi_weight_ask_state(list, "count", scalar, NULL);
}

// The i-th weight; ops want an axis, which one number for all has not.
static twi_value emit_statistic(twi_emitter *e, const normalization *c, int i)
{
    tw_shape one = TWI_SHAPE(1);
    return c->axis ? e->weight[i] : twi_emit_reshape(e, e->weight[i], &one);
}

// max(sqrt(variance), epsilon)
static twi_value emit_deviation(twi_emitter *e, const normalization *c)
{
    if (!c->mean.at) {
        twi_value variance = emit_statistic(e, c, 1);
        twi_value root = twi_emit_activation(e, variance, &(twi_activation_params){.function = TWI_SQRT});
        return twi_emit_binary(e, root, twi_emit_numbers(e, 1, &epsilon), TWI_MAX);
    }
    tw_err *err = e->err;
    double *deviation = twi_new((size_t)c->variance.n, sizeof *deviation, "a deviation", err);
    if (!deviation)
        return TWI_NONE;
    for (int64_t i = 0; i < c->variance.n; i++)
        deviation[i] = fmax(sqrt((double)(float)c->variance.at[i]), epsilon); // as f32 computes it
    twi_value value = twi_emit_numbers(e, c->variance.n, deviation);
    twi_free(deviation);
    return value;
}

static void normalization_emit(twi_emitter *e, const normalization *c, int n_in, const twi_value *in,
                               twi_value *out)
{
    (void)n_in;
    twi_value mean = c->mean.at ? twi_emit_numbers(e, c->mean.n, c->mean.at) : emit_statistic(e, c, 0);
    twi_value deviation = emit_deviation(e, c);
    if (c->is_inverse)
        out[0] = twi_emit_binary(e, twi_emit_binary(e, in[0], deviation, TWI_MUL), mean, TWI_ADD);
    else
        out[0] = twi_emit_binary(e, twi_emit_binary(e, in[0], mean, TWI_SUB), deviation, TWI_DIV);
}

TWI_THUNK_INFER(normalization)
TWI_THUNK_WEIGHTS(normalization)
TWI_THUNK_EMIT(normalization)

const tw_layer_kind twi_layer_normalization = {.name = "Normalization",
                                               .doc = "subtracts a mean, divides by a deviation",
                                               .size = sizeof(normalization),
                                               .fields = normalization_fields,
                                               .infer = normalization_infer_thunk,
                                               .weights = normalization_weights_thunk,
                                               .emit = normalization_emit_thunk};
