// The own batch_norm of training: statistics keep their digits, gradients are those of the formula, joined activations too, and
// the number of threads changes nothing.

#include "testing.h"

#include "base/rng.h"
#include "op/batch_norm_train.h"

#include <math.h>
#include <omp.h>

#define VECTOR(n)                \
    (tw_shape)                   \
    {                            \
        .rank = 1, .dim = {(n) } \
    }
static const double epsilon = 1e-3;

// One batch_norm with all its numbers.
typedef struct norm {
    int64_t rows, c;
    twi_activation_params activation;
    float *x, *y, *dy, *dx;                   // [rows, c]
    float *in[5], *mean, *variance, *grad[3]; // [c]; in[0] and grad[0] unused
} norm;

static float *numbers(int64_t n, uint64_t seed, float low, float high)
{
    float *x = twi_new_aligned((size_t)n, sizeof *x, "numbers", NULL);
    twi_rng rng = twi_rng_at(seed, TWI_RNG_TEST, 0, 0);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = low + (high - low) * twi_rng_uniform(&rng);
    return x;
}

static norm norm_new(int64_t rows, int64_t c, twi_activation_params activation)
{
    norm n = {.rows = rows, .c = c, .activation = activation};
    n.x = numbers(rows * c, 1, -2, 3);
    n.y = numbers(rows * c, 2, 7, 7);
    n.dy = numbers(rows * c, 3, -1, 1);
    n.dx = numbers(rows * c, 4, 7, 7);
    n.mean = numbers(c, 5, 7, 7);
    n.variance = numbers(c, 6, 7, 7);
    for (int i = 1; i < 5; i++)
        n.in[i] = numbers(c, 10 + (uint64_t)i, 0.5f, 1.5f);
    for (int i = 1; i < 3; i++)
        n.grad[i] = numbers(c, 20 + (uint64_t)i, 7, 7);
    return n;
}

static void norm_free(norm *n)
{
    float *all[] = {n->x,     n->y,     n->dy,    n->dx,    n->mean,    n->variance,
                    n->in[1], n->in[2], n->in[3], n->in[4], n->grad[1], n->grad[2]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        twi_free(all[i]);
}

static void run(norm *n, twi_direction direction, twi_algorithm algorithm)
{
    tw_err err = {0};
    twi_batch_norm_params p = {
        .epsilon = epsilon, .momentum = 0.9, .is_training = true, .activation = n->activation};
    twi_kernel_request r = {.kind = &twi_op_batch_norm,
                            .params = &p,
                            .direction = direction,
                            .algorithm = algorithm,
                            .n_in = 5,
                            .n_out = 3,
                            .in = {{.rank = 2, .dim = {n->rows, n->c}}},
                            .out = {{.rank = 2, .dim = {n->rows, n->c}}, VECTOR(n->c), VECTOR(n->c)},
                            .grads_wanted = direction == TWI_BACKWARD ? 7 : 0};
    for (int i = 1; i < 5; i++)
        r.in[i] = VECTOR(n->c);
    twi_kernel *kernel = twi_kernel_new(&r, &err);
    expect_ok(err);
    assert_non_null(kernel);
    assert_int_equal(strcmp(kernel->impl, "reference") == 0, algorithm == TWI_REFERENCE);
    void *scratch = twi_new_aligned(kernel->scratch_bytes, 1, "scratch", &err);
    memset(scratch, 0xff, kernel->scratch_bytes); // NaN: nothing may be expected there
    twi_kernel_args args = {.in = {n->x, n->in[1], n->in[2], n->in[3], n->in[4]},
                            .out = {n->y, n->mean, n->variance},
                            .grad_out = n->dy,
                            .grad_in = {n->dx, n->grad[1], n->grad[2]},
                            .scratch = scratch};
    kernel->run(kernel, &args, &err);
    expect_ok(err);
    twi_free(scratch);
    twi_kernel_free(kernel);
}

static void true_statistics(const norm *n, int64_t i, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (int64_t r = 0; r < n->rows; r++)
        *mean += n->x[r * n->c + i] / (double)n->rows;
    for (int64_t r = 0; r < n->rows; r++) {
        double d = n->x[r * n->c + i] - *mean;
        *variance += d * d / (double)n->rows;
    }
}

static void expect_true_statistics(const norm *n)
{
    for (int64_t i = 0; i < n->c; i++) {
        double mean, variance;
        true_statistics(n, i, &mean, &variance);
        if (!(fabs(n->mean[i] - mean) <= 2e-7 * fabs(mean) + 2e-6 * sqrt(variance)) ||
            !(fabs(n->variance[i] - variance) <= 1e-5 * variance))
            fail_msg("%lld rows, channel %lld: mean %.9g, variance %.9g, expected %.9g, %.9g",
                     (long long)n->rows, (long long)i, (double)n->mean[i], (double)n->variance[i], mean,
                     variance);
    }
}

// Odd sizes: vectors, groups of rows and chunks all meet a remainder.
static void statistics_are_right_for_any_number_of_rows(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 2, 3, 5, 31, 33, 67, 1000, 1030, 17001}, channels[] = {1, 3, 9, 70};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
            norm n = norm_new(rows[i], channels[k], (twi_activation_params){0});
            run(&n, TWI_FORWARD, TWI_DIRECT);
            expect_true_statistics(&n);
            norm_free(&n);
        }
}

