// Surgery: what may learn in front of what; cutting, keeping lower layers, replacing the last layer and the fully connected
// part, through the verb and through the API.

#include "nets.h"

#include "base/field.h"
#include "format/format.h"
#include "graph/info.h"

#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 16 };
static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

// ------------------------------------------------------------------------------------------------------------ material

static void write_picture(const char *path, int red, int blue, int seed)
{
    unsigned char file[54 + SIDE * SIDE * 3] = {'B', 'M'};
    unsigned size = sizeof file;
    memcpy(file + 2, &size, 4);
    file[10] = 54, file[14] = 40, file[18] = SIDE, file[22] = SIDE, file[26] = 1, file[28] = 24;
    for (int i = 0; i < SIDE * SIDE; i++) {
        file[54 + 3 * i] = (unsigned char)(blue + (i * seed) % 40);
        file[54 + 3 * i + 1] = (unsigned char)(60 + (i * 7 + seed) % 40);
        file[54 + 3 * i + 2] = (unsigned char)(red + (i + seed) % 40);
    }
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file, 1, sizeof file, out), sizeof file);
    fclose(out);
}

// A small VGG: two blocks, then a fully connected part of two layers and the classifier.
static tw_model *vgg_like(void)
{
    tw_model *m = twi_model_new("vgg_like", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, SIDE, SIDE, 3));
    x = net_layer(m, "Conv2D", "block1_conv1", x, "filters=6 kernel_size=3 padding=same activation=relu");
    x = net_layer(m, "MaxPooling2D", "block1_pool", x, "");
    x = net_layer(m, "Conv2D", "block2_conv1", x, "filters=8 kernel_size=3 padding=same activation=relu");
    x = net_layer(m, "MaxPooling2D", "block2_pool", x, "");
    x = net_layer(m, "Flatten", "flatten", x, "");
    x = net_layer(m, "Dense", "fc1", x, "units=12 activation=relu");
    x = net_layer(m, "Dense", "fc2", x, "units=10 activation=relu");
    return net_done(m, net_layer(m, "Dense", "predictions", x, "units=5 activation=softmax"), 7);
}

