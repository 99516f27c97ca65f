// The op room: references give Keras's numbers, dropout its streams, bad parameters are named.

#include "testing.h"

#include "base/rng.h"
#include "op/params.h"

#define S(...)                                                                                        \
    {                                                                                                 \
        .rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = { __VA_ARGS__ } \
    }
#define LIST(...) ((const float[]){__VA_ARGS__})
#define COUNT_UP  LIST(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#define POINTS    LIST(-4, -3, -1, -0.5f, 0, 0.5f, 1, 3, 7)
#define CORNER    LIST(1, 2, 4, 5) // of a 3×3 kernel 1 … 9

// What Keras 3.15.1 on JAX computes for inputs that can be followed by hand.
typedef struct fact {
    const char *what;
    const twi_op_kind *kind;
    const void *params;
    tw_shape in[2];
    const float *data[2];
    const float *expected;
    int n;
} fact;

#define FUNCTION(which_, ...)                                                                             \
    {                                                                                                     \
#which_, &twi_op_activation,                                                                      \
            &(const twi_activation_params){.function = which_ }, {S(9) }, {POINTS }, LIST(__VA_ARGS__), 9 \
    }

static const fact facts[] = {
    {"padding is not part of an average",
     &twi_op_pool,
     &(const twi_pool_params){true, {3, 3}, {1, 1}, {1, 1, 1, 1}},
     {S(1, 3, 3, 1)},
     {COUNT_UP},
     LIST(3, 3.5f, 4, 4.5f, 5, 5.5f, 6, 6.5f, 7),
     9},
    {"nor at the end alone",
     &twi_op_pool,
     &(const twi_pool_params){true, {2, 2}, {2, 2}, {0, 1, 0, 1}},
     {S(1, 3, 3, 1)},
     {COUNT_UP},
     LIST(3, 4.5f, 7.5f, 9),
     4},
    {"padding is never the largest",
     &twi_op_pool,
     &(const twi_pool_params){false, {2, 2}, {2, 2}, {0, 1, 0, 1}},
     {S(1, 3, 3, 1)},
     {LIST(-1, -2, -3, -4, -5, -6, -7, -8, -9)},
     LIST(-1, -3, -7, -9),
     4},
    {"conv, stride 2, same",
     &twi_op_conv,
     &(const twi_conv_params){{2, 2}, {1, 1}, {0, 1, 0, 1}, 1},
     {S(1, 4, 4, 1), S(3, 3, 1, 1)},
     {COUNT_UP, COUNT_UP},
     LIST(348, 252, 274, 175),
     4},
    {"conv, dilated",
     &twi_op_conv,
     &(const twi_conv_params){{1, 1}, {2, 2}, {0}, 1},
     {S(1, 4, 4, 1), S(2, 2, 1, 1)},
     {COUNT_UP, CORNER},
     LIST(98, 110, 146, 158),
     4},
    {"depthwise, two outputs a channel",
     &twi_op_conv,
     &(const twi_conv_params){{1, 1}, {1, 1}, {0}, 2},
     {S(1, 2, 2, 2), S(2, 2, 1, 4)},
     {LIST(0, 1, 2, 3, 4, 5, 6, 7), COUNT_UP},
     LIST(124, 136, 184, 200),
     4},
    {"transposed, same",
     &twi_op_conv_transpose,
     &(const twi_conv_transpose_params){{2, 2}, {1, 1}, {0, 1, 0, 1}, {4, 4}},
     {S(1, 2, 2, 1), S(3, 3, 1, 1)},
     {COUNT_UP, COUNT_UP},
     LIST(1, 2, 5, 4, 4, 5, 14, 10, 10, 14, 36, 24, 12, 15, 34, 20),
     16},
    {"transposed, valid",
     &twi_op_conv_transpose,
     &(const twi_conv_transpose_params){{2, 2}, {1, 1}, {0}, {5, 5}},
     {S(1, 2, 2, 1), S(3, 3, 1, 1)},
     {COUNT_UP, COUNT_UP},
     LIST(1, 2, 5, 4, 6, 4, 5, 14, 10, 12, 10, 14, 36, 24, 30, 12, 15, 34, 20, 24, 21, 24, 55, 32, 36),
     25},
    {"bilinear, doubled",
     &twi_op_resample,
     &(const twi_resample_params){true, {4, 4}},
     {S(1, 2, 2, 1)},
     {COUNT_UP},
     LIST(1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f, 2.5f, 2.75f, 3.25f, 3.5f, 3, 3.25f, 3.75f, 4),
     16},
    {"bilinear, shrunk without antialias",
     &twi_op_resample,
     &(const twi_resample_params){true, {2, 2}},
     {S(1, 3, 3, 1)},
     {COUNT_UP},
     LIST(2, 3.5f, 6.5f, 8),
     4},
    {"nearest, doubled",
     &twi_op_resample,
     &(const twi_resample_params){false, {4, 4}},
     {S(1, 2, 2, 1)},
     {COUNT_UP},
     LIST(1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4),
     16},
    {"nearest, shrunk",
     &twi_op_resample,
     &(const twi_resample_params){false, {3, 3}},
     {S(1, 4, 4, 1)},
     {COUNT_UP},
     LIST(1, 3, 4, 9, 11, 12, 13, 15, 16),
     9},
    {"large logits",
     &twi_op_softmax,
     NULL,
     {S(2, 3)},
     {LIST(1000, 1001, 999, -1000, 0, -2000)},
     LIST(0.2447285f, 0.6652409f, 0.09003057f, 0, 1, 0),
     6},
    {"log of large logits",
     &twi_op_log_softmax,
     NULL,
     {S(2, 3)},
     {LIST(1000, 1001, 999, -1000, 0, -2000)},
     LIST(-1.407606f, -0.407606f, -2.407606f, -1000, 0, -2000),
     6},
    {"layer_norm",
     &twi_op_layer_norm,
     &(const twi_layer_norm_params){1e-3},
     {S(1, 3)},
     {LIST(1, 2, 6)},
     LIST(-0.9257209f, -0.4628605f, 1.388581f),
     3},
    {"relu6",
     &twi_op_activation,
     &(const twi_activation_params){TWI_RELU, .alpha = 6},
     {S(9)},
     {POINTS},
     LIST(0, 0, 0, 0, 0, 0.5f, 1, 3, 6),
     9},
    {"relu, all parameters",
     &twi_op_activation,
     &(const twi_activation_params){TWI_RELU, 5, 0.1, 1},
     {S(9)},
     {POINTS},
     LIST(-0.5f, -0.4f, -0.2f, -0.15f, -0.1f, -0.05f, 0, 3, 5),
     9},
    {"leaky relu",
     &twi_op_activation,
     &(const twi_activation_params){TWI_RELU, INFINITY, 0.3, 0},
     {S(9)},
     {POINTS},
     LIST(-1.2f, -0.9f, -0.3f, -0.15f, 0, 0.5f, 1, 3, 7),
     9},
    {"elu",
     &twi_op_activation,
     &(const twi_activation_params){TWI_ELU, .alpha = 1},
     {S(9)},
     {POINTS},
     LIST(-0.9816844f, -0.950213f, -0.6321205f, -0.3934693f, 0, 0.5f, 1, 3, 7),
     9},
    FUNCTION(TWI_SIGMOID, 0.01798621f, 0.04742587f, 0.2689414f, 0.3775407f, 0.5f, 0.6224594f, 0.7310586f,
             0.9525741f, 0.999089f),
    FUNCTION(TWI_TANH, -0.9993292f, -0.9950547f, -0.7615942f, -0.4621172f, 0, 0.4621172f, 0.7615942f,
             0.9950547f, 0.9999983f),
    FUNCTION(TWI_SILU, -0.07194484f, -0.1422776f, -0.2689414f, -0.1887703f, 0, 0.3112297f, 0.7310586f,
             2.857722f, 6.993623f),
    FUNCTION(TWI_SELU, -1.725899f, -1.670569f, -1.111331f, -0.6917582f, 0, 0.5253505f, 1.050701f, 3.152103f,
             7.354907f),
    FUNCTION(TWI_SOFTPLUS, 0.01814993f, 0.04858735f, 0.3132617f, 0.474077f, 0.6931472f, 0.974077f, 1.313262f,
             3.048587f, 7.000911f),
    FUNCTION(TWI_SOFTSIGN, -0.8f, -0.75f, -0.5f, -0.3333333f, 0, 0.3333333f, 0.5f, 0.75f, 0.875f),
    FUNCTION(TWI_EXPONENTIAL, 0.01831564f, 0.04978707f, 0.3678795f, 0.6065307f, 1, 1.648721f, 2.718282f,
             20.08554f, 1096.633f),
    FUNCTION(TWI_HARD_SIGMOID, 0, 0, 0.3333333f, 0.4166667f, 0.5f, 0.5833334f, 0.6666667f, 1, 1),
    FUNCTION(TWI_HARD_SILU, 0, 0, -0.3333333f, -0.2083333f, 0, 0.2916667f, 0.6666667f, 3, 7),
    FUNCTION(TWI_GELU, -0.000126685f, -0.004049696f, -0.1586553f, -0.1542688f, 0, 0.3457312f, 0.8413447f,
             2.99595f, 7),
    FUNCTION(TWI_GELU_TANH, -7.009506e-05f, -0.003637344f, -0.158808f, -0.154286f, 0, 0.345714f, 0.841192f,
             2.996363f, 7),
    FUNCTION(TWI_MISH, -0.07259174f, -0.1456475f, -0.3034014f, -0.2207438f, 0, 0.3752452f, 0.8650985f,
             2.986536f, 6.999989f),
    {"a column and a row",
     &twi_op_binary,
     &(const twi_binary_params){TWI_SUB},
     {S(2, 1), S(3)},
     {LIST(10, 20), LIST(1, 2, 3)},
     LIST(9, 8, 7, 19, 18, 17),
     6},
    {"flip turns RGB into BGR",
     &twi_op_flip,
     &(const twi_flip_params){-1},
     {S(2, 3)},
     {COUNT_UP},
     LIST(3, 2, 1, 6, 5, 4),
     6},
    {"permute",
     &twi_op_permute,
     &(const twi_permute_params){{1, 0}},
     {S(2, 3)},
     {COUNT_UP},
     LIST(1, 4, 2, 5, 3, 6),
     6},
    {"pad and crop at once",
     &twi_op_pad,
     &(const twi_pad_params){{-1, 1, 1, -1}},
     {S(1, 2, 2, 1)},
     {COUNT_UP},
     LIST(0, 3, 0, 0),
     4},
};

