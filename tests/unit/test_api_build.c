// The public API's promises about building models: errors, references, options, counts.

#include "testing.h"

#include "graph/model.h"

static tw_context *open_context(void)
{
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    expect_ok(err);
    return tw;
}

// A Sequential of 8 × 8 pictures with its first layers.
static tw_model *small(tw_context *tw, const char *name)
{
    tw_model *m = tw_sequential(tw, name);
    tw_input(m, TW_SHAPE(8, 8, 3), NULL);
    tw_add(m, tw_conv2d(4, {3}, .name = "conv"));
    tw_add(m, tw_flatten());
    return m;
}

// Config of a layer as text, in a static buffer.
static const char *config_of(tw_layer_spec spec)
{
    static char text[2048];
    tw_err err = {0};
    tw_layer *layer = tw_layer_new(spec, &err);
    expect_ok(err);
    if (!tw_layer_name(layer)) // writing needs one
        layer->name = twi_strdup("layer", &err);
    char *config = tw_layer_config(layer, &err);
    expect_ok(err);
    snprintf(text, sizeof text, "%s", config);
    tw_free(config);
    tw_layer_free(layer);
    return text;
}

static void expect_in(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in %s", part, text);
}

// -------------------------------------------------------------------------------------------------------------- errors

static void first_error_stays_in_the_model_until_compile(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "wrong");
    tw_add(m, tw_dense(-4, .name = "fc"));
    tw_add(m, tw_layer("NoSuchLayer", NULL));
    assert_int_equal(tw_compile(m, .loss = "binary_crossentropy", .err = &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "dense 'fc'");
    expect_in(err.msg, "-4");
    err = (tw_err){0};
    assert_int_equal(tw_model_save(m, "never.keras", &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "dense 'fc'");
    tw_model_free(m);
    tw_close(tw);
}

static void a_set_err_is_not_overwritten(void **state)
{
    (void)state;
    tw_context *tw = open_context();
    tw_err err = {.status = TW_ENOMEM, .msg = "first"};
    assert_null(tw_application(tw, "no_such_network", .err = &err));
    assert_null(tw_model_load(tw, "no_such_file.keras", &err));
    assert_null(tw_dataset_photos(tw, "no_such_folder", .err = &err));
    tw_model *m = small(tw, "m");
    tw_compile(m, .loss = "no_such_loss", .err = &err);
    expect_error(err, TW_ENOMEM, "first");
    tw_model_free(m);
    tw_close(tw);
}

static void null_objects_give_null_without_writing(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(tw_application(NULL, "vgg16", .err = &err));
    assert_null(tw_sequential(NULL, "m", .err = &err));
    assert_null(tw_model_load(NULL, "x", &err));
    assert_null(tw_model_copy(NULL, &err));
    assert_null(tw_model_cut(NULL, "x", NULL, &err));
    assert_null(tw_model_summary(NULL, .err = &err));
    assert_null(tw_model_find_layer(NULL, "x"));
    assert_null(tw_model_layer(NULL, -1));
    assert_null(tw_fit(NULL, NULL, .err = &err));
    assert_null(tw_model_evaluate(NULL, NULL, .err = &err));
    assert_null(tw_model_predict(NULL, NULL, .err = &err));
    assert_null(tw_dataset_part(NULL, TW_PART_TEST, &err));
    assert_null(tw_history_epoch(NULL, 0));
    assert_null(tw_layer_weight(NULL, 0));
    assert_int_equal(tw_compile(NULL, .loss = "mse", .err = &err), TW_EINVAL);
    assert_int_equal(tw_model_save(NULL, "x.keras", &err), TW_EINVAL);
    assert_int_equal(tw_weights_load(NULL, "x", .err = &err), TW_EINVAL);
    assert_int_equal(tw_model_freeze(NULL, "all", &err), TW_EINVAL);
    assert_int_equal(tw_model_count_params(NULL).all, 0);
    assert_int_equal(tw_tensor_shape(tw_call(tw_flatten(), (tw_tensor){0})).rank, 0);
    tw_add(NULL, tw_flatten());
    tw_output((tw_tensor){0});
    tw_model_set_trainable(NULL, true);
    tw_model_free(NULL), tw_layer_free(NULL), tw_dataset_free(NULL), tw_history_free(NULL);
    tw_scores_free(NULL), tw_predictions_free(NULL), tw_free(NULL);
    expect_ok(err);
}

static void what_a_failed_call_gives_ends_the_chain_with_the_first_message(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *trunk = tw_application(tw, "vgg61", .no_top = true, .err = &err);
    assert_null(trunk);
    tw_model *m = tw_sequential(tw, "m");
    tw_add(m, tw_nest(trunk));
    tw_add(m, tw_flatten());
    assert_int_equal(tw_compile(m, .loss = "mse", .err = &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "vgg61");
    tw_model_free(m);
    tw_close(tw);
}

static void tensors_of_two_models_do_not_mix(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *a = tw_functional(tw, "a"), *b = tw_functional(tw, "b");
    tw_tensor x[2] = {tw_input(a, TW_SHAPE(4), NULL), tw_input(b, TW_SHAPE(4), NULL)};
    assert_null(tw_call_all(tw_concatenate(), 2, x).model);
    assert_int_equal(tw_model_check(a, &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "belongs to model 'b'");
    tw_model_free(a);
    tw_model_free(b);
    tw_close(tw);
}

static void a_model_cannot_be_a_layer_of_itself(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m"), *outer = tw_sequential(tw, "outer");
    tw_add(outer, tw_nest(m));
    tw_add(m, tw_nest(outer));
    assert_int_equal(tw_model_check(m, &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "a layer of itself");
    tw_model_free(outer);
    tw_model_free(m);
    tw_close(tw);
}

// ------------------------------------------------------------------------------------------------------------- options

static void zero_is_keras_default_and_tw_zero_is_zero(void **state)
{
    (void)state;
    expect_in(config_of(tw_batch_normalization()), "\"momentum\": 0.98999999999999999");
    expect_in(config_of(tw_batch_normalization(.momentum = TW_ZERO)), "\"momentum\": 0.0");
    expect_in(config_of(tw_dropout(TW_ZERO)), "\"rate\": 0.0");
    expect_in(config_of(tw_softmax()), "\"axis\": -1");
    expect_in(config_of(tw_concatenate(.axis = 2)), "\"axis\": 2");
    expect_in(config_of(tw_relu()), "\"max_value\": null");
}

static void flags_are_negative_and_texts_carry_arguments(void **state)
{
    (void)state;
    const char *config = config_of(tw_dense(16, "relu", .no_bias = true, .kernel_initializer = "he_normal",
                                            .kernel_regularizer = "l2:1e-4"));
    expect_in(config, "\"use_bias\": false");
    expect_in(config, "\"activation\": \"relu\"");
    expect_in(config, "\"kernel_initializer\": \"he_normal\"");
    expect_in(config, "\"l2\": 0.0001");
    expect_in(config_of(tw_dense(16)), "\"use_bias\": true");
    expect_in(config_of(tw_batch_normalization(.no_center = true)), "\"center\": false");
}

static void pairs_and_sides_may_be_given_short(void **state)
{
    (void)state;
    const char *config = config_of(tw_conv2d(8, {3}, .strides = {2, 1}));
    expect_in(config, "\"kernel_size\": [3, 3]");
    expect_in(config, "\"strides\": [2, 1]");
    expect_in(config_of(tw_max_pooling2d({3, 2})), "\"pool_size\": [3, 2]");
    expect_in(config_of(tw_zero_padding2d({2})), "\"padding\": [[2, 2], [2, 2]]");
    expect_in(config_of(tw_zero_padding2d({1, 2})), "\"padding\": [[1, 1], [2, 2]]");
    expect_in(config_of(tw_zero_padding2d({TW_ZERO, 1, TW_ZERO, 1})), "\"padding\": [[0, 1], [0, 1]]");
    expect_in(config_of(tw_zero_padding2d({TW_ZERO, TW_ZERO, 3})), "\"padding\": [[0, 0], [3, 0]]");
    expect_in(config_of(tw_reshape({7, 7, 512})), "[7, 7, 512]");
    expect_in(config_of(tw_rescaling({0.5}, .offset = {TW_ZERO, -1})), "\"offset\": [0.0, -1.0]");
}

static void wrong_options_name_layer_range_and_what_is_missing(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(tw_layer_new(tw_conv2d(8, .name = "c1"), &err));
    expect_error(err, TW_EINVAL, "conv2d 'c1': kernel_size is missing");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_dropout(1.5), &err));
    expect_error(err, TW_EINVAL, "1.5");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_dense(4, "rellu"), &err));
    expect_error(err, TW_EINVAL, "relu");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_layer("Dens", "{}"), &err));
    expect_error(err, TW_EINVAL, "did you mean 'Dense'");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_layer("Dense", "{\"unit\": 4}"), &err));
    expect_error(err, TW_EINVAL, "did you mean 'units'");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_layer("Dense", "{\"units\": "), &err));
    assert_int_equal(err.status, TW_EINVAL);
}

