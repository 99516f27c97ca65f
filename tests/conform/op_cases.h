// Cases of the op conformance tests: at least one row of CASES for every op (a test fails where one is missing), and
// what is needed to run one. A new op needs rows here and nothing else.
#ifndef TW_TESTS_OP_CASES_H
#define TW_TESTS_OP_CASES_H

#include "testing.h"

#include "base/rng.h"
#include "op/params.h"

// How inputs are filled.
typedef enum op_fill {
    SMOOTH, // anything in -2 … 2
    APART, // odd multiples of 0.02, all different: finite differences of 0.01 meet no corner and change no order
    ABOVE // 0.5 … 2
} op_fill;

typedef struct op_case {
    const char *name; // "conv/strided": op, then what is special
    const void *params;
    int n_in;
    tw_shape in[TWI_OP_IN_MAX]; // rank 0: absent
    int n_out;
    tw_shape out[TWI_OP_OUT_MAX];
    unsigned no_grad; // bit i: input i has no gradient
    op_fill fill;
    unsigned above; // bit i: input i is filled with ABOVE
} op_case;

#define S(...)                                                                                        \
    {                                                                                                 \
        .rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = { __VA_ARGS__ } \
    }
#define NONE      \
    {             \
        .rank = 0 \
    }
#define IN(n, ...) .n_in = (n), .in = {__VA_ARGS__}
#define OUT(...)   .n_out = 1, .out = {S(__VA_ARGS__)}
#define CONV(...)            \
    &(const twi_conv_params) \
    {                        \
        __VA_ARGS__          \
    }
#define TCONV(...)                     \
    &(const twi_conv_transpose_params) \
    {                                  \
        __VA_ARGS__                    \
    }
#define POOL(...)            \
    &(const twi_pool_params) \
    {                        \
        __VA_ARGS__          \
    }
#define ACT(...)                   \
    &(const twi_activation_params) \
    {                              \
        __VA_ARGS__                \
    }
#define BINARY(f)              \
    &(const twi_binary_params) \
    {                          \
        f                      \
    }
#define RESIZE(...)              \
    &(const twi_resample_params) \
    {                            \
        __VA_ARGS__              \
    }
#define BN(...)                    \
    &(const twi_batch_norm_params) \
    {                              \
        __VA_ARGS__                \
    }

// A function of 2·15·13 numbers: odd sizes, so that vector kernels meet a remainder.
#define FUNCTION(what, fill_, ...)                                                                           \
    {                                                                                                        \
        "activation/" what, ACT(.function = __VA_ARGS__), IN(1, S(2, 15, 13)), OUT(2, 15, 13), .fill = fill_ \
    }

