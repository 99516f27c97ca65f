// Model files: what is saved comes back, and what does not fit changes nothing.

#include "testing.h"

#include "format/format.h"
#include "nets.h"

#include <dirent.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/topwork-format-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(folder);
}

static const char *in_folder(const char *name)
{
    static char path[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

// A frozen trunk as one layer, a head on it; partly trainable inside where asked.
static tw_model *classifier(uint64_t seed, const char *freeze)
{
    tw_err err = {0};
    tw_shape shape = TWI_SHAPE(-1, 8, 8, 3);
    tw_model *trunk = twi_model_new("trunk", false, &err);
    twi_model_output(trunk, net_blocks(trunk, twi_model_input(trunk, "photo", &shape), ""));
    assert_int_equal(twi_model_verify(trunk, &err), TW_OK);
    tw_model *m = twi_model_new("classifier", true, &err);
    twi_model_input(m, NULL, &shape);
    twi_layer *nest = twi_layer_nest(trunk, &err);
    twi_model_add(m, nest);
    twi_layer_free(nest);
    twi_model_free(trunk);
    static const char *const head[][2] = {
        {"Flatten", ""}, {"Dropout", "rate=0.25"}, {"Dense", "units=3 activation=softmax"}};
    for (int i = 0; i < 3; i++) {
        twi_layer *layer = twi_layer_new(twi_layer_kind_find(head[i][0]), NULL, &err);
        assert_int_equal(twi_layer_set(layer, head[i][1], &err), TW_OK);
        twi_model_add(m, layer);
        twi_layer_free(layer);
    }
    assert_int_equal(twi_model_verify(m, &err), TW_OK);
    net_fill(m, seed);
    assert_int_equal(twi_model_freeze(m, freeze, &err), TW_OK);
    expect_ok(err);
    return m;
}

// Same names, shapes, flags and bits.
static void expect_same_weights(const tw_model *a, const tw_model *b)
{
    tw_err err = {0};
    twi_weights wa, wb;
    twi_model_weights(a, &wa, &err);
    twi_model_weights(b, &wb, &err);
    assert_int_equal(wa.n, wb.n);
    for (int i = 0; i < wa.n; i++) {
        assert_string_equal(wa.path[i], wb.path[i]);
        assert_true(twi_shape_same(&wa.at[i]->shape, &wb.at[i]->shape));
        size_t bytes = (size_t)twi_shape_count(&wa.at[i]->shape) * sizeof(float);
        if (memcmp(wa.at[i]->data, wb.at[i]->data, bytes) != 0)
            fail_msg("'%s' differs", wa.path[i]);
    }
    twi_weights_clear(&wa);
    twi_weights_clear(&wb);
}

static char *config_text(const tw_model *m)
{
    tw_err err = {0};
    json_t *config = twi_keras_config(m, &err);
    expect_ok(err);
    char *text = twi_json_text(config, 0, &err);
    json_decref(config);
    return text;
}

static void expect_same_config(const tw_model *a, const tw_model *b)
{
    char *ta = config_text(a), *tb = config_text(b);
    assert_string_equal(ta, tb);
    twi_free(ta);
    twi_free(tb);
}

static void a_saved_model_comes_back_whole(void **state)
{
    (void)state;
    static const char *const files[] = {"m.keras", "m.h5"};
    static const char *const freezes[] = {"none", "trunk", "bn1,conv2"};
    for (int i = 0; i < 6; i++) {
        tw_err err = {0};
        tw_model *m = classifier(5, freezes[i / 2]);
        const char *path = in_folder(files[i % 2]);
        assert_int_equal(twi_model_save(m, path, &err), TW_OK);
        tw_model *again = twi_model_load(path, NULL, NULL, &err);
        expect_ok(err);
        expect_same_config(m, again);
        expect_same_weights(m, again);
        twi_model_free(again);
        twi_model_free(m);
    }
}

static void labels_preprocessing_and_inference_marks_come_back(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = classifier(5, "trunk");
    twi_info_set_labels(m, 3, (const char *const[]){"ants", "bees", "Käfer"}, &err);
    twi_info_set_text(m, "preprocessing.mode", "raw", &err);
    twi_model_find(m, "trunk")->is_inference = true;
    const char *path = in_folder("m.keras");
    assert_int_equal(twi_model_save(m, path, &err), TW_OK);
    tw_model *again = twi_model_load(path, NULL, NULL, &err);
    expect_ok(err);
    assert_true(json_equal(m->info, again->info));
    assert_string_equal(twi_info_label(again, 2), "Käfer");
    assert_true(twi_model_find(again, "trunk")->is_inference);
    twi_model_free(again);
    twi_model_free(m);
}

static void weights_load_whatever_was_frozen_when_they_were_saved(void **state)
{
    (void)state;
    static const char *const files[] = {"w.weights.h5", "w.h5", "m.h5", "m.keras"};
    static const char *const freezes[] = {"none", "trunk", "bn1,bn3", "conv2"};
    for (int i = 0; i < 16; i++) {
        tw_err err = {0};
        tw_model *m = classifier(5, freezes[i / 4]), *other = classifier(6, freezes[(i / 4 + 1 + i % 3) % 4]);
        const char *path = in_folder(files[i % 4]);
        tw_status status =
            files[i % 4][0] == 'm' ? twi_model_save(m, path, &err) : twi_weights_save(m, path, &err);
        assert_int_equal(status, TW_OK);
        twi_load_report report = {0};
        assert_int_equal(twi_weights_load(other, path, NULL, &report, &err), TW_OK);
        expect_same_weights(m, other);
        assert_int_equal(report.n_loaded, 18);
        twi_load_report_clear(&report);
        twi_model_free(other);
        twi_model_free(m);
    }
}

static tw_model *dense_pair(int units, uint64_t seed)
{
    tw_err err = {0};
    tw_shape shape = TWI_SHAPE(-1, 4);
    tw_model *m = twi_model_new("pair", false, &err);
    twi_tensor x = twi_model_input(m, "in", &shape);
    char config[32];
    snprintf(config, sizeof config, "units=%d", units);
    x = net_layer(m, "Dense", "first", x, "units=5");
    twi_model_output(m, net_layer(m, "Dense", "second", x, config));
    assert_int_equal(twi_model_verify(m, &err), TW_OK);
    net_fill(m, seed);
    return m;
}

static void weights_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    static const char *const files[] = {"w.weights.h5", "w.h5"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        tw_model *m = dense_pair(3, 5), *other = dense_pair(2, 6), *before = dense_pair(2, 6);
        const char *path = in_folder(files[i]);
        assert_int_equal(twi_weights_save(m, path, &err), TW_OK);
        twi_weights_load(other, path, NULL, NULL, &err);
        char expected[128];
        snprintf(expected, sizeof expected,
                 "dense 'second': kernel has shape (5, 3) in %s, expected (5, 2)\ndense 'second': bias",
                 files[i]);
        expect_error(err, TW_EUNUSABLE, expected);
        expect_same_weights(other, before);
        twi_model_free(before);
        twi_model_free(other);
        twi_model_free(m);
    }
}

static void skip_mismatch_loads_the_rest_and_names_what_it_left(void **state)
{
    (void)state;
    static const char *const files[] = {"w.weights.h5", "w.h5"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        tw_model *m = dense_pair(3, 5), *other = dense_pair(2, 6);
        const char *path = in_folder(files[i]);
        twi_weights_save(m, path, &err);
        twi_load_options o = {.skip_mismatch = true};
        twi_load_report report = {0};
        assert_int_equal(twi_weights_load(other, path, &o, &report, &err), TW_OK);
        assert_int_equal(report.n_loaded, 2);
        assert_string_equal(report.skipped.text, "second/kernel, second/bias");
        assert_memory_equal(twi_model_find(other, "first")->weights[0].data,
                            twi_model_find(m, "first")->weights[0].data, 20 * sizeof(float));
        twi_load_report_clear(&report);
        twi_model_free(other);
        twi_model_free(m);
    }
}

static void by_name_takes_the_layers_whose_names_agree(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = dense_pair(3, 5);
    tw_shape shape = TWI_SHAPE(-1, 4);
    tw_model *other = twi_model_new("other", false, &err);
    twi_tensor x = twi_model_input(other, "in", &shape);
    x = net_layer(other, "Dense", "first", x, "units=5");
    twi_model_output(
        other, net_layer(other, "Dense", "mine", net_layer(other, "Dense", "own", x, "units=7"), "units=2"));
    assert_int_equal(twi_model_verify(other, &err), TW_OK);
    net_fill(other, 6);
    const char *path = in_folder("w.h5");
    twi_weights_save(m, path, &err);
    tw_err refused = {0};
    twi_weights_load(other, path, NULL, NULL, &refused);
    expect_error(refused, TW_EUNUSABLE,
                 "holds weights of 2 layers, model 'other' has 3; they part at layer 'own'");
    expect_error(refused, TW_EUNUSABLE, "--by-name");
    twi_load_options o = {.by_name = true};
    twi_load_report report = {0};
    assert_int_equal(twi_weights_load(other, path, &o, &report, &err), TW_OK);
    assert_int_equal(report.n_loaded, 2);
    assert_string_equal(report.skipped.text, "own, mine");
    assert_string_equal(report.left_over.text, "second");
    twi_load_report_clear(&report);
    twi_model_free(other);
    twi_model_free(m);
}

// The trunk of another model: found by the layers' names, wherever they stand.
static void weights_of_a_part_are_found_inside_a_whole(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = classifier(5, "trunk"), *other = classifier(6, "none");
    tw_model *trunk = twi_model_find(m, "trunk")->nested, *mine = twi_model_find(other, "trunk")->nested;
    assert_int_equal(twi_weights_save(m, in_folder("w.weights.h5"), &err), TW_OK);
    assert_int_equal(twi_weights_load(mine, in_folder("w.weights.h5"), NULL, NULL, &err), TW_OK);
    expect_ok(err);
    expect_same_weights(trunk, mine);
    twi_model_free(other);
    twi_model_free(m);
}

static void content_decides_not_the_suffix(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = classifier(5, "trunk");
    twi_model_save(m, in_folder("m.h5"), &err);
    char h5[512];
    snprintf(h5, sizeof h5, "%s", in_folder("m.h5"));
    assert_int_equal(rename(h5, in_folder("wrong.keras")), 0);
    tw_model *again = twi_model_load(in_folder("wrong.keras"), NULL, NULL, &err);
    expect_ok(err);
    expect_same_weights(m, again);
    twi_model_free(again);
    twi_model_free(m);
}

static void the_error_of(const char *name, const char *text, tw_status status, const char *part)
{
    tw_err err = {0};
    assert_int_equal(twi_file_write(in_folder(name), text, strlen(text), &err), TW_OK);
    assert_null(twi_model_load(in_folder(name), NULL, NULL, &err));
    expect_error(err, status, part);
}

static void files_that_are_no_models_are_refused(void **state)
{
    (void)state;
    the_error_of("empty.keras", "", TW_EMALFORMED, "is no model file");
    the_error_of("text.keras", "hello", TW_EMALFORMED, "Keras 3 archive");
    the_error_of("zip.keras", "PK\003\004 and nothing more", TW_EMALFORMED, "");
    the_error_of("hdf.h5", "\211HDF\r\n\032\n", TW_EMALFORMED, "");
    tw_err err = {0};
    assert_null(twi_model_load(in_folder("absent.keras"), NULL, NULL, &err));
    expect_error(err, TW_EUNUSABLE, "No such file");
}

static void a_file_of_weights_says_what_wants_it(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = dense_pair(3, 5);
    twi_weights_save(m, in_folder("w.weights.h5"), &err);
    assert_null(twi_model_load(in_folder("w.weights.h5"), NULL, NULL, &err));
    expect_error(err, TW_EUNUSABLE, "holds weights only");
    expect_error(err, TW_EUNUSABLE, "--weights");
    twi_model_free(m);
}

// Every shorter file is refused; none crashes, hangs or gives half a model.
static void truncated_files_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"t.keras", "t.h5"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        tw_model *m = dense_pair(3, 5);
        twi_model_save(m, in_folder(files[i]), &err);
        twi_source source;
        assert_int_equal(twi_source_open(&source, in_folder(files[i]), &err), TW_OK);
        size_t n;
        uint8_t *bytes = twi_source_all(&source, &n, &err);
        twi_source_close(&source);
        for (size_t cut = 0; cut < n; cut += 1 + n / 97) {
            tw_err refused = {0};
            twi_file_write(in_folder("cut"), bytes, cut, &err);
            tw_model *half = twi_model_load(in_folder("cut"), NULL, NULL, &refused);
            if (half || refused.status != TW_EMALFORMED)
                fail_msg("%zu of %zu bytes of %s: %s", cut, n, files[i], refused.msg);
        }
        expect_ok(err);
        twi_free(bytes);
        twi_model_free(m);
    }
}

