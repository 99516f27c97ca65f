// tw_fit within a limit of memory.

#include "testing.h"

#include <string.h>
#include <unistd.h>

enum { N = 64, SIDE = 16, DEPTH = 60 };

static float x[N][SIDE][SIDE][3];
static int32_t labels[N];
static char notes[2048];

static void keep_notes(void *arg, const tw_event *event)
{
    (void)arg;
    if (event->kind == TW_EVENT_NOTE)
        snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n", event->text);
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        labels[i] = i % 2;
        for (int j = 0; j < SIDE * SIDE * 3; j++)
            (&x[i][0][0][0])[j] = (float)labels[i] + (float)((i * 31 + j * 17) % 23) / 23.0f;
    }
    return 0;
}

// Bytes of this process, now.
static double resident(void)
{
    long total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &total, &pages), 2);
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

// Trains a deep network on numbers within a limit; the last kernel goes to `values`.
static tw_status fit_within(const char *memory, float values[64], tw_err *err)
{
    tw_context *tw = tw_open(&(tw_open_options){.threads = 1, .event = keep_notes}, err);
    tw_dataset *d = tw_dataset_arrays(tw, N, &x[0][0][0][0], TW_SHAPE(SIDE, SIDE, 3), labels, .err = err);
    tw_model *m = tw_sequential(tw, "deep");
    tw_input(m, TW_SHAPE(SIDE, SIDE, 3), NULL);
    for (int i = 0; i < DEPTH; i++)
        tw_add(m, tw_conv2d(32, {1}, "tanh", .padding = "same"));
    tw_add(m, tw_global_average_pooling2d());
    tw_add(m, tw_dense(1, "sigmoid", .name = "head"));
    tw_compile(m, "adam", .loss = "binary_crossentropy");
    notes[0] = 0;
    tw_history *h = tw_fit(m, d, .epochs = 2, .batch_size = N, .memory = memory, .err = err);
    assert_true((h == NULL) == (err->status != TW_OK));
    if (h)
        tw_weight_get(tw_layer_weight(tw_model_find_layer(m, "head"), 0), values, 32, &(tw_err){0});
    tw_history_free(h);
    tw_model_free(m);
    tw_dataset_free(d);
    tw_close(tw);
    return err->status;
}

static void less_memory_gives_the_same_bits_for_more_time_and_too_little_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    float whole[64] = {0}, less[64] = {1};
    assert_int_equal(fit_within("1M", less, &err), TW_ENOMEM);
    assert_non_null(strstr(err.msg, "batch_size 64 needs about"));
    assert_non_null(strstr(err.msg, "allows 1 MB"));

    err = (tw_err){0};
    fit_within(NULL, whole, &err);
    expect_ok(err);
    assert_null(strstr(notes, "recomputed"));

    char limit[32];
    snprintf(limit, sizeof limit, "%.0f", resident() + 100e6); // of 126 MB of activations
    fit_within(limit, less, &err);
    expect_ok(err);
    assert_non_null(strstr(notes, "tw_fit keeps a part of its activations"));
    assert_memory_equal(whole, less, sizeof(float) * 32);

    assert_int_equal(fit_within("much", less, &err), TW_EINVAL);
    assert_non_null(strstr(err.msg, "memory expects a size such as 2G"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_memory_gives_the_same_bits_for_more_time_and_too_little_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
