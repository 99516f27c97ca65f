// Summaries: byte for byte what Keras prints. tests/golden/summary/ comes from tools/golden_summary.py.

#include "testing.h"

#include "graph/summary.h"
#include "zoo/build.h"

// ------------------------------------------------------------------------------- the models of tools/golden_summary.py

static tw_model *vgg16(void)
{
    tw_err err = {0};
    tw_model *m = twi_zoo_build("vgg16", &(twi_zoo_options){.has_top = true}, &err);
    expect_ok(err);
    return m;
}

static twi_tensor input(tw_model *m, const char *name, int64_t size)
{
    return twi_model_input(m, name, &TWI_SHAPE(-1, size, size, 3));
}

static twi_tensor call(tw_model *m, twi_layer *layer, twi_tensor x)
{
    return twi_model_call(m, layer, 1, &x);
}

static tw_model *verified(tw_model *m)
{
    tw_err err = {0};
    twi_model_verify(m, &err);
    expect_ok(err);
    return m;
}

static tw_model *graph(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("graph", false, &err);
    twi_tensor x = input(m, "pictures", 16);
    x = CALL(conv2d, x, "a_convolution_with_a_rather_long_name", "filters=8 kernel_size=3 padding=same");
    twi_layer *shared = twi_layer_new(&twi_layer_conv2d, "shared", &err);
    twi_layer_set(shared, "filters=8 kernel_size=1", &err);
    twi_tensor y = call(m, shared, x);
    y = PLAIN(batch_normalization, y, "norm");
    twi_tensor z = call(m, shared, y);
    z = CALL(depthwise_conv2d, z, "depthwise", "kernel_size=3 padding=same");
    x = JOIN(add, 3, ((twi_tensor[]){x, y, z}), "add");
    x = JOIN(concatenate, 2, ((twi_tensor[]){x, z}), "concatenate");
    twi_model_output(m, PLAIN(global_average_pooling2d, x, "pool"));
    twi_layer_free(shared);
    expect_ok(err);
    return verified(m);
}

static tw_model *trunk(const char *name)
{
    tw_err err = {0};
    tw_model *m = twi_model_new(name, false, &err);
    twi_tensor x = input(m, "trunk_input", 8);
    x = CALL(conv2d, x, "conv1_conv", "filters=4 kernel_size=3 padding=same use_bias=false");
    x = PLAIN(batch_normalization, x, "conv1_bn");
    twi_model_output(m, PLAIN(max_pooling2d, x, "conv1_pool"));
    return verified(m);
}

static void add(tw_model *m, const tw_layer_kind *kind, const char *name, const char *config)
{
    tw_err err = {0};
    twi_layer *layer = twi_layer_new(kind, name, &err);
    twi_layer_set(layer, config, &err);
    twi_model_add(m, layer);
    twi_layer_free(layer);
    expect_ok(err);
}

static tw_model *nest(void)
{
    tw_err err = {0};
    tw_model *base = trunk("trunk"), *m = twi_model_new("head_model", true, &err);
    twi_model_set_trainable(base, false);
    twi_layer *layer = twi_layer_nest(base, &err);
    twi_model_add(m, layer);
    add(m, &twi_layer_flatten, "flatten", "");
    add(m, &twi_layer_dense, "dense", "units=5 activation=relu");
    add(m, &twi_layer_dropout, "dropout", "rate=0.5");
    add(m, &twi_layer_dense, "dense_1", "units=1 activation=sigmoid");
    twi_layer_free(layer);
    twi_model_free(base);
    return verified(m);
}

static tw_model *deep(void)
{
    tw_err err = {0};
    tw_model *inner = trunk("inner"), *middle = twi_model_new("middle", false, &err),
             *m = twi_model_new("outer", false, &err);
    twi_layer *layer = twi_layer_nest(inner, &err);
    twi_tensor x = call(middle, layer, input(middle, "middle_input", 8));
    twi_model_output(middle, x);
    tw_model *outer = m;
    m = middle;
    twi_model_output(middle, PLAIN(global_max_pooling2d, x, "peak"));
    m = outer;
    twi_layer *second = twi_layer_nest(verified(middle), &err);
    twi_tensor a = call(m, second, input(m, "outer_input", 8)), b = {a.node, 1};
    twi_tensor c = PLAIN(global_average_pooling2d, a, "mean");
    twi_model_output(m, JOIN(average, 2, ((twi_tensor[]){b, c}), "both"));
    twi_layer_free(layer);
    twi_layer_free(second);
    twi_model_free(inner);
    twi_model_free(middle);
    return verified(m);
}

// ------------------------------------------------------------------------------------------------------------ checking

