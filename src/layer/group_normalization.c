// GroupNormalization: the channels in `groups` groups, each normalised over height, width and its channels.
//
// Formula  y = gamma (x − mean) / sqrt(variance + epsilon) + beta with the statistics of one sample's group.
// Emits    groups become rows: [n, h·w, g, c/g] → [n, g, h·w·c/g], a layer_norm without gamma and beta, and back.
// Weights  gamma (if scale), beta (if center); each [c].
// Source   keras.layers.GroupNormalization, Keras 3.15; Wu & He 2018.

#include "layer/layer.h"

typedef struct group_normalization {
    int64_t groups, axis;
    double epsilon;
    bool no_center, no_scale;
    tw_setting beta_init, gamma_init, beta_reg, gamma_reg;
} group_normalization;

static const tw_field group_normalization_fields[] = {
    {TWI_INT("groups", "number of groups; -1: one a channel", group_normalization, groups, -1, TW_DIM_MAX),
     .otherwise = "32"},
    {TWI_INT("axis", "the channels' axis", group_normalization, axis, -TW_RANK_MAX, TW_RANK_MAX),
     .otherwise = "-1"},
    {TWI_FLOAT("epsilon", "added to the variance", group_normalization, epsilon, 0, 1e30),
     .otherwise = "0.001"},
    {TWI_FIELD("center", "add a learned offset (beta)", TW_FIELD_NOT, group_normalization, no_center),
     .otherwise = "true"},
    {TWI_FIELD("scale", "multiply by a learned factor (gamma)", TW_FIELD_NOT, group_normalization, no_scale),
     .otherwise = "true"},
    {TWI_INITIALIZER("beta_initializer", group_normalization, beta_init, "zeros")},
    {TWI_INITIALIZER("gamma_initializer", group_normalization, gamma_init, "ones")},
    {TWI_REGULARIZER("beta_regularizer", group_normalization, beta_reg)},
    {TWI_REGULARIZER("gamma_regularizer", group_normalization, gamma_reg)},
    TWI_LATER("beta_constraint"),
    TWI_LATER("gamma_constraint"),
    {0}};

static int64_t groups_of(const group_normalization *c, int64_t channels)
{
    return c->groups == -1 ? channels : c->groups;
}

static tw_status group_normalization_infer(const group_normalization *c, int n_in, const tw_shape *in,
                                           tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (twi_need_rank(in, 2, err))
        return TW_EINVAL;
    if (twi_axis(in, c->axis) != in->rank - 1)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: axis %lld of rank %d (the last one is)",
                        (long long)c->axis, in->rank);
    int64_t channels = twi_shape_last(in), groups = groups_of(c, channels);
    if (groups < 1 || channels % groups)
        return twi_fail(err, TW_EINVAL, "groups %lld must divide the %lld channels", (long long)groups,
                        (long long)channels);
    return twi_same_shape(in, out);
}

static void group_normalization_weights(const group_normalization *c, const tw_shape *in,
                                        twi_weight_list *list)
{
    tw_shape channels = TWI_SHAPE(twi_shape_last(in));
    if (!c->no_scale)
        twi_weight_ask(list, "gamma", channels, &c->gamma_init, &c->gamma_reg);
    if (!c->no_center)
        twi_weight_ask(list, "beta", channels, &c->beta_init, &c->beta_reg);
}

static void group_normalization_emit(twi_emitter *e, const group_normalization *c, int n_in,
                                     const twi_value *in, twi_value *out)
{
    (void)n_in;
    static const int swap[TW_RANK_MAX] = {0, 2, 1, 3};
    tw_shape x = twi_value_shape(e, in[0]);
    if (!x.rank)
        return;
    int64_t channels = twi_shape_last(&x), groups = groups_of(c, channels), pixels = 1;
    for (int i = 1; i + 1 < x.rank; i++)
        pixels *= x.dim[i];
    tw_shape split = TWI_SHAPE(x.dim[0], pixels, groups, channels / groups);
    tw_shape rows = TWI_SHAPE(x.dim[0], groups, pixels * (channels / groups));
    tw_shape apart = TWI_SHAPE(x.dim[0], groups, pixels, channels / groups);
    twi_value y = twi_emit_permute(e, twi_emit_reshape(e, in[0], &split), swap);
    y = twi_emit_layer_norm(e, twi_emit_reshape(e, y, &rows), TWI_NONE, TWI_NONE,
                            &(twi_layer_norm_params){.epsilon = c->epsilon});
    y = twi_emit_reshape(e, twi_emit_permute(e, twi_emit_reshape(e, y, &apart), swap), &x);
    if (!c->no_scale)
        y = twi_emit_binary(e, y, e->weight[0], TWI_MUL);
    if (!c->no_center)
        y = twi_emit_binary(e, y, e->weight[!c->no_scale], TWI_ADD);
    out[0] = y;
}

TWI_THUNK_INFER(group_normalization)
TWI_THUNK_WEIGHTS(group_normalization)
TWI_THUNK_EMIT(group_normalization)

static const char *const group_normalization_quick[] = {"groups", NULL};

const tw_layer_kind twi_layer_group_normalization = {.name = "GroupNormalization",
                                                     .aliases = "gn group_norm",
                                                     .doc = "normalises groups of channels",
                                                     .size = sizeof(group_normalization),
                                                     .fields = group_normalization_fields,
                                                     .quick = group_normalization_quick,
                                                     .infer = group_normalization_infer_thunk,
                                                     .weights = group_normalization_weights_thunk,
                                                     .emit = group_normalization_emit_thunk};
