// Reorders as kernels of their own: a tensor copied from one layout into another.
//
// NULL on either side is dense memory of the op-level shape; the other side's layout says which axes it has. The type
// may change on the way (f32 weights into bf16).

#include "op/onednn/dnnl.h"

static tw_status check(const tw_shape *shape, const twi_layout *from, const twi_layout *to, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (twi_shape_count(shape) < 1)
        return twi_fail(err, TW_EINVAL, "cannot reorder a tensor of shape %s", twi_shape_text(shape, text));
    if (from && to && (from->axes != to->axes || from->groups != to->groups))
        return twi_fail(err, TW_EINVAL, "cannot reorder from %s to %s: they are of different tensors",
                        from->text, to->text);
    return TW_OK;
}

// Into an own kernel's layout.
static tw_status write_own(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_layout *to = kernel->state;
    to->write(&kernel->request.in[0], args->in[0], args->out[0]);
    return TW_OK;
}

static void free_own(twi_kernel *kernel)
{
    twi_layout_free(kernel->state);
}

static twi_kernel *own_new(const tw_shape *shape, const twi_layout *from, const twi_layout *to, tw_err *err)
{
    if (from || !to) {
        twi_fail(err, TW_EFAILED, "cannot reorder from %s to %s", twi_layout_text(from), twi_layout_text(to));
        return NULL;
    }
    twi_kernel *kernel = twi_new(1, sizeof *kernel, "a kernel", err);
    twi_layout *copy = twi_layout_copy(to, err);
    if (!kernel || !copy) {
        twi_free(kernel);
        twi_layout_free(copy);
        return NULL;
    }
    *kernel = (twi_kernel){.impl = "transform", .run = write_own, .free = free_own, .state = copy};
    kernel->request.in[0] = kernel->request.out[0] = *shape;
    return kernel;
}

twi_kernel *twi_reorder_new(const tw_shape *shape, const twi_layout *from, const twi_layout *to, tw_err *err)
{
    const twi_layout *known = to ? to : from;
    twi_kernel_request request = {
        .direction = TWI_FORWARD, .n_in = 1, .n_out = 1, .in[0] = *shape, .out[0] = *shape};
    twi_builder b;
    if ((from && !from->md) || (to && !to->md))
        return own_new(shape, from, to, err);
    if (check(shape, from, to, err) || !twi_build(&b, &request, "reorder", 0, err))
        return NULL;
    twi_axes axes = known ? known->axes : TWI_AXES_PLAIN;
    int64_t groups = known ? known->groups : 1;
    twi_lent_md dense = twi_dense(&b, shape, axes, groups, dnnl_f32);
    twi_lent_md from_md = from ? from->md : dense, to_md = to ? to->md : dense;
    if (!b.is_over && twi_pd(&b, dnnl_reorder_primitive_desc_create(twi_pd_at(&b), from_md, b.engine, to_md,
                                                                    b.engine, b.attr))) {
        twi_bind(&b, DNNL_ARG_FROM, TWI_IN(0), from_md);
        twi_bind(&b, DNNL_ARG_TO, TWI_OUT(0), to_md);
        twi_add_step(&b, twi_pd_last(&b));
    } else if (!b.is_over) {
        twi_fail(err, TW_EFAILED, "onednn cannot reorder from %s to %s", twi_layout_text(from),
                 twi_layout_text(to));
        twi_give_up(&b);
    }
    return twi_built(&b);
}
