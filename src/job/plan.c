// topwork plan: the execution plan of a model: ops, implementations, memory and, measured, time.

#include "engine/plan.h"

#include "job/job.h"
#include "job/open.h"

#include <string.h>

static tw_model *open_model(const tw_plan_options *o, tw_err *err)
{
    if (twi_is_architecture(o->model)) {
        twi_zoo_options zoo = {.has_top = !o->no_top};
        return twi_open_architecture(o->model, &zoo, o->weights ? o->weights : "none", NULL, 1, NULL, err);
    }
    twi_load_options loading = {0};
    twi_load_report report = {0};
    tw_model *m = twi_open_file(o->model, &loading, &report, err);
    twi_load_report_clear(&report);
    return m;
}

static tw_status measure(const twi_plan *plan, tw_err *err)
{
    twi_run *run = twi_run_new(plan, err);
    if (!run)
        return TW_ENOMEM;
    memset(twi_run_input(run, 0), 0, (size_t)twi_shape_count(twi_plan_input(plan, 0)) * sizeof(float));
    tw_status status = twi_run_forward(run, 0, 0, err); // the first run also warms caches
    twi_run_set_profile(run, true);
    for (int i = 0; !status && i < 10; i++)
        status = twi_run_forward(run, 0, 0, err);
    twi_run_free(run);
    return status;
}

static void print_op(tw_context *tw, const json_t *op)
{
    char macs[32];
    double seconds = twi_json_number(op, "seconds", 0);
    twi_print(tw, "%-14s %-28.28s %-30.30s %-14.14s %14s", twi_json_string(op, "op", ""),
              twi_json_string(op, "layer", ""), twi_json_string(op, "impl", ""),
              twi_json_string(op, "layout", ""),
              twi_str_thousands(macs, sizeof macs, twi_json_int(op, "macs", 0)));
    if (seconds > 0)
        twi_print(tw, " %9.3f ms", 1e3 * seconds);
    twi_print(tw, "\n");
}

static void print_text(tw_context *tw, const twi_plan *plan, const json_t *json)
{
    twi_print(tw, "%-14s %-28s %-30s %-14s %14s\n", "op", "layer", "implementation", "layout",
              "multiply-adds");
    const json_t *ops = json_object_get(json, "ops"), *op;
    size_t i;
    json_array_foreach(ops, i, op) print_op(tw, op);
    char macs[32];
    twi_print(tw, "%zu ops · %s multiply-adds · %.1f MB activations · %.1f MB prepared weights\n",
              json_array_size(ops), twi_str_thousands(macs, sizeof macs, twi_plan_macs(plan)),
              (double)twi_plan_run_bytes(plan) / 1e6, (double)twi_plan_constant_bytes(plan) / 1e6);
}

static tw_status print(tw_context *tw, const tw_plan_options *o, const twi_plan *plan, tw_err *err)
{
    tw_status status = o->measure ? measure(plan, err) : TW_OK;
    json_t *json = status ? NULL : twi_plan_json(plan, err);
    if (!json)
        return err->status;
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
    twi_plan *plan = m ? twi_plan_new(m, &options, &own) : NULL;
    if (plan)
        print(tw, o, plan, &own);
    twi_plan_free(plan);
    twi_model_free(m);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