static void a_mean_far_above_the_deviation_costs_no_digits(void **state)
{
    (void)state;
    static const float far[] = {1e2f, -1e3f, 1e5f};
    for (size_t k = 0; k < sizeof far / sizeof *far; k++) {
        norm n = norm_new(5003, 11, (twi_activation_params){0});
        for (int64_t i = 0; i < n.rows * n.c; i++)
            n.x[i] += far[k];
        run(&n, TWI_FORWARD, TWI_DIRECT);
        expect_true_statistics(&n);
        norm_free(&n);
    }
}

// What the digits are counted from must not be a number that happens to stand first.
static void one_number_far_away_spoils_nothing(void **state)
{
    (void)state;
    static const int64_t rows[] = {0, 1, 37, 5002};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        norm n = norm_new(5003, 9, (twi_activation_params){0});
        for (int64_t i = 0; i < n.c; i++)
            n.x[rows[k] * n.c + i] = 1e4f;
        run(&n, TWI_FORWARD, TWI_DIRECT);
        expect_true_statistics(&n);
        norm_free(&n);
    }
}

// -------------------------------------------------------------------------------------------------------------- gradients

static const struct {
    const char *name;
    twi_activation_params p;
} activations[] = {
    {"linear", {.function = TWI_LINEAR}},
    {"relu", {.function = TWI_RELU, .alpha = INFINITY}},
    {"relu6", {.function = TWI_RELU, .alpha = 2}}, // of which there is more than of 6
    {"leaky", {.function = TWI_RELU, .alpha = INFINITY, .beta = 0.3}},
    {"silu", {.function = TWI_SILU}},
    {"hard_silu", {.function = TWI_HARD_SILU}},
};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static double value(const twi_activation_params *p, double z)
{
    if (p->function == TWI_RELU)
        return z > 0 ? fmin(z, p->alpha) : p->beta * z;
    if (p->function == TWI_SILU)
        return z / (1 + exp(-z));
    return p->function == TWI_HARD_SILU ? z * fmin(fmax(z + 3, 0), 6) / 6 : z;
}

// Σ dy · y of one channel, with x[at], gamma or beta moved by `step` (at: a row; −1: gamma; −2: beta).
static double loss(const norm *n, int64_t i, int64_t at, double step)
{
    double mean = 0, variance = 0, sum = 0, gamma = n->in[1][i], beta = n->in[2][i];
    gamma += at == -1 ? step : 0;
    beta += at == -2 ? step : 0;
    double *x = twi_new((size_t)n->rows, sizeof *x, "numbers", NULL);
    for (int64_t r = 0; r < n->rows; r++) {
        x[r] = n->x[r * n->c + i] + (r == at ? step : 0);
        mean += x[r] / (double)n->rows;
    }
    for (int64_t r = 0; r < n->rows; r++)
        variance += (x[r] - mean) * (x[r] - mean) / (double)n->rows;
    for (int64_t r = 0; r < n->rows; r++)
        sum += n->dy[r * n->c + i] *
               value(&n->activation, gamma * (x[r] - mean) / sqrt(variance + epsilon) + beta);
    twi_free(x);
    return sum;
}

static void expect_gradient(const norm *n, const char *name, int64_t i, int64_t at, float got)
{
    const double step = 1e-6;
    double expected = (loss(n, i, at, step) - loss(n, i, at, -step)) / (2 * step);
    if (!(fabs(got - expected) <= 2e-5 + 2e-5 * fabs(expected)))
        fail_msg("%s: channel %lld, place %lld: gradient %.9g, expected %.9g", name, (long long)i,
                 (long long)at, (double)got, expected);
}

