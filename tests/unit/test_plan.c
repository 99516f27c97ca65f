// Plans: whatever is folded, fused, laid out and placed, the numbers are those of the plain program.

#include "unit/nets.h"

#include <pthread.h>

static void compare_plans(const tw_model *m, twi_plan_options o, double tolerance)
{
    twi_plan *plain = net_plan(m, (twi_plan_options){.is_reference = true, .no_fusion = true});
    twi_plan *plan = net_plan(m, o);
    twi_run *a = net_run(plan, 5), *b = net_run(plain, 5);
    expect_same(twi_run_output(a, 0), twi_run_output(b, 0), net_count(twi_plan_output(plan, 0)), tolerance);
    twi_run_free(a);
    twi_run_free(b);
    twi_plan_free(plan);
    twi_plan_free(plain);
}

static void fused_plans_equal_the_plain_program(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-4);
    compare_plans(m, (twi_plan_options){.threads = 2, .precision = TWI_PRECISE}, 1e-3);
    compare_plans(m, (twi_plan_options){.no_fusion = true}, 1e-4);
    compare_plans(m, (twi_plan_options){.is_reference = true}, 1e-4);
    twi_model_set_trainable(m, false);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-4);
    compare_plans(m, (twi_plan_options){.precision = TWI_PRECISE}, 1e-3);
    compare_plans(m, (twi_plan_options){.precision = TWI_BRAIN}, 0.2);
    twi_model_free(m);
}

static int count_ops(const json_t *plan, const char *op)
{
    int n = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(plan, "ops"), i, one) n +=
        strcmp(twi_json_string(one, "op", ""), op) == 0;
    return n;
}

static void batch_norms_behind_convolutions_are_folded(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_reference = true});
    twi_plan *plain = net_plan(m, (twi_plan_options){.is_reference = true, .no_fusion = true});
    json_t *folded = twi_plan_json(plan, &err), *whole = twi_plan_json(plain, &err);
    expect_ok(err);
    assert_int_equal(count_ops(folded, "batch_norm"), 0);
    assert_int_equal(count_ops(whole, "batch_norm"), 3);
    assert_int_equal(count_ops(folded, "conv"), 3);
    const json_t *first = json_array_get(json_object_get(folded, "ops"), 0);
    assert_string_equal(twi_json_string(first, "layer", ""), "conv1");
    assert_string_equal(twi_json_string(first, "fused", ""), "batch_norm");
    assert_int_equal(twi_json_int(first, "macs", 0), 2 * 12 * 12 * 16 * 9 * 3);
    assert_int_equal(twi_json_int(json_object_get(folded, "totals"), "macs", 0), twi_plan_macs(plan));
    json_decref(folded);
    json_decref(whole);
    twi_plan_free(plan);
    twi_plan_free(plain);
    twi_model_free(m);
}

// What is done to the channels of a convolution's result by constants of every kind.
static void scales_of_every_kind_are_folded(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("scales", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6, 6, 3));
    x = net_layer(m, "Conv2D", "conv", x, "filters=4 kernel_size=3 use_bias=false");
    x = net_layer(m, "Rescaling", "scale", x, "scale=0.5 offset=0.25");
    x = net_layer(m, "Normalization", "normal", x, "mean=0.1,0.2,0.3,0.4 variance=1,2,3,4");
    x = net_layer(m, "BatchNormalization", "bn", x, "scale=false");
    x = net_layer(m, "GlobalAveragePooling2D", "gap", x, "");
    x = net_layer(m, "Dense", "dense", x, "units=6");
    x = net_layer(m, "Rescaling", "end", x, "scale=3 offset=-1");
    net_done(m, x, 11);
    twi_model_set_trainable(m, false);
    compare_plans(m, (twi_plan_options){.is_reference = true}, 1e-5);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_reference = true});
    json_t *json = twi_plan_json(plan, &err);
    assert_int_equal(json_array_size(json_object_get(json, "ops")), 3);
    json_decref(json);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void preprocessing_is_one_pass(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("prepared", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6, 6, 3));
    x = net_layer(m, "Rescaling", "scale", x, "scale=0.5 offset=-1");
    x = net_layer(m, "Normalization", "normal", x, "mean=0.1,0.2,0.3 variance=1,2,3");
    net_done(m, net_layer(m, "Conv2D", "conv", x, "filters=4 kernel_size=3 padding=same"), 11);
    compare_plans(m, (twi_plan_options){.is_reference = true}, 1e-5);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-5);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_reference = true});
    json_t *json = twi_plan_json(plan, &err);
    assert_int_equal(json_array_size(json_object_get(json, "ops")), 2);
    json_decref(json);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void padding_goes_into_what_reads_it_where_that_is_exact(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("pads", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 12, 12, 3));
    x = net_layer(m, "ZeroPadding2D", "pad1", x, "padding=3");
    x = net_layer(m, "Conv2D", "conv", x, "filters=8 kernel_size=5 strides=2");
    twi_tensor negative = net_layer(m, "ZeroPadding2D", "pad2", x, "padding=1");
    negative = net_layer(m, "MaxPooling2D", "pool2", negative, "pool_size=3 strides=2"); // zeros win: stays
    x = net_layer(m, "ZeroPadding2D", "pad3", net_layer(m, "ReLU", "relu", x, ""), "padding=1");
    x = net_layer(m, "MaxPooling2D", "pool3", x, "pool_size=3 strides=2");
    net_done(m, net_join(m, "Add", "add", x, negative), 11);
    compare_plans(m, (twi_plan_options){.is_reference = true}, 1e-5);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-5);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    json_t *json = twi_plan_json(plan, &err);
    assert_int_equal(count_ops(json, "pad"), 1);
    json_decref(json);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void a_value_with_two_readers_is_not_folded_away(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("two", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6, 6, 3));
    twi_tensor y = net_layer(m, "Conv2D", "conv", x, "filters=4 kernel_size=3");
    twi_tensor z = net_layer(m, "ReLU", "relu", y, "");
    net_done(m, net_join(m, "Add", "add", z, net_layer(m, "BatchNormalization", "bn", y, "")), 11);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-5);
    compare_plans(m, (twi_plan_options){.is_reference = true}, 1e-5);
    twi_model_free(m);
}

