// The context and the option rows in public.

#include "testing.h"

#include "job/context.h"

#include <unistd.h>

// ------------------------------------------------------------------------------------------------------- what listeners hear

typedef struct heard {
    int events, writes, inside, overlaps;
    tw_event last;
    char text[256], data[256];
} heard;

static void enter(heard *h)
{
    h->overlaps += h->inside++ != 0;
}

static void on_event(void *arg, const tw_event *event)
{
    heard *h = arg;
    enter(h);
    h->events++;
    h->last = *event;
    snprintf(h->text, sizeof h->text, "%s", event->text ? event->text : "(none)");
    usleep(50);
    h->inside--;
}

static void on_write(void *arg, const char *text, size_t n)
{
    heard *h = arg;
    enter(h);
    h->writes++;
    snprintf(h->data, sizeof h->data, "%.*s", (int)n, text);
    usleep(50);
    h->inside--;
}

static tw_context *open_heard(heard *h)
{
    *h = (heard){0};
    const tw_open_options options = {.threads = 2, .write = on_write, .event = on_event, .arg = h};
    tw_err err = {0};
    tw_context *tw = tw_open(&options, &err);
    expect_ok(err);
    return tw;
}

static void context_without_listeners_is_silent(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    expect_ok(err);
    twi_print(tw, "data");
    twi_say(tw, "photos", "text");
    assert_int_equal(tw->threads, twi_cores());
    tw_close(tw);
    tw_close(NULL);
    tw_cancel(NULL);
}

static void threads_out_of_range_are_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(tw_open(&(tw_open_options){.threads = -1}, &err));
    expect_error(err, TW_EINVAL, "threads must be in 0..4096");
}

static void options_decide_on_threads_over_the_context(void **state)
{
    (void)state;
    heard h;
    tw_context *tw = open_heard(&h);
    assert_int_equal(twi_threads(tw, 0), 2);
    assert_int_equal(twi_threads(tw, 5), 5);
    tw_close(tw);
}

static void cancelling_is_seen_by_the_work(void **state)
{
    (void)state;
    heard h;
    tw_err err = {0};
    tw_context *tw = open_heard(&h);
    assert_false(twi_is_cancelled(tw));
    assert_int_equal(twi_check_cancelled(tw, &err), TW_OK);
    tw_cancel(tw);
    assert_true(twi_is_cancelled(tw));
    assert_int_equal(twi_check_cancelled(tw, &err), TW_ECANCELLED);
    assert_int_equal(tw_status_exit(err.status), 130);
    tw_close(tw);
}

static void lines_longer_than_any_buffer_arrive_whole(void **state)
{
    (void)state;
    heard h;
    tw_context *tw = open_heard(&h);
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    twi_print(tw, "%s!", text);
    assert_int_equal(h.writes, 1);
    assert_int_equal(h.data[0], 'x');
    twi_note(tw, "%d photos", 3);
    assert_string_equal(h.text, "3 photos");
    assert_int_equal(h.last.kind, TW_EVENT_NOTE);
    assert_true(isnan(h.last.loss));
    tw_close(tw);
}

static void count(void *arg, int64_t index, int worker)
{
    (void)index, (void)worker;
    twi_progress *stage = arg;
    twi_progress_add(stage, 1);
    twi_print(stage->tw, "row");
}

static void stage_counts_from_any_thread_and_tells_seldom(void **state)
{
    (void)state;
    heard h;
    tw_err err = {0};
    tw_context *tw = open_heard(&h);
    twi_pool *pool = twi_pool_new(4, &err);
    expect_ok(err);
    twi_progress stage;
    twi_progress_begin(&stage, tw, "features", 500, "photos", NULL);
    assert_int_equal(h.last.kind, TW_EVENT_STAGE);
    twi_pool_run(pool, 500, count, &stage);
    twi_progress_end(&stage, "kept");
    assert_int_equal(h.last.kind, TW_EVENT_END);
    assert_int_equal(h.last.done, 500);
    assert_int_equal(h.last.total, 500);
    assert_string_equal(h.last.unit, "photos");
    assert_int_equal(h.writes, 500);
    assert_int_equal(h.overlaps, 0);
    assert_true(h.events >= 3);
    assert_true(h.events <= 3 + (int)(twi_progress_seconds(&stage) * 10) + 1);
    twi_pool_free(pool);
    tw_close(tw);
}

