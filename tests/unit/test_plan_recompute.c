// Recomputing: runs that may take less memory give the same bits, both ways and in what they leave behind.

#include "unit/nets.h"

// Moving statistics are changed by a run, so each run starts from a copy of all weights.
typedef struct outcome {
    size_t run_bytes;
    int n_again;
    double more_time;
    int n;
    float *gradient, *weight, *logits; // all of them, one after the other
    size_t n_gradient, n_weight, n_logits;
} outcome;

static float *collect(size_t *n, const float *from, int64_t count, float *all)
{
    tw_err err = {0};
    float *grown = twi_new(*n + (size_t)count, sizeof *grown, "numbers", &err);
    if (*n)
        memcpy(grown, all, *n * sizeof *all);
    memcpy(grown + *n, from, (size_t)count * sizeof *from);
    *n += (size_t)count;
    twi_free(all);
    return grown;
}

// Two steps with different random numbers, then all weights are put back.
static outcome run_steps(tw_model *m, int64_t run_limit, int64_t batch)
{
    tw_err err = {0};
    outcome o = {0};
    float *before = NULL;
    size_t n_before = 0, at = 0;
    twi_weights all = {0};
    assert_int_equal(twi_model_weights(m, &all, &err), TW_OK);
    for (int i = 0; i < all.n; i++)
        before = collect(&n_before, all.at[i]->data, twi_shape_count(&all.at[i]->shape), before);
    twi_plan *plan = net_plan(m, (twi_plan_options){.batch = batch,
                                                    .is_training = true,
                                                    .wants_gradients = true,
                                                    .threads = 1,
                                                    .run_limit = run_limit});
    o.run_bytes = twi_plan_run_bytes(plan);
    o.n_again = twi_plan_n_again(plan);
    o.more_time = twi_plan_more_time(plan);
    twi_run *run = twi_run_new(plan, &err);
    expect_ok(err);
    for (uint64_t step = 0; step < 2; step++) {
        for (int i = 0; i < twi_plan_n_inputs(plan); i++)
            net_numbers(twi_run_input(run, i), net_count(twi_plan_input(plan, i)), 5 + step);
        twi_run_forward(run, 3, step, &err);
        int64_t n = net_count(twi_plan_output(plan, 0));
        o.logits = collect(&o.n_logits, twi_run_logits(run), n, o.logits);
        net_numbers(twi_run_grad_logits(run), n, 17);
        twi_run_backward(run, 3, step, &err);
        expect_ok(err);
        for (int i = 0; i < twi_plan_n_gradients(plan); i++)
            o.gradient = collect(&o.n_gradient, twi_run_gradient(run, i),
                                 twi_shape_count(&twi_plan_gradient_weight(plan, i)->shape), o.gradient);
    }
    for (int i = 0; i < all.n; i++) {
        int64_t count = twi_shape_count(&all.at[i]->shape);
        o.weight = collect(&o.n_weight, all.at[i]->data, count, o.weight);
        memcpy(all.at[i]->data, before + at, (size_t)count * sizeof *before);
        at += (size_t)count;
    }
    twi_run_free(run);
    twi_plan_free(plan);
    twi_weights_clear(&all);
    twi_free(before);
    return o;
}

static void clear(outcome *o)
{
    twi_free(o->gradient);
    twi_free(o->weight);
    twi_free(o->logits);
}

static void expect_same_bits(const outcome *a, const outcome *b)
{
    assert_int_equal(a->n_gradient, b->n_gradient);
    assert_memory_equal(a->gradient, b->gradient, a->n_gradient * sizeof(float));
    assert_memory_equal(a->logits, b->logits, a->n_logits * sizeof(float));
    assert_memory_equal(a->weight, b->weight, a->n_weight * sizeof(float));
}

