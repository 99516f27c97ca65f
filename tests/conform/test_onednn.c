// What oneDNN's kernels promise beyond the table of op_cases.h: layouts come back unchanged, random convolutions agree with
// the reference in every dress, runs share nothing, and memory is left alone where it is not theirs.

#include "testing.h"

#include "base/rng.h"
#include "op/params.h"

#include <pthread.h>

// ---------------------------------------------------------------------------------------------------------- a problem

// An op with its data: dense inputs, what the reference makes of them, and room for what a kernel makes.
typedef struct problem {
    twi_kernel_request q;
    float *in[TWI_OP_IN_MAX], *out[TWI_OP_OUT_MAX], *grad_out, *grad_in[TWI_OP_IN_MAX];
} problem;

static float *filled(const tw_shape *s, twi_rng *rng)
{
    int64_t n = twi_shape_count(s);
    float *x = twi_new_aligned((size_t)n, sizeof *x, "numbers", NULL);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = rng ? 2 * twi_rng_uniform(rng) - 1 : NAN;
    return x;
}

// Fills in the shapes that follow from the others, and the data.
static problem problem_of(const twi_kernel_request *q, twi_rng *rng)
{
    problem p = {.q = *q};
    tw_err err = {0};
    int n_own = q->n_in;
    for (int i = 0; i < q->n_fusion; i++)
        if (q->fusion[i].what == TWI_FUSE_ADD)
            n_own = q->fusion[i].input;
    q->kind->infer(q->params, n_own, q->in, p.q.out, &p.q.n_out, &err);
    expect_ok(err);
    for (int i = n_own; i < q->n_in; i++)
        p.q.in[i] = p.q.out[0];
    for (int i = 0; i < q->n_in; i++) {
        p.q.is_absent[i] = p.q.in[i].rank == 0;
        if (p.q.is_absent[i])
            continue;
        p.in[i] = filled(&p.q.in[i], rng);
        p.grad_in[i] = filled(&p.q.in[i], NULL);
    }
    for (int i = 0; i < p.q.n_out; i++)
        p.out[i] = filled(&p.q.out[i], NULL);
    p.grad_out = filled(&p.q.out[0], rng);
    return p;
}

static void problem_free(problem *p)
{
    for (int i = 0; i < TWI_OP_IN_MAX; i++)
        twi_free(p->in[i]), twi_free(p->grad_in[i]);
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        twi_free(p->out[i]);
    twi_free(p->grad_out);
}

enum { GUARD = 256 };

// Runs with scratch memory that is guarded on both sides and full of NaN.
static void run(const twi_kernel *k, twi_kernel_args *args)
{
    tw_err err = {0};
    unsigned char *all = twi_new_aligned(k->scratch_bytes + 2 * GUARD, 1, "scratch", NULL);
    assert_non_null(all);
    memset(all, 0xff, k->scratch_bytes + 2 * GUARD);
    args->scratch = all + GUARD;
    k->run(k, args, &err);
    expect_ok(err);
    for (int i = 0; i < GUARD; i++)
        if (all[i] != 0xff || all[GUARD + k->scratch_bytes + (size_t)i] != 0xff)
            fail_msg("%s wrote beside its scratch memory", k->impl);
    twi_free(all);
}

static void *laid_out(const tw_shape *s, const twi_layout *from, const void *data, const twi_layout *to)
{
    tw_err err = {0};
    twi_kernel *reorder = twi_reorder_new(s, from, to, &err);
    expect_ok(err);
    void *copy = twi_new_aligned(twi_layout_bytes(to, s), 1, "numbers", NULL);
    assert_non_null(copy);
    memset(copy, 0xff, twi_layout_bytes(to, s));
    run(reorder, &(twi_kernel_args){.in[0] = data, .out[0] = copy});
    twi_kernel_free(reorder);
    return copy;
}

