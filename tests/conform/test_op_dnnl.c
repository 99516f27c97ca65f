// oneDNN's kernels give what the references give: forward, backward, fused, in layouts of their own, in bf16, from several
// threads. The cases are rows of op_cases.h; what oneDNN does not serve is counted and shown, not compared.

#include "op_cases.h"

#include "../../bench/problems.h"
#include "base/pool.h"

static const double exact = 1e-4, winograd = 1e-3, bf16 = 3e-2;

static bool is_reference(const twi_kernel *kernel)
{
    return strcmp(kernel->impl, "reference") == 0;
}

// A kernel that is not the reference, or NULL.
static twi_kernel *served(const op_case *c, const twi_kernel_request *q)
{
    tw_err err = {0};
    twi_kernel *kernel = twi_kernel_new(q, &err);
    if (err.status)
        fail_msg("%s: %s", c->name, err.msg);
    if (kernel && is_reference(kernel)) {
        twi_kernel_free(kernel);
        return NULL;
    }
    return kernel;
}

// A copy of `from` in another layout.
static void *laid_out(const char *name, const tw_shape *s, const twi_layout *layout, const void *from,
                      const twi_layout *from_layout)
{
    tw_err err = {0};
    twi_kernel *reorder = twi_reorder_new(s, from_layout, layout, &err);
    if (!reorder)
        fail_msg("%s: no reorder from %s to %s: %s", name, twi_layout_text(from_layout),
                 twi_layout_text(layout), err.msg);
    void *to = twi_new_aligned(twi_layout_bytes(layout, s), 1, "numbers", NULL);
    void *scratch = twi_new_aligned(reorder->scratch_bytes, 1, "scratch", NULL);
    assert_true(to && scratch);
    memset(to, 0xff, twi_layout_bytes(layout, s));
    twi_kernel_args args = {.in[0] = from, .out[0] = to, .scratch = scratch};
    reorder->run(reorder, &args, &err);
    expect_ok(err);
    twi_free(scratch);
    twi_kernel_free(reorder);
    return to;
}

// Runs with inputs brought into the kernel's layouts, and brings out[0] back.
static void run_laid_out(const twi_kernel *kernel, op_run *r)
{
    const op_case *c = r->c;
    op_run laid = *r;
    void *made[TWI_OP_IN_MAX + 1] = {0};
    for (int i = 0; i < TWI_OP_IN_MAX; i++)
        if (r->in[i] && kernel->in_layout[i])
            laid.in[i] = made[i] = laid_out(c->name, &c->in[i], kernel->in_layout[i], r->in[i], NULL);
    if (kernel->out_layout) {
        size_t bytes = twi_layout_bytes(kernel->out_layout, &c->out[0]);
        laid.out[0] = made[TWI_OP_IN_MAX] = twi_new_aligned(bytes, 1, "numbers", NULL);
        assert_non_null(laid.out[0]);
        memset(laid.out[0], 0xff, bytes);
    }
    kernel_run(kernel, &laid);
    if (kernel->out_layout) {
        float *back = laid_out(c->name, &c->out[0], NULL, laid.out[0], kernel->out_layout);
        memcpy(r->out[0], back, (size_t)twi_shape_count(&c->out[0]) * sizeof(float));
        twi_free(back);
    }
    for (int i = 0; i <= TWI_OP_IN_MAX; i++)
        twi_free(made[i]);
}

// All results of a run, and inputs that may have been moved.
static void expect_same_results(const op_run *a, const op_run *b, twi_direction direction, double tolerance)
{
    const op_case *c = a->c;
    for (int i = 0; direction == TWI_FORWARD && i < c->n_out; i++)
        expect_same(c->name, "result", a->out[i], b->out[i], &c->out[i], tolerance);
    for (int i = 0; i < c->n_in; i++) {
        if (a->in[i])
            expect_same(c->name, "input", a->in[i], b->in[i], &c->in[i], tolerance);
        if (direction == TWI_BACKWARD && a->in[i] && !(c->no_grad >> i & 1))
            expect_same(c->name, "gradient", a->grad_in[i], b->grad_in[i], &c->in[i], tolerance);
    }
}