static void too_long_or_broken_texts_are_told(void **state)
{
    (void)state;
    char longer[TW_LAYER_TEXT + 8];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = 0;
    tw_err err = {0};
    assert_null(tw_layer_new(tw_dense(4, .name = longer), &err));
    expect_error(err, TW_EINVAL, "longer than");
    err = (tw_err){0};
    assert_null(tw_layer_new(tw_dense(4, .name = "a\nunits=5"), &err));
    expect_error(err, TW_EINVAL, "line break");
}

static void json_makes_the_same_layer_as_a_constructor(void **state)
{
    (void)state;
    char made[2048];
    snprintf(made, sizeof made, "%s", config_of(tw_conv2d(8, {3, 5}, .padding = "same", .name = "c")));
    assert_string_equal(
        made, config_of(tw_layer("Conv2D", "{\"name\": \"c\", \"filters\": 8, \"kernel_size\": [3, 5],"
                                           " \"padding\": \"same\"}")));
}

static void frozen_layers_have_frozen_weights(void **state)
{
    (void)state;
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    tw_add(m, tw_dense(2, .frozen = true));
    tw_counts weights = tw_model_count_weights(m);
    assert_int_equal(weights.all, 4);
    assert_int_equal(weights.trainable, 2);
    tw_model_free(m);
    tw_close(tw);
}

