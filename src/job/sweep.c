// topwork sweep: many settings on the same cached features.
//
//   grid → every combination → a run of `topwork train` in a folder of its own, in silence → a table, best first
//
// Each run finds its features in the cache, so it costs what its head costs. A sweep that was stopped goes on: runs that
// are finished are not done again, the one that was under way is taken up where it was.

#include "job/job.h"

#include "base/field.h"
#include "base/source.h"
#include "base/str.h"
#include "job/run_dir.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEYS_MAX = 12, VALUES_MAX = 32, RUNS_MAX = 1000 };

typedef struct axis {
    const tw_field *field;
    char *text[VALUES_MAX];
    int n;
} axis;

typedef struct sweep {
    tw_context *tw;
    const tw_sweep_options *o;
    twi_arena arena;
    axis axis[KEYS_MAX];
    int n_axes, n_runs;
    char *dir;
    json_t *rows; // one a run: settings and results
} sweep;

// ----------------------------------------------------------------------------------------------------------------- grid

// Commas part values, but not those inside brackets or quotes; heads hold commas, so `|` parts values too.
static tw_status add_values(sweep *s, axis *a, char *list, tw_err *err)
{
    const char *part = strchr(list, '|') ? "|" : ",";
    for (char *value; (value = strsep(&list, part));) {
        while (*value == ' ')
            value++;
        if (!*value)
            continue;
        if (a->n == VALUES_MAX)
            return twi_fail(err, TW_EINVAL, "--grid: more than %d values of %s", VALUES_MAX, a->field->key);
        if (!(a->text[a->n++] = twi_arena_strdup(&s->arena, value, err)))
            return TW_ENOMEM;
    }
    return a->n ? TW_OK : twi_fail(err, TW_EINVAL, "--grid: %s has no values", a->field->key);
}

static bool may_vary(const tw_field *f)
{
    static const char *const fixed[] = {"photos", "output_dir", "force", "resume",
                                        "config", "format",     "cache"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(f->key, fixed[i]) == 0)
            return false;
    return true;
}

