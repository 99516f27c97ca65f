// The way back: a backward kernel for each op that passes a gradient, in reverse order.
//
// A gradient belongs to a piece of memory: a reshape and what it reshapes share it, as they share their values. The first
// contribution is written, each further one goes to a buffer of its own and is added; so values used several times and
// weights shared by several calls come out right, in a fixed order. The logits' gradient is given by the caller.

#include "engine/inside.h"

#include <string.h>

// A sum without broadcasting: its gradient is that of both sides, as it is.
static bool passes_through(const twi_plan *plan, const twi_program_op *op)
{
    if (!twi_op_is(op, "binary") || ((const twi_binary_params *)op->params)->function != TWI_ADD)
        return false;
    tw_shape out = twi_plan_shape(plan, op->out[0]), a = twi_plan_shape(plan, op->in[0]),
             b = twi_plan_shape(plan, op->in[1]);
    return twi_shape_same(&a, &out) && twi_shape_same(&b, &out);
}

// A ReLU's slope can be told from its result as well: below, between or above the ends is the same on both sides.
static bool reads_result(const twi_program_op *op)
{
    const twi_activation_params *p = op->params;
    return twi_op_is(op, "activation") && p->function == TWI_RELU && p->beta == 0 && p->threshold == 0;
}

twi_value twi_plan_backward_in(const twi_plan *plan, const twi_program_op *op, int i)
{
    bool is_mean = (twi_op_is(op, "pool") && ((const twi_pool_params *)op->params)->is_mean) ||
                   (twi_op_is(op, "reduce") && !((const twi_reduce_params *)op->params)->is_max);
    if (is_mean || passes_through(plan, op) || !(op->kind->backward_reads & TWI_READS_IN(i)))
        return TWI_NONE;
    return reads_result(op) ? op->out[0] : op->in[i];
}

twi_value twi_plan_backward_out(const twi_program_op *op, int i)
{
    bool is_mean = twi_op_is(op, "pool") && ((const twi_pool_params *)op->params)->is_mean;
    if (i > 0)
        return op->out[i];
    return !is_mean && (op->kind->backward_reads & TWI_READS_OUT) ? op->out[0] : TWI_NONE;
}

static bool wants(const twi_plan *plan, twi_value v)
{
    return v != TWI_NONE && (plan->facts.at[v] & TWI_FACT_GRAD);
}

static void fill_request(const twi_plan_builder *b, const twi_program_op *op, twi_kernel_request *r)
{
    const twi_plan *plan = b->plan;
    *r = (twi_kernel_request){.kind = op->kind,
                              .is_estimate = b->plan->o.is_estimate,
                              .params = op->params,
                              .direction = TWI_BACKWARD,
                              .algorithm = plan->o.is_reference ? TWI_REFERENCE : TWI_DIRECT,
                              .n_in = op->n_in,
                              .n_out = op->n_out};
    for (int i = 0; i < op->n_in; i++) {
        r->is_absent[i] = op->in[i] == TWI_NONE;
        if (op->in[i] != TWI_NONE)
            r->in[i] = twi_plan_shape(plan, op->in[i]);
        if (wants(plan, op->in[i]))
            r->grads_wanted |= 1u << i;
    }
    for (int i = 0; i < op->n_out; i++)
        r->out[i] = twi_plan_shape(plan, op->out[i]);
}

// Refs of the forward values that the row reads.
static tw_status find_inputs(twi_plan_builder *b, const twi_program_op *op, twi_plan_step *step, tw_err *err)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < op->n_in; i++) {
        twi_value v = twi_plan_backward_in(b->plan, op, i);
        if (v != TWI_NONE)
            status = twi_plan_ref(b, v, step->kernel->in_layout[i], &step->in[i], err);
    }
    for (int i = 0; !status && i < op->n_out; i++) {
        twi_value v = twi_plan_backward_out(op, i);
        if (v != TWI_NONE)
            status = twi_plan_ref(b, v, NULL, &step->out[i], err);
    }
    return status;
}

// Buffers for dL/d in[i]. extra[i]: a further contribution, to be added to buffer of the gradient.
static tw_status make_gradients(twi_plan_builder *b, const twi_program_op *op, twi_plan_step *step,
                                bool *extra, tw_err *err)
{
    twi_plan *plan = b->plan;
    for (int i = 0; i < op->n_in; i++) {
        extra[i] = false;
        if (!wants(plan, op->in[i]))
            continue;
        twi_value root = twi_plan_root(plan, op->in[i]);
        tw_shape shape = twi_plan_shape(plan, root);
        int64_t bytes = (int64_t)twi_layout_bytes(NULL, &shape);
        extra[i] = b->is_written[root];
        int buffer = extra[i] || b->grad[root] < 0 ? twi_plan_buffer(plan, bytes, err) : b->grad[root];
        if (buffer < 0)
            return TW_ENOMEM;
        if (!extra[i])
            b->grad[root] = buffer;
        b->is_written[root] = true;
        step->grad_in[i] = (twi_ref){TWI_REF_BUFFER, buffer};
        step->bytes += bytes;
    }
    return TW_OK;
}

