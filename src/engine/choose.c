// Choosing: a kernel for each op, the layouts between them, and the steps of the forward run.
//
// Ops are taken in order; find_kernel.c finds the kernel of each. A value lies as its producer leaves
// it; a consumer that wants it otherwise gets a reorder, made once for each layout and shared.
// Parts with a way back are dense: their values are read by backward kernels too.

#include "engine/inside.h"
#include "engine/trials.h"

#include <stdio.h>
#include <string.h>

// ----------------------------------------------------------------------------------------------------- where values lie

twi_value twi_plan_root(const twi_plan *plan, twi_value v)
{
    while (plan->alias.at[v] != v)
        v = plan->alias.at[v];
    return v;
}

tw_shape twi_plan_shape(const twi_plan *plan, twi_value v)
{
    return plan->program.values.at[v].shape;
}

// A value's store in this layout; with `any` its first one. NULL: it does not lie there.
static const twi_store *find_store(const twi_plan_builder *b, twi_value v, const twi_layout *layout, bool any)
{
    for (size_t i = 0; i < b->stores.n; i++) {
        const twi_store *s = &b->stores.at[i];
        if (s->value == v && (any || twi_layout_same(s->layout, layout)))
            return s;
    }
    return NULL;
}

// Weights and constants lie dense in the model's or the plan's own memory.
static bool has_own_data(const twi_plan *plan, twi_value root)
{
    return plan->program.values.at[root].kind == TWI_VALUE_WEIGHT ||
           plan->program.values.at[root].kind == TWI_VALUE_CONSTANT;
}

bool twi_plan_is_stored(const twi_plan_builder *b, twi_value v)
{
    twi_value root = twi_plan_root(b->plan, v);
    return has_own_data(b->plan, root) || find_store(b, root, NULL, true);
}

const twi_layout *twi_plan_layout_now(const twi_plan_builder *b, twi_value v)
{
    const twi_store *s = find_store(b, v, NULL, true);
    return s ? s->layout : NULL;
}

static tw_status prepare_later(twi_plan_builder *b, twi_value v, const twi_layout *layout, twi_ref *ref,
                               tw_err *err)
{
    twi_plan *plan = b->plan;
    tw_shape shape = twi_plan_shape(plan, v);
    twi_prepared p = {.value = v, .layout = layout, .bytes = twi_layout_bytes(layout, &shape)};
    p.reorder = twi_reorder_new(&shape, NULL, layout, err);
    *ref = (twi_ref){TWI_REF_PREPARED, (int)plan->prepared.n};
    if (!p.reorder || !twi_vec_push(&plan->prepared, p, err)) {
        twi_kernel_free(p.reorder);
        return err && err->status ? err->status : TW_EFAILED;
    }
    return twi_vec_push(&b->stores, ((twi_store){v, layout, *ref}), err) ? TW_OK : TW_ENOMEM;
}

static tw_status add_reorder(twi_plan_builder *b, twi_value v, const twi_layout *from, twi_ref source,
                             const twi_layout *to, twi_ref *ref, tw_err *err)
{
    twi_plan *plan = b->plan;
    tw_shape shape = twi_plan_shape(plan, v);
    int buffer = twi_plan_buffer(plan, (int64_t)twi_layout_bytes(to, &shape), err);
    *ref = (twi_ref){TWI_REF_BUFFER, buffer};
    twi_plan_step step = {.op = -1, .value = v, .in = {source}, .out = {*ref}, .layout = to, .scratch = -1};
    step.bytes = (int64_t)twi_layout_bytes(to, &shape);
    step.kernel = buffer < 0 ? NULL : twi_reorder_new(&shape, from, to, err);
    if (!step.kernel)
        return err && err->status ? err->status : TW_EFAILED;
    tw_status status = twi_plan_add_step(plan, &step, err);
    if (!status && !twi_vec_push(&b->stores, ((twi_store){v, to, *ref}), err))
        status = TW_ENOMEM;
    return status;
}

