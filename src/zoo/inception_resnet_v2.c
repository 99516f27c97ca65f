// InceptionResNetV2: Inception blocks whose scaled output is added to what came in. Layers inside the blocks have automatic
// names, so the order of building is part of the architecture.
//
// Source   Szegedy et al., "Inception-v4, Inception-ResNet and the impact of residual connections on learning", 2016; layer
//          names and weights: keras.applications.inception_resnet_v2.

#include "zoo/build.h"

static const twi_zoo_variant inception_resnet_v2_variants[] = {
    {TWI_VARIANT("inception_resnet_v2", "inception_resnet_v2", 299, 75, "tf", 55873736, 54336736, 0.803),
     .weights = {"inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5",
                 "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4",
                 TWI_KERAS "inception_resnet_v2/"}},
    {0}};

// Normalisation without gamma, relu; `name` NULL: automatic.
static twi_tensor norm_relu(tw_model *m, twi_tensor x, const char *name)
{
    x = CALL(batch_normalization, x, name ? NAME("%s_bn", name) : NULL, "scale=false");
    return CALL(activation, x, name ? NAME("%s_ac", name) : NULL, "activation=relu");
}

static twi_tensor conv(tw_model *m, twi_tensor x, int filters, int height, int width)
{
    x = CALL(conv2d, x, NULL, "filters=%d kernel_size=%dx%d padding=same use_bias=false", filters, height,
             width);
    return norm_relu(m, x, NULL);
}

// The same without padding.
static twi_tensor conv_valid(tw_model *m, twi_tensor x, int filters, int kernel, int stride)
{
    x = CALL(conv2d, x, NULL, "filters=%d kernel_size=%d strides=%d use_bias=false", filters, kernel, stride);
    return norm_relu(m, x, NULL);
}

static twi_tensor halved(tw_model *m, twi_tensor x)
{
    return CALL(max_pooling2d, x, NULL, "pool_size=3 strides=2");
}

static twi_tensor mixed_5b(tw_model *m, twi_tensor x)
{
    twi_tensor one = conv(m, x, 96, 1, 1);
    twi_tensor five = conv(m, conv(m, x, 48, 1, 1), 64, 5, 5);
    twi_tensor three = conv(m, conv(m, conv(m, x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
    twi_tensor pool = CALL(average_pooling2d, x, NULL, "pool_size=3 strides=1 padding=same");
    return JOIN(concatenate, 4, ((twi_tensor[]){one, five, three, conv(m, pool, 64, 1, 1)}), "mixed_5b");
}

static twi_tensor mixed_6a(tw_model *m, twi_tensor x)
{
    twi_tensor three = conv_valid(m, x, 384, 3, 2);
    twi_tensor twice = conv_valid(m, conv(m, conv(m, x, 256, 1, 1), 256, 3, 3), 384, 3, 2);
    return JOIN(concatenate, 3, ((twi_tensor[]){three, twice, halved(m, x)}), "mixed_6a");
}

static twi_tensor mixed_7a(tw_model *m, twi_tensor x)
{
    twi_tensor a = conv_valid(m, conv(m, x, 256, 1, 1), 384, 3, 2);
    twi_tensor b = conv_valid(m, conv(m, x, 256, 1, 1), 288, 3, 2);
    twi_tensor c = conv_valid(m, conv(m, conv(m, x, 256, 1, 1), 288, 3, 3), 320, 3, 2);
    return JOIN(concatenate, 4, ((twi_tensor[]){a, b, c, halved(m, x)}), "mixed_7a");
}

// x + scale · residual, where the branches' sides by side are brought back to the channels of x.
static twi_tensor residual(tw_model *m, twi_tensor x, const char *p, int n, const twi_tensor *branches,
                           double scale, bool is_last)
{
    twi_tensor up = JOIN(concatenate, n, branches, NAME("%s_mixed", p));
    up = CALL(conv2d, up, NAME("%s_conv", p), "filters=%lld kernel_size=1 padding=same",
              (long long)twi_channels(m, x));
    x = twi_model_layer(m, &twi_layer_custom_scale_layer, NULL, 2, (twi_tensor[]){x, up}, "scale=%g", scale);
    return is_last ? x : CALL(activation, x, NAME("%s_ac", p), "activation=relu");
}

static twi_tensor block35(tw_model *m, twi_tensor x, int i)
{
    twi_tensor a = conv(m, x, 32, 1, 1);
    twi_tensor b = conv(m, conv(m, x, 32, 1, 1), 32, 3, 3);
    twi_tensor c = conv(m, conv(m, conv(m, x, 32, 1, 1), 48, 3, 3), 64, 3, 3);
    return residual(m, x, NAME("block35_%d", i), 3, (twi_tensor[]){a, b, c}, 0.17, false);
}

static twi_tensor block17(tw_model *m, twi_tensor x, int i)
{
    twi_tensor a = conv(m, x, 192, 1, 1);
    twi_tensor b = conv(m, conv(m, conv(m, x, 128, 1, 1), 160, 1, 7), 192, 7, 1);
    return residual(m, x, NAME("block17_%d", i), 2, (twi_tensor[]){a, b}, 0.1, false);
}

static twi_tensor block8(tw_model *m, twi_tensor x, int i)
{
    twi_tensor a = conv(m, x, 192, 1, 1);
    twi_tensor b = conv(m, conv(m, conv(m, x, 192, 1, 1), 224, 1, 3), 256, 3, 1);
    return residual(m, x, NAME("block8_%d", i), 2, (twi_tensor[]){a, b}, i < 10 ? 0.2 : 1, i == 10);
}

static void inception_resnet_v2_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o,
                                      twi_tensor x)
{
    (void)v;
    x = conv_valid(m, x, 32, 3, 2);
    x = conv_valid(m, x, 32, 3, 1);
    x = halved(m, conv(m, x, 64, 3, 3));
    x = conv_valid(m, x, 80, 1, 1);
    x = halved(m, conv_valid(m, x, 192, 3, 1));
    x = mixed_5b(m, x);
    for (int i = 1; i <= 10; i++)
        x = block35(m, x, i);
    x = mixed_6a(m, x);
    for (int i = 1; i <= 20; i++)
        x = block17(m, x, i);
    x = mixed_7a(m, x);
    for (int i = 1; i <= 10; i++)
        x = block8(m, x, i);
    x = CALL(conv2d, x, "conv_7b", "filters=1536 kernel_size=1 padding=same use_bias=false");
    x = norm_relu(m, x, "conv_7b");
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_inception_resnet_v2 = {.name = "inception_resnet_v2",
                                                       .paper = "Szegedy et al. 2016",
                                                       .variants = inception_resnet_v2_variants,
                                                       .build = inception_resnet_v2_build};
