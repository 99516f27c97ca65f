// Frontiers: where the frozen part ends, what crosses, and that the two parts make the whole.

#include "unit/nets.h"

#include "engine/inside.h"

static twi_frontier find(const tw_model *m, size_t prefer_bytes)
{
    tw_err err = {0};
    twi_frontier f;
    twi_frontier_find(m, prefer_bytes, &f, &err);
    expect_ok(err);
    return f;
}

// Runs the model as a whole, and as prefix and rest; all in inference mode.
static void expect_parts_make_the_whole(const tw_model *m, const twi_frontier *f, twi_precision precision,
                                        double tolerance)
{
    tw_err err = {0};
    twi_plan *whole = net_plan(m, (twi_plan_options){.precision = precision});
    twi_plan *prefix = net_plan(m, (twi_plan_options){.to = f, .precision = precision});
    twi_plan *rest = net_plan(m, (twi_plan_options){.from = f, .precision = precision});
    assert_int_equal(twi_plan_n_outputs(prefix), f->n);
    assert_int_equal(twi_plan_n_inputs(rest), f->n);
    twi_run *a = net_run(whole, 5), *b = net_run(prefix, 5), *c = twi_run_new(rest, &err);
    for (int i = 0; i < f->n; i++) {
        assert_true(twi_shape_same(twi_plan_output(prefix, i), twi_plan_input(rest, i)));
        memcpy(twi_run_input(c, i), twi_run_output(b, i),
               (size_t)net_count(twi_plan_input(rest, i)) * sizeof(float));
    }
    twi_run_forward(c, 1, 1, &err);
    expect_ok(err);
    expect_same(twi_run_output(c, 0), twi_run_output(a, 0), net_count(twi_plan_output(whole, 0)), tolerance);
    assert_true(twi_plan_macs(prefix) + twi_plan_macs(rest) == twi_plan_macs(whole));
    twi_run_free(a);
    twi_run_free(b);
    twi_run_free(c);
    twi_plan_free(whole);
    twi_plan_free(prefix);
    twi_plan_free(rest);
}

static void a_frozen_trunk_ends_at_its_output_or_at_the_pooled_vector(void **state)
{
    (void)state;
    tw_model *m = net_transfer(true, NULL, NULL);
    twi_frontier pooled = find(m, 0), small = find(m, 3 * 3 * 16 * 4), large = find(m, 3 * 3 * 16 * 4 - 1);
    assert_int_equal(pooled.n, 1);
    assert_string_equal(pooled.at[0].label, "gap");
    assert_string_equal(pooled.ended_by, "out");
    assert_int_equal(twi_frontier_bytes(&pooled), 16 * 4);
    assert_string_equal(small.at[0].label, "pool");
    assert_int_equal(twi_frontier_bytes(&small), 3 * 3 * 16 * 4);
    assert_string_equal(large.at[0].label, "gap");
    assert_memory_not_equal(pooled.key, small.key, 16);
    assert_memory_equal(pooled.key, large.key, 16);
    expect_parts_make_the_whole(m, &pooled, TWI_EXACT, 1e-5);
    expect_parts_make_the_whole(m, &small, TWI_PRECISE, 1e-3);
    twi_model_free(m);
}

static void a_head_with_frozen_weights_keeps_its_frontier(void **state)
{
    (void)state;
    tw_model *m = net_transfer(true, "BatchNormalization", "");
    twi_layer_set_trainable(m->layers.at[m->layers.n - 2], false);
    twi_frontier f = find(m, 1 << 20);
    assert_int_equal(f.n, 1);
    assert_string_equal(f.at[0].label, "batch_normalization"); // its weights lie between trunk and frontier
    twi_model_free(m);
}

static void dropout_ends_the_prefix_unless_the_nest_is_in_inference(void **state)
{
    (void)state;
    tw_err err = {0};
    for (int is_inference = 0; is_inference < 2; is_inference++) {
        tw_model *trunk = twi_model_new("trunk", false, &err), *m = twi_model_new("net", true, &err);
        twi_tensor x = twi_model_input(trunk, NULL, &TWI_SHAPE(-1, 12, 12, 3));
        x = net_layer(trunk, "Dropout", "drop", net_blocks(trunk, x, ""), "rate=0.5");
        x = net_layer(trunk, "Conv2D", "top", x, "filters=8 kernel_size=1");
        net_done(trunk, x, 3);
        twi_model_set_trainable(trunk, false);
        twi_layer *nest = twi_layer_nest(trunk, &err);
        nest->is_inference = is_inference;
        twi_model_add(m, nest);
        x = net_layer(m, "Dense", "out", net_layer(m, "Flatten", "flat", m->outputs.at[0], ""), "units=3");
        m->outputs.n = 0;
        net_done(m, x, 3);
        twi_frontier f = find(m, 0);
        assert_int_equal(f.n, 1);
        assert_string_equal(f.at[0].label, is_inference ? "flat" : "pool");
        assert_string_equal(f.ended_by, is_inference ? "out" : "drop");
        expect_parts_make_the_whole(m, &f, TWI_EXACT, 1e-5);
        twi_layer_free(nest);
        twi_model_free(trunk);
        twi_model_free(m);
    }
}