tw_status twi_plan_ref(twi_plan_builder *b, twi_value v, const twi_layout *layout, twi_ref *ref, tw_err *err)
{
    twi_plan *plan = b->plan;
    twi_value root = twi_plan_root(plan, v);
    const twi_store *found = find_store(b, layout ? v : root, layout, false);
    if (found) {
        *ref = found->ref;
        return TW_OK;
    }
    if (!layout && has_own_data(plan, root)) {
        plan->facts.at[root] |= TWI_FACT_DENSE;
        *ref = (twi_ref){TWI_REF_VALUE, root};
        return TW_OK;
    }
    if (plan->facts.at[v] & TWI_FACT_CONSTANT)
        return prepare_later(b, v, layout, ref, err);
    const twi_store *home = find_store(b, v, NULL, true);
    if (!layout) { // dense is the same for all names of this memory
        home = find_store(b, root, NULL, true);
        if (!home)
            TWI_BUG("a value is used before it is made");
        return add_reorder(b, root, home->layout, home->ref, NULL, ref, err);
    }
    if (home)
        return add_reorder(b, v, home->layout, home->ref, layout, ref, err);
    twi_ref dense;
    tw_status status = twi_plan_ref(b, v, NULL, &dense, err);
    return status ? status : add_reorder(b, v, NULL, dense, layout, ref, err);
}

// ---------------------------------------------------------------------------------------------------- buffers and steps

int twi_plan_buffer(twi_plan *plan, int64_t bytes, tw_err *err)
{
    twi_buffer buffer = {.bytes = bytes, .first = TWI_FOREVER, .last = -1, .into = -1};
    return twi_vec_push(&plan->buffers, buffer, err) ? (int)plan->buffers.n - 1 : -1;
}

static void live_at(twi_plan *plan, const twi_ref *ref, int step)
{
    if (ref->kind != TWI_REF_BUFFER)
        return;
    twi_buffer *buffer = &plan->buffers.at[ref->index];
    if (buffer->first > step)
        buffer->first = step;
    if (buffer->last < step)
        buffer->last = step;
}

void twi_plan_note_lives(twi_plan *plan, int at)
{
    const twi_plan_step *step = &plan->steps.at[at];
    if (step->scratch >= 0)
        live_at(plan, &(twi_ref){TWI_REF_BUFFER, step->scratch}, at);
    for (int i = 0; i < TWI_OP_IN_MAX; i++) {
        live_at(plan, &step->in[i], at);
        live_at(plan, &step->grad_in[i], at);
    }
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        live_at(plan, &step->out[i], at);
    live_at(plan, &step->grad_out, at);
}

