// tw_fit goes on after it was killed, and names its checkpoints as Keras does.

#include "testing.h"

#include <glob.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 40, WIDTH = 6, EPOCHS = 8 };

static float x[N][WIDTH];
static int32_t labels[N];
static char folder[128];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/topwork_backup_%ld", (long)getpid());
    for (int i = 0; i < N; i++) {
        labels[i] = i % 2;
        for (int j = 0; j < WIDTH; j++)
            x[i][j] = (float)((i * 31 + j * 17) % 23) / 23.0f + (j == 0 ? 0.3f * (float)labels[i] : 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void kill_in_the_middle(void *arg, tw_training *training, int64_t batch)
{
    int64_t *left = arg;
    (void)training, (void)batch;
    if ((*left)-- == 0)
        raise(SIGKILL);
}

// Trains with dropout, Adam and a rate that is lowered; kernels of both layers go to `values`. kill_at < 0: never.
static tw_history *train(const char *backup, int64_t kill_at, float values[WIDTH * 8 + 8], tw_err *err)
{
    tw_context *tw = tw_open(&(tw_open_options){.threads = 1}, err);
    tw_dataset *d = tw_dataset_arrays(tw, N, &x[0][0], TW_SHAPE(WIDTH), labels, .err = err);
    tw_model *m = tw_sequential(tw, "small");
    tw_input(m, TW_SHAPE(WIDTH), NULL);
    tw_add(m, tw_dense(8, "tanh", .name = "first"));
    tw_add(m, tw_dropout(0.3));
    tw_add(m, tw_dense(1, "sigmoid", .name = "last"));
    tw_compile(m, "adam", .learning_rate = 0.02, .loss = "binary_crossentropy");
    tw_callback killer = {.arg = &kill_at, .on_batch_begin = kill_in_the_middle};
    tw_history *h =
        tw_fit(m, d, .epochs = EPOCHS, .batch_size = 16, .validation = d, .backup = backup,
               .callbacks = "reduce_lr_on_plateau:patience=1:min_delta=0.02, early_stopping:patience=6",
               .callback = &killer, .n_callbacks = kill_at >= 0, .err = err);
    if (h) {
        tw_weight_get(tw_layer_weight(tw_model_find_layer(m, "first"), 0), values, WIDTH * 8, err);
        tw_weight_get(tw_layer_weight(tw_model_find_layer(m, "last"), 0), values + WIDTH * 8, 8, err);
    }
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
    return h;
}

static void a_fit_that_was_killed_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    float whole[WIDTH * 8 + 8] = {0}, resumed[WIDTH * 8 + 8] = {1};
    pid_t child = fork();
    if (child == 0) {
        tw_err err = {0};
        train(folder, 3 * 5 + 1, whole, &err); // in the second batch of the sixth epoch
        _exit(1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    char file[200];
    snprintf(file, sizeof file, "%s/fit.tw", folder);
    assert_int_equal(access(file, R_OK), 0);
    tw_err err = {0};
    tw_history *a = train(folder, -1, resumed, &err), *b = train(NULL, -1, whole, &err);
    expect_ok(err);
    assert_int_equal(tw_history_n_epochs(a), tw_history_n_epochs(b));
    assert_int_equal(tw_history_best(a), tw_history_best(b));
    for (int64_t i = 0; i < tw_history_n_epochs(a); i++) {
        expect_near(tw_history_epoch(a, i)->val_loss, tw_history_epoch(b, i)->val_loss, 0);
        expect_near(tw_history_epoch(a, i)->learning_rate, tw_history_epoch(b, i)->learning_rate, 0);
    }
    assert_true(tw_history_epoch(b, -1)->learning_rate < 0.02); // there was something to remember
    assert_memory_equal(whole, resumed, sizeof whole);
    assert_int_not_equal(access(file, R_OK), 0); // it has ended
    tw_history_free(a);
    tw_history_free(b);
}

static tw_status fit_with(tw_fit_options o, tw_err *err)
{
    tw_context *tw = tw_open(NULL, err);
    tw_model *m = tw_sequential(tw, "small");
    tw_input(m, TW_SHAPE(WIDTH), NULL);
    tw_add(m, tw_dense(1, "sigmoid"));
    tw_compile(m, "adam", .loss = "binary_crossentropy");
    o.model = m;
    o.data = tw_dataset_arrays(tw, N, &x[0][0], TW_SHAPE(WIDTH), labels, .err = err);
    o.validation = o.data;
    o.err = err;
    tw_history_free(tw_fit_(&o));
    tw_dataset_free(o.data);
    tw_model_free(m);
    tw_close(tw);
    return err->status;
}

static void checkpoints_have_keras_s_places_and_what_cannot_be_written_is_told_first(void **state)
{
    (void)state;
    tw_err err = {0};
    char path[256];
    mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/m-{epoch:03d}-{val_loss:.2f}.weights.h5", folder);
    assert_int_equal(fit_with((tw_fit_options){.epochs = 2, .checkpoint = path}, &err), TW_OK);
    glob_t found = {0};
    snprintf(path, sizeof path, "%s/m-00[12]-[0-9].[0-9][0-9].weights.h5", folder);
    assert_int_equal(glob(path, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 2);
    globfree(&found);
    static const struct {
        const char *checkpoint, *csv, *says;
        tw_status status;
    } wrong[] = {{"m.pickle", NULL, "must end in .keras", TW_EINVAL},
                 {"m-{val_auc:.2f}.keras", NULL, "'val_auc' is not measured", TW_EINVAL},
                 {"m-{epoch:02.keras", NULL, "expected a place such as {epoch:02d}", TW_EINVAL},
                 {NULL, "/nowhere/log.csv", "/nowhere/log.csv", TW_EWRITE}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (tw_err){0};
        tw_fit_options o = {.checkpoint = wrong[i].checkpoint, .csv_log = wrong[i].csv};
        assert_int_equal(fit_with(o, &err), wrong[i].status);
        assert_non_null(strstr(err.msg, wrong[i].says));
    }
}

static void what_a_fit_cannot_use_is_refused(void **state)
{
    (void)state;
    static const double weights[][2] = {{-1, 1}, {(double)NAN, 1}};
    tw_err err = {0};
    for (int i = 0; i < 2; i++) {
        err = (tw_err){0};
        assert_int_equal(fit_with((tw_fit_options){.class_weight = weights[i]}, &err), TW_EINVAL);
        assert_non_null(strstr(err.msg, "class_weight of class 0 must be 0 or more"));
    }
    static const char *const callbacks[][2] = {
        {"early_stopping:monitor=val_auc", "EarlyStopping monitors val_auc, which is not measured"},
        {"reduce_lr_on_plateau:monitor=recall", "ReduceLROnPlateau monitors recall"},
        {"swap_ema_weights", "SwapEMAWeights needs an optimizer that keeps averages"},
        {"early_stopping, early_stopping:patience=2", "stands there twice"}};
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        err = (tw_err){0};
        assert_int_equal(fit_with((tw_fit_options){.callbacks = callbacks[i][0]}, &err), TW_EINVAL);
        assert_non_null(strstr(err.msg, callbacks[i][1]));
    }
}

static void compiling_refuses_what_keras_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *optimizer;
        double rate;
        const char *says;
    } wrong[] = {{"adam:clipnorm=1:clipvalue=1", 0, "only one of clipnorm and clipvalue"},
                 {"adam:beta_1=1", 0, "beta_1 of Adam must be in 0..1"},
                 {"sgd", 1e9, "learning_rate must be in 0..1000"},
                 {"sgd", -1, "learning_rate must be in 0..1000"},
                 {"none", 0, "an optimizer is needed"}};
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_model *m = tw_sequential(tw, "small");
    tw_input(m, TW_SHAPE(WIDTH), NULL);
    tw_add(m, tw_dense(1, "sigmoid"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (tw_err){0};
        tw_compile(m, wrong[i].optimizer, .learning_rate = wrong[i].rate, .loss = "bce", .err = &err);
        assert_int_equal(err.status, TW_EINVAL);
        assert_non_null(strstr(err.msg, wrong[i].says));
    }
    // One output compared with itself is no loss.
    err = (tw_err){0};
    tw_compile(m, "sgd", .loss = "categorical_crossentropy", .err = &err);
    tw_dataset *d = tw_dataset_arrays(tw, N, &x[0][0], TW_SHAPE(WIDTH), labels, .err = &err);
    assert_null(tw_fit(m, d, .err = &err));
    assert_int_equal(err.status, TW_EUNUSABLE);
    assert_non_null(strstr(err.msg, "it would always be 0"));
    tw_dataset_free(d);
    tw_model_free(m);
    tw_close(tw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fit_that_was_killed_goes_on_to_the_same_bits),
        cmocka_unit_test(checkpoints_have_keras_s_places_and_what_cannot_be_written_is_told_first),
        cmocka_unit_test(what_a_fit_cannot_use_is_refused),
        cmocka_unit_test(compiling_refuses_what_keras_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
