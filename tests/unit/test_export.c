// Models written as C and ONNX: folding keeps the answers, memory is never shared by two that live, odd names stay harmless.

#include "nets.h"

#include "codec/protobuf_writer.h"
#include "format/c_export.h"
#include "graph/info.h"

#include <unistd.h>

static void answers_are_those_of_the_plan(tw_model *m, double tolerance)
{
    tw_err err = {0};
    twi_export x = {0};
    twi_export_new(m, 2, &x, &err);
    expect_ok(err);
    twi_plan *plan = net_plan(m, (twi_plan_options){.batch = 2});
    twi_run *run = net_run(plan, 3);
    float y[64];
    assert_true(twi_export_outputs_size(&x) <= 64);
    twi_export_run(&x, twi_run_input(run, 0), y, &err);
    expect_ok(err);
    twi_difference d = twi_compare(y, twi_run_output(run, 0), twi_export_outputs_size(&x));
    assert_false(d.has_nan);
    assert_true(d.max_abs <= tolerance);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_export_clear(&x);
}

static int count_ops(tw_model *m, const twi_op_kind *kind)
{
    tw_err err = {0};
    twi_export x = {0};
    twi_export_new(m, 1, &x, &err);
    expect_ok(err);
    int n = 0;
    for (size_t i = 0; i < x.program.ops.n; i++)
        n += x.program.ops.at[i].kind == kind;
    twi_export_clear(&x);
    return n;
}

static void normalisation_goes_into_the_convolution_before_it(void **state)
{
    (void)state;
    tw_model *m = net_classifier(5);
    answers_are_those_of_the_plan(m, 1e-5);
    assert_int_equal(count_ops(m, &twi_op_batch_norm), 0);
    assert_int_equal(count_ops(m, &twi_op_binary), 1); // the addition of the block
    twi_model_free(m);
}

static void normalisation_with_other_readers_before_it_stays(void **state)
{
    (void)state;
    tw_model *m = twi_model_new("net", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 6, 6, 3));
    twi_tensor c = net_layer(m, "Conv2D", "c", x, "filters=4 kernel_size=3");
    twi_tensor n = net_layer(m, "BatchNormalization", "n", c, "");
    x = net_layer(m, "GlobalAveragePooling2D", "gap", net_join(m, "Add", "add", c, n), "");
    net_done(m, net_layer(m, "BatchNormalization", "last", x, ""), 5);
    answers_are_those_of_the_plan(m, 1e-5);
    assert_int_equal(count_ops(m, &twi_op_binary), 1 + 2 + 2);
    twi_model_free(m);
}

static void a_block_is_not_written_over_while_its_other_name_is_read(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("net", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 4, 4, 2));
    twi_tensor c = net_layer(m, "Conv2D", "c", x, "filters=2 kernel_size=1");
    twi_tensor r = net_layer(m, "Reshape", "r", c, "target_shape=4,4,2");
    twi_tensor a = net_layer(m, "ReLU", "a", r, ""); // c is read once more after this
    net_done(m, net_join(m, "Subtract", "s", c, a), 5);
    twi_export x1 = {0};
    twi_c_place place = {0};
    twi_export_new(m, 1, &x1, &err);
    twi_c_place_all(&x1, &place, &err);
    expect_ok(err);
    int64_t at_conv = -1, at_relu = -1;
    for (size_t i = 0; i < x1.program.ops.n; i++) {
        const twi_program_op *op = &x1.program.ops.at[i];
        at_conv = op->kind == &twi_op_conv ? place.at[op->out[0]] : at_conv;
        at_relu = op->kind == &twi_op_activation ? place.at[op->out[0]] : at_relu;
    }
    assert_true(at_conv >= 0 && at_relu >= 0 && at_conv != at_relu);
    assert_int_equal(place.total, 64);
    twi_free(place.at);
    twi_export_clear(&x1);
    twi_model_free(m);
}