static twi_view view(const tw_shape *s, const float *data)
{
    return (twi_view){TWI_F32, *s, (void *)data};
}

static void references_give_kerass_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const fact *f = &facts[i];
        twi_op_call call = {.n_in = f->data[1] ? 2 : 1, .n_out = 1};
        tw_shape out[TWI_OP_OUT_MAX];
        float y[32];
        tw_err err = {0};
        int n_out = 0;
        f->kind->infer(f->params, call.n_in, f->in, out, &n_out, &err);
        expect_ok(err);
        assert_int_equal(twi_shape_count(&out[0]), f->n);
        for (int k = 0; k < call.n_in; k++)
            call.in[k] = view(&f->in[k], f->data[k]);
        call.out[0] = view(&out[0], y);
        f->kind->forward(f->params, &call);
        for (int k = 0; k < f->n; k++)
            if (!(fabsf(y[k] - f->expected[k]) <= 2e-6f * fmaxf(1, fabsf(f->expected[k]))))
                fail_msg("%s: [%d] is %.9g, expected %.9g", f->what, k, y[k], f->expected[k]);
    }
}

static void batch_norm_moves_its_statistics_as_keras(void **state)
{
    (void)state;
    float x[] = {1, 10, 2, 20, 6, 60}, gamma[] = {2, 0.5f}, beta[] = {1, -1}, y[6], mean[2], variance[2];
    float moving_mean[] = {0.5f, 5}, moving_variance[] = {2, 3};
    const float inference[] = {1.70693f, 0.443135f, 3.12079f, 3.329405f, 8.77623f, 14.87449f};
    const float training[] = {-0.8514419f, -1.46291f, 0.07427907f, -1.231455f, 3.777163f, -0.3056357f};
    tw_shape rows = S(3, 2), two = S(2);
    twi_batch_norm_params p = {.epsilon = 1e-3, .momentum = 0.9};
    twi_op_call call = {.n_in = 5, .n_out = 1, .out[0] = view(&rows, y)};
    call.in[0] = view(&rows, x);
    call.in[1] = view(&two, gamma);
    call.in[2] = view(&two, beta);
    call.in[3] = view(&two, moving_mean);
    call.in[4] = view(&two, moving_variance);
    twi_op_batch_norm.forward(&p, &call);
    for (int i = 0; i < 6; i++)
        expect_near(y[i], inference[i], 2e-5);
    p.is_training = true;
    call.n_out = 3;
    call.out[1] = view(&two, mean);
    call.out[2] = view(&two, variance);
    twi_op_batch_norm.forward(&p, &call);
    for (int i = 0; i < 6; i++)
        expect_near(y[i], training[i], 2e-6);
    expect_near(mean[0], 3, 1e-6);
    expect_near(variance[1], 4.0 / 3 * 350, 1e-3);
    expect_near(moving_mean[0], 0.75, 1e-6);
    expect_near(moving_mean[1], 7.5, 1e-6);
    expect_near(moving_variance[0], 2.266667, 1e-5);
    expect_near(moving_variance[1], 49.36667, 1e-4);
}

