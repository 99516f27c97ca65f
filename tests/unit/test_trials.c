// Trials: what was tried once decides from then on; what cannot be read or afforded decides nothing.

#include "nets.h"
#include "testing.h"

#include "base/source.h"
#include "base/str.h"
#include "engine/choices.h"
#include "engine/trials.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct place {
    char dir[64], file[4096];
} place;

static int open_place(void **state)
{
    place *p = calloc(1, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/topwork-trials-XXXXXX");
    *state = p;
    return mkdtemp(p->dir) ? 0 : -1;
}

// The file of trials, or NULL.
static const char *find_file(place *p)
{
    DIR *folder = opendir(p->dir);
    bool found = false;
    for (struct dirent *e; folder && (e = readdir(folder));)
        if (strncmp(e->d_name, "kernels-", 8) == 0) {
            snprintf(p->file, sizeof p->file, "%s/%s", p->dir, e->d_name);
            found = true;
        }
    if (folder)
        closedir(folder);
    return found ? p->file : NULL;
}

static int close_place(void **state)
{
    place *p = *state;
    twi_trials_forget(p->dir);
    bool is_forgotten = !find_file(p);
    char tag[128];
    snprintf(tag, sizeof tag, "%s/CACHEDIR.TAG", p->dir);
    unlink(tag);
    int status = rmdir(p->dir);
    free(p);
    return is_forgotten ? status : -1;
}

// Two layers that can be computed in several ways on most processors.
static tw_model *net(int filters)
{
    char config[64];
    tw_model *m = twi_model_new("net", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 24, 24, 64));
    snprintf(config, sizeof config, "filters=%d kernel_size=3 padding=same activation=relu", filters);
    x = net_layer(m, "Conv2D", "one", x, config);
    x = net_layer(m, "Conv2D", "two", x, "filters=64 kernel_size=3 padding=same");
    net_done(m, net_layer(m, "Dense", "out", net_layer(m, "GlobalAveragePooling2D", "gap", x, ""), "units=2"),
             3);
    twi_model_set_trainable(m, false);
    return m;
}

typedef struct outcome {
    int made;
    uint8_t key[16];
    json_t *json;
} outcome;

static outcome plan_with(const tw_model *m, const char *dir, double runs, twi_precision precision)
{
    tw_err err = {0};
    outcome o;
    double seconds;
    twi_trials *t = twi_trials_open(dir, runs, &err);
    expect_ok(err);
    twi_plan *plan = net_plan(m, (twi_plan_options){.precision = precision, .trials = t});
    o.made = twi_trials_made(t, &seconds);
    twi_plan_key(plan, o.key);
    o.json = twi_plan_json(plan, &err);
    expect_ok(err);
    twi_trials_close(t);
    twi_plan_free(plan);
    return o;
}

static size_t count_tried(const json_t *plan)
{
    size_t i, n = 0;
    const json_t *one;
    json_array_foreach(json_object_get(plan, "ops"), i, one) n +=
        json_array_size(json_object_get(one, "tried"));
    return n;
}

static void what_was_tried_is_remembered(void **state)
{
    place *p = *state;
    tw_model *m = net(64);
    outcome first = plan_with(m, p->dir, INFINITY, TWI_PRECISE);
    assert_non_null(find_file(p));
    for (int i = 0; i < 2; i++) { // with time, and without
        outcome again = plan_with(m, p->dir, i ? 0 : 1e9, TWI_PRECISE);
        assert_int_equal(again.made, 0);
        assert_memory_equal(first.key, again.key, 16);
        assert_true(json_equal(first.json, again.json));
        json_decref(again.json);
    }
    assert_true(!first.made || count_tried(first.json) >= 2);
    json_decref(first.json);
    twi_model_free(m);
}

// Changes what is chosen for each shape to the last way that was tried; how many.
static int choose_the_last(const char *path)
{
    tw_err err = {0};
    json_t *file = twi_json_read(path, &err), *one;
    const char *key;
    int n = 0;
    json_object_foreach(json_object_get(file, "trials"), key, one)
    {
        json_t *tried = json_object_get(one, "tried"),
               *last = json_array_get(tried, json_array_size(tried) - 1);
        if (!last)
            continue;
        json_object_set(one, "chosen", json_object_get(last, "algorithm"));
        json_object_del(one, "liked");
        if (json_is_true(json_object_get(last, "liked")))
            json_object_set_new(one, "liked", json_true());
        n++;
    }
    twi_json_write(path, file, &err);
    expect_ok(err);
    json_decref(file);
    return n;
}