static void numbers_come_back_to_the_bit(void **state)
{
    (void)state;
    char text[48];
    twi_rng rng = twi_rng_at(1, TWI_RNG_TEST, 0, 0);
    for (int i = 0; i < 2000; i++) {
        uint32_t bits = twi_rng_u32(&rng);
        float v, back;
        memcpy(&v, &bits, sizeof v);
        if (isnan(v) || isinf(v))
            continue;
        twi_c_number(v, text, sizeof text);
        assert_int_equal(text[strlen(text) - 1], 'f');
        assert_true(strpbrk(text, ".e") != NULL);
        back = strtof(text, NULL);
        assert_memory_equal(&v, &back, sizeof v);
    }
    twi_c_number(INFINITY, text, sizeof text);
    assert_string_equal(text, "INFINITY");
    twi_c_number(3, text, sizeof text);
    assert_string_equal(text, "3.0f");
}

// What a model is called must not become code.
static void names_do_not_break_out_of_comments_and_texts(void **state)
{
    (void)state;
    tw_err err = {0};
    char path[64], header[64], text[8192], command[256];
    snprintf(path, sizeof path, "/tmp/tw-export-%ld.c", (long)getpid());
    snprintf(header, sizeof header, "/tmp/tw-export-%ld.h", (long)getpid());
    tw_model *m = twi_model_new("odd \\", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 3));
    net_done(m,
             net_layer(m, "Dense",
                       "a*/b\n#error ?"
                       "?/",
                       x, "units=2"),
             5);
    const char *labels[] = {"a\"b\\", "c\n?"
                                      "?/d\001"};
    twi_info_set_labels(m, 2, labels, &err);
    twi_model_save(m, path, &err);
    expect_ok(err);
    snprintf(command, sizeof command, "cc -std=c11 -Wall -Wextra -Werror -fsyntax-only %s", path);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    assert_non_null(strstr(text, "{\"a\\\"b\\\\\", \"c\\012\\?\\?/d\\001\"}"));
    unlink(path);
    unlink(header);
    twi_model_free(m);
}

static void weights_without_values_are_not_written(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(0);
    twi_model_save(m, "/tmp/tw-never.c", &err);
    expect_error(err, TW_EUNUSABLE, "has no values");
    assert_int_equal(access("/tmp/tw-never.c", F_OK), -1);
    twi_model_free(m);
}

// The examples of the encoding's own description.
static void messages_are_encoded_as_protocol_buffers_say(void **state)
{
    (void)state;
    twi_str inner = {0}, m = {0};
    twi_protobuf_int(&inner, 1, 150);
    assert_int_equal(inner.n, 3);
    assert_memory_equal(inner.text, "\x08\x96\x01", 3);
    twi_protobuf_text(&m, 2, "testing");
    twi_protobuf_message(&m, 3, &inner);
    twi_protobuf_float(&m, 2, 1);
    twi_protobuf_int(&m, 20, -2);
    const char expected[] = "\x12\x07testing\x1a\x03\x08\x96\x01\x15\x00\x00\x80\x3f"
                            "\xa0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_int_equal(m.n, sizeof expected - 1);
    assert_memory_equal(m.text, expected, m.n);
    twi_str_clear(&inner);
    twi_str_clear(&m);
}

#ifndef __SANITIZE_ADDRESS__ // which touches what nobody else does
static void onnx_files_end_at_two_gigabytes(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("huge", false, NULL);
    twi_tensor x = twi_model_input(m, "x", &TWI_SHAPE(-1, 25088));
    net_done(m, net_layer(m, "Dense", "d", x, "units=21400 use_bias=false"), 0);
    twi_weight *w = &twi_model_find(m, "d")->weights[0];
    twi_weight_allocate(w, &err); // never written to: it takes no memory
    w->is_set = true;
    twi_model_save(m, "/tmp/tw-never.onnx", &err);
    expect_error(err, TW_EUNSUPPORTED, "ends at 2 GB");
    assert_int_equal(access("/tmp/tw-never.onnx", F_OK), -1);
    twi_model_free(m);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalisation_goes_into_the_convolution_before_it),
        cmocka_unit_test(normalisation_with_other_readers_before_it_stays),
        cmocka_unit_test(a_block_is_not_written_over_while_its_other_name_is_read),
        cmocka_unit_test(numbers_come_back_to_the_bit),
        cmocka_unit_test(names_do_not_break_out_of_comments_and_texts),
        cmocka_unit_test(weights_without_values_are_not_written),
        cmocka_unit_test(messages_are_encoded_as_protocol_buffers_say),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(onnx_files_end_at_two_gigabytes),
#endif
    };
    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
