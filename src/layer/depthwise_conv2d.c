// DepthwiseConv2D: every input channel is convolved with kernels of its own.
//
// Shapes   x [n, h, w, cin] → y [n, oh, ow, cin·m], m = depth_multiplier; kernel [kh, kw, cin, m]; bias [cin·m].
//          Output channel of input channel c and multiplier i: c·m + i.
// Weights  kernel (Keras 2: depthwise_kernel), bias.
// Source   keras.layers.DepthwiseConv2D, Keras 3.15.

#include "layer/layer.h"

typedef struct depthwise_conv2d {
    int64_t size[2], stride[2], dilation[2], multiplier;
    int padding, data_format;
    tw_setting activation;
    bool no_bias;
    tw_setting kernel_init, bias_init, kernel_reg, bias_reg, activity_reg;
} depthwise_conv2d;

static const tw_field depthwise_conv2d_fields[] = {
    {TWI_INT("depth_multiplier", "output channels of each input channel", depthwise_conv2d, multiplier, 1,
             TW_DIM_MAX),
     .otherwise = "1"},
    {TWI_PAIR("kernel_size", "height and width of the window", depthwise_conv2d, size, 1, 4096),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("strides", "step of the window", depthwise_conv2d, stride, 1, 4096), .otherwise = "1"},
    {TWI_PADDING(depthwise_conv2d, padding)},
    {TWI_DATA_FORMAT(depthwise_conv2d, data_format)},
    {TWI_PAIR("dilation_rate", "distance of the window's pixels", depthwise_conv2d, dilation, 1, 4096),
     .otherwise = "1"},
    {TWI_ACTIVATION("activation", depthwise_conv2d, activation)},
    {TWI_USE_BIAS(depthwise_conv2d, no_bias)},
    {TWI_INITIALIZER("depthwise_initializer", depthwise_conv2d, kernel_init, "glorot_uniform")},
    {TWI_INITIALIZER("bias_initializer", depthwise_conv2d, bias_init, "zeros")},
    {TWI_REGULARIZER("depthwise_regularizer", depthwise_conv2d, kernel_reg)},
    {TWI_REGULARIZER("bias_regularizer", depthwise_conv2d, bias_reg)},
    {TWI_REGULARIZER("activity_regularizer", depthwise_conv2d, activity_reg)},
    TWI_LATER("depthwise_constraint"),
    TWI_LATER("bias_constraint"),
    // Keras 2 writes these although they mean nothing here.
    TWI_IGNORED("groups"),
    TWI_IGNORED("kernel_initializer"),
    TWI_IGNORED("kernel_regularizer"),
    TWI_IGNORED("kernel_constraint"),
    {0}};

static twi_window window_of(const depthwise_conv2d *c)
{
    return (twi_window){c->size, c->stride, c->dilation, c->padding};
}

static tw_status depthwise_conv2d_infer(const depthwise_conv2d *c, int n_in, const tw_shape *in,
                                        tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    twi_window w = window_of(c);
    status = twi_window_infer(&w, in, out, err);
    out->dim[3] = in->dim[3] * c->multiplier;
    status = status ? status : twi_activation_shape(&c->activation, out, err);
    return status ? status : twi_check_activity(&c->activity_reg, out, err);
}

static void depthwise_conv2d_weights(const depthwise_conv2d *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape kernel = TWI_SHAPE(c->size[0], c->size[1], in->dim[3], c->multiplier);
    tw_shape bias = TWI_SHAPE(in->dim[3] * c->multiplier);
    twi_weight_ask(list, "kernel", kernel, &c->kernel_init, &c->kernel_reg);
    if (!c->no_bias)
        twi_weight_ask(list, "bias", bias, &c->bias_init, &c->bias_reg);
}

static void depthwise_conv2d_emit(twi_emitter *e, const depthwise_conv2d *c, int n_in, const twi_value *in,
                                  twi_value *out)
{
    (void)n_in;
    twi_window w = window_of(c);
    tw_shape x = twi_value_shape(e, in[0]);
    twi_conv_params p = {.stride = {c->stride[0], c->stride[1]},
                         .dilation = {c->dilation[0], c->dilation[1]},
                         .groups = x.dim[3]};
    twi_window_pads(&w, &x, p.pad);
    // A convolution in cin groups: the same numbers seen as (kh, kw, 1, cin·m).
    tw_shape grouped = TWI_SHAPE(c->size[0], c->size[1], 1, x.dim[3] * c->multiplier);
    twi_value kernel = twi_emit_reshape(e, e->weight[0], &grouped);
    twi_value y = twi_emit_conv(e, in[0], kernel, twi_weight_value(e, 1, !c->no_bias), &p);
    out[0] = twi_emit_activity(e, twi_emit_activation_setting(e, y, &c->activation), &c->activity_reg);
}

TWI_THUNK_INFER(depthwise_conv2d)
TWI_THUNK_WEIGHTS(depthwise_conv2d)
TWI_THUNK_EMIT(depthwise_conv2d)

static const char *const depthwise_conv2d_quick[] = {"kernel_size", "activation", NULL};

const tw_layer_kind twi_layer_depthwise_conv2d = {.name = "DepthwiseConv2D",
                                                  .aliases = "depthwise",
                                                  .doc = "convolution of each channel by itself",
                                                  .size = sizeof(depthwise_conv2d),
                                                  .fields = depthwise_conv2d_fields,
                                                  .quick = depthwise_conv2d_quick,
                                                  .infer = depthwise_conv2d_infer_thunk,
                                                  .weights = depthwise_conv2d_weights_thunk,
                                                  .emit = depthwise_conv2d_emit_thunk};
