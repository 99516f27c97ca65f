// The own Winograd convolution gives what the reference gives, in every shape, padding and fusion that it takes; and it takes
// no others. Skipped, with a message, where the processor has no AVX2.

#include "op_cases.h"

#include "op/winograd.h"

#include <omp.h>

static const double tolerance =
    1e-4; // of the largest number of a result: ten times the rounding of a direct sum

#define ONE  \
    {        \
        1, 1 \
    }
#define ROW(name) "conv/winograd_" name

// Sizes that are no multiple of a tile, pads of every kind, channels that fill the last panel and that do not.
static const op_case cases[] = {
    {ROW("same"), CONV(ONE, ONE, {1, 1, 1, 1}, 1), IN(3, S(2, 9, 14, 32), S(3, 3, 32, 48), S(48)),
     OUT(2, 9, 14, 48)},
    {ROW("valid"), CONV(ONE, ONE, {0}, 1), IN(3, S(1, 11, 7, 40), S(3, 3, 40, 40), NONE), OUT(1, 9, 5, 40)},
    {ROW("lopsided"), CONV(ONE, ONE, {0, 2, 1, 0}, 1), IN(3, S(1, 6, 9, 64), S(3, 3, 64, 32), S(32)),
     OUT(1, 6, 8, 32)},
    {ROW("one_tile"), CONV(ONE, ONE, {1, 1, 1, 1}, 1), IN(3, S(1, 1, 1, 32), S(3, 3, 32, 56), S(56)),
     OUT(1, 1, 1, 56)},
    {ROW("deep"), CONV(ONE, ONE, {1, 1, 1, 1}, 1), IN(3, S(3, 7, 7, 520), S(3, 3, 520, 32), S(32)),
     OUT(3, 7, 7, 32)},
    {ROW("many_blocks"), CONV(ONE, ONE, {1, 1, 1, 1}, 1), IN(3, S(2, 50, 41, 32), S(3, 3, 32, 32), S(32)),
     OUT(2, 50, 41, 32)},
};
enum { N = sizeof cases / sizeof *cases };

static twi_kernel_request request_of(const op_case *c)
{
    twi_kernel_request q = case_request(c, TWI_FORWARD, TWI_WINOGRAD);
    q.is_layout_free = true;
    for (int i = 1; i < q.n_in; i++)
        q.is_constant[i] = !q.is_absent[i];
    return q;
}

static twi_kernel *kernel_of(const twi_kernel_request *q)
{
    tw_err err = {0};
    twi_kernel *kernel = twi_winograd_conv(q, &err);
    expect_ok(err);
    if (!kernel)
        return NULL;
    kernel->request = *q; // what twi_kernel_new would keep
    kernel->params = NULL;
    return kernel;
}

// The kernel's weights laid out as it wants them.
static float *transformed(const twi_kernel *kernel, const tw_shape *shape, const float *dense)
{
    tw_err err = {0};
    twi_kernel *reorder = twi_reorder_new(shape, NULL, kernel->in_layout[1], &err);
    expect_ok(err);
    float *to = twi_new_aligned(twi_layout_bytes(kernel->in_layout[1], shape), 1, "numbers", NULL);
    assert_non_null(to);
    twi_kernel_args args = {.in[0] = dense, .out[0] = to};
    reorder->run(reorder, &args, &err);
    expect_ok(err);
    twi_kernel_free(reorder);
    return to;
}

// The first two columns of the first panel, at all points.
static void swap_channels(float *u, const op_case *c)
{
    int64_t cin = c->in[1].dim[2], cout = c->in[1].dim[3];
    for (int64_t point = 0; point < TWI_TILE_POINTS; point++)
        for (int64_t i = 0; i < cin; i++) {
            float *at = u + point * cin * cout + i * TWI_TILE_PANEL, first = at[0];
            at[0] = at[1];
            at[1] = first;
        }
}