static void the_gradient_of_max_goes_to_the_first_largest(void **state)
{
    (void)state;
    float x[] = {1, 5, 5, 5}, y[] = {5}, grad[] = {2}, to[4];
    tw_shape four = S(1, 2, 2, 1), one = S(1, 1, 1, 1);
    twi_op_call call = {.n_in = 1, .n_out = 1};
    call.in[0] = view(&four, x);
    call.out[0] = view(&one, y);
    call.grad_out = view(&one, grad);
    call.grad_in[0] = view(&four, to);
    twi_op_pool.backward(&(twi_pool_params){false, {2, 2}, {2, 2}, {0}}, &call);
    for (int i = 0; i < 4; i++)
        expect_near(to[i], i == 1 ? 2 : 0, 0);
    twi_op_reduce.backward(&(twi_reduce_params){true, true}, &call);
    for (int i = 0; i < 4; i++)
        expect_near(to[i], i == 1 ? 2 : 0, 0);
}

// --------------------------------------------------------------------------------------------------------- dropout

enum { MANY = 100003 };

static void drop(const twi_dropout_params *p, const tw_shape *s, uint64_t seed, uint64_t step, float *y)
{
    float *ones = twi_new((size_t)twi_shape_count(s), sizeof *ones, "ones", NULL);
    assert_non_null(ones);
    for (int64_t i = 0; i < twi_shape_count(s); i++)
        ones[i] = 1;
    twi_op_call call = {.n_in = 1, .n_out = 1, .seed = seed, .step = step};
    call.in[0] = view(s, ones);
    call.out[0] = view(s, y);
    twi_op_dropout.forward(p, &call);
    twi_free(ones);
}

