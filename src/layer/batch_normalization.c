// BatchNormalization: y = gamma (x − mean) / sqrt(variance + epsilon) + beta, per channel.
//
// Training and trainable: mean and (biased) variance of the batch over every axis but the last, and
//     moving = moving · momentum + batch · (1 − momentum). Otherwise: the moving statistics, unchanged.
// Weights  gamma (if scale), beta (if center), moving_mean, moving_variance; each [c]. The last two never train.
// Source   keras.layers.BatchNormalization, Keras 3.15. A frozen one is in inference mode: Keras's rule since 2.2.

#include "layer/layer.h"

typedef struct batch_normalization {
    int64_t axis;
    double momentum, epsilon;
    bool no_center, no_scale;
    tw_setting beta_init, gamma_init, mean_init, variance_init, beta_reg, gamma_reg;
} batch_normalization;

static const tw_field batch_normalization_fields[] = {
    {TWI_INT("axis", "the channels' axis", batch_normalization, axis, -TW_RANK_MAX, TW_RANK_MAX),
     .otherwise = "-1"},
    {TWI_FLOAT("momentum", "how slowly the moving statistics follow", batch_normalization, momentum, 0, 1),
     .otherwise = "0.99"},
    {TWI_FLOAT("epsilon", "added to the variance", batch_normalization, epsilon, 0, 1e30),
     .otherwise = "0.001"},
    {TWI_FIELD("center", "add a learned offset (beta)", TW_FIELD_NOT, batch_normalization, no_center),
     .otherwise = "true"},
    {TWI_FIELD("scale", "multiply by a learned factor (gamma)", TW_FIELD_NOT, batch_normalization, no_scale),
     .otherwise = "true"},
    {TWI_INITIALIZER("beta_initializer", batch_normalization, beta_init, "zeros")},
    {TWI_INITIALIZER("gamma_initializer", batch_normalization, gamma_init, "ones")},
    {TWI_INITIALIZER("moving_mean_initializer", batch_normalization, mean_init, "zeros")},
    {TWI_INITIALIZER("moving_variance_initializer", batch_normalization, variance_init, "ones")},
    {TWI_REGULARIZER("beta_regularizer", batch_normalization, beta_reg)},
    {TWI_REGULARIZER("gamma_regularizer", batch_normalization, gamma_reg)},
    TWI_LATER("beta_constraint"),
    TWI_LATER("gamma_constraint"),
    TWI_LATER("synchronized"),
    TWI_LATER("renorm"),
    TWI_LATER("renorm_clipping"),
    TWI_IGNORED("renorm_momentum"), // says something only with renorm
    TWI_LATER("virtual_batch_size"),
    TWI_IGNORED("fused"),
    {0}};

static tw_status batch_normalization_infer(const batch_normalization *c, int n_in, const tw_shape *in,
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

static void batch_normalization_weights(const batch_normalization *c, const tw_shape *in,
                                        twi_weight_list *list)
{
    tw_shape channels = TWI_SHAPE(twi_shape_last(in));
    if (!c->no_scale)
        twi_weight_ask(list, "gamma", channels, &c->gamma_init, &c->gamma_reg);
    if (!c->no_center)
        twi_weight_ask(list, "beta", channels, &c->beta_init, &c->beta_reg);
    twi_weight_ask_state(list, "moving_mean", channels, &c->mean_init);
    twi_weight_ask_state(list, "moving_variance", channels, &c->variance_init);
}

static void batch_normalization_emit(twi_emitter *e, const batch_normalization *c, int n_in,
                                     const twi_value *in, twi_value *out)
{
    (void)n_in;
    int beta = !c->no_scale, mean = beta + !c->no_center;
    twi_batch_norm_params p = {
        .epsilon = c->epsilon, .momentum = c->momentum, .is_training = e->is_training && e->is_trainable};
    out[0] = twi_emit_batch_norm(e, in[0], twi_weight_value(e, 0, !c->no_scale),
                                 twi_weight_value(e, beta, !c->no_center), e->weight[mean],
                                 e->weight[mean + 1], &p);
}

TWI_THUNK_INFER(batch_normalization)
TWI_THUNK_WEIGHTS(batch_normalization)
TWI_THUNK_EMIT(batch_normalization)

static const char *const batch_normalization_quick[] = {"momentum", "epsilon", NULL};

const tw_layer_kind twi_layer_batch_normalization = {.name = "BatchNormalization",
                                                     .aliases = "bn BatchNormalizationV1"
                                                                " BatchNormalizationV2",
                                                     .doc = "normalises each channel over the batch",
                                                     .flags = TWI_KIND_NORM,
                                                     .size = sizeof(batch_normalization),
                                                     .fields = batch_normalization_fields,
                                                     .quick = batch_normalization_quick,
                                                     .infer = batch_normalization_infer_thunk,
                                                     .weights = batch_normalization_weights_thunk,
                                                     .emit = batch_normalization_emit_thunk};