static int set_up(void **state)
{
    (void)state;
    tw_err err = {0};
    snprintf(folder, sizeof folder, "/tmp/tw-surgery-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("TOPWORK_HOME", folder, 1);
    mkdir(in_folder("photos"), 0755);
    for (int c = 0; c < 2; c++) {
        mkdir(in_folder(c ? "photos/red" : "photos/blue"), 0755);
        for (int i = 0; i < 8; i++) {
            char name[64];
            snprintf(name, sizeof name, "photos/%s/%d.bmp", c ? "red" : "blue", i);
            write_picture(in_folder(name), c ? 200 : 20, c ? 20 : 200, i + 1);
        }
    }
    tw_model *m = vgg_like();
    twi_info_set_text(m, "preprocessing.mode", "unit", &err);
    twi_model_save(m, in_folder("vgg_like.keras"), &err);
    twi_model_free(m);
    expect_ok(err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

// ------------------------------------------------------------------------------------------------------------- the verb

typedef struct words {
    const char *model, *head, *cut, *freeze, *preprocess;
    bool top;
} words;

// Trains as `topwork train` would; the classifier it wrote. NULL with err.
static tw_model *train(const words *w, tw_err *err)
{
    tw_context *tw = tw_open(NULL, err);
    tw_arena *arena = tw_arena_new(err);
    tw_train_options o = {0};
    tw_fields_default(tw_train_fields, &o, arena, err);
    o.photos = in_folder("photos");
    o.model = w->model ? w->model : in_folder("vgg_like.keras");
    o.head = w->head ? w->head : o.head;
    o.cut = w->cut;
    o.freeze = w->freeze ? w->freeze : o.freeze;
    o.top = w->top;
    o.preprocess = w->preprocess;
    o.epochs = 1;
    o.output_dir = in_folder("run");
    o.force = true;
    o.cache = "off";
    tw_train(tw, &o, err);
    tw_arena_free(arena);
    tw_close(tw);
    return err->status ? NULL : twi_model_load(in_folder("run"), NULL, NULL, err);
}

// Names of the layers with weights, nests included, joined by blanks.
static void weighted(const tw_model *m, char *out, size_t size)
{
    int n;
    int *order = twi_model_order(m, false, &n, NULL);
    for (int i = 0; i < n; i++) {
        const twi_layer *layer = m->layers.at[order[i]];
        if (layer->nested)
            weighted(layer->nested, out, size);
        else if (layer->n_weights)
            snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? " " : "", layer->name);
    }
    twi_free(order);
}

static bool is_kept(const tw_model *m, const char *layer)
{
    tw_model *was = vgg_like();
    const twi_layer *a = twi_model_find(was, layer), *b = twi_model_find(m, layer);
    bool same = b && twi_shape_same(&a->weights[0].shape, &b->weights[0].shape) &&
                memcmp(a->weights[0].data, b->weights[0].data,
                       (size_t)twi_shape_count(&a->weights[0].shape) * sizeof(float)) == 0;
    twi_model_free(was);
    return same;
}

static void expect_layers(const words *w, const char *expected, const char *kept)
{
    tw_err err = {0};
    char names[512] = "";
    tw_model *m = train(w, &err);
    expect_ok(err);
    weighted(m, names, sizeof names);
    assert_string_equal(names, expected);
    assert_true(is_kept(m, kept));
    assert_int_equal(twi_model_shape(m, m->outputs.at[0]).dim[1], 1);
    twi_model_free(m);
}

static void replacing_the_output_keeps_everything_before_it(void **state)
{
    (void)state;
    expect_layers(&(words){.head = "output"}, "block1_conv1 block2_conv1 fc1 fc2 dense", "fc2");
}

static void without_asking_the_fully_connected_part_goes(void **state)
{
    (void)state;
    expect_layers(&(words){.head = "flatten, dense:7:relu"}, "block1_conv1 block2_conv1 dense dense_1",
                  "block2_conv1");
}

static void a_cut_in_the_fully_connected_part_keeps_what_is_below(void **state)
{
    (void)state;
    expect_layers(&(words){.cut = "fc1", .head = "dense:7:relu"},
                  "block1_conv1 block2_conv1 fc1 dense dense_1", "fc1");
}

static void a_deeper_network_grows_on_kept_lower_layers(void **state)
{
    (void)state;
    expect_layers(&(words){.cut = "block1_pool",
                           .head = "conv2d:8:3:relu, conv2d:8:3:relu, gap, dense:9:relu, dropout:0.2"},
                  "block1_conv1 conv2d conv2d_1 dense dense_1", "block1_conv1");
}

static void a_cut_inside_the_trunk_of_an_earlier_run_is_found(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_model_free(train(&(words){.head = "gap"}, &err));
    expect_ok(err);
    rename(in_folder("run/model.keras"), in_folder("earlier.keras"));
    // The earlier classifier scales its pixels itself; its trunk alone does not say how.
    expect_layers(
        &(words){
            .model = in_folder("earlier.keras"), .cut = "block1_pool", .head = "gap", .preprocess = "unit"},
        "block1_conv1 dense", "block1_conv1");
}

static void unknown_layers_name_the_nearest(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(train(&(words){.cut = "block2_pol"}, &err));
    expect_error(err, TW_EINVAL, "did you mean 'block2_pool'?");
}

static tw_model *adapter(bool is_pretrained, bool is_frozen, bool has_adapter);

static void layers_are_named_by_their_place_from_both_ends(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = vgg_like();
    int n;
    int *order = twi_model_order(m, false, &n, &err);
    for (int i = 0; i < n; i++) {
        char front[16], back[16];
        snprintf(front, sizeof front, "#%d", i);
        snprintf(back, sizeof back, "#%d", i - n);
        assert_ptr_equal(twi_model_named(m, front, &err), m->layers.at[order[i]]);
        assert_ptr_equal(twi_model_named(m, back, &err), m->layers.at[order[i]]);
    }
    expect_ok(err);
    assert_null(twi_model_named(m, "#99", &err));
    expect_error(err, TW_EINVAL, "#-1");
    twi_free(order);
    twi_model_free(m);
    // And so does the verb: the last three are fc1, fc2 and the output.
    expect_layers(&(words){.cut = "#-3", .head = "dense:7:relu", .top = true},
                  "block1_conv1 block2_conv1 fc1 dense dense_1", "fc1");
}

static void a_trunk_that_ends_in_numbers_takes_the_head_nobody_chose(void **state)
{
    (void)state;
    expect_layers(&(words){.cut = "fc1"}, "block1_conv1 block2_conv1 fc1 dense", "fc1");
}

static void freezing_by_a_text_that_names_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", ",", " , ", "block9_*", "nobody", "#99", "until:nobody"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tw_err err = {0};
        tw_model *m = vgg_like();
        assert_int_equal(twi_model_freeze(m, texts[i], &err), TW_EINVAL);
        assert_non_null(strstr(err.msg, texts[i][0] == 'b' ? "matches 'block9_*'" : "no"));
        twi_model_free(m);
    }
}

static void patterns_reach_layers_inside_nests(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = adapter(true, false, true);
    assert_int_equal(twi_model_freeze(m, "conv*", &err), TW_OK);
    assert_false(twi_model_find(m, "conv1")->is_trainable);
    assert_true(twi_model_find(m, "adapter")->is_trainable);
    twi_model_free(m);
}

