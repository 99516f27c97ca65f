// reshape: the same numbers under another shape.
//
// The engine gives the result the input's memory (TWI_OP_ALIAS); where it did not, the numbers are copied.
// Source   keras.layers.Reshape and Flatten, Keras 3.15.

#include "op/row.h"

#include <string.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_reshape_params *p = params;
    char from[TWI_SHAPE_TEXT], to[TWI_SHAPE_TEXT];
    bool is_scalar = in[0].rank == 0; // the one op that takes a number without an axis
    if ((!is_scalar && twi_check_sizes("reshape", "input", &in[0], err)) ||
        twi_infer_one("reshape", p->shape, out, n_out, err))
        return TW_EINVAL;
    if (twi_shape_count(&in[0]) != twi_shape_count(&p->shape))
        return twi_fail(err, TW_EINVAL, "reshape: %s does not hold as many numbers as %s",
                        twi_shape_text(&p->shape, to), twi_shape_text(&in[0], from));
    return TW_OK;
}

static void copy(const twi_view *from, const twi_view *to)
{
    if (to->data && to->data != from->data)
        memcpy(to->data, from->data, (size_t)twi_shape_count(&from->shape) * sizeof(float));
}

static void forward(const void *params, const twi_op_call *call)
{
    (void)params;
    copy(&call->in[0], &call->out[0]);
}

static void backward(const void *params, const twi_op_call *call)
{
    (void)params;
    copy(&call->grad_out, &call->grad_in[0]);
}

twi_value twi_emit_reshape(twi_emitter *e, twi_value x, const tw_shape *shape)
{
    return twi_emit(e, &twi_op_reshape, &(twi_reshape_params){*shape}, 1, &x);
}

const twi_op_kind twi_op_reshape = {.name = "reshape",
                                    .doc = "the same numbers under another shape",
                                    .params_size = sizeof(twi_reshape_params),
                                    .in_min = 1,
                                    .in_max = 1,
                                    .flags = TWI_OP_ALIAS,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