static void run_problem(const twi_kernel *k, const problem *p)
{
    twi_kernel_args args = {.grad_out = p->grad_out};
    void *made[TWI_OP_IN_MAX + 1] = {0};
    for (int i = 0; i < TWI_OP_IN_MAX; i++) {
        if (p->in[i] && k->in_layout[i])
            made[i] = laid_out(&p->q.in[i], NULL, p->in[i], k->in_layout[i]);
        args.in[i] = made[i] ? made[i] : p->in[i];
        args.grad_in[i] = p->q.grads_wanted >> i & 1 ? p->grad_in[i] : NULL;
    }
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        args.out[i] = p->out[i];
    if (k->out_layout) {
        size_t bytes = twi_layout_bytes(k->out_layout, &p->q.out[0]);
        args.out[0] = made[TWI_OP_IN_MAX] = twi_new_aligned(bytes, 1, "numbers", NULL);
        memset(args.out[0], 0xff, bytes);
    }
    run(k, &args);
    if (k->out_layout) {
        float *dense = laid_out(&p->q.out[0], k->out_layout, args.out[0], NULL);
        memcpy(p->out[0], dense, (size_t)twi_shape_count(&p->q.out[0]) * sizeof *dense);
        twi_free(dense);
    }
    for (int i = 0; i <= TWI_OP_IN_MAX; i++)
        twi_free(made[i]);
}

static twi_kernel *kernel_of(const twi_kernel_request *q, twi_algorithm algorithm)
{
    tw_err err = {0};
    twi_kernel_request asked = *q;
    asked.algorithm = algorithm;
    twi_kernel *k = twi_kernel_new(&asked, &err);
    expect_ok(err);
    return k;
}

static void expect_close(const char *what, const problem *p, const twi_kernel *k, const float *a,
                         const float *b, const tw_shape *s, double tolerance)
{
    char x[TWI_SHAPE_TEXT], w[TWI_SHAPE_TEXT];
    twi_difference d = twi_compare(a, b, twi_shape_count(s));
    double scale = 1e-2;
    for (int64_t i = 0; i < twi_shape_count(s); i++)
        scale = fmax(scale, fabs(b[i]));
    if (d.has_nan || d.max_abs > tolerance * scale)
        fail_msg("%s of %s, x %s, kernel %s, %d fusions (%s, layouts %s → %s): [%lld] is %.9g, expected %.9g",
                 what, p->q.kind->name, twi_shape_text(&p->q.in[0], x), twi_shape_text(&p->q.in[1], w),
                 p->q.n_fusion, k->impl, twi_layout_text(k->in_layout[0]), twi_layout_text(k->out_layout),
                 (long long)d.at, a[d.at], b[d.at]);
}

// oneDNN's kernel against the reference on the same data; false where it has none.
static bool agrees(const twi_kernel_request *q, twi_rng *rng, double tolerance)
{
    problem p = problem_of(q, rng);
    twi_kernel *k = kernel_of(&p.q, TWI_DIRECT), *reference = kernel_of(&p.q, TWI_REFERENCE);
    bool is_served = k && strcmp(k->impl, "reference") != 0;
    if (is_served) {
        problem mine = p;
        for (int i = 0; i < p.q.n_out; i++)
            mine.out[i] = filled(&p.q.out[i], NULL);
        for (int i = 0; i < p.q.n_in; i++)
            mine.grad_in[i] = p.in[i] ? filled(&p.q.in[i], NULL) : NULL;
        run_problem(k, &mine);
        run_problem(reference, &p);
        if (q->direction == TWI_FORWARD)
            expect_close("result", &p, k, mine.out[0], p.out[0], &p.q.out[0], tolerance);
        for (int i = 0; i < p.q.n_in; i++)
            if (q->direction == TWI_BACKWARD && q->grads_wanted >> i & 1)
                expect_close("gradient", &p, k, mine.grad_in[i], p.grad_in[i], &p.q.in[i], tolerance);
        for (int i = 0; i < p.q.n_out; i++)
            twi_free(mine.out[i]);
        for (int i = 0; i < p.q.n_in; i++)
            twi_free(mine.grad_in[i]);
    }
    twi_kernel_free(k);
    twi_kernel_free(reference);
    problem_free(&p);
    return is_served;
}

// ------------------------------------------------------------------------------------------------------ random problems

static int64_t between(twi_rng *rng, int64_t low, int64_t high)
{
    return low + (int64_t)twi_rng_below(rng, (uint32_t)(high - low + 1));
}

// Channel counts around the widths of vectors and blocks.
static int64_t some_channels(twi_rng *rng)
{
    static const int64_t counts[] = {1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 20, 24, 31, 32, 33, 40};
    return counts[between(rng, 0, sizeof counts / sizeof counts[0] - 1)];
}

