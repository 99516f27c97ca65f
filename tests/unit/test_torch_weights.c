// Weights under torch's names: layouts turned to Keras's, all or nothing, and headers that lie.

#include "testing.h"

#include "format/torch.h"
#include "zoo/zoo.h"

extern const twi_format twi_format_safetensors, twi_format_torch;

static const char name[] = "efficientnet-lite0";

typedef struct sample {
    tw_model *model;
    const twi_zoo_variant *variant;
    twi_str header;
    twi_vec(float) values;
    char *file;
    size_t n;
} sample;

// Torch's shape of a Keras weight.
static tw_shape torch_shape(const twi_layer *layer, const tw_shape *s)
{
    if (s->rank != 4)
        return s->rank == 2 ? TWI_SHAPE(s->dim[1], s->dim[0]) : *s;
    bool is_depthwise = !strcmp(layer->kind->name, "DepthwiseConv2D");
    return is_depthwise ? TWI_SHAPE(s->dim[2] * s->dim[3], 1, s->dim[0], s->dim[1])
                        : TWI_SHAPE(s->dim[3], s->dim[2], s->dim[0], s->dim[1]);
}

static float value_of(int64_t i)
{
    return (float)(i % 8191);
}

static void add_tensor(sample *s, const char *torch, const tw_shape *shape)
{
    size_t first = s->values.n, n = (size_t)twi_shape_count(shape);
    for (size_t i = 0; i < n; i++)
        assert_true(twi_vec_push(&s->values, value_of((int64_t)i), NULL));
    twi_str_printf(&s->header, "%s\"%s\": {\"dtype\": \"F32\", \"shape\": [", s->header.n ? ", " : "{",
                   torch);
    for (int i = 0; i < shape->rank; i++)
        twi_str_printf(&s->header, "%s%lld", i ? ", " : "", (long long)shape->dim[i]);
    twi_str_printf(&s->header, "], \"data_offsets\": [%zu, %zu]}", first * 4, s->values.n * 4);
}

// The model without top, and a safetensors file for it in memory; `prefix` before every name, `without` left out.
static void make(sample *s, const char *prefix, const char *without)
{
    tw_err err = {0};
    const twi_zoo_family *family = NULL;
    twi_zoo_options o = {.has_top = false};
    *s = (sample){.variant = twi_zoo_find(name, &family, &err), .model = twi_zoo_build(name, &o, &err)};
    expect_ok(err);
    twi_weights all;
    twi_model_weights(s->model, &all, &err);
    for (int i = 0; i < all.n; i++) {
        char torch[128], full[160];
        assert_true(family->torch_name(s->variant, all.path[i], torch, sizeof torch));
        snprintf(full, sizeof full, "%s%s", prefix, torch);
        tw_shape shape = torch_shape(all.layer[i], &all.at[i]->shape);
        if (strcmp(torch, without) != 0)
            add_tensor(s, full, &shape);
    }
    twi_weights_clear(&all);
    add_tensor(s, "_fc.bias", &TWI_SHAPE(3));
    add_tensor(s, "_bn0.num_batches_tracked", &TWI_SHAPE(1));
    twi_str_add(&s->header, ", \"__metadata__\": {\"format\": \"pt\"}}");
    uint64_t n = s->header.n;
    s->n = 8 + s->header.n + s->values.n * 4;
    s->file = twi_new(s->n, 1, "a test", &err);
    memcpy(s->file, &n, 8);
    memcpy(s->file + 8, s->header.text, s->header.n);
    memcpy(s->file + 8 + s->header.n, s->values.at, s->values.n * 4);
}

static void drop(sample *s)
{
    twi_model_free(s->model);
    twi_str_clear(&s->header);
    twi_vec_clear(&s->values);
    twi_free(s->file);
}

static tw_status read_file(sample *s, twi_load_report *report, tw_err *err)
{
    twi_source source;
    twi_load_options o = {.variant = s->variant};
    twi_source_memory(&source, "a.safetensors", s->file, s->n);
    assert_true(twi_format_safetensors.is(&source));
    return twi_format_safetensors.read_weights(s->model, &source, &o, report, err);
}

static const twi_weight *weight_of(const sample *s, const char *layer, int i)
{
    return &twi_model_find(s->model, layer)->weights[i];
}