static tw_status add_contributions(twi_plan_builder *b, const twi_program_op *op, const twi_plan_step *step,
                                   const bool *extra, tw_err *err)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < op->n_in; i++) {
        if (!extra[i])
            continue;
        twi_value root = twi_plan_root(b->plan, op->in[i]);
        tw_shape shape = twi_plan_shape(b->plan, root);
        twi_plan_step sum = {.what = TWI_STEP_ADD,
                             .op = step->op,
                             .value = root,
                             .in = {step->grad_in[i]},
                             .out = {{TWI_REF_BUFFER, b->grad[root]}},
                             .scratch = -1,
                             .count = twi_shape_count(&shape)};
        sum.bytes = sum.count * (int64_t)sizeof(float);
        status = twi_plan_add_step(b->plan, &sum, err);
    }
    return status;
}

// Hands the gradient of a sum on: the first side that has none yet takes over the memory, others get a copy or add it.
static tw_status pass_on(twi_plan_builder *b, int i, tw_err *err)
{
    twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[i];
    tw_shape shape = twi_plan_shape(plan, op->out[0]);
    int given = b->grad[twi_plan_root(plan, op->out[0])];
    bool is_taken = false;
    tw_status status = TW_OK;
    for (int j = 0; !status && j < 2; j++) {
        if (!wants(plan, op->in[j]))
            continue;
        twi_value root = twi_plan_root(plan, op->in[j]);
        bool is_first = !b->is_written[root];
        b->is_written[root] = true;
        if (is_first && b->grad[root] < 0 && !is_taken) {
            b->grad[root] = given;
            is_taken = true;
            continue;
        }
        twi_plan_step step = {.what = is_first ? TWI_STEP_COPY : TWI_STEP_ADD,
                              .op = i,
                              .value = root,
                              .in = {{TWI_REF_BUFFER, given}},
                              .scratch = -1,
                              .count = twi_shape_count(&shape)};
        step.bytes = step.count * (int64_t)sizeof(float);
        if (b->grad[root] < 0)
            b->grad[root] = twi_plan_buffer(plan, step.bytes, err);
        if (b->grad[root] < 0)
            return TW_ENOMEM;
        step.out[0] = (twi_ref){TWI_REF_BUFFER, b->grad[root]};
        status = twi_plan_add_step(plan, &step, err);
    }
    return status;
}

static tw_status add_op(twi_plan_builder *b, int i, tw_err *err)
{
    twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[i];
    twi_value out = twi_plan_root(plan, op->out[0]);
    bool extra[TWI_OP_IN_MAX];
    twi_kernel_request request;
    fill_request(b, op, &request);
    if (b->grad[out] < 0 || !b->is_written[out])
        TWI_BUG("a gradient is used before it is made");
    if (passes_through(plan, op))
        return pass_on(b, i, err);
    twi_plan_step step = {
        .op = i, .value = op->out[0], .scratch = -1, .grad_out = {TWI_REF_BUFFER, b->grad[out]}};
    tw_err own = {0};
    step.kernel = twi_kernel_new(&request, &own);
    if (!step.kernel) {
        if (!own.status)
            return twi_fail(err, TW_EFAILED, "layer '%s': no backward kernel for op %s", op->label,
                            op->kind->name);
        if (err && !err->status)
            *err = own;
        return own.status;
    }
    tw_status status = find_inputs(b, op, &step, err);
    if (!status)
        status = make_gradients(b, op, &step, extra, err);
    if (status) {
        twi_kernel_free(step.kernel);
        return status;
    }
    status = twi_plan_add_step(plan, &step, err);
    return status ? status : add_contributions(b, op, &step, extra, err);
}

tw_status twi_plan_choose_backward(twi_plan_builder *b, tw_err *err)
{
    twi_plan *plan = b->plan;
    if (!plan->o.wants_gradients)
        return TW_OK;
    tw_shape shape = twi_plan_shape(plan, plan->logits);
    twi_value root = twi_plan_root(plan, plan->logits);
    int buffer = twi_plan_buffer(plan, (int64_t)twi_layout_bytes(NULL, &shape), err);
    if (buffer < 0)
        return TW_ENOMEM;
    // Filled between the runs: after the last forward step, before the first backward step.
    plan->buffers.at[buffer].first = plan->buffers.at[buffer].last = plan->n_forward;
    plan->grad_logits = b->grad[root] = buffer;
    b->is_written[root] = true;
    tw_status status = TW_OK;
    for (int i = (int)plan->program.ops.n - 1; !status && i >= 0; i--)
        if (b->goes_back[i] && !(plan->program.ops.at[i].kind->flags & TWI_OP_ALIAS))
            status = add_op(b, i, err);
    return status;
}