static void dropout_keeps_its_share_and_the_mean(void **state)
{
    (void)state;
    static const double rates[] = {0, 0.1, 0.5, 0.8, 1};
    float *y = twi_new(MANY, sizeof *y, "y", NULL);
    assert_non_null(y);
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        tw_shape s = S(MANY);
        double rate = rates[k], kept = 0;
        drop(&(twi_dropout_params){.rate = rate}, &s, 5, 9, y);
        for (int i = 0; i < MANY; i++) {
            if (y[i] != 0)
                expect_near(y[i], 1 / (1 - rate), 1e-6);
            kept += y[i] != 0;
        }
        expect_near(kept / MANY, 1 - rate, 4 * sqrt(rate * (1 - rate) / MANY)); // four deviations
    }
    twi_free(y);
}

static void dropout_element_k_uses_number_k_of_the_stream(void **state)
{
    (void)state;
    tw_shape s = S(3, 5, 7);
    float y[105];
    drop(&(twi_dropout_params){.rate = 0.3, .layer_id = 4}, &s, 11, 6, y);
    twi_rng rng = twi_rng_at(11, TWI_RNG_DROPOUT, 6, 4);
    for (int i = 0; i < 105; i++)
        assert_int_equal(y[i] != 0, (double)twi_rng_uniform(&rng) >= 0.3);
}

