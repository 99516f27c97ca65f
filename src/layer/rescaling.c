// Rescaling: y = x · scale + offset; each one number, or one a channel.
//
// Source   keras.layers.Rescaling, Keras 3.15.

#include "layer/layer.h"

typedef struct rescaling {
    tw_floats scale, offset; // of 1 or c numbers
} rescaling;

static const tw_field rescaling_fields[] = {
    {TWI_FIELD("scale", "factor, one or one a channel", TW_FIELD_FLOATS, rescaling, scale),
     .flags = TW_FIELD_REQUIRED | TW_FIELD_SCALAR, .otherwise = "1"},
    {TWI_FIELD("offset", "added, one or one a channel", TW_FIELD_FLOATS, rescaling, offset),
     .flags = TW_FIELD_SCALAR, .otherwise = "0"},
    {0}};

static bool fits(const tw_floats *list, const tw_shape *in)
{
    return list->n == 1 || list->n == twi_shape_last(in);
}

static tw_status rescaling_infer(const rescaling *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (!fits(&c->scale, in) || !fits(&c->offset, in))
        return twi_fail(err, TW_EINVAL,
                        "scale and offset must have 1 or %lld numbers, received %lld and %lld",
                        (long long)twi_shape_last(in), (long long)c->scale.n, (long long)c->offset.n);
    return twi_same_shape(in, out);
}

static bool is_all(const tw_floats *list, double value)
{
    for (int64_t i = 0; i < list->n; i++)
        if (list->at[i] != value)
            return false;
    return true;
}

static void rescaling_emit(twi_emitter *e, const rescaling *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    if (!is_all(&c->scale, 1))
        out[0] = twi_emit_binary(e, out[0], twi_emit_numbers(e, c->scale.n, c->scale.at), TWI_MUL);
    if (!is_all(&c->offset, 0))
        out[0] = twi_emit_binary(e, out[0], twi_emit_numbers(e, c->offset.n, c->offset.at), TWI_ADD);
}

TWI_THUNK_INFER(rescaling)
TWI_THUNK_EMIT(rescaling)

static const char *const rescaling_quick[] = {"scale", "offset", NULL};

const tw_layer_kind twi_layer_rescaling = {.name = "Rescaling",
                                           .doc = "multiplies and adds",
                                           .size = sizeof(rescaling),
                                           .fields = rescaling_fields,
                                           .quick = rescaling_quick,
                                           .infer = rescaling_infer_thunk,
                                           .emit = rescaling_emit_thunk};
