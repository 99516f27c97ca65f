// MobileNetV2: inverted residuals: a 1×1 convolution widens, a depthwise 3×3 filters, a 1×1 narrows without activation, and
// the narrow ends are added. `alpha` scales the number of channels.
//
// Source   Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018, table 2; layer names and weights:
//          keras.applications.mobilenet_v2.

#include "zoo/build.h"

#define FILE_OF(file_) "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_" file_ "_224"
#define WIDTH(alpha_, name_, file_, params_, no_top_, top1_)                                                \
    {                                                                                                       \
        .name = "mobilenet_v2", .model_name = "mobilenetv2_" name_ "_", .alpha = alpha_, .input_size = 224, \
        .min_size = 32, .preprocess = "tf", .params = params_, .params_no_top = no_top_, .top1 = top1_,     \
        .weights = {                                                                                        \
            .file = FILE_OF(file_) ".h5",                                                                   \
            .file_no_top = FILE_OF(file_) "_no_top.h5",                                                     \
            .url = TWI_KERAS "mobilenet_v2/"                                                                \
        }                                                                                                   \
    }

static const twi_zoo_variant mobilenet_v2_variants[] = {WIDTH(1, "1.00", "1.0", 3538984, 2257984, 0.718),
                                                        WIDTH(0.35, "0.35", "0.35", 1691208, 410208, 0.603),
                                                        WIDTH(0.5, "0.50", "0.5", 1987224, 706224, 0.654),
                                                        WIDTH(0.75, "0.75", "0.75", 2663064, 1382064, 0.698),
                                                        WIDTH(1.3, "1.30", "1.3", 5431048, 3766048, 0.744),
                                                        WIDTH(1.4, "1.40", "1.4", 6156712, 4363712, 0.750),
                                                        {0}};

// A convolution without bias, and its normalisation.
static twi_tensor conv(tw_model *m, twi_tensor x, const char *name, const char *norm, int64_t filters)
{
    x = CALL(conv2d, x, name, "filters=%lld kernel_size=1 padding=same use_bias=false", (long long)filters);
    return CALL(batch_normalization, x, norm, "momentum=0.999");
}

static twi_tensor block(tw_model *m, twi_tensor in, int id, int64_t filters, int stride, int expansion)
{
    twi_name prefix = id ? twi_name_of("block_%d", id) : twi_name_of("expanded_conv");
    const char *p = prefix.text;
    twi_tensor x = in;
    int64_t channels = twi_channels(m, x);
    if (expansion != 1) {
        x = conv(m, x, NAME("%s_expand", p), NAME("%s_expand_BN", p), expansion * channels);
        x = CALL(relu, x, NAME("%s_expand_relu", p), "max_value=6");
    }
    if (stride == 2)
        x = CALL(zero_padding2d, x, NAME("%s_pad", p), "%s", twi_zoo_pad(m, x, 3).text);
    x = CALL(depthwise_conv2d, x, NAME("%s_depthwise", p),
             "kernel_size=3 strides=%d use_bias=false padding=%s", stride, stride == 2 ? "valid" : "same");
    x = CALL(batch_normalization, x, NAME("%s_depthwise_BN", p), "momentum=0.999");
    x = CALL(relu, x, NAME("%s_depthwise_relu", p), "max_value=6");
    x = conv(m, x, NAME("%s_project", p), NAME("%s_project_BN", p), filters);
    if (channels != filters || stride != 1)
        return x;
    return JOIN(add, 2, ((twi_tensor[]){in, x}), NAME("%s_add", p));
}

static void mobilenet_v2_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    static const struct {
        int expansion, filters, repeats, stride;
    } table[7] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    x = CALL(conv2d, x, "Conv1", "filters=%lld kernel_size=3 strides=2 padding=same use_bias=false",
             (long long)twi_divisible(32 * v->alpha, 8));
    x = CALL(batch_normalization, x, "bn_Conv1", "momentum=0.999");
    x = CALL(relu, x, "Conv1_relu", "max_value=6");
    for (int row = 0, id = 0; row < 7; row++)
        for (int i = 0; i < table[row].repeats; i++, id++)
            x = block(m, x, id, twi_divisible((int)(table[row].filters * v->alpha), 8),
                      i ? 1 : table[row].stride, table[row].expansion);
    // The last convolution never gets narrower.
    int64_t last = v->alpha > 1 ? twi_divisible(1280 * v->alpha, 8) : 1280;
    x = CALL(conv2d, x, "Conv_1", "filters=%lld kernel_size=1 use_bias=false", (long long)last);
    x = CALL(batch_normalization, x, "Conv_1_bn", "momentum=0.999");
    x = CALL(relu, x, "out_relu", "max_value=6");
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(global_average_pooling2d, x, NULL);
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_mobilenet_v2 = {.name = "mobilenet_v2",
                                                .paper = "Sandler et al. 2018",
                                                .variants = mobilenet_v2_variants,
                                                .build = mobilenet_v2_build};