// ---------------------------------------------------------------------------------------------------------- references

static void a_trunk_lives_in_two_models_and_dies_with_the_last(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *trunk = small(tw, "trunk"), *a = tw_sequential(tw, "a"), *b = tw_sequential(tw, "b");
    tw_add(a, tw_nest(trunk));
    tw_add(b, tw_nest(trunk));
    tw_add(a, tw_dense(2));
    tw_add(b, tw_dense(3));
    tw_model_free(trunk);
    assert_ptr_equal(tw_model_find_layer(a, "conv"), tw_model_find_layer(b, "trunk/conv"));
    // Freezing is a fact of the weights, wherever they are used.
    tw_layer_set_trainable(tw_model_find_layer(a, "conv"), false);
    assert_int_equal(tw_model_count_weights(b).trainable, 2);
    tw_model_free(a);
    assert_int_equal(tw_model_count_params(b).all, 112 + 144 * 3 + 3);
    assert_int_equal(tw_model_check(b, &err), TW_OK);
    tw_model_free(b);
    tw_close(tw);
}

static void a_layer_called_twice_has_one_set_of_weights(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = tw_functional(tw, "shared");
    tw_tensor x = tw_input(m, TW_SHAPE(6), NULL);
    tw_layer *layer = tw_layer_new(tw_dense(6, .name = "both"), &err);
    tw_tensor once = tw_apply(layer, x), twice = tw_apply(layer, once);
    tw_layer_free(layer);
    tw_output(tw_call_all(tw_add_tensors(), 2, (tw_tensor[]){once, twice}));
    assert_int_equal(tw_model_check(m, &err), TW_OK);
    assert_int_equal(tw_model_count_weights(m).all, 2);
    assert_int_equal(tw_model_n_layers(m), 3);
    tw_model_free(m);
    tw_close(tw);
}

static void a_copy_has_weights_of_its_own(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    tw_layer_set_trainable(tw_model_find_layer(m, "conv"), false);
    assert_int_equal(tw_model_initialize(m, 3, &err), TW_OK);
    tw_model *copy = tw_model_copy(m, &err);
    expect_ok(err);
    tw_weight *a = tw_layer_weight(tw_model_find_layer(m, "conv"), 0);
    tw_weight *b = tw_layer_weight(tw_model_find_layer(copy, "conv"), 0);
    float x[108], y[108], zeros[108] = {0};
    assert_ptr_not_equal(a, b);
    assert_int_equal(tw_weight_get(b, y, 108, &err), TW_OK);
    assert_int_equal(tw_weight_set(a, zeros, 108, &err), TW_OK);
    assert_int_equal(tw_weight_get(a, x, 108, &err), TW_OK);
    assert_memory_equal(x, zeros, sizeof x);
    assert_memory_not_equal(y, zeros, sizeof y);
    assert_int_equal(tw_model_count_weights(copy).trainable, 0);
    tw_model_free(m);
    assert_int_equal(tw_weight_get(b, x, 108, &err), TW_OK);
    tw_model_free(copy);
    tw_close(tw);
}

