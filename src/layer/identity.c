// Identity: y = x.
//
// Source   keras.layers.Identity, Keras 3.15.

#include "layer/layer.h"

typedef struct identity {
    char unused; // a config must have a size
} identity;

static const tw_field identity_fields[] = {{0}};

static tw_status identity_infer(const identity *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void identity_emit(twi_emitter *e, const identity *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)e, (void)c, (void)n_in;
    out[0] = in[0];
}

TWI_THUNK_INFER(identity)
TWI_THUNK_EMIT(identity)

const tw_layer_kind twi_layer_identity = {.name = "Identity",
                                          .doc = "gives its input back",
                                          .flags = TWI_KIND_LINEAR,
                                          .size = sizeof(identity),
                                          .fields = identity_fields,
                                          .infer = identity_infer_thunk,
                                          .emit = identity_emit_thunk};
