// The own silu gives what the formula gives, over all of its range and in any number of values.

#include "testing.h"

#include "op/silu.h"

#include <math.h>

static double exact(float x)
{
    return (double)x / (1 + exp(-(double)x));
}

static void skip_where_it_does_not_run(void)
{
    if (!twi_silu_runs_here()) {
        print_message("no AVX2 here\n");
        skip();
    }
}

static void every_number_is_right_to_the_last_bits(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    enum { N = 200001 };
    static float x[N], y[N];
    for (int i = 0; i < N; i++)
        x[i] = (float)(i - N / 2) * 1e-3f; // −100 … 100
    twi_silu_run(x, y, N);
    for (int i = 0; i < N; i++) {
        double wanted = exact(x[i]), off = fabs((double)y[i] - wanted);
        if (!(off <= 4e-7 * fabs(wanted) + 1e-35))
            fail_msg("silu(%g) = %g, expected %g", (double)x[i], (double)y[i], wanted);
    }
}

static void odd_counts_and_places_are_left_alone(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    for (int n = 0; n < 20; n++) {
        float x[24], y[24];
        for (int i = 0; i < 24; i++)
            x[i] = 0.5f * (float)i - 4, y[i] = 77;
        twi_silu_run(x, y, n);
        for (int i = 0; i < 24; i++)
            assert_true(i < n ? fabs((double)y[i] - exact(x[i])) < 1e-6 : y[i] == 77);
    }
}

static void what_is_no_number_stays_none(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    float x[8] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1e30f, -1e30f, 1}, y[8];
    twi_silu_run(x, y, 8);
    assert_true(isnan(y[0]));
    assert_true(isinf(y[1]) && y[1] > 0);
    assert_true(y[3] == 0 && y[4] == 0);
    assert_true(y[5] == 1e30f);
    assert_true(y[6] <= 0 && y[6] > -1e-5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_right_to_the_last_bits),
        cmocka_unit_test(odd_counts_and_places_are_left_alone),
        cmocka_unit_test(what_is_no_number_stays_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
