// topwork sweep: many settings on the same cached features.
//
//   grid → every combination → a run of `topwork train` in a folder of its own, in silence → a table, best first
//
// Of the runs that start from the same features one goes first, with all threads, and leaves them in the cache. The others find
// them there, so they cost what their heads cost, and go on side by side with one thread each: a head is too small to keep
// more of them busy. A sweep that was stopped goes on: runs that are finished are not done again, those that were under way
// are taken up where they were.

#include "job/sweep.h"
#include "job/job.h"

#include "base/pool.h"
#include "base/source.h"
#include "job/run_dir.h"
#include "report/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ----------------------------------------------------------------------------------------------------------------- runs

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

static tw_status train_one(sweep *s, int run, const char *dir, int threads, tw_err *err)
{
    tw_train_options t = s->options[run];
    t.output_dir = dir;
    t.threads = threads;
    listener l = {.outer = s->tw};
    tw_open_options open = {.threads = threads, .event = pass_cancel, .arg = &l};
    l.inner = tw_open(&open, err);
    tw_status status = l.inner ? twi_job_train(l.inner, &t, err) : TW_ENOMEM;
    tw_close(l.inner);
    return status;
}

static void copy_value(json_t *row, const char *to, const json_t *from, const char *key)
{
    json_object_set_new(row, to, json_deep_copy(json_object_get(from, key)));
}

static json_t *row_of(const sweep *s, int run, const char *dir, const json_t *results, const char *error)
{
    json_t *row = json_object(), *settings = json_object();
    for (int i = 0; i < s->n_axes; i++)
        json_object_set_new(settings, s->axis[i].field->key, json_string(twi_sweep_value(s, run, i)));
    json_object_set_new(row, "settings", settings);
    json_object_set_new(row, "run", json_string(dir));
    const json_t *val = json_object_get(results, "val");
    copy_value(row, "val_loss", val, "loss");
    copy_value(row, "val_data_loss", val, "data_loss");
    copy_value(row, "val_penalty", val, "penalty");
    copy_value(row, "val_accuracy", val, "accuracy");
    copy_value(row, "val_interval", val, "interval");
    copy_value(row, "seconds", json_object_get(results, "seconds"), "head");
    copy_value(row, "epochs", json_array_get(json_object_get(results, "phases"), 0), "epochs");
    if (!error && twi_json_bool(results, "diverged", false))
        error = "diverged";
    if (error)
        json_object_set_new(row, "error", json_string(error));
    return row;
}

static json_t *read_results(const char *dir)
{
    tw_err ignored = {0};
    char *path = twi_run_file(dir, "results.json", &ignored);
    json_t *json = path && twi_file_exists(path) ? twi_json_read(path, &ignored) : NULL;
    twi_free(path);
    return json;
}

// Being stopped, or being unable to write, ends the sweep; what else went wrong in one run is a line of the table.
static bool ends_all(tw_status status)
{
    return status == TW_ECANCELLED || status == TW_EWRITE;
}

static void run_one(sweep *s, int run, int threads)
{
    tw_err *err = &s->errs[run];
    char name[32];
    snprintf(name, sizeof name, "%03d", run + 1);
    char *dir = twi_run_file(s->dir, name, err);
    tw_status status = !dir                      ? TW_ENOMEM
                       : twi_is_cancelled(s->tw) ? twi_fail(err, TW_ECANCELLED, "stopped")
                                                 : train_one(s, run, dir, threads, err);
    s->status[run] = status;
    if (dir && !ends_all(status)) {
        json_t *results = read_results(dir);
        s->rows[run] = row_of(s, run, dir, results, status ? err->msg : NULL);
        json_decref(results);
        twi_progress_add(&s->stage, 1);
    }
    twi_free(dir);
}

static void run_beside(void *arg, int64_t i, int worker)
{
    sweep *s = arg;
    (void)worker;
    run_one(s, s->among[i], 1);
}

// A network that learns itself keeps all threads busy, and takes memory.
static bool is_small(const sweep *s, int run)
{
    const tw_train_options *t = &s->options[run];
    return t->fine_tune == 0 && t->cutmix <= 0 && twi_str_same(t->freeze, "all") &&
           (!t->augment || t->augment_copies > 0);
}

static tw_status first_end(const sweep *s, tw_err *err)
{
    for (int i = 0; i < s->n_runs; i++)
        if (ends_all(s->status[i])) {
            *err = s->errs[i];
            return err->status;
        }
    return TW_OK;
}

// Run `first` with all threads, then those that find its features, side by side.
static tw_status run_group(sweep *s, int first, bool *is_begun, int *among, tw_err *err)
{
    int threads = twi_threads(s->tw, s->o->threads), n = 0;
    run_one(s, first, threads);
    is_begun[first] = true;
    for (int i = first + 1; i < s->n_runs && !ends_all(s->status[first]); i++)
        if (!is_begun[i] && twi_sweep_shares_features(s, first, i) && is_small(s, i)) {
            among[n++] = i;
            is_begun[i] = true;
        }
    twi_pool *pool = n ? twi_pool_new(threads < n ? threads : n, err) : NULL;
    if (n && !pool)
        return err->status;
    s->among = among;
    if (pool)
        twi_pool_run(pool, n, run_beside, s);
    twi_pool_free(pool);
    return first_end(s, err);
}