static void a_relu_that_starts_late_stays_itself(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("late", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6, 6, 3));
    x = net_layer(m, "Conv2D", "conv", x, "filters=4 kernel_size=3");
    net_done(m, net_layer(m, "ReLU", "relu", x, "threshold=0.5"), 11);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-5);
    twi_model_free(m);
}

static void memory_is_used_again(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("deep", true, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 8, 8, 4));
    for (int i = 0; i < 20; i++)
        x = net_layer(m, "Conv2D", NULL, x, "filters=4 kernel_size=3 padding=same activation=tanh");
    net_done(m, x, 3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_reference = true});
    size_t value = 2 * 8 * 8 * 4 * sizeof(float);
    assert_true(twi_plan_run_bytes(plan) <= 4 * value); // input, output, and two that take turns
    twi_plan_free(plan);
    compare_plans(m, (twi_plan_options){.threads = 1}, 1e-4);
    twi_model_free(m);
}

static void inputs_stay_as_the_caller_filled_them(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    twi_run *run = net_run(plan, 5);
    float first[10];
    memcpy(first, twi_run_output(run, 0), sizeof first);
    twi_run_forward(run, 1, 1, &err);
    expect_ok(err);
    assert_memory_equal(first, twi_run_output(run, 0), sizeof first);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void logits_are_what_the_softmax_was_given(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    assert_int_equal(twi_plan_final(plan), TWI_FINAL_SOFTMAX);
    twi_run *run = net_run(plan, 5);
    const float *z = twi_run_logits(run), *p = twi_run_output(run, 0);
    for (int row = 0; row < 2; row++, z += 5, p += 5) {
        double sum = 0;
        for (int i = 0; i < 5; i++)
            sum += exp(z[i]);
        for (int i = 0; i < 5; i++)
            expect_near(p[i], exp(z[i]) / sum, 1e-5);
    }
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void logits_are_there_when_a_sigmoid_ends_the_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("two", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6));
    net_done(m, net_layer(m, "Dense", "out", x, "units=1 activation=sigmoid"), 3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    assert_int_equal(twi_plan_final(plan), TWI_FINAL_SIGMOID);
    twi_run *run = net_run(plan, 5);
    for (int i = 0; i < 2; i++)
        expect_near(twi_run_output(run, 0)[i], 1 / (1 + exp(-twi_run_logits(run)[i])), 1e-6);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void without_a_final_function_logits_are_the_output(void **state)
{
    (void)state;
    tw_model *m = net_trunk("", 3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    assert_int_equal(twi_plan_final(plan), TWI_FINAL_NONE);
    twi_run *run = net_run(plan, 5);
    assert_ptr_equal(twi_run_logits(run), twi_run_output(run, 0));
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

typedef struct job {
    const twi_plan *plan;
    uint64_t seed;
    float output[10];
} job;

static void *work(void *arg)
{
    job *j = arg;
    for (int i = 0; i < 20; i++) {
        tw_err err = {0};
        twi_run *run = twi_run_new(j->plan, &err);
        if (!run)
            return NULL;
        net_numbers(twi_run_input(run, 0), net_count(twi_plan_input(j->plan, 0)), j->seed);
        twi_run_forward(run, 1, 1, &err);
        if (i && memcmp(j->output, twi_run_output(run, 0), sizeof j->output) != 0)
            j->output[0] = NAN;
        else
            memcpy(j->output, twi_run_output(run, 0), sizeof j->output);
        twi_run_free(run);
    }
    return NULL;
}

static void threads_may_share_a_plan(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    job jobs[3] = {{plan, 5, {0}}, {plan, 6, {0}}, {plan, 5, {0}}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    twi_run *run = net_run(plan, 5);
    assert_memory_equal(jobs[0].output, twi_run_output(run, 0), sizeof jobs[0].output);
    assert_memory_equal(jobs[2].output, twi_run_output(run, 0), sizeof jobs[0].output);
    assert_memory_not_equal(jobs[0].output, jobs[1].output, sizeof jobs[0].output);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void refresh_sees_changed_weights(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_model_set_trainable(m, false);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    twi_run *run = net_run(plan, 5);
    float before[10];
    memcpy(before, twi_run_output(run, 0), sizeof before);
    net_fill(m, 4);
    assert_int_equal(twi_plan_refresh(plan, &err), TW_OK);
    twi_run_forward(run, 1, 1, &err);
    twi_plan *fresh = net_plan(m, (twi_plan_options){.threads = 1});
    twi_run *other = net_run(fresh, 5);
    assert_memory_equal(twi_run_output(run, 0), twi_run_output(other, 0), sizeof before);
    assert_memory_not_equal(twi_run_output(run, 0), before, sizeof before);
    twi_run_free(run);
    twi_run_free(other);
    twi_plan_free(plan);
    twi_plan_free(fresh);
    twi_model_free(m);
}

static void trainable_weights_are_read_in_each_run(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_transfer(true, NULL, NULL);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_training = true, .wants_gradients = true});
    twi_run *run = net_run(plan, 5);
    float before[6];
    memcpy(before, twi_run_output(run, 0), sizeof before);
    twi_plan_gradient_weight(plan, 0)->data[0] += 1;
    twi_run_forward(run, 1, 1, &err);
    assert_memory_not_equal(twi_run_output(run, 0), before, sizeof before);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void a_weight_without_values_is_named(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_model_find(m, "bn2")->weights[1].is_set = false;
    assert_null(twi_plan_new(m, &(twi_plan_options){.batch = 1, .threads = 1}, &err));
    expect_error(err, TW_EINVAL, "bn2/beta");
    twi_model_free(m);
}

static void a_batch_of_nothing_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    assert_null(twi_plan_new(m, &(twi_plan_options){.batch = 0}, &err));
    expect_error(err, TW_EINVAL, "batch");
    twi_model_free(m);
}

static void measured_seconds_are_in_the_printed_plan(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    twi_run *run = net_run(plan, 5);
    json_t *json = twi_plan_json(plan, &err);
    assert_true(json_is_null(json_object_get(json_object_get(json, "totals"), "seconds")));
    json_decref(json);
    twi_run_set_profile(run, true);
    twi_run_forward(run, 1, 1, &err);
    json = twi_plan_json(plan, &err);
    expect_ok(err);
    assert_true(twi_json_number(json_object_get(json, "totals"), "seconds", 0) > 0);
    json_decref(json);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_plans_equal_the_plain_program),
        cmocka_unit_test(batch_norms_behind_convolutions_are_folded),
        cmocka_unit_test(scales_of_every_kind_are_folded),
        cmocka_unit_test(preprocessing_is_one_pass),
        cmocka_unit_test(padding_goes_into_what_reads_it_where_that_is_exact),
        cmocka_unit_test(a_value_with_two_readers_is_not_folded_away),
        cmocka_unit_test(a_relu_that_starts_late_stays_itself),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(inputs_stay_as_the_caller_filled_them),
        cmocka_unit_test(logits_are_what_the_softmax_was_given),
        cmocka_unit_test(logits_are_there_when_a_sigmoid_ends_the_model),
        cmocka_unit_test(without_a_final_function_logits_are_the_output),
        cmocka_unit_test(threads_may_share_a_plan),
        cmocka_unit_test(refresh_sees_changed_weights),
        cmocka_unit_test(trainable_weights_are_read_in_each_run),
        cmocka_unit_test(a_weight_without_values_is_named),
        cmocka_unit_test(a_batch_of_nothing_is_refused),
        cmocka_unit_test(measured_seconds_are_in_the_printed_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
