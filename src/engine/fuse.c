// Fusing: what follows an op and could be done by its kernel, before the result is stored.
//
// An activation, or the addition of a value that exists already (the other arm of a residual block), joins the op in front
// of it if nobody else reads the value in between: no other op, not the way back, not the caller. Of two arms that are
// added, the one computed last does the adding. Whether a kernel can is the kernel's to say: choose.c asks.

#include "engine/inside.h"

static bool takes_fusion(const twi_program_op *op)
{
    return twi_op_is(op, "conv") || twi_op_is(op, "matmul") || twi_op_is(op, "binary") ||
           twi_op_is(op, "batch_norm") || twi_op_is(op, "conv_transpose");
}

static bool fuse_activation(const twi_program_op *next, twi_fusion *f)
{
    const twi_activation_params *p = next->params;
    *f = (twi_fusion){
        .what = TWI_FUSE_ACTIVATION, .activation = (int)p->function, .alpha = p->alpha, .beta = p->beta};
    return p->threshold == 0;
}

static bool fuse_add(const twi_plan_builder *b, const twi_program_op *next, twi_value x, twi_fusion *f,
                     twi_value *other)
{
    const twi_plan *plan = b->plan;
    if (((const twi_binary_params *)next->params)->function != TWI_ADD)
        return false;
    *other = next->in[0] == x ? next->in[1] : next->in[0];
    *f = (twi_fusion){.what = TWI_FUSE_ADD};
    tw_shape one = twi_plan_shape(plan, x), two = twi_plan_shape(plan, *other);
    return *other != x && twi_shape_same(&one, &two) && twi_plan_is_stored(b, *other);
}

int twi_plan_fuse(const twi_plan_builder *b, int op, twi_fusion *fusion, int *from, twi_value *further)
{
    const twi_program *g = &b->plan->program;
    const twi_program_op *first = &g->ops.at[op];
    twi_value x = first->out[0];
    int n = 0, n_in = first->kind->in_max;
    if (b->plan->o.no_fusion || b->plan->o.is_reference || !takes_fusion(first))
        return 0;
    while (n < TWI_FUSION_MAX && b->n_users[x] == 1 && b->user[x] >= 0 &&
           !(b->plan->facts.at[twi_plan_root(b->plan, x)] & TWI_FACT_KEPT)) {
        const twi_program_op *next = &g->ops.at[b->user[x]];
        further[n] = TWI_NONE;
        if (twi_op_is(next, "activation") ? !fuse_activation(next, &fusion[n])
                                          : !twi_op_is(next, "binary") || n_in >= TWI_OP_IN_MAX ||
                                                !fuse_add(b, next, x, &fusion[n], &further[n]))
            break;
        if (further[n] != TWI_NONE)
            fusion[n].input = n_in++;
        from[n++] = b->user[x];
        x = next->out[0];
    }
    return n;
}
