// Folding: a scale and offset of channels behind a convolution or matmul goes into its weights.
//
//   y = (x ∗ k + b) · s + t   is   x ∗ (k · s) + (b · s + t)
// s and t come from an inference batch_norm (s = gamma / sqrt(variance + epsilon), t = beta − mean · s) or from a binary
// op with a constant of one number, or one a channel. Only where all of it is constant, and nobody else reads the value in
// between. Exact up to rounding; also right on the way back, where only the gradient of x is left.
//
// Where the weights of a convolution are trained and s and t are not (fine-tuning with frozen batch_norm), k · s becomes an
// op of its own on the weights, computed in each run: it has a gradient like any other, and passes over a kernel instead of
// over pictures, forward and back. Where there is nothing to fold into, scales and offsets in a row still become one pass.

#include "engine/inside.h"

#include <string.h>

// A constant with one number, or one for each of c channels, that does not widen the other side.
static bool is_per_channel(const twi_plan *plan, twi_value v, int64_t c, int rank)
{
    const tw_shape *s = &plan->program.values.at[v].shape;
    int64_t n = twi_shape_count(s);
    return (plan->facts.at[v] & TWI_FACT_CONSTANT) && s->rank <= rank &&
           (n == 1 || (n == c && twi_shape_last(s) == c));
}

static bool read_norm(const twi_plan *plan, const twi_program_op *op, twi_value x, twi_affine *a)
{
    const twi_batch_norm_params *p = op->params;
    if (p->is_training || op->in[0] != x)
        return false;
    *a = (twi_affine){.what = TWI_AFFINE_NORM, .epsilon = p->epsilon};
    for (int i = 1; i < 5; i++) {
        a->value[i - 1] = op->in[i];
        if (op->in[i] != TWI_NONE && !(plan->facts.at[op->in[i]] & TWI_FACT_CONSTANT))
            return false;
    }
    return true;
}

static bool read_binary(const twi_plan *plan, const twi_program_op *op, twi_value x, twi_affine *a)
{
    twi_binary function = ((const twi_binary_params *)op->params)->function;
    bool is_right = op->in[1] == x; // constant ∘ x
    twi_value other = is_right ? op->in[0] : op->in[1];
    const tw_shape *shape = &plan->program.values.at[x].shape;
    if (other == x || !is_per_channel(plan, other, twi_shape_last(shape), shape->rank))
        return false;
    *a = (twi_affine){.value = {other}};
    switch (function) {
    case TWI_ADD:
        a->what = TWI_AFFINE_ADD;
        return true;
    case TWI_SUB:
        a->what = is_right ? TWI_AFFINE_FROM : TWI_AFFINE_SUB;
        return true;
    case TWI_MUL:
        a->what = TWI_AFFINE_MUL;
        return true;
    case TWI_DIV:
        a->what = TWI_AFFINE_DIV;
        return !is_right;
    default:
        return false;
    }
}

static bool read_affine(const twi_plan *plan, const twi_program_op *op, twi_value x, twi_affine *a)
{
    if (twi_op_is(op, "batch_norm"))
        return read_norm(plan, op, x, a);
    return twi_op_is(op, "binary") && read_binary(plan, op, x, a);
}

static bool changes_scale(const twi_affine *a)
{
    return a->what != TWI_AFFINE_ADD && a->what != TWI_AFFINE_SUB;
}

static twi_value new_constant(twi_plan *plan, const tw_shape *shape, tw_err *err)
{
    twi_value_info info = {.kind = TWI_VALUE_CONSTANT, .shape = *shape, .op = -1};
    return twi_plan_value(plan, &info, TWI_FACT_CONSTANT, err);
}

