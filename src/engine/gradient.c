// Gradients: which values have one, which ops go backward, what they read of the forward run.
//
// A gradient passes through a value if a trainable weight reaches it and it reaches the logits. Frozen layers in between
// pass gradients on; where nothing trainable lies upstream there is no way back at all.

#include "engine/inside.h"

// Marks the values that reach the logits.
static tw_status mark_upstream(const twi_plan *plan, bool *is_upstream, tw_err *err)
{
    bool *keep = twi_new(plan->program.ops.n, sizeof *keep, "a plan", err);
    if (keep)
        twi_trace_needed(&plan->program, 1, &plan->logits, keep, is_upstream);
    twi_free(keep);
    return keep ? TW_OK : TW_ENOMEM;
}

static void keep_value(twi_plan_builder *b, twi_value v)
{
    if (v != TWI_NONE)
        b->plan->facts.at[twi_plan_root(b->plan, v)] |= TWI_FACT_KEPT;
}

static tw_status mark_op(twi_plan_builder *b, int i, tw_err *err)
{
    const twi_program_op *op = &b->plan->program.ops.at[i];
    b->goes_back[i] = true;
    if (op->kind->flags & TWI_OP_ALIAS)
        return TW_OK; // gradients share memory as values do
    if (!op->kind->backward)
        return twi_fail(err, TW_EUNSUPPORTED,
                        "not supported yet: training through layer '%s' (%s has no gradient)", op->label,
                        op->kind->name);
    for (int j = 0; j < op->n_in; j++)
        keep_value(b, twi_plan_backward_in(b->plan, op, j));
    for (int j = 0; j < op->n_out; j++)
        keep_value(b, twi_plan_backward_out(op, j));
    return TW_OK;
}

// Only a matmul hands over, and only where no other op adds to the gradient or reads the weight later.
static bool is_handed(const twi_plan_builder *b, twi_value v)
{
    const twi_plan *plan = b->plan;
    if (!plan->o.hands_over_from || b->n_users[v] != 1 ||
        twi_shape_count(&plan->program.values.at[v].shape) < plan->o.hands_over_from)
        return false;
    const twi_program_op *op = &plan->program.ops.at[b->user[v]];
    return twi_op_is(op, "matmul") && op->in[1] == v;
}

int twi_plan_handed(const twi_plan *plan, const twi_program_op *op)
{
    for (size_t i = 0; twi_op_is(op, "matmul") && i < plan->gradients.n; i++)
        if (plan->gradients.at[i].value == op->in[1] && plan->gradients.at[i].buffer < 0)
            return (int)i;
    return -1;
}

// The trained weights in model order, each with its buffer.
static tw_status list_weights(twi_plan_builder *b, tw_err *err)
{
    twi_plan *plan = b->plan;
    twi_weights all = {0};
    tw_status status = twi_model_weights(b->model, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        for (size_t v = 0; v < plan->program.values.n; v++) {
            const twi_value_info *info = &plan->program.values.at[v];
            if (info->kind != TWI_VALUE_WEIGHT || info->weight != all.at[i] ||
                !(plan->facts.at[v] & TWI_FACT_GRAD))
                continue;
            bool is_whole = !is_handed(b, (twi_value)v);
            int64_t bytes = twi_shape_count(&info->shape) * (int64_t)sizeof(float);
            int buffer = is_whole ? twi_plan_buffer(plan, bytes, err) : -1;
            twi_gradient gradient = {.weight = all.at[i], .value = (twi_value)v, .buffer = buffer};
            if ((is_whole && buffer < 0) || !twi_vec_push(&plan->gradients, gradient, err)) {
                status = TW_ENOMEM;
                break;
            }
            if (!is_whole)
                continue;
            // The caller reads and changes it between runs.
            plan->buffers.at[buffer].first = -1;
            plan->buffers.at[buffer].last = TWI_FOREVER;
            b->grad[v] = buffer;
        }
    twi_weights_clear(&all);
    return status;
}

tw_status twi_plan_gradients(twi_plan_builder *b, tw_err *err)
{
    twi_plan *plan = b->plan;
    twi_program *g = &plan->program;
    if (!plan->o.wants_gradients)
        return TW_OK;
    bool *is_upstream = twi_new(g->values.n, sizeof *is_upstream, "a plan", err);
    if (!is_upstream)
        return TW_ENOMEM;
    tw_status status = mark_upstream(plan, is_upstream, err);
    for (size_t v = 0; v < g->values.n; v++)
        if (is_upstream[v] && (plan->facts.at[v] & TWI_FACT_TRAINED))
            plan->facts.at[v] |= TWI_FACT_GRAD;
    for (size_t i = 0; !status && i < g->ops.n; i++) {
        bool wants = false;
        for (int j = 0; j < g->ops.at[i].n_in; j++)
            wants |= g->ops.at[i].in[j] != TWI_NONE && (plan->facts.at[g->ops.at[i].in[j]] & TWI_FACT_GRAD);
        if (wants && (plan->facts.at[g->ops.at[i].out[0]] & TWI_FACT_GRAD))
            status = mark_op(b, (int)i, err);
    }
    twi_free(is_upstream);
    return status ? status : list_weights(b, err);
}
