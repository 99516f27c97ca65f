// flip: an axis the other way round (negative: counted from the end). Turns RGB into BGR.
//
// Gradient is the flip back, which is the same flip.
// Source   keras.ops.flip, Keras 3.15.

#include "op/row.h"

#include <string.h>

static int axis_of(const twi_flip_params *p, const tw_shape *x)
{
    return p->axis < 0 ? p->axis + x->rank : p->axis;
}

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_flip_params *p = params;
    if (twi_check_sizes("flip", "input", &in[0], err))
        return TW_EINVAL;
    int axis = axis_of(p, &in[0]);
    if (axis < 0 || axis >= in[0].rank)
        return twi_fail(err, TW_EINVAL, "flip: axis must be in %d..%d, received %d", -in[0].rank,
                        in[0].rank - 1, p->axis);
    return twi_infer_one("flip", in[0], out, n_out, err);
}

static void flip(const float *x, float *y, const tw_shape *s, int axis)
{
    int64_t outer = twi_outer(s, axis), n = s->dim[axis], inner = twi_inner(s, axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++, y += inner)
            memcpy(y, x + (o * n + n - 1 - i) * inner, (size_t)inner * sizeof *y);
}

static void forward(const void *params, const twi_op_call *call)
{
    const tw_shape *s = &call->in[0].shape;
    flip(call->in[0].data, call->out[0].data, s, axis_of(params, s));
}

static void backward(const void *params, const twi_op_call *call)
{
    const tw_shape *s = &call->in[0].shape;
    if (call->grad_in[0].data)
        flip(call->grad_out.data, call->grad_in[0].data, s, axis_of(params, s));
}

twi_value twi_emit_flip(twi_emitter *e, twi_value x, int axis)
{
    return twi_emit(e, &twi_op_flip, &(twi_flip_params){axis}, 1, &x);
}

const twi_op_kind twi_op_flip = {.name = "flip",
                                 .doc = "an axis the other way round",
                                 .params_size = sizeof(twi_flip_params),
                                 .in_min = 1,
                                 .in_max = 1,
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward};