// A convolution of any kind: plain, grouped, depthwise, with a depth multiplier; any padding, stride, dilation.
static twi_kernel_request some_conv(twi_conv_params *p, twi_rng *rng)
{
    int64_t k[2], cin, cout;
    int kind = (int)between(rng, 0, 4);
    *p = (twi_conv_params){.groups = 1};
    for (int i = 0; i < 2; i++) {
        k[i] = between(rng, 0, 2) ? between(rng, 1, 5) : 1;
        p->stride[i] = between(rng, 1, 2);
        p->dilation[i] = between(rng, 0, 4) ? 1 : 2;
        int64_t reach = (k[i] - 1) * p->dilation[i];
        p->pad[2 * i] = between(rng, 0, reach);
        p->pad[2 * i + 1] = between(rng, 0, reach);
    }
    cin = some_channels(rng), cout = some_channels(rng);
    if (kind == 3) // depthwise
        p->groups = cin, cout = cin * (between(rng, 0, 3) ? 1 : 2);
    if (kind == 4) { // grouped
        p->groups = between(rng, 2, 4);
        cin = p->groups * between(rng, 1, 9), cout = p->groups * between(rng, 1, 9);
    }
    twi_kernel_request q = {.kind = &twi_op_conv, .params = p, .n_in = 3, .n_out = 1};
    q.in[0] = TWI_SHAPE(between(rng, 1, 3), between(rng, 9, 14), between(rng, 9, 14), cin);
    q.in[1] = TWI_SHAPE(k[0], k[1], cin / p->groups, cout);
    if (between(rng, 0, 2))
        q.in[2] = TWI_SHAPE(cout);
    q.is_constant[1] = q.is_constant[2] = between(rng, 0, 1);
    q.is_layout_free = between(rng, 0, 1);
    return q;
}

static void fuse_something(twi_kernel_request *q, twi_rng *rng)
{
    static const twi_fusion some[] = {
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_RELU, .alpha = INFINITY},
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_RELU, .alpha = 1},
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_SILU},
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_HARD_SIGMOID},
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_HARD_SILU},
        {.what = TWI_FUSE_ACTIVATION, .activation = TWI_GELU}};
    bool adds = between(rng, 0, 1), adds_first = between(rng, 0, 1), acts = between(rng, 0, 2);
    for (int place = 0; place < 2; place++) {
        if (adds && (place == 0) == adds_first) {
            q->fusion[q->n_fusion++] = (twi_fusion){.what = TWI_FUSE_ADD, .input = 3};
            q->n_in = 4;
        } else if (acts) {
            q->fusion[q->n_fusion++] = some[between(rng, 0, sizeof some / sizeof some[0] - 1)];
        }
    }
}

enum { N_RANDOM = 400 };

static void random_convolutions_are_the_references(void **state)
{
    (void)state;
    int n_served = 0;
    for (uint64_t i = 0; i < N_RANDOM; i++) {
        twi_rng rng = twi_rng_at(1, TWI_RNG_TEST, i, 0);
        twi_conv_params p;
        twi_kernel_request q = some_conv(&p, &rng);
        fuse_something(&q, &rng);
        n_served += agrees(&q, &rng, 1e-4);
    }
    print_message("%d of %d forward convolutions by oneDNN\n", n_served, N_RANDOM);
    assert_true(n_served > N_RANDOM / 2);
}

static void random_gradients_are_the_references(void **state)
{
    (void)state;
    int n_served = 0;
    for (uint64_t i = 0; i < N_RANDOM; i++) {
        twi_rng rng = twi_rng_at(2, TWI_RNG_TEST, i, 0);
        twi_conv_params p;
        twi_kernel_request q = some_conv(&p, &rng);
        q.direction = TWI_BACKWARD;
        q.is_layout_free = q.is_constant[1] = q.is_constant[2] = false;
        q.grads_wanted = (unsigned)between(&rng, 1, 7) & (q.in[2].rank ? 7 : 3);
        if (q.grads_wanted)
            n_served += agrees(&q, &rng, 1e-4);
    }
    print_message("%d of %d backward convolutions by oneDNN\n", n_served, N_RANDOM);
    assert_true(n_served > N_RANDOM / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_convolutions_are_the_references),
        cmocka_unit_test(random_gradients_are_the_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
