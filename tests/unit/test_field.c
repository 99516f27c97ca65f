// Option rows: one table fills, checks, reads, writes.

#include "testing.h"

#include "base/field.h"

typedef struct options {
    int64_t filters, kernel[2], pads[4];
    double rate;
    bool no_bias, is_loud;
    int padding;
    const char *name;
    tw_setting init;
    tw_shape shape;
    tw_floats list;
    tw_texts words;
} options;

static const tw_setting_kind zeros = {.name = "Zeros", .aliases = "zeros", .doc = "0", .row = "served"};
static const char *const modes[] = {"fan_in", "fan_out", NULL};
static const tw_setting_kind scaling = {.name = "VarianceScaling",
                                        .aliases = "variance_scaling vs",
                                        .doc = "spread by size",
                                        .args = {{"scale", 1, 0, 10, NULL}, {"mode", 0, 0, 1, modes}},
                                        .row = "served"};
static const tw_setting_kind ghost = {.name = "Ghost", .doc = "nobody has seen one"};
static const tw_setting_kind *const kinds[] = {&zeros, &scaling, &ghost, NULL};

static const tw_setting_kind *find(const char *name)
{
    return twi_setting_find(kinds, name);
}

static const char *const *names(void)
{
    static const char *const list[] = {"zeros", "variance_scaling", NULL};
    return list;
}

static const char *const paddings[] = {"valid", "same", NULL};
static const tw_field fields[] = {
    {TWI_INT("filters", "outputs", options, filters, 1, 4096), .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("kernel_size", "window", options, kernel, 1, 99), .otherwise = "3"},
    {TWI_FIELD("pads", "rim", TW_FIELD_PADS, options, pads), .otherwise = "0"},
    {TWI_FLOAT("rate", "share", options, rate, 0, 1), .otherwise = "0.5"},
    {TWI_FIELD("use_bias", "offset", TW_FIELD_NOT, options, no_bias), .otherwise = "true"},
    {TWI_FIELD("loud", "noise", TW_FIELD_BOOL, options, is_loud)},
    {TWI_CHOICE("padding", "rim", options, padding, paddings), .otherwise = "valid"},
    {TWI_FIELD("title", "name", TW_FIELD_TEXT, options, name)},
    {TWI_FIELD("init", "start", TW_FIELD_SETTING, options, init), .otherwise = "zeros", .find = find,
     .names = names},
    {TWI_FIELD("shape", "sizes", TW_FIELD_SHAPE, options, shape)},
    {TWI_FIELD("list", "numbers", TW_FIELD_FLOATS, options, list)},
    {TWI_FIELD("words", "texts", TW_FIELD_TEXTS, options, words)},
    TWI_IGNORED("legacy"),
    {0}};

static tw_status read_text(options *o, const char *json, twi_arena *arena, tw_err *err)
{
    memset(o, 0, sizeof *o);
    json_t *config = twi_json_parse("test", json, strlen(json), err);
    tw_status status = twi_fields_read(fields, o, config, "layer 'x'", arena, err);
    json_decref(config);
    return status;
}

static void json_fills_the_struct_over_its_defaults(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_arena arena = {0};
    options o;
    read_text(&o,
              "{\"filters\": 8, \"kernel_size\": [5, 7], \"pads\": [[0, 1], [2, 3]], \"use_bias\": false, "
              "\"legacy\": {},"
              "\"padding\": \"same\", \"shape\": [null, 3], \"list\": [1, 2.5], \"title\": \"t\","
              "\"init\": {\"class_name\": \"VarianceScaling\", \"config\": {\"scale\": 2.0, \"mode\": "
              "\"fan_out\", \"seed\": null}}}",
              &arena, &err);
    expect_ok(err);
    assert_int_equal(o.filters, 8);
    assert_int_equal(o.kernel[1], 7);
    assert_int_equal(o.pads[3], 3);
    assert_true(o.no_bias);
    assert_int_equal(o.padding, 1);
    assert_int_equal(o.shape.dim[0], -1);
    expect_near(o.list.at[1], 2.5, 0);
    expect_near(o.rate, 0.5, 0);
    assert_ptr_equal(o.init.kind, &scaling);
    expect_near(twi_setting_arg(&o.init, "mode"), 1, 0);
    json_t *back = json_object();
    assert_int_equal(twi_fields_write(fields, &o, back, &err), TW_OK);
    options again = {0};
    assert_int_equal(twi_fields_read(fields, &again, back, "x", &arena, &err), TW_OK);
    assert_int_equal(again.pads[2], 2);
    assert_true(again.no_bias);
    expect_near(again.init.value[0], 2, 0);
    json_decref(back);
    twi_arena_clear(&arena);
}