// Largest difference from the reference, over the size of such a sum.
static double distance(const op_case *c, const twi_kernel_request *q, const float *added, bool swaps)
{
    tw_err err = {0};
    op_run a = case_run(c), b = case_run(c);
    for (int i = 0; i < q->n_fusion; i++)
        if (q->fusion[i].what == TWI_FUSE_ADD)
            a.in[q->fusion[i].input] = b.in[q->fusion[i].input] = (float *)added;
    twi_kernel *kernel = kernel_of(q);
    assert_non_null(kernel);
    float *dense = a.in[1];
    a.in[1] = transformed(kernel, &c->in[1], dense);
    if (swaps)
        swap_channels(a.in[1], c);
    kernel_run(kernel, &a);
    twi_kernel_request plain = *q;
    plain.algorithm = TWI_REFERENCE;
    twi_kernel *reference = twi_kernel_new(&plain, &err);
    expect_ok(err);
    kernel_run(reference, &b);
    double worst = 0, size = sqrt(9.0 * (double)c->in[0].dim[3]);
    for (int64_t i = 0; i < twi_shape_count(&c->out[0]); i++) {
        double off = fabs((double)a.out[0][i] - (double)b.out[0][i]);
        worst = off > worst || isnan(off) ? off : worst;
    }
    twi_free(a.in[1]);
    a.in[1] = dense;
    if (added)
        a.in[q->fusion[0].input] = b.in[q->fusion[0].input] = NULL;
    twi_kernel_free(reference);
    twi_kernel_free(kernel);
    case_free(&a);
    case_free(&b);
    return worst / size;
}

static void skip_where_it_does_not_run(void)
{
    if (!twi_winograd_runs_here()) {
        print_message("no AVX2 here\n");
        skip();
    }
}

static void every_shape_is_the_references(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    for (int i = 0; i < N; i++) {
        twi_kernel_request q = request_of(&cases[i]);
        for (int threads = 1; threads <= 2; threads++) {
            omp_set_num_threads(threads);
            double off = distance(&cases[i], &q, NULL, false);
            if (!(off <= tolerance))
                fail_msg("%s with %d threads: %g", cases[i].name, threads, off);
        }
    }
}

static void additions_and_relus_are_fused(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    static const struct {
        double alpha, beta;
    } relus[] = {{INFINITY, 0}, {6, 0}, {INFINITY, 0.3}, {4, 0.1}};
    for (int i = 0; i < N; i++)
        for (size_t r = 0; r < sizeof relus / sizeof *relus; r++)
            for (int adds = 0; adds < 2; adds++) {
                const op_case *c = &cases[i];
                twi_kernel_request q = request_of(c);
                float *added = adds ? numbers(&c->out[0]) : NULL;
                for (int64_t k = 0; adds && k < twi_shape_count(&c->out[0]); k++)
                    added[k] = (float)(k % 7) - 3;
                if (adds) {
                    q.fusion[q.n_fusion++] = (twi_fusion){.what = TWI_FUSE_ADD, .input = 3};
                    q.in[3] = c->out[0];
                    q.is_absent[2] = c->in[2].rank == 0;
                    q.n_in = 4;
                }
                q.fusion[q.n_fusion++] = (twi_fusion){.what = TWI_FUSE_ACTIVATION,
                                                      .activation = TWI_RELU,
                                                      .alpha = relus[r].alpha,
                                                      .beta = relus[r].beta};
                double off = distance(c, &q, added, false);
                if (!(off <= tolerance))
                    fail_msg("%s, relu %zu, %s: %g", c->name, r, adds ? "adding" : "alone", off);
                twi_free(added);
            }
}

static void two_swapped_channels_are_seen(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    for (int i = 0; i < N; i++) {
        twi_kernel_request q = request_of(&cases[i]);
        assert_true(distance(&cases[i], &q, NULL, true) > tolerance);
    }
}

static void other_convolutions_are_left_to_others(void **state)
{
    (void)state;
    skip_where_it_does_not_run();
    twi_kernel_request q = request_of(&cases[0]);
    twi_conv_params p = *(const twi_conv_params *)cases[0].params;
    q.params = &p;
    p.stride[1] = 2;
    assert_null(kernel_of(&q));
    p = *(const twi_conv_params *)cases[0].params;
    q.algorithm = TWI_DIRECT;
    assert_null(kernel_of(&q));
    q = request_of(&cases[0]);
    q.is_constant[1] = false;
    assert_null(kernel_of(&q));
    q = request_of(&cases[0]);
    q.fusion[q.n_fusion++] = (twi_fusion){.what = TWI_FUSE_ACTIVATION, .activation = TWI_SILU};
    assert_null(kernel_of(&q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_the_references),
        cmocka_unit_test(additions_and_relus_are_fused),
        cmocka_unit_test(two_swapped_channels_are_seen),
        cmocka_unit_test(other_convolutions_are_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, false);
}
