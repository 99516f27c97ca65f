// Joining: an activation behind a batch_norm that uses statistics of the batch becomes a part of it.
//
// The way back through both is then one kernel, which computes what lay between them again: it need not be kept, and each
// saves a pass over a whole picture. Only where nobody else reads what lies between, and for the activations that
// op/batch_norm_train.c has loops for. A frozen batch_norm goes into a convolution instead (fold.c).

#include "engine/inside.h"
#include "op/batch_norm_train.h"

// The activation that can join op i, or NULL.
static const twi_program_op *find_activation(const twi_plan_builder *b, const twi_program_op *op)
{
    const twi_program *g = &b->plan->program;
    twi_value z = op->out[0];
    if (!twi_op_uses_batch(op) || b->n_users[z] != 1 || b->user[z] < 0)
        return NULL;
    const twi_program_op *next = &g->ops.at[b->user[z]];
    const twi_batch_norm_params *p = op->params;
    return p->activation.function == TWI_LINEAR && twi_op_is(next, "activation") &&
                   twi_batch_norm_joins(next->params)
               ? next
               : NULL;
}

static tw_status join(twi_plan *plan, int i, const twi_program_op *next, tw_err *err)
{
    twi_program *g = &plan->program;
    twi_program_op *op = &g->ops.at[i];
    twi_batch_norm_params *p = twi_arena_new(&g->arena, 1, sizeof *p, err);
    if (!p)
        return TW_ENOMEM;
    *p = *(const twi_batch_norm_params *)op->params;
    p->activation = *(const twi_activation_params *)next->params;
    op->params = p;
    g->values.at[op->out[0]].op = -1;
    op->out[0] = next->out[0];
    g->values.at[op->out[0]].op = i;
    return TW_OK;
}

tw_status twi_plan_join(twi_plan_builder *b, tw_err *err)
{
    twi_program *g = &b->plan->program;
    tw_status status = twi_plan_count_users(b, err);
    bool *keep = twi_new(g->ops.n, sizeof *keep, "a plan", err);
    if (!keep)
        return TW_ENOMEM;
    for (size_t i = 0; i < g->ops.n; i++)
        keep[i] = true;
    for (size_t i = 0; !status && i < g->ops.n; i++) {
        const twi_program_op *next = find_activation(b, &g->ops.at[i]);
        if (!next)
            continue;
        keep[next - g->ops.at] = false;
        status = join(b->plan, (int)i, next, err);
    }
    if (!status)
        twi_plan_prune_ops(g, keep);
    twi_free(keep);
    return status;
}