// Convolutions with batch statistics, sums, dropout and noise: all of what is made again with care.
static tw_model *deep_net(int blocks)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("deep", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 16, 16, 3)), skip;
    x = net_layer(m, "Conv2D", NULL, x, "filters=8 kernel_size=3 padding=same");
    for (int i = 0; i < blocks; i++) {
        skip = x;
        x = net_layer(m, "Conv2D", NULL, x, "filters=8 kernel_size=3 padding=same use_bias=false");
        x = net_layer(m, "BatchNormalization", NULL, x, "momentum=0.9");
        x = net_layer(m, "Activation", NULL, x, i % 2 ? "activation=relu" : "activation=swish");
        x = net_layer(m, "DepthwiseConv2D", NULL, x, "kernel_size=3 padding=same use_bias=false");
        x = net_layer(m, "BatchNormalization", NULL, x, "");
        if (i % 3 == 1)
            x = net_layer(m, "Dropout", NULL, x, "rate=0.3");
        if (i % 3 == 2)
            x = net_layer(m, "GaussianNoise", NULL, x, "stddev=0.1");
        x = net_join(m, "Add", NULL, x, skip);
    }
    x = net_layer(m, "GlobalAveragePooling2D", NULL, x, "");
    return net_done(m, net_layer(m, "Dense", "out", x, "units=3 activation=softmax"), 11);
}

static void what_is_recomputed_has_the_same_bits(void **state)
{
    (void)state;
    tw_model *m = deep_net(9);
    outcome whole = run_steps(m, 0, 4);
    assert_int_equal(whole.n_again, 0);
    for (int percent = 90; percent > 0; percent -= 10) {
        outcome less = run_steps(m, (int64_t)whole.run_bytes * percent / 100, 4);
        expect_same_bits(&whole, &less);
        assert_true(less.n_again > 0);
        clear(&less);
    }
    clear(&whole);
    twi_model_free(m);
}

static void a_limit_is_kept_where_it_can_be(void **state)
{
    (void)state;
    tw_model *m = deep_net(16);
    outcome whole = run_steps(m, 0, 4), least = run_steps(m, 1, 4);
    // A chain of n equal parts can do with about 2 √n of them; this one has more in each part than at its ends.
    assert_true(least.run_bytes < whole.run_bytes / 2);
    double last = 0;
    for (int percent = 95; percent >= 55; percent -= 10) {
        size_t limit = whole.run_bytes * (size_t)percent / 100;
        outcome o = run_steps(m, (int64_t)limit, 4);
        assert_in_range(o.run_bytes, least.run_bytes, limit);
        assert_true(o.more_time > 0 && o.more_time < 0.6);
        assert_true(o.more_time >= last); // more room never costs more
        last = o.more_time;
        clear(&o);
    }
    clear(&whole);
    clear(&least);
    twi_model_free(m);
}

static void what_fits_is_left_alone(void **state)
{
    (void)state;
    tw_model *m = deep_net(3);
    outcome whole = run_steps(m, 0, 2), same = run_steps(m, (int64_t)whole.run_bytes, 2);
    assert_int_equal(same.n_again, 0);
    assert_int_equal(same.run_bytes, whole.run_bytes);
    assert_true(same.more_time == 0);
    clear(&whole);
    clear(&same);
    twi_model_free(m);
}

// Large kernels and an activation that reads its input: dropping results of those is enough.
static void cheap_results_go_first(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("swish", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 16, 16, 3));
    for (int i = 0; i < 8; i++)
        x = net_layer(m, "Conv2D", NULL, x, "filters=16 kernel_size=3 padding=same activation=swish");
    x = net_layer(m, "GlobalAveragePooling2D", NULL, x, "");
    net_done(m, net_layer(m, "Dense", "out", x, "units=3"), 5);
    outcome whole = run_steps(m, 0, 4);
    twi_plan *plan = net_plan(m, (twi_plan_options){.batch = 4,
                                                    .is_training = true,
                                                    .wants_gradients = true,
                                                    .threads = 1,
                                                    .run_limit = (int64_t)whole.run_bytes * 80 / 100});
    assert_true(twi_plan_run_bytes(plan) <= whole.run_bytes * 80 / 100);
    json_t *all = twi_plan_json(plan, &err), *one;
    size_t i;
    int n = 0;
    json_array_foreach(json_object_get(all, "ops"), i, one)
    {
        const char *op = twi_json_string(one, "op", "");
        n += strstr(op, " again") != NULL;
        assert_null(strstr(op, "conv again"));
    }
    assert_int_equal(n, twi_plan_n_again(plan));
    assert_in_range(n, 1, 7);
    json_decref(all);
    twi_plan_free(plan);
    clear(&whole);
    twi_model_free(m);
}