static tw_status add_axis(sweep *s, char *word, tw_err *err)
{
    char *equals = strchr(word, '=');
    if (!equals)
        return twi_fail(err, TW_EINVAL, "--grid: expected key=value,value…, received '%s'", word);
    *equals = 0;
    const tw_field *field = tw_field_find(tw_train_fields, word);
    if (!field || !may_vary(field)) {
        const char *near = tw_field_nearest(tw_train_fields, word);
        return twi_fail(err, TW_EINVAL, "--grid: '%s' is no option of train that may vary%s%s%s", word,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (s->n_axes == KEYS_MAX)
        return twi_fail(err, TW_EINVAL, "--grid: more than %d keys", KEYS_MAX);
    axis *a = &s->axis[s->n_axes++];
    a->field = field;
    return add_values(s, a, equals + 1, err);
}

static bool begins_key(const char *word)
{
    char key[64];
    size_t n = strcspn(word, "=");
    snprintf(key, sizeof key, "%.*s", (int)n, word);
    return word[n] == '=' && (tw_field_find(tw_train_fields, key) || !strpbrk(key, ":|,"));
}

// "dropout=0,0.2 l2=0,1e-4": a word with '=' begins a key, others belong to the one before (heads have blanks).
static tw_status read_grid(sweep *s, tw_err *err)
{
    char *copy = twi_strdup(s->o->grid, err), *rest = copy;
    twi_str word = {0};
    tw_status status = copy ? TW_OK : TW_ENOMEM;
    while (!status && rest) {
        char *next = strsep(&rest, " ");
        if (*next && word.n && begins_key(next)) {
            status = add_axis(s, word.text, err);
            word.n = 0;
        }
        if (*next)
            twi_str_printf(&word, "%s%s", word.n ? " " : "", next);
    }
    if (!status && word.n)
        status = add_axis(s, word.text, err);
    if (!status && !s->n_axes)
        status =
            twi_fail(err, TW_EINVAL, "--grid is empty; for example --grid 'dropout=0,0.2,0.5 l2=0,1e-4'");
    twi_str_clear(&word);
    twi_free(copy);
    s->n_runs = 1;
    for (int i = 0; i < s->n_axes && s->n_runs <= RUNS_MAX; i++)
        s->n_runs *= s->axis[i].n;
    if (!status && s->n_runs > RUNS_MAX)
        status = twi_fail(err, TW_EINVAL, "--grid: more than %d combinations", RUNS_MAX);
    return status;
}

static const char *value_of(const sweep *s, int run, int which)
{
    for (int i = s->n_axes - 1; i > which; i--)
        run /= s->axis[i].n;
    return s->axis[which].text[run % s->axis[which].n];
}

// ----------------------------------------------------------------------------------------------------------------- runs

static tw_status fill_options(sweep *s, int run, const char *dir, tw_train_options *t, tw_err *err)
{
    const tw_sweep_options *o = s->o;
    tw_status status = twi_fields_default(tw_train_fields, t, &s->arena, err);
    json_t *config = !status && o->config ? twi_json_read(o->config, err) : NULL;
    if (!status && o->config)
        status =
            config ? twi_fields_read(tw_train_fields, t, config, o->config, &s->arena, err) : err->status;
    json_decref(config);
    t->photos = o->photos;
    t->model = o->model;
    t->weights = o->weights;
    t->head = o->head;
    t->optimizer = o->optimizer;
    t->lr = o->lr;
    t->epochs = o->epochs;
    t->batch_size = o->batch_size;
    t->patience = o->patience;
    t->val_split = o->val_split;
    t->seed = o->seed;
    t->threads = o->threads;
    t->cache = o->cache;
    t->cache_limit = o->cache_limit;
    t->output_dir = dir;
    t->resume = true;
    for (int i = 0; !status && i < s->n_axes; i++)
        status = twi_field_set(s->axis[i].field, t, value_of(s, run, i), "--grid", &s->arena, err);
    return status ? status : tw_fields_check(tw_train_fields, t, err);
}

// A run hears of the sweep being stopped at its next event.
typedef struct listener {
    tw_context *outer;
    tw_context *inner;
} listener;

static void pass_cancel(void *arg, const tw_event *event)
{
    listener *l = arg;
    (void)event;
    if (twi_is_cancelled(l->outer) && l->inner)
        tw_cancel(l->inner);
}

static tw_status train_one(sweep *s, int run, const char *dir, tw_err *err)
{
    tw_train_options t = {0};
    tw_status status = fill_options(s, run, dir, &t, err);
    if (status)
        return status;
    listener l = {.outer = s->tw};
    tw_open_options open = {.threads = s->tw->threads, .event = pass_cancel, .arg = &l};
    l.inner = tw_open(&open, err);
    status = l.inner ? twi_job_train(l.inner, &t, err) : TW_ENOMEM;
    tw_close(l.inner);
    return status;
}

static json_t *row_of(const sweep *s, int run, const char *dir, const json_t *results, const char *error)
{
    json_t *row = json_object(), *settings = json_object();
    for (int i = 0; i < s->n_axes; i++)
        json_object_set_new(settings, s->axis[i].field->key, json_string(value_of(s, run, i)));
    json_object_set_new(row, "settings", settings);
    json_object_set_new(row, "run", json_string(dir));
    const json_t *val = json_object_get(results, "val");
    json_object_set_new(row, "val_loss", json_deep_copy(json_object_get(val, "loss")));
    json_object_set_new(row, "val_accuracy", json_deep_copy(json_object_get(val, "accuracy")));
    json_object_set_new(row, "seconds",
                        json_deep_copy(json_object_get(json_object_get(results, "seconds"), "head")));
    const json_t *phase = json_array_get(json_object_get(results, "phases"), 0);
    json_object_set_new(row, "epochs", json_deep_copy(json_object_get(phase, "epochs")));
    if (error)
        json_object_set_new(row, "error", json_string(error));
    return row;
}

static json_t *read_results(const char *dir)
{
    tw_err ignored = {0};
    char *path = twi_run_file(dir, "results.json", &ignored);
    json_t *json = path ? twi_json_read(path, &ignored) : NULL;
    twi_free(path);
    return json;
}

// What went wrong in one run is a line of the table; only being stopped, or being unable to write, ends the sweep.
static tw_status run_one(sweep *s, int run, tw_err *err)
{
    char name[32];
    snprintf(name, sizeof name, "%03d", run + 1);
    char *dir = twi_run_file(s->dir, name, err);
    if (!dir)
        return TW_ENOMEM;
    tw_err own = {0};
    tw_status status = train_one(s, run, dir, &own);
    if (status == TW_ECANCELLED || status == TW_ENOMEM || status == TW_EWRITE || status == TW_EINVAL ||
        status == TW_EUNUSABLE) {
        *err = own;
        twi_free(dir);
        return status;
    }
    json_t *results = read_results(dir);
    json_array_append_new(s->rows, row_of(s, run, dir, results, status ? own.msg : NULL));
    json_decref(results);
    twi_free(dir);
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- table

static double sort_value(const json_t *row)
{
    const json_t *loss = json_object_get(row, "val_loss");
    return json_is_number(loss) ? json_number_value(loss) : (double)INFINITY;
}

static int best_first(const void *a, const void *b)
{
    double x = sort_value(*(json_t *const *)a), y = sort_value(*(json_t *const *)b);
    return (x > y) - (x < y);
}

static json_t *sorted(const json_t *rows, tw_err *err)
{
    size_t n = json_array_size(rows);
    json_t **at = twi_new(n, sizeof *at, "a table", err), *out = json_array();
    for (size_t i = 0; at && i < n; i++)
        at[i] = json_array_get(rows, i);
    if (at)
        qsort(at, n, sizeof(*at), best_first);
    for (size_t i = 0; at && i < n; i++)
        json_array_append(out, at[i]);
    twi_free(at);
    return out;
}

static void print_number(twi_str *out, const json_t *value, const char *format)
{
    char text[32] = "–";
    if (json_is_number(value))
        snprintf(text, sizeof text, strcmp(format, "%") == 0 ? "%.1f %%" : "%.4f",
                 json_number_value(value) * (strcmp(format, "%") == 0 ? 100 : 1));
    twi_str_printf(out, "%10s", text);
}

static void table_text(const sweep *s, const json_t *rows, twi_str *out)
{
    size_t i;
    json_t *row;
    for (int a = 0; a < s->n_axes; a++)
        twi_str_printf(out, "%-14s", s->axis[a].field->key);
    twi_str_printf(out, "%10s%10s%8s%9s  %s\n", "val loss", "accuracy", "epochs", "seconds", "run");
    json_array_foreach(rows, i, row)
    {
        const json_t *settings = json_object_get(row, "settings");
        for (int a = 0; a < s->n_axes; a++)
            twi_str_printf(out, "%-13s ", twi_json_string(settings, s->axis[a].field->key, ""));
        print_number(out, json_object_get(row, "val_loss"), "4");
        print_number(out, json_object_get(row, "val_accuracy"), "%");
        twi_str_printf(out, "%8lld%9.2f  %s%s%s\n", (long long)twi_json_int(row, "epochs", 0),
                       twi_json_number(row, "seconds", 0), twi_json_string(row, "run", ""),
                       json_object_get(row, "error") ? "   " : "", twi_json_string(row, "error", ""));
    }
}

static tw_status write_tables(sweep *s, tw_err *err)
{
    json_t *rows = sorted(s->rows, err), *all = json_pack("{ss sO}", "grid", s->o->grid, "runs", rows);
    twi_str text = {0};
    table_text(s, rows, &text);
    char *json_path = twi_run_file(s->dir, "sweep.json", err),
         *text_path = twi_run_file(s->dir, "sweep.txt", err);
    tw_status status =
        json_path && text_path && all && !text.failed ? TW_OK : twi_fail_memory(err, 0, "a table");
    if (!status)
        status = twi_json_write(json_path, all, err);
    if (!status)
        status = twi_file_write(text_path, text.text, text.n, err);
    if (!status && s->o->format == TW_FORMAT_JSON) {
        char *dump = twi_json_text(all, 2, err);
        if (dump)
            twi_print(s->tw, "%s\n", dump);
        twi_free(dump);
    } else if (!status) {
        twi_write(s->tw, text.text, text.n);
    }
    twi_free(json_path);
    twi_free(text_path);
    twi_str_clear(&text);
    json_decref(all);
    json_decref(rows);
    return status;
}

// ------------------------------------------------------------------------------------------------------------------ job

static tw_status make_dir(sweep *s, tw_err *err)
{
    const char *dir = s->o->output_dir;
    if (!dir) {
        tw_status status = twi_dir_make("runs", err);
        if (status)
            return status;
        dir = "runs/sweep";
    }
    s->dir = twi_strdup(dir, err);
    return s->dir ? twi_dir_make(s->dir, err) : TW_ENOMEM;
}

static tw_status run_all(sweep *s, tw_err *err)
{
    twi_progress stage;
    twi_progress_begin(&stage, s->tw, "sweep", s->n_runs, "runs", "%d combinations into %s/", s->n_runs,
                       s->dir);
    tw_status status = TW_OK;
    for (int i = 0; !status && i < s->n_runs; i++) {
        status = run_one(s, i, err);
        if (!status)
            twi_progress_add(&stage, 1);
    }
    if (!status)
        twi_progress_end(&stage, "table in %s/sweep.txt and sweep.json", s->dir);
    return status;
}

tw_status twi_job_sweep(tw_context *tw, const tw_sweep_options *o, tw_err *err)
{
    tw_err own = {0};
    sweep s = {.tw = tw, .o = o, .rows = json_array()};
    tw_status status = read_grid(&s, &own);
    if (!status)
        status = make_dir(&s, &own);
    if (!status)
        status = run_all(&s, &own);
    if (!status)
        status = write_tables(&s, &own);
    json_decref(s.rows);
    twi_free(s.dir);
    twi_arena_clear(&s.arena);
    if (own.status && err && !err->status)
        *err = own;
    return own.status ? own.status : status;
}
