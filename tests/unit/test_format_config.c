// Keras configs become graphs, in every dialect, and what is wrong with one is said.

#include "testing.h"

#include "engine/plan.h"
#include "format/format.h"

static tw_model *build(const char *text, tw_err *err)
{
    json_t *object = twi_json_parse("test", text, strlen(text), err);
    if (!object)
        fail_msg("the test's own JSON: %s", err->msg);
    tw_model *m = twi_keras_build(object, "folder/m.h5", err);
    json_decref(object);
    return m;
}

static tw_model *built(const char *text)
{
    tw_err err = {0};
    tw_model *m = build(text, &err);
    expect_ok(err);
    assert_non_null(m);
    return m;
}

static void refused(const char *text, tw_status status, const char *part)
{
    tw_err err = {0};
    assert_null(build(text, &err));
    expect_error(err, status, part);
}

static void expect_output(const tw_model *m, int i, const char *shape)
{
    char text[TWI_SHAPE_TEXT];
    tw_shape out = twi_model_shape(m, m->outputs.at[i]);
    assert_string_equal(twi_shape_text(&out, text), shape);
}

// ---------------------------------------------------------------------------------------------------------- pieces of JSON

#define SEQUENTIAL(name, layers) \
    "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"" name "\",\"layers\":[" layers "]}}"
#define INPUT(name, shape)                                                                              \
    "{\"class_name\":\"InputLayer\",\"config\":{\"batch_input_shape\":" shape ",\"name\":\"" name "\"}" \
    ",\"name\":\"" name "\",\"inbound_nodes\":[]}"
#define PHOTO INPUT("photo", "[null,8,8,3]")
#define LAYER(kind, name, config, calls)                                                         \
    "{\"class_name\":\"" kind "\",\"config\":{\"name\":\"" name "\"" config "},\"name\":\"" name \
    "\",\"inbound_nodes\":" calls "}"
#define DENSE(name, units, calls) LAYER("Dense", name, ",\"units\":" units, calls)
#define CONV(name, filters, calls) \
    LAYER("Conv2D", name, ",\"filters\":" filters ",\"kernel_size\":[3,3]", calls)
// Keras 2: one call on one tensor.
#define ON(name)         "[[[\"" name "\",0,0,{}]]]"
#define ON_CALL(name, k) "[[[\"" name "\"," k ",0,{}]]]"
#define FUNCTIONAL(name, layers, in, out)                                                  \
    "{\"class_name\":\"Functional\",\"config\":{\"name\":\"" name "\",\"layers\":[" layers \
    "],\"input_layers\":[[\"" in "\",0,0]],\"output_layers\":[" out "]}"
#define OUT(name, k) "[\"" name "\"," k ",0]"
// Keras 3: a tensor.
#define TENSOR(name, k)                                                                                      \
    "{\"class_name\":\"__keras_tensor__\",\"config\":{\"shape\":[],\"dtype\":\"float32\",\"keras_history\":" \
    "[\"" name "\"," k ",0]}}"

// --------------------------------------------------------------------------------------------------------------- dialects

static void the_first_layer_of_an_old_sequential_tells_the_input(void **state)
{
    (void)state;
    static const char *const forms[] = {
        SEQUENTIAL("s", "{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"batch_input_shape\":[null,4],"
                        "\"units\":2}}"),
        "{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\","
        "\"batch_input_shape\":[null,4],\"units\":2}}]}",
        "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"build_input_shape\":[null,4],\"layers\":"
        "["
        "{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":2}}]}}",
    };
    for (int i = 0; i < 3; i++) {
        tw_model *m = built(forms[i]);
        expect_output(m, 0, "(None, 2)");
        assert_int_equal(twi_model_find(m, "d")->n_weights, 2);
        twi_model_free(m);
    }
    refused(SEQUENTIAL("s", "{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":2}}"),
            TW_EMALFORMED, "no input shape");
}

static void keras_2_graphs_may_be_listed_in_any_order(void **state)
{
    (void)state;
    tw_model *m = built(FUNCTIONAL("f",
                                   LAYER("Add", "sum", "", "[[[\"a\",0,0,{}],[\"b\",0,0,{}]]]") "," CONV(
                                       "b", "4", ON("photo")) "," PHOTO "," CONV("a", "4", ON("photo")),
                                   "photo", OUT("sum", "0")) "}");
    expect_output(m, 0, "(None, 6, 6, 4)");
    twi_model_free(m);
}

#define INNER                                                                                                \
    FUNCTIONAL("inner", INPUT("in", "[null,null,null,3]") "," CONV("c", "4", ON("in")), "in", OUT("c", "0")) \
    ",\"name\":\"inner\",\"inbound_nodes\":"