static void batch_statistics_end_the_prefix(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    twi_model_freeze(m, "all", NULL);
    twi_layer_set_trainable(twi_model_find(m, "bn3"), true);
    twi_weight *gamma = &twi_model_find(m, "bn3")->weights[0];
    gamma[0].is_trainable = gamma[1].is_trainable = false; // only its statistics are left
    twi_frontier f = find(m, 0);
    assert_int_equal(f.n, 1);
    assert_string_equal(f.at[0].label, "depthwise");
    assert_string_equal(f.ended_by, "bn3");
    twi_model_free(m);
}

static void a_cut_inside_a_residual_block_has_two_values(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    twi_model_freeze(m, "until:relu1", NULL);
    twi_frontier f = find(m, 0);
    assert_string_equal(f.at[0].label, "relu1");
    assert_int_equal(f.n, 1); // the block starts at one value …
    twi_layer_set_trainable(twi_model_find(m, "conv2"), false);
    twi_layer_set_trainable(twi_model_find(m, "bn2"), true);
    f = find(m, 0);
    assert_int_equal(f.n, 2); // … and inside it the other arm crosses too
    assert_string_equal(f.at[0].label, "relu1");
    assert_string_equal(f.at[1].label, "conv2");
    assert_int_equal(twi_frontier_bytes(&f), 2 * 12 * 12 * 16 * 4);
    expect_parts_make_the_whole(m, &f, TWI_EXACT, 1e-4);
    twi_model_free(m);
}

static void more_values_than_a_row_holds_move_the_cut_back(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("fan", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6)), sum = {-1, 0};
    x = net_layer(m, "Dense", "stem", x, "units=6 activation=tanh");
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "frozen%d", i);
        twi_tensor y = net_layer(m, "Dense", name, x, "units=6 activation=relu");
        snprintf(name, sizeof name, "trained%d", i);
        y = net_layer(m, "Dense", name, y, "units=6");
        sum = i ? net_join(m, "Add", NULL, sum, y) : y;
    }
    net_done(m, sum, 3);
    twi_layer_set_trainable(twi_model_find(m, "stem"), false);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "frozen%d", i);
        twi_layer_set_trainable(twi_model_find(m, name), false);
    }
    twi_frontier f = find(m, 0);
    assert_in_range(f.n, 1, TWI_FRONTIER_MAX);
    expect_parts_make_the_whole(m, &f, TWI_EXACT, 1e-5);
    twi_model_free(m);
}

static void a_frozen_model_is_all_prefix(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    twi_model_set_trainable(m, false);
    twi_frontier f = find(m, 1 << 20);
    assert_true(f.is_all);
    assert_int_equal(f.n, 1);
    assert_string_equal(f.at[0].label, "out");
    assert_string_equal(f.ended_by, "");
    twi_model_free(m);
}

static void without_frozen_weights_there_is_no_prefix(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("net", true, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 4, 4, 3));
    x = net_layer(m, "Flatten", "flat", net_layer(m, "Rescaling", "scale", x, "scale=0.1"), "");
    net_done(m, net_layer(m, "Dense", "out", x, "units=3"), 3);
    twi_frontier f = find(m, 0);
    assert_int_equal(f.n, 0);
    assert_string_equal(f.ended_by, "out");
    assert_null(twi_plan_new(m, &(twi_plan_options){.batch = 1, .to = &f}, &err));
    expect_error(err, TW_EINVAL, "nothing of the model is frozen");
    twi_plan_free(net_plan(m, (twi_plan_options){.from = &f})); // from its inputs
    twi_model_free(m);
}

