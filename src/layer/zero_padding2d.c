// ZeroPadding2D: zeros around the picture.
//
// Source   keras.layers.ZeroPadding2D, Keras 3.15.

#include "layer/layer.h"

typedef struct zero_padding2d {
    int64_t pad[4]; // top, bottom, left, right
    int data_format;
} zero_padding2d;

static const tw_field zero_padding2d_fields[] = {
    {TWI_FIELD("padding", "rows and columns of zeros: top, bottom, left, right", TW_FIELD_PADS,
               zero_padding2d, pad),
     .low = 0, .high = 65536, .otherwise = "1"},
    {TWI_DATA_FORMAT(zero_padding2d, data_format)},
    {0}};

static tw_status zero_padding2d_infer(const zero_padding2d *c, int n_in, const tw_shape *in, tw_shape *out,
                                      tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    *out = *in;
    out->dim[1] += c->pad[0] + c->pad[1];
    out->dim[2] += c->pad[2] + c->pad[3];
    return TW_OK;
}

static void zero_padding2d_emit(twi_emitter *e, const zero_padding2d *c, int n_in, const twi_value *in,
                                twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_pad(e, in[0], c->pad);
}

TWI_THUNK_INFER(zero_padding2d)
TWI_THUNK_EMIT(zero_padding2d)

static const char *const zero_padding2d_quick[] = {"padding", NULL};

const tw_layer_kind twi_layer_zero_padding2d = {.name = "ZeroPadding2D",
                                                .doc = "zeros around the picture",
                                                .flags = TWI_KIND_LINEAR,
                                                .size = sizeof(zero_padding2d),
                                                .fields = zero_padding2d_fields,
                                                .quick = zero_padding2d_quick,
                                                .infer = zero_padding2d_infer_thunk,
                                                .emit = zero_padding2d_emit_thunk};