static void an_estimate_says_what_the_plan_takes(void **state)
{
    (void)state;
    tw_model *m = deep_net(6);
    twi_plan_options o = {
        .batch = 4, .is_training = true, .wants_gradients = true, .threads = 1, .run_limit = 1};
    twi_plan *plan = net_plan(m, o);
    o.is_estimate = true;
    twi_plan *estimate = net_plan(m, o);
    assert_int_equal(twi_plan_run_bytes(plan), twi_plan_run_bytes(estimate));
    assert_int_equal(twi_plan_n_again(plan), twi_plan_n_again(estimate));
    twi_plan_free(plan);
    twi_plan_free(estimate);
    twi_model_free(m);
}

// A weight whose gradient is handed over may change in the middle of the way back.
static void take(void *self, int i, int64_t at, int64_t n, float *g)
{
    const twi_plan *plan = self;
    float *w = twi_plan_gradient_weight(plan, i)->data + at;
    for (int64_t k = 0; k < n; k++)
        w[k] -= 0.1f * g[k];
}

static float *step_handed_over(int64_t run_limit, size_t *n, int *n_again)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("wide", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 8, 8, 3));
    for (int i = 0; i < 4; i++)
        x = net_layer(m, "Conv2D", NULL, x, "filters=8 kernel_size=3 padding=same activation=swish");
    x = net_layer(m, "Flatten", NULL, x, "");
    for (int i = 0; i < 4; i++)
        x = net_layer(m, "Dense", NULL, x, "units=512 activation=swish");
    net_done(m, net_layer(m, "Dense", NULL, x, "units=2"), 3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.batch = 8,
                                                    .is_training = true,
                                                    .wants_gradients = true,
                                                    .threads = 1,
                                                    .hands_over_from = 100000,
                                                    .run_limit = run_limit});
    *n_again = twi_plan_n_again(plan);
    twi_run *run = net_run(plan, 7);
    twi_run_set_taker(run, take, plan);
    net_numbers(twi_run_grad_logits(run), net_count(twi_plan_output(plan, 0)), 9);
    twi_run_backward(run, 1, 1, &err);
    expect_ok(err);
    float *all = NULL;
    for (int i = 0; i < twi_plan_n_gradients(plan); i++) {
        twi_weight *w = twi_plan_gradient_weight(plan, i);
        bool is_handed = twi_plan_hands_over(plan, i);
        all = collect(n, is_handed ? w->data : twi_run_gradient(run, i), twi_shape_count(&w->shape), all);
    }
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
    return all;
}

static void weights_that_change_on_the_way_back_are_read_before(void **state)
{
    (void)state;
    size_t n[2] = {0, 0};
    int n_again[2];
    float *whole = step_handed_over(0, &n[0], &n_again[0]), *less = step_handed_over(1, &n[1], &n_again[1]);
    assert_int_equal(n[0], n[1]);
    assert_int_equal(n_again[0], 0);
    assert_true(n_again[1] > 0);
    assert_memory_equal(whole, less, n[0] * sizeof *whole);
    twi_free(whole);
    twi_free(less);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_recomputed_has_the_same_bits),
        cmocka_unit_test(a_limit_is_kept_where_it_can_be),
        cmocka_unit_test(what_fits_is_left_alone),
        cmocka_unit_test(cheap_results_go_first),
        cmocka_unit_test(an_estimate_says_what_the_plan_takes),
        cmocka_unit_test(weights_that_change_on_the_way_back_are_read_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