// Compares oneDNN's kernel for q with the reference; false where oneDNN has none.
static bool compare(const op_case *c, const twi_kernel_request *q, double tolerance)
{
    tw_err err = {0};
    twi_kernel *kernel = served(c, q);
    if (!kernel)
        return false;
    twi_kernel_request plain = *q;
    plain.algorithm = TWI_REFERENCE;
    twi_kernel *reference = twi_kernel_new(&plain, &err);
    expect_ok(err);
    op_run a = case_run(c), b = case_run(c);
    if (q->direction == TWI_BACKWARD) { // out is read: the same for both
        twi_kernel *forward = reference_of(c, TWI_FORWARD);
        kernel_run(forward, &a);
        kernel_run(forward, &b);
        twi_kernel_free(forward);
    }
    run_laid_out(kernel, &a);
    kernel_run(reference, &b);
    expect_same_results(&a, &b, q->direction, tolerance);
    twi_kernel_free(reference);
    twi_kernel_free(kernel);
    case_free(&a);
    case_free(&b);
    return true;
}

static void set_constants(twi_kernel_request *q)
{
    const twi_op_kind *k = q->kind;
    bool has_weights = k == &twi_op_conv || k == &twi_op_conv_transpose || k == &twi_op_matmul ||
                       k == &twi_op_batch_norm || k == &twi_op_layer_norm;
    bool is_moved = k == &twi_op_batch_norm && q->n_out == 3; // training moves them: no constants
    for (int i = 1; i < q->n_in && has_weights && !is_moved; i++)
        q->is_constant[i] = !q->is_absent[i];
}

// Prints "conv 11/11" for each op, and fails where an op with an entry was never served but must be.
static void show(const char *what, const int *n_served, const int *n_cases, bool must_serve)
{
    print_message("%s, cases served by oneDNN:", what);
    for (int i = 0; twi_ops[i]; i++)
        if (n_cases[i])
            print_message(" %s %d/%d", twi_ops[i]->name, n_served[i], n_cases[i]);
    print_message("\n");
    for (int i = 0; twi_ops[i]; i++)
        if (must_serve && n_cases[i] && !n_served[i])
            fail_msg("op '%s' names an entry that serves none of its cases", twi_ops[i]->name);
}

enum { N_OPS_MAX = 64 };

static int index_of(const twi_op_kind *kind)
{
    for (int i = 0; i < N_OPS_MAX && twi_ops[i]; i++)
        if (twi_ops[i] == kind)
            return i;
    fail();
    return 0;
}

// Each case of an op with an entry, as `vary` changes the request.
static void compare_all(const char *what, twi_direction direction, bool must_serve, double tolerance,
                        bool (*vary)(twi_kernel_request *q))
{
    int n_served[N_OPS_MAX] = {0}, n_cases[N_OPS_MAX] = {0};
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        twi_kernel_request q = case_request(c, direction, TWI_DIRECT);
        if (!q.kind->dnnl || (vary && !vary(&q)))
            continue;
        n_cases[index_of(q.kind)]++;
        n_served[index_of(q.kind)] += compare(c, &q, tolerance);
    }
    show(what, n_served, n_cases, must_serve);
}

static bool with_constants(twi_kernel_request *q)
{
    set_constants(q);
    return true;
}

static bool with_free_layouts(twi_kernel_request *q)
{
    set_constants(q);
    q->is_layout_free = true;
    return true;
}

static bool with_bf16(twi_kernel_request *q)
{
    // Sharp corners and divisions magnify the rounding of inputs: only sums are comparable at bf16's 8 bits.
    bool is_sum = q->kind == &twi_op_conv || q->kind == &twi_op_matmul || q->kind == &twi_op_pool;
    q->dtype = TWI_BF16;
    return is_sum && with_free_layouts(q);
}

static bool with_winograd(twi_kernel_request *q)
{
    q->algorithm = TWI_WINOGRAD;
    return q->kind == &twi_op_conv && with_free_layouts(q);
}

static void forward_is_the_references(void **state)
{
    (void)state;
    compare_all("forward", TWI_FORWARD, true, exact, NULL);
    compare_all("forward with constants", TWI_FORWARD, true, exact, with_constants);
}

static void forward_in_free_layouts_is_the_references(void **state)
{
    (void)state;
    compare_all("forward in free layouts", TWI_FORWARD, true, exact, with_free_layouts);
}