tw_status twi_plan_add_step(twi_plan *plan, const twi_plan_step *step, tw_err *err)
{
    int at = (int)plan->steps.n;
    twi_plan_step own = *step;
    if (own.kernel && own.kernel->scratch_bytes)
        own.scratch = twi_plan_buffer(plan, (int64_t)own.kernel->scratch_bytes, err);
    if ((own.kernel && own.kernel->scratch_bytes && own.scratch < 0) ||
        !twi_vec_push(&plan->steps, own, err)) {
        twi_kernel_free(own.kernel);
        json_decref(own.tried);
        return TW_ENOMEM;
    }
    twi_plan_note_lives(plan, at);
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------------------- steps

static const char *activation_text(int function)
{
    static const char *const names[TWI_ACTIVATIONS] = {[TWI_LINEAR] = "linear",
                                                       [TWI_RELU] = "relu",
                                                       [TWI_SIGMOID] = "sigmoid",
                                                       [TWI_TANH] = "tanh",
                                                       [TWI_SILU] = "silu",
                                                       [TWI_ELU] = "elu",
                                                       [TWI_SELU] = "selu",
                                                       [TWI_SOFTPLUS] = "softplus",
                                                       [TWI_SOFTSIGN] = "softsign",
                                                       [TWI_EXPONENTIAL] = "exp",
                                                       [TWI_HARD_SIGMOID] = "hard_sigmoid",
                                                       [TWI_HARD_SILU] = "hard_silu",
                                                       [TWI_GELU] = "gelu",
                                                       [TWI_GELU_TANH] = "gelu_tanh",
                                                       [TWI_MISH] = "mish",
                                                       [TWI_SQRT] = "sqrt",
                                                       [TWI_LOG_SIGMOID] = "log_sigmoid",
                                                       [TWI_SQUAREPLUS] = "squareplus",
                                                       [TWI_SPARSE_PLUS] = "sparse_plus",
                                                       [TWI_SPARSE_SIGMOID] = "sparse_sigmoid",
                                                       [TWI_SOFT_SHRINK] = "soft_shrink",
                                                       [TWI_HARD_SHRINK] = "hard_shrink",
                                                       [TWI_TANH_SHRINK] = "tanh_shrink",
                                                       [TWI_HARD_TANH] = "hard_tanh",
                                                       [TWI_THRESHOLD] = "threshold"};
    return function >= 0 && function < TWI_ACTIVATIONS && names[function] ? names[function] : "activation";
}

static void describe_fused(const twi_plan_builder *b, const twi_candidate *c, twi_plan_step *step)
{
    const twi_program_op *op = &b->plan->program.ops.at[c->op];
    size_t at = 0, size = sizeof step->fused;
    for (size_t i = 0; i < b->plan->derived.n; i++) {
        const twi_derived *d = &b->plan->derived.at[i];
        bool is_ours = d->is_fold && d->result == op->out[0];
        for (int j = 0; is_ours && j < d->n_affine && at < size; j++)
            at += (size_t)snprintf(step->fused + at, size - at, "%s%s", at ? ", " : "",
                                   d->affine[j].what == TWI_AFFINE_NORM ? "batch_norm" : "scale");
    }
    if (twi_op_is(op, "batch_norm") && at < size) {
        twi_activation joined = ((const twi_batch_norm_params *)op->params)->activation.function;
        at += (size_t)snprintf(step->fused + at, size - at, "%s",
                               joined == TWI_LINEAR ? "" : activation_text((int)joined));
    }
    for (int i = 0; i < c->n_fused && at < size; i++)
        at += (size_t)snprintf(step->fused + at, size - at, "%s%s", at ? ", " : "",
                               c->fusion[i].what == TWI_FUSE_ADD ? "add"
                                                                 : activation_text(c->fusion[i].activation));
}

int64_t twi_plan_op_macs(const twi_plan *plan, const twi_program_op *op)
{
    tw_shape in[TWI_OP_IN_MAX] = {0}, out[TWI_OP_OUT_MAX];
    if (!op->kind->macs)
        return 0;
    for (int i = 0; i < op->n_in; i++)
        if (op->in[i] != TWI_NONE)
            in[i] = twi_plan_shape(plan, op->in[i]);
    for (int i = 0; i < op->n_out; i++)
        out[i] = twi_plan_shape(plan, op->out[i]);
    return op->kind->macs(op->params, in, out);
}

// Refs of the kernel's inputs; reorders what lies otherwise.
static tw_status find_inputs(twi_plan_builder *b, const twi_candidate *c, twi_plan_step *step, tw_err *err)
{
    const twi_program_op *op = &b->plan->program.ops.at[c->op];
    tw_status status = TW_OK;
    for (int i = 0; !status && i < op->n_in; i++)
        if (op->in[i] != TWI_NONE)
            status = twi_plan_ref(b, op->in[i], c->kernel->in_layout[i], &step->in[i], err);
    for (int i = 0; !status && i < c->n_fused; i++)
        if (c->further[i] != TWI_NONE)
            status = twi_plan_ref(b, c->further[i], c->kernel->in_layout[c->fusion[i].input],
                                  &step->in[c->fusion[i].input], err);
    return status;
}

static tw_status make_outputs(twi_plan_builder *b, const twi_candidate *c, twi_plan_step *step, tw_err *err)
{
    twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[c->op];
    for (int i = 0; i < op->n_out; i++) {
        twi_value v = i || !c->n_fused ? op->out[i] : plan->program.ops.at[c->from[c->n_fused - 1]].out[0];
        const twi_layout *layout = i ? NULL : c->kernel->out_layout;
        tw_shape shape = twi_plan_shape(plan, v);
        int64_t bytes = (int64_t)twi_layout_bytes(layout, &shape);
        int buffer = twi_plan_buffer(plan, bytes, err);
        step->out[i] = (twi_ref){TWI_REF_BUFFER, buffer};
        if (buffer < 0 || !twi_vec_push(&b->stores, ((twi_store){v, layout, step->out[i]}), err))
            return TW_ENOMEM;
        step->value = i ? step->value : v;
        step->bytes += bytes;
    }
    return TW_OK;
}

static tw_status add_op(twi_plan_builder *b, int i, tw_err *err)
{
    twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[i];
    twi_candidate c = {.op = i};
    twi_plan_step step = {.op = i, .scratch = -1, .macs = twi_plan_op_macs(plan, op)};
    tw_status status = twi_plan_find_kernel(b, &c, err);
    if (!status)
        status = find_inputs(b, &c, &step, err);
    if (!status)
        status = make_outputs(b, &c, &step, err);
    if (status) {
        twi_kernel_free(c.kernel);
        json_decref(c.tried);
        return status;
    }
    for (int j = 0; j < c.n_fused; j++)
        b->is_absorbed[c.from[j]] = true;
    describe_fused(b, &c, &step);
    step.kernel = c.kernel;
    step.layout = c.kernel->out_layout;
    step.tried = c.tried;
    return twi_plan_add_step(plan, &step, err);
}

// Batch statistics change weights of the model: their version must grow.
static tw_status note_states(twi_plan *plan, const twi_program_op *op, tw_err *err)
{
    for (int i = 3; twi_op_uses_batch(op) && i < op->n_in; i++)
        if (op->in[i] != TWI_NONE && plan->program.values.at[op->in[i]].kind == TWI_VALUE_WEIGHT &&
            !twi_vec_push(&plan->states, plan->program.values.at[op->in[i]].weight, err))
            return TW_ENOMEM;
    return TW_OK;
}

static tw_status add_output(twi_plan_builder *b, twi_value v, twi_ref *ref, tw_err *err)
{
    tw_status status = twi_plan_ref(b, v, NULL, ref, err);
    if (!status && ref->kind == TWI_REF_BUFFER)
        b->plan->buffers.at[ref->index].last = TWI_FOREVER;
    return status;
}

static tw_status add_inputs(twi_plan_builder *b, tw_err *err)
{
    twi_plan *plan = b->plan;
    for (size_t i = 0; i < plan->inputs.n; i++) {
        tw_shape shape = twi_plan_shape(plan, plan->inputs.at[i]);
        int buffer = twi_plan_buffer(plan, (int64_t)twi_layout_bytes(NULL, &shape), err);
        twi_ref ref = {TWI_REF_BUFFER, buffer};
        if (buffer < 0 || !twi_vec_push(&plan->input_refs, ref, err) ||
            !twi_vec_push(&b->stores, ((twi_store){plan->inputs.at[i], NULL, ref}), err))
            return TW_ENOMEM;
        // A caller may run twice with the same inputs: they are never written over.
        plan->buffers.at[buffer].first = -1;
        plan->buffers.at[buffer].last = TWI_FOREVER;
    }
    return TW_OK;
}

// Trials may take a part of what the whole plan does.
static void begin_trials(const twi_plan *plan)
{
    double macs = 0;
    for (size_t i = 0; i < plan->program.ops.n; i++)
        macs += (double)twi_plan_op_macs(plan, &plan->program.ops.at[i]);
    if (plan->o.trials)
        twi_trials_begin(plan->o.trials, macs);
}

tw_status twi_plan_choose(twi_plan_builder *b, tw_err *err)
{
    twi_plan *plan = b->plan;
    tw_status status = add_inputs(b, err);
    begin_trials(plan);
    for (size_t i = 0; !status && i < plan->program.ops.n; i++) {
        const twi_program_op *op = &plan->program.ops.at[i];
        if (b->is_absorbed[i] || (op->kind->flags & TWI_OP_ALIAS))
            continue;
        status = add_op(b, (int)i, err);
        if (!status)
            status = note_states(plan, op, err);
    }
    for (size_t i = 0; !status && i < plan->outputs.n; i++) {
        twi_ref ref;
        status = add_output(b, plan->outputs.at[i], &ref, err);
        if (!status && !twi_vec_push(&plan->output_refs, ref, err))
            status = TW_ENOMEM;
    }
    if (!status)
        status = add_output(b, plan->logits, &plan->logits_ref, err);
    plan->n_forward = (int)plan->steps.n;
    return status;
}
