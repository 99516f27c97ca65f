// Cropping2D: cuts rows and columns off the edges of the picture.
//
// Source   keras.layers.Cropping2D, Keras 3.15.

#include "layer/layer.h"

typedef struct cropping2d {
    int64_t cut[4]; // top, bottom, left, right
    int data_format;
} cropping2d;

static const tw_field cropping2d_fields[] = {
    {TWI_FIELD("cropping", "rows and columns to cut: top, bottom, left, right", TW_FIELD_PADS, cropping2d,
               cut),
     .low = 0, .high = 65536, .otherwise = "0"},
    {TWI_DATA_FORMAT(cropping2d, data_format)},
    {0}};

static tw_status cropping2d_infer(const cropping2d *c, int n_in, const tw_shape *in, tw_shape *out,
                                  tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    *out = *in;
    out->dim[1] -= c->cut[0] + c->cut[1];
    out->dim[2] -= c->cut[2] + c->cut[3];
    char text[TWI_SHAPE_TEXT];
    if (out->dim[1] < 1 || out->dim[2] < 1)
        return twi_fail(err, TW_EINVAL, "cropping leaves nothing of %s", twi_shape_text(in, text));
    return TW_OK;
}

static void cropping2d_emit(twi_emitter *e, const cropping2d *c, int n_in, const twi_value *in,
                            twi_value *out)
{
    (void)n_in;
    int64_t pad[4];
    for (int i = 0; i < 4; i++)
        pad[i] = -c->cut[i];
    out[0] = twi_emit_pad(e, in[0], pad);
}

TWI_THUNK_INFER(cropping2d)
TWI_THUNK_EMIT(cropping2d)

static const char *const cropping2d_quick[] = {"cropping", NULL};

const tw_layer_kind twi_layer_cropping2d = {.name = "Cropping2D",
                                            .doc = "cuts the edges off",
                                            .flags = TWI_KIND_LINEAR,
                                            .size = sizeof(cropping2d),
                                            .fields = cropping2d_fields,
                                            .quick = cropping2d_quick,
                                            .infer = cropping2d_infer_thunk,
                                            .emit = cropping2d_emit_thunk};