static void two_inputs_of_which_one_is_frozen(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("two", false, &err);
    twi_tensor a = twi_model_input(m, "a", &TWI_SHAPE(-1, 6)), b = twi_model_input(m, "b", &TWI_SHAPE(-1, 6));
    a = net_layer(m, "Dense", "frozen", a, "units=4");
    net_done(m, net_layer(m, "Dense", "out", net_join(m, "Concatenate", "join", a, b), "units=3"), 3);
    twi_layer_set_trainable(twi_model_find(m, "frozen"), false);
    twi_frontier f = find(m, 0);
    // The concatenation of both is frozen too: one value, both inputs inside.
    assert_int_equal(f.n, 1);
    assert_string_equal(f.at[0].label, "join");
    twi_layer_set_trainable(twi_model_find(m, "out"), true);
    twi_model_free(m);
}

static void the_key_follows_values_and_nothing_else(void **state)
{
    (void)state;
    tw_model *m = net_trunk("", 3), *renamed = net_trunk("other_", 3);
    twi_model_set_trainable(m, false);
    twi_model_set_trainable(renamed, false);
    twi_frontier a = find(m, 0), b = find(renamed, 0);
    assert_memory_equal(a.key, b.key, 16);
    twi_weight *w = &twi_model_find(m, "conv2")->weights[0];
    float was = w->data[5];
    w->data[5] = nextafterf(was, 100);
    b = find(m, 0);
    assert_memory_not_equal(a.key, b.key, 16);
    w->data[5] = was;
    b = find(m, 0);
    assert_memory_equal(a.key, b.key, 16);
    tw_layer_kind const *relu = twi_layer_kind_find("ReLU");
    (void)relu;
    tw_err err = {0};
    twi_layer_set(twi_model_find(m, "relu1"), "max_value=5", &err);
    expect_ok(err);
    b = find(m, 0);
    assert_memory_not_equal(a.key, b.key, 16);
    twi_model_free(m);
    twi_model_free(renamed);
}

static void the_key_does_not_see_the_head(void **state)
{
    (void)state;
    tw_model *m = net_transfer(true, NULL, NULL), *other = net_transfer(true, "Dropout", "rate=0.5");
    twi_frontier a = find(m, 0), b = find(other, 0);
    assert_memory_equal(a.key, b.key, 16);
    twi_model_free(m);
    twi_model_free(other);
}

static void the_key_knows_the_parameters_of_every_op(void **state)
{
    (void)state;
    for (const twi_op_kind *const *kind = twi_ops; *kind; kind++)
        if (!twi_key_knows(*kind))
            fail_msg("op %s has parameters that the key of a prefix does not know", (*kind)->name);
}

static void a_frontier_of_another_model_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_transfer(true, NULL, NULL), *other = net_classifier(3);
    twi_frontier f = find(m, 1 << 20);
    f.at[0].shape.dim[3] = 99;
    assert_null(twi_plan_new(other, &(twi_plan_options){.batch = 1, .from = &f}, &err));
    expect_error(err, TW_EINVAL, "another model");
    err = (tw_err){0};
    f.at[0].node = 1000;
    assert_null(twi_plan_new(other, &(twi_plan_options){.batch = 1, .to = &f}, &err));
    expect_error(err, TW_EINVAL, "another model");
    twi_model_free(m);
    twi_model_free(other);
}

static void a_frontier_that_leaves_an_input_open_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_model_freeze(m, "until:bn2", NULL);
    twi_layer_set_trainable(twi_model_find(m, "bn2"), true);
    twi_frontier f = find(m, 0);
    assert_int_equal(f.n, 2);
    f.at[0] = f.at[1];
    f.n = 1;
    assert_null(twi_plan_new(m, &(twi_plan_options){.batch = 1, .from = &f}, &err));
    expect_error(err, TW_EINVAL, "before the frontier");
    twi_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frozen_trunk_ends_at_its_output_or_at_the_pooled_vector),
        cmocka_unit_test(a_head_with_frozen_weights_keeps_its_frontier),
        cmocka_unit_test(dropout_ends_the_prefix_unless_the_nest_is_in_inference),
        cmocka_unit_test(batch_statistics_end_the_prefix),
        cmocka_unit_test(a_cut_inside_a_residual_block_has_two_values),
        cmocka_unit_test(more_values_than_a_row_holds_move_the_cut_back),
        cmocka_unit_test(a_frozen_model_is_all_prefix),
        cmocka_unit_test(without_frozen_weights_there_is_no_prefix),
        cmocka_unit_test(two_inputs_of_which_one_is_frozen),
        cmocka_unit_test(the_key_follows_values_and_nothing_else),
        cmocka_unit_test(the_key_does_not_see_the_head),
        cmocka_unit_test(the_key_knows_the_parameters_of_every_op),
        cmocka_unit_test(a_frontier_of_another_model_is_refused),
        cmocka_unit_test(a_frontier_that_leaves_an_input_open_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