static void dropout_masks_differ_by_seed_step_and_layer_only(void **state)
{
    (void)state;
    tw_shape s = S(1000);
    twi_dropout_params p = {.rate = 0.5, .layer_id = 1}, other = {.rate = 0.5, .layer_id = 2};
    float first[1000], again[1000];
    drop(&p, &s, 1, 1, first);
    drop(&p, &s, 1, 1, again);
    assert_memory_equal(first, again, sizeof first);
    struct {
        const twi_dropout_params *p;
        uint64_t seed, step;
    } changed[] = {{&p, 2, 1}, {&p, 1, 2}, {&other, 1, 1}};
    for (int k = 0; k < 3; k++) {
        int same = 0;
        drop(changed[k].p, &s, changed[k].seed, changed[k].step, again);
        for (int i = 0; i < 1000; i++)
            same += first[i] == again[i];
        assert_in_range(same, 400, 600);
    }
}

static void dropout_of_whole_photos_repeats_its_mask(void **state)
{
    (void)state;
    tw_shape s = S(64, 2, 3, 4);
    static float y[64 * 24];
    int kept = 0;
    drop(&(twi_dropout_params){.rate = 0.5, .keep_axes = 1}, &s, 3, 1, y);
    for (int n = 0; n < 64; n++) {
        kept += y[n * 24] != 0;
        for (int i = 1; i < 24; i++)
            expect_near(y[n * 24 + i], y[n * 24], 0);
    }
    assert_in_range(kept, 16, 48);
}

// ------------------------------------------------------------------------------------------------------------ noise

static void disturb(const twi_noise_params *p, float value, float *y)
{
    float *x = twi_new(MANY, sizeof *x, "x", NULL);
    assert_non_null(x);
    for (int i = 0; i < MANY; i++)
        x[i] = value;
    tw_shape s = S(MANY);
    twi_op_call call = {.n_in = 1, .n_out = 1, .seed = 5, .step = 9};
    call.in[0] = view(&s, x);
    call.out[0] = view(&s, y);
    twi_op_noise.forward(p, &call);
    twi_free(x);
}

static void noise_is_normal_around_what_comes_in(void **state)
{
    (void)state;
    float *y = twi_new(MANY, sizeof *y, "y", NULL);
    assert_non_null(y);
    const double stddev = sqrt(0.4 / 0.6); // GaussianDropout of 0.4
    for (int is_factor = 0; is_factor < 2; is_factor++) {
        double mean = 0, square = 0, fourth = 0, beside = 0, scale = is_factor ? 3 : 1;
        disturb(&(twi_noise_params){.stddev = stddev, .is_factor = is_factor, .layer_id = 2}, 3, y);
        for (int i = 0; i < MANY; i++)
            mean += y[i] / MANY;
        for (int i = 0; i < MANY; i++) {
            double d = (y[i] - mean) / (stddev * scale);
            square += d * d / MANY;
            fourth += d * d * d * d / MANY;
            beside += i ? d * (y[i - 1] - mean) / (stddev * scale) / MANY : 0;
        }
        expect_near(mean, 3, 4 * stddev * scale / sqrt(MANY));
        expect_near(square, 1, 4 * sqrt(2.0 / MANY));
        expect_near(fourth, 3, 4 * sqrt(96.0 / MANY));
        expect_near(beside, 0, 4 / sqrt(MANY));
    }
    twi_free(y);
}

// ---------------------------------------------------------------------------------------------------------- errors

