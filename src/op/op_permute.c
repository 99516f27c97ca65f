// permute: axes in another order, y.dim[i] = x.dim[order[i]].
//
// Gradient is the permutation back.
// Source   keras.layers.Permute, Keras 3.15.

#include "op/row.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_permute_params *p = params;
    if (twi_check_sizes("permute", "input", &in[0], err))
        return TW_EINVAL;
    tw_shape y = in[0];
    unsigned seen = 0;
    for (int i = 0; i < y.rank; i++) {
        int axis = p->order[i];
        if (axis < 0 || axis >= y.rank || seen & 1u << axis)
            return twi_fail(err, TW_EINVAL, "permute: the order must name each of %d axes once, received %d",
                            y.rank, axis);
        seen |= 1u << axis;
        y.dim[i] = in[0].dim[axis];
    }
    return twi_infer_one("permute", y, out, n_out, err);
}

// y[…] dense; axis i of y steps through `from` by stride[i].
static void gather(const float *from, const int64_t *stride, float *y, const tw_shape *ys)
{
    int last = ys->rank - 1;
    int64_t rows = twi_rows(ys), n = ys->dim[last], at[TW_RANK_MAX] = {0};
    for (int64_t r = 0; r < rows; r++, y += n) {
        for (int64_t i = 0; i < n; i++)
            y[i] = from[i * stride[last]];
        // The next row: count the leading axes up like an odometer.
        for (int axis = last - 1; axis >= 0; axis--) {
            from += stride[axis];
            if (++at[axis] < ys->dim[axis])
                break;
            from -= stride[axis] * ys->dim[axis];
            at[axis] = 0;
        }
    }
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_permute_params *p = params;
    const tw_shape *xs = &call->in[0].shape, *ys = &call->out[0].shape;
    int64_t stride[TW_RANK_MAX];
    for (int i = 0; i < ys->rank; i++)
        stride[i] = twi_inner(xs, p->order[i]);
    gather(call->in[0].data, stride, call->out[0].data, ys);
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_permute_params *p = params;
    const tw_shape *xs = &call->in[0].shape, *ys = &call->grad_out.shape;
    int64_t stride[TW_RANK_MAX];
    for (int i = 0; i < ys->rank; i++)
        stride[p->order[i]] = twi_inner(ys, i);
    if (call->grad_in[0].data)
        gather(call->grad_out.data, stride, call->grad_in[0].data, xs);
}

twi_value twi_emit_permute(twi_emitter *e, twi_value x, const int *order)
{
    twi_permute_params p = {{0}};
    tw_shape shape = twi_value_shape(e, x);
    for (int i = 0; i < shape.rank; i++)
        p.order[i] = order[i];
    return twi_emit(e, &twi_op_permute, &p, 1, &x);
}

const twi_op_kind twi_op_permute = {.name = "permute",
                                    .doc = "axes in another order",
                                    .params_size = sizeof(twi_permute_params),
                                    .in_min = 1,
                                    .in_max = 1,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