// Keras 2 counts a nested model's own making as call 0; its input may leave sizes open.
static void a_nested_model_of_keras_2_is_called_from_one(void **state)
{
    (void)state;
    tw_model *m = built(
        FUNCTIONAL("f", PHOTO "," INNER ON("photo") "}," LAYER("Flatten", "flat", "", ON_CALL("inner", "1")),
                   "photo", OUT("flat", "0")) "}");
    expect_output(m, 0, "(None, 144)");
    twi_model_free(m);
    m = built(FUNCTIONAL("f", PHOTO "," INNER ON("photo") "}", "photo", OUT("inner", "1")) "}");
    expect_output(m, 0, "(None, 6, 6, 4)");
    twi_model_free(m);
    refused(FUNCTIONAL("f", PHOTO "," INNER ON("photo") "}", "photo", OUT("inner", "2")) "}", TW_EMALFORMED,
            "'inner'");
}

static void a_shared_layer_keeps_its_calls_apart(void **state)
{
    (void)state;
    tw_model *m = built(FUNCTIONAL(
        "f",
        INPUT("v", "[null,5]") "," DENSE("twice", "5", "[[[\"v\",0,0,{}]],[[\"twice\",0,0,{}]]]") "," DENSE(
            "once", "3", ON_CALL("twice", "1")),
        "v", OUT("once", "0") "," OUT("twice", "0")) "}");
    assert_int_equal(m->layers.n, 3);
    assert_int_equal(m->nodes.n, 4);
    assert_int_equal(m->nodes.at[m->outputs.at[1].node].call, 0);
    expect_output(m, 0, "(None, 3)");
    expect_output(m, 1, "(None, 5)");
    twi_model_free(m);
}

static void keras_3_calls_give_tensors_in_lists_and_marks_in_keywords(void **state)
{
    (void)state;
    tw_model *m = built(FUNCTIONAL(
        "f",
        PHOTO "," INNER
              "[{\"args\":[" TENSOR("photo", "0") "],\"kwargs\":{\"training\":false,\"mask\":null}}]}," LAYER(
                  "Concatenate", "cat", "",
                  "[{\"args\":[[" TENSOR("inner", "0") "," TENSOR("inner", "0") "]],\"kwargs\":{}}]"),
        "photo", OUT("cat", "0") "," OUT("inner", "1")) "}");
    expect_output(m, 0, "(None, 6, 6, 8)");
    expect_output(m, 1, "(None, 6, 6, 4)");
    assert_true(twi_model_find(m, "inner")->is_inference);
    twi_model_free(m);
}

static void arithmetic_of_both_dialects_is_read(void **state)
{
    (void)state;
    static const char *const forms[] = {
        FUNCTIONAL("f",
                   PHOTO
                   "," LAYER("TFOpLambda", "div", ",\"function\":\"math.truediv\",\"dtype\":\"float32\"",
                             "[[\"photo\",0,0,{\"y\":127.5,\"name\":null}]]"),
                   "photo", OUT("div", "0")) "}",
        FUNCTIONAL("f",
                   PHOTO ",{\"module\":\"keras.src.ops.numpy\",\"class_name\":\"TrueDivide\",\"config\":{"
                         "\"name\":\"div\"},"
                         "\"name\":\"div\",\"inbound_nodes\":[{\"args\":[" TENSOR(
                             "photo", "0") ",127.5],\"kwargs\":{}}]}",
                   "photo", OUT("div", "0")) "}"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        tw_model *m = built(forms[i]);
        json_t *numbers = twi_layer_arguments(twi_model_find(m, "div"), &err);
        assert_true(json_is_null(json_array_get(numbers, 0)));
        expect_near(json_number_value(json_array_get(numbers, 1)), 127.5, 0);
        json_decref(numbers);
        twi_model_free(m);
    }
    refused(FUNCTIONAL("f",
                       PHOTO "," LAYER("TFOpLambda", "div", ",\"function\":\"io.write_file\"", ON("photo")),
                       "photo", OUT("div", "0")) "}",
            TW_EMALFORMED, "io.write_file");
}

static void flags_of_single_layers_survive(void **state)
{
    (void)state;
    tw_model *m = built(SEQUENTIAL(
        "s", INPUT("v", "[null,4]") "," LAYER("Dense", "a", ",\"units\":2,\"trainable\":false",
                                              "[]") "," LAYER("Dense", "b", ",\"units\":2", "[]")));
    assert_false(twi_model_find(m, "a")->is_trainable);
    assert_false(twi_model_find(m, "a")->weights[0].is_trainable);
    assert_true(twi_model_find(m, "b")->weights[0].is_trainable);
    twi_model_free(m);
}

