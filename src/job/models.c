// topwork models: the architectures topwork knows, what they cost, and where their weights were found.

#include "report/models.h"
#include "base/source.h"
#include "job/job.h"
#include "job/measure.h"
#include "job/open.h"

#include <string.h>

#define MEASURE_SECONDS 0.5

// Multiply-adds of one photo through the network with its classifier, at its default size.
static int64_t count_macs(const char *name, tw_err *err)
{
    twi_zoo_options o = {.has_top = true};
    tw_model *m = twi_zoo_build(name, &o, err);
    twi_program program = {0};
    twi_value out[TWI_OP_OUT_MAX];
    twi_emit_options emit = {.batch = 1};
    int64_t macs = 0;
    if (m && !twi_model_emit(m, &emit, &program, out, err))
        for (size_t i = 0; i < program.ops.n; i++) {
            const twi_program_op *op = &program.ops.at[i];
            tw_shape in[TWI_OP_IN_MAX] = {{0}}, result[TWI_OP_OUT_MAX] = {{0}};
            for (int j = 0; j < op->n_in; j++)
                if (op->in[j] != TWI_NONE)
                    in[j] = program.values.at[op->in[j]].shape;
            for (int j = 0; j < op->n_out; j++)
                result[j] = program.values.at[op->out[j]].shape;
            macs += op->kind->macs ? op->kind->macs(op->params, in, result) : 0;
        }
    twi_program_clear(&program);
    twi_model_free(m);
    return macs;
}

// Photos a second as training computes features: without the classifier, frozen, one worker a thread. Random weights.
static double measure(const char *name, int threads, tw_err *err)
{
    twi_zoo_options o = {.pooling = "avg"};
    double rate = 0;
    tw_model *m = twi_open_architecture(name, &o, "none", NULL, 1, NULL, NULL, err);
    twi_plan_options options = {.batch = 1, .precision = TWI_PRECISE, .threads = 1};
    twi_plan *plan = m && !twi_model_freeze(m, "all", err) ? twi_plan_new(m, &options, err) : NULL;
    if (plan)
        twi_measure_rate(plan, threads, MEASURE_SECONDS, &rate, err);
    twi_plan_free(plan);
    twi_model_free(m);
    return rate;
}

static tw_status measure_all(tw_context *tw, json_t *list, int threads, tw_err *err)
{
    twi_progress stage;
    twi_progress_begin(&stage, tw, "measure", (int64_t)json_array_size(list), "networks", NULL);
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        tw_status status = twi_check_cancelled(tw, err);
        double rate = status ? 0 : measure(twi_json_string(one, "name", ""), threads, err);
        if (err->status)
            return err->status;
        json_object_set_new(one, "photos_per_second", json_real(rate));
        twi_progress_add(&stage, 1);
    }
    twi_progress_end(&stage, "features without the classifier, %d %s at a time, random weights", threads,
                     threads == 1 ? "photo" : "photos");
    return TW_OK;
}

static char *find_weights(const twi_zoo_variant *v, bool has_top)
{
    tw_err ignored = {0};
    return twi_weights_find(v, has_top, &ignored);
}

// As --model takes it: a width other than 1 stands after a colon.
static void name_of(const twi_zoo_variant *v, char *name, size_t size)
{
    if (v->alpha != 1)
        snprintf(name, size, "%s:%g", v->name, v->alpha);
    else
        snprintf(name, size, "%s", v->name);
}

static json_t *describe(const twi_zoo_family *family, const twi_zoo_variant *v, const char *name, tw_err *err)
{
    char *path = find_weights(v, false);
    if (!path)
        path = find_weights(v, true);
    int64_t macs = count_macs(name, err);
    if (err->status) {
        twi_free(path);
        return NULL;
    }
    json_t *weights = json_pack("{sb ss?}", "found", path != NULL, "path", path);
    json_t *one = json_pack("{ss ss sI sI sI sI so}", "name", name, "family", family->name, "params",
                            (json_int_t)v->params, "params_no_top", (json_int_t)v->params_no_top, "macs",
                            (json_int_t)macs, "input_size", (json_int_t)v->input_size, "weights", weights);
    if (one && v->top1 > 0)
        json_object_set_new(one, "top1", json_real(v->top1));
    twi_free(path);
    return one;
}

static void print_row(tw_context *tw, const json_t *one)
{
    const json_t *weights = json_object_get(one, "weights");
    double top1 = twi_json_number(one, "top1", 0);
    char accuracy[16] = "–";
    if (top1 > 0)
        snprintf(accuracy, sizeof accuracy, "%.1f %%", 100 * top1);
    char params[32], rate[16] = "";
    if (json_object_get(one, "photos_per_second"))
        snprintf(rate, sizeof rate, "%8.1f  ", twi_json_number(one, "photos_per_second", 0));
    twi_print(tw, "%-32s %12s %9.2f %8.1f %6lld   %-7s  %s%s\n", twi_json_string(one, "name", ""),
              twi_str_thousands(params, sizeof params, twi_json_int(one, "params", 0)),
              (double)twi_json_int(one, "macs", 0) / 1e9, (double)twi_json_int(one, "params", 0) * 4 / 1e6,
              (long long)twi_json_int(one, "input_size", 0), accuracy, rate,
              twi_json_string(weights, "path", "not here"));
}

static json_t *list_all(const char *only, tw_err *err)
{
    json_t *list = json_array();
    for (size_t f = 0; twi_families[f] && !err->status; f++)
        for (const twi_zoo_variant *v = twi_families[f]->variants; v->name && !err->status; v++) {
            char name[96];
            name_of(v, name, sizeof name);
            if (only && !strcasestr(name, only))
                continue;
            json_t *one = describe(twi_families[f], v, name, err);
            if (one)
                json_array_append_new(list, one);
        }
    return list;
}

static tw_status write_chart(const json_t *list, const char *path, tw_err *err)
{
    twi_str text = {0};
    tw_status status = twi_models_html(list, &text, err);
    if (!status)
        status = twi_file_write(path, text.text, text.n, err);
    twi_str_clear(&text);
    return status;
}

tw_status twi_job_models(tw_context *tw, const tw_models_options *o, tw_err *err)
{
    tw_err own = {0};
    json_t *list = list_all(o->only, &own), *one;
    size_t i;
    if (!own.status && o->measure)
        measure_all(tw, list, twi_threads(tw, o->threads), &own);
    if (!own.status && o->html)
        write_chart(list, o->html, &own);
    if (!own.status && o->format == TW_FORMAT_JSON) {
        json_t *all = json_pack("{sO}", "models", list);
        char *text = all ? twi_json_text(all, 2, &own) : NULL;
        if (text)
            twi_print(tw, "%s\n", text);
        twi_free(text);
        json_decref(all);
    } else if (!own.status) {
        twi_print(tw, "%-32s %12s %9s %8s %6s   %-7s  %s%s\n", "name", "parameters", "GMACs", "MB", "input",
                  "top-1", o->measure ? "photos/s  " : "", "weights");
        json_array_foreach(list, i, one) print_row(tw, one);
    }
    json_decref(list);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