static void versions_fit_any_buffer(void **state)
{
    (void)state;
    char text[1024];
    assert_non_null(strstr(tw_versions(text, sizeof text), tw_version()));
    char small[8];
    assert_string_equal(tw_versions(small, sizeof small), "topwork");
}

// ------------------------------------------------------------------------------------------------------------- rows

typedef struct table {
    const char *verb;
    const tw_field *fields;
    size_t size;
} table;

static const table tables[] = {{"train", tw_train_fields, sizeof(tw_train_options)},
                               {"predict", tw_predict_fields, sizeof(tw_predict_options)},
                               {"evaluate", tw_evaluate_fields, sizeof(tw_evaluate_options)},
                               {"summary", tw_summary_fields, sizeof(tw_summary_options)},
                               {"models", tw_models_fields, sizeof(tw_models_options)},
                               {"plan", tw_plan_fields, sizeof(tw_plan_options)},
                               {"cache", tw_cache_fields, sizeof(tw_cache_options)},
                               {"report", tw_report_fields, sizeof(tw_report_options)}};
enum { TABLES = sizeof tables / sizeof *tables };

static void every_row_has_a_help_a_place_and_a_key_of_its_own(void **state)
{
    (void)state;
    for (int t = 0; t < TABLES; t++)
        for (const tw_field *f = tables[t].fields; f->key; f++) {
            if (!f->help || !*f->help || f->offset >= tables[t].size)
                fail_msg("%s: row '%s'", tables[t].verb, f->key);
            assert_ptr_equal(tw_field_find(tables[t].fields, f->key), f);
            for (const tw_field *g = f + 1; g->key; g++)
                if (g->offset == f->offset)
                    fail_msg("%s: '%s' and '%s' fill the same member", tables[t].verb, f->key, g->key);
        }
}

static void defaults_pass_the_checks_once_arguments_are_there(void **state)
{
    (void)state;
    for (int t = 0; t < TABLES; t++) {
        tw_err err = {0};
        _Alignas(16) char object[2048] = {0};
        tw_arena *arena = tw_arena_new(&err);
        tw_fields_default(tables[t].fields, object, arena, &err);
        for (const tw_field *f = tables[t].fields; f->key; f++)
            if (f->flags & TW_FIELD_ARGUMENT)
                tw_field_set(f, object, f->choices ? f->choices[0] : "x", f->key, arena, &err);
        tw_fields_check(tables[t].fields, object, &err);
        expect_ok(err);
        tw_arena_free(arena);
    }
}

static tw_train_options defaults(tw_arena *arena)
{
    tw_train_options o = {0};
    tw_err err = {0};
    tw_fields_default(tw_train_fields, &o, arena, &err);
    o.photos = "photos";
    expect_ok(err);
    return o;
}

static void train_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    tw_arena *arena = tw_arena_new(NULL);
    tw_train_options o = defaults(arena);
    assert_string_equal(o.model, "efficientnet-lite0");
    assert_string_equal(o.weights, "imagenet");
    assert_string_equal(o.head, "gap, dropout:0.2");
    assert_string_equal(o.freeze, "all");
    assert_null(o.lr); // the optimizer's own
    assert_string_equal(o.optimizer, "adam");
    assert_int_equal(o.epochs, 10);
    assert_int_equal(o.batch_size, 32);
    assert_int_equal(o.patience, 3);
    assert_int_equal(o.seed, 1);
    assert_int_equal(o.filter, 0);
    assert_true(o.val_split == 0.2 && o.test_split == 0 && o.dropout == -1 && o.fine_tune_lr == 0);
    assert_null(o.loss);
    assert_null(o.output_dir);
    tw_arena_free(arena);
}

