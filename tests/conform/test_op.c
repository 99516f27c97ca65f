// Every op keeps its promises: shapes, gradients, memory. The cases are rows of op_cases.h.

#include "op_cases.h"

static void every_op_has_a_case(void **state)
{
    (void)state;
    for (int i = 0; twi_ops[i]; i++) {
        bool is_found = false;
        for (int k = 0; k < N_CASES; k++)
            is_found |= case_kind(&CASES[k]) == twi_ops[i];
        if (!is_found)
            fail_msg("op '%s' has no row in op_cases.h", twi_ops[i]->name);
    }
}

static void rows_are_complete_and_sorted(void **state)
{
    (void)state;
    for (int i = 0; twi_ops[i]; i++) {
        const twi_op_kind *k = twi_ops[i];
        assert_true(k->name && k->doc && k->infer && k->forward && k->backward);
        assert_true(1 <= k->in_min && k->in_min <= k->in_max && k->in_max <= TWI_OP_IN_MAX);
        assert_true(i == 0 || strcmp(twi_ops[i - 1]->name, k->name) < 0);
    }
}

static void shapes_are_what_the_cases_say(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        tw_shape out[TWI_OP_OUT_MAX];
        tw_err err = {0};
        int n_out = 0;
        if (case_kind(c)->infer(c->params, c->n_in, c->in, out, &n_out, &err))
            fail_msg("%s: %s", c->name, err.msg);
        if (n_out != c->n_out)
            fail_msg("%s: %d results, expected %d", c->name, n_out, c->n_out);
        for (int i = 0; i < n_out; i++) {
            char got[TWI_SHAPE_TEXT], expected[TWI_SHAPE_TEXT];
            if (!twi_shape_same(&out[i], &c->out[i]))
                fail_msg("%s: shape %s, expected %s", c->name, twi_shape_text(&out[i], got),
                         twi_shape_text(&c->out[i], expected));
        }
    }
}

static void multiply_adds_are_counted(void **state)
{
    (void)state;
    struct {
        const char *name;
        int64_t macs;
    } known[] = {{"conv/same", 30 * 27 * 8},
                 {"conv/groups", 20 * 27 * 8},
                 {"conv/depthwise", 3 * 6 * 9 * 7},
                 {"conv_transpose/valid", 12 * 27 * 4},
                 {"matmul/leading_axes", 30 * 4 * 67}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int k = 0; k < N_CASES; k++)
            if (strcmp(CASES[k].name, known[i].name) == 0)
                assert_int_equal(case_kind(&CASES[k])->macs(CASES[k].params, CASES[k].in, CASES[k].out),
                                 known[i].macs);
}

// Σ grad_out · y after a forward run, and what an op adds to a loss itself: the loss whose gradients are checked.
static double loss(const twi_kernel *forward, op_run *r)
{
    // batch_norm moves inputs 3 and 4: each run starts from the same ones.
    float *kept[TWI_OP_IN_MAX] = {0};
    double sum = 0;
    for (int i = 3; i < r->c->n_in; i++)
        kept[i] = r->in[i] ? numbers_copy(&r->c->in[i], r->in[i]) : NULL;
    kernel_run(forward, r);
    for (int64_t j = 0; j < twi_shape_count(&r->c->out[0]); j++)
        sum += (double)r->grad_out[j] * r->out[0][j];
    if (case_kind(r->c)->flags & TWI_OP_LOSS)
        for (int64_t i = 0, n = r->c->out[1].dim[0]; i < n; i++)
            sum += (double)r->out[1][i] / (double)n;
    for (int i = 3; i < r->c->n_in; i++) {
        if (kept[i])
            memcpy(r->in[i], kept[i], (size_t)twi_shape_count(&r->c->in[i]) * sizeof(float));
        twi_free(kept[i]);
    }
    return sum;
}

static void check_gradient(const twi_kernel *forward, op_run *r, int i)
{
    const op_case *c = r->c;
    int64_t n = twi_shape_count(&c->in[i]);
    float *expected = numbers(&c->in[i]);
    char what[16];
    for (int64_t j = 0; j < n; j++) {
        float at = r->in[i][j], up = at + 0.01f, down = at - 0.01f;
        r->in[i][j] = up;
        double above = loss(forward, r);
        r->in[i][j] = down;
        double below = loss(forward, r);
        r->in[i][j] = at;
        expected[j] = (float)((above - below) / ((double)up - down));
    }
    snprintf(what, sizeof what, "gradient %d", i);
    expect_same(c->name, what, r->grad_in[i], expected, &c->in[i], 2e-3);
    twi_free(expected);
}

static void gradients_are_those_of_finite_differences(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        op_run r = case_run(c);
        twi_kernel *forward = reference_of(c, TWI_FORWARD), *backward = reference_of(c, TWI_BACKWARD);
        loss(forward, &r);
        kernel_run(backward, &r);
        for (int i = 0; i < c->n_in; i++)
            if (r.in[i] && !(c->no_grad >> i & 1))
                check_gradient(forward, &r, i);
        twi_kernel_free(forward);
        twi_kernel_free(backward);
        case_free(&r);
    }
}

