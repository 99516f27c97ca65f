// activation: elementwise functions, forward and backward; and their names as post-ops of other primitives.
//
// Only functions that the library computes as the op defines them. It works in whatever layout the input comes in.
// Silu in f32 without AVX-512 is our own: the library's is three times slower, also as part of a convolution (twi_own_silu).
// Functions made of two (hard_sigmoid) run as two steps forward; backward of those is left to the reference.

#include "op/onednn/dnnl.h"
#include "op/silu.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

// With a ceiling: clip of (-∞ or 0 …); clip_v2's gradient is zero on the ends, as Keras's.
static int relu_chain(double ceiling, double slope, double threshold, twi_eltwise *chain)
{
    if (threshold != 0)
        return -1;
    if (isinf(ceiling)) {
        chain[0] = (twi_eltwise){dnnl_eltwise_relu, (float)slope, 0};
        return 1;
    }
    if (slope == 0) {
        chain[0] = (twi_eltwise){dnnl_eltwise_clip_v2, 0, (float)ceiling};
        return 1;
    }
    chain[0] = (twi_eltwise){dnnl_eltwise_relu, (float)slope, 0};
    chain[1] = (twi_eltwise){dnnl_eltwise_clip_v2, -FLT_MAX, (float)ceiling};
    return 2;
}

int twi_eltwise_chain(int activation, double alpha, double beta, double threshold,
                      twi_eltwise chain[TWI_ELTWISE_MAX])
{
    static const struct {
        int activation;
        twi_eltwise eltwise;
    } simple[] = {
        {TWI_SIGMOID, {dnnl_eltwise_logistic, 0, 0}},
        {TWI_TANH, {dnnl_eltwise_tanh, 0, 0}},
        {TWI_SILU, {dnnl_eltwise_swish, 1, 0}},
        {TWI_SOFTPLUS, {dnnl_eltwise_soft_relu, 1, 0}},
        {TWI_EXPONENTIAL, {dnnl_eltwise_exp, 0, 0}},
        {TWI_HARD_SILU, {dnnl_eltwise_hardswish, 1.0f / 6, 0.5f}},
        {TWI_GELU, {dnnl_eltwise_gelu_erf, 0, 0}},
        {TWI_GELU_TANH, {dnnl_eltwise_gelu_tanh, 0, 0}},
        {TWI_MISH, {dnnl_eltwise_mish, 0, 0}},
        {TWI_SQRT, {dnnl_eltwise_sqrt, 0, 0}},
        {TWI_HARD_TANH, {dnnl_eltwise_clip_v2, -1, 1}},
    };
    switch (activation) {
    case TWI_LINEAR:
        return 0;
    case TWI_RELU:
        return relu_chain(alpha, beta, threshold, chain);
    case TWI_ELU:
        chain[0] = (twi_eltwise){dnnl_eltwise_elu, (float)alpha, 0};
        return 1;
    case TWI_HARD_SIGMOID:
        chain[0] = (twi_eltwise){dnnl_eltwise_linear, 1.0f / 6, 0.5f};
        chain[1] = (twi_eltwise){dnnl_eltwise_clip_v2, 0, 1};
        return 2;
    default:
        break;
    }
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
        if (simple[i].activation == activation) {
            chain[0] = simple[i].eltwise;
            return 1;
        }
    return -1;
}

static dnnl_primitive_desc_t forward_pd(twi_builder *b, twi_lent_md md, const twi_eltwise *f)
{
    if (b->is_over)
        return NULL;
    dnnl_status_t status = dnnl_eltwise_forward_primitive_desc_create(
        twi_pd_at(b), b->engine, dnnl_forward_training, f->kind, md, md, f->alpha, f->beta, b->attr);
    if (!twi_pd(b, status))
        twi_give_up(b);
    return b->is_over ? NULL : twi_pd_last(b);
}

bool twi_own_silu(int activation)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa(), wide = (unsigned)dnnl_cpu_isa_avx512_core;
    return activation == TWI_SILU && (isa & wide) != wide && twi_silu_runs_here();
}

// Number by number, so in any layout; zeros that fill up blocks of channels stay zeros.
static void run_silu(const twi_kernel *kernel, const twi_kernel_args *args)
{
    size_t bytes = twi_layout_bytes(kernel->out_layout, &kernel->request.out[0]);
    twi_silu_run(args->in[0], args->out[0], (int64_t)(bytes / sizeof(float)));
}

static void forward_silu(twi_builder *b, twi_lent_md md)
{
    twi_ask_in(b, 0, TWI_AXES_IMAGE, 1, md);
    twi_leave_out(b, TWI_AXES_IMAGE, md);
    twi_add_work(b, run_silu);
    if (!b->is_over)
        snprintf(b->kernel->impl, sizeof b->kernel->impl, "silu avx2");
}

static void forward(twi_builder *b, const twi_eltwise *chain, int n)
{
    twi_lent_md md = twi_hinted(b, 0, TWI_AXES_IMAGE);
    const twi_activation_params *p = b->request->params;
    if (md && twi_md_type(md) == dnnl_f32 && b->request->dtype == TWI_F32 && twi_own_silu(p->function)) {
        forward_silu(b, md);
        return;
    }
    dnnl_primitive_desc_t pd = forward_pd(b, md, &chain[0]);
    if (!pd)
        return;
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, md);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, md);
    twi_add_step(b, pd);
    for (int i = 1; i < n; i++) { // the others work in place
        pd = forward_pd(b, md, &chain[i]);
        twi_bind(b, DNNL_ARG_SRC, TWI_OUT(0), md);
        twi_bind(b, DNNL_ARG_DST, TWI_OUT(0), md);
        twi_add_step(b, pd);
    }
}

static void backward(twi_builder *b, const twi_eltwise *f)
{
    twi_lent_md md = twi_dense(b, &b->request->in[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    dnnl_primitive_desc_t hint = forward_pd(b, md, f);
    if (!hint)
        return;
    dnnl_status_t status = dnnl_eltwise_backward_primitive_desc_create(
        twi_pd_at(b), b->engine, f->kind, md, md, md, f->alpha, f->beta, hint, b->attr);
    if (!twi_pd(b, status)) {
        twi_give_up(b);
        return;
    }
    twi_bind_in(b, DNNL_ARG_SRC, 0, TWI_AXES_IMAGE, 1, md);
    twi_bind_grad_out(b, DNNL_ARG_DIFF_DST, TWI_AXES_IMAGE, md);
    twi_bind_grad_in(b, DNNL_ARG_DIFF_SRC, 0, TWI_AXES_IMAGE, 1, md);
    twi_add_step(b, twi_pd_last(b));
}

twi_kernel *twi_dnnl_activation(const twi_kernel_request *request, tw_err *err)
{
    const twi_activation_params *p = request->params;
    twi_eltwise chain[TWI_ELTWISE_MAX];
    bool is_forward = request->direction == TWI_FORWARD;
    int n = twi_eltwise_chain(p->function, p->alpha, p->beta, p->threshold, chain);
    twi_builder b;
    if (n < 1 || (!is_forward && (n > 1 || !(request->kind->backward_reads & TWI_READS_IN(0)))))
        return NULL;
    if (!twi_build(&b, request, "eltwise", 0, err))
        return NULL;
    if (is_forward)
        forward(&b, chain, n);
    else
        backward(&b, &chain[0]);
    return twi_built(&b);
}
