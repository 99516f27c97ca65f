// UpSampling2D: a picture `size` times as high and wide, by repeating pixels or bilinearly.
//
// Source   keras.layers.UpSampling2D, Keras 3.15.

#include "layer/layer.h"

typedef struct up_sampling2d {
    int64_t size[2];
    int data_format, interpolation;
} up_sampling2d;

static const char *const interpolations[] = {"nearest", "bilinear", NULL};

static const tw_field up_sampling2d_fields[] = {
    {TWI_PAIR("size", "how many times as high and wide", up_sampling2d, size, 1, 4096), .otherwise = "2"},
    {TWI_DATA_FORMAT(up_sampling2d, data_format)},
    {TWI_CHOICE("interpolation", "how pixels in between are found", up_sampling2d, interpolation,
                interpolations),
     .otherwise = "nearest"},
    {0}};

static tw_status up_sampling2d_infer(const up_sampling2d *c, int n_in, const tw_shape *in, tw_shape *out,
                                     tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    *out = *in;
    out->dim[1] *= c->size[0];
    out->dim[2] *= c->size[1];
    return TW_OK;
}

static void up_sampling2d_emit(twi_emitter *e, const up_sampling2d *c, int n_in, const twi_value *in,
                               twi_value *out)
{
    (void)n_in;
    tw_shape x = twi_value_shape(e, in[0]);
    twi_resample_params p = {.is_bilinear = c->interpolation == 1,
                             .out = {x.dim[1] * c->size[0], x.dim[2] * c->size[1]}};
    out[0] = twi_emit_resample(e, in[0], &p);
}

TWI_THUNK_INFER(up_sampling2d)
TWI_THUNK_EMIT(up_sampling2d)

static const char *const up_sampling2d_quick[] = {"size", "interpolation", NULL};

const tw_layer_kind twi_layer_up_sampling2d = {.name = "UpSampling2D",
                                               .doc = "a larger picture",
                                               .flags = TWI_KIND_LINEAR,
                                               .size = sizeof(up_sampling2d),
                                               .fields = up_sampling2d_fields,
                                               .quick = up_sampling2d_quick,
                                               .infer = up_sampling2d_infer_thunk,
                                               .emit = up_sampling2d_emit_thunk};
