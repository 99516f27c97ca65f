// LayerNormalization: y = gamma (x − mean) / sqrt(variance + epsilon) + beta, over the last axis of each row.
//
// Weights  gamma (if scale), beta (if center); each [c].
// Source   keras.layers.LayerNormalization, Keras 3.15; Ba et al. 2016.

#include "layer/layer.h"

typedef struct layer_normalization {
    int64_t axis;
    double epsilon;
    bool no_center, no_scale;
    tw_setting beta_init, gamma_init, beta_reg, gamma_reg;
} layer_normalization;

static const tw_field layer_normalization_fields[] = {
    {TWI_INT("axis", "the axis that is normalised", layer_normalization, axis, -TW_RANK_MAX, TW_RANK_MAX),
     .otherwise = "-1"},
    {TWI_FLOAT("epsilon", "added to the variance", layer_normalization, epsilon, 0, 1e30),
     .otherwise = "0.001"},
    {TWI_FIELD("center", "add a learned offset (beta)", TW_FIELD_NOT, layer_normalization, no_center),
     .otherwise = "true"},
    {TWI_FIELD("scale", "multiply by a learned factor (gamma)", TW_FIELD_NOT, layer_normalization, no_scale),
     .otherwise = "true"},
    TWI_LATER("rms_scaling"),
    {TWI_INITIALIZER("beta_initializer", layer_normalization, beta_init, "zeros")},
    {TWI_INITIALIZER("gamma_initializer", layer_normalization, gamma_init, "ones")},
    {TWI_REGULARIZER("beta_regularizer", layer_normalization, beta_reg)},
    {TWI_REGULARIZER("gamma_regularizer", layer_normalization, gamma_reg)},
    TWI_LATER("beta_constraint"),
    TWI_LATER("gamma_constraint"),
    {0}};

static tw_status layer_normalization_infer(const layer_normalization *c, int n_in, const tw_shape *in,
                                           tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (twi_need_rank(in, 2, err))
        return TW_EINVAL;
    if (twi_axis(in, c->axis) != in->rank - 1)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: axis %lld of rank %d (the last one is)",
                        (long long)c->axis, in->rank);
    return twi_same_shape(in, out);
}

static void layer_normalization_weights(const layer_normalization *c, const tw_shape *in,
                                        twi_weight_list *list)
{
    tw_shape channels = TWI_SHAPE(twi_shape_last(in));
    if (!c->no_scale)
        twi_weight_ask(list, "gamma", channels, &c->gamma_init, &c->gamma_reg);
    if (!c->no_center)
        twi_weight_ask(list, "beta", channels, &c->beta_init, &c->beta_reg);
}

static void layer_normalization_emit(twi_emitter *e, const layer_normalization *c, int n_in,
                                     const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_layer_norm(e, in[0], twi_weight_value(e, 0, !c->no_scale),
                                 twi_weight_value(e, !c->no_scale, !c->no_center),
                                 &(twi_layer_norm_params){.epsilon = c->epsilon});
}

TWI_THUNK_INFER(layer_normalization)
TWI_THUNK_WEIGHTS(layer_normalization)
TWI_THUNK_EMIT(layer_normalization)

static const char *const layer_normalization_quick[] = {"epsilon", NULL};

const tw_layer_kind twi_layer_layer_normalization = {.name = "LayerNormalization",
                                                     .aliases = "ln layer_norm",
                                                     .doc = "normalises each row over its channels",
                                                     .size = sizeof(layer_normalization),
                                                     .fields = layer_normalization_fields,
                                                     .quick = layer_normalization_quick,
                                                     .infer = layer_normalization_infer_thunk,
                                                     .weights = layer_normalization_weights_thunk,
                                                     .emit = layer_normalization_emit_thunk};