// ----------------------------------------------------------------------------------------------------------- the guard

// new conv → frozen pretrained trunk → head, in several states.
static tw_model *adapter(bool is_pretrained, bool is_frozen, bool has_adapter)
{
    tw_err err = {0};
    tw_model *trunk = net_trunk("", is_pretrained ? 7 : 0), *m = twi_model_new("adapter", false, &err);
    twi_model_set_trainable(trunk, !is_frozen);
    twi_layer *nest = twi_layer_nest(trunk, &err);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 12, 12, 3));
    if (has_adapter)
        x = net_layer(m, "Conv2D", "adapter", x, "filters=3 kernel_size=1");
    x = twi_model_call(m, nest, 1, &x);
    x = net_layer(m, "GlobalAveragePooling2D", "gap", x, "");
    x = net_layer(m, "Dense", "out", x, "units=2 activation=softmax");
    twi_model_output(m, x);
    twi_model_initialize(m, 1, twi_initializer_fill, &err);
    twi_layer_free(nest);
    twi_model_free(trunk);
    expect_ok(err);
    return m;
}

static void new_layers_do_not_learn_in_front_of_frozen_pretrained_ones(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = adapter(true, true, true);
    assert_int_equal(twi_model_check_surgery(m, NULL, &err), TW_EINVAL);
    expect_error(
        err, TW_EINVAL,
        "new layer 'adapter' would learn in front of pretrained layers that are frozen, such as 'conv1'");
    assert_non_null(strstr(err.msg, "try  putting it behind them"));
    twi_model_free(m);
}

static void new_layers_that_are_frozen_themselves_are_refused_there_too(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = adapter(true, true, true);
    twi_layer_set_trainable(twi_model_find(m, "adapter"), false);
    assert_int_equal(twi_model_check_surgery(m, NULL, &err), TW_EINVAL);
    expect_error(
        err, TW_EINVAL,
        "new layer 'adapter' would stand in front of pretrained layers that are frozen, such as 'conv1'");
    twi_model_free(m);
}