static tw_status run_all(sweep *s, tw_err *err)
{
    bool *is_begun = twi_new((size_t)s->n_runs, sizeof *is_begun, "a sweep", err);
    int *among = twi_new((size_t)s->n_runs, sizeof *among, "a sweep", err);
    tw_status status = is_begun && among ? TW_OK : TW_ENOMEM;
    twi_progress_begin(&s->stage, s->tw, "sweep", s->n_runs, "runs", "%d combinations into %s/", s->n_runs,
                       s->dir);
    for (int i = 0; !status && i < s->n_runs; i++)
        if (!is_begun[i])
            status = run_group(s, i, is_begun, among, err);
    twi_free(is_begun);
    twi_free(among);
    return status;
}

// ---------------------------------------------------------------------------------------------------------------- table

static tw_status write_file(const sweep *s, const char *name, const twi_str *text, tw_err *err)
{
    char *path = twi_run_file(s->dir, name, err);
    tw_status status = text->failed ? twi_fail_memory(err, 0, "a table")
                       : path       ? twi_file_write(path, text->text, text->n, err)
                                    : TW_ENOMEM;
    twi_free(path);
    return status;
}

static json_t *table_of(const sweep *s, tw_err *err)
{
    json_t *runs = json_array(), *axes = json_object();
    for (int i = 0; i < s->n_runs; i++)
        if (s->rows[i])
            json_array_append(runs, s->rows[i]);
    for (int i = 0; i < s->n_axes; i++) {
        json_t *values = json_array();
        for (int j = 0; j < s->axis[i].n; j++)
            json_array_append_new(values, json_string(s->axis[i].text[j]));
        json_object_set_new(axes, s->axis[i].field->key, values);
    }
    json_t *sorted = twi_sweep_sort(runs, err);
    json_decref(runs);
    return json_pack("{ss so so}", "grid", s->o->grid, "values", axes, "runs", sorted);
}

static tw_status write_tables(sweep *s, tw_err *err)
{
    json_t *all = table_of(s, err);
    twi_str text = {0}, page = {0};
    if (!all)
        return twi_fail_memory(err, 0, "a table");
    twi_sweep_text(all, &text);
    twi_sweep_html(all, s->dir, &page);
    char *path = twi_run_file(s->dir, "sweep.json", err);
    tw_status status = path ? twi_json_write(path, all, err) : TW_ENOMEM;
    twi_free(path);
    if (!status)
        status = write_file(s, "sweep.txt", &text, err);
    if (!status)
        status = write_file(s, "report.html", &page, err);
    if (!status && s->o->format == TW_FORMAT_JSON) {
        char *dump = twi_json_text(all, 2, err);
        if (dump)
            twi_print(s->tw, "%s\n", dump);
        twi_free(dump);
    } else if (!status) {
        twi_write(s->tw, text.text, text.n);
    }
    twi_str_clear(&text);
    twi_str_clear(&page);
    json_decref(all);
    return status;
}

// ------------------------------------------------------------------------------------------------------------------ job

static int count_done(const sweep *s)
{
    int n = 0;
    for (int i = 0; i < s->n_runs; i++)
        n += s->rows[i] != NULL;
    return n;
}

// Runs that could not be done are said, after the table.
static tw_status tell_failures(const sweep *s, tw_err *err)
{
    int n = 0, first = -1;
    for (int i = s->n_runs; i-- > 0;)
        if (s->status[i])
            n++, first = i;
    if (!n)
        return TW_OK;
    if (n == s->n_runs) {
        *err = s->errs[first];
        return err->status;
    }
    return twi_fail(err, TW_EFAILED, "%d of %d runs could not be done; the first is %03d: %s", n, s->n_runs,
                    first + 1, s->errs[first].msg);
}

static tw_status run(sweep *s, tw_err *err)
{
    tw_status status = twi_sweep_read_grid(s, err);
    if (!status)
        status = twi_sweep_open_dir(s, err);
    if (status)
        return status;
    s->rows = twi_new((size_t)s->n_runs, sizeof *s->rows, "a sweep", err);
    s->status = twi_new((size_t)s->n_runs, sizeof *s->status, "a sweep", err);
    s->errs = twi_new((size_t)s->n_runs, sizeof *s->errs, "a sweep", err);
    if (!s->rows || !s->status || !s->errs)
        return TW_ENOMEM;
    status = run_all(s, err);
    if (status == TW_ECANCELLED) {
        int done = count_done(s);
        *err = (tw_err){0};
        return twi_fail(err, TW_ECANCELLED, "stopped after %d of %d runs\ngo on  with the same command", done,
                        s->n_runs);
    }
    if (!status)
        status = write_tables(s, err);
    if (status)
        return status;
    twi_progress_end(&s->stage, "table in %s/sweep.txt and sweep.json, pictures in report.html", s->dir);
    return tell_failures(s, err);
}

tw_status twi_job_sweep(tw_context *tw, const tw_sweep_options *o, tw_err *err)
{
    tw_err own = {0};
    sweep s = {.tw = tw, .o = o, .texts = tw_arena_new(&own)};
    tw_status status = s.texts ? run(&s, &own) : TW_ENOMEM;
    for (int i = 0; s.rows && i < s.n_runs; i++)
        json_decref(s.rows[i]);
    twi_free(s.options);
    twi_free(s.rows);
    twi_free(s.status);
    twi_free(s.errs);
    twi_free(s.dir);
    twi_arena_clear(&s.arena);
    tw_arena_free(s.texts);
    if (own.status && err && !err->status)
        *err = own;
    return own.status ? own.status : status;
}
