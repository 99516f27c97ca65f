// topwork models: the architectures topwork knows, what they cost, and where their weights were found.

#include "job/job.h"
#include "job/open.h"

#include <string.h>

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

static char *find_weights(const twi_zoo_variant *v, bool has_top)
{
    tw_err ignored = {0};
    return twi_weights_find(v, has_top, &ignored);
}

static json_t *describe(const twi_zoo_variant *v, tw_err *err)
{
    // As --model takes it: a width other than 1 stands after a colon.
    char name[96];
    snprintf(name, sizeof name, "%s", v->name);
    if (v->alpha != 1)
        snprintf(name, sizeof name, "%s:%g", v->name, v->alpha);
    char *path = find_weights(v, false);
    if (!path)
        path = find_weights(v, true);
    int64_t macs = count_macs(name, err);
    if (err->status) {
        twi_free(path);
        return NULL;
    }
    json_t *weights = json_pack("{sb ss?}", "found", path != NULL, "path", path);
    json_t *one = json_pack("{ss sI sI sI sI so}", "name", name, "params", (json_int_t)v->params,
                            "params_no_top", (json_int_t)v->params_no_top, "macs", (json_int_t)macs,
                            "input_size", (json_int_t)v->input_size, "weights", weights);
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
    char params[32];
    twi_print(tw, "%-32s %12s %9.2f %8.1f %6lld   %-7s  %s\n", twi_json_string(one, "name", ""),
              twi_str_thousands(params, sizeof params, twi_json_int(one, "params", 0)),
              (double)twi_json_int(one, "macs", 0) / 1e9, (double)twi_json_int(one, "params", 0) * 4 / 1e6,
              (long long)twi_json_int(one, "input_size", 0), accuracy,
              twi_json_string(weights, "path", "not here"));
}

static json_t *list_all(tw_err *err)
{
    json_t *list = json_array();
    for (size_t f = 0; twi_families[f] && !err->status; f++)
        for (const twi_zoo_variant *v = twi_families[f]->variants; v->name && !err->status; v++) {
            json_t *one = describe(v, err);
            if (one)
                json_array_append_new(list, one);
        }
    return list;
}

tw_status twi_job_models(tw_context *tw, const tw_models_options *o, tw_err *err)
{
    tw_err own = {0};
    json_t *list = list_all(&own), *one;
    size_t i;
    if (!own.status && o->format == TW_FORMAT_JSON) {
        json_t *all = json_pack("{sO}", "models", list);
        char *text = all ? twi_json_text(all, 2, &own) : NULL;
        if (text)
            twi_print(tw, "%s\n", text);
        twi_free(text);
        json_decref(all);
    } else if (!own.status) {
        twi_print(tw, "%-32s %12s %9s %8s %6s   %-7s  %s\n", "name", "parameters", "GMACs", "MB", "input",
                  "top-1", "weights");
        json_array_foreach(list, i, one) print_row(tw, one);
    }
    json_decref(list);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