// A table of its own: what is not served changes.
static void what_is_not_served_is_refused_from_every_side(void **state)
{
    (void)state;
    typedef struct planned {
        const char *tomorrow, *method;
    } planned;
    const tw_field fields[] = {{.key = "tomorrow",
                                .help = "the weather",
                                .type = TW_FIELD_TEXT,
                                .flags = TW_FIELD_LATER,
                                .offset = offsetof(planned, tomorrow)},
                               {.key = "method",
                                .help = "how",
                                .type = TW_FIELD_TEXT,
                                .offset = offsetof(planned, method),
                                .later = "by dice"},
                               {0}};
    tw_arena *arena = tw_arena_new(NULL);
    tw_err err = {0};
    planned o = {0};
    tw_field_set(tw_field_find(fields, "tomorrow"), &o, "rain", "--tomorrow", arena, &err);
    expect_error(err, TW_EUNSUPPORTED, "not supported yet: --tomorrow");
    err = (tw_err){0};
    o.tomorrow = "rain";
    tw_fields_check(fields, &o, &err);
    expect_error(err, TW_EUNSUPPORTED, "not supported yet: tomorrow");
    err = (tw_err){0};
    tw_field_set(tw_field_find(fields, "method"), &o, "by dice", "--method", arena, &err);
    expect_error(err, TW_EUNSUPPORTED, "not supported yet: --method by dice");
    tw_arena_free(arena);
}

static void structs_filled_by_hand_are_checked(void **state)
{
    (void)state;
    tw_arena *arena = tw_arena_new(NULL);
    tw_train_options o = defaults(arena);
    tw_err err = {0};
    o.photos = NULL;
    tw_fields_check(tw_train_fields, &o, &err);
    expect_error(err, TW_EINVAL, "photos is missing");
    err = (tw_err){0};
    o = defaults(arena);
    o.batch_size = -1;
    tw_fields_check(tw_train_fields, &o, &err);
    expect_error(err, TW_EINVAL, "batch_size must be in 0..65536, received -1");
    err = (tw_err){0};
    o = defaults(arena);
    o.val_split = NAN;
    tw_fields_check(tw_train_fields, &o, &err);
    expect_error(err, TW_EINVAL, "val_split must be in");
    err = (tw_err){0};
    o = defaults(arena);
    o.filter = 9;
    tw_fields_check(tw_train_fields, &o, &err);
    expect_error(err, TW_EINVAL, "filter must be in 0..2, received 9");
    err = (tw_err){0};
    tw_fields_check(tw_train_fields, NULL, &err);
    expect_error(err, TW_EINVAL, "options are missing");
    tw_arena_free(arena);
}

static void verbs_refuse_a_missing_context(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_int_equal(tw_train(NULL, NULL, &err), TW_EINVAL);
    assert_int_equal(err.status, TW_OK);
}

static const char *written(const char *json)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/tw_fields_XXXXXX", P_tmpdir);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, strlen(json)), (int)strlen(json));
    close(fd);
    return path;
}

static void config_file_changes_what_it_names_and_no_more(void **state)
{
    (void)state;
    tw_arena *arena = tw_arena_new(NULL);
    tw_err err = {0};
    tw_train_options o = defaults(arena);
    o.batch_size = 7;
    const char *path = written("{\"epochs\": 3, \"val-split\": 0.5, \"cut\": null, \"bn\": \"train\"}");
    tw_fields_read(tw_train_fields, &o, path, arena, &err);
    unlink(path);
    expect_ok(err);
    assert_int_equal(o.epochs, 3);
    assert_int_equal(o.batch_size, 7);
    assert_int_equal(o.bn, 2);
    assert_true(o.val_split == 0.5);
    assert_string_equal(o.photos, "photos");
    path = written("[1]");
    tw_fields_read(tw_train_fields, &o, path, arena, &err);
    unlink(path);
    expect_error(err, TW_EMALFORMED, "expected a JSON object");
    tw_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_without_listeners_is_silent),
        cmocka_unit_test(threads_out_of_range_are_refused),
        cmocka_unit_test(options_decide_on_threads_over_the_context),
        cmocka_unit_test(cancelling_is_seen_by_the_work),
        cmocka_unit_test(lines_longer_than_any_buffer_arrive_whole),
        cmocka_unit_test(stage_counts_from_any_thread_and_tells_seldom),
        cmocka_unit_test(versions_fit_any_buffer),
        cmocka_unit_test(every_row_has_a_help_a_place_and_a_key_of_its_own),
        cmocka_unit_test(defaults_pass_the_checks_once_arguments_are_there),
        cmocka_unit_test(train_defaults_are_the_documented_ones),
        cmocka_unit_test(what_is_not_served_is_refused_from_every_side),
        cmocka_unit_test(structs_filled_by_hand_are_checked),
        cmocka_unit_test(verbs_refuse_a_missing_context),
        cmocka_unit_test(config_file_changes_what_it_names_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