static const op_case CASES[] = {
    FUNCTION("linear", SMOOTH, TWI_LINEAR),
    FUNCTION("relu", APART, TWI_RELU, .alpha = INFINITY),
    FUNCTION("relu6", APART, TWI_RELU, .alpha = 6),
    FUNCTION("leaky_relu", APART, TWI_RELU, .alpha = INFINITY, .beta = 0.3),
    FUNCTION("relu_threshold", APART, TWI_RELU, .alpha = 5, .beta = 0.1, .threshold = 1),
    FUNCTION("sigmoid", SMOOTH, TWI_SIGMOID),
    FUNCTION("tanh", SMOOTH, TWI_TANH),
    FUNCTION("silu", SMOOTH, TWI_SILU),
    FUNCTION("elu", APART, TWI_ELU, .alpha = 0.7),
    FUNCTION("selu", APART, TWI_SELU),
    FUNCTION("softplus", SMOOTH, TWI_SOFTPLUS),
    FUNCTION("softsign", APART, TWI_SOFTSIGN),
    FUNCTION("exponential", SMOOTH, TWI_EXPONENTIAL),
    FUNCTION("hard_sigmoid", APART, TWI_HARD_SIGMOID),
    FUNCTION("hard_silu", APART, TWI_HARD_SILU),
    FUNCTION("gelu", SMOOTH, TWI_GELU),
    FUNCTION("gelu_tanh", SMOOTH, TWI_GELU_TANH),
    FUNCTION("mish", SMOOTH, TWI_MISH),
    FUNCTION("sqrt", ABOVE, TWI_SQRT),
    FUNCTION("log_sigmoid", SMOOTH, TWI_LOG_SIGMOID),
    FUNCTION("squareplus", SMOOTH, TWI_SQUAREPLUS, .alpha = 4),
    FUNCTION("sparse_plus", SMOOTH, TWI_SPARSE_PLUS),
    FUNCTION("sparse_sigmoid", APART, TWI_SPARSE_SIGMOID),
    FUNCTION("soft_shrink", APART, TWI_SOFT_SHRINK, .alpha = 0.4),
    FUNCTION("hard_shrink", APART, TWI_HARD_SHRINK, .alpha = 0.4),
    FUNCTION("tanh_shrink", SMOOTH, TWI_TANH_SHRINK),
    FUNCTION("hard_tanh", APART, TWI_HARD_TANH),
    FUNCTION("threshold", APART, TWI_THRESHOLD, .beta = -0.7, .threshold = 0.32),
    {"batch_norm/all", BN(.epsilon = 1e-3, .momentum = 0.9),
     IN(5, S(2, 3, 5, 70), S(70), S(70), S(70), S(70)), OUT(2, 3, 5, 70), .no_grad = 24, .above = 16},
    {"batch_norm/bare", BN(.epsilon = 1e-3, .momentum = 0.9), IN(5, S(1, 4, 3, 5), NONE, NONE, S(5), S(5)),
     OUT(1, 4, 3, 5), .no_grad = 24, .above = 16},
    {"batch_norm/no_gamma", BN(.epsilon = 1e-3, .momentum = 0.9), IN(5, S(3, 7), NONE, S(7), S(7), S(7)),
     OUT(3, 7), .no_grad = 24, .above = 16},
    {"batch_norm/training", BN(.epsilon = 1e-3, .momentum = 0.9, .is_training = true),
     IN(5, S(3, 3, 4, 9), S(9), S(9), S(9), S(9)), .n_out = 3, .out = {S(3, 3, 4, 9), S(9), S(9)},
     .no_grad = 24, .above = 16},
    {"batch_norm/training_silu",
     BN(.epsilon = 1e-3, .momentum = 0.9, .is_training = true, .activation = {.function = TWI_SILU}),
     IN(5, S(3, 3, 4, 9), S(9), S(9), S(9), S(9)), .n_out = 3, .out = {S(3, 3, 4, 9), S(9), S(9)},
     .no_grad = 24, .above = 16},
    {"batch_norm/training_tanh", // joined by no loop: the reference's alone
     BN(.epsilon = 1e-2, .momentum = 0.9, .is_training = true, .activation = {.function = TWI_TANH}),
     IN(5, S(5, 2, 7), S(7), S(7), S(7), S(7)), .n_out = 3, .out = {S(5, 2, 7), S(7), S(7)}, .no_grad = 24,
     .above = 16},
    {"batch_norm/silu", BN(.epsilon = 1e-3, .momentum = 0.9, .activation = {.function = TWI_SILU}),
     IN(5, S(2, 3, 5, 7), S(7), S(7), S(7), S(7)), OUT(2, 3, 5, 7), .no_grad = 24, .above = 16},
    {"batch_norm/training_bare", BN(.epsilon = 1e-2, .momentum = 0.7, .is_training = true),
     IN(5, S(3, 2, 3, 4), NONE, NONE, S(4), S(4)), .n_out = 3, .out = {S(3, 2, 3, 4), S(4), S(4)},
     .no_grad = 24, .above = 16},
    {"binary/add", BINARY(TWI_ADD), IN(2, S(3, 4, 5, 7), S(3, 4, 5, 7)), OUT(3, 4, 5, 7)},
    {"binary/add_vector", BINARY(TWI_ADD), IN(2, S(2, 3, 3, 70), S(70)), OUT(2, 3, 3, 70)},
    {"binary/sub_photo", BINARY(TWI_SUB), IN(2, S(3, 4, 5), S(4, 5)), OUT(3, 4, 5)},
    {"binary/mul_channels", BINARY(TWI_MUL), IN(2, S(3, 4, 2, 9), S(3, 1, 1, 9)), OUT(3, 4, 2, 9)},
    {"binary/mul_pixels", BINARY(TWI_MUL), IN(2, S(2, 3, 5, 1), S(2, 3, 5, 6)), OUT(2, 3, 5, 6)},
    {"binary/mul_number", BINARY(TWI_MUL), IN(2, S(1), S(2, 3, 70)), OUT(2, 3, 70)},
    {"binary/div_cross", BINARY(TWI_DIV), IN(2, S(4, 1, 3, 1), S(5, 1, 6)), OUT(4, 5, 3, 6), .above = 2},
    {"binary/max", BINARY(TWI_MAX), IN(2, S(2, 4, 6), S(2, 4, 6)), OUT(2, 4, 6), .fill = APART},
    {"binary/min_rows", BINARY(TWI_MIN), IN(2, S(5, 1, 3), S(5, 4, 1)), OUT(5, 4, 3), .fill = APART},
    {"concat/channels", &(const twi_concat_params){-1}, IN(3, S(2, 3, 2, 3), S(2, 3, 2, 5), S(2, 3, 2, 1)),
     OUT(2, 3, 2, 9)},
    {"concat/height", &(const twi_concat_params){1}, IN(2, S(3, 1, 4, 5), S(3, 2, 4, 5)), OUT(3, 3, 4, 5)},
    {"concat/one", &(const twi_concat_params){0}, IN(1, S(3, 4)), OUT(3, 4)},
    {"conv/same", CONV({1, 1}, {1, 1}, {1, 1, 1, 1}, 1), IN(3, S(1, 5, 6, 3), S(3, 3, 3, 8), S(8)),
     OUT(1, 5, 6, 8)},
    {"conv/valid_odd", CONV({1, 1}, {1, 1}, {0}, 1), IN(3, S(3, 7, 5, 2), S(3, 2, 2, 5), NONE),
     OUT(3, 5, 4, 5)},
    {"conv/strided_lopsided", CONV({2, 2}, {1, 1}, {0, 1, 0, 1}, 1),
     IN(3, S(1, 6, 8, 3), S(3, 3, 3, 4), S(4)), OUT(1, 3, 4, 4)},
    {"conv/strides_differ", CONV({2, 3}, {1, 1}, {2, 0, 1, 2}, 1), IN(3, S(2, 5, 8, 2), S(4, 3, 2, 3), S(3)),
     OUT(2, 2, 3, 3)},
    {"conv/dilated", CONV({1, 1}, {2, 3}, {2, 2, 3, 3}, 1), IN(3, S(1, 6, 7, 2), S(3, 3, 2, 4), S(4)),
     OUT(1, 6, 7, 4)},
    {"conv/pointwise", CONV({1, 1}, {1, 1}, {0}, 1), IN(3, S(3, 3, 4, 9), S(1, 1, 9, 17), S(17)),
     OUT(3, 3, 4, 17)},
    {"conv/groups", CONV({1, 1}, {1, 1}, {1, 1, 1, 1}, 2), IN(3, S(1, 4, 5, 6), S(3, 3, 3, 8), S(8)),
     OUT(1, 4, 5, 8)},
    {"conv/depthwise", CONV({2, 2}, {1, 1}, {0, 1, 1, 1}, 7), IN(3, S(3, 5, 5, 7), S(3, 3, 1, 7), S(7)),
     OUT(3, 2, 3, 7)},
    {"conv/depthwise_wide", CONV({1, 1}, {1, 1}, {2, 2, 2, 2}, 66),
     IN(3, S(1, 3, 3, 66), S(5, 5, 1, 66), NONE), OUT(1, 3, 3, 66)},
    {"conv/depth_multiplier", CONV({1, 1}, {1, 1}, {1, 1, 1, 1}, 3),
     IN(3, S(1, 4, 4, 3), S(3, 3, 1, 6), S(6)), OUT(1, 4, 4, 6)},
    {"conv/skipping", CONV({3, 3}, {1, 1}, {0}, 1), IN(3, S(2, 7, 5, 2), S(1, 1, 2, 3), NONE),
     OUT(2, 3, 2, 3)},
    {"conv_transpose/valid", TCONV({2, 2}, {1, 1}, {0}, {7, 9}), IN(3, S(1, 3, 4, 3), S(3, 3, 4, 3), S(4)),
     OUT(1, 7, 9, 4)},
    {"conv_transpose/same", TCONV({2, 2}, {1, 1}, {0, 1, 0, 1}, {6, 8}),
     IN(3, S(3, 3, 4, 2), S(3, 3, 3, 2), NONE), OUT(3, 6, 8, 3)},
    {"conv_transpose/gaps", TCONV({3, 2}, {1, 1}, {0, 0, 1, 0}, {6, 5}),
     IN(3, S(2, 2, 3, 2), S(1, 2, 5, 2), S(5)), OUT(2, 6, 5, 5)},
    {"conv_transpose/dilated", TCONV({1, 1}, {2, 2}, {0}, {7, 6}), IN(3, S(1, 3, 4, 2), S(3, 2, 3, 2), S(3)),
     OUT(1, 7, 6, 3)},
    {"dropout/all", &(const twi_dropout_params){.rate = 0.4, .layer_id = 3}, IN(1, S(3, 5, 7)), OUT(3, 5, 7)},
    {"noise/factors", &(const twi_noise_params){.stddev = 0.6, .is_factor = true, .layer_id = 3},
     IN(1, S(3, 5, 7)), OUT(3, 5, 7)},
    {"noise/added", &(const twi_noise_params){.stddev = 0.6, .layer_id = 3}, IN(1, S(3, 5, 7)), OUT(3, 5, 7)},
    {"dropout/photos", &(const twi_dropout_params){.rate = 0.5, .keep_axes = 1, .layer_id = 4},
     IN(1, S(9, 2, 3, 4)), OUT(9, 2, 3, 4)},
    {"dropout/channels", &(const twi_dropout_params){.rate = 0.5, .keep_axes = 9}, IN(1, S(2, 3, 3, 8)),
     OUT(2, 3, 3, 8)},
    {"flip/channels", &(const twi_flip_params){-1}, IN(1, S(2, 3, 4, 3)), OUT(2, 3, 4, 3)},
    {"flip/width", &(const twi_flip_params){2}, IN(1, S(1, 3, 5, 2)), OUT(1, 3, 5, 2)},
    {"layer_norm/all", &(const twi_layer_norm_params){1e-3}, IN(3, S(3, 2, 70), S(70), S(70)), OUT(3, 2, 70)},
    {"layer_norm/bare", &(const twi_layer_norm_params){1e-6}, IN(3, S(1, 2, 2, 6), NONE, NONE),
     OUT(1, 2, 2, 6)},
    {"layer_norm/many_rows", &(const twi_layer_norm_params){1}, IN(3, S(300, 3), S(3), NONE), OUT(300, 3)},
    {"matmul/bias", NULL, IN(3, S(3, 9), S(9, 5), S(5)), OUT(3, 5)},
    {"matmul/one_row", NULL, IN(3, S(1, 70), S(70, 3), NONE), OUT(1, 3)},
    {"matmul/leading_axes", NULL, IN(3, S(3, 2, 5, 4), S(4, 67), S(67)), OUT(3, 2, 5, 67)},
    {"matmul/one_unit", NULL, IN(3, S(17, 11), S(11, 1), S(1)), OUT(17, 1)},
    {"pad/zeros", &(const twi_pad_params){{0, 1, 2, 3}}, IN(1, S(2, 3, 4, 3)), OUT(2, 4, 9, 3)},
    {"pad/crop", &(const twi_pad_params){{-1, 0, -1, -2}}, IN(1, S(3, 3, 5, 2)), OUT(3, 2, 2, 2)},
    {"pad/both", &(const twi_pad_params){{-2, 3, 1, -2}}, IN(1, S(1, 3, 4, 2)), OUT(1, 4, 3, 2)},
    {"penalty/l1_l2", &(const twi_penalty_params){.l1 = 0.3, .l2 = 0.2}, IN(1, S(3, 2, 5)), .n_out = 2,
     .out = {S(3, 2, 5), S(3)}, .fill = APART},
    {"penalty/orthogonal", &(const twi_penalty_params){.l2 = 0.1, .orthogonal = 0.5}, IN(1, S(4, 6)),
     .n_out = 2, .out = {S(4, 6), S(4)}},
    {"permute/channels_first", &(const twi_permute_params){{0, 3, 1, 2}}, IN(1, S(2, 3, 4, 5)),
     OUT(2, 5, 3, 4)},
    {"permute/turned", &(const twi_permute_params){{2, 1, 0}}, IN(1, S(2, 3, 4)), OUT(4, 3, 2)},
    {"pool/max", POOL(false, {2, 2}, {2, 2}, {0}), IN(1, S(3, 4, 6, 5)), OUT(3, 2, 3, 5), .fill = APART},
    {"pool/max_overlapping", POOL(false, {3, 3}, {2, 2}, {0, 1, 1, 1}), IN(1, S(1, 6, 7, 5)), OUT(1, 3, 4, 5),
     .fill = APART},
    {"pool/mean", POOL(true, {2, 3}, {2, 1}, {0}), IN(1, S(1, 5, 5, 70)), OUT(1, 2, 3, 70)},
    {"pool/mean_same", POOL(true, {3, 3}, {1, 1}, {1, 1, 1, 1}), IN(1, S(3, 4, 3, 2)), OUT(3, 4, 3, 2)},
    {"pool/mean_lopsided", POOL(true, {3, 2}, {2, 2}, {0, 1, 0, 1}), IN(1, S(2, 6, 5, 3)), OUT(2, 3, 3, 3)},
    {"reduce/mean", &(const twi_reduce_params){false, false}, IN(1, S(3, 4, 5, 70)), OUT(3, 70)},
    {"reduce/mean_kept", &(const twi_reduce_params){false, true}, IN(1, S(1, 7, 7, 3)), OUT(1, 1, 1, 3)},
    {"reduce/max", &(const twi_reduce_params){true, false}, IN(1, S(3, 3, 4, 5)), OUT(3, 5), .fill = APART},
    {"reduce/max_kept", &(const twi_reduce_params){true, true}, IN(1, S(1, 3, 3, 9)), OUT(1, 1, 1, 9),
     .fill = APART},
    {"resample/nearest", RESIZE(false, {6, 8}), IN(1, S(2, 3, 4, 3)), OUT(2, 6, 8, 3)},
    {"resample/nearest_odd", RESIZE(false, {7, 3}), IN(1, S(1, 4, 5, 3)), OUT(1, 7, 3, 3)},
    {"resample/bilinear", RESIZE(true, {6, 9}), IN(1, S(3, 3, 3, 2)), OUT(3, 6, 9, 2)},
    {"resample/bilinear_odd", RESIZE(true, {3, 7}), IN(1, S(1, 5, 4, 9)), OUT(1, 3, 7, 9)},
    {"reshape/flat", &(const twi_reshape_params){S(3, 24)}, IN(1, S(3, 2, 3, 4)), OUT(3, 24)},
    {"log_softmax/rows", NULL, IN(1, S(3, 10)), OUT(3, 10)},
    {"log_softmax/pixels", NULL, IN(1, S(1, 3, 2, 5)), OUT(1, 3, 2, 5)},
    {"softmax/rows", NULL, IN(1, S(3, 10)), OUT(3, 10)},
    {"softmax/pixels", NULL, IN(1, S(1, 3, 2, 5)), OUT(1, 3, 2, 5)},
    {"sparsemax/rows", NULL, IN(1, S(3, 10)), OUT(3, 10), .fill = APART},
    {"sparsemax/pixels", NULL, IN(1, S(1, 3, 2, 5)), OUT(1, 3, 2, 5), .fill = APART},
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

static inline const twi_op_kind *case_kind(const op_case *c)
{
    for (int i = 0; twi_ops[i]; i++) {
        size_t n = strlen(twi_ops[i]->name);
        if (strncmp(c->name, twi_ops[i]->name, n) == 0 && c->name[n] == '/')
            return twi_ops[i];
    }
    fail_msg("no op is called '%s'", c->name);
    return NULL;
}

static inline float *numbers(const tw_shape *s)
{
    float *data = twi_new_aligned((size_t)twi_shape_count(s), sizeof *data, "numbers", NULL);
    assert_non_null(data);
    for (int64_t i = 0, n = twi_shape_count(s); i < n; i++)
        data[i] = NAN; // what a kernel forgets to write is seen
    return data;
}

static inline float *numbers_copy(const tw_shape *s, const float *from)
{
    return memcpy(numbers(s), from, (size_t)twi_shape_count(s) * sizeof *from);
}

// One run of a case: all buffers dense, filled from the case's own random stream.
typedef struct op_run {
    const op_case *c;
    float *in[TWI_OP_IN_MAX], *out[TWI_OP_OUT_MAX], *grad_out, *grad_in[TWI_OP_IN_MAX];
} op_run;

static inline void fill_apart(const op_case *c, float *const *in, twi_rng *rng)
{
    uint32_t order[4096], n = 0, k = 0;
    for (int i = 0; i < c->n_in; i++)
        n += c->in[i].rank ? (uint32_t)twi_shape_count(&c->in[i]) : 0;
    assert_true(n <= 4096);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    twi_rng_shuffle(rng, order, n);
    for (int i = 0; i < c->n_in; i++)
        for (int64_t j = 0; in[i] && j < twi_shape_count(&c->in[i]); j++)
            in[i][j] = 0.04f * ((float)order[k++] - (float)(n / 2)) + 0.02f;
}

static inline op_run case_run(const op_case *c)
{
    op_run r = {.c = c};
    uint64_t hash = 0; // a case draws the same numbers wherever it stands
    for (const char *at = c->name; *at; at++)
        hash = hash * 31 + (unsigned char)*at;
    twi_rng rng = twi_rng_at(1, TWI_RNG_TEST, hash, 0);
    for (int i = 0; i < c->n_in; i++) {
        if (!c->in[i].rank)
            continue;
        r.in[i] = numbers(&c->in[i]);
        r.grad_in[i] = numbers(&c->in[i]);
        bool is_above = c->fill == ABOVE || c->above >> i & 1;
        for (int64_t j = 0, n = twi_shape_count(&c->in[i]); j < n; j++)
            r.in[i][j] = (is_above ? 0.5f : -2) + (is_above ? 1.5f : 4) * twi_rng_uniform(&rng);
    }
    if (c->fill == APART)
        fill_apart(c, r.in, &rng);
    for (int i = 0; i < c->n_out; i++)
        r.out[i] = numbers(&c->out[i]);
    r.grad_out = numbers(&c->out[0]);
    for (int64_t j = 0, n = twi_shape_count(&c->out[0]); j < n; j++)
        r.grad_out[j] = 2 * twi_rng_uniform(&rng) - 1;
    return r;
}

static inline void case_free(op_run *r)
{
    for (int i = 0; i < TWI_OP_IN_MAX; i++)
        twi_free(r->in[i]), twi_free(r->grad_in[i]);
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        twi_free(r->out[i]);
    twi_free(r->grad_out);
}

static inline twi_kernel_request case_request(const op_case *c, twi_direction direction,
                                              twi_algorithm algorithm)
{
    twi_kernel_request q = {.kind = case_kind(c),
                            .params = c->params,
                            .direction = direction,
                            .algorithm = algorithm,
                            .n_in = c->n_in,
                            .n_out = c->n_out};
    for (int i = 0; i < c->n_in; i++) {
        q.in[i] = c->in[i];
        q.is_absent[i] = c->in[i].rank == 0;
        if (direction == TWI_BACKWARD && !q.is_absent[i] && !(c->no_grad >> i & 1))
            q.grads_wanted |= 1u << i;
    }
    for (int i = 0; i < c->n_out; i++)
        q.out[i] = c->out[i];
    return q;
}

// Runs a kernel on dense buffers.
static inline void kernel_run(const twi_kernel *kernel, const op_run *r)
{
    tw_err err = {0};
    twi_kernel_args args = {.grad_out = r->grad_out, .seed = 7, .step = 3};
    void *scratch = twi_new_aligned(kernel->scratch_bytes, 1, "scratch", NULL);
    assert_non_null(scratch);
    memset(scratch, 0xff, kernel->scratch_bytes); // NaN: nothing may be expected there
    for (int i = 0; i < TWI_OP_IN_MAX; i++)
        args.in[i] = r->in[i], args.grad_in[i] = r->grad_in[i];
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        args.out[i] = r->out[i];
    args.scratch = scratch;
    kernel->run(kernel, &args, &err);
    twi_free(scratch);
    if (err.status)
        fail_msg("%s: %s", r->c->name, err.msg);
}

// The reference kernel of a case, or a failed test.
static inline twi_kernel *reference_of(const op_case *c, twi_direction direction)
{
    tw_err err = {0};
    twi_kernel_request q = case_request(c, direction, TWI_REFERENCE);
    twi_kernel *kernel = twi_kernel_new(&q, &err);
    if (!kernel)
        fail_msg("%s has no reference: %s", c->name, err.msg);
    return kernel;
}

// Fails unless a is b within `tolerance` times the spread of b (at least: its largest number, or a thousandth).
static inline void expect_same(const char *name, const char *what, const float *a, const float *b,
                               const tw_shape *s, double tolerance)
{
    int64_t n = twi_shape_count(s);
    twi_difference d = twi_compare(a, b, n);
    double scale = 1e-3;
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(b[i]));
    if (d.has_nan || d.max_abs > tolerance * scale)
        fail_msg("%s: %s[%lld] is %.9g, expected %.9g (largest %.3g)", name, what, (long long)d.at, a[d.at],
                 b[d.at], scale);
}

// dL/d in[0] written over dL/d out[0] is what it is beside it. Frees both runs.
static inline void expect_same_in_place(const twi_kernel *forward, const twi_kernel *backward, op_run *apart,
                                        op_run *same)
{
    const op_case *c = apart->c;
    kernel_run(forward, apart);
    kernel_run(forward, same);
    kernel_run(backward, apart);
    float *own = same->grad_in[0];
    same->grad_in[0] = same->grad_out;
    kernel_run(backward, same);
    for (int i = 0; i < c->n_in; i++)
        if (apart->grad_in[i] && !(c->no_grad >> i & 1))
            expect_same(c->name, "in place", same->grad_in[i], apart->grad_in[i], &c->in[i], 0);
    same->grad_in[0] = own;
    case_free(apart);
    case_free(same);
}

#endif
