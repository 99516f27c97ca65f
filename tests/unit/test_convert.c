// Converting: what --verify compares, and that it would notice.

#include "nets.h"

#include "base/field.h"
#include "job/verify.h"

#include <unistd.h>

static double difference(tw_model *a, tw_model *b)
{
    tw_err err = {0};
    twi_verify_answers x = {0}, y = {0};
    twi_verify_answer(a, 1, &x, &err);
    twi_verify_answer(b, 1, &y, &err);
    expect_ok(err);
    double d = twi_verify_difference(&x, &y);
    twi_free(x.at);
    twi_free(y.at);
    return d;
}

static void the_same_model_answers_the_same(void **state)
{
    (void)state;
    tw_model *a = net_classifier(7), *b = net_classifier(7);
    assert_true(difference(a, b) == 0);
    twi_model_free(a);
    twi_model_free(b);
}

static void two_swapped_channels_are_noticed(void **state)
{
    (void)state;
    tw_model *a = net_classifier(7), *b = net_classifier(7);
    float *beta = twi_model_find(b, "bn1")->weights[1].data, first = beta[0];
    beta[0] = beta[1];
    beta[1] = first;
    assert_true(difference(a, b) > 1e-4);
    twi_model_free(a);
    twi_model_free(b);
}

static void answers_that_are_no_numbers_differ_from_everything(void **state)
{
    (void)state;
    tw_model *a = net_classifier(7), *b = net_classifier(7);
    twi_model_find(b, "out")->weights[1].data[0] = NAN;
    assert_true(difference(a, b) > 1e30);
    assert_true(difference(b, b) > 1e30);
    twi_model_free(a);
    twi_model_free(b);
}

static void pictures_differ_from_each_other_and_are_the_same_each_time(void **state)
{
    (void)state;
    tw_model *m = net_classifier(7);
    tw_shape shape = TWI_SHAPE(4, 12, 12, 3);
    float x[4 * 432], y[4 * 432];
    twi_verify_fill(m, 0, &shape, x);
    twi_verify_fill(m, 0, &shape, y);
    assert_memory_equal(x, y, sizeof x);
    for (int i = 1; i < 4; i++)
        assert_true(twi_compare(x, x + 432 * i, 432).max_abs > 0.1);
    for (int i = 0; i < 4 * 432; i++)
        assert_true(x[i] >= -1 && x[i] <= 1);
    twi_model_free(m);
}

static void the_verb_is_a_function(void **state)
{
    (void)state;
    char out[64];
    snprintf(out, sizeof out, "/tmp/tw-convert-%ld.keras", (long)getpid());
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_arena *arena = tw_arena_new(&err);
    tw_convert_options o = {0};
    tw_fields_default(tw_convert_fields, &o, arena, &err);
    o.in = "mobilenet_v2:0.35";
    o.out = out;
    o.weights = "none";
    o.input_size = 32;
    o.verify = true;
    tw_convert(tw, &o, &err);
    expect_ok(err);
    assert_int_equal(tw_convert(tw, &o, &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "is there already");
    unlink(out);
    tw_arena_free(arena);
    tw_close(tw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_model_answers_the_same),
        cmocka_unit_test(two_swapped_channels_are_noticed),
        cmocka_unit_test(answers_that_are_no_numbers_differ_from_everything),
        cmocka_unit_test(pictures_differ_from_each_other_and_are_the_same_each_time),
        cmocka_unit_test(the_verb_is_a_function),
    };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
