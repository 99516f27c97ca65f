// Constants: what is computed from weights when a plan is made, and again when it is refreshed.
//
// Each derived constant is computed dense, laid out for the kernels that want it otherwise, and given back at once unless
// some step reads it dense or a later one is computed from it: a plan holds each folded weight once.

#include "engine/inside.h"

#include <math.h>
#include <string.h>

const float *twi_plan_data(const twi_plan *plan, twi_value v)
{
    v = twi_plan_root(plan, v);
    const twi_value_info *info = &plan->program.values.at[v];
    if (info->kind == TWI_VALUE_WEIGHT)
        return info->weight->data;
    return plan->dense.at[v] ? plan->dense.at[v] : info->constant;
}

static float *dense_for(twi_plan *plan, twi_value v, tw_err *err)
{
    int64_t n = twi_shape_count(&plan->program.values.at[v].shape);
    if (!plan->dense.at[v])
        plan->dense.at[v] = twi_new_aligned((size_t)n, sizeof(float), "folded weights", err);
    return plan->dense.at[v];
}

// ------------------------------------------------------------------------------------------------------------- folding

static double number(const twi_plan *plan, twi_value v, int64_t channel, double otherwise)
{
    if (v == TWI_NONE)
        return otherwise;
    return twi_plan_data(plan, v)[twi_shape_count(&plan->program.values.at[v].shape) == 1 ? 0 : channel];
}

// The whole chain of folds of one channel as y = x · s + t.
static void affine_of(const twi_plan *plan, const twi_derived *d, int64_t channel, double *s, double *t)
{
    *s = 1;
    *t = 0;
    for (int i = 0; i < d->n_affine; i++) {
        const twi_affine *a = &d->affine[i];
        double v = a->what == TWI_AFFINE_NORM ? 0 : number(plan, a->value[0], channel, 0), scale = 1,
               offset = 0;
        switch (a->what) {
        case TWI_AFFINE_NORM:
            scale = number(plan, a->value[0], channel, 1) /
                    sqrt(number(plan, a->value[3], channel, 1) + a->epsilon);
            offset = number(plan, a->value[1], channel, 0) - number(plan, a->value[2], channel, 0) * scale;
            break;
        case TWI_AFFINE_ADD:
            offset = v;
            break;
        case TWI_AFFINE_SUB:
            offset = -v;
            break;
        case TWI_AFFINE_FROM:
            scale = -1, offset = v;
            break;
        case TWI_AFFINE_MUL:
            scale = v;
            break;
        case TWI_AFFINE_DIV:
            scale = 1 / v;
            break;
        }
        *s *= scale;
        *t = *t * scale + offset;
    }
}

