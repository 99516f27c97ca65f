// AveragePooling2D, MaxPooling2D: the mean or the largest number of each window.
//
// Shapes   x [n, h, w, c] → y [n, oh, ow, c]. Without strides the windows lie side by side. Padding never counts: means
//          divide by the number of real pixels.
// Source   keras.layers.AveragePooling2D and MaxPooling2D, Keras 3.15.

#include "layer/layer.h"

typedef struct pooling {
    int64_t size[2], stride[2]; // stride 0: size
    int padding, data_format;
} pooling;

static const tw_field pooling_fields[] = {
    {TWI_PAIR("pool_size", "height and width of the window", pooling, size, 1, 4096), .otherwise = "2"},
    {TWI_PADDING(pooling, padding)},
    {TWI_PAIR("strides", "step of the window; none: its size", pooling, stride, 1, 4096),
     .flags = TW_FIELD_NULLABLE, .otherwise = "none"},
    {TWI_DATA_FORMAT(pooling, data_format)},
    {0}};

static twi_window window_of(const pooling *c)
{
    return (twi_window){c->size, c->stride[0] ? c->stride : c->size, NULL, c->padding};
}

static tw_status pooling_infer(const pooling *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    twi_window w = window_of(c);
    return status ? status : twi_window_infer(&w, in, out, err);
}

static twi_value emit(twi_emitter *e, const pooling *c, twi_value x, bool is_mean)
{
    twi_window w = window_of(c);
    tw_shape shape = twi_value_shape(e, x);
    twi_pool_params p = {
        .is_mean = is_mean, .window = {w.size[0], w.size[1]}, .stride = {w.stride[0], w.stride[1]}};
    twi_window_pads(&w, &shape, p.pad);
    return twi_emit_pool(e, x, &p);
}

typedef pooling average_pooling, max_pooling;

static void average_pooling_emit(twi_emitter *e, const average_pooling *c, int n_in, const twi_value *in,
                                 twi_value *out)
{
    (void)n_in;
    out[0] = emit(e, c, in[0], true);
}

static void max_pooling_emit(twi_emitter *e, const max_pooling *c, int n_in, const twi_value *in,
                             twi_value *out)
{
    (void)n_in;
    out[0] = emit(e, c, in[0], false);
}

TWI_THUNK_INFER(pooling)
TWI_THUNK_EMIT(average_pooling)
TWI_THUNK_EMIT(max_pooling)

static const char *const pooling_quick[] = {"pool_size", "strides", NULL};

const tw_layer_kind twi_layer_average_pooling2d = {.name = "AveragePooling2D",
                                                   .aliases = "AvgPool2D avgpool average_pooling",
                                                   .doc = "mean of each window",
                                                   .flags = TWI_KIND_LINEAR,
                                                   .size = sizeof(pooling),
                                                   .fields = pooling_fields,
                                                   .quick = pooling_quick,
                                                   .infer = pooling_infer_thunk,
                                                   .emit = average_pooling_emit_thunk};

const tw_layer_kind twi_layer_max_pooling2d = {.name = "MaxPooling2D",
                                               .aliases = "MaxPool2D maxpool max_pooling",
                                               .doc = "largest number of each window",
                                               .flags = TWI_KIND_LINEAR,
                                               .size = sizeof(pooling),
                                               .fields = pooling_fields,
                                               .quick = pooling_quick,
                                               .infer = pooling_infer_thunk,
                                               .emit = max_pooling_emit_thunk};
