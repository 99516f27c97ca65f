// The zoo: every architecture is the one Keras builds.

#include "testing.h"

#include "zoo/zoo.h"

static tw_model *build(const char *name, bool has_top)
{
    tw_err err = {0};
    tw_model *m = twi_zoo_build(name, &(twi_zoo_options){.has_top = has_top}, &err);
    expect_ok(err);
    return m;
}

static int64_t params_of(const tw_model *m)
{
    int64_t total = 0;
    for (size_t i = 0; i < m->layers.n; i++) {
        int64_t yes, no;
        twi_layer_params(m->layers.at[i], &yes, &no);
        total += yes + no;
    }
    return total;
}

static void every_variant_has_the_parameters_it_states(void **state)
{
    (void)state;
    for (const twi_zoo_family *const *f = twi_families; *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name; v++) {
            char name[64];
            snprintf(name, sizeof name, "%s:%g", v->name, v->alpha);
            for (int top = 0; top < 2; top++) {
                tw_model *m = build(name, top);
                int64_t stated = top ? v->params : v->params_no_top, counted = params_of(m);
                if (counted != stated)
                    fail_msg("%s with%s top has %lld parameters, stated %lld", name, top ? "" : "out",
                             (long long)counted, (long long)stated);
                twi_model_free(m);
            }
        }
}

static void every_variant_states_how_to_use_it(void **state)
{
    (void)state;
    static const char *const modes[] = {"tf", "torch", "caffe", "lite", "unit", "raw"};
    for (const twi_zoo_family *const *f = twi_families; *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name; v++) {
            bool known = false;
            for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
                known = known || strcmp(v->preprocess, modes[i]) == 0;
            assert_true(known);
            assert_true(v->min_size >= 32 && v->input_size >= v->min_size);
            assert_true(v->top1 > 0.5 && v->top1 < 0.9);
            size_t hash = v->weights.hash ? strlen(v->weights.hash) : 32;
            assert_true(hash == 32 || hash == 64);
        }
}

static void names_do_not_mind_case_dashes_and_underscores(void **state)
{
    (void)state;
    tw_err err = {0};
    const twi_zoo_family *family;
    assert_ptr_equal(twi_zoo_find("MobileNetV2", &family, &err), twi_zoo_find("mobilenet-v2", NULL, &err));
    assert_string_equal(family->name, "mobilenet_v2");
    assert_string_equal(twi_zoo_find("EfficientNet_Lite0", NULL, &err)->name, "efficientnet-lite0");
    expect_near(twi_zoo_find("mobilenet_v2:0.35", NULL, &err)->alpha, 0.35, 1e-9);
    expect_ok(err);
}

static void a_misspelt_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_zoo_find("vgg61", NULL, &err));
    expect_error(err, TW_EINVAL, "did you mean 'vgg1");
    err = (tw_err){0};
    assert_null(twi_zoo_find("mobilenet_v2:0.4", NULL, &err));
    expect_error(err, TW_EINVAL, "its widths are 1, 0.35");
    err = (tw_err){0};
    assert_null(twi_zoo_find("mobilenet_v2:wide", NULL, &err));
    expect_error(err, TW_EINVAL, "has no width 'wide'");
}

static void too_small_pictures_are_refused_naming_the_least_size(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_zoo_build("vgg16", &(twi_zoo_options){.input = TWI_SHAPE(31, 64, 3)}, &err));
    expect_error(err, TW_EINVAL, "at least 32 x 32, received 31 x 64");
}

static void wrong_pooling_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_zoo_build("vgg16", &(twi_zoo_options){.pooling = "median"}, &err));
    expect_error(err, TW_EINVAL, "pooling must be avg or max");
}

static void options_reach_the_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_zoo_build("mobilenet:0.25",
                                &(twi_zoo_options){.has_top = true,
                                                   .input = TWI_SHAPE(64, 96, 3),
                                                   .classes = 5,
                                                   .classifier_activation = "none",
                                                   .name = "mine"},
                                &err);
    expect_ok(err);
    assert_string_equal(m->name, "mine");
    tw_shape out = twi_model_shape(m, m->outputs.at[0]);
    assert_int_equal(twi_shape_last(&out), 5);
    twi_model_free(m);
    m = twi_zoo_build("mobilenet", &(twi_zoo_options){.input = TWI_SHAPE(160, 160, 3), .pooling = "max"},
                      &err);
    expect_ok(err);
    assert_string_equal(m->name, "mobilenet_1.00_160");
    out = twi_model_shape(m, m->outputs.at[0]);
    assert_int_equal(out.rank, 2);
    twi_model_free(m);
}

// Names as Keras gives them, in the order of model.layers (checked against Keras; see tests/interop for all of them).
static void layers_are_named_and_ordered_as_in_keras(void **state)
{
    (void)state;
    static const char *const expected[] = {"input_layer",
                                           "Conv1",
                                           "bn_Conv1",
                                           "Conv1_relu",
                                           "expanded_conv_depthwise",
                                           "expanded_conv_depthwise_BN",
                                           "expanded_conv_depthwise_relu",
                                           "expanded_conv_project",
                                           "expanded_conv_project_BN",
                                           "block_1_expand",
                                           "block_1_expand_BN",
                                           "block_1_expand_relu",
                                           "block_1_pad"};
    tw_err err = {0};
    tw_model *m = build("mobilenet_v2", false);
    int n, *order = twi_model_order(m, false, &n, &err);
    expect_ok(err);
    assert_int_equal(n, 154);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(m->layers.at[order[i]]->name, expected[i]);
    assert_string_equal(m->layers.at[order[n - 1]]->name, "out_relu");
    twi_free(order);
    twi_model_free(m);
}

static void lite_weights_have_their_torch_names(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"stem_conv/kernel", "_conv_stem.weight"},
                                           {"stem_bn/moving_variance", "_bn0.running_var"},
                                           {"block1a_dwconv/kernel", "_blocks.0._depthwise_conv.weight"},
                                           {"block2b_expand_bn/gamma", "_blocks.2._bn0.weight"},
                                           {"block7a_project_bn/beta", "_blocks.15._bn2.bias"},
                                           {"top_bn/moving_mean", "_bn1.running_mean"},
                                           {"predictions/bias", "_fc.bias"}};
    tw_err err = {0};
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find("efficientnet-lite0", &family, &err);
    char name[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(family->torch_name(v, names[i][0], name, sizeof name));
        assert_string_equal(name, names[i][1]);
    }
    assert_false(family->torch_name(v, "dense/kernel", name, sizeof name));
    assert_false(family->torch_name(v, "stem_conv/other", name, sizeof name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_has_the_parameters_it_states),
        cmocka_unit_test(every_variant_states_how_to_use_it),
        cmocka_unit_test(names_do_not_mind_case_dashes_and_underscores),
        cmocka_unit_test(a_misspelt_name_is_answered_with_the_nearest),
        cmocka_unit_test(too_small_pictures_are_refused_naming_the_least_size),
        cmocka_unit_test(wrong_pooling_is_refused),
        cmocka_unit_test(options_reach_the_model),
        cmocka_unit_test(layers_are_named_and_ordered_as_in_keras),
        cmocka_unit_test(lite_weights_have_their_torch_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
