// GlobalAveragePooling2D, GlobalMaxPooling2D: the mean or the largest number of each channel.
//
// Shapes   x [n, h, w, c] → y [n, c], or [n, 1, 1, c] with keepdims.
// Source   keras.layers.GlobalAveragePooling2D and GlobalMaxPooling2D, Keras 3.15.

#include "layer/layer.h"

typedef struct global_pooling {
    int data_format;
    bool keep_dims;
} global_pooling;

static const tw_field global_pooling_fields[] = {
    {TWI_DATA_FORMAT(global_pooling, data_format)},
    {TWI_FIELD("keepdims", "keep height and width, as 1", TW_FIELD_BOOL, global_pooling, keep_dims)},
    {0}};

static tw_status global_pooling_infer(const global_pooling *c, int n_in, const tw_shape *in, tw_shape *out,
                                      tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    *out = c->keep_dims ? TWI_SHAPE(in->dim[0], 1, 1, in->dim[3]) : TWI_SHAPE(in->dim[0], in->dim[3]);
    return TW_OK;
}

typedef global_pooling global_average, global_max;

static void global_average_emit(twi_emitter *e, const global_average *c, int n_in, const twi_value *in,
                                twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_reduce(e, in[0], &(twi_reduce_params){.keep_dims = c->keep_dims});
}

static void global_max_emit(twi_emitter *e, const global_max *c, int n_in, const twi_value *in,
                            twi_value *out)
{
    (void)n_in;
    out[0] = twi_emit_reduce(e, in[0], &(twi_reduce_params){.is_max = true, .keep_dims = c->keep_dims});
}

TWI_THUNK_INFER(global_pooling)
TWI_THUNK_EMIT(global_average)
TWI_THUNK_EMIT(global_max)

const tw_layer_kind twi_layer_global_average_pooling2d = {.name = "GlobalAveragePooling2D",
                                                          .aliases = "gap GlobalAvgPool2D global_average",
                                                          .doc = "mean of each channel",
                                                          .flags = TWI_KIND_LINEAR,
                                                          .size = sizeof(global_pooling),
                                                          .fields = global_pooling_fields,
                                                          .infer = global_pooling_infer_thunk,
                                                          .emit = global_average_emit_thunk};

const tw_layer_kind twi_layer_global_max_pooling2d = {.name = "GlobalMaxPooling2D",
                                                      .aliases = "gmp GlobalMaxPool2D global_max",
                                                      .doc = "largest number of each channel",
                                                      .flags = TWI_KIND_LINEAR,
                                                      .size = sizeof(global_pooling),
                                                      .fields = global_pooling_fields,
                                                      .infer = global_pooling_infer_thunk,
                                                      .emit = global_max_emit_thunk};