static void backward_is_the_references(void **state)
{
    (void)state;
    compare_all("backward", TWI_BACKWARD, false, exact, NULL);
    compare_all("backward in free layouts", TWI_BACKWARD, false, exact, with_free_layouts);
}

static void bf16_and_winograd_are_near_the_reference(void **state)
{
    (void)state;
    compare_all("bf16", TWI_FORWARD, false, bf16, with_bf16);
    compare_all("winograd", TWI_FORWARD, false, winograd, with_winograd);
}

// The op shapes of whole networks, on few pixels: what bench/op times.
static void one_problem(void *self, const problem *p)
{
    op_case c = {.params = &p->params, .n_in = p->n_in, .n_out = 1, .out = {p->out}, .fill = SMOOTH};
    char name[sizeof p->name + 8];
    snprintf(name, sizeof name, "%s/%s", p->kind->name, p->name);
    c.name = name;
    memcpy(c.in, p->in, sizeof p->in);
    int *n_served = self;
    if (twi_shape_count(&p->in[p->n_in > 1]) >
        4 << 20) { // 100 million weights: the reference would take seconds
        ++*n_served;
        return;
    }
    twi_kernel_request q = case_request(&c, TWI_FORWARD, TWI_DIRECT);
    with_free_layouts(&q);
    *n_served += compare(&c, &q, exact);
    if (with_winograd(&q))
        compare(&c, &q, winograd);
}

static void problems_of_whole_networks_are_the_references(void **state)
{
    (void)state;
    static const char *const networks[] = {"efficientnet_b0", "mobilenet_v2", "resnet50", "vgg16"};
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        char path[128];
        int n_served = 0;
        snprintf(path, sizeof path, "bench/problems/%s.txt", networks[i]);
        int n = problems_read(path, 1, 3, one_problem, &n_served);
        assert_true(n > 10);
        assert_int_equal(n_served, n);
    }
}

