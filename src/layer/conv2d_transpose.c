// Conv2DTranspose: the gradient of a convolution with respect to its input, as a layer: makes pictures larger.
//
// Shapes   x [n, h, w, cin] → y [n, oh, ow, filters]; kernel [kh, kw, filters, cin]; bias [filters].
//          same: oh = h · stride; valid: oh = h · stride + max(span − stride, 0), span = (kh − 1) · dilation + 1.
// Weights  kernel, bias.
// Source   keras.layers.Conv2DTranspose, Keras 3.15.

#include "layer/layer.h"

typedef struct conv2d_transpose {
    int64_t filters, size[2], stride[2], dilation[2];
    int padding, data_format;
    tw_setting activation;
    bool no_bias;
    tw_setting kernel_init, bias_init, kernel_reg, bias_reg, activity_reg;
} conv2d_transpose;

static const tw_field conv2d_transpose_fields[] = {
    {TWI_INT("filters", "number of output channels", conv2d_transpose, filters, 1, TW_DIM_MAX),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("kernel_size", "height and width of the window", conv2d_transpose, size, 1, 4096),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("strides", "how many times larger", conv2d_transpose, stride, 1, 4096), .otherwise = "1"},
    {TWI_PADDING(conv2d_transpose, padding)},
    TWI_LATER("output_padding"),
    {TWI_DATA_FORMAT(conv2d_transpose, data_format)},
    {TWI_PAIR("dilation_rate", "distance of the window's pixels", conv2d_transpose, dilation, 1, 4096),
     .otherwise = "1"},
    {TWI_ACTIVATION("activation", conv2d_transpose, activation)},
    {TWI_USE_BIAS(conv2d_transpose, no_bias)},
    {TWI_INITIALIZER("kernel_initializer", conv2d_transpose, kernel_init, "glorot_uniform")},
    {TWI_INITIALIZER("bias_initializer", conv2d_transpose, bias_init, "zeros")},
    {TWI_REGULARIZER("kernel_regularizer", conv2d_transpose, kernel_reg)},
    {TWI_REGULARIZER("bias_regularizer", conv2d_transpose, bias_reg)},
    {TWI_REGULARIZER("activity_regularizer", conv2d_transpose, activity_reg)},
    TWI_LATER("kernel_constraint"),
    TWI_LATER("bias_constraint"),
    TWI_IGNORED("groups"), // Keras 2: always 1
    {0}};

static twi_window window_of(const conv2d_transpose *c)
{
    return (twi_window){c->size, c->stride, c->dilation, c->padding};
}

static int64_t out_of(const conv2d_transpose *c, int axis, int64_t in)
{
    int64_t span = (c->size[axis] - 1) * c->dilation[axis] + 1, stride = c->stride[axis];
    return in * stride + (c->padding == TWI_VALID && span > stride ? span - stride : 0);
}

static tw_status conv2d_transpose_infer(const conv2d_transpose *c, int n_in, const tw_shape *in,
                                        tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    if (c->filters < 1 || c->size[0] < 1)
        return twi_fail(err, TW_EINVAL, "%s is missing", c->filters < 1 ? "filters" : "kernel_size");
    *out = TWI_SHAPE(in->dim[0], out_of(c, 0, in->dim[1]), out_of(c, 1, in->dim[2]), c->filters);
    status = twi_activation_shape(&c->activation, out, err);
    return status ? status : twi_check_activity(&c->activity_reg, out, err);
}

static void conv2d_transpose_weights(const conv2d_transpose *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape kernel = TWI_SHAPE(c->size[0], c->size[1], c->filters, in->dim[3]), bias = TWI_SHAPE(c->filters);
    twi_weight_ask(list, "kernel", kernel, &c->kernel_init, &c->kernel_reg);
    if (!c->no_bias)
        twi_weight_ask(list, "bias", bias, &c->bias_init, &c->bias_reg);
}

static void conv2d_transpose_emit(twi_emitter *e, const conv2d_transpose *c, int n_in, const twi_value *in,
                                  twi_value *out)
{
    (void)n_in;
    tw_shape x = twi_value_shape(e, in[0]), y = x;
    y.dim[1] = out_of(c, 0, x.dim[1]);
    y.dim[2] = out_of(c, 1, x.dim[2]);
    twi_conv_transpose_params p = {.stride = {c->stride[0], c->stride[1]},
                                   .dilation = {c->dilation[0], c->dilation[1]},
                                   .out = {y.dim[1], y.dim[2]}};
    // The padding of the convolution that runs from y to x.
    twi_window w = window_of(c);
    twi_window_pads(&w, &y, p.pad);
    twi_value inputs[] = {in[0], e->weight[0], twi_weight_value(e, 1, !c->no_bias)};
    out[0] = twi_emit_activity(
        e,
        twi_emit_activation_setting(e, twi_emit(e, &twi_op_conv_transpose, &p, c->no_bias ? 2 : 3, inputs),
                                    &c->activation),
        &c->activity_reg);
}

TWI_THUNK_INFER(conv2d_transpose)
TWI_THUNK_WEIGHTS(conv2d_transpose)
TWI_THUNK_EMIT(conv2d_transpose)

static const char *const conv2d_transpose_quick[] = {"filters", "kernel_size", "activation", NULL};

const tw_layer_kind twi_layer_conv2d_transpose = {.name = "Conv2DTranspose",
                                                  .aliases = "Convolution2DTranspose deconv",
                                                  .doc = "convolution that makes pictures larger",
                                                  .size = sizeof(conv2d_transpose),
                                                  .fields = conv2d_transpose_fields,
                                                  .quick = conv2d_transpose_quick,
                                                  .infer = conv2d_transpose_infer_thunk,
                                                  .weights = conv2d_transpose_weights_thunk,
                                                  .emit = conv2d_transpose_emit_thunk};
