// Promises of callbacks: their order, and what they may change while tw_fit goes on.

#include "testing.h"

#include "topwork_layers.h"

#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLES = 12, SIZE = 4, EPOCHS = 4 };

static float x[SAMPLES][SIZE];
static int32_t labels[SAMPLES];

typedef struct bench {
    tw_context *tw;
    tw_dataset *data;
    tw_model *model;
    tw_layer *first, *second;
} bench;

static bench open_bench(const char *optimizer)
{
    bench b = {.tw = tw_open(NULL, NULL)};
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i % 2;
        for (int j = 0; j < SIZE; j++)
            x[i][j] = (float)((i * 7 + j * 5) % 11) / 11 + (float)labels[i];
    }
    b.data = tw_dataset_arrays(b.tw, .n = SAMPLES, .x = &x[0][0], .shape = TW_SHAPE(SIZE), .labels = labels);
    b.model = tw_sequential(b.tw, "m");
    tw_input(b.model, TW_SHAPE(SIZE), NULL);
    tw_add(b.model, tw_dense(5, .activation = "tanh", .name = "first"));
    tw_add(b.model, tw_dense(1, .activation = "sigmoid", .name = "second"));
    b.first = tw_model_find_layer(b.model, "first");
    b.second = tw_model_find_layer(b.model, "second");
    tw_compile(b.model, .optimizer = optimizer, .loss = "binary_crossentropy", .metrics = "auc");
    return b;
}

static void close_bench(bench *b)
{
    tw_model_free(b->model);
    tw_dataset_free(b->data);
    tw_close(b->tw);
}

// ---------------------------------------------------------------------------------------------------------------- order

typedef struct diary {
    char text[512];
    char name;
} diary;

static void note(diary *d, const char *what)
{
    snprintf(d->text + strlen(d->text), sizeof d->text - strlen(d->text), "%c%s ", d->name, what);
}

static void train_begin(void *arg, tw_training *t)
{
    (void)t;
    note(arg, "T");
}

static void epoch_begin(void *arg, tw_training *t, int64_t epoch)
{
    (void)t, (void)epoch;
    note(arg, "E");
}

static void batch_begin(void *arg, tw_training *t, int64_t batch)
{
    (void)t, (void)batch;
    note(arg, "b");
}

static void batch_end(void *arg, tw_training *t, int64_t batch)
{
    (void)t, (void)batch;
    note(arg, "/b");
}

static void epoch_end(void *arg, tw_training *t, const tw_epoch *e)
{
    assert_true(tw_training_value(t, "auc") >= 0 && tw_training_value(t, "loss") == e->loss);
    assert_true(isnan(tw_training_value(t, "no_such_value")));
    note(arg, "/E");
}

static void train_end(void *arg, tw_training *t)
{
    (void)t;
    note(arg, "/T");
}

static void moments_come_in_their_order(void **state)
{
    (void)state;
    bench b = open_bench("sgd:0.1");
    diary d = {.name = '.'};
    tw_callback c = {&d, train_begin, epoch_begin, batch_begin, batch_end, epoch_end, train_end};
    tw_err err = {0};
    tw_history *h =
        tw_fit(b.model, b.data, .epochs = 2, .batch_size = 8, .callback = &c, .n_callbacks = 1, .err = &err);
    expect_ok(err);
    assert_string_equal(d.text, ".T .E .b ./b .b ./b ./E .E .b ./b .b ./b ./E ./T ");
    assert_true(tw_history_value(h, -1, "auc") > 0 && isnan(tw_history_value(h, 0, "val_auc")));
    tw_history_free(h);
    close_bench(&b);
}

// --------------------------------------------------------------------------------------------------------------- freezing

typedef struct gardener {
    bench *b;
    float first[EPOCHS][SIZE * 5], second[EPOCHS][5];
} gardener;

// Epoch 1 and 2 with the first layer frozen: it must stand still there, and move before and after.
static void freeze_for_a_while(void *arg, tw_training *t, int64_t epoch)
{
    gardener *g = arg;
    (void)t;
    if (epoch == 1 || epoch == 3)
        tw_layer_set_trainable(g->b->first, epoch == 3);
}

static void remember(void *arg, tw_training *t, const tw_epoch *e)
{
    gardener *g = arg;
    (void)t;
    tw_weight_get(tw_layer_weight(g->b->first, 0), g->first[e->epoch], SIZE * 5, NULL);
    tw_weight_get(tw_layer_weight(g->b->second, 0), g->second[e->epoch], 5, NULL);
}

static bool moved(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) != 0;
}