static void gradients_are_those_of_the_formula(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++)
        for (int is_plain = 0; is_plain < 2; is_plain++) {
            twi_algorithm algorithm = is_plain ? TWI_REFERENCE : TWI_DIRECT;
            norm n = norm_new(71, 9, activations[a].p);
            for (int64_t i = 0; i < n.c; i++)
                n.in[1][i] *= 4, n.in[2][i] -= 1; // z on both sides of all corners
            run(&n, TWI_FORWARD, algorithm);
            run(&n, TWI_BACKWARD, algorithm);
            for (int64_t i = 0; i < n.c; i++) {
                expect_gradient(&n, activations[a].name, i, -1, n.grad[1][i]);
                expect_gradient(&n, activations[a].name, i, -2, n.grad[2][i]);
                for (int64_t r = 0; r < n.rows; r++)
                    expect_gradient(&n, activations[a].name, i, r, n.dx[r * n.c + i]);
            }
            norm_free(&n);
        }
}

static void expect_close(const char *name, const char *what, const float *a, const float *b, int64_t count)
{
    twi_difference d = twi_compare(a, b, count);
    if (d.has_nan || !(d.max_abs <= 2e-5))
        fail_msg("%s: %s[%lld] is %.9g, expected %.9g", name, what, (long long)d.at, (double)a[d.at],
                 (double)b[d.at]);
}

static void many_rows_are_the_references(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++) {
        norm n = norm_new(4001, 13, activations[a].p), plain = norm_new(4001, 13, activations[a].p);
        run(&n, TWI_FORWARD, TWI_DIRECT);
        run(&plain, TWI_FORWARD, TWI_REFERENCE);
        expect_close(activations[a].name, "result", n.y, plain.y, n.rows * n.c);
        expect_close(activations[a].name, "moving mean", n.in[3], plain.in[3], n.c);
        expect_close(activations[a].name, "moving variance", n.in[4], plain.in[4], n.c);
        norm_free(&n);
        norm_free(&plain);
    }
}

// e^z overflows from 89 on.
static void activations_are_right_far_from_zero(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++) {
        norm n = norm_new(67, 9, activations[a].p), plain = norm_new(67, 9, activations[a].p);
        for (int64_t i = 0; i < n.c; i++)
            plain.in[1][i] = n.in[1][i] = powf(10, (float)i); // z up to 10⁸
        run(&n, TWI_FORWARD, TWI_DIRECT);
        run(&plain, TWI_FORWARD, TWI_REFERENCE);
        run(&n, TWI_BACKWARD, TWI_DIRECT);
        run(&plain, TWI_BACKWARD, TWI_REFERENCE);
        for (int64_t i = 0; i < n.rows * n.c; i++) {
            double scale = 1 + pow(10, (double)(i % n.c));
            expect_near(n.y[i] / scale, plain.y[i] / scale, 2e-6);
            expect_near(n.dx[i] / scale, plain.dx[i] / scale, 2e-5);
        }
        norm_free(&n);
        norm_free(&plain);
    }
}

// ---------------------------------------------------------------------------------------------------------------- threads

static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    int before = omp_get_max_threads();
    for (int a = 0; a < ACTIVATIONS; a++) {
        norm first = {0};
        for (int threads = 1; threads <= 5; threads++) {
            norm n = norm_new(3001, 37, activations[a].p);
            size_t all = (size_t)(n.rows * n.c) * sizeof(float), one = (size_t)n.c * sizeof(float);
            omp_set_num_threads(threads);
            run(&n, TWI_FORWARD, TWI_DIRECT);
            run(&n, TWI_BACKWARD, TWI_DIRECT);
            if (threads == 1) {
                first = n;
                continue;
            }
            assert_memory_equal(n.y, first.y, all);
            assert_memory_equal(n.dx, first.dx, all);
            assert_memory_equal(n.mean, first.mean, one);
            assert_memory_equal(n.variance, first.variance, one);
            for (int i = 1; i < 5; i++)
                assert_memory_equal(n.in[i], first.in[i], one);
            for (int i = 1; i < 3; i++)
                assert_memory_equal(n.grad[i], first.grad[i], one);
            norm_free(&n);
        }
        norm_free(&first);
    }
    omp_set_num_threads(before);
}

// ReLU must not hide it.
static void what_is_no_number_is_seen_in_its_channel(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++) {
        norm n = norm_new(100, 9, activations[a].p);
        n.x[50 * n.c + 4] = NAN;
        run(&n, TWI_FORWARD, TWI_DIRECT);
        for (int64_t i = 0; i < n.rows * n.c; i++)
            assert_int_equal(isnan(n.y[i]) != 0, i % n.c == 4);
        norm_free(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_right_for_any_number_of_rows),
        cmocka_unit_test(a_mean_far_above_the_deviation_costs_no_digits),
        cmocka_unit_test(one_number_far_away_spoils_nothing),
        cmocka_unit_test(gradients_are_those_of_the_formula),
        cmocka_unit_test(many_rows_are_the_references),
        cmocka_unit_test(activations_are_right_far_from_zero),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(what_is_no_number_is_seen_in_its_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
