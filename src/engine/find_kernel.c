// Finding a kernel for an op: the most it may do is asked for first.
//
// That is all fused neighbours, the lowest precision allowed, layouts as the producers left them; then less, until there is a
// kernel. Where a frozen op has more than one way, a trial decides, or what was remembered of one (trials.h); choices that
// were given (choices.h) decide before that.

#include "engine/choices.h"
#include "engine/inside.h"
#include "engine/trials.h"

#include <string.h>

static void fill_request(const twi_plan_builder *b, const twi_candidate *c, int n_fused,
                         twi_kernel_request *r)
{
    const twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[c->op];
    *r = (twi_kernel_request){.kind = op->kind,
                              .params = op->params,
                              .n_in = op->n_in,
                              .n_out = op->n_out,
                              .is_liked = c->is_liked,
                              .is_estimate = plan->o.is_estimate};
    twi_value in[TWI_OP_IN_MAX];
    memcpy(in, op->in, sizeof in);
    bool goes_back = b->goes_back[c->op];
    for (int i = 0; i < n_fused; i++) {
        r->fusion[r->n_fusion++] = c->fusion[i];
        goes_back |= b->goes_back[c->from[i]];
        if (c->further[i] == TWI_NONE)
            continue;
        while (r->n_in < c->fusion[i].input)
            in[r->n_in++] = TWI_NONE; // optional inputs that were left out
        in[r->n_in++] = c->further[i];
    }
    r->is_layout_free = !goes_back && !plan->o.is_reference;
    for (int i = 0; i < r->n_in; i++) {
        r->is_absent[i] = in[i] == TWI_NONE;
        if (in[i] == TWI_NONE)
            continue;
        r->in[i] = twi_plan_shape(plan, in[i]);
        r->is_constant[i] = plan->facts.at[in[i]] & TWI_FACT_CONSTANT;
        r->in_layout[i] = twi_plan_layout_now(b, in[i]);
    }
    for (int i = 0; i < op->n_out; i++)
        r->out[i] = twi_plan_shape(plan, op->out[i]);
}

static bool wants_winograd(const twi_program_op *op, const twi_kernel_request *r)
{
    const twi_conv_params *p = op->params;
    return twi_op_is(op, "conv") && r->in[1].dim[0] == 3 && r->in[1].dim[1] == 3 && p->stride[0] == 1 &&
           p->stride[1] == 1 && p->dilation[0] == 1 && p->dilation[1] == 1 && p->groups == 1;
}

// Asks for a kernel with all, fewer, no fused neighbours. is_last: the reference will do too.
static tw_status ask(const twi_plan_builder *b, twi_candidate *c, twi_algorithm algorithm, twi_dtype dtype,
                     bool is_last, tw_err *err)
{
    tw_err own = {0};
    for (int n = c->n_chain; n >= 0 && !c->kernel; n--) {
        twi_kernel_request r;
        fill_request(b, c, n, &r);
        r.algorithm = algorithm;
        r.dtype = dtype;
        if (algorithm == TWI_WINOGRAD && !wants_winograd(&b->plan->program.ops.at[c->op], &r))
            return TW_OK;
        c->kernel = twi_kernel_new(&r, &own);
        c->n_fused = n;
        if (c->kernel && !is_last && strcmp(c->kernel->impl, "reference") == 0) {
            twi_kernel_free(c->kernel);
            c->kernel = NULL;
        }
        if (own.status) {
            if (err && !err->status)
                *err = own;
            return own.status;
        }
    }
    return TW_OK;
}

// What gives the logits and the model's outputs stays f32: rounding there is what a user sees.
static bool is_near_output(const twi_plan *plan, const twi_program_op *op)
{
    for (size_t i = 0; !plan->ends_early && i < plan->outputs.n; i++)
        if (op->out[0] == plan->outputs.at[i])
            return true;
    return !plan->ends_early && op->out[0] == plan->logits;
}