// Gives the op the folded weights, as new values.
static tw_status replace_weights(twi_plan *plan, twi_program_op *op, twi_derived *d, tw_err *err)
{
    bool has_scale = false, has_offset = d->bias != TWI_NONE;
    for (int i = 0; i < d->n_affine; i++) {
        has_scale |= changes_scale(&d->affine[i]);
        has_offset |= d->affine[i].what != TWI_AFFINE_MUL && d->affine[i].what != TWI_AFFINE_DIV;
    }
    tw_shape kernel = plan->program.values.at[d->kernel].shape, bias = TWI_SHAPE(twi_shape_last(&kernel));
    d->new_kernel = has_scale ? new_constant(plan, &kernel, err) : TWI_NONE;
    d->new_bias = has_offset ? new_constant(plan, &bias, err) : TWI_NONE;
    if ((has_scale && d->new_kernel == TWI_NONE) || (has_offset && d->new_bias == TWI_NONE) ||
        !twi_vec_push(&plan->derived, *d, err))
        return TW_ENOMEM;
    if (has_scale)
        op->in[1] = d->new_kernel;
    op->in[2] = d->new_bias;
    op->n_in = 3;
    return TW_OK;
}

// Ops that are to run before op `before`.
typedef struct insertion {
    int before;
    twi_program_op op;
} insertion;
typedef twi_vec(insertion) insertions;

// a ∘ b, to run before op i: its result, of a's shape.
static twi_value insert_binary(twi_plan *plan, insertions *list, int i, twi_value a, twi_value b,
                               twi_binary function, tw_err *err)
{
    twi_program *g = &plan->program;
    const twi_program_op *before = &g->ops.at[i];
    twi_binary_params *params = twi_arena_new(&g->arena, 1, sizeof *params, err);
    uint8_t facts = (uint8_t)((plan->facts.at[a] | plan->facts.at[b]) & ~TWI_FACT_CONSTANT);
    twi_value_info info = {.kind = TWI_VALUE_TEMP, .shape = g->values.at[a].shape, .op = 0};
    twi_value y = params ? twi_plan_value(plan, &info, facts, err) : TWI_NONE;
    if (y == TWI_NONE)
        return TWI_NONE;
    params->function = function;
    insertion one = {.before = i,
                     .op = {.kind = &twi_op_binary,
                            .params = params,
                            .n_in = 2,
                            .n_out = 1,
                            .in = {a, b},
                            .out = {y},
                            .label = before->label,
                            .node = before->node}};
    return twi_vec_push(list, one, err) ? y : TWI_NONE;
}

// Gives the op weights that are scaled in each run.
static tw_status scale_weights(twi_plan *plan, int i, twi_derived *d, insertions *list, tw_err *err)
{
    twi_program_op *op = &plan->program.ops.at[i];
    tw_shape channels = TWI_SHAPE(twi_shape_last(&plan->program.values.at[op->in[1]].shape));
    twi_value bias = op->n_in > 2 ? op->in[2] : TWI_NONE;
    d->kernel = d->bias = TWI_NONE; // of one and of nothing: what is left is s and t
    d->new_kernel = new_constant(plan, &channels, err);
    d->new_bias = d->new_kernel == TWI_NONE ? TWI_NONE : new_constant(plan, &channels, err);
    if (d->new_bias == TWI_NONE || !twi_vec_push(&plan->derived, *d, err))
        return TW_ENOMEM;
    op->in[1] = insert_binary(plan, list, i, op->in[1], d->new_kernel, TWI_MUL, err);
    op->in[2] = d->new_bias;
    op->n_in = 3;
    if (op->in[1] == TWI_NONE)
        return TW_ENOMEM;
    if (bias == TWI_NONE)
        return TW_OK;
    bias = insert_binary(plan, list, i, bias, d->new_kernel, TWI_MUL, err);
    op->in[2] = bias == TWI_NONE ? TWI_NONE : insert_binary(plan, list, i, bias, d->new_bias, TWI_ADD, err);
    return op->in[2] == TWI_NONE ? TW_ENOMEM : TW_OK;
}

