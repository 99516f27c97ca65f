// Making plans: emit the model, cut it, and send it through the passes. See plan.h, and inside.h for the passes.

#include "engine/inside.h"

#include "base/team.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#define WORK_FOR_THREADS \
    (INT64_C(4) << 20) // multiply-adds and results of a forward run: about 0.2 ms of one core

// ---------------------------------------------------------------------------------------------------------- the program

static tw_status emit(twi_plan *plan, const tw_model *m, tw_err *err)
{
    twi_emit_options options = {.batch = plan->o.batch,
                                .is_training = plan->o.is_training,
                                .wants_penalties = plan->o.wants_penalties};
    if (!twi_vec_reserve(&plan->outputs, m->outputs.n, err))
        return TW_ENOMEM;
    tw_status status = twi_model_emit(m, &options, &plan->program, plan->outputs.at, err);
    plan->outputs.n = status ? 0 : m->outputs.n;
    if (!status && !m->outputs.n)
        return twi_fail(err, TW_EINVAL, "model '%s' has no output", m->name);
    for (size_t i = 0; !status && i < plan->program.ops.n; i++) {
        const twi_program_op *op = &plan->program.ops.at[i];
        if (!(op->kind->flags & TWI_OP_LOSS))
            continue;
        if (!twi_vec_push(&plan->outputs, op->out[1], err))
            status = TW_ENOMEM;
        plan->n_penalties++;
    }
    for (size_t v = 0; !status && v < plan->program.values.n; v++)
        if (plan->program.values.at[v].kind == TWI_VALUE_INPUT &&
            !twi_vec_push(&plan->inputs, (twi_value)v, err))
            status = TW_ENOMEM;
    return status;
}

static tw_status find_places(const twi_plan *plan, const twi_frontier *f, twi_value *values, tw_err *err)
{
    for (int i = 0; i < f->n; i++) {
        values[i] = twi_place_find(&plan->program, &f->at[i]);
        tw_shape shape = {0}, expected = twi_shape_batch(&f->at[i].shape, plan->o.batch);
        if (values[i] != TWI_NONE)
            shape = twi_plan_shape(plan, values[i]);
        char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
        if (values[i] == TWI_NONE || !twi_shape_same(&shape, &expected))
            return twi_fail(err, TW_EINVAL,
                            "layer '%s': the frontier belongs to another model: %s here, expected %s",
                            f->at[i].label, twi_shape_text(&shape, a), twi_shape_text(&expected, b));
    }
    return TW_OK;
}

static tw_status end_at(twi_plan *plan, const twi_frontier *to, tw_err *err)
{
    twi_value values[TWI_FRONTIER_MAX];
    if (!to->n)
        return twi_fail(err, TW_EINVAL, "nothing of the model is frozen: there is no frontier to end at");
    tw_status status = find_places(plan, to, values, err);
    plan->outputs.n = 0;
    plan->n_penalties = 0;
    for (int i = 0; !status && i < to->n; i++)
        if (!twi_vec_push(&plan->outputs, values[i], err))
            status = TW_ENOMEM;
    plan->ends_early = true;
    return status;
}

// The frontier's values become the inputs, in its order. What only they needed goes when the plan is pruned.
static tw_status start_at(twi_plan *plan, const twi_frontier *from, tw_err *err)
{
    twi_value values[TWI_FRONTIER_MAX];
    twi_program *g = &plan->program;
    tw_status status = find_places(plan, from, values, err);
    for (size_t i = 0; !status && i < plan->inputs.n; i++)
        g->values.at[plan->inputs.at[i]].index = -1; // not given any more, unless it is in the frontier
    plan->inputs.n = 0;
    for (int i = 0; !status && i < from->n; i++) {
        twi_value_info *info = &g->values.at[values[i]];
        info->kind = TWI_VALUE_INPUT;
        info->index = i;
        info->op = -1;
        if (!twi_vec_push(&plan->inputs, values[i], err))
            status = TW_ENOMEM;
    }
    return status;
}

// Nothing left may depend on inputs that are not given.
static tw_status check_inputs(const twi_plan *plan, tw_err *err)
{
    const twi_program *g = &plan->program;
    for (size_t i = 0; i < g->ops.n; i++)
        for (int j = 0; j < g->ops.at[i].n_in; j++) {
            twi_value v = g->ops.at[i].in[j];
            if (v != TWI_NONE && g->values.at[v].kind == TWI_VALUE_INPUT && g->values.at[v].index < 0)
                return twi_fail(err, TW_EINVAL,
                                "layer '%s' needs the model's input, which lies before the frontier",
                                g->ops.at[i].label);
        }
    return TW_OK;
}

