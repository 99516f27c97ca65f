// Fusion: activations and additions done on a result before it is stored, as the library's post-ops.
//
// An addition is a binary post-op that reads the other tensor (it must lie as the result does), not the library's "sum",
// which would need the result's memory to hold the other tensor beforehand.

#include "op/onednn/dnnl.h"

bool twi_fusion_adds(const twi_kernel_request *request, int *input)
{
    for (int i = 0; i < request->n_fusion; i++)
        if (request->fusion[i].what == TWI_FUSE_ADD) {
            *input = request->fusion[i].input;
            return true;
        }
    return false;
}

// *is_taken: false where the activation is none of the library's, or better done apart.
static dnnl_status_t append(dnnl_post_ops_t ops, const twi_fusion *f, twi_lent_md added, twi_dtype type,
                            bool *is_taken)
{
    twi_eltwise chain[TWI_ELTWISE_MAX];
    if (f->what == TWI_FUSE_ADD)
        return dnnl_post_ops_append_binary(ops, dnnl_binary_add, added);
    int n = twi_eltwise_chain(f->activation, f->alpha, f->beta, 0, chain);
    *is_taken = n >= 0 && !(type == TWI_F32 && twi_own_silu(f->activation));
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < n && status == dnnl_success; i++)
        status = dnnl_post_ops_append_eltwise(ops, chain[i].kind, chain[i].alpha, chain[i].beta);
    return status;
}

dnnl_primitive_attr_t twi_attr(twi_builder *b, dnnl_post_ops_t ops)
{
    dnnl_primitive_attr_t attr = NULL;
    if (b->is_over)
        return NULL;
    if (b->n_attr == TWI_BUILDER_ATTRS)
        TWI_BUG("a kernel has more attributes than the builder holds");
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        b->attrs[b->n_attr++] = attr;
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && ops)
        status = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (twi_dnnl_fail(status, "attributes", b->err))
        b->is_over = true;
    return attr;
}

dnnl_primitive_attr_t twi_fused(twi_builder *b, twi_lent_md added)
{
    const twi_kernel_request *r = b->request;
    dnnl_post_ops_t ops = NULL;
    bool is_taken = true;
    int n_added = 0;
    if (b->is_over)
        return NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    for (int i = 0; i < r->n_fusion && status == dnnl_success && is_taken; i++) {
        n_added += r->fusion[i].what == TWI_FUSE_ADD;
        status = append(ops, &r->fusion[i], added, r->dtype, &is_taken);
    }
    dnnl_primitive_attr_t attr = NULL;
    if (!is_taken || n_added > 1)
        twi_give_up(b);
    else if (twi_dnnl_fail(status, "post-ops", b->err))
        b->is_over = true;
    else
        attr = twi_attr(b, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return attr;
}

void twi_bind_fused(twi_builder *b, twi_axes axes, twi_lent_md added)
{
    const twi_kernel_request *r = b->request;
    twi_eltwise chain[TWI_ELTWISE_MAX];
    int place = 0;
    for (int i = 0; i < r->n_fusion; i++) {
        const twi_fusion *f = &r->fusion[i];
        if (f->what == TWI_FUSE_ADD)
            twi_bind_in(b, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place) | DNNL_ARG_SRC_1, f->input, axes, 1, added);
        place += f->what == TWI_FUSE_ADD ? 1 : twi_eltwise_chain(f->activation, f->alpha, f->beta, 0, chain);
    }
}
