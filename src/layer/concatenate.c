// Concatenate: inputs side by side along one axis.
//
// Source   keras.layers.Concatenate, Keras 3.15.

#include "layer/layer.h"

typedef struct concatenate {
    int64_t axis;
} concatenate;

static const tw_field concatenate_fields[] = {
    {TWI_INT("axis", "axis along which they lie", concatenate, axis, -TW_RANK_MAX, TW_RANK_MAX),
     .otherwise = "-1"},
    {0}};

static tw_status concatenate_infer(const concatenate *c, int n_in, const tw_shape *in, tw_shape *out,
                                   tw_err *err)
{
    int axis = twi_axis(in, c->axis);
    if (axis < 1)
        return twi_fail(err, TW_EINVAL, "axis %lld is no axis to concatenate along", (long long)c->axis);
    *out = in[0];
    for (int i = 1; i < n_in; i++) {
        tw_shape same = in[i];
        same.dim[axis] = in[0].dim[axis];
        char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
        if (in[i].rank != in[0].rank || !twi_shape_same(&same, &in[0]))
            return twi_fail(err, TW_EINVAL, "inputs of shapes %s and %s differ in more than axis %d",
                            twi_shape_text(&in[0], a), twi_shape_text(&in[i], b), axis);
        out->dim[axis] += in[i].dim[axis];
    }
    return TW_OK;
}

static void concatenate_emit(twi_emitter *e, const concatenate *c, int n_in, const twi_value *in,
                             twi_value *out)
{
    out[0] = twi_emit_concat(e, n_in, in, (int)c->axis);
}

TWI_THUNK_INFER(concatenate)
TWI_THUNK_EMIT(concatenate)

const tw_layer_kind twi_layer_concatenate = {.name = "Concatenate",
                                             .aliases = "concat",
                                             .doc = "inputs side by side",
                                             .in_min = 2,
                                             .in_max = TWI_LAYER_IN_MAX,
                                             .size = sizeof(concatenate),
                                             .fields = concatenate_fields,
                                             .infer = concatenate_infer_thunk,
                                             .emit = concatenate_emit_thunk};