// The logits: what goes into a last sigmoid or softmax.
static void find_final(twi_plan *plan)
{
    const twi_program *g = &plan->program;
    plan->logits = plan->outputs.at[0];
    const twi_value_info *info = &g->values.at[plan->logits];
    if (plan->ends_early || info->op < 0)
        return;
    const twi_program_op *op = &g->ops.at[info->op];
    if (twi_op_is(op, "softmax"))
        plan->final = TWI_FINAL_SOFTMAX;
    else if (twi_op_is(op, "activation") &&
             ((const twi_activation_params *)op->params)->function == TWI_SIGMOID)
        plan->final = TWI_FINAL_SIGMOID;
    if (plan->final)
        plan->logits = op->in[0];
}

// ---------------------------------------------------------------------------------------------------------------- facts

// Which weights are the same in every run: frozen ones, and in a plan for inference all but those of matmul, which runs
// as fast on the model's own memory, where heads keep hundreds of megabytes. Moving statistics change while they are used.
static void mark_constants(twi_plan *plan)
{
    const twi_program *g = &plan->program;
    bool is_inference = !plan->o.is_training && !plan->o.wants_gradients;
    for (size_t v = 0; v < g->values.n; v++) {
        const twi_value_info *info = &g->values.at[v];
        if (info->kind == TWI_VALUE_CONSTANT ||
            (info->kind == TWI_VALUE_WEIGHT && (!info->is_trainable || is_inference)))
            plan->facts.at[v] |= TWI_FACT_CONSTANT;
    }
    for (size_t i = 0; i < g->ops.n; i++) {
        const twi_program_op *op = &g->ops.at[i];
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] != TWI_NONE && ((twi_op_uses_batch(op) && j >= 3) ||
                                          (twi_op_is(op, "matmul") && g->values.at[op->in[j]].is_trainable)))
                plan->facts.at[op->in[j]] &= (uint8_t)~TWI_FACT_CONSTANT;
    }
}

static tw_status collect_facts(twi_plan *plan, tw_err *err)
{
    twi_program *g = &plan->program;
    uint8_t *facts = twi_trace(g, err);
    bool ok = facts && twi_vec_reserve(&plan->facts, g->values.n, err) &&
              twi_vec_reserve(&plan->alias, g->values.n, err) &&
              twi_vec_reserve(&plan->dense, g->values.n, err);
    for (size_t v = 0; ok && v < g->values.n; v++) {
        plan->facts.at[v] = facts[v];
        plan->alias.at[v] = (twi_value)v;
        plan->dense.at[v] = NULL;
    }
    twi_free(facts);
    if (!ok)
        return TW_ENOMEM;
    plan->facts.n = plan->alias.n = plan->dense.n = g->values.n;
    for (size_t i = 0; i < g->ops.n; i++) {
        const twi_program_op *op = &g->ops.at[i];
        if ((op->kind->flags & TWI_OP_ALIAS) && g->values.at[op->out[0]].op == (int)i)
            plan->alias.at[op->out[0]] = op->in[0];
    }
    mark_constants(plan);
    return TW_OK;
}

twi_value twi_plan_value(twi_plan *plan, const twi_value_info *info, uint8_t facts, tw_err *err)
{
    twi_value v = (twi_value)plan->program.values.n;
    bool ok = twi_vec_push(&plan->program.values, *info, err) && twi_vec_push(&plan->facts, facts, err) &&
              twi_vec_push(&plan->alias, v, err) && twi_vec_push(&plan->dense, NULL, err);
    return ok ? v : TWI_NONE;
}

// -------------------------------------------------------------------------------------------------------------- building

tw_status twi_plan_count_users(twi_plan_builder *b, tw_err *err)
{
    const twi_plan *plan = b->plan;
    const twi_program *g = &plan->program;
    twi_free(b->n_users);
    twi_free(b->user);
    b->n_users = twi_new(g->values.n, sizeof *b->n_users, "a plan", err);
    b->user = twi_new(g->values.n, sizeof *b->user, "a plan", err);
    if (!b->n_users || !b->user)
        return TW_ENOMEM;
    for (size_t v = 0; v < g->values.n; v++)
        b->user[v] = -1;
    for (size_t i = 0; i < g->ops.n; i++)
        for (int j = 0; j < g->ops.at[i].n_in; j++) {
            twi_value v = g->ops.at[i].in[j];
            if (v != TWI_NONE) {
                b->n_users[v]++;
                b->user[v] = (int)i;
            }
        }
    for (size_t i = 0; i < plan->outputs.n; i++)
        b->n_users[plan->outputs.at[i]]++;
    b->n_users[plan->logits]++;
    return TW_OK;
}