// Each gradient alone, and data and weights apart, as a partly frozen model asks for them.
static void single_gradients_are_the_references(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        twi_kernel_request q = case_request(c, TWI_BACKWARD, TWI_DIRECT);
        const unsigned wanted = q.grads_wanted;
        for (int i = 0; i < c->n_in; i++) {
            q.grads_wanted = 1u << i;
            twi_kernel *kernel = q.kind->dnnl && wanted >> i & 1 ? served(c, &q) : NULL;
            if (!kernel)
                continue;
            twi_kernel *forward = reference_of(c, TWI_FORWARD), *reference = reference_of(c, TWI_BACKWARD);
            op_run a = case_run(c), b = case_run(c);
            kernel_run(forward, &a);
            kernel_run(forward, &b);
            run_laid_out(kernel, &a);
            kernel_run(reference, &b);
            expect_same(c->name, "single gradient", a.grad_in[i], b.grad_in[i], &c->in[i], exact);
            twi_kernel_free(kernel);
            twi_kernel_free(forward);
            twi_kernel_free(reference);
            case_free(&a);
            case_free(&b);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------- fusions

#define FUSE(...)                                              \
    {                                                          \
        .what = TWI_FUSE_ACTIVATION, .activation = __VA_ARGS__ \
    }
#define FUSE_ADD             \
    {                        \
        .what = TWI_FUSE_ADD \
    }

static const struct {
    const char *name;
    int n;
    twi_fusion at[TWI_FUSION_MAX];
} fusions[] = {
    {"relu", 1, {FUSE(TWI_RELU, .alpha = INFINITY)}},
    {"relu6", 1, {FUSE(TWI_RELU, .alpha = 6)}},
    {"leaky", 1, {FUSE(TWI_RELU, .alpha = INFINITY, .beta = 0.2)}},
    {"sigmoid", 1, {FUSE(TWI_SIGMOID)}},
    {"tanh", 1, {FUSE(TWI_TANH)}},
    {"silu", 1, {FUSE(TWI_SILU)}},
    {"elu", 1, {FUSE(TWI_ELU, .alpha = 0.5)}},
    {"gelu", 1, {FUSE(TWI_GELU)}},
    {"gelu_tanh", 1, {FUSE(TWI_GELU_TANH)}},
    {"hard_sigmoid", 1, {FUSE(TWI_HARD_SIGMOID)}},
    {"hard_silu", 1, {FUSE(TWI_HARD_SILU)}},
    {"add", 1, {FUSE_ADD}},
    {"add, relu", 2, {FUSE_ADD, FUSE(TWI_RELU, .alpha = INFINITY)}},
    {"silu, add", 2, {FUSE(TWI_SILU), FUSE_ADD}},
};

// A case with the fusion's further input at the end.
static op_case fused_case(const op_case *c, int f, twi_kernel_request *q)
{
    op_case more = *c;
    int added = -1;
    for (int i = 0; i < fusions[f].n; i++)
        if (fusions[f].at[i].what == TWI_FUSE_ADD)
            added = more.n_in;
    if (added >= 0)
        more.in[more.n_in++] = more.out[0];
    *q = case_request(&more, TWI_FORWARD, TWI_DIRECT);
    set_constants(q);
    if (added >= 0)
        q->is_constant[added] = false;
    q->n_fusion = fusions[f].n;
    for (int i = 0; i < fusions[f].n; i++) {
        q->fusion[i] = fusions[f].at[i];
        q->fusion[i].input = added;
    }
    return more;
}

static void fused_kernels_are_the_references(void **state)
{
    (void)state;
    for (int f = 0; f < (int)(sizeof fusions / sizeof *fusions); f++) {
        int n_served[N_OPS_MAX] = {0}, n_cases[N_OPS_MAX] = {0};
        for (int k = 0; k < N_CASES; k++) {
            twi_kernel_request q;
            op_case c = fused_case(&CASES[k], f, &q);
            if (q.kind != &twi_op_conv && q.kind != &twi_op_matmul && q.kind != &twi_op_binary)
                continue;
            for (int is_free = 0; is_free < 2; is_free++) {
                q.is_layout_free = is_free;
                n_cases[index_of(q.kind)]++;
                n_served[index_of(q.kind)] += compare(&c, &q, exact);
            }
        }
        show(fusions[f].name, n_served, n_cases, false);
        if (!n_served[index_of(&twi_op_conv)] || !n_served[index_of(&twi_op_matmul)])
            print_message("  %s is not fused into conv or matmul\n", fusions[f].name);
    }
}

// ------------------------------------------------------------------------------------------------- layouts and runs

// A kernel takes what its producer leaves: the layout of a pointwise convolution's result as hint for input 0.
static void hints_of_a_producers_layout_are_taken(void **state)
{
    (void)state;
    int n_hinted = 0;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        int64_t channels = c->in[0].dim[3];
        if (c->in[0].rank != 4 || !case_kind(c)->dnnl)
            continue;
        op_case producer = {.name = "conv/producer",
                            .params = CONV({1, 1}, {1, 1}, {0}, 1),
                            IN(3, S(1), S(1, 1, channels, channels), NONE),
                            .n_out = 1};
        producer.in[0] = producer.out[0] = c->in[0];
        twi_kernel_request q = case_request(&producer, TWI_FORWARD, TWI_DIRECT);
        with_free_layouts(&q);
        twi_kernel *makes = served(&producer, &q);
        if (!makes)
            continue;
        q = case_request(c, TWI_FORWARD, TWI_DIRECT);
        with_free_layouts(&q);
        q.in_layout[0] = makes->out_layout;
        compare(c, &q, exact);
        twi_kernel *kernel = served(c, &q);
        n_hinted += kernel && makes->out_layout && twi_layout_same(kernel->in_layout[0], makes->out_layout);
        twi_kernel_free(kernel);
        twi_kernel_free(makes);
    }
    print_message("kernels that took a producer's own layout: %d\n", n_hinted);
}

static void ops_in_place_give_the_same(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        twi_kernel_request q = case_request(c, TWI_FORWARD, TWI_DIRECT);
        bool is_possible = q.kind->flags & TWI_OP_IN_PLACE && twi_shape_same(&c->in[0], &c->out[0]);
        twi_kernel *kernel = q.kind->dnnl && is_possible ? served(c, &q) : NULL;
        if (!kernel)
            continue;
        op_run apart = case_run(c), same = case_run(c);
        kernel_run(kernel, &apart);
        float *own = same.out[0];
        same.out[0] = same.in[0];
        kernel_run(kernel, &same);
        expect_same(c->name, "in place", same.out[0], apart.out[0], &c->out[0], 0);
        same.out[0] = own;
        twi_kernel_free(kernel);
        case_free(&apart);
        case_free(&same);
    }
}