static tw_status apply_insertions(twi_program *g, const insertions *list, tw_err *err)
{
    size_t n = g->ops.n, total = n + list->n, from = list->n;
    if (!twi_vec_reserve(&g->ops, total, err))
        return TW_ENOMEM;
    g->ops.n = total;
    for (size_t i = n; i-- > 0;) { // from the end, so that nothing is written over
        g->ops.at[--total] = g->ops.at[i];
        while (from && list->at[from - 1].before == (int)i)
            g->ops.at[--total] = list->at[--from].op;
    }
    for (size_t i = 0; i < g->ops.n; i++)
        for (int j = 0; j < g->ops.at[i].n_out; j++)
            if (g->values.at[g->ops.at[i].out[j]].op >= 0)
                g->values.at[g->ops.at[i].out[j]].op = (int)i;
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------------------- the pass

static bool is_constant(const twi_plan *plan, twi_value v)
{
    return plan->facts.at[v] & TWI_FACT_CONSTANT;
}

typedef enum way {
    NOT_AT_ALL,
    INTO_CONSTANTS, // weights and bias are constants
    INTO_TRAINED    // a trained convolution whose pictures are larger than its kernel
} way;

static way way_of(const twi_plan *plan, const twi_program_op *op)
{
    bool is_conv = twi_op_is(op, "conv");
    if (!is_conv && !twi_op_is(op, "matmul"))
        return NOT_AT_ALL;
    if (is_constant(plan, op->in[1]) &&
        (op->n_in < 3 || op->in[2] == TWI_NONE || is_constant(plan, op->in[2])))
        return INTO_CONSTANTS;
    const twi_value_info *values = plan->program.values.at;
    bool is_worth_it =
        twi_shape_count(&values[op->in[1]].shape) <= twi_shape_count(&values[op->out[0]].shape);
    return is_conv && is_worth_it ? INTO_TRAINED : NOT_AT_ALL;
}

// Takes what follows op i into *d, as long as it goes; marks the ops taken in `keep`.
static void follow(twi_plan_builder *b, int i, bool *keep, twi_derived *d)
{
    twi_program *g = &b->plan->program;
    twi_program_op *op = &g->ops.at[i];
    while (d->n_affine < TWI_FOLDS_MAX) {
        twi_value x = op->out[0];
        if (b->n_users[x] != 1 || b->user[x] < 0)
            break;
        const twi_program_op *next = &g->ops.at[b->user[x]];
        twi_value y = next->out[0];
        if (!twi_shape_same(&g->values.at[x].shape, &g->values.at[y].shape) ||
            !read_affine(b->plan, next, x, &d->affine[d->n_affine]))
            break;
        d->n_affine++;
        keep[b->user[x]] = false;
        g->values.at[x].op = -1;
        g->values.at[y].op = i;
        op->out[0] = d->result = y;
    }
}

static tw_status fold_into(twi_plan_builder *b, int i, way to, bool *keep, insertions *list, tw_err *err)
{
    twi_program_op *op = &b->plan->program.ops.at[i];
    twi_derived d = {.is_fold = true, .kernel = op->in[1], .bias = op->n_in > 2 ? op->in[2] : TWI_NONE};
    follow(b, i, keep, &d);
    if (!d.n_affine)
        return TW_OK;
    return to == INTO_TRAINED ? scale_weights(b->plan, i, &d, list, err)
                              : replace_weights(b->plan, op, &d, err);
}

// ------------------------------------------------------------------------------------------------------------- in a chain

// A constant of the program: c times the same number.
static twi_value repeat_number(twi_plan *plan, int64_t c, float number, tw_err *err)
{
    float *data = twi_arena_new(&plan->program.arena, (size_t)c, sizeof *data, err);
    twi_value_info info = {.kind = TWI_VALUE_CONSTANT, .shape = TWI_SHAPE(c), .op = -1, .constant = data};
    for (int64_t k = 0; data && k < c; k++)
        data[k] = number;
    return data ? twi_plan_value(plan, &info, TWI_FACT_CONSTANT, err) : TWI_NONE;
}

// Makes op i a batch_norm with gamma s, beta t, mean 0 and variance 1.
static tw_status become_norm(twi_plan *plan, int i, twi_value x, twi_derived *d, tw_err *err)
{
    int64_t c = twi_shape_last(&plan->program.values.at[x].shape);
    twi_batch_norm_params *p = twi_arena_new(&plan->program.arena, 1, sizeof *p, err);
    twi_value mean = repeat_number(plan, c, 0, err), variance = repeat_number(plan, c, 1, err);
    d->new_kernel = new_constant(plan, &TWI_SHAPE(c), err);
    d->new_bias = new_constant(plan, &TWI_SHAPE(c), err);
    if (!p || mean == TWI_NONE || variance == TWI_NONE || d->new_kernel == TWI_NONE ||
        d->new_bias == TWI_NONE || !twi_vec_push(&plan->derived, *d, err))
        return TW_ENOMEM;
    p->epsilon = 1e-30; // must be above 0; adds nothing to 1
    twi_program_op *op = &plan->program.ops.at[i];
    op->kind = &twi_op_batch_norm;
    op->params = p;
    op->n_in = 5;
    twi_value in[] = {x, d->new_kernel, d->new_bias, mean, variance};
    memcpy(op->in, in, sizeof in);
    return TW_OK;
}

// Several scales and offsets in a row (preprocessing) become one pass.
static tw_status join_chain(twi_plan_builder *b, int i, bool *keep, tw_err *err)
{
    twi_plan *plan = b->plan;
    const twi_program_op *op = &plan->program.ops.at[i];
    if (!twi_op_is(op, "batch_norm") && !twi_op_is(op, "binary"))
        return TW_OK;
    twi_value x = is_constant(plan, op->in[0]) ? op->in[1] : op->in[0];
    twi_derived d = {.is_fold = true, .kernel = TWI_NONE, .bias = TWI_NONE, .result = op->out[0]};
    if ((plan->facts.at[x] & TWI_FACT_TRAINED) || plan->program.values.at[x].shape.rank < 2 ||
        !twi_shape_same(&plan->program.values.at[x].shape, &plan->program.values.at[op->out[0]].shape) ||
        !read_affine(plan, op, x, &d.affine[0]))
        return TW_OK;
    d.n_affine = 1;
    follow(b, i, keep, &d);
    return d.n_affine > 1 ? become_norm(plan, i, x, &d, err) : TW_OK;
}

static tw_status fold_op(twi_plan_builder *b, int i, bool *keep, insertions *list, tw_err *err)
{
    way to = way_of(b->plan, &b->plan->program.ops.at[i]);
    return to ? fold_into(b, i, to, keep, list, err) : join_chain(b, i, keep, err);
}

tw_status twi_plan_fold(twi_plan_builder *b, tw_err *err)
{
    twi_program *g = &b->plan->program;
    insertions list = {0};
    tw_status status = twi_plan_count_users(b, err);
    bool *keep = twi_new(g->ops.n, sizeof *keep, "a plan", err);
    if (!keep)
        return TW_ENOMEM;
    for (size_t i = 0; i < g->ops.n; i++)
        keep[i] = true;
    for (size_t i = 0; !status && i < g->ops.n; i++)
        if (keep[i])
            status = fold_op(b, (int)i, keep, &list, err);
    // Positions are those before pruning: what was folded away goes first with its own positions.
    for (size_t i = 0; !status && i < list.n; i++) {
        int gone = 0;
        for (int k = 0; k < list.at[i].before; k++)
            gone += !keep[k];
        list.at[i].before -= gone;
    }
    if (!status) {
        twi_plan_prune_ops(g, keep);
        status = apply_insertions(g, &list, err);
    }
    twi_vec_clear(&list);
    twi_free(keep);
    return status;
}