static void a_name_without_a_known_suffix_is_not_written(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = dense_pair(3, 5);
    assert_int_equal(twi_model_save(m, in_folder("m.bin"), &err), TW_EINVAL);
    expect_error(err, TW_EINVAL, ".keras");
    tw_err unwritable = {0};
    assert_int_equal(twi_model_save(m, "/nowhere/at/all/m.keras", &unwritable), TW_EWRITE);
    expect_error(unwritable, TW_EWRITE, "");
    twi_model_free(m);
}

static void a_model_with_unset_weights_is_not_saved(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = dense_pair(3, 5);
    twi_model_find(m, "second")->weights[1].is_set = false;
    twi_model_save(m, in_folder("unset.keras"), &err);
    expect_error(err, TW_EUNUSABLE, "bias");
    assert_false(twi_file_exists(in_folder("unset.keras")));
    twi_model_free(m);
}

static void optimizer_slots_come_back(void **state)
{
    (void)state;
    static const char *const files[] = {"o.keras", "o.h5"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        tw_model *m = dense_pair(3, 5);
        m->compile =
            json_pack("{s{ss ss s{ss} sn} ss}", "optimizer", "module", "keras.optimizers", "class_name",
                      "SGD", "config", "name", "sgd", "registered_name", "loss", "mse");
        int64_t *step = twi_new(1, sizeof *step, "step", &err);
        float *rate = twi_new(1, sizeof *rate, "rate", &err), *slot = twi_new(20, sizeof *slot, "slot", &err);
        *step = 41, *rate = 0.5f, slot[19] = 7;
        assert_true(twi_vec_push(&m->slots, ((twi_view){.dtype = TWI_I64, .data = step}), &err));
        assert_true(twi_vec_push(&m->slots, ((twi_view){.dtype = TWI_F32, .data = rate}), &err));
        twi_view third = {.dtype = TWI_F32, .shape = TWI_SHAPE(4, 5), .data = slot};
        assert_true(twi_vec_push(&m->slots, third, &err));
        if (i)
            m->compile = (json_object_set_new(m->compile, "metrics", json_null()), m->compile);
        assert_int_equal(twi_model_save(m, in_folder(files[i]), &err), TW_OK);
        tw_model *again = twi_model_load(in_folder(files[i]), NULL, NULL, &err);
        expect_ok(err);
        assert_int_equal(again->slots.n, 3);
        assert_int_equal(*(int64_t *)again->slots.at[0].data, 41);
        expect_near(*(float *)again->slots.at[1].data, 0.5, 0);
        expect_near(((float *)again->slots.at[2].data)[19], 7, 0);
        assert_true(json_equal(json_object_get(m->compile, "loss"), json_object_get(again->compile, "loss")));
        twi_model_free(again);
        twi_model_free(m);
    }
}