static void a_cut_shares_layers_and_lists_what_it_drops(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    tw_add(m, tw_dense(2, .name = "head"));
    char *dropped;
    tw_model *cut = tw_model_cut(m, "flatten", &dropped, &err);
    expect_ok(err);
    assert_string_equal(dropped, "head");
    assert_ptr_equal(tw_model_find_layer(cut, "conv"), tw_model_find_layer(m, "conv"));
    tw_free(dropped);
    assert_null(tw_model_cut(m, "flaten", NULL, &err));
    expect_error(err, TW_EINVAL, "did you mean 'flatten'");
    tw_model_free(m);
    assert_string_equal(tw_layer_name(tw_model_layer(cut, -1)), "flatten");
    tw_model_free(cut);
    tw_close(tw);
}

// -------------------------------------------------------------------------------------------------------------- counts

static void vgg16_counts_are_the_lessons_without_memory_for_weights(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = tw_application(tw, "vgg16", .weights = "none", .err = &err);
    expect_ok(err);
    assert_int_equal(tw_model_n_layers(m), 23);
    assert_int_equal(tw_model_count_params(m).all, 138357544);
    assert_int_equal(tw_model_count_weights(m).all, 32);
    assert_int_equal(tw_model_count_weights(m).trainable, 32);
    tw_layer_set_trainable(tw_model_layer(m, 2), false);
    tw_layer_set_trainable(tw_model_layer(m, 13), false);
    assert_int_equal(tw_model_count_weights(m).trainable, 28);
    assert_int_equal(tw_model_count_weights(m).non_trainable, 4);
    assert_int_equal(tw_model_freeze(m, "all", &err), TW_OK);
    assert_int_equal(tw_model_count_weights(m).trainable, 0);
    assert_int_equal(tw_model_count_weights(m).non_trainable, 32);
    float bias[64];
    assert_int_equal(tw_weight_get(tw_layer_weight(tw_model_layer(m, 1), 1), bias, 64, &err), TW_EUNUSABLE);
    tw_model_free(m);
    tw_close(tw);
}

static void vgg16_under_a_new_top_counts_as_in_the_lesson(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *trunk = tw_application(tw, "vgg16", .weights = "none", .no_top = true);
    tw_model_set_trainable(trunk, false);
    tw_model *m = tw_sequential(tw, "cats_dogs");
    tw_add(m, tw_nest(trunk, .inference = true));
    tw_add(m, tw_flatten());
    tw_add(m, tw_dense(4096, "relu"));
    tw_add(m, tw_dense(1024, "relu"));
    tw_add(m, tw_dense(1, "sigmoid"));
    assert_int_equal(tw_compile(m, "adam", .loss = "binary_crossentropy", .err = &err), TW_OK);
    tw_counts params = tw_model_count_params(m);
    assert_int_equal(params.all, 121675585);
    assert_int_equal(params.trainable, 106960897);
    assert_int_equal(params.non_trainable, 14714688);
    char *summary = tw_model_summary(m, .err = &err);
    expect_in(summary, "121,675,585");
    tw_free(summary);
    tw_model_free(trunk);
    tw_model_free(m);
    tw_close(tw);
}

static void a_network_is_built_onto_a_tensor_of_another_size(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = tw_functional(tw, "small");
    tw_tensor input = tw_input(m, TW_SHAPE(128, 128, 3), "photo");
    tw_model *trunk =
        tw_application(tw, "vgg16", .weights = "none", .no_top = true, .input_tensor = input, .err = &err);
    expect_ok(err);
    assert_ptr_equal(trunk, m);
    tw_model_set_trainable(trunk, false);
    tw_shape out = tw_tensor_shape(tw_model_output(trunk, 0));
    assert_int_equal(out.dim[1], 4);
    tw_output(tw_call(tw_dense(1, "sigmoid"), tw_call(tw_flatten(), tw_model_output(trunk, 0))));
    tw_model_free(trunk);
    tw_counts params = tw_model_count_params(m);
    assert_int_equal(params.trainable, 8192 + 1);
    assert_int_equal(params.non_trainable, 14714688);
    tw_model_free(m);
    tw_close(tw);
}