static void bad_parameters_are_named(void **state)
{
    (void)state;
    struct {
        const twi_op_kind *kind;
        const void *params;
        int n_in;
        tw_shape in[5];
        const char *part;
    } bad[] = {
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0}, 1},
         2,
         {S(1, 4, 4, 3), S(3, 3, 4, 8)},
         "conv: kernel takes 4 channels a group, the input has 3"},
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0}, 2},
         2,
         {S(1, 4, 4, 3), S(3, 3, 3, 8)},
         "groups must divide 3 input"},
        {&twi_op_conv,
         &(twi_conv_params){{0, 1}, {1, 1}, {0}, 1},
         2,
         {S(1, 4, 4, 3), S(3, 3, 3, 8)},
         "strides must be 1 or more, received 0, 1"},
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0, -1}, 1},
         2,
         {S(1, 4, 4, 3), S(3, 3, 3, 8)},
         "padding must be 0 or more, received -1"},
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0}, 1},
         2,
         {S(1, 2, 2, 3), S(3, 3, 3, 8)},
         "smaller than the window"},
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0}, 1},
         3,
         {S(1, 4, 4, 3), S(3, 3, 3, 8), S(7)},
         "bias must have shape (8,), received (7,)"},
        {&twi_op_conv,
         &(twi_conv_params){{1, 1}, {1, 1}, {0}, 1},
         2,
         {S(4, 4, 3), S(3, 3, 3, 8)},
         "input must have rank 4, received (4, 4, 3)"},
        {&twi_op_conv_transpose,
         &(twi_conv_transpose_params){{2, 2}, {1, 1}, {0}, {9, 5}},
         2,
         {S(1, 2, 2, 1), S(3, 3, 1, 1)},
         "a result of 9 pixels belongs to an input of 4, received 2"},
        {&twi_op_matmul,
         NULL,
         2,
         {S(2, 3), S(4, 5)},
         "matmul: the matrix takes 4 numbers a row, the input has 3"},
        {&twi_op_pool,
         &(twi_pool_params){true, {2, 2}, {1, 1}, {0, 0, 2, 0}},
         1,
         {S(1, 3, 3, 1)},
         "padding of 2 leaves windows of 2 without a pixel"},
        {&twi_op_batch_norm,
         &(twi_batch_norm_params){.epsilon = -1, .momentum = 0.9},
         5,
         {S(2, 3), {0}, {0}, S(3), S(3)},
         "epsilon must be 0 or more"},
        {&twi_op_batch_norm,
         &(twi_batch_norm_params){.epsilon = 1e-3, .momentum = 0.9},
         5,
         {S(2, 3), {0}, {0}, {0}, S(3)},
         "mean and variance must be given"},
        {&twi_op_batch_norm,
         &(twi_batch_norm_params){.epsilon = 1e-3, .activation = {.function = TWI_ACTIVATIONS}},
         5,
         {S(2, 3), {0}, {0}, S(3), S(3)},
         "batch_norm: there is no activation number"},
        {&twi_op_layer_norm,
         &(twi_layer_norm_params){1e-3},
         2,
         {S(2, 3), S(4)},
         "gamma must have shape (3,), received (4,)"},
        {&twi_op_activation, &(twi_activation_params){.function = TWI_ACTIVATIONS}, 1, {S(2)}, "no function"},
        {&twi_op_binary,
         &(twi_binary_params){TWI_ADD},
         2,
         {S(2, 3), S(2, 4)},
         "shapes (2, 3) and (2, 4) do not go together"},
        {&twi_op_concat, &(twi_concat_params){2}, 2, {S(2, 3), S(2, 3)}, "axis must be in -2..1, received 2"},
        {&twi_op_concat, &(twi_concat_params){1}, 2, {S(2, 3), S(3, 3)}, "input 1 has shape (3, 3)"},
        {&twi_op_pad, &(twi_pad_params){{-2, -1, 0, 0}}, 1, {S(1, 3, 3, 1)}, "pad: the result"},
        {&twi_op_reshape,
         &(twi_reshape_params){S(5)},
         1,
         {S(2, 3)},
         "(5,) does not hold as many numbers as (2, 3)"},
        {&twi_op_permute, &(twi_permute_params){{0, 0}}, 1, {S(2, 3)}, "each of 2 axes once, received 0"},
        {&twi_op_flip, &(twi_flip_params){3}, 1, {S(2, 3)}, "axis must be in -2..1, received 3"},
        {&twi_op_dropout,
         &(twi_dropout_params){.rate = 1.5},
         1,
         {S(2)},
         "rate must be in 0..1, received 1.5"},
        {&twi_op_penalty,
         &(twi_penalty_params){.orthogonal = 0.1},
         1,
         {S(2, 3, 4)},
         "an orthogonal one needs a matrix, received (2, 3, 4)"},
        {&twi_op_resample,
         &(twi_resample_params){true, {0, 1}},
         1,
         {S(1, 2, 2, 1)},
         "size must be 1 or more"},
        {&twi_op_softmax, NULL, 1, {S(-1, 3)}, "sizes from 1 up, received (None, 3)"},
        {&twi_op_resample,
         &(twi_resample_params){true, {INT64_C(1) << 31, INT64_C(1) << 31}},
         1,
         {S(64, 2, 2, 4096)},
         "too large to address"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tw_shape out[TWI_OP_OUT_MAX];
        tw_err err = {0};
        int n_out = 0;
        assert_int_equal(bad[i].kind->infer(bad[i].params, bad[i].n_in, bad[i].in, out, &n_out, &err),
                         TW_EINVAL);
        expect_error(err, TW_EINVAL, bad[i].part);
    }
}

