// Running an exported model's ops, as they will be written. See export.h.

#include "format/export.h"

#include <string.h>

int64_t twi_export_inputs_size(const twi_export *x)
{
    int64_t n = 0;
    for (size_t i = 0; i < x->program.values.n; i++)
        if (x->program.values.at[i].kind == TWI_VALUE_INPUT)
            n += twi_shape_count(&x->program.values.at[i].shape);
    return n;
}

int64_t twi_export_outputs_size(const twi_export *x)
{
    int64_t n = 0;
    for (int i = 0; i < x->n_out; i++)
        n += twi_shape_count(twi_export_shape(x, x->out[i]));
    return n;
}

// One op through its kernel, dense in and out.
static tw_status run_op(const twi_export *x, const twi_program_op *op, float *const *at, tw_err *err)
{
    twi_kernel_request r = {.kind = op->kind,
                            .params = op->params,
                            .direction = TWI_FORWARD,
                            .algorithm = TWI_DIRECT,
                            .n_in = op->n_in,
                            .n_out = op->n_out};
    twi_kernel_args args = {0};
    for (int i = 0; i < op->n_in; i++) {
        r.is_absent[i] = op->in[i] == TWI_NONE;
        if (r.is_absent[i])
            continue;
        r.in[i] = *twi_export_shape(x, op->in[i]);
        const float *numbers = twi_export_numbers(x, op->in[i]);
        args.in[i] = numbers ? numbers : at[op->in[i]];
    }
    for (int i = 0; i < op->n_out; i++) {
        r.out[i] = *twi_export_shape(x, op->out[i]);
        args.out[i] = at[op->out[i]];
    }
    if (op->kind->flags & TWI_OP_ALIAS) {
        memcpy(args.out[0], args.in[0], (size_t)twi_shape_count(&r.out[0]) * sizeof(float));
        return TW_OK;
    }
    twi_kernel *kernel = twi_kernel_new(&r, err);
    if (!kernel)
        return err && err->status ? err->status : TW_EUNSUPPORTED;
    args.scratch = twi_new_aligned(kernel->scratch_bytes + 1, 1, "scratch", err);
    tw_status status = args.scratch ? kernel->run(kernel, &args, err) : TW_ENOMEM;
    twi_free(args.scratch);
    twi_kernel_free(kernel);
    return status;
}

// A result is kept until its last reader has run.
static void release(const twi_export *x, const twi_program_op *op, float **at, int *left)
{
    for (int i = 0; i < op->n_in; i++) {
        twi_value v = op->in[i];
        if (v != TWI_NONE && --left[v] == 0) {
            twi_free(at[v]);
            at[v] = NULL;
        }
    }
    (void)x;
}

static tw_status run_all(const twi_export *x, const float *inputs, float **at, int *left, tw_err *err)
{
    const twi_program *p = &x->program;
    for (size_t i = 0; i < p->values.n; i++) {
        size_t n = (size_t)twi_shape_count(&p->values.at[i].shape);
        left[i] = x->uses[i];
        if (p->values.at[i].kind != TWI_VALUE_INPUT)
            continue;
        at[i] = twi_new_aligned(n, sizeof(float), "an input", err);
        if (!at[i])
            return TW_ENOMEM;
        memcpy(at[i], inputs, n * sizeof(float));
        inputs += n;
    }
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < p->ops.n; i++) {
        const twi_program_op *op = &p->ops.at[i];
        for (int j = 0; !status && j < op->n_out; j++) {
            at[op->out[j]] = twi_new_aligned((size_t)twi_shape_count(twi_export_shape(x, op->out[j])),
                                             sizeof(float), op->label, err);
            status = at[op->out[j]] ? TW_OK : TW_ENOMEM;
        }
        if (!status)
            status = run_op(x, op, at, err);
        release(x, op, at, left);
    }
    return status;
}

tw_status twi_export_run(const twi_export *x, const float *inputs, float *outputs, tw_err *err)
{
    size_t n = x->program.values.n;
    float **at = twi_new(n, sizeof *at, "values", err);
    int *left = twi_new(n, sizeof *left, "values", err);
    tw_status status = at && left ? run_all(x, inputs, at, left, err) : TW_ENOMEM;
    for (int i = 0; !status && i < x->n_out; i++) {
        size_t size = (size_t)twi_shape_count(twi_export_shape(x, x->out[i]));
        const float *numbers = twi_export_numbers(x, x->out[i]);
        memcpy(outputs, numbers ? numbers : at[x->out[i]], size * sizeof *outputs);
        outputs += size;
    }
    for (size_t i = 0; at && i < n; i++)
        twi_free(at[i]);
    twi_free(at);
    twi_free(left);
    return status;
}