static void a_file_decides_and_a_printed_plan_says_the_same(void **state)
{
    place *p = *state;
    tw_err err = {0};
    tw_model *m = net(64);
    outcome first = plan_with(m, p->dir, INFINITY, TWI_PRECISE);
    if (!first.made)
        skip();
    choose_the_last(find_file(p));
    outcome last = plan_with(m, p->dir, 0, TWI_PRECISE);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(last.json, "ops"), i, one)
    {
        const json_t *tried = json_object_get(one, "tried"),
                     *way = json_array_get(tried, json_array_size(tried) - 1);
        if (way) // the first conv's: what comes behind it lies as it leaves it
            assert_string_equal(twi_json_string(one, "algorithm", ""), twi_json_string(way, "algorithm", ""));
    }
    twi_choices choices = {0};
    twi_choices_read(last.json, "plan.json", &choices, &err);
    expect_ok(err);
    twi_plan *replayed = net_plan(m, (twi_plan_options){.precision = TWI_PRECISE, .choices = &choices});
    uint8_t key[16];
    twi_plan_key(replayed, key);
    assert_memory_equal(last.key, key, 16);
    twi_choices_clear(&choices);
    twi_plan_free(replayed);
    json_decref(first.json);
    json_decref(last.json);
    twi_model_free(m);
}

static void a_damaged_file_is_none_and_is_written_again(void **state)
{
    place *p = *state;
    tw_model *m = net(64);
    outcome first = plan_with(m, p->dir, INFINITY, TWI_PRECISE);
    json_decref(first.json);
    static const char *const texts[] = {"", "{\"format\": 1", "[]",
                                        "{\"format\": 1, \"trials\": {\"x\": 3}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tw_err err = {0};
        twi_file_write(find_file(p), texts[i], strlen(texts[i]), &err);
        expect_ok(err);
        outcome again = plan_with(m, p->dir, INFINITY, TWI_PRECISE), known;
        assert_int_equal(again.made, first.made);
        known = plan_with(m, p->dir, 0, TWI_PRECISE);
        assert_memory_equal(again.key, known.key, 16);
        json_decref(again.json);
        json_decref(known.json);
    }
    twi_model_free(m);
}

static void little_work_and_exact_plans_try_nothing(void **state)
{
    place *p = *state;
    tw_model *m = net(64);
    twi_plan *usual = net_plan(m, (twi_plan_options){.precision = TWI_PRECISE});
    outcome few = plan_with(m, p->dir, 3, TWI_PRECISE), exact = plan_with(m, p->dir, INFINITY, TWI_EXACT);
    uint8_t key[16];
    twi_plan_key(usual, key);
    assert_memory_equal(few.key, key, 16);
    assert_int_equal(few.made + exact.made, 0);
    assert_null(find_file(p));
    twi_plan_free(usual);
    json_decref(few.json);
    json_decref(exact.json);
    twi_model_free(m);
}

static void two_at_once_keep_what_both_found(void **state)
{
    place *p = *state;
    tw_err err = {0};
    tw_model *one = net(64), *two = net(32);
    twi_trials *a = twi_trials_open(p->dir, INFINITY, &err), *b = twi_trials_open(p->dir, INFINITY, &err);
    twi_plan_free(net_plan(one, (twi_plan_options){.precision = TWI_PRECISE, .trials = a}));
    twi_plan_free(net_plan(two, (twi_plan_options){.precision = TWI_PRECISE, .trials = b}));
    twi_trials_close(a);
    twi_trials_close(b);
    outcome first = plan_with(one, p->dir, 1e9, TWI_PRECISE),
            second = plan_with(two, p->dir, 1e9, TWI_PRECISE);
    assert_int_equal(first.made + second.made, 0);
    json_decref(first.json);
    json_decref(second.json);
    twi_model_free(one);
    twi_model_free(two);
}

static void without_a_folder_trials_are_of_this_plan_only(void **state)
{
    (void)state;
    tw_model *m = net(64);
    outcome first = plan_with(m, NULL, INFINITY, TWI_PRECISE),
            again = plan_with(m, NULL, INFINITY, TWI_PRECISE);
    assert_int_equal(first.made, again.made);
    json_decref(first.json);
    json_decref(again.json);
    twi_model_free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_tried_is_remembered),
        TEST(a_file_decides_and_a_printed_plan_says_the_same),
        TEST(a_damaged_file_is_none_and_is_written_again),
        TEST(little_work_and_exact_plans_try_nothing),
        TEST(two_at_once_keep_what_both_found),
        cmocka_unit_test(without_a_folder_trials_are_of_this_plan_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