// Wanting one gradient gives the same numbers as wanting all, and leaves the others alone.
static void gradients_come_one_by_one(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        op_run all = case_run(c), one = case_run(c);
        twi_kernel *forward = reference_of(c, TWI_FORWARD), *backward = reference_of(c, TWI_BACKWARD);
        loss(forward, &all);
        loss(forward, &one);
        kernel_run(backward, &all);
        for (int i = 0; i < c->n_in; i++) {
            tw_err err = {0};
            twi_kernel_request q = case_request(c, TWI_BACKWARD, TWI_REFERENCE);
            if (!(q.grads_wanted >> i & 1))
                continue;
            q.grads_wanted = 1u << i;
            twi_kernel *single = twi_kernel_new(&q, &err);
            expect_ok(err);
            for (int other = 0; other < c->n_in; other++)
                if (one.grad_in[other])
                    one.grad_in[other][0] = 12345;
            kernel_run(single, &one);
            expect_same(c->name, "single gradient", one.grad_in[i], all.grad_in[i], &c->in[i], 0);
            for (int other = 0; other < c->n_in; other++)
                if (other != i && one.grad_in[other])
                    expect_near(one.grad_in[other][0], 12345, 0);
            twi_kernel_free(single);
        }
        twi_kernel_free(forward);
        twi_kernel_free(backward);
        case_free(&all);
        case_free(&one);
    }
}

static void ops_in_place_give_the_same(void **state)
{
    (void)state;
    int n = 0;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        if (!(case_kind(c)->flags & TWI_OP_IN_PLACE) || !twi_shape_same(&c->in[0], &c->out[0]))
            continue;
        op_run apart = case_run(c), same = case_run(c);
        twi_kernel *forward = reference_of(c, TWI_FORWARD);
        kernel_run(forward, &apart);
        float *own = same.out[0];
        same.out[0] = same.in[0];
        kernel_run(forward, &same);
        expect_same(c->name, "in place", same.out[0], apart.out[0], &c->out[0], 0);
        same.out[0] = own;
        twi_kernel_free(forward);
        case_free(&apart);
        case_free(&same);
        n++;
    }
    assert_true(n > 30);
}

static void gradients_in_place_are_the_same(void **state)
{
    (void)state;
    int n = 0;
    for (int k = 0; k < N_CASES; k++) {
        const op_case *c = &CASES[k];
        if (!(case_kind(c)->flags & TWI_OP_GRAD_IN_PLACE))
            continue;
        op_run apart = case_run(c), same = case_run(c);
        twi_kernel *forward = reference_of(c, TWI_FORWARD), *backward = reference_of(c, TWI_BACKWARD);
        expect_same_in_place(forward, backward, &apart, &same);
        twi_kernel_free(forward);
        twi_kernel_free(backward);
        n++;
    }
    assert_true(n > 30);
}

// Fusions of the reference are the ops one after the other.
static void fused_references_are_exact(void **state)
{
    (void)state;
    for (int k = 0; k < N_CASES; k++) {
        op_case c = CASES[k];
        if (c.n_in == TWI_OP_IN_MAX)
            continue;
        tw_err err = {0};
        op_run r = case_run(&CASES[k]);
        twi_kernel *plain = reference_of(&CASES[k], TWI_FORWARD);
        kernel_run(plain, &r);
        float *expected = numbers_copy(&c.out[0], r.out[0]);
        for (int64_t j = 0; j < twi_shape_count(&c.out[0]); j++) {
            float sum = expected[j] + r.grad_out[j];
            expected[j] = sum > 0 ? fminf(sum, 1.5f) : 0;
        }
        c.in[c.n_in++] = c.out[0];
        op_run fused = case_run(&CASES[k]);
        fused.in[c.n_in - 1] = numbers_copy(&c.out[0], r.grad_out);
        twi_kernel_request q = case_request(&c, TWI_FORWARD, TWI_REFERENCE);
        q.n_fusion = 2;
        q.fusion[0] = (twi_fusion){.what = TWI_FUSE_ADD, .input = c.n_in - 1};
        q.fusion[1] = (twi_fusion){.what = TWI_FUSE_ACTIVATION, .activation = TWI_RELU, .alpha = 1.5};
        twi_kernel *kernel = twi_kernel_new(&q, &err);
        expect_ok(err);
        kernel_run(kernel, &fused);
        expect_same(c.name, "fused", fused.out[0], expected, &c.out[0], 0);
        twi_free(expected);
        twi_kernel_free(plain);
        twi_kernel_free(kernel);
        case_free(&fused);
        case_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(rows_are_complete_and_sorted),
        cmocka_unit_test(shapes_are_what_the_cases_say),
        cmocka_unit_test(multiply_adds_are_counted),
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(gradients_come_one_by_one),
        cmocka_unit_test(ops_in_place_give_the_same),
        cmocka_unit_test(gradients_in_place_are_the_same),
        cmocka_unit_test(fused_references_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