static tw_status compute_fold(twi_plan *plan, const twi_derived *d, tw_err *err)
{
    const tw_shape *shape = &plan->program.values.at[d->kernel == TWI_NONE ? d->new_kernel : d->kernel].shape;
    int64_t channels = twi_shape_last(shape), rows = channels ? twi_shape_count(shape) / channels : 0;
    float *kernel = d->new_kernel == TWI_NONE ? NULL : dense_for(plan, d->new_kernel, err);
    float *bias = d->new_bias == TWI_NONE ? NULL : dense_for(plan, d->new_bias, err);
    double *scale = twi_new((size_t)channels, sizeof *scale, "folded weights", err);
    if (!scale || (d->new_kernel != TWI_NONE && !kernel) || (d->new_bias != TWI_NONE && !bias)) {
        twi_free(scale);
        return TW_ENOMEM;
    }
    for (int64_t c = 0; c < channels; c++) {
        double t;
        affine_of(plan, d, c, &scale[c], &t);
        if (bias)
            bias[c] = (float)(number(plan, d->bias, c, 0) * scale[c] + t);
    }
    const float *from = d->kernel == TWI_NONE ? NULL : twi_plan_data(plan, d->kernel);
    for (int64_t r = 0; kernel && r < rows; r++)
        for (int64_t c = 0; c < channels; c++)
            kernel[r * channels + c] = (float)((from ? from[r * channels + c] : 1) * scale[c]);
    twi_free(scale);
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------- ops on constants

static twi_view view_of(const twi_plan *plan, twi_value v)
{
    const tw_shape *shape = &plan->program.values.at[v].shape;
    // References only read their inputs: the const goes back on there.
    union {
        const float *in;
        void *out;
    } data = {.in = twi_plan_data(plan, v)};
    return (twi_view){TWI_F32, *shape, data.out};
}

static tw_status compute_op(twi_plan *plan, const twi_derived *d, tw_err *err)
{
    const twi_program_op *op = &d->op;
    twi_op_call call = {.n_in = op->n_in, .n_out = op->n_out};
    for (int i = 0; i < op->n_in; i++)
        if (op->in[i] != TWI_NONE)
            call.in[i] = view_of(plan, op->in[i]);
    for (int i = 0; i < op->n_out; i++) {
        if (!dense_for(plan, op->out[i], err))
            return TW_ENOMEM;
        call.out[i] = view_of(plan, op->out[i]);
    }
    op->kind->forward(op->params, &call);
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- laying out

static tw_status lay_out(twi_plan *plan, twi_prepared *p, tw_err *err)
{
    if (!p->data)
        p->data = twi_new_aligned(p->bytes, 1, "laid out weights", err);
    void *scratch = twi_new_aligned(p->reorder->scratch_bytes, 1, "laying out weights", err);
    tw_status status = p->data && scratch ? TW_OK : TW_ENOMEM;
    twi_kernel_args args = {.in = {twi_plan_data(plan, p->value)}, .out = {p->data}, .scratch = scratch};
    if (!status)
        status = p->reorder->run(p->reorder, &args, err);
    twi_free(scratch);
    return status;
}

// Lays out what is based on these values; NULL: on weights and the program's own constants.
static tw_status lay_out_all(twi_plan *plan, int n, const twi_value *values, tw_err *err)
{
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < plan->prepared.n; i++) {
        twi_value root = twi_plan_root(plan, plan->prepared.at[i].value);
        const twi_value_info *info = &plan->program.values.at[root];
        bool is_meant = !values && (info->kind == TWI_VALUE_WEIGHT || info->constant);
        for (int j = 0; j < n; j++)
            is_meant |= values[j] == root;
        if (is_meant)
            status = lay_out(plan, &plan->prepared.at[i], err);
    }
    return status;
}

static void give_back(twi_plan *plan, int n, const twi_value *values)
{
    for (int i = 0; i < n; i++)
        if (values[i] != TWI_NONE && !(plan->facts.at[values[i]] & TWI_FACT_DENSE)) {
            twi_free(plan->dense.at[values[i]]);
            plan->dense.at[values[i]] = NULL;
        }
}

tw_status twi_plan_prepare(twi_plan *plan, tw_err *err)
{
    tw_status status = lay_out_all(plan, 0, NULL, err);
    for (size_t i = 0; !status && i < plan->derived.n; i++) {
        const twi_derived *d = &plan->derived.at[i];
        twi_value made[] = {d->new_kernel, d->new_bias};
        status = d->is_fold ? compute_fold(plan, d, err) : compute_op(plan, d, err);
        if (!status)
            status =
                d->is_fold ? lay_out_all(plan, 2, made, err) : lay_out_all(plan, d->op.n_out, d->op.out, err);
        // Nothing is computed from folded weights; results of ops are small and may be read by later ones.
        if (d->is_fold)
            give_back(plan, 2, made);
    }
    for (size_t i = 0; i < plan->derived.n; i++)
        if (!plan->derived.at[i].is_fold)
            give_back(plan, plan->derived.at[i].op.n_out, plan->derived.at[i].op.out);
    return status;
}