static void the_ways_out_are_ways_out(void **state)
{
    (void)state;
    tw_err err = {0};
    char *note;
    tw_model *behind = adapter(true, true, false), *unfrozen = adapter(true, false, true),
             *nothing_known = adapter(false, true, true), *filled = adapter(true, true, true),
             *trained = adapter(true, true, true);
    assert_int_equal(twi_model_check_surgery(behind, &note, &err), TW_OK);
    assert_null(note);
    assert_int_equal(twi_model_check_surgery(unfrozen, &note, &err), TW_OK);
    assert_null(note);
    assert_int_equal(twi_model_check_surgery(nothing_known, &note, &err), TW_OK);
    assert_null(note);
    // Weights of one's own make it a layer that knows something.
    float kernel[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, bias[3] = {0};
    tw_weight_set(&twi_model_find(filled, "adapter")->weights[0], kernel, 9, &err);
    tw_weight_set(&twi_model_find(filled, "adapter")->weights[1], bias, 3, &err);
    assert_int_equal(twi_model_check_surgery(filled, &note, &err), TW_OK);
    assert_non_null(strstr(note, "'adapter' learns in front of frozen layers, such as 'conv1'"));
    twi_free(note);
    twi_model_mark_trained(trained, &err);
    assert_int_equal(twi_model_check_surgery(trained, NULL, &err), TW_OK);
    expect_ok(err);
    twi_model_free(behind);
    twi_model_free(unfrozen);
    twi_model_free(nothing_known);
    twi_model_free(filled);
    twi_model_free(trained);
}

static void pretrained_layers_may_learn_in_front_of_frozen_ones_with_a_note(void **state)
{
    (void)state;
    tw_err err = {0};
    char *note;
    tw_model *m = vgg_like();
    twi_model_freeze(m, "block2_conv1,fc2", &err);
    assert_int_equal(twi_model_check_surgery(m, &note, &err), TW_OK);
    assert_non_null(strstr(note, "'block1_conv1' learns in front of frozen layers, such as 'block2_conv1'"));
    twi_free(note);
    twi_model_free(m);
    // And so it goes through the verb.
    expect_layers(&(words){.freeze = "block2_conv1", .head = "gap"}, "block1_conv1 block2_conv1 dense",
                  "block2_conv1");
}

static void normalisation_frozen_among_layers_that_learn_is_no_reason(void **state)
{
    (void)state;
    tw_err err = {0};
    char *note;
    tw_model *m = net_trunk("", 7);
    twi_model_freeze(m, "bn*", &err);
    assert_int_equal(twi_model_check_surgery(m, &note, &err), TW_OK);
    assert_null(note);
    twi_model_free(m);
}

// ------------------------------------------------------------------------------------------------------------- the API

static tw_history *fit(tw_context *tw, tw_model *m, bool new_in_front, tw_err *err)
{
    tw_dataset *photos = tw_dataset_photos(tw, in_folder("photos"), .preprocess = "unit", .err = err);
    tw_compile(m, .optimizer = "adam", .loss = "sparse_categorical_crossentropy", .err = err);
    tw_history *h = tw_fit(m, photos, .cache = "off", .new_in_front = new_in_front, .err = err);
    tw_dataset_free(photos);
    return h;
}

static void the_api_refuses_and_can_be_overruled(void **state)
{
    (void)state;
    tw_err err = {0}, refused = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_model *trunk = tw_model_load(tw, in_folder("vgg_like.keras"), &err);
    tw_model *lower = tw_model_cut(trunk, "block2_pool", NULL, &err);
    tw_model_set_trainable(lower, false);
    tw_model *m = tw_sequential(tw, "adapted");
    tw_input(m, TW_SHAPE(SIDE, SIDE, 3), NULL);
    tw_add(m, tw_conv2d(3, {1}));
    tw_add(m, tw_nest(lower, .inference = true));
    tw_add(m, tw_flatten());
    tw_add(m, tw_dense(2, .activation = "softmax"));
    tw_history *h = fit(tw, m, false, &refused);
    assert_null(h);
    expect_error(refused, TW_EINVAL, "would learn in front of pretrained layers that are frozen");
    h = fit(tw, m, true, &err);
    expect_ok(err);
    assert_int_equal(tw_history_n_epochs(h), 1);
    tw_history_free(h);
    // Once trained it is new no longer.
    h = fit(tw, m, false, &err);
    expect_ok(err);
    tw_history_free(h);
    tw_model_free(m);
    tw_model_free(lower);
    tw_model_free(trunk);
    tw_close(tw);
}

static void the_api_cuts_and_grows_deeper(void **state)
{
    (void)state;
    tw_err err = {0};
    char *dropped = NULL, names[256] = "";
    tw_context *tw = tw_open(NULL, &err);
    tw_model *trunk = tw_model_load(tw, in_folder("vgg_like.keras"), &err);
    tw_model *lower = tw_model_cut(trunk, "block1_pool", &dropped, &err);
    expect_ok(err);
    assert_string_equal(dropped, "block2_conv1, block2_pool, flatten, fc1, fc2, predictions");
    tw_free(dropped);
    tw_model_set_trainable(lower, false);
    tw_model *m = tw_sequential(tw, "deeper");
    tw_add(m, tw_nest(lower, .inference = true));
    tw_add(m, tw_conv2d(8, {3}, .activation = "relu"));
    tw_add(m, tw_global_average_pooling2d());
    tw_add(m, tw_dense(2, .activation = "softmax"));
    tw_history *h = fit(tw, m, false, &err);
    expect_ok(err);
    weighted(m, names, sizeof names);
    assert_string_equal(names, "block1_conv1 conv2d dense");
    assert_true(is_kept(m, "block1_conv1"));
    tw_history_free(h);
    tw_model_free(m);
    tw_model_free(lower);
    tw_model_free(trunk);
    tw_close(tw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacing_the_output_keeps_everything_before_it),
        cmocka_unit_test(without_asking_the_fully_connected_part_goes),
        cmocka_unit_test(a_cut_in_the_fully_connected_part_keeps_what_is_below),
        cmocka_unit_test(a_deeper_network_grows_on_kept_lower_layers),
        cmocka_unit_test(a_cut_inside_the_trunk_of_an_earlier_run_is_found),
        cmocka_unit_test(unknown_layers_name_the_nearest),
        cmocka_unit_test(layers_are_named_by_their_place_from_both_ends),
        cmocka_unit_test(a_trunk_that_ends_in_numbers_takes_the_head_nobody_chose),
        cmocka_unit_test(freezing_by_a_text_that_names_nothing_is_refused),
        cmocka_unit_test(patterns_reach_layers_inside_nests),
        cmocka_unit_test(new_layers_do_not_learn_in_front_of_frozen_pretrained_ones),
        cmocka_unit_test(new_layers_that_are_frozen_themselves_are_refused_there_too),
        cmocka_unit_test(the_ways_out_are_ways_out),
        cmocka_unit_test(pretrained_layers_may_learn_in_front_of_frozen_ones_with_a_note),
        cmocka_unit_test(normalisation_frozen_among_layers_that_learn_is_no_reason),
        cmocka_unit_test(the_api_refuses_and_can_be_overruled),
        cmocka_unit_test(the_api_cuts_and_grows_deeper),
    };
    return cmocka_run_group_tests_name("surgery", tests, set_up, tear_down);
}
