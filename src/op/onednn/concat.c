// concat along one axis, forward in the layout the inputs come in, and backward (each input gets its part of the gradient).
//
// Inputs in blocks can be joined along channels only where all but the last are whole blocks; elsewhere all are dense.

#include "op/onednn/dnnl.h"

// The op's axis among the axes of the descriptor.
static int axis_of(const twi_kernel_request *r)
{
    const twi_concat_params *p = r->params;
    int rank = r->out[0].rank, axis = p->axis < 0 ? p->axis + rank : p->axis;
    static const int image[] = {0, 2, 3, 1};
    return rank == 4 ? image[axis] : axis;
}

static dnnl_primitive_desc_t forward_pd(twi_builder *b, const twi_lent_md *src, twi_lent_md dst)
{
    if (b->is_over)
        return NULL;
    dnnl_status_t status = dnnl_concat_primitive_desc_create(twi_pd_at(b), b->engine, dst, b->request->n_in,
                                                             axis_of(b->request), src, b->attr);
    return twi_pd(b, status) ? twi_pd_last(b) : NULL;
}

static void forward(twi_builder *b)
{
    const twi_kernel_request *r = b->request;
    twi_lent_md hinted[TWI_OP_IN_MAX] = {NULL}, dense[TWI_OP_IN_MAX] = {NULL};
    bool is_hinted = true;
    for (int i = 0; i < r->n_in; i++) {
        hinted[i] = twi_hinted(b, i, TWI_AXES_IMAGE);
        dense[i] = twi_dense(b, &r->in[i], TWI_AXES_IMAGE, 1, dnnl_f32);
        is_hinted = is_hinted && r->in_layout[i] && hinted[i] == r->in_layout[i]->md;
    }
    dnnl_primitive_desc_t pd = is_hinted ? forward_pd(b, hinted, NULL) : NULL;
    bool is_as_hinted = pd && !twi_pd_is_slow(pd);
    if (!is_as_hinted)
        pd = forward_pd(b, dense, twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32));
    if (!pd) {
        twi_give_up(b);
        return;
    }
    for (int i = 0; i < r->n_in; i++)
        twi_bind_in(b, DNNL_ARG_MULTIPLE_SRC + i, i, TWI_AXES_IMAGE, 1, (is_as_hinted ? hinted : dense)[i]);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, twi_pd_md(pd, dnnl_query_dst_md, 0));
    twi_add_step(b, pd);
}

static void backward(twi_builder *b)
{
    const twi_kernel_request *r = b->request;
    twi_lent_md whole = twi_dense(b, &r->out[0], TWI_AXES_IMAGE, 1, dnnl_f32);
    int axis = axis_of(r);
    dnnl_dims_t offset = {0};
    for (int i = 0; i < r->n_in && !b->is_over; i++) {
        twi_lent_md part = twi_dense(b, &r->in[i], TWI_AXES_IMAGE, 1, dnnl_f32);
        if (b->is_over)
            return;
        twi_blocking blocking;
        twi_md_blocking(part, &blocking);
        if (r->grads_wanted >> i & 1)
            twi_add_copy(b, TWI_GRAD_OUT, twi_part(b, whole, blocking.dim, offset), TWI_GRAD_IN(i), part);
        offset[axis] += blocking.dim[axis];
    }
}

twi_kernel *twi_dnnl_concat(const twi_kernel_request *request, tw_err *err)
{
    twi_builder b;
    if (!twi_build(&b, request, "concat", 0, err))
        return NULL;
    if (request->direction == TWI_FORWARD)
        forward(&b);
    else
        backward(&b);
    return twi_built(&b);
}
