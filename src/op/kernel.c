// Kernels: oneDNN's where the row has an entry that takes the request, else the reference in the same dress.

#include "op/row.h"

#include <stdio.h>
#include <string.h>

static twi_view view_of(const tw_shape *shape, const void *data)
{
    // Views are written through only where the row says so (moving statistics of batch_norm).
    return (twi_view){TWI_F32, *shape, (void *)data};
}

static void run_fusion(const twi_fusion *f, const twi_kernel_args *args, float *y, int64_t n)
{
    if (f->what == TWI_FUSE_ACTIVATION) {
        twi_activation_params p = {(twi_activation)f->activation, f->alpha, f->beta, 0};
        twi_activation_run(&p, y, y, n);
        return;
    }
    const float *other = args->in[f->input];
    for (int64_t i = 0; i < n; i++)
        y[i] += other[i];
}

// The op's own inputs: further ones belong to fusions.
static int own_inputs(const twi_kernel_request *r)
{
    int n = r->n_in;
    for (int i = 0; i < r->n_fusion; i++)
        if (r->fusion[i].what == TWI_FUSE_ADD && r->fusion[i].input < n)
            n = r->fusion[i].input;
    return n;
}

static tw_status reference_run(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_kernel_request *r = &kernel->request;
    twi_op_call call = {.n_in = own_inputs(r), .n_out = r->n_out, .seed = args->seed, .step = args->step};
    bool is_forward = r->direction == TWI_FORWARD;
    for (int i = 0; i < call.n_in; i++) {
        bool is_read = !r->is_absent[i] && (is_forward || r->kind->backward_reads & TWI_READS_IN(i));
        bool is_wanted = !is_forward && r->grads_wanted >> i & 1;
        call.in[i] = view_of(&r->in[i], is_read ? args->in[i] : NULL);
        call.grad_in[i] = view_of(&r->in[i], is_wanted ? args->grad_in[i] : NULL);
    }
    for (int i = 0; i < r->n_out; i++)
        call.out[i] = view_of(&r->out[i], args->out[i]);
    if (is_forward) {
        r->kind->forward(kernel->params, &call);
        for (int i = 0; i < r->n_fusion; i++)
            run_fusion(&r->fusion[i], args, args->out[0], twi_shape_count(&r->out[0]));
        return TW_OK;
    }
    call.grad_out = view_of(&r->out[0], args->grad_out);
    r->kind->backward(kernel->params, &call);
    return TW_OK;
}

static twi_kernel *reference_new(const twi_kernel_request *request, tw_err *err)
{
    if (request->direction == TWI_BACKWARD && !request->kind->backward)
        return NULL;
    twi_kernel *kernel = twi_new(1, sizeof *kernel, "a kernel", err);
    if (!kernel)
        return NULL;
    snprintf(kernel->impl, sizeof kernel->impl, "reference");
    kernel->run = reference_run;
    return kernel;
}

// Shapes are what infer makes of them, and fusions name what is there: then no function below needs to check again.
static tw_status check(const twi_kernel_request *r, tw_err *err)
{
    tw_shape out[TWI_OP_OUT_MAX], in[TWI_OP_IN_MAX];
    int n_out = 0, n_in = own_inputs(r);
    if (n_in < r->kind->in_min || n_in > r->kind->in_max || r->n_fusion > TWI_FUSION_MAX)
        return twi_fail(err, TW_EINVAL, "%s: a kernel cannot have %d inputs", r->kind->name, n_in);
    for (int i = 0; i < n_in; i++)
        in[i] = r->is_absent[i] ? (tw_shape){0} : r->in[i];
    tw_status status = r->kind->infer(r->params, n_in, in, out, &n_out, err);
    if (status)
        return status;
    if (n_out != r->n_out)
        return twi_fail(err, TW_EINVAL, "%s: a kernel was asked for %d results, the op has %d", r->kind->name,
                        r->n_out, n_out);
    for (int i = 0; i < n_out; i++)
        if (!twi_shape_same(&out[i], &r->out[i]))
            return twi_fail(err, TW_EINVAL, "%s: a kernel was asked for another shape than the op gives",
                            r->kind->name);
    for (int i = 0; i < r->n_fusion; i++) {
        const twi_fusion *f = &r->fusion[i];
        if (f->what == TWI_FUSE_ADD && (f->input >= r->n_in || !twi_shape_same(&r->in[f->input], &out[0])))
            return twi_fail(err, TW_EINVAL, "%s: a fused addition needs an input of the result's shape",
                            r->kind->name);
    }
    return TW_OK;
}

// Keeps what the kernel was made for. Layout hints were only lent.
static bool keep_request(twi_kernel *kernel, const twi_kernel_request *request, tw_err *err)
{
    kernel->params = twi_new(1, request->kind->params_size, "a kernel's parameters", err);
    if (!kernel->params)
        return false;
    if (request->kind->params_size)
        memcpy(kernel->params, request->params, request->kind->params_size);
    kernel->request = *request;
    kernel->request.params = kernel->params;
    memset(kernel->request.in_layout, 0, sizeof kernel->request.in_layout);
    return true;
}

twi_kernel *twi_kernel_new(const twi_kernel_request *request, tw_err *err)
{
    tw_err own = {0};
    twi_kernel *kernel = NULL;
    bool is_reference = request->algorithm == TWI_REFERENCE;
    if (check(request, &own) == TW_OK) {
        if (!is_reference && request->kind->dnnl)
            kernel = request->kind->dnnl(request, &own);
        if (!is_reference && !kernel && !own.status && request->kind->own)
            kernel = request->kind->own(request, &own);
        // A fused request that oneDNN does not take is better served unfused, so it gets a reference only by name.
        bool may_fall_back = is_reference || (request->algorithm == TWI_DIRECT && !request->n_fusion);
        if (!kernel && !own.status && may_fall_back)
            kernel = reference_new(request, &own);
    }
    if (kernel && !keep_request(kernel, request, &own)) {
        twi_kernel_free(kernel);
        kernel = NULL;
    }
    if (own.status && err && !err->status)
        *err = own;
    return kernel;
}

void twi_kernel_free(twi_kernel *kernel)
{
    if (!kernel)
        return;
    if (kernel->free)
        kernel->free(kernel); // its state and layouts
    twi_free(kernel->params);
    twi_free(kernel);
}