static char *read_golden(const char *name)
{
    static char text[1 << 16];
    char path[128];
    snprintf(path, sizeof path, "tests/golden/summary/%s.txt", name);
    FILE *f = fopen(test_path(path), "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static void expect_text(const tw_model *m, const char *golden, twi_summary_options o)
{
    tw_err err = {0};
    twi_str text = {0};
    o.is_keras2 = strstr(golden, "keras2") != NULL;
    twi_summary_text(m, &o, &text, &err);
    expect_ok(err);
    const char *expected = read_golden(golden);
    if (strcmp(text.text, expected) != 0)
        fail_msg("%s: expected\n%s\nreceived\n%s", golden, expected, text.text);
    twi_str_clear(&text);
}

static void expect_styles(tw_model *m, const char *name)
{
    char golden[64];
    for (int style = 2; style <= 3; style++) {
        snprintf(golden, sizeof golden, "%s_keras%d", name, style);
        expect_text(m, golden, (twi_summary_options){0});
        snprintf(golden, sizeof golden, "%s_keras%d_all", name, style);
        expect_text(m, golden, (twi_summary_options){.expand_nested = true, .show_trainable = true});
    }
}

static void a_chain_has_three_columns(void **state)
{
    (void)state;
    tw_model *m = vgg16();
    expect_text(m, "vgg16_keras3", (twi_summary_options){0});
    expect_text(m, "vgg16_keras2", (twi_summary_options){0});
    twi_model_free(m);
}

static void a_graph_lists_its_connections(void **state)
{
    (void)state;
    tw_model *m = graph();
    expect_styles(m, "graph");
    expect_text(m, "graph_keras3_wide", (twi_summary_options){.line_length = 133, .show_trainable = true});
    expect_text(m, "graph_keras2_wide", (twi_summary_options){.line_length = 133, .show_trainable = true});
    twi_model_free(m);
}

static void nests_are_expanded_when_asked(void **state)
{
    (void)state;
    tw_model *m = nest();
    expect_styles(m, "nest");
    expect_text(m, "nest_keras3_narrow", (twi_summary_options){.line_length = 45});
    expect_text(m, "nest_keras2_narrow", (twi_summary_options){.line_length = 45});
    twi_model_free(m);
    m = deep();
    expect_styles(m, "deep");
    twi_model_free(m);
}

// interop d1 has the numbers: 1,175 parameters (4.59 KB) of which 664 (2.60 KB) are the optimizer's.
static void optimizer_variables_are_counted(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = nest();
    twi_str text = {0};
    // Iteration (int64), learning rate, two slots of 331 values.
    twi_view slots[] = {
        {.dtype = TWI_I64}, {.dtype = TWI_F32}, {.shape = TWI_SHAPE(331)}, {.shape = TWI_SHAPE(331)}};
    for (size_t i = 0; i < 4; i++) {
        slots[i].data = twi_new(1, 8, "a slot", &err);
        twi_vec_push(&m->slots, slots[i], &err);
    }
    twi_summary_text(m, &(twi_summary_options){0}, &text, &err);
    expect_ok(err);
    assert_non_null(strstr(text.text, " Optimizer params: 664 (2.60 KB)\n"));
    assert_non_null(strstr(text.text, " Total params: 1,119 ("));
    twi_str_clear(&text);
    twi_model_free(m);
}

// As rich wraps it at 80 columns.
static void a_long_name_is_cut_to_lines(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = nest();
    twi_str text = {0};
    char name[101] = "";
    memset(name, 'n', 100);
    twi_free(m->name);
    m->name = twi_strdup(name, &err);
    twi_summary_text(m, &(twi_summary_options){0}, &text, &err);
    expect_ok(err);
    assert_memory_equal(text.text, "Model: \n\"nnn", 12);
    assert_int_equal(text.text[8 + 80], '\n');
    assert_memory_equal(text.text + 8 + 81 + 21, "\"\n", 2);
    twi_str_clear(&text);
    twi_model_free(m);
}

static void a_line_too_short_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = nest();
    twi_str text = {0};
    twi_summary_text(m, &(twi_summary_options){.line_length = 15}, &text, &err);
    expect_error(err, TW_EINVAL, "too short");
    twi_str_clear(&text);
    twi_model_free(m);
}

static void json_has_layers_and_counts(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = nest();
    json_t *json = twi_summary_json(m, &err), *layers = json_object_get(json, "layers");
    expect_ok(err);
    assert_string_equal(twi_json_string(json, "name", ""), "head_model");
    assert_int_equal(json_array_size(layers), 5);
    json_t *trunk_row = json_array_get(layers, 0), *params = json_object_get(json, "params");
    assert_string_equal(twi_json_string(trunk_row, "class", ""), "Functional");
    assert_int_equal(twi_json_int(trunk_row, "params", 0), 124);
    assert_false(twi_json_bool(trunk_row, "trainable", true));
    json_t *shape = json_object_get(trunk_row, "output_shape");
    assert_true(json_is_null(json_array_get(shape, 0)));
    assert_int_equal(json_integer_value(json_array_get(shape, 3)), 4);
    assert_int_equal(twi_json_int(params, "total", 0), 455);
    assert_int_equal(twi_json_int(params, "trainable", 0), 331);
    assert_int_equal(twi_json_int(json_object_get(json, "weights"), "all", 0), 9);
    assert_int_equal(twi_json_int(json_object_get(json, "weights"), "trainable", 0), 4);
    json_decref(json);
    twi_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_has_three_columns),     cmocka_unit_test(a_graph_lists_its_connections),
        cmocka_unit_test(nests_are_expanded_when_asked), cmocka_unit_test(optimizer_variables_are_counted),
        cmocka_unit_test(a_long_name_is_cut_to_lines),   cmocka_unit_test(a_line_too_short_is_refused),
        cmocka_unit_test(json_has_layers_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