// What it adds to the loss is Σ out[1] / n; the way back is its slope.
static double penalty_of(const twi_penalty_params *p, float *x, float *y)
{
    float share[3];
    twi_op_call call = {.n_in = 1,
                        .n_out = 2,
                        .in[0] = {.shape = S(3, 4), .data = x},
                        .out = {{.shape = S(3, 4), .data = y}, {.shape = S(3), .data = share}}};
    twi_op_penalty.forward(p, &call);
    return ((double)share[0] + (double)share[1] + (double)share[2]) / 3;
}

static void a_penalty_lets_through_and_its_gradient_is_its_slope(void **state)
{
    (void)state;
    static const twi_penalty_params kinds[] = {{.l1 = 0.3},
                                               {.l2 = 0.2},
                                               {.l1 = 0.1, .l2 = 0.4},
                                               {.orthogonal = 2},
                                               {.orthogonal = 2, .is_columns = true}};
    float x[12] = {0.5f, -1, 2, 0.25f, -0.75f, 1.5f, 0.1f, -0.3f, 1, 0.6f, -2, 0.9f}, y[12], grad[12],
          out[12];
    expect_near(penalty_of(&kinds[0], x, y), 0.3 * 10.9 / 3, 1e-6);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        penalty_of(&kinds[k], x, y);
        assert_memory_equal(x, y, sizeof x);
        for (int i = 0; i < 12; i++)
            out[i] = (float)i;
        twi_op_call call = {.n_in = 1,
                            .n_out = 2,
                            .out[0] = {.shape = S(3, 4), .data = y},
                            .grad_out = {.shape = S(3, 4), .data = out},
                            .grad_in[0] = {.shape = S(3, 4), .data = grad}};
        twi_op_penalty.backward(&kinds[k], &call);
        for (int i = 0; i < 12; i++) {
            const float was = x[i], step = 1.0f / 128;
            x[i] = was + step;
            double more = penalty_of(&kinds[k], x, y);
            x[i] = was - step;
            double less = penalty_of(&kinds[k], x, y);
            x[i] = was;
            expect_near(grad[i] - out[i], (more - less) / (2 * (double)step), 1e-3);
        }
    }
}

static void kernels_refuse_shapes_that_do_not_fit(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_kernel_request q = {
        .kind = &twi_op_softmax, .n_in = 1, .n_out = 1, .in[0] = S(2, 3), .out[0] = S(2, 4)};
    assert_null(twi_kernel_new(&q, &err));
    expect_error(err, TW_EINVAL, "softmax: a kernel was asked for another shape");
    q.out[0] = q.in[0];
    q.n_fusion = 1;
    q.fusion[0] = (twi_fusion){.what = TWI_FUSE_ADD, .input = 1};
    q.n_in = 2;
    q.in[1] = (tw_shape)S(3);
    q.algorithm = TWI_REFERENCE;
    err = (tw_err){0};
    assert_null(twi_kernel_new(&q, &err));
    expect_error(err, TW_EINVAL, "a fused addition needs an input of the result's shape");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_give_kerass_numbers),
        cmocka_unit_test(batch_norm_moves_its_statistics_as_keras),
        cmocka_unit_test(the_gradient_of_max_goes_to_the_first_largest),
        cmocka_unit_test(dropout_keeps_its_share_and_the_mean),
        cmocka_unit_test(dropout_element_k_uses_number_k_of_the_stream),
        cmocka_unit_test(dropout_masks_differ_by_seed_step_and_layer_only),
        cmocka_unit_test(dropout_of_whole_photos_repeats_its_mask),
        cmocka_unit_test(noise_is_normal_around_what_comes_in),
        cmocka_unit_test(bad_parameters_are_named),
        cmocka_unit_test(a_penalty_lets_through_and_its_gradient_is_its_slope),
        cmocka_unit_test(kernels_refuse_shapes_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
