// What several layers share: checks of input shapes, and the arithmetic of windows that slide over a picture.
//
// Sizes    span = (size − 1) · dilation + 1
//          valid: out = (in − span) / stride + 1, rounded down;  same: out = in / stride, rounded up
// Zeros    same: (out − 1) · stride + span − in in all, half of them (rounded down) at the top and left
// Source   TensorFlow's padding rules, which Keras follows on every back end (interop e9).

#include "layer/layer.h"

const char *const twi_paddings[] = {"valid", "same", NULL};
const char *const twi_data_formats[] = {"channels_last", "channels_first", NULL};

static int64_t span_of(const twi_window *w, int axis)
{
    return (w->size[axis] - 1) * (w->dilation ? w->dilation[axis] : 1) + 1;
}

static int64_t out_of(const twi_window *w, int axis, int64_t in)
{
    int64_t stride = w->stride[axis];
    return w->padding == TWI_SAME ? (in + stride - 1) / stride : (in - span_of(w, axis) + stride) / stride;
}

tw_status twi_window_infer(const twi_window *w, const tw_shape *in, tw_shape *out, tw_err *err)
{
    *out = *in;
    for (int axis = 0; axis < 2; axis++) {
        int64_t span = span_of(w, axis), size = in->dim[1 + axis];
        char text[TWI_SHAPE_TEXT];
        if (w->size[axis] < 1)
            return twi_fail(err, TW_EINVAL, "the size of the window is missing");
        if (w->padding == TWI_VALID && span > size)
            return twi_fail(err, TW_EINVAL, "a window of %lld does not fit into its input %s",
                            (long long)span, twi_shape_text(in, text));
        out->dim[1 + axis] = out_of(w, axis, size);
    }
    return TW_OK;
}

void twi_window_pads(const twi_window *w, const tw_shape *in, int64_t pad[4])
{
    for (int axis = 0; axis < 2; axis++) {
        int64_t size = in->dim[1 + axis], total = 0;
        if (w->padding == TWI_SAME)
            total = (out_of(w, axis, size) - 1) * w->stride[axis] + span_of(w, axis) - size;
        if (total < 0)
            total = 0;
        pad[2 * axis] = total / 2;
        pad[2 * axis + 1] = total - total / 2;
    }
}

tw_status twi_need_rank(const tw_shape *in, int rank, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (in->rank >= rank)
        return TW_OK;
    return twi_fail(err, TW_EINVAL, "the input must have rank %d or more, received %s", rank,
                    twi_shape_text(in, text));
}

tw_status twi_need_picture(const tw_shape *in, int data_format, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (data_format)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: data_format channels_first");
    if (in->rank == 4)
        return TW_OK;
    return twi_fail(err, TW_EINVAL, "the input must be (batch, height, width, channels), received %s",
                    twi_shape_text(in, text));
}

int twi_axis(const tw_shape *in, int64_t axis)
{
    if (axis < 0)
        axis += in->rank;
    return axis >= 0 && axis < in->rank ? (int)axis : -1;
}

tw_status twi_same_shape(const tw_shape *in, tw_shape *out)
{
    *out = *in;
    return TW_OK;
}

twi_value twi_weight_value(const twi_emitter *e, int i, bool has_it)
{
    return has_it && i < e->n_weight ? e->weight[i] : TWI_NONE;
}

twi_value twi_emit_numbers(twi_emitter *e, int64_t n, const double *numbers)
{
    if (e->err->status)
        return TWI_NONE;
    tw_shape shape = TWI_SHAPE(n);
    float *floats = twi_new((size_t)n, sizeof *floats, "a constant", e->err);
    twi_value value = TWI_NONE;
    for (int64_t i = 0; floats && i < n; i++)
        floats[i] = (float)numbers[i];
    if (floats)
        value = twi_emit_constant(e, &shape, floats);
    twi_free(floats);
    return value;
}

bool twi_broadcast(const tw_shape *a, const tw_shape *b, tw_shape *out)
{
    const tw_shape *longer = a->rank >= b->rank ? a : b, *other = longer == a ? b : a;
    tw_shape result = *longer;
    for (int i = 0; i < other->rank; i++) {
        int at = longer->rank - other->rank + i;
        int64_t x = longer->dim[at], y = other->dim[i];
        if (x != y && x != 1 && y != 1)
            return false;
        result.dim[at] = x == 1 ? y : x;
    }
    *out = result;
    return true;
}