static tw_status builder_open(twi_plan_builder *b, tw_err *err)
{
    const twi_program *g = &b->plan->program;
    b->goes_back = twi_new(g->ops.n, sizeof *b->goes_back, "a plan", err);
    b->is_absorbed = twi_new(g->ops.n, sizeof *b->is_absorbed, "a plan", err);
    b->grad = twi_new(g->values.n, sizeof *b->grad, "a plan", err);
    b->is_written = twi_new(g->values.n, sizeof *b->is_written, "a plan", err);
    for (size_t v = 0; b->grad && v < g->values.n; v++)
        b->grad[v] = -1;
    return b->goes_back && b->is_absorbed && b->grad && b->is_written ? twi_plan_count_users(b, err)
                                                                      : TW_ENOMEM;
}

static void builder_close(twi_plan_builder *b)
{
    twi_free(b->n_users);
    twi_free(b->user);
    twi_free(b->goes_back);
    twi_free(b->is_absorbed);
    twi_free(b->grad);
    twi_free(b->is_written);
    twi_vec_clear(&b->stores);
}

static tw_status cut(twi_plan *plan, const tw_model *m, const twi_plan_options *o, tw_err *err)
{
    tw_status status = emit(plan, m, err);
    if (!status && o->to)
        status = end_at(plan, o->to, err);
    if (!status && o->from && o->from->n)
        status = start_at(plan, o->from, err);
    if (!status)
        status = twi_plan_prune_dead(plan, err);
    if (!status)
        status = check_inputs(plan, err);
    if (!status)
        status = twi_check_weights(m, &plan->program, NULL, err);
    if (!status)
        find_final(plan);
    return status;
}

// A head on cached features takes microseconds a step: several threads would wait for each other longer than they work, and
// much longer where another program has one of the cores.
static tw_status limit_threads(twi_plan *plan, tw_err *err)
{
    int64_t work = 0;
    for (size_t i = 0; i < plan->program.ops.n && work < WORK_FOR_THREADS; i++) {
        const twi_program_op *op = &plan->program.ops.at[i];
        tw_shape out = twi_plan_shape(plan, op->out[0]);
        int64_t macs = twi_plan_op_macs(plan, op), numbers = twi_shape_count(&out);
        work = macs > WORK_FOR_THREADS ? WORK_FOR_THREADS : work + macs + numbers;
    }
    if (work < WORK_FOR_THREADS)
        plan->o.threads = 1;
    omp_set_num_threads(plan->o.threads);
    return plan->o.is_estimate ? TW_OK : twi_team_start(plan->o.threads, err);
}

static tw_status build(twi_plan *plan, twi_plan_builder *b, tw_err *err)
{
    tw_status status = collect_facts(plan, err);
    if (!status)
        status = twi_plan_prune_constants(plan, err);
    if (!status)
        status = limit_threads(plan, err);
    if (!status && !plan->o.no_fusion)
        status = twi_plan_take_padding(plan, err);
    if (!status && !plan->o.no_fusion)
        status = twi_plan_fold(b, err);
    if (!status && !plan->o.no_fusion && !plan->o.is_reference)
        status = twi_plan_join(b, err);
    if (!status)
        status = builder_open(b, err);
    if (!status)
        status = twi_plan_gradients(b, err);
    if (!status)
        status = twi_plan_choose(b, err);
    if (!status)
        status = twi_plan_choose_backward(b, err);
    if (!status && !plan->o.is_estimate)
        status = twi_plan_prepare(plan, err);
    if (!status)
        status = twi_plan_recompute(plan, err);
    plan->seconds = twi_new(plan->steps.n, sizeof *plan->seconds, "a plan", err);
    plan->n_timed = twi_new(2, sizeof *plan->n_timed, "a plan", err);
    return (plan->seconds && plan->n_timed) || status ? status : TW_ENOMEM;
}

twi_plan *twi_plan_new(const tw_model *m, const twi_plan_options *o, tw_err *err)
{
    if (!m)
        return NULL;
    tw_err own = {0};
    twi_plan *plan = twi_new(1, sizeof *plan, "a plan", &own);
    if (plan && o->batch < 1)
        twi_fail(&own, TW_EINVAL, "a plan needs a batch of 1 or more, received %lld", (long long)o->batch);
    if (plan && !own.status) {
        plan->o = *o;
        plan->o.from = plan->o.to = NULL;
        plan->o.threads = o->threads > 1 ? o->threads : 1;
        plan->grad_logits = -1;
        twi_plan_builder b = {.plan = plan, .model = m};
        int threads =
            omp_get_max_threads(); // kernels are prepared for as many threads as will run them: see limit_threads
        tw_status status = cut(plan, m, o, &own);
        if (!status)
            status = build(plan, &b, &own);
        if (status)
            twi_fail(&own, status, "model '%s': the plan could not be made",
                     m->name); // where no one said more
        plan->o.choices = NULL;
        plan->o.trials = NULL;
        omp_set_num_threads(threads);
        builder_close(&b);
    }
    if (!own.status)
        return plan;
    if (err && !err->status)
        *err = own;
    twi_plan_free(plan);
    return NULL;
}

