// concat: inputs one after the other along an axis (negative: counted from the end).
//
// Source   keras.layers.Concatenate, Keras 3.15.

#include "op/row.h"

#include <string.h>

static int axis_of(const twi_concat_params *p, const tw_shape *x)
{
    return p->axis < 0 ? p->axis + x->rank : p->axis;
}

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    const twi_concat_params *p = params;
    for (int i = 0; i < n_in; i++)
        if (twi_check_sizes("concat", "input", &in[i], err))
            return TW_EINVAL;
    tw_shape y = in[0];
    int axis = axis_of(p, &y);
    if (axis < 0 || axis >= y.rank)
        return twi_fail(err, TW_EINVAL, "concat: axis must be in %d..%d, received %d", -y.rank, y.rank - 1,
                        p->axis);
    for (int i = 1; i < n_in; i++) {
        tw_shape other = in[i];
        char first[TWI_SHAPE_TEXT], text[TWI_SHAPE_TEXT];
        if (other.rank == y.rank)
            other.dim[axis] = in[0].dim[axis];
        if (!twi_shape_same(&other, &in[0]))
            return twi_fail(err, TW_EINVAL,
                            "concat: input %d has shape %s, which differs from %s off axis %d", i,
                            twi_shape_text(&in[i], text), twi_shape_text(&in[0], first), axis);
        y.dim[axis] += in[i].dim[axis];
    }
    return twi_infer_one("concat", y, out, n_out, err);
}

static void forward(const void *params, const twi_op_call *call)
{
    int axis = axis_of(params, &call->out[0].shape);
    int64_t outer = twi_outer(&call->out[0].shape, axis), inner = twi_inner(&call->out[0].shape, axis);
    float *y = call->out[0].data;
    for (int64_t o = 0; o < outer; o++)
        for (int i = 0; i < call->n_in; i++) {
            const float *x = call->in[i].data;
            int64_t n = call->in[i].shape.dim[axis] * inner;
            memcpy(y, x + o * n, (size_t)n * sizeof *y);
            y += n;
        }
}

static void backward(const void *params, const twi_op_call *call)
{
    int axis = axis_of(params, &call->grad_out.shape);
    int64_t outer = twi_outer(&call->grad_out.shape, axis), inner = twi_inner(&call->grad_out.shape, axis);
    const float *grad = call->grad_out.data;
    for (int64_t o = 0; o < outer; o++)
        for (int i = 0; i < call->n_in; i++) {
            float *to = call->grad_in[i].data;
            int64_t n = call->in[i].shape.dim[axis] * inner;
            if (to)
                memcpy(to + o * n, grad, (size_t)n * sizeof *to);
            grad += n;
        }
}

twi_value twi_emit_concat(twi_emitter *e, int n, const twi_value *x, int axis)
{
    return twi_emit(e, &twi_op_concat, &(twi_concat_params){axis}, n, x);
}

const twi_op_kind twi_op_concat = {.name = "concat",
                                   .doc = "inputs one after the other along an axis",
                                   .params_size = sizeof(twi_concat_params),
                                   .in_min = 1,
                                   .in_max = TWI_OP_IN_MAX,
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward,
                                   .dnnl = twi_dnnl_concat};
