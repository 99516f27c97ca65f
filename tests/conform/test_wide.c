// The own matmul of wide weights gives what the reference gives, and is asked only where it may be.

#include "testing.h"

#include "op/params.h"
#include "op/wide.h"

#include <omp.h>

static twi_kernel_request request(int64_t rows, int64_t cin, int64_t cout, bool has_bias)
{
    twi_kernel_request r = {.kind = &twi_op_matmul, .direction = TWI_FORWARD, .n_in = 3, .n_out = 1};
    r.in[0] = TWI_SHAPE(rows, cin);
    r.in[1] = TWI_SHAPE(cin, cout);
    r.in[2] = TWI_SHAPE(cout);
    r.is_absent[2] = !has_bias;
    if (!has_bias)
        r.in[2] = (tw_shape){0};
    r.out[0] = TWI_SHAPE(rows, cout);
    return r;
}

static float *numbers(int64_t n, int64_t first)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(((i + first) * 7919 + 13) % 2003) / 1000 - 1;
    return x;
}

static void run(twi_kernel_request r, const char *impl, const float *x, const float *w, const float *bias,
                float *y)
{
    tw_err err = {0};
    twi_kernel *kernel = twi_kernel_new(&r, &err);
    expect_ok(err);
    assert_non_null(kernel);
    assert_string_equal(kernel->impl, impl);
    twi_kernel_args args = {.in = {x, w, bias}, .out = {y}};
    assert_int_equal(kernel->run(kernel, &args, &err), TW_OK);
    twi_kernel_free(kernel);
}

static void check(int64_t rows, int64_t cin, int64_t cout, bool has_bias)
{
    float *x = numbers(rows * cin, 1), *w = numbers(cin * cout, 2), *bias = numbers(cout, 3);
    float *ours = numbers(rows * cout, 4), *theirs = numbers(rows * cout, 5),
          *again = numbers(rows * cout, 6);
    twi_kernel_request r = request(rows, cin, cout, has_bias);
    r.n_fusion = rows > 1; // a ReLU
    r.fusion[0] = (twi_fusion){TWI_FUSE_ACTIVATION, TWI_RELU, INFINITY, 0, 0};
    run(r, "wide avx2", x, w, has_bias ? bias : NULL, ours);
    omp_set_num_threads(3);
    run(r, "wide avx2", x, w, has_bias ? bias : NULL, again);
    omp_set_num_threads(1);
    r.algorithm = TWI_REFERENCE;
    run(r, "reference", x, w, has_bias ? bias : NULL, theirs);
    twi_difference d = twi_compare(ours, theirs, rows * cout);
    assert_true(d.std > 0);
    if (!(d.max_abs <= 2e-6 * d.std * sqrt((double)cin)))
        fail_msg("%lld rows, [%lld, %lld]: off by %g of %g", (long long)rows, (long long)cin, (long long)cout,
                 d.max_abs, d.std);
    assert_memory_equal(ours, again, (size_t)(rows * cout) * sizeof *ours); // threads change no bit
    free(x), free(w), free(bias), free(ours), free(theirs), free(again);
}

static void products_are_those_of_the_reference(void **state)
{
    (void)state;
    if (!twi_wide_avx2_runs_here())
        skip();
    check(1, 1030, 1030, true);
    check(3, 2051, 517, true); // neither lines nor columns in whole vectors
    check(7, 70000, 17, false);
    check(64, 520, 2100, true);
}

static void others_are_left_to_the_library(void **state)
{
    (void)state;
    if (!twi_wide_avx2_runs_here())
        skip();
    twi_kernel_request r = request(32, 1024, 1024, true);
    assert_true(twi_wide_takes(&r));
    r.is_constant[1] = true; // laid out once
    assert_false(twi_wide_takes(&r));
    r = request(32, 1024, 1024, true);
    r.direction = TWI_BACKWARD;
    assert_false(twi_wide_takes(&r));
    r = request(32, 1024, 1024, true);
    r.n_fusion = 1;
    r.fusion[0] = (twi_fusion){.what = TWI_FUSE_ADD, .input = 3};
    assert_false(twi_wide_takes(&r));
    r = request(65, 1024, 1024, true);
    assert_false(twi_wide_takes(&r));
    r = request(32, 1024, 1023, true); // fits a cache
    assert_false(twi_wide_takes(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_the_reference),
        cmocka_unit_test(others_are_left_to_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
