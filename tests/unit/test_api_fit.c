// The public API's promises about data, training, answers and files, on tiny pictures and numbers in memory.

#include "testing.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 48, SIDE = 8 };

static float x[N][SIDE][SIDE][3];
static int32_t labels[N];
static char folder[256];

// Class 1 is brighter; a little noise by index.
static void draw_numbers(void)
{
    for (int i = 0; i < N; i++) {
        labels[i] = i % 2;
        for (int j = 0; j < SIDE * SIDE * 3; j++)
            (&x[i][0][0][0])[j] = (float)labels[i] + 0.5f * (float)((i * 31 + j * 17) % 23) / 23.0f - 0.5f;
    }
}

// An uncompressed BMP of one colour with a pattern.
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

static void write_photos(const char *root, int n)
{
    static const char *const classes[] = {"blue", "red"};
    char path[512];
    mkdir(root, 0755);
    for (int c = 0; c < 2; c++) {
        snprintf(path, sizeof path, "%s/%s", root, classes[c]);
        mkdir(path, 0755);
        for (int i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/%s/%02d.bmp", root, classes[c], i);
            write_picture(path, c ? 200 : 20, c ? 20 : 200, i + 1);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/topwork_api_%ld", (long)getpid());
    mkdir(folder, 0755);
    setenv("TOPWORK_HOME", folder, 1);
    draw_numbers();
    char path[300];
    snprintf(path, sizeof path, "%s/photos", folder);
    write_photos(path, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static tw_context *open_context(void)
{
    tw_err err = {0};
    tw_context *tw = tw_open(&(tw_open_options){.threads = 2}, &err);
    expect_ok(err);
    return tw;
}

static tw_dataset *numbers(tw_context *tw, int n)
{
    tw_err err = {0};
    tw_dataset *d = tw_dataset_arrays(tw, n, &x[0][0][0][0], TW_SHAPE(SIDE, SIDE, 3), labels, .err = &err);
    expect_ok(err);
    return d;
}

static tw_dataset *photos(tw_context *tw)
{
    tw_err err = {0};
    tw_dataset *d = tw_dataset_photos(tw, in_folder("photos"), .val_split = 0.2, .err = &err);
    expect_ok(err);
    return d;
}

// A trunk of one convolution, frozen or not, under one sigmoid unit.
static tw_model *classifier(tw_context *tw, bool is_frozen)
{
    tw_err err = {0};
    tw_model *trunk = tw_sequential(tw, "trunk");
    tw_input(trunk, TW_SHAPE(SIDE, SIDE, 3), NULL);
    tw_add(trunk, tw_rescaling({1.0 / 255}));
    tw_add(trunk, tw_conv2d(4, {3}, "relu", .name = "conv"));
    tw_model_set_trainable(trunk, !is_frozen);
    tw_model *m = tw_sequential(tw, "classifier");
    tw_add(m, tw_nest(trunk, .inference = is_frozen));
    tw_add(m, tw_global_average_pooling2d());
    tw_add(m, tw_dense(1, "sigmoid", .name = "head"));
    tw_compile(m, "adam", .learning_rate = 0.05, .loss = "binary_crossentropy", .err = &err);
    expect_ok(err);
    tw_model_free(trunk);
    return m;
}

static void read_weight(tw_model *m, const char *layer, float *values, int64_t n)
{
    tw_err err = {0};
    tw_weight_get(tw_layer_weight(tw_model_find_layer(m, layer), 0), values, n, &err);
    expect_ok(err);
}

// ------------------------------------------------------------------------------------------------------------ training

static void training_on_numbers_lowers_the_loss_and_leaves_what_is_frozen(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *train = numbers(tw, N);
    tw_model *m = classifier(tw, true);
    float before[108], after[108], head[4], trained[4];
    tw_model_initialize(m, 1, &err);
    read_weight(m, "conv", before, 108);
    read_weight(m, "head", head, 4);
    tw_history *h = tw_fit(m, train, .epochs = 20, .err = &err);
    expect_ok(err);
    assert_int_equal(tw_history_n_epochs(h), 20);
    assert_true(tw_history_epoch(h, -1)->loss < tw_history_epoch(h, 0)->loss);
    assert_true(isnan(tw_history_epoch(h, 0)->val_loss));
    assert_false(tw_history_is_stopped(h));
    read_weight(m, "conv", after, 108);
    read_weight(m, "head", trained, 4);
    assert_memory_equal(before, after, sizeof before);
    assert_memory_not_equal(head, trained, sizeof head);
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(train);
    tw_close(tw);
}

static void keep_note(void *arg, const tw_event *event)
{
    if (event->kind == TW_EVENT_NOTE && strstr(event->text, "planned anew"))
        snprintf(arg, 200, "%s", event->text);
}

// Where Keras goes on with what learned when its step was made, and says nothing.
static void what_is_frozen_after_compiling_does_not_learn_and_that_is_said(void **state)
{
    (void)state;
    tw_err err = {0};
    char note[200] = "";
    tw_context *tw = tw_open(&(tw_open_options){.threads = 1, .event = keep_note, .arg = note}, &err);
    tw_dataset *train = numbers(tw, N);
    tw_model *m = classifier(tw, false);
    float before[108], after[108];
    tw_history_free(tw_fit(m, train, .epochs = 1, .err = &err));
    assert_string_equal(note, "");
    tw_layer_set_trainable(tw_model_find_layer(m, "conv"), false);
    read_weight(m, "conv", before, 108);
    tw_history_free(tw_fit(m, train, .epochs = 1, .err = &err));
    expect_ok(err);
    read_weight(m, "conv", after, 108);
    assert_memory_equal(before, after, sizeof before);
    assert_string_equal(
        note, "other weights of 'classifier' learn than when it was compiled: planned anew, 2 of 4 learn");
    note[0] = 0;
    tw_history_free(tw_fit(m, train, .epochs = 1, .err = &err)); // as the last time
    assert_string_equal(note, "");
    tw_layer_set_trainable(tw_model_find_layer(m, "conv"), true);
    tw_history_free(tw_fit(m, train, .epochs = 1, .err = &err));
    expect_ok(err);
    read_weight(m, "conv", after, 108);
    assert_memory_not_equal(before, after, sizeof before);
    assert_non_null(strstr(note, "4 of 4 learn"));
    tw_model_free(m);
    tw_dataset_free(train);
    tw_close(tw);
}

// The frozen part is computed once and its rows kept: the numbers must be those of the whole model.
static void features_in_memory_give_the_losses_of_the_whole_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *train = numbers(tw, N);
    tw_model *m = classifier(tw, true);
    tw_history *h = tw_fit(m, train, .epochs = 3, .validation = train, .keep_last = true,
                           .precision = "exact", .err = &err);
    expect_ok(err);
    tw_scores *s = tw_model_evaluate(m, train, .precision = "exact", .err = &err);
    expect_ok(err);
    expect_near(s->loss, tw_history_epoch(h, -1)->val_loss, 1e-5);
    expect_near(s->accuracy, tw_history_epoch(h, -1)->val_accuracy, 1e-9);
    assert_int_equal(s->n, N);
    assert_int_equal(s->confusion[0] + s->confusion[1] + s->confusion[2] + s->confusion[3], N);
    tw_scores_free(s);
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(train);
    tw_close(tw);
}

// The same net with what its layers give penalized; the head's activity alone adds 0.2 · (mean of its squares).
static tw_model *active_classifier(tw_context *tw, const char *regularizer)
{
    tw_err err = {0};
    tw_model *m = tw_sequential(tw, "active");
    tw_input(m, TW_SHAPE(SIDE, SIDE, 3), NULL);
    tw_add(m, tw_rescaling({1.0 / 255}));
    tw_add(m, tw_conv2d(4, {3}, "relu", .activity_regularizer = "l1:1e-3", .frozen = true));
    tw_add(m, tw_global_average_pooling2d());
    tw_add(m, tw_dense(1, "sigmoid", .name = "head", .activity_regularizer = regularizer));
    tw_compile(m, "sgd", .learning_rate = 0.05, .loss = "binary_crossentropy", .err = &err);
    expect_ok(err);
    return m;
}

static void activities_count_alike_in_training_and_evaluation(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *sets[] = {numbers(tw, N), photos(tw)};
    double loss[3];
    for (int set = 0; set < 2; set++) {
        for (int i = 0; i < 3; i++) {
            static const char *const penalties[] = {"l2:0.2", NULL, "orthogonal_regularizer:0.1"};
            tw_model *m = active_classifier(tw, penalties[i]);
            tw_history *h = tw_fit(m, sets[set], .epochs = 2, .validation = sets[set], .keep_last = true,
                                   .precision = "exact", .batch_size = 7, .err = &err);
            expect_ok(err);
            tw_scores *s =
                tw_model_evaluate(m, sets[set], .precision = "exact", .batch_size = 7, .err = &err);
            expect_ok(err);
            expect_near(s->loss, tw_history_epoch(h, -1)->val_loss, 1e-5);
            assert_true(i == 1 || s->penalty > 1e-3);
            loss[i] = s->loss;
            tw_scores_free(s);
            // As one batch: of matter only to a penalty that looks at the whole of it.
            s = tw_model_evaluate(m, sets[set], .precision = "exact", .batch_size = N, .err = &err);
            expect_ok(err);
            assert_true((fabs(s->loss - loss[i]) > 1e-4) == (i == 2));
            tw_scores_free(s);
            tw_history_free(h);
            tw_model_free(m);
        }
        assert_true(loss[0] > loss[1] + 0.01);
    }
    for (int set = 0; set < 2; set++)
        tw_dataset_free(sets[set]);
    tw_close(tw);
}

static tw_history *fit_photos(tw_context *tw, tw_model *m, tw_dataset *d, int64_t seed)
{
    (void)tw;
    tw_err err = {0};
    tw_history *h = tw_fit(m, d, .epochs = 4, .seed = seed, .batch_size = 4, .err = &err);
    expect_ok(err);
    return h;
}

static void same_seed_gives_the_same_weights(void **state)
{
    (void)state;
    tw_context *tw = open_context();
    tw_dataset *d = photos(tw);
    float head[3][4];
    for (int i = 0; i < 3; i++) {
        tw_model *m = classifier(tw, true);
        tw_history_free(fit_photos(tw, m, d, i < 2 ? 5 : 6));
        read_weight(m, "head", head[i], 4);
        tw_model_free(m);
    }
    assert_memory_equal(head[0], head[1], sizeof head[0]);
    assert_memory_not_equal(head[0], head[2], sizeof head[0]);
    tw_dataset_free(d);
    tw_close(tw);
}

static void photos_are_split_trained_on_and_named_in_the_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = photos(tw), *validation = tw_dataset_part(d, TW_PART_VALIDATION, &err);
    assert_int_equal(tw_dataset_count(d), 20);
    assert_int_equal(tw_dataset_count(validation), 4);
    assert_int_equal(tw_dataset_n_classes(d), 2);
    assert_string_equal(tw_dataset_class(d, 1), "red");
    for (int frozen = 0; frozen < 2; frozen++) {
        tw_model *m = classifier(tw, frozen);
        tw_history *h = tw_fit(m, d, .epochs = 25, .batch_size = 8, .err = &err);
        expect_ok(err);
        assert_false(isnan(tw_history_epoch(h, 0)->val_loss));
        assert_string_equal(tw_model_label(m, 0), "blue");
        tw_scores *s = tw_model_evaluate(m, validation, .err = &err);
        expect_ok(err);
        expect_near(s->accuracy, 1, 1e-9);
        tw_scores_free(s);
        tw_history_free(h);
        tw_model_free(m);
    }
    tw_dataset_free(d);
    // A view keeps its photos.
    assert_non_null(tw_dataset_path(validation, 0));
    tw_dataset_free(validation);
    tw_close(tw);
}

static void features_are_kept_within_the_limit_of_the_cache(void **state)
{
    (void)state;
    tw_context *tw = open_context();
    for (int i = 0; i < 3; i++) {
        tw_err err = {0};
        tw_dataset *d = photos(tw);
        tw_model *m = classifier(tw, true);
        char place[64];
        snprintf(place, sizeof place, "limited-%d", i);
        tw_history *h = tw_fit(m, d, .cache = in_folder(place),
                               .cache_limit = i == 0   ? NULL
                                              : i == 1 ? "1k"
                                                       : "little",
                               .err = &err);
        glob_t kept = {0};
        snprintf(place, sizeof place, "limited-%d/*.features", i);
        assert_int_equal(glob(in_folder(place), 0, NULL, &kept), i ? GLOB_NOMATCH : 0);
        globfree(&kept);
        assert_int_equal(err.status, i == 2 ? TW_EINVAL : TW_OK);
        assert_true(i < 2 || strstr(err.msg, "cache_limit expects a size such as 2G"));
        tw_history_free(h);
        tw_model_free(m);
        tw_dataset_free(d);
    }
    tw_close(tw);
}

static void a_saved_model_answers_as_the_trained_one(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = photos(tw);
    tw_model *m = classifier(tw, true);
    tw_history_free(fit_photos(tw, m, d, 1));
    tw_model_save(m, in_folder("saved.keras"), &err);
    tw_model *loaded = tw_model_load(tw, in_folder("saved.keras"), &err);
    tw_predictions *a = tw_model_predict(m, d, .err = &err), *b = tw_model_predict(loaded, d, .err = &err);
    expect_ok(err);
    assert_int_equal(a->n, 20);
    assert_int_equal(a->k, 1);
    for (int64_t i = 0; i < a->n; i++)
        expect_near(a->at[i], b->at[i], 1e-6);
    assert_string_equal(tw_model_label(loaded, 1), "red");
    // How it was compiled is in the file: training goes on without tw_compile.
    tw_history *h = tw_fit(loaded, d, .err = &err);
    expect_ok(err);
    expect_near(tw_history_epoch(h, 0)->learning_rate, 0.05, 1e-9);
    tw_history_free(h);
    tw_predictions_free(a);
    tw_predictions_free(b);
    tw_model_free(loaded);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
}

static void weights_go_through_a_file(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_model *a = classifier(tw, true), *b = classifier(tw, true);
    tw_model_initialize(a, 1, &err);
    tw_model_initialize(b, 2, &err);
    float x_a[4], x_b[4];
    read_weight(a, "head", x_a, 4);
    assert_int_equal(tw_weights_save(a, in_folder("a.weights.h5"), &err), TW_OK);
    assert_int_equal(tw_weights_load(b, in_folder("a.weights.h5"), .err = &err), TW_OK);
    read_weight(b, "head", x_b, 4);
    assert_memory_equal(x_a, x_b, sizeof x_a);
    tw_model_free(a);
    tw_model_free(b);
    tw_close(tw);
}

static bool stop_after_two(void *arg, const tw_epoch *e)
{
    *(int64_t *)arg = e->epoch;
    return e->epoch < 1;
}

static void on_epoch_stops_training_and_keeps_the_history(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = numbers(tw, N);
    tw_model *m = classifier(tw, true);
    int64_t seen = -1;
    tw_history *h = tw_fit(m, d, .epochs = 9, .on_epoch = stop_after_two, .arg = &seen, .err = &err);
    expect_ok(err);
    assert_int_equal(seen, 1);
    assert_int_equal(tw_history_n_epochs(h), 2);
    assert_true(tw_history_is_stopped(h));
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
}

static void patience_stops_and_the_best_epoch_is_kept(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = numbers(tw, N), *wrong;
    int32_t turned[N];
    for (int i = 0; i < N; i++)
        turned[i] = 1 - labels[i];
    wrong = tw_dataset_arrays(tw, N, &x[0][0][0][0], TW_SHAPE(SIDE, SIDE, 3), turned, .err = &err);
    tw_model *m = classifier(tw, true);
    tw_history *h = tw_fit(m, d, .validation = wrong, .epochs = 30, .patience = 2, .err = &err);
    expect_ok(err);
    // The better it learns, the worse it validates.
    int64_t best = tw_history_best(h);
    assert_true(tw_history_n_epochs(h) < 30);
    assert_int_equal(tw_history_n_epochs(h), best + 3);
    tw_scores *s = tw_model_evaluate(m, wrong, .err = &err);
    expect_near(s->loss, tw_history_epoch(h, best)->val_loss, 1e-4);
    tw_scores_free(s);
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(wrong);
    tw_dataset_free(d);
    tw_close(tw);
}

// -------------------------------------------------------------------------------------------------------------- errors

static void what_cannot_be_trained_is_told(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = numbers(tw, N), *none = tw_dataset_part(d, TW_PART_TEST, &err);
    tw_model *m = classifier(tw, true), *plain = tw_sequential(tw, "plain");
    assert_null(tw_fit(m, none, .err = &err));
    expect_error(err, TW_EUNUSABLE, "no samples");
    err = (tw_err){0};
    tw_model_set_trainable(m, false);
    assert_null(tw_fit(m, d, .err = &err));
    expect_error(err, TW_EINVAL, "nothing to train");
    err = (tw_err){0};
    tw_input(plain, TW_SHAPE(SIDE, SIDE, 1), NULL);
    tw_add(plain, tw_flatten());
    tw_add(plain, tw_dense(5, "softmax"));
    assert_null(tw_fit(plain, d, .err = &err));
    expect_error(err, TW_EINVAL, "tw_compile");
    err = (tw_err){0};
    tw_compile(plain, .loss = "categorical_crossentropy");
    assert_null(tw_fit(plain, d, .err = &err));
    expect_error(err, TW_EUNUSABLE, "(None, 8, 8, 1)");
    err = (tw_err){0};
    tw_compile(plain, .loss = "no_such_loss");
    assert_null(tw_fit(plain, d, .err = &err));
    expect_error(err, TW_EINVAL, "no_such_loss");
    err = (tw_err){0};
    tw_compile(m, .loss = "mse", .metrics = "auk", .err = &err);
    expect_error(err, TW_EINVAL, "did you mean 'auc'?");
    tw_model_free(plain);
    tw_model_free(m);
    tw_dataset_free(none);
    tw_dataset_free(d);
    tw_close(tw);
}

static void labels_out_of_range_and_wrong_options_are_told(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    int32_t wrong[2] = {0, 7};
    assert_null(tw_dataset_arrays(tw, 2, &x[0][0][0][0], TW_SHAPE(SIDE, SIDE, 3), wrong, 2, &err));
    expect_error(err, TW_EINVAL, "label 7 of sample 1");
    err = (tw_err){0};
    assert_null(tw_dataset_photos(tw, in_folder("photos"), .val_split = 1.5, .err = &err));
    expect_error(err, TW_EINVAL, "1.5");
    err = (tw_err){0};
    assert_null(tw_dataset_photos(tw, in_folder("photos"), .preprocess = "caffee", .err = &err));
    expect_error(err, TW_EINVAL, "caffe");
    err = (tw_err){0};
    assert_null(tw_dataset_photos(tw, in_folder("nothing"), .err = &err));
    assert_int_equal(err.status, TW_EUNUSABLE);
    tw_close(tw);
}

static void other_classes_than_the_models_are_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = photos(tw);
    tw_model *m = classifier(tw, true);
    tw_model_set_labels(m, 2, (const char *const[]){"red", "blue"}, &err);
    assert_null(tw_fit(m, d, .err = &err));
    expect_error(err, TW_EUNUSABLE, "'red'");
    tw_dataset_free(d);
    err = (tw_err){0};
    d = tw_dataset_photos(tw, in_folder("photos"), .classes = (const char *const[]){"red", "blue"},
                          .n_classes = 2, .val_split = 0.2, .err = &err);
    tw_history_free(tw_fit(m, d, .err = &err));
    expect_ok(err);
    assert_string_equal(tw_dataset_class(d, 0), "red");
    tw_dataset_free(d);
    tw_model_free(m);
    tw_close(tw);
}

static void unreadable_photos_are_skipped_with_a_reason(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    FILE *out = fopen(in_folder("photos/red/broken.bmp"), "wb");
    assert_non_null(out);
    fputs("BM no picture", out);
    fclose(out);
    tw_dataset *d = photos(tw);
    tw_model *m = classifier(tw, true);
    tw_history_free(fit_photos(tw, m, d, 1));
    int skipped = 0;
    for (int64_t i = 0; i < tw_dataset_count(d); i++)
        skipped += tw_dataset_skipped(d, i) && strstr(tw_dataset_path(d, i), "broken.bmp");
    assert_int_equal(skipped, 1);
    tw_predictions *p = tw_model_predict(m, d, .err = &err);
    expect_ok(err);
    skipped = 0;
    for (int64_t i = 0; i < p->n; i++)
        skipped += p->skipped[i] != NULL;
    assert_int_equal(skipped, 1);
    tw_scores *s = tw_model_evaluate(m, d, .err = &err);
    assert_int_equal(s->n_skipped, 1);
    assert_int_equal(s->n, 20);
    unlink(in_folder("photos/red/broken.bmp"));
    tw_scores_free(s);
    tw_predictions_free(p);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
}

static void an_interrupted_fit_gives_what_it_has(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    tw_dataset *d = numbers(tw, N);
    tw_model *m = classifier(tw, false);
    tw_cancel(tw);
    tw_history *h = tw_fit(m, d, .epochs = 5, .err = &err);
    expect_ok(err);
    assert_int_equal(tw_history_n_epochs(h), 0);
    assert_true(tw_history_is_stopped(h));
    assert_int_equal(tw_history_best(h), -1);
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
}

static void divergence_is_an_error_of_its_own(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = open_context();
    float wild[2][4] = {{1e30f, 1, 1, 1}, {1, 1e30f, 1, 1}};
    int32_t two[2] = {0, 1};
    tw_dataset *d = tw_dataset_arrays(tw, 2, &wild[0][0], TW_SHAPE(4), two, .err = &err);
    tw_model *m = tw_sequential(tw, "m");
    tw_input(m, TW_SHAPE(4), NULL);
    tw_add(m, tw_dense(1));
    tw_compile(m, "sgd", .learning_rate = 100, .loss = "mse", .err = &err);
    expect_ok(err);
    assert_null(tw_fit(m, d, .epochs = 5, .err = &err));
    assert_int_equal(err.status, TW_EDIVERGED);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_on_numbers_lowers_the_loss_and_leaves_what_is_frozen),
        cmocka_unit_test(what_is_frozen_after_compiling_does_not_learn_and_that_is_said),
        cmocka_unit_test(features_in_memory_give_the_losses_of_the_whole_model),
        cmocka_unit_test(activities_count_alike_in_training_and_evaluation),
        cmocka_unit_test(same_seed_gives_the_same_weights),
        cmocka_unit_test(photos_are_split_trained_on_and_named_in_the_model),
        cmocka_unit_test(features_are_kept_within_the_limit_of_the_cache),
        cmocka_unit_test(a_saved_model_answers_as_the_trained_one),
        cmocka_unit_test(weights_go_through_a_file),
        cmocka_unit_test(on_epoch_stops_training_and_keeps_the_history),
        cmocka_unit_test(patience_stops_and_the_best_epoch_is_kept),
        cmocka_unit_test(what_cannot_be_trained_is_told),
        cmocka_unit_test(labels_out_of_range_and_wrong_options_are_told),
        cmocka_unit_test(other_classes_than_the_models_are_refused),
        cmocka_unit_test(unreadable_photos_are_skipped_with_a_reason),
        cmocka_unit_test(an_interrupted_fit_gives_what_it_has),
        cmocka_unit_test(divergence_is_an_error_of_its_own),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