static void mixed_precision_is_read_as_f32(void **state)
{
    (void)state;
    twi_model_free(built(SEQUENTIAL(
        "s", INPUT("v", "[null,4]") "," LAYER("Dense", "a",
                                              ",\"units\":2,\"dtype\":{\"class_name\":\"DTypePolicy\","
                                              "\"config\":{\"name\":\"mixed_float16\"}}",
                                              "[]"))));
}

// ------------------------------------------------------------------------------------------------------------- refusals

static void code_and_unknown_classes_are_refused_by_name(void **state)
{
    (void)state;
    refused(SEQUENTIAL("s", PHOTO "," LAYER("Lambda", "evil", ",\"function\":[\"4wEAAA==\"]", "[]")),
            TW_EMALFORMED, "m.h5: layer 'evil' is a Lambda, which carries code: refused");
    refused(SEQUENTIAL("s", PHOTO "," LAYER("Mine", "own", "", "[]")), TW_EMALFORMED, "class 'Mine'");
    refused(
        SEQUENTIAL("s", PHOTO
                   ",{\"module\":\"os\",\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":2}}"),
        TW_EMALFORMED, "'d'");
    refused("{\"class_name\":\"Dense\",\"config\":{\"units\":2}}", TW_EMALFORMED, "'Dense'");
    refused("{}", TW_EMALFORMED, "(none)");
    refused("[]", TW_EMALFORMED, "");
    refused("7", TW_EMALFORMED, "");
}

static void broken_graphs_are_refused(void **state)
{
    (void)state;
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON("b")) "," CONV("b", "4", ON("a")), "photo",
                       OUT("a", "0")) "}",
            TW_EMALFORMED, "round in a circle");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON("nobody")), "photo", OUT("a", "0")) "}",
            TW_EMALFORMED, "no layer 'nobody'");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON_CALL("photo", "3")), "photo", OUT("a", "0")) "}",
            TW_EMALFORMED, "not made");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON("photo")) "," CONV("a", "4", ON("photo")), "photo",
                       OUT("a", "0")) "}",
            TW_EMALFORMED, "two layers are named 'a'");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON("photo")), "a", OUT("a", "0")) "}", TW_EMALFORMED,
            "not an input");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", ON("photo")), "photo", "") "}", TW_EMALFORMED,
            "no output");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", "[[[\"photo\",0,2,{}]]]"), "photo", OUT("a", "0")) "}",
            TW_EMALFORMED, "an output that is not there");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", "[[]]"), "photo", OUT("a", "0")) "}", TW_EMALFORMED,
            "no inputs");
    refused(FUNCTIONAL("f", PHOTO "," CONV("a", "4", "[7]"), "photo", OUT("a", "0")) "}", TW_EMALFORMED, "");
    refused(FUNCTIONAL("f", INPUT("v", "[null,4]") "," CONV("a", "4", ON("v")), "v", OUT("a", "0")) "}",
            TW_EMALFORMED, "Conv2D 'a'");
    refused("{\"class_name\":\"Functional\",\"config\":{\"name\":\"f\",\"layers\":[]}}", TW_EMALFORMED,
            "0 layers");
}

static void impossible_numbers_are_refused(void **state)
{
    (void)state;
    refused(SEQUENTIAL("s", INPUT("v", "[null,4]") "," LAYER("Dense", "a", ",\"units\":-3", "[]")),
            TW_EMALFORMED, "units");
    refused(SEQUENTIAL("s", INPUT("v", "[null,4]") "," LAYER("Dense", "a", ",\"units\":1e300", "[]")),
            TW_EMALFORMED, "units");
    refused(SEQUENTIAL("s", INPUT("v", "[null,4]") "," LAYER("Dense", "a", ",\"unitz\":3,\"units\":3", "[]")),
            TW_EMALFORMED, "did you mean 'units'");
    refused(SEQUENTIAL("s", INPUT("v", "[null,null,null,3]") "," LAYER("Flatten", "a", "", "[]") "," LAYER(
                                "Dense", "d", ",\"units\":3", "[]")),
            TW_EMALFORMED, "weight 'kernel' has no known size");
}

