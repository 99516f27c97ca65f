// Printing plans: one JSON object an op, in the order of execution, and totals. See twi_plan_json.

#include "engine/choices.h"
#include "engine/inside.h"

#include <stdio.h>

static json_t *seconds_of(const twi_plan *plan, size_t i)
{
    int64_t runs = plan->n_timed[(int)i >= plan->n_forward];
    return runs ? json_real(plan->seconds[i]) : json_null();
}

static json_t *describe(const twi_plan *plan, size_t i)
{
    const twi_plan_step *step = &plan->steps.at[i];
    const twi_program_op *op = step->op >= 0 ? &plan->program.ops.at[step->op] : NULL;
    bool is_back = (int)i >= plan->n_forward;
    char name[64], shape[TWI_SHAPE_TEXT];
    snprintf(name, sizeof name, "%s%s",
             step->what == TWI_STEP_ADD         ? "sum"
             : step->what == TWI_STEP_HAND_OVER ? "matmul backward, update"
             : op                               ? op->kind->name
                                                : "reorder",
             step->is_again                                   ? " again"
             : is_back && op && step->what == TWI_STEP_KERNEL ? " backward"
                                                              : "");
    tw_shape out = twi_plan_shape(plan, step->value);
    const twi_kernel_request *request = step->kernel ? &step->kernel->request : NULL;
    const char *impl = step->what == TWI_STEP_HAND_OVER ? "outer" : "reference";
    json_t *one = json_pack("{ss ss ss ss ss ss ss ss sI sI so}", "op", name, "layer", op ? op->label : "",
                            "impl", step->kernel ? step->kernel->impl : impl, "algorithm",
                            twi_algorithm_names[request ? request->algorithm : TWI_REFERENCE], "dtype",
                            request && request->dtype == TWI_BF16 ? "bf16" : "f32", "layout",
                            step->layout ? twi_layout_text(step->layout) : "dense", "fused", step->fused,
                            "out", twi_shape_text(&out, shape), "macs", (json_int_t)step->macs, "bytes",
                            (json_int_t)step->bytes, "seconds", seconds_of(plan, i));
    if (one && request && request->is_liked)
        json_object_set_new(one, "liked", json_true());
    if (one && json_array_size(step->tried) && !step->is_again)
        json_object_set(one, "tried", step->tried);
    return one;
}

json_t *twi_plan_json(const twi_plan *plan, tw_err *err)
{
    json_t *ops = json_array();
    double sum = 0;
    bool is_timed = plan->n_timed[0] > 0, ok = ops;
    for (size_t i = 0; ok && i < plan->steps.n; i++) {
        json_t *one = describe(plan, i);
        sum += twi_json_number(one, "seconds", 0);
        ok = one && json_array_append_new(ops, one) == 0;
    }
    json_t *totals = json_pack("{si sI sI sI so}", "ops", (int)plan->steps.n, "macs",
                               (json_int_t)twi_plan_macs(plan), "run_bytes", (json_int_t)plan->arena_bytes,
                               "constant_bytes", (json_int_t)twi_plan_constant_bytes(plan), "seconds",
                               is_timed ? json_real(sum) : json_null());
    json_t *all = ok && totals ? json_pack("{sI ss si sO sO}", "batch", (json_int_t)plan->o.batch,
                                           "precision", twi_precision_names[plan->o.precision], "threads",
                                           plan->o.threads, "ops", ops, "totals", totals)
                               : NULL;
    json_decref(ops);
    json_decref(totals);
    if (!all)
        twi_fail_memory(err, 0, "a printed plan");
    return all;
}