static void building_onto_a_tensor_that_fails_leaves_the_model_as_it_was(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = tw_functional(tw, "m");
    tw_tensor input = tw_input(m, TW_SHAPE(64, 64, 3), "photo");
    assert_null(
        tw_application(tw, "vgg16", "no_such_file.h5", .no_top = true, .input_tensor = input, .err = &err));
    assert_int_equal(err.status, TW_EUNUSABLE);
    assert_int_equal(tw_model_n_layers(m), 1);
    err = (tw_err){0};
    tw_model *again = tw_application(tw, "vgg16", "none", .no_top = true, .input_tensor = input, .err = &err);
    expect_ok(err);
    assert_int_equal(tw_model_n_layers(m), 19);
    // Its layers have their names already: a second time cannot be, and changes nothing.
    assert_null(tw_application(tw, "vgg16", "none", .no_top = true, .input_tensor = input, .err = &err));
    expect_error(err, TW_EINVAL, "block1_conv1");
    assert_int_equal(tw_model_n_layers(m), 19);
    assert_int_equal(tw_model_check(m, NULL), TW_OK);
    tw_model_free(again);
    tw_model_free(m);
    tw_close(tw);
}

static void layers_added_after_freezing_train(void **state)
{
    (void)state;
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    tw_model_set_trainable(m, false);
    assert_int_equal(tw_model_count_weights(m).trainable, 0);
    tw_add(m, tw_dense(2));
    assert_int_equal(tw_model_count_weights(m).trainable, 2);
    tw_model_free(m);
    tw_close(tw);
}

static void labels_belong_to_the_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    char cat[] = "cat";
    assert_int_equal(tw_model_set_labels(m, 2, (const char *const[]){cat, "dog"}, &err), TW_OK);
    cat[0] = 'b';
    assert_int_equal(tw_model_n_labels(m), 2);
    assert_string_equal(tw_model_label(m, 0), "cat");
    assert_null(tw_model_label(m, 2));
    assert_int_equal(tw_model_set_labels(m, 1, (const char *const[]){NULL}, &err), TW_EINVAL);
    tw_model_free(m);
    tw_close(tw);
}

static void weights_are_checked_before_they_are_copied(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *m = small(tw, "m");
    tw_weight *bias = tw_layer_weight(tw_model_find_layer(m, "conv"), 1);
    float values[4] = {1, 2, 3, 4}, got[4];
    assert_string_equal(tw_weight_name(bias), "bias");
    assert_int_equal(tw_weight_shape(bias).dim[0], 4);
    assert_int_equal(tw_weight_set(bias, values, 3, &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, "(4,)");
    err = (tw_err){0};
    assert_int_equal(tw_weight_set(bias, values, 4, &err), TW_OK);
    // What the caller has set is not drawn again.
    assert_int_equal(tw_model_initialize(m, 1, &err), TW_OK);
    assert_int_equal(tw_weight_get(bias, got, 4, &err), TW_OK);
    assert_memory_equal(values, got, sizeof got);
    tw_model_free(m);
    tw_close(tw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_stays_in_the_model_until_compile),
        cmocka_unit_test(a_set_err_is_not_overwritten),
        cmocka_unit_test(null_objects_give_null_without_writing),
        cmocka_unit_test(what_a_failed_call_gives_ends_the_chain_with_the_first_message),
        cmocka_unit_test(tensors_of_two_models_do_not_mix),
        cmocka_unit_test(a_model_cannot_be_a_layer_of_itself),
        cmocka_unit_test(zero_is_keras_default_and_tw_zero_is_zero),
        cmocka_unit_test(flags_are_negative_and_texts_carry_arguments),
        cmocka_unit_test(pairs_and_sides_may_be_given_short),
        cmocka_unit_test(wrong_options_name_layer_range_and_what_is_missing),
        cmocka_unit_test(too_long_or_broken_texts_are_told),
        cmocka_unit_test(json_makes_the_same_layer_as_a_constructor),
        cmocka_unit_test(frozen_layers_have_frozen_weights),
        cmocka_unit_test(a_trunk_lives_in_two_models_and_dies_with_the_last),
        cmocka_unit_test(a_layer_called_twice_has_one_set_of_weights),
        cmocka_unit_test(a_copy_has_weights_of_its_own),
        cmocka_unit_test(a_cut_shares_layers_and_lists_what_it_drops),
        cmocka_unit_test(vgg16_counts_are_the_lessons_without_memory_for_weights),
        cmocka_unit_test(vgg16_under_a_new_top_counts_as_in_the_lesson),
        cmocka_unit_test(a_network_is_built_onto_a_tensor_of_another_size),
        cmocka_unit_test(building_onto_a_tensor_that_fails_leaves_the_model_as_it_was),
        cmocka_unit_test(layers_added_after_freezing_train),
        cmocka_unit_test(labels_belong_to_the_model),
        cmocka_unit_test(weights_are_checked_before_they_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