void twi_plan_free(twi_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->steps.n; i++)
        if (!plan->steps.at[i].is_again) {
            twi_kernel_free(plan->steps.at[i].kernel);
            json_decref(plan->steps.at[i].tried);
        }
    for (size_t i = 0; i < plan->prepared.n; i++) {
        twi_kernel_free(plan->prepared.at[i].reorder);
        twi_free(plan->prepared.at[i].data);
    }
    for (size_t v = 0; v < plan->dense.n; v++)
        twi_free(plan->dense.at[v]);
    twi_vec_clear(&plan->facts);
    twi_vec_clear(&plan->alias);
    twi_vec_clear(&plan->dense);
    twi_vec_clear(&plan->derived);
    twi_vec_clear(&plan->prepared);
    twi_vec_clear(&plan->inputs);
    twi_vec_clear(&plan->outputs);
    twi_vec_clear(&plan->steps);
    twi_vec_clear(&plan->buffers);
    twi_vec_clear(&plan->input_refs);
    twi_vec_clear(&plan->output_refs);
    twi_vec_clear(&plan->gradients);
    twi_vec_clear(&plan->states);
    twi_free(plan->seconds);
    twi_free(plan->n_timed);
    twi_program_clear(&plan->program);
    twi_free(plan);
}

// --------------------------------------------------------------------------------------------------------------- asking

int twi_plan_n_inputs(const twi_plan *plan)
{
    return (int)plan->inputs.n;
}

int twi_plan_n_outputs(const twi_plan *plan)
{
    return (int)plan->outputs.n;
}

int twi_plan_n_penalties(const twi_plan *plan)
{
    return plan->n_penalties;
}

bool twi_plan_has_joint_penalty(const twi_plan *plan)
{
    for (size_t i = 0; i < plan->program.ops.n; i++) {
        const twi_program_op *op = &plan->program.ops.at[i];
        if (twi_op_is(op, "penalty") && ((const twi_penalty_params *)op->params)->orthogonal != 0)
            return true;
    }
    return false;
}

const tw_shape *twi_plan_input(const twi_plan *plan, int i)
{
    return &plan->program.values.at[plan->inputs.at[i]].shape;
}

const tw_shape *twi_plan_output(const twi_plan *plan, int i)
{
    return &plan->program.values.at[plan->outputs.at[i]].shape;
}

int twi_plan_n_gradients(const twi_plan *plan)
{
    return (int)plan->gradients.n;
}

twi_weight *twi_plan_gradient_weight(const twi_plan *plan, int i)
{
    return plan->gradients.at[i].weight;
}

bool twi_plan_hands_over(const twi_plan *plan, int i)
{
    return plan->gradients.at[i].buffer < 0;
}

twi_final twi_plan_final(const twi_plan *plan)
{
    return plan->final;
}

size_t twi_plan_run_bytes(const twi_plan *plan)
{
    return (size_t)plan->arena_bytes;
}

static size_t kept_bytes(const twi_plan *plan, twi_value v)
{
    bool is_kept = v != TWI_NONE && (plan->facts.at[v] & TWI_FACT_DENSE);
    return is_kept ? (size_t)twi_shape_count(&plan->program.values.at[v].shape) * sizeof(float) : 0;
}

size_t twi_plan_constant_bytes(const twi_plan *plan)
{
    size_t sum = 0;
    for (size_t i = 0; i < plan->prepared.n; i++)
        sum += plan->prepared.at[i].bytes;
    // Derived constants that a step reads as they are: the same whether they were computed or will be.
    for (size_t i = 0; i < plan->derived.n; i++) {
        const twi_derived *d = &plan->derived.at[i];
        if (d->is_fold)
            sum += kept_bytes(plan, d->new_kernel) + kept_bytes(plan, d->new_bias);
        for (int j = 0; !d->is_fold && j < d->op.n_out; j++)
            sum += kept_bytes(plan, d->op.out[j]);
    }
    return sum;
}

int64_t twi_plan_macs(const twi_plan *plan)
{
    int64_t sum = 0;
    for (int i = 0; i < plan->n_forward; i++)
        if (!twi_add(sum, plan->steps.at[i].macs, &sum))
            return INT64_MAX;
    return sum;
}

int twi_plan_n_again(const twi_plan *plan)
{
    return plan->n_again;
}

double twi_plan_more_time(const twi_plan *plan)
{
    return plan->more_time;
}

tw_status twi_plan_refresh(twi_plan *plan, tw_err *err)
{
    return twi_plan_prepare(plan, err);
}