static void labels_txt_beside_a_model_is_read(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = classifier(5, "trunk");
    twi_model_save(m, in_folder("m.h5"), &err);
    static const struct {
        const char *text, *third; // third label, NULL: no labels
    } cases[] = {{"0 ants\n1 bees\n2 big cats\n", "big cats"},
                 {"ants\r\nbees\r\ncats\r\n", "cats"},
                 {"0 ants\n1 bees\n7 cats\n", "7 cats"},
                 {"ants\nbees\n", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        twi_file_write(in_folder("labels.txt"), cases[i].text, strlen(cases[i].text), &err);
        tw_model *again = twi_model_load(in_folder("m.h5"), NULL, NULL, &err);
        expect_ok(err);
        if (cases[i].third)
            assert_string_equal(twi_info_label(again, 2), cases[i].third);
        else
            assert_int_equal(twi_info_n_labels(again), 0);
        assert_null(twi_info_text(again, "preprocessing.mode", NULL));
        twi_model_free(again);
    }
    unlink(in_folder("labels.txt"));
    twi_model_free(m);
}

static void weights_are_looked_for_where_the_message_says(void **state)
{
    (void)state;
    tw_err err = {0};
    const twi_zoo_variant *v = twi_zoo_find("mobilenet:0.25", NULL, &err);
    expect_ok(err);
    setenv("TOPWORK_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", "/nowhere/cache", 1);
    setenv("KERAS_HOME", folder, 1);
    assert_null(twi_weights_find(v, false, &err));
    expect_error(err, TW_EUNUSABLE,
                 "no ImageNet weights for mobilenet:0.25 (mobilenet_2_5_224_tf_no_top.h5)\n");
    expect_error(err, TW_EUNUSABLE, "/nowhere/cache/topwork/weights");
    expect_error(err, TW_EUNUSABLE, "topwork fetch mobilenet:0.25");
    expect_error(err, TW_EUNUSABLE, "--weights none");
    char models[512], file[600];
    snprintf(models, sizeof models, "%s", in_folder("models"));
    snprintf(file, sizeof file, "%s/mobilenet_2_5_224_tf_no_top.h5", models);
    tw_err fine = {0};
    twi_dir_make(models, &fine);
    twi_file_write(file, "x", 1, &fine);
    char *found = twi_weights_find(v, false, &fine);
    expect_ok(fine);
    assert_string_equal(found, file);
    twi_free(found);
    unlink(file);
    rmdir(models);
    unsetenv("TOPWORK_HOME");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("KERAS_HOME");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_model_comes_back_whole),
        cmocka_unit_test(labels_preprocessing_and_inference_marks_come_back),
        cmocka_unit_test(weights_load_whatever_was_frozen_when_they_were_saved),
        cmocka_unit_test(weights_that_do_not_fit_change_nothing),
        cmocka_unit_test(skip_mismatch_loads_the_rest_and_names_what_it_left),
        cmocka_unit_test(by_name_takes_the_layers_whose_names_agree),
        cmocka_unit_test(weights_of_a_part_are_found_inside_a_whole),
        cmocka_unit_test(content_decides_not_the_suffix),
        cmocka_unit_test(files_that_are_no_models_are_refused),
        cmocka_unit_test(a_file_of_weights_says_what_wants_it),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(a_name_without_a_known_suffix_is_not_written),
        cmocka_unit_test(a_model_with_unset_weights_is_not_saved),
        cmocka_unit_test(optimizer_slots_come_back),
        cmocka_unit_test(labels_txt_beside_a_model_is_read),
        cmocka_unit_test(weights_are_looked_for_where_the_message_says),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
