// Permute: other order of the axes; y.dim[i] = x.dim[dims[i]], counted from 1 without the batch.
//
// Source   keras.layers.Permute, Keras 3.15.

#include "layer/layer.h"

typedef struct permute {
    tw_shape dims;
} permute;

static const tw_field permute_fields[] = {
    {TWI_FIELD("dims", "axes of the input, from 1", TW_FIELD_SHAPE, permute, dims),
     .flags = TW_FIELD_REQUIRED},
    {0}};

static tw_status permute_infer(const permute *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    unsigned seen = 1;
    *out = *in;
    for (int i = 0; i < c->dims.rank && c->dims.rank == in->rank - 1; i++) {
        int64_t axis = c->dims.dim[i];
        if (axis < 1 || axis >= in->rank)
            break;
        seen |= 1u << axis;
        out->dim[i + 1] = in->dim[axis];
    }
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    if (seen != (1u << in->rank) - 1)
        return twi_fail(err, TW_EINVAL, "dims %s are no order of the axes of %s", twi_shape_text(&c->dims, a),
                        twi_shape_text(in, b));
    return TW_OK;
}

static void permute_emit(twi_emitter *e, const permute *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    int order[TW_RANK_MAX] = {0};
    for (int i = 0; i < c->dims.rank && i + 1 < TW_RANK_MAX; i++)
        order[i + 1] = (int)c->dims.dim[i];
    out[0] = twi_emit_permute(e, in[0], order);
}

TWI_THUNK_INFER(permute)
TWI_THUNK_EMIT(permute)

const tw_layer_kind twi_layer_permute = {.name = "Permute",
                                         .doc = "other order of the axes",
                                         .size = sizeof(permute),
                                         .fields = permute_fields,
                                         .infer = permute_infer_thunk,
                                         .emit = permute_emit_thunk};
