// Programs: the core of the emitter. See program.h. The wrapper of each op lives in its op_<name>.c.

#include "op/program.h"

#include <string.h>

void twi_program_clear(twi_program *program)
{
    twi_vec_clear(&program->values);
    twi_vec_clear(&program->ops);
    twi_arena_clear(&program->arena);
}

static bool has_failed(const twi_emitter *e)
{
    return e->err && e->err->status;
}

static twi_value add_value(twi_emitter *e, const twi_value_info *info)
{
    if (e->program->values.n >= INT32_MAX) {
        twi_fail(e->err, TW_EUNSUPPORTED, "more than %d values in one program are not supported yet",
                 INT32_MAX);
        return TWI_NONE;
    }
    if (!twi_vec_push(&e->program->values, *info, e->err))
        return TWI_NONE;
    return (twi_value)(e->program->values.n - 1);
}

twi_value twi_emit_input(twi_emitter *e, const tw_shape *shape, int index)
{
    if (has_failed(e))
        return TWI_NONE;
    return add_value(e,
                     &(twi_value_info){.kind = TWI_VALUE_INPUT, .shape = *shape, .op = -1, .index = index});
}

twi_value twi_emit_weight(twi_emitter *e, struct twi_weight *weight, const tw_shape *shape, bool is_trainable)
{
    if (has_failed(e))
        return TWI_NONE;
    return add_value(e, &(twi_value_info){.kind = TWI_VALUE_WEIGHT,
                                          .shape = *shape,
                                          .op = -1,
                                          .weight = weight,
                                          .is_trainable = is_trainable});
}

twi_value twi_emit_constant(twi_emitter *e, const tw_shape *shape, const float *data)
{
    int64_t n = twi_shape_count(shape);
    if (has_failed(e))
        return TWI_NONE;
    if (n < 0)
        TWI_BUG("a constant of unknown size");
    float *copy = twi_arena_new(&e->program->arena, (size_t)n, sizeof *copy, e->err);
    if (!copy)
        return TWI_NONE;
    memcpy(copy, data, (size_t)n * sizeof *copy);
    return add_value(
        e, &(twi_value_info){.kind = TWI_VALUE_CONSTANT, .shape = *shape, .op = -1, .constant = copy});
}

tw_shape twi_value_shape(const twi_emitter *e, twi_value v)
{
    if (v < 0)
        return (tw_shape){0};
    if ((size_t)v >= e->program->values.n)
        TWI_BUG("no such value in this program");
    return e->program->values.at[v].shape;
}

// A layer's ops share its name, so it is copied only when it changes.
static const char *label_of(twi_emitter *e)
{
    const char *label = e->label ? e->label : "";
    size_t n = e->program->ops.n;
    if (n && strcmp(e->program->ops.at[n - 1].label, label) == 0)
        return e->program->ops.at[n - 1].label;
    return twi_arena_strdup(&e->program->arena, label, e->err);
}

// Inputs and their shapes. Layers have checked what users can get wrong, so a wrong number here is our mistake.
static void take_inputs(twi_emitter *e, twi_program_op *op, const twi_value *in, tw_shape *shape)
{
    if (op->n_in < op->kind->in_min || op->n_in > op->kind->in_max)
        TWI_BUG("an op was emitted with a wrong number of inputs");
    for (int i = 0; i < op->n_in; i++) {
        op->in[i] = in[i];
        shape[i] = twi_value_shape(e, in[i]);
    }
    if (in[0] < 0)
        TWI_BUG("an op was emitted without its first input");
}

twi_value twi_emit(twi_emitter *e, const twi_op_kind *kind, const void *params, int n_in, const twi_value *in)
{
    twi_program *program = e->program;
    twi_program_op op = {.kind = kind, .n_in = n_in, .node = e->node};
    tw_shape shape[TWI_OP_IN_MAX], out[TWI_OP_OUT_MAX];
    if (has_failed(e))
        return TWI_NONE;
    take_inputs(e, &op, in, shape);
    if (kind->infer(params, n_in, shape, out, &op.n_out, e->err)) {
        if (e->label && *e->label)
            twi_err_context(e->err, "'%s'", e->label);
        return TWI_NONE;
    }
    void *copy = twi_arena_new(&program->arena, 1, kind->params_size, e->err);
    op.label = copy ? label_of(e) : NULL;
    if (!op.label)
        return TWI_NONE;
    if (kind->params_size)
        memcpy(copy, params, kind->params_size);
    op.params = copy;
    for (int i = 0; i < op.n_out; i++) {
        op.out[i] = add_value(
            e,
            &(twi_value_info){.kind = TWI_VALUE_TEMP, .shape = out[i], .op = (int)program->ops.n, .slot = i});
        if (op.out[i] == TWI_NONE)
            return TWI_NONE;
    }
    return twi_vec_push(&program->ops, op, e->err) ? op.out[0] : TWI_NONE;
}
