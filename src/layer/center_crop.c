// CenterCrop: the middle of the picture.
//
// Source   keras.layers.CenterCrop, Keras 3.15. Smaller pictures, which Keras enlarges first, are not served.

#include "layer/layer.h"

typedef struct center_crop {
    int64_t height, width;
    int data_format;
} center_crop;

static const tw_field center_crop_fields[] = {
    {TWI_INT("height", "height of the result", center_crop, height, 1, TW_DIM_MAX),
     .flags = TW_FIELD_REQUIRED},
    {TWI_INT("width", "width of the result", center_crop, width, 1, TW_DIM_MAX), .flags = TW_FIELD_REQUIRED},
    {TWI_DATA_FORMAT(center_crop, data_format)},
    {0}};

static tw_status center_crop_infer(const center_crop *c, int n_in, const tw_shape *in, tw_shape *out,
                                   tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    char text[TWI_SHAPE_TEXT];
    if (c->height < 1 || c->width < 1)
        return twi_fail(err, TW_EINVAL, "height and width are missing");
    if (c->height > in->dim[1] || c->width > in->dim[2])
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: a crop larger than its input %s",
                        twi_shape_text(in, text));
    *out = TWI_SHAPE(in->dim[0], c->height, c->width, in->dim[3]);
    return TW_OK;
}

static void center_crop_emit(twi_emitter *e, const center_crop *c, int n_in, const twi_value *in,
                             twi_value *out)
{
    (void)n_in;
    tw_shape x = twi_value_shape(e, in[0]);
    int64_t rows = x.dim[1] - c->height, columns = x.dim[2] - c->width;
    int64_t pad[4] = {-(rows / 2), -(rows - rows / 2), -(columns / 2), -(columns - columns / 2)};
    out[0] = twi_emit_pad(e, in[0], pad);
}

TWI_THUNK_INFER(center_crop)
TWI_THUNK_EMIT(center_crop)

static const char *const center_crop_quick[] = {"height", "width", NULL};

const tw_layer_kind twi_layer_center_crop = {.name = "CenterCrop",
                                             .doc = "the middle of the picture",
                                             .flags = TWI_KIND_LINEAR,
                                             .size = sizeof(center_crop),
                                             .fields = center_crop_fields,
                                             .quick = center_crop_quick,
                                             .infer = center_crop_infer_thunk,
                                             .emit = center_crop_emit_thunk};
