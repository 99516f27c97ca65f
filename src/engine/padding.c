// Padding: zeros around a picture become the padding of the convolution that reads it, trained or not. For a
// largest-of-window pool only where nothing is below zero (behind a ReLU) and every window holds a real pixel.

#include "engine/inside.h"

#include <string.h>

// The op that makes a value, if it is of this kind.
static const twi_program_op *maker(const twi_program *g, twi_value v, const char *kind)
{
    const twi_value_info *info = &g->values.at[v];
    bool is_made = info->kind == TWI_VALUE_TEMP && info->op >= 0;
    return is_made && twi_op_is(&g->ops.at[info->op], kind) ? &g->ops.at[info->op] : NULL;
}

static bool is_never_negative(const twi_program *g, twi_value v)
{
    const twi_program_op *op = maker(g, v, "activation");
    if (!op)
        return false;
    const twi_activation_params *p = op->params;
    return p->function == TWI_SIGMOID || (p->function == TWI_RELU && p->beta == 0 && p->threshold >= 0);
}

static bool add_pads(const int64_t pad[4], int64_t to[4])
{
    for (int i = 0; i < 4; i++)
        if (pad[i] < 0)
            return false;
    for (int i = 0; i < 4; i++)
        to[i] += pad[i];
    return true;
}

// Gives a conv or pool the padding in front of it; the pad op stays for whoever else reads it.
static tw_status take_padding(twi_program *g, twi_program_op *op, tw_err *err)
{
    const twi_program_op *pad = maker(g, op->in[0], "pad");
    bool is_conv = twi_op_is(op, "conv"), is_taken;
    if (!pad || !(is_conv || twi_op_is(op, "pool")))
        return TW_OK;
    const int64_t *pads = ((const twi_pad_params *)pad->params)->pad;
    void *params = twi_arena_new(&g->arena, 1, op->kind->params_size, err);
    if (!params)
        return TW_ENOMEM;
    memcpy(params, op->params, op->kind->params_size);
    if (is_conv) {
        is_taken = add_pads(pads, ((twi_conv_params *)params)->pad);
    } else {
        twi_pool_params *p = params;
        is_taken = !p->is_mean && is_never_negative(g, pad->in[0]) && add_pads(pads, p->pad);
        for (int i = 0; i < 4; i++)
            is_taken = is_taken && p->pad[i] < p->window[i / 2];
    }
    if (is_taken) {
        op->params = params;
        op->in[0] = pad->in[0];
    }
    return TW_OK;
}

tw_status twi_plan_take_padding(twi_plan *plan, tw_err *err)
{
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < plan->program.ops.n; i++)
        status = take_padding(&plan->program, &plan->program.ops.at[i], err);
    return status ? status : twi_plan_prune_dead(plan, err);
}
