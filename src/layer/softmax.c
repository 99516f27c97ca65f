// Softmax: y = exp(x) / sum of exp(x) over the last axis.
//
// Source   keras.layers.Softmax, Keras 3.15.

#include "layer/layer.h"

typedef struct softmax {
    int64_t axis;
} softmax;

static const tw_field softmax_fields[] = {
    {TWI_INT("axis", "what sums to one", softmax, axis, -TW_RANK_MAX, TW_RANK_MAX), .otherwise = "-1"}, {0}};

static tw_status softmax_infer(const softmax *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (twi_axis(in, c->axis) != in->rank - 1)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: axis %lld of rank %d (the last one is)",
                        (long long)c->axis, in->rank);
    return twi_same_shape(in, out);
}

static void softmax_emit(twi_emitter *e, const softmax *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)c, (void)n_in;
    out[0] = twi_emit_softmax(e, in[0]);
}

TWI_THUNK_INFER(softmax)
TWI_THUNK_EMIT(softmax)

const tw_layer_kind twi_layer_softmax = {.name = "Softmax",
                                         .doc = "turns numbers into probabilities",
                                         .size = sizeof(softmax),
                                         .fields = softmax_fields,
                                         .infer = softmax_infer_thunk,
                                         .emit = softmax_emit_thunk};
