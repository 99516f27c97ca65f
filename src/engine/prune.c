// Pruning: what nobody needs, and what is the same in every run.
//
// An op that only depends on constants is taken out of the program: its reference computes it when the plan is made, and
// again when the plan is refreshed (constant.c). Reshapes of constants need not even that: they are the same memory.

#include "engine/inside.h"

void twi_plan_prune_ops(twi_program *g, const bool *keep)
{
    size_t n = 0;
    for (size_t i = 0; i < g->ops.n; i++) {
        const twi_program_op *op = &g->ops.at[i];
        for (int j = 0; j < op->n_out; j++) {
            twi_value_info *out = &g->values.at[op->out[j]];
            if (out->op == (int)i)
                out->op = keep[i] ? (int)n : -1;
        }
        if (keep[i])
            g->ops.at[n++] = *op;
    }
    g->ops.n = n;
}

tw_status twi_plan_prune_dead(twi_plan *plan, tw_err *err)
{
    twi_program *g = &plan->program;
    bool *keep = twi_new(g->ops.n, sizeof *keep, "a plan", err);
    bool *is_needed = twi_new(g->values.n, sizeof *is_needed, "a plan", err);
    if (keep && is_needed) {
        twi_trace_needed(g, (int)plan->outputs.n, plan->outputs.at, keep, is_needed);
        twi_plan_prune_ops(g, keep);
    }
    tw_status status = keep && is_needed ? TW_OK : TW_ENOMEM;
    twi_free(keep);
    twi_free(is_needed);
    return status;
}

static bool is_constant_op(const twi_plan *plan, const twi_program_op *op)
{
    if ((op->kind->flags & (TWI_OP_RANDOM | TWI_OP_LOSS)) || twi_op_uses_batch(op))
        return false;
    for (int j = 0; j < op->n_in; j++)
        if (op->in[j] != TWI_NONE && !(plan->facts.at[op->in[j]] & TWI_FACT_CONSTANT))
            return false;
    return true;
}

tw_status twi_plan_prune_constants(twi_plan *plan, tw_err *err)
{
    twi_program *g = &plan->program;
    bool *keep = twi_new(g->ops.n, sizeof *keep, "a plan", err);
    tw_status status = keep ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < g->ops.n; i++) {
        const twi_program_op *op = &g->ops.at[i];
        keep[i] = !is_constant_op(plan, op);
        if (keep[i])
            continue;
        for (int j = 0; j < op->n_out; j++) {
            plan->facts.at[op->out[j]] |= TWI_FACT_CONSTANT;
            g->values.at[op->out[j]].kind = TWI_VALUE_CONSTANT;
        }
        if (!(op->kind->flags & TWI_OP_ALIAS) &&
            !twi_vec_push(&plan->derived, ((twi_derived){.op = *op}), err))
            status = TW_ENOMEM;
    }
    if (!status)
        twi_plan_prune_ops(g, keep);
    twi_free(keep);
    return status;
}
