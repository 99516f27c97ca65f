// The key of a frozen prefix: equal keys mean equal values at the frontier, for the same photo and precision.
//
//   key = XXH128 chain over ops in order: kind, parameters, inputs and outputs as running numbers, shapes; and over
//   inputs when first met: inputs by index, constants and weights by shape and numbers.
// Layer names, and whatever lies outside the prefix, have no part in it.
//
// Parameters are hashed member by member: the padding between members holds whatever the layer's stack held.

#include "engine/inside.h"

#include <string.h>
#include <xxhash.h>

typedef struct member {
    uint16_t offset, size;
} member;

#define MEMBER(type, name)                              \
    {                                                   \
        offsetof(type, name), sizeof(((type *)0)->name) \
    }
enum { MEMBERS_MAX = 6 };

static const struct {
    const char *kind;
    member member[MEMBERS_MAX]; // ends at size 0
} layouts[] = {
    {"activation",
     {MEMBER(twi_activation_params, function), MEMBER(twi_activation_params, alpha),
      MEMBER(twi_activation_params, beta), MEMBER(twi_activation_params, threshold)}},
    // its activation is joined after a prefix is cut off
    {"batch_norm", {MEMBER(twi_batch_norm_params, epsilon), MEMBER(twi_batch_norm_params, is_training)}},
    {"binary", {MEMBER(twi_binary_params, function)}},
    {"concat", {MEMBER(twi_concat_params, axis)}},
    {"conv",
     {MEMBER(twi_conv_params, stride), MEMBER(twi_conv_params, dilation), MEMBER(twi_conv_params, pad),
      MEMBER(twi_conv_params, groups)}},
    {"conv_transpose",
     {MEMBER(twi_conv_transpose_params, stride), MEMBER(twi_conv_transpose_params, dilation),
      MEMBER(twi_conv_transpose_params, pad), MEMBER(twi_conv_transpose_params, out)}},
    {"dropout",
     {MEMBER(twi_dropout_params, rate), MEMBER(twi_dropout_params, keep_axes),
      MEMBER(twi_dropout_params, layer_id)}},
    {"flip", {MEMBER(twi_flip_params, axis)}},
    {"layer_norm", {MEMBER(twi_layer_norm_params, epsilon)}},
    {"noise",
     {MEMBER(twi_noise_params, stddev), MEMBER(twi_noise_params, is_factor),
      MEMBER(twi_noise_params, layer_id)}},
    {"pad", {MEMBER(twi_pad_params, pad)}},
    {"penalty",
     {MEMBER(twi_penalty_params, l1), MEMBER(twi_penalty_params, l2), MEMBER(twi_penalty_params, orthogonal),
      MEMBER(twi_penalty_params, is_columns)}},
    {"permute", {MEMBER(twi_permute_params, order)}},
    {"pool",
     {MEMBER(twi_pool_params, is_mean), MEMBER(twi_pool_params, window), MEMBER(twi_pool_params, stride),
      MEMBER(twi_pool_params, pad)}},
    {"reduce", {MEMBER(twi_reduce_params, is_max), MEMBER(twi_reduce_params, keep_dims)}},
    {"resample", {MEMBER(twi_resample_params, is_bilinear), MEMBER(twi_resample_params, out)}},
    {"reshape", {MEMBER(twi_reshape_params, shape)}},
};

typedef struct hasher {
    const twi_program *program;
    int *number; // [values] running number + 1, 0: not met yet
    int next;
    XXH128_hash_t sum;
} hasher;

static void add(hasher *h, const void *bytes, size_t n)
{
    struct {
        XXH128_hash_t before, chunk;
        uint64_t n;
    } link = {h->sum, XXH3_128bits(bytes, n), n};
    h->sum = XXH3_128bits(&link, sizeof link);
}

static void add_int(hasher *h, int64_t value)
{
    add(h, &value, sizeof value);
}

static void add_shape(hasher *h, const tw_shape *s)
{
    add_int(h, s->rank);
    add(h, s->dim, (size_t)s->rank * sizeof *s->dim);
}

static const member *members_of(const twi_op_kind *kind)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (strcmp(layouts[i].kind, kind->name) == 0)
            return layouts[i].member;
    return NULL;
}

bool twi_key_knows(const twi_op_kind *kind)
{
    return !kind->params_size || members_of(kind);
}

static void add_params(hasher *h, const twi_program_op *op)
{
    const member *m = members_of(op->kind);
    if (!op->kind->params_size)
        return;
    if (!m)
        TWI_BUG("the key of a prefix does not know the parameters of an op");
    // Of lists with one entry an axis, only the entries of existing axes mean something.
    if (twi_op_is(op, "reshape"))
        add_shape(h, &((const twi_reshape_params *)op->params)->shape);
    else if (twi_op_is(op, "permute"))
        add(h, ((const twi_permute_params *)op->params)->order,
            (size_t)h->program->values.at[op->in[0]].shape.rank * sizeof(int));
    else
        for (int i = 0; i < MEMBERS_MAX && m[i].size; i++)
            add(h, (const char *)op->params + m[i].offset, m[i].size);
}

static void add_value(hasher *h, twi_value v)
{
    if (v == TWI_NONE) {
        add_int(h, -1);
        return;
    }
    const twi_value_info *info = &h->program->values.at[v];
    if (h->number[v]) {
        add_int(h, h->number[v]);
        return;
    }
    h->number[v] = ++h->next;
    add_int(h, -2 - (int64_t)info->kind);
    add_shape(h, &info->shape);
    size_t bytes = (size_t)twi_shape_count(&info->shape) * sizeof(float);
    if (info->kind == TWI_VALUE_INPUT)
        add_int(h, info->index);
    else if (info->kind == TWI_VALUE_WEIGHT)
        add(h, info->weight->data, bytes);
    else if (info->kind == TWI_VALUE_CONSTANT)
        add(h, info->constant, bytes);
}

static void add_op(hasher *h, const twi_program_op *op)
{
    add(h, op->kind->name, strlen(op->kind->name));
    add_params(h, op);
    add_int(h, op->n_in);
    for (int i = 0; i < op->n_in; i++)
        add_value(h, op->in[i]);
    for (int i = 0; i < op->n_out; i++)
        add_value(h, op->out[i]);
}

tw_status twi_prefix_key(const twi_program *g, const bool *keep, int n, const twi_value *values,
                         uint8_t key[16], tw_err *err)
{
    hasher h = {.program = g, .number = twi_new(g->values.n, sizeof(int), "a key", err)};
    if (!h.number)
        return TW_ENOMEM;
    for (size_t i = 0; i < g->ops.n; i++)
        if (keep[i])
            add_op(&h, &g->ops.at[i]);
    for (int i = 0; i < n; i++)
        add_value(&h, values[i]);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, h.sum);
    memcpy(key, canonical.digest, 16);
    twi_free(h.number);
    return TW_OK;
}
