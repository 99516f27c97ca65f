// Resizing: pictures of a fixed size, by nearest pixels or bilinearly (half-pixel centres, no antialiasing).
//
// Source   keras.layers.Resizing, Keras 3.15.

#include "layer/layer.h"

typedef struct resizing {
    int64_t height, width;
    int data_format, interpolation;
} resizing;

static const char *const interpolations[] = {"nearest", "bilinear", NULL};

static const tw_field resizing_fields[] = {
    {TWI_INT("height", "height of the result", resizing, height, 1, TW_DIM_MAX), .flags = TW_FIELD_REQUIRED},
    {TWI_INT("width", "width of the result", resizing, width, 1, TW_DIM_MAX), .flags = TW_FIELD_REQUIRED},
    {TWI_CHOICE("interpolation", "how pixels in between are found", resizing, interpolation, interpolations),
     .otherwise = "bilinear"},
    TWI_LATER("crop_to_aspect_ratio"),
    TWI_LATER("pad_to_aspect_ratio"),
    TWI_LATER("antialias"),
    TWI_IGNORED("fill_mode"), // says something only with pad_to_aspect_ratio
    TWI_IGNORED("fill_value"),
    {TWI_DATA_FORMAT(resizing, data_format)},
    {0}};

static tw_status resizing_infer(const resizing *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    if (c->height < 1 || c->width < 1)
        return twi_fail(err, TW_EINVAL, "height and width are missing");
    *out = TWI_SHAPE(in->dim[0], c->height, c->width, in->dim[3]);
    return TW_OK;
}

static void resizing_emit(twi_emitter *e, const resizing *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_resample(
        e, in[0], &(twi_resample_params){.is_bilinear = c->interpolation == 1, .out = {c->height, c->width}});
}

TWI_THUNK_INFER(resizing)
TWI_THUNK_EMIT(resizing)

static const char *const resizing_quick[] = {"height", "width", NULL};

const tw_layer_kind twi_layer_resizing = {.name = "Resizing",
                                          .doc = "pictures of a fixed size",
                                          .flags = TWI_KIND_LINEAR,
                                          .size = sizeof(resizing),
                                          .fields = resizing_fields,
                                          .quick = resizing_quick,
                                          .infer = resizing_infer_thunk,
                                          .emit = resizing_emit_thunk};