// With a few channels (a photo's three) oneDNN's normalization is several times slower than the plain loop.
static bool is_better_plain(const twi_plan *plan, const twi_program_op *op)
{
    tw_shape shape = twi_plan_shape(plan, op->out[0]);
    return twi_op_is(op, "batch_norm") && !twi_op_uses_batch(op) && twi_shape_last(&shape) < 8;
}

// The kernel that the choices name for this op, and no other.
static tw_status find_chosen(const twi_plan_builder *b, twi_candidate *c, tw_err *err)
{
    const twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[c->op];
    int nth = 0;
    for (size_t i = 0; i < plan->steps.n; i++) {
        const twi_program_op *other =
            plan->steps.at[i].op >= 0 ? &plan->program.ops.at[plan->steps.at[i].op] : NULL;
        nth += other && other->kind == op->kind && strcmp(other->label, op->label) == 0;
    }
    const twi_choice *choice = twi_choices_find(plan->o.choices, op->kind->name, op->label, nth);
    if (!choice)
        return twi_fail(err, TW_EUNUSABLE,
                        "%s says nothing of op '%s' of layer '%s': it was made for another network",
                        plan->o.choices->source, op->kind->name, op->label);
    c->is_liked = choice->is_liked;
    bool is_plain = choice->algorithm == TWI_DIRECT && choice->dtype == TWI_F32;
    tw_status status =
        ask(b, c, choice->algorithm, choice->dtype, is_plain || choice->algorithm == TWI_REFERENCE, err);
    if (status || (c->kernel && strcmp(c->kernel->impl, choice->impl) == 0))
        return status;
    return twi_fail(err, TW_EUNUSABLE,
                    "%s runs layer '%s' with '%s' (%s), this machine and version have %s%s%s for it\n"
                    "try  without --plan: the results differ in their last digits only",
                    plan->o.choices->source, op->label, choice->impl, twi_algorithm_names[choice->algorithm],
                    c->kernel ? "'" : "nothing", c->kernel ? c->kernel->impl : "", c->kernel ? "'" : "");
}

// ---------------------------------------------------------------------------------------------------------------- trials

// The ways to compute a frozen op, the usual one first. 0: there is one.
static int list_ways(const twi_plan *plan, const twi_program_op *op, const twi_kernel_request *r,
                     twi_way *ways)
{
    int n = 0;
    if (twi_op_is(op, "conv")) {
        if (plan->o.precision == TWI_PRECISE && wants_winograd(op, r))
            ways[n++] = (twi_way){TWI_WINOGRAD, false};
        ways[n++] = (twi_way){TWI_DIRECT, false};
        ways[n++] = (twi_way){TWI_DIRECT, true};
    } else if (is_better_plain(plan, op)) {
        ways[n++] = (twi_way){TWI_REFERENCE, false};
        ways[n++] = (twi_way){TWI_DIRECT, false};
    }
    return n;
}

static tw_status ask_way(const twi_plan_builder *b, twi_candidate *c, const twi_way *way, tw_err *err)
{
    c->is_liked = way->is_liked;
    tw_status status = ask(b, c, way->algorithm, TWI_F32, way->algorithm == TWI_REFERENCE, err);
    c->is_liked = false;
    return status;
}

static bool is_same(const twi_candidate *a, const twi_candidate *b)
{
    return strcmp(a->kernel->impl, b->kernel->impl) == 0 &&
           twi_layout_same(a->kernel->in_layout[0], b->kernel->in_layout[0]) &&
           twi_layout_same(a->kernel->out_layout, b->kernel->out_layout);
}

// Kernels of all ways that fuse as the first one does and are none of the others; *n of ways and found.
static tw_status find_all(const twi_plan_builder *b, const twi_candidate *c, int *n, twi_way *ways,
                          twi_candidate *found, tw_err *err)
{
    tw_status status = TW_OK;
    int n_found = 0;
    for (int i = 0; !status && i < *n; i++) {
        twi_candidate one = *c;
        status = ask_way(b, &one, &ways[i], err);
        bool is_new = one.kernel && (!n_found || one.n_fused == found[0].n_fused);
        for (int k = 0; is_new && k < n_found; k++)
            is_new = !is_same(&one, &found[k]);
        if (is_new) {
            ways[n_found] = ways[i];
            found[n_found++] = one;
        } else {
            twi_kernel_free(one.kernel);
        }
    }
    *n = n_found;
    return status;
}