static void a_bad_value_names_layer_key_and_range(void **state)
{
    (void)state;
    twi_arena arena = {0};
    options o;
    struct {
        const char *json, *part;
    } bad[] = {
        {"{\"filters\": 0}", "layer 'x': filters must be in 1..4096, received 0"},
        {"{\"filters\": 2.5}", "whole number"},
        {"{\"filters\": 1, \"padding\": \"sane\"}", "padding must be valid or same, received 'sane'"},
        {"{\"filters\": 1, \"filter\": 2}", "unknown key 'filter'; did you mean 'filters'?"},
        {"{}", "filters is missing"},
        {"{\"filters\": 1, \"init\": \"zeroes\"}", "did you mean 'zeros'?"},
        {"{\"filters\": 1, \"init\": {\"class_name\": \"VarianceScaling\", \"config\": {\"scale\": 11}}}",
         "0..10"},
        {"{\"filters\": 1, \"rate\": \"x\"}", "rate must be a number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tw_err err = {0};
        read_text(&o, bad[i].json, &arena, &err);
        expect_error(err, TW_EMALFORMED, bad[i].part);
    }
    twi_arena_clear(&arena);
}

static void what_is_known_but_not_served_says_why(void **state)
{
    (void)state;
    twi_arena arena = {0};
    options o = {0};
    tw_err err = {0}, of_text = {0};
    read_text(&o, "{\"filters\": 1, \"init\": \"ghost\"}", &arena, &err);
    expect_error(err, TW_EUNSUPPORTED, "not supported yet: init 'Ghost' (nobody has seen one)");
    twi_field_set(twi_field_find(fields, "init"), &o, "ghost", "--init", &arena, &of_text);
    expect_error(of_text, TW_EUNSUPPORTED, "not supported yet");
    twi_arena_clear(&arena);
}

static void text_sets_what_json_sets(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_arena arena = {0};
    options o = {0};
    const char *pairs[][2] = {{"filters", "16"}, {"kernel-size", "3x5"},        {"use_bias", "false"},
                              {"pads", "1,2"},   {"init", "vs:2:mode=fan_out"}, {"words", "a"},
                              {"words", "b"},    {"shape", "32,32,3"}};
    assert_int_equal(twi_fields_default(fields, &o, &arena, &err), TW_OK);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        twi_field_set(twi_field_find(fields, pairs[i][0]), &o, pairs[i][1], "--x", &arena, &err);
    expect_ok(err);
    assert_int_equal(o.filters, 16);
    assert_int_equal(o.kernel[1], 5);
    assert_int_equal(o.pads[3], 2);
    assert_true(o.no_bias);
    expect_near(o.init.value[0], 2, 0);
    expect_near(o.init.value[1], 1, 0);
    assert_int_equal(o.words.n, 2);
    assert_string_equal(o.words.at[1], "b");
    assert_int_equal(o.shape.rank, 3);
    twi_field_set(twi_field_find(fields, "init"), &o, "vs:2:3:4", "--init", &arena, &err);
    expect_error(err, TW_EINVAL, "mode");
    twi_arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_fills_the_struct_over_its_defaults),
        cmocka_unit_test(a_bad_value_names_layer_key_and_range),
        cmocka_unit_test(what_is_known_but_not_served_says_why),
        cmocka_unit_test(text_sets_what_json_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