static void layers_frozen_by_a_callback_stand_still(void **state)
{
    (void)state;
    bench b = open_bench("adam:0.05");
    gardener g = {.b = &b};
    tw_callback c = {.arg = &g, .on_epoch_begin = freeze_for_a_while, .on_epoch_end = remember};
    tw_err err = {0};
    tw_history *h = tw_fit(b.model, b.data, .epochs = EPOCHS, .batch_size = 5, .callback = &c,
                           .n_callbacks = 1, .keep_last = true, .err = &err);
    expect_ok(err);
    assert_int_equal(tw_history_n_epochs(h), EPOCHS);
    assert_false(moved(g.first[0], g.first[1], SIZE * 5));
    assert_false(moved(g.first[1], g.first[2], SIZE * 5));
    assert_true(moved(g.first[2], g.first[3], SIZE * 5));
    for (int e = 1; e < EPOCHS; e++)
        assert_true(moved(g.second[e - 1], g.second[e], 5));
    // Learning went on all the time.
    for (int e = 1; e < EPOCHS; e++)
        assert_true(tw_history_epoch(h, e)->loss < tw_history_epoch(h, e - 1)->loss);
    tw_history_free(h);
    close_bench(&b);
}

// ----------------------------------------------------------------------------------------------------- rate, stop, files

static void halve(void *arg, tw_training *t, const tw_epoch *e)
{
    (void)arg, (void)e;
    tw_training_set_learning_rate(t, tw_training_learning_rate(t) / 2);
    if (e->epoch == 2)
        tw_training_stop(t);
}

static void a_callback_changes_the_rate_and_stops(void **state)
{
    (void)state;
    bench b = open_bench("sgd:0.4");
    tw_callback c = {.on_epoch_end = halve};
    tw_history *h = tw_fit(b.model, b.data, .epochs = 9, .callback = &c, .n_callbacks = 1);
    assert_int_equal(tw_history_n_epochs(h), 3);
    assert_true(tw_history_is_stopped(h));
    expect_near(tw_history_epoch(h, 2)->learning_rate, 0.1, 1e-12);
    tw_history_free(h);
    close_bench(&b);
}

static void a_schedule_and_a_plateau_do_not_mix(void **state)
{
    (void)state;
    bench b = open_bench("sgd");
    tw_err err = {0};
    tw_compile(b.model, .optimizer = "sgd", .loss = "mse", .schedule = "cosine_decay", .err = &err);
    expect_ok(err);
    assert_null(tw_fit(b.model, b.data, .epochs = 3, .callbacks = "reduce_lr_on_plateau", .err = &err));
    expect_error(err, TW_EINVAL, "a schedule decides");
    err = (tw_err){0};
    assert_null(tw_fit(b.model, b.data, .callbacks = "reduce_rl", .err = &err));
    expect_error(err, TW_EINVAL, "known are: early_stopping");
    close_bench(&b);
}

static long lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    long n = 0;
    for (int c; (c = fgetc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static void a_fit_leaves_the_files_it_is_asked_for(void **state)
{
    (void)state;
    char folder[] = "/tmp/topwork-callbacks-XXXXXX", csv[64], best[64], each[80], path[128];
    assert_non_null(mkdtemp(folder));
    snprintf(csv, sizeof csv, "%s/log.csv", folder);
    snprintf(best, sizeof best, "%s/best.weights.h5", folder);
    snprintf(each, sizeof each, "%s/e{epoch}.keras", folder);
    bench b = open_bench("sgd:0.1");
    tw_err err = {0};
    tw_history *h = tw_fit(b.model, b.data, .epochs = 2, .csv_log = csv, .checkpoint = best,
                           .tensorboard = folder, .err = &err);
    expect_ok(err);
    assert_int_equal(lines_of(csv), 3);
    tw_history_free(h);
    h = tw_fit(b.model, b.data, .epochs = 2, .checkpoint = each, .err = &err);
    expect_ok(err);
    tw_history_free(h);
    struct stat info;
    assert_int_equal(stat(best, &info), 0);
    for (int e = 1; e <= 2; e++) {
        snprintf(path, sizeof path, "%s/e%02d.keras", folder, e);
        assert_int_equal(stat(path, &info), 0);
    }
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
    close_bench(&b);
}

// The optimizer's state lives in the model: two fits are one, and compiling begins anew.
static double last_loss(bench *b, int64_t epochs)
{
    tw_history *h = tw_fit(b->model, b->data, .epochs = epochs, .no_shuffle = true, .keep_last = true);
    double loss = tw_history_epoch(h, -1)->loss;
    tw_history_free(h);
    return loss;
}

static void two_fits_are_one(void **state)
{
    (void)state;
    bench whole = open_bench("adam:0.05"), halves = open_bench("adam:0.05"), anew = open_bench("adam:0.05");
    double expected = last_loss(&whole, 6);
    last_loss(&halves, 3);
    assert_true(last_loss(&halves, 3) == expected);
    last_loss(&anew, 3);
    tw_compile(anew.model, .optimizer = "adam:0.05", .loss = "binary_crossentropy");
    assert_true(last_loss(&anew, 3) != expected);
    close_bench(&whole);
    close_bench(&halves);
    close_bench(&anew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_come_in_their_order),
        cmocka_unit_test(layers_frozen_by_a_callback_stand_still),
        cmocka_unit_test(a_callback_changes_the_rate_and_stops),
        cmocka_unit_test(a_schedule_and_a_plateau_do_not_mix),
        cmocka_unit_test(a_fit_leaves_the_files_it_is_asked_for),
        cmocka_unit_test(two_fits_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
