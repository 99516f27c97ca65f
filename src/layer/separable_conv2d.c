// SeparableConv2D: a depthwise convolution, then a 1×1 convolution that mixes the channels; bias and activation at the end.
//
// Shapes   x [n, h, w, cin] → [n, oh, ow, cin·m] → y [n, oh, ow, filters], m = depth_multiplier.
// Weights  depthwise_kernel [kh, kw, cin, m], pointwise_kernel [1, 1, cin·m, filters], bias [filters].
// Source   keras.layers.SeparableConv2D, Keras 3.15.

#include "layer/layer.h"

typedef struct separable_conv2d {
    int64_t filters, size[2], stride[2], dilation[2], multiplier;
    int padding, data_format;
    tw_setting activation;
    bool no_bias;
    tw_setting depthwise_init, pointwise_init, bias_init, depthwise_reg, pointwise_reg, bias_reg,
        activity_reg;
} separable_conv2d;

static const tw_field separable_conv2d_fields[] = {
    {TWI_INT("depth_multiplier", "channels in between, of each input channel", separable_conv2d, multiplier,
             1, TW_DIM_MAX),
     .otherwise = "1"},
    {TWI_INT("filters", "number of output channels", separable_conv2d, filters, 1, TW_DIM_MAX),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("kernel_size", "height and width of the window", separable_conv2d, size, 1, 4096),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("strides", "step of the window", separable_conv2d, stride, 1, 4096), .otherwise = "1"},
    {TWI_PADDING(separable_conv2d, padding)},
    {TWI_DATA_FORMAT(separable_conv2d, data_format)},
    {TWI_PAIR("dilation_rate", "distance of the window's pixels", separable_conv2d, dilation, 1, 4096),
     .otherwise = "1"},
    {TWI_ACTIVATION("activation", separable_conv2d, activation)},
    {TWI_USE_BIAS(separable_conv2d, no_bias)},
    {TWI_INITIALIZER("depthwise_initializer", separable_conv2d, depthwise_init, "glorot_uniform")},
    {TWI_INITIALIZER("pointwise_initializer", separable_conv2d, pointwise_init, "glorot_uniform")},
    {TWI_INITIALIZER("bias_initializer", separable_conv2d, bias_init, "zeros")},
    {TWI_REGULARIZER("depthwise_regularizer", separable_conv2d, depthwise_reg)},
    {TWI_REGULARIZER("pointwise_regularizer", separable_conv2d, pointwise_reg)},
    {TWI_REGULARIZER("bias_regularizer", separable_conv2d, bias_reg)},
    {TWI_REGULARIZER("activity_regularizer", separable_conv2d, activity_reg)},
    TWI_LATER("depthwise_constraint"),
    TWI_LATER("pointwise_constraint"),
    TWI_LATER("bias_constraint"),
    // Keras 2 writes these although they mean nothing here.
    TWI_IGNORED("groups"),
    TWI_IGNORED("kernel_initializer"),
    TWI_IGNORED("kernel_regularizer"),
    TWI_IGNORED("kernel_constraint"),
    {0}};

static twi_window window_of(const separable_conv2d *c)
{
    return (twi_window){c->size, c->stride, c->dilation, c->padding};
}

static tw_status separable_conv2d_infer(const separable_conv2d *c, int n_in, const tw_shape *in,
                                        tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    if (c->filters < 1)
        return twi_fail(err, TW_EINVAL, "filters is missing");
    twi_window w = window_of(c);
    status = twi_window_infer(&w, in, out, err);
    out->dim[3] = c->filters;
    status = status ? status : twi_activation_shape(&c->activation, out, err);
    return status ? status : twi_check_activity(&c->activity_reg, out, err);
}

static void separable_conv2d_weights(const separable_conv2d *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape depthwise = TWI_SHAPE(c->size[0], c->size[1], in->dim[3], c->multiplier);
    tw_shape pointwise = TWI_SHAPE(1, 1, in->dim[3] * c->multiplier, c->filters),
             bias = TWI_SHAPE(c->filters);
    twi_weight_ask(list, "depthwise_kernel", depthwise, &c->depthwise_init, &c->depthwise_reg);
    twi_weight_ask(list, "pointwise_kernel", pointwise, &c->pointwise_init, &c->pointwise_reg);
    if (!c->no_bias)
        twi_weight_ask(list, "bias", bias, &c->bias_init, &c->bias_reg);
}

static void separable_conv2d_emit(twi_emitter *e, const separable_conv2d *c, int n_in, const twi_value *in,
                                  twi_value *out)
{
    (void)n_in;
    twi_window w = window_of(c);
    tw_shape x = twi_value_shape(e, in[0]);
    twi_conv_params depthwise = {.stride = {c->stride[0], c->stride[1]},
                                 .dilation = {c->dilation[0], c->dilation[1]},
                                 .groups = x.dim[3]};
    twi_window_pads(&w, &x, depthwise.pad);
    tw_shape grouped = TWI_SHAPE(c->size[0], c->size[1], 1, x.dim[3] * c->multiplier);
    twi_value kernel = twi_emit_reshape(e, e->weight[0], &grouped);
    twi_value y = twi_emit_conv(e, in[0], kernel, TWI_NONE, &depthwise);
    twi_conv_params pointwise = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    y = twi_emit_conv(e, y, e->weight[1], twi_weight_value(e, 2, !c->no_bias), &pointwise);
    out[0] = twi_emit_activity(e, twi_emit_activation_setting(e, y, &c->activation), &c->activity_reg);
}

TWI_THUNK_INFER(separable_conv2d)
TWI_THUNK_WEIGHTS(separable_conv2d)
TWI_THUNK_EMIT(separable_conv2d)

static const char *const separable_conv2d_quick[] = {"filters", "kernel_size", "activation", NULL};

const tw_layer_kind twi_layer_separable_conv2d = {.name = "SeparableConv2D",
                                                  .aliases = "SeparableConvolution2D separable",
                                                  .doc = "depthwise, then 1×1 convolution",
                                                  .size = sizeof(separable_conv2d),
                                                  .fields = separable_conv2d_fields,
                                                  .quick = separable_conv2d_quick,
                                                  .infer = separable_conv2d_infer_thunk,
                                                  .weights = separable_conv2d_weights_thunk,
                                                  .emit = separable_conv2d_emit_thunk};