static void gradients_in_place_are_the_same(void **state)
{
    (void)state;
    int n = 0;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        twi_kernel_request q = case_request(c, TWI_BACKWARD, TWI_DIRECT);
        twi_kernel *backward = q.kind->flags & TWI_OP_GRAD_IN_PLACE ? served(c, &q) : NULL;
        if (!backward)
            continue;
        op_run apart = case_run(c), same = case_run(c);
        twi_kernel *forward = reference_of(c, TWI_FORWARD);
        expect_same_in_place(forward, backward, &apart, &same);
        twi_kernel_free(forward);
        twi_kernel_free(backward);
        n++;
    }
    assert_true(n > 10);
}

typedef struct parallel {
    const twi_kernel *kernel;
    const float *expected;
    const op_case *c;
    _Atomic int n_wrong;
} parallel;

static void run_one(void *arg, int64_t index, int worker)
{
    (void)index, (void)worker;
    parallel *p = arg;
    op_run r = case_run(p->c);
    run_laid_out(p->kernel, &r);
    if (memcmp(r.out[0], p->expected, (size_t)twi_shape_count(&p->c->out[0]) * sizeof(float)) != 0)
        p->n_wrong++;
    case_free(&r);
}

static void one_kernel_runs_in_several_threads(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_pool *pool = twi_pool_new(4, &err);
    expect_ok(err);
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        twi_kernel_request q = case_request(c, TWI_FORWARD, TWI_DIRECT);
        with_free_layouts(&q);
        twi_kernel *kernel = q.kind->dnnl ? served(c, &q) : NULL;
        if (!kernel)
            continue;
        op_run first = case_run(c);
        run_laid_out(kernel, &first);
        parallel p = {.kernel = kernel, .expected = first.out[0], .c = c};
        twi_pool_run(pool, 12, run_one, &p);
        if (p.n_wrong)
            fail_msg("%s: %d of 12 runs in other threads differ", c->name, p.n_wrong);
        twi_kernel_free(kernel);
        case_free(&first);
    }
    twi_pool_free(pool);
}

static void layouts_copy_compare_and_measure(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_shape s = S(2, 3, 3, 5);
    assert_int_equal(twi_layout_bytes(NULL, &s), 2 * 3 * 3 * 5 * 4);
    assert_true(twi_layout_same(NULL, NULL));
    assert_null(twi_layout_copy(NULL, &err));
    expect_ok(err);
    twi_layout_free(NULL);
    for (int k = 0; k < N_CASES; k++) {
        twi_kernel_request q = case_request(&CASES[k], TWI_FORWARD, TWI_DIRECT);
        with_free_layouts(&q);
        twi_kernel *kernel = q.kind == &twi_op_conv ? served(&CASES[k], &q) : NULL;
        if (kernel && kernel->out_layout) {
            twi_layout *copy = twi_layout_copy(kernel->out_layout, &err);
            expect_ok(err);
            assert_true(twi_layout_same(copy, kernel->out_layout));
            assert_false(twi_layout_same(copy, NULL));
            assert_true(*twi_layout_text(copy));
            assert_true(twi_layout_bytes(copy, &q.out[0]) >= (size_t)twi_shape_count(&q.out[0]) * 4);
            twi_layout_free(copy);
        }
        twi_kernel_free(kernel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_references),
        cmocka_unit_test(forward_in_free_layouts_is_the_references),
        cmocka_unit_test(backward_is_the_references),
        cmocka_unit_test(problems_of_whole_networks_are_the_references),
        cmocka_unit_test(single_gradients_are_the_references),
        cmocka_unit_test(bf16_and_winograd_are_near_the_reference),
        cmocka_unit_test(fused_kernels_are_the_references),
        cmocka_unit_test(hints_of_a_producers_layout_are_taken),
        cmocka_unit_test(ops_in_place_give_the_same),
        cmocka_unit_test(gradients_in_place_are_the_same),
        cmocka_unit_test(one_kernel_runs_in_several_threads),
        cmocka_unit_test(layouts_copy_compare_and_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