static void layouts_are_turned_from_channels_first(void **state)
{
    (void)state;
    sample s;
    tw_err err = {0};
    twi_load_report report = {0};
    make(&s, "", "");
    read_file(&s, &report, &err);
    expect_ok(err);
    assert_int_equal(report.n_loaded, 245);
    assert_string_equal(report.left_over.text, "_fc.bias");
    const twi_weight *stem = weight_of(&s, "stem_conv", 0), *depthwise = weight_of(&s, "block2a_dwconv", 0);
    for (int64_t h = 0; h < 3; h++)
        for (int64_t w = 0; w < 3; w++)
            for (int64_t c = 0; c < 3; c++)
                for (int64_t o = 0; o < 32; o++)
                    assert_int_equal((int)stem->data[((h * 3 + w) * 3 + c) * 32 + o],
                                     (int)value_of(((o * 3 + c) * 3 + h) * 3 + w));
    assert_int_equal(depthwise->shape.dim[2], 96);
    for (int64_t h = 0; h < 3; h++)
        for (int64_t w = 0; w < 3; w++)
            for (int64_t c = 0; c < 96; c++)
                assert_int_equal((int)depthwise->data[(h * 3 + w) * 96 + c],
                                 (int)value_of((c * 3 + h) * 3 + w));
    assert_int_equal((int)weight_of(&s, "stem_bn", 3)->data[31], 31);
    twi_load_report_clear(&report);
    drop(&s);
}

static void names_under_data_parallel_are_found(void **state)
{
    (void)state;
    sample s;
    tw_err err = {0};
    make(&s, "module.", "");
    read_file(&s, NULL, &err);
    expect_ok(err);
    drop(&s);
}

static void a_missing_tensor_leaves_the_model_as_it_was(void **state)
{
    (void)state;
    sample s;
    tw_err err = {0};
    make(&s, "", "_conv_head.weight");
    read_file(&s, NULL, &err);
    expect_error(err, TW_EUNUSABLE, "conv2d 'top_conv': a.safetensors has no tensor '_conv_head.weight'");
    assert_false(weight_of(&s, "stem_conv", 0)->is_set);
    drop(&s);
}

static void models_without_torch_names_are_not_supported(void **state)
{
    (void)state;
    sample s;
    tw_err err = {0};
    make(&s, "", "");
    s.variant = twi_zoo_find("vgg16", NULL, NULL);
    read_file(&s, NULL, &err);
    expect_error(err, TW_EUNSUPPORTED, "for vgg16: its torch names are not known");
    assert_false(weight_of(&s, "stem_conv", 0)->is_set);
    drop(&s);
}

static void a_network_that_nobody_named_is_known_by_its_layers(void **state)
{
    (void)state;
    sample s;
    tw_err err = {0};
    make(&s, "", "");
    s.variant = NULL;
    read_file(&s, NULL, &err);
    expect_ok(err);
    assert_true(weight_of(&s, "stem_conv", 0)->is_set);
    drop(&s);
}

static void headers_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *part;
        tw_status status;
    } headers[] = {
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 4]}}", "as many bytes",
         TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}}", "ends past",
         TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [9223372036854775803, "
         "9223372036854775807]}}",
         "outside the file", TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 4]}}", "impossible size",
         TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2147483648, 2147483648, 2147483648], \"data_offsets\": "
         "[0, 4]}}",
         "counted", TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1, 1, 1, 1, 1, 1, 1], \"data_offsets\": [0, 4]}}",
         "6 axes", TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 0]}}", "data_offsets",
         TW_EMALFORMED},
        {"{\"a\": {\"dtype\": \"F8\", \"shape\": [1], \"data_offsets\": [0, 1]}}", "type 'F8'",
         TW_EUNSUPPORTED},
        {"{\"a\": 1}", "type ''", TW_EUNSUPPORTED},
        {"{\"a\": ", "a.safetensors", TW_EMALFORMED}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char file[512] = {0};
        tw_err err = {0};
        uint64_t n = strlen(headers[i].header);
        memcpy(file, &n, 8);
        memcpy(file + 8, headers[i].header, n);
        sample s = {.file = file, .n = 8 + n + 8, .variant = twi_zoo_find(name, NULL, NULL)};
        read_file(&s, NULL, &err);
        expect_error(err, headers[i].status, headers[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_turned_from_channels_first),
        cmocka_unit_test(names_under_data_parallel_are_found),
        cmocka_unit_test(a_missing_tensor_leaves_the_model_as_it_was),
        cmocka_unit_test(models_without_torch_names_are_not_supported),
        cmocka_unit_test(a_network_that_nobody_named_is_known_by_its_layers),
        cmocka_unit_test(headers_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
