// Reshape: the same numbers under another shape; one size of target_shape may be -1: what is left.
//
// Source   keras.layers.Reshape, Keras 3.15.

#include "layer/layer.h"

typedef struct reshape {
    tw_shape target; // without the batch
} reshape;

static const tw_field reshape_fields[] = {
    {TWI_FIELD("target_shape", "sizes without the batch", TW_FIELD_SHAPE, reshape, target),
     .flags = TW_FIELD_REQUIRED},
    {0}};

static tw_status reshape_infer(const reshape *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_shape x = twi_shape_batch(in, 1);
    int64_t count = twi_shape_count(&x), known = 1;
    int unknown = -1;
    bool ok = c->target.rank < TW_RANK_MAX;
    *out = TWI_SHAPE(in->dim[0]);
    for (int i = 0; ok && i < c->target.rank; i++) {
        int64_t size = c->target.dim[i];
        out->dim[out->rank++] = size;
        if (size == -1 && unknown < 0)
            unknown = i + 1;
        else
            ok = size > 0 && twi_mul(known, size, &known);
    }
    if (ok && unknown > 0 && count % known == 0)
        out->dim[unknown] = count / known, known = count;
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    if (!ok || known != count)
        return twi_fail(err, TW_EINVAL, "target_shape %s does not hold the %lld numbers of %s",
                        twi_shape_text(&c->target, a), (long long)count, twi_shape_text(in, b));
    return TW_OK;
}

static void reshape_emit(twi_emitter *e, const reshape *c, int n_in, const twi_value *in, twi_value *out)
{
    tw_shape x = twi_value_shape(e, in[0]), y;
    if (!reshape_infer(c, n_in, &x, &y, e->err))
        out[0] = twi_emit_reshape(e, in[0], &y);
}

TWI_THUNK_INFER(reshape)
TWI_THUNK_EMIT(reshape)

static const char *const reshape_quick[] = {"target_shape", NULL};

const tw_layer_kind twi_layer_reshape = {.name = "Reshape",
                                         .doc = "the same numbers under another shape",
                                         .flags = TWI_KIND_LINEAR,
                                         .size = sizeof(reshape),
                                         .fields = reshape_fields,
                                         .quick = reshape_quick,
                                         .infer = reshape_infer_thunk,
                                         .emit = reshape_emit_thunk};
