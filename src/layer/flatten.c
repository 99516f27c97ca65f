// Flatten: everything but the batch in one axis; y [n, h·w·c], row by row, channels together.
//
// Source   keras.layers.Flatten, Keras 3.15.

#include "layer/layer.h"

typedef struct flatten {
    int data_format;
} flatten;

static const tw_field flatten_fields[] = {{TWI_DATA_FORMAT(flatten, data_format)}, {0}};

static tw_status flatten_infer(const flatten *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    // The order of axes says nothing about flat inputs.
    if (c->data_format && in->rank > 2)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: data_format channels_first");
    int64_t count = 1;
    for (int i = 1; i < in->rank; i++)
        if (!twi_mul(count, in->dim[i], &count) || count > TW_DIM_MAX)
            return twi_fail(err, TW_EINVAL, "the input is too large to be one row");
    *out = TWI_SHAPE(in->dim[0], count);
    return TW_OK;
}

static void flatten_emit(twi_emitter *e, const flatten *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)c, (void)n_in;
    tw_shape x = twi_value_shape(e, in[0]), y = TWI_SHAPE(x.dim[0], 1);
    for (int i = 1; i < x.rank; i++)
        y.dim[1] *= x.dim[i];
    out[0] = x.rank == 2 ? in[0] : twi_emit_reshape(e, in[0], &y);
}

TWI_THUNK_INFER(flatten)
TWI_THUNK_EMIT(flatten)

const tw_layer_kind twi_layer_flatten = {.name = "Flatten",
                                         .doc = "everything in one row",
                                         .flags = TWI_KIND_LINEAR,
                                         .size = sizeof(flatten),
                                         .fields = flatten_fields,
                                         .infer = flatten_infer_thunk,
                                         .emit = flatten_emit_thunk};
