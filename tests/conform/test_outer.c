// The gradient of a matmul's weights in tiles is the sum of outer products, each value handed over once.

#include "testing.h"

#include "base/mem.h"
#include "op/outer.h"

#include <omp.h>

typedef struct sheet {
    int64_t n;
    float *g;
    int *times;
} sheet;

static void take(void *self, int64_t at, int64_t n, float *g)
{
    sheet *s = self;
    for (int64_t i = 0; i < n; i++) {
        s->g[at + i] = g[i];
        s->times[at + i]++;
        g[i] = NAN; // a taker may
    }
}

static float number(int64_t i)
{
    return (float)((i * 7919 + 13) % 2003) / 1000 - 1;
}

static float *numbers(int64_t n, int64_t first)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = number(first + i);
    return x;
}

static float *room(int64_t rows, int64_t cout)
{
    return aligned_alloc(TWI_ALIGN, (size_t)(twi_outer_packed(rows, cout) + 15) / 16 * 64);
}

static void check(int64_t rows, int64_t cin, int64_t cout)
{
    float *x = numbers(rows * cin, 0), *dy = numbers(rows * cout, 99), *bias = numbers(cout, 0),
          *packed = room(rows, cout);
    sheet s = {cin * cout, calloc((size_t)(cin * cout), sizeof *s.g),
               calloc((size_t)(cin * cout), sizeof *s.times)};
    twi_outer_run(&(twi_outer_call){.x = x,
                                    .dy = dy,
                                    .rows = rows,
                                    .cin = cin,
                                    .cout = cout,
                                    .take = take,
                                    .self = &s,
                                    .packed = packed,
                                    .bias = bias});
    for (int64_t i = 0; i < cin; i++)
        for (int64_t o = 0; o < cout; o++) {
            double wanted = 0, size = 0;
            for (int64_t r = 0; r < rows; r++) {
                double one = (double)x[r * cin + i] * (double)dy[r * cout + o];
                wanted += one;
                size += fabs(one);
            }
            int64_t at = i * cout + o;
            if (s.times[at] != 1 || !(fabs((double)s.g[at] - wanted) <= 1e-6 * size + 1e-30))
                fail_msg("%lld rows, [%lld, %lld]: value %lld came %d times and is %g, expected %g",
                         (long long)rows, (long long)cin, (long long)cout, (long long)at, s.times[at],
                         (double)s.g[at], wanted);
        }
    for (int64_t o = 0; o < cout; o++) {
        double wanted = 0;
        for (int64_t r = 0; r < rows; r++)
            wanted += (double)dy[r * cout + o];
        assert_true(fabs((double)bias[o] - wanted) <= 1e-5);
    }
    free(x), free(dy), free(bias), free(packed), free(s.g), free(s.times);
}

static void every_value_comes_once_and_is_right(void **state)
{
    (void)state;
    const int64_t sizes[][3] = {{1, 1, 1},   {32, 6, 16},  {32, 7, 17},  {3, 13, 1030}, {32, 12, 1024},
                                {32, 5, 15}, {600, 6, 70}, {1, 100, 33}, {32, 50, 2100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check(sizes[i][0], sizes[i][1], sizes[i][2]);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    enum { ROWS = 32, CIN = 50, COUT = 2100 };
    float *x = numbers(ROWS * CIN, 5), *dy = numbers(ROWS * COUT, 6), *packed = room(ROWS, COUT);
    sheet s[2];
    for (int i = 0; i < 2; i++) {
        s[i] = (sheet){CIN * COUT, calloc(CIN * COUT, sizeof(float)), calloc(CIN * COUT, sizeof(int))};
        omp_set_num_threads(1 + 2 * i);
        twi_outer_run(&(twi_outer_call){x, dy, ROWS, CIN, COUT, take, &s[i], packed, NULL});
    }
    assert_memory_equal(s[0].g, s[1].g, CIN * COUT * sizeof(float));
    for (int i = 0; i < 2; i++)
        free(s[i].g), free(s[i].times);
    free(x), free(dy), free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_once_and_is_right),
        cmocka_unit_test(threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
