// MobileNet: thirteen pairs of a depthwise 3×3 and a 1×1 convolution. `alpha` scales the number of channels.
//
// Source   Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, table 1;
//          layer names and weights: keras.applications.mobilenet.

#include "zoo/build.h"

#define WIDTH(alpha_, name_, file_, params_, no_top_, top1_)                                            \
    {                                                                                                   \
        .name = "mobilenet", .model_name = "mobilenet_" name_ "_", .alpha = alpha_, .input_size = 224,  \
        .min_size = 32, .preprocess = "tf", .params = params_, .params_no_top = no_top_, .top1 = top1_, \
        .weights = {                                                                                    \
            .file = "mobilenet_" file_ "_224_tf.h5",                                                    \
            .file_no_top = "mobilenet_" file_ "_224_tf_no_top.h5",                                      \
            .url = TWI_KERAS "mobilenet/"                                                               \
        }                                                                                               \
    }

static const twi_zoo_variant mobilenet_variants[] = {WIDTH(1, "1.00", "1_0", 4253864, 3228864, 0.704),
                                                     WIDTH(0.75, "0.75", "7_5", 2601976, 1832976, 0.684),
                                                     WIDTH(0.5, "0.50", "5_0", 1342536, 829536, 0.637),
                                                     WIDTH(0.25, "0.25", "2_5", 475544, 218544, 0.506),
                                                     {0}};

static twi_tensor pair(tw_model *m, twi_tensor x, int id, int64_t filters, int stride)
{
    if (stride == 2)
        x = CALL(zero_padding2d, x, NAME("conv_pad_%d", id), "padding=0,1,0,1");
    x = CALL(depthwise_conv2d, x, NAME("conv_dw_%d", id),
             "kernel_size=3 padding=%s strides=%d use_bias=false", stride == 2 ? "valid" : "same", stride);
    x = PLAIN(batch_normalization, x, NAME("conv_dw_%d_bn", id));
    x = CALL(relu, x, NAME("conv_dw_%d_relu", id), "max_value=6");
    x = CALL(conv2d, x, NAME("conv_pw_%d", id), "filters=%lld kernel_size=1 padding=same use_bias=false",
             (long long)filters);
    x = PLAIN(batch_normalization, x, NAME("conv_pw_%d_bn", id));
    return CALL(relu, x, NAME("conv_pw_%d_relu", id), "max_value=6");
}

static void mobilenet_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    static const struct {
        int filters, stride;
    } table[13] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                   {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    x = CALL(conv2d, x, "conv1", "filters=%d kernel_size=3 padding=same strides=2 use_bias=false",
             (int)(32 * v->alpha));
    x = PLAIN(batch_normalization, x, "conv1_bn");
    x = CALL(relu, x, "conv1_relu", "max_value=6");
    for (int i = 0; i < 13; i++)
        x = pair(m, x, i + 1, (int64_t)(table[i].filters * v->alpha), table[i].stride);
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = CALL(global_average_pooling2d, x, NULL, "keepdims=true");
    x = CALL(dropout, x, "dropout", "rate=0.001");
    x = CALL(conv2d, x, "conv_preds", "filters=%lld kernel_size=1 padding=same", (long long)o->classes);
    x = CALL(reshape, x, "reshape_2", "target_shape=%lld", (long long)o->classes);
    x = CALL(activation, x, "predictions", "activation=%s", o->classifier_activation);
    twi_model_output(m, x);
}

const twi_zoo_family twi_family_mobilenet = {.name = "mobilenet",
                                             .paper = "Howard et al. 2017",
                                             .variants = mobilenet_variants,
                                             .build = mobilenet_build};
