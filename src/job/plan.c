// topwork plan: the execution plan of a model: ops, implementations, memory and, measured, time.
//
// The model is planned as the frozen part of a training is: everything folded, fused, and free to choose its algorithms. With
// --measure, ways to compute an op are tried and remembered (engine/trials.h).

#include "engine/plan.h"
#include "engine/trials.h"

#include "base/source.h"
#include "job/job.h"
#include "job/measure.h"
#include "job/open.h"

#include <math.h>
#include <string.h>

static tw_model *open_model(const tw_plan_options *o, tw_err *err)
{
    if (twi_is_architecture(o->model)) {
        twi_zoo_options zoo = {.has_top = !o->no_top};
        if (o->input_size)
            zoo.input = TWI_SHAPE(o->input_size, o->input_size, 3);
        return twi_open_architecture(o->model, &zoo, o->weights ? o->weights : "none", NULL, 1, NULL, NULL,
                                     err);
    }
    twi_load_options loading = {0};
    twi_load_report report = {0};
    tw_model *m = twi_open_file(o->model, &loading, &report, err);
    twi_load_report_clear(&report);
    if (m && twi_open_size(m, m, o->input_size, err)) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

// The ways that were compared for an op, below it.
static void print_tried(tw_context *tw, const json_t *op)
{
    const json_t *tried = json_object_get(op, "tried"), *one;
    size_t i;
    json_array_foreach(tried, i, one) twi_print(
        tw, "%s%s, %s %.3f ms", i ? " · " : "               tried  ", twi_json_string(one, "impl", ""),
        twi_json_string(one, "layout", ""), 1e3 * twi_json_number(one, "seconds", 0));
    if (json_array_size(tried))
        twi_print(tw, "\n");
}

// peak: multiply-adds a second, 0 where nothing was measured.
static void print_op(tw_context *tw, const json_t *op, double peak)
{
    char macs[32];
    double seconds = twi_json_number(op, "seconds", 0);
    twi_print(tw, "%-14s %-28.28s %-30.30s %-14.14s %14s", twi_json_string(op, "op", ""),
              twi_json_string(op, "layer", ""), twi_json_string(op, "impl", ""),
              twi_json_string(op, "layout", ""),
              twi_str_thousands(macs, sizeof macs, twi_json_int(op, "macs", 0)));
    if (seconds > 0)
        twi_print(tw, " %9.3f ms", 1e3 * seconds);
    if (seconds > 0 && peak > 0 && twi_json_int(op, "macs", 0) > 0)
        twi_print(tw, " %5.0f %%", 100 * twi_json_number(op, "macs", 0) / seconds / peak);
    twi_print(tw, "\n");
    print_tried(tw, op);
}

static void print_text(tw_context *tw, const twi_plan *plan, const json_t *json)
{
    double peak = twi_json_number(json, "peak_macs_per_second", 0);
    twi_print(tw, "%-14s %-28s %-30s %-14s %14s%s\n", "op", "layer", "implementation", "layout",
              "multiply-adds", peak > 0 ? "         time   peak" : "");
    const json_t *ops = json_object_get(json, "ops"), *op;
    size_t i;
    json_array_foreach(ops, i, op) print_op(tw, op, peak);
    char macs[32];
    double seconds = twi_json_number(json_object_get(json, "totals"), "seconds", 0);
    if (seconds > 0)
        twi_print(
            tw,
            "%.3f ms a run of %lld · peak: the most that a large matrix product, or one of these ops, "
            "reached "
            "here, %.1f billion multiply-adds a second; Winograd, which multiplies less, may be above it\n",
            1e3 * seconds, (long long)twi_plan_input(plan, 0)->dim[0], peak / 1e9);
    twi_print(tw, "%zu ops · %s multiply-adds · %.1f MB activations · %.1f MB prepared weights\n",
              json_array_size(ops), twi_str_thousands(macs, sizeof macs, twi_plan_macs(plan)),
              (double)twi_plan_run_bytes(plan) / 1e6, (double)twi_plan_constant_bytes(plan) / 1e6);
}

static tw_status write_trace(const tw_plan_options *o, const json_t *plan, tw_err *err)
{
    json_t *trace = twi_plan_trace(plan);
    char *text = trace ? twi_json_text(trace, 0, err) : NULL;
    tw_status status = text ? twi_file_write(o->profile, text, strlen(text), err) : TW_ENOMEM;
    twi_free(text);
    json_decref(trace);
    return status;
}

// Multiply-adds a second of the fastest op that does them all.
static double fastest_op(const json_t *json)
{
    double best = 0;
    const json_t *ops = json_object_get(json, "ops"), *op;
    size_t i;
    json_array_foreach(ops, i, op)
    {
        double seconds = twi_json_number(op, "seconds", 0);
        if (seconds > 0 && strcmp(twi_json_string(op, "algorithm", ""), "winograd") != 0)
            best = fmax(best, twi_json_number(op, "macs", 0) / seconds);
    }
    return best;
}

// Before and after the ops: what else the machine does changes from moment to moment.
static tw_status measure(const twi_plan *plan, bool wants_peak, int threads, double *peak, tw_err *err)
{
    double before = 0, after = 0;
    tw_status status = wants_peak ? twi_measure_peak(threads, &before, err) : TW_OK;
    if (!status)
        status = twi_measure_ops(plan, err);
    if (!status && wants_peak)
        status = twi_measure_peak(threads, &after, err);
    *peak = fmax(before, after);
    return status;
}

static tw_status print(tw_context *tw, const tw_plan_options *o, const twi_plan *plan, int threads,
                       tw_err *err)
{
    double peak = 0;
    tw_status status = o->measure || o->profile ? measure(plan, o->measure, threads, &peak, err) : TW_OK;
    json_t *json = status ? NULL : twi_plan_json(plan, err);
    if (!json)
        return err->status;
    if (peak > 0)
        json_object_set_new(json, "peak_macs_per_second", json_real(fmax(peak, fastest_op(json))));
    if (o->profile)
        write_trace(o, json, err);
    if (err->status) {
        json_decref(json);
        return err->status;
    }
    if (o->format == TW_FORMAT_JSON) {
        char *text = twi_json_text(json, 2, err);
        if (text)
            twi_print(tw, "%s\n", text);
        twi_free(text);
    } else {
        print_text(tw, plan, json);
    }
    json_decref(json);
    return err->status;
}

tw_status twi_job_plan(tw_context *tw, const tw_plan_options *o, tw_err *err)
{
    tw_err own = {0};
    tw_model *m = open_model(o, &own);
    twi_plan_options options = {.batch = o->batch_size > 0 ? o->batch_size : 1,
                                .precision = o->precision == 1   ? TWI_EXACT
                                             : o->precision == 3 ? TWI_BRAIN
                                                                 : TWI_PRECISE,
                                .threads = twi_threads(tw, o->threads)};
    tw_err homeless = {0};
    char *dir = o->cache && strcmp(o->cache, "off") == 0 ? NULL
                : o->cache                               ? twi_strdup(o->cache, &own)
                                                         : twi_home("features", &homeless);
    // Without --measure nothing is tried; what is remembered is shown.
    if (options.precision != TWI_EXACT && !own.status)
        options.trials = twi_trials_open(dir, o->measure ? INFINITY : 0, &own);
    if (m && !own.status)
        twi_model_freeze(m, "all", &own);
    twi_plan *plan = m && !own.status ? twi_plan_new(m, &options, &own) : NULL;
    if (plan)
        print(tw, o, plan, options.threads, &own);
    twi_plan_free(plan);
    twi_model_free(m);
    twi_trials_close(options.trials);
    twi_free(dir);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