static void sizes_left_open_stay_open_until_they_are_given(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m =
        built(SEQUENTIAL("s", INPUT("v", "[null,null,null,3]") "," FUNCTIONAL(
                                  "inner", INPUT("in", "[null,null,null,3]") "," CONV("c", "4", ON("in")),
                                  "in", OUT("c", "0")) "}"));
    assert_true(twi_model_is_open(m));
    expect_output(m, 0, "(None, None, None, 4)");
    twi_plan_options o = {.batch = 1, .threads = 1};
    assert_null(twi_plan_new(m, &o, &err));
    expect_error(err, TW_EUNUSABLE, "pictures of any size, (None, None, None, 3)");

    err = (tw_err){0};
    assert_int_equal(twi_model_resize(m, 1, &TWI_SHAPE(-1, 9, 11, 3), &err), TW_OK);
    assert_false(twi_model_is_open(m));
    expect_output(m, 0, "(None, 7, 9, 4)");
    assert_int_equal(twi_model_resize(m, 1, &TWI_SHAPE(-1, 2, 2, 3), &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "a window of 3 does not fit");
    expect_output(m, 0, "(None, 7, 9, 4)");
    twi_model_free(m);
}

static void a_size_that_weights_do_not_go_with_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = built(SEQUENTIAL("s", PHOTO "," LAYER("Flatten", "f", "", "[]") "," DENSE("d", "2", "[]")));
    twi_model_resize(m, 1, &TWI_SHAPE(-1, 9, 9, 3), &err);
    expect_error(err, TW_EINVAL,
                 "Dense 'd': its kernel is (192, 2), at this input size it would be (243, 2)");
    expect_output(m, 0, "(None, 2)");
    assert_false(m->err.status);
    twi_model_free(m);
}

static void nests_have_an_end(void **state)
{
    (void)state;
    twi_str text = {0};
    for (int i = 0; i < 200; i++)
        twi_str_add(&text, "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":[");
    twi_str_add(&text, PHOTO);
    for (int i = 0; i < 200; i++)
        twi_str_add(&text, "]}}");
    refused(text.text, TW_EMALFORMED, "nested more than");
    twi_str_clear(&text);
}

// ---------------------------------------------------------------------------------------------------------------- writing

// What is written is read again as the same.
static void configs_come_back(void **state)
{
    (void)state;
    static const char *const forms[] = {
        FUNCTIONAL(
            "f",
            INPUT("v", "[null,5]") "," DENSE(
                "twice", "5", "[[[\"v\",0,0,{}]],[[\"twice\",0,0,{}]]]") "," DENSE("once", "3",
                                                                                   ON_CALL("twice", "1")),
            "v", OUT("once", "0") "," OUT("twice", "0")) "}",
        FUNCTIONAL("f", PHOTO "," INNER ON("photo") "}", "photo", OUT("inner", "1")) "}",
        FUNCTIONAL("f",
                   PHOTO "," LAYER("TFOpLambda", "div", ",\"function\":\"math.truediv\"",
                                   "[[\"photo\",0,0,{\"y\":127.5}]]"),
                   "photo", OUT("div", "0")) "}",
        SEQUENTIAL("s", PHOTO "," INNER "[]}," LAYER("Flatten", "flat", "", "[]"))};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        tw_err err = {0};
        tw_model *m = built(forms[i]);
        json_t *once = twi_keras_config(m, &err);
        expect_ok(err);
        tw_model *again = twi_keras_build(once, "again", &err);
        expect_ok(err);
        json_t *twice = twi_keras_config(again, &err);
        assert_true(json_equal(once, twice));
        json_decref(once);
        json_decref(twice);
        twi_model_free(again);
        twi_model_free(m);
    }
}

static void a_frozen_nest_marks_every_inner_layer(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = built(SEQUENTIAL("s", PHOTO "," INNER "[]}," LAYER("Flatten", "flat", "", "[]")));
    assert_int_equal(twi_model_freeze(m, "inner", &err), TW_OK);
    json_t *config = twi_keras_config(m, &err);
    const json_t *layers = json_object_get(json_object_get(config, "config"), "layers");
    const json_t *inner = json_object_get(json_array_get(layers, 1), "config");
    const json_t *conv = json_object_get(json_array_get(json_object_get(inner, "layers"), 1), "config");
    assert_true(json_is_false(json_object_get(inner, "trainable")));
    assert_true(json_is_false(json_object_get(conv, "trainable")));
    json_decref(config);
    twi_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_layer_of_an_old_sequential_tells_the_input),
        cmocka_unit_test(keras_2_graphs_may_be_listed_in_any_order),
        cmocka_unit_test(a_nested_model_of_keras_2_is_called_from_one),
        cmocka_unit_test(a_shared_layer_keeps_its_calls_apart),
        cmocka_unit_test(keras_3_calls_give_tensors_in_lists_and_marks_in_keywords),
        cmocka_unit_test(arithmetic_of_both_dialects_is_read),
        cmocka_unit_test(flags_of_single_layers_survive),
        cmocka_unit_test(mixed_precision_is_read_as_f32),
        cmocka_unit_test(code_and_unknown_classes_are_refused_by_name),
        cmocka_unit_test(broken_graphs_are_refused),
        cmocka_unit_test(impossible_numbers_are_refused),
        cmocka_unit_test(sizes_left_open_stay_open_until_they_are_given),
        cmocka_unit_test(a_size_that_weights_do_not_go_with_is_refused),
        cmocka_unit_test(nests_have_an_end),
        cmocka_unit_test(configs_come_back),
        cmocka_unit_test(a_frozen_nest_marks_every_inner_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
