// Conv2D: y = activation(x ∗ kernel + bias), convolution over height and width.
//
// Shapes   x [n, h, w, cin] → y [n, oh, ow, filters]; kernel [kh, kw, cin/groups, filters]; bias [filters].
// Weights  kernel, bias.
// Source   keras.layers.Conv2D, Keras 3.15.

#include "layer/layer.h"

typedef struct conv2d {
    int64_t filters, size[2], stride[2], dilation[2], groups;
    int padding, data_format;
    tw_setting activation;
    bool no_bias;
    tw_setting kernel_init, bias_init, kernel_reg, bias_reg, activity_reg;
} conv2d;

static const tw_field conv2d_fields[] = {
    {TWI_INT("filters", "number of output channels", conv2d, filters, 1, TW_DIM_MAX),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("kernel_size", "height and width of the window", conv2d, size, 1, 4096),
     .flags = TW_FIELD_REQUIRED},
    {TWI_PAIR("strides", "step of the window", conv2d, stride, 1, 4096), .otherwise = "1"},
    {TWI_PADDING(conv2d, padding)},
    {TWI_DATA_FORMAT(conv2d, data_format)},
    {TWI_PAIR("dilation_rate", "distance of the window's pixels", conv2d, dilation, 1, 4096),
     .otherwise = "1"},
    {TWI_INT("groups", "parts of the channels that are convolved separately", conv2d, groups, 1, TW_DIM_MAX),
     .otherwise = "1"},
    {TWI_ACTIVATION("activation", conv2d, activation)},
    {TWI_USE_BIAS(conv2d, no_bias)},
    {TWI_INITIALIZER("kernel_initializer", conv2d, kernel_init, "glorot_uniform")},
    {TWI_INITIALIZER("bias_initializer", conv2d, bias_init, "zeros")},
    {TWI_REGULARIZER("kernel_regularizer", conv2d, kernel_reg)},
    {TWI_REGULARIZER("bias_regularizer", conv2d, bias_reg)},
    {TWI_REGULARIZER("activity_regularizer", conv2d, activity_reg)},
    TWI_LATER("kernel_constraint"),
    TWI_LATER("bias_constraint"),
    TWI_LATER("lora_rank"),
    TWI_LATER("quantization_config"),
    {0}};

static twi_window window_of(const conv2d *c)
{
    return (twi_window){c->size, c->stride, c->dilation, c->padding};
}

static tw_status conv2d_infer(const conv2d *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    if (status)
        return status;
    if (c->filters < 1)
        return twi_fail(err, TW_EINVAL, "filters is missing");
    if (in->dim[3] % c->groups || c->filters % c->groups)
        return twi_fail(err, TW_EINVAL,
                        "groups %lld must divide the %lld input channels and the %lld filters",
                        (long long)c->groups, (long long)in->dim[3], (long long)c->filters);
    twi_window w = window_of(c);
    status = twi_window_infer(&w, in, out, err);
    out->dim[3] = c->filters;
    status = status ? status : twi_activation_shape(&c->activation, out, err);
    return status ? status : twi_check_activity(&c->activity_reg, out, err);
}

static void conv2d_weights(const conv2d *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape kernel = TWI_SHAPE(c->size[0], c->size[1], in->dim[3] / c->groups, c->filters);
    tw_shape bias = TWI_SHAPE(c->filters);
    twi_weight_ask(list, "kernel", kernel, &c->kernel_init, &c->kernel_reg);
    if (!c->no_bias)
        twi_weight_ask(list, "bias", bias, &c->bias_init, &c->bias_reg);
}

static void conv2d_emit(twi_emitter *e, const conv2d *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    twi_window w = window_of(c);
    tw_shape x = twi_value_shape(e, in[0]);
    twi_conv_params p = {.stride = {c->stride[0], c->stride[1]},
                         .dilation = {c->dilation[0], c->dilation[1]},
                         .groups = c->groups};
    twi_window_pads(&w, &x, p.pad);
    twi_value y = twi_emit_conv(e, in[0], e->weight[0], twi_weight_value(e, 1, !c->no_bias), &p);
    out[0] = twi_emit_activity(e, twi_emit_activation_setting(e, y, &c->activation), &c->activity_reg);
}

TWI_THUNK_INFER(conv2d)
TWI_THUNK_WEIGHTS(conv2d)
TWI_THUNK_EMIT(conv2d)

static const char *const conv2d_quick[] = {"filters", "kernel_size", "activation", NULL};

const tw_layer_kind twi_layer_conv2d = {.name = "Conv2D",
                                        .aliases = "conv Convolution2D",
                                        .doc = "convolution over height and width",
                                        .size = sizeof(conv2d),
                                        .fields = conv2d_fields,
                                        .quick = conv2d_quick,
                                        .infer = conv2d_infer_thunk,
                                        .weights = conv2d_weights_thunk,
                                        .emit = conv2d_emit_thunk};