static tw_status try_all(const twi_plan_builder *b, twi_candidate *c, const char *key, int n, twi_way *ways,
                         tw_err *err)
{
    twi_candidate found[TWI_WAYS_MAX];
    twi_kernel *kernels[TWI_WAYS_MAX];
    int best = 0;
    tw_status status = find_all(b, c, &n, ways, found, err);
    for (int i = 0; i < n; i++)
        kernels[i] = found[i].kernel;
    if (!status && n)
        status = twi_trials_make(b->plan->o.trials, key, n, kernels, ways,
                                 twi_plan_layout_now(b, b->plan->program.ops.at[c->op].in[0]), &best, err);
    for (int i = 0; i < n; i++)
        if (status || i != best)
            twi_kernel_free(kernels[i]);
    if (!status && n)
        *c = found[best];
    return status;
}

// c->kernel stays NULL where there is nothing to try, or no time.
static tw_status find_by_trial(const twi_plan_builder *b, twi_candidate *c, tw_err *err)
{
    const twi_plan *plan = b->plan;
    twi_kernel_request r;
    twi_way ways[TWI_WAYS_MAX], way;
    fill_request(b, c, c->n_chain, &r);
    int n = list_ways(plan, &plan->program.ops.at[c->op], &r, ways);
    char *key = n > 1 ? twi_trials_key(&r, err) : NULL;
    if (!key)
        return n > 1 ? TW_ENOMEM : TW_OK;
    const json_t *known = twi_trials_find(plan->o.trials, key, &way);
    tw_status status = TW_OK;
    if (known)
        status = ask_way(b, c, &way, err);
    else if (twi_trials_may(plan->o.trials))
        status = try_all(b, c, key, n, ways, err);
    known = c->kernel ? twi_trials_find(plan->o.trials, key, &way) : NULL;
    c->tried = json_incref(json_object_get(known, "tried"));
    twi_free(key);
    return status;
}

tw_status twi_plan_find_kernel(const twi_plan_builder *b, twi_candidate *c, tw_err *err)
{
    const twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[c->op];
    c->n_chain = twi_plan_fuse(b, c->op, c->fusion, c->from, c->further);
    if (plan->o.choices)
        return find_chosen(b, c, err);
    int last = c->n_chain ? c->from[c->n_chain - 1] : c->op;
    bool is_frozen =
        !(plan->facts.at[plan->program.ops.at[last].out[0]] & TWI_FACT_LIVE) && !b->goes_back[last];
    bool is_plain = is_better_plain(plan, op);
    tw_status status = TW_OK;
    if (plan->o.is_reference)
        return ask(b, c, TWI_REFERENCE, TWI_F32, true, err);
    if (plan->o.precision == TWI_BRAIN && is_frozen && !is_plain &&
        !is_near_output(plan, &plan->program.ops.at[last]))
        status = ask(b, c, TWI_DIRECT, TWI_BF16, false, err);
    if (!status && !c->kernel && plan->o.trials && is_frozen && plan->o.precision != TWI_EXACT)
        status = find_by_trial(b, c, err);
    if (!status && !c->kernel && is_plain)
        return ask(b, c, TWI_REFERENCE, TWI_F32, true, err);
    if (!status && !c->kernel && plan->o.precision == TWI_PRECISE && is_frozen && twi_op_is(op, "conv"))
        status = ask(b, c, TWI_WINOGRAD, TWI_F32, false, err);
    if (!status && !c->kernel)
        status = ask(b, c, TWI_DIRECT, TWI_F32, true, err);
    if (!status && !c->kernel)
        status = twi_fail(err, TW_EFAILED, "layer '%s': no kernel for op %s", op->label, op->kind->name);
    return status;
}
