// DenseNet121, 169, 201: in a dense block every layer gets the outputs of all layers before it, side by side.
//
// Source   Huang et al., "Densely connected convolutional networks", 2017, table 1; layer names and weights:
//          keras.applications.densenet.

#include "zoo/build.h"

typedef struct densenet {
    int layers[4]; // in the dense blocks conv2 … conv5
} densenet;

static const densenet densenet121 = {{6, 12, 24, 16}}, densenet169 = {{6, 12, 32, 32}},
                      densenet201 = {{6, 12, 48, 32}};

#define VARIANT(name_, params_, no_top_, top1_, hash_, hash_no_top_)                                \
    {                                                                                               \
        TWI_VARIANT(#name_, #name_, 224, 32, "torch", params_, no_top_, top1_),                     \
            .weights = {#name_ "_weights_tf_dim_ordering_tf_kernels.h5",                            \
                        #name_ "_weights_tf_dim_ordering_tf_kernels_notop.h5", hash_, hash_no_top_, \
                        TWI_KERAS "densenet/"},                                                     \
            .detail = &name_                                                                        \
    }

static const twi_zoo_variant densenet_variants[] = {
    VARIANT(densenet121, 8062504, 7037504, 0.750, "9d60b8095a5708f2dcce2bca79d332c7",
            "30ee3e1110167f948a6b9946edeeb738"),
    VARIANT(densenet169, 14307880, 12642880, 0.762, "d699b8f76981ab1b30698df4c175e90b",
            "b8c4d4c20dd625c148057b9ff1c1176b"),
    VARIANT(densenet201, 20242984, 18321984, 0.773, "1ceb130c1ea1b78c3bf6114dbdfd8807",
            "c13680b51ded0fb44dff2d8f86ac8bb1"),
    {0}};

enum { GROWTH = 32 }; // channels each layer adds

static twi_tensor norm_relu(tw_model *m, twi_tensor x, const char *norm, const char *relu)
{
    x = CALL(batch_normalization, x, norm, "epsilon=1.001e-5");
    return CALL(activation, x, relu, "activation=relu");
}

static twi_tensor dense_layer(tw_model *m, twi_tensor in, const char *p)
{
    twi_tensor x = norm_relu(m, in, NAME("%s_0_bn", p), NAME("%s_0_relu", p));
    x = CALL(conv2d, x, NAME("%s_1_conv", p), "filters=%d kernel_size=1 use_bias=false", 4 * GROWTH);
    x = norm_relu(m, x, NAME("%s_1_bn", p), NAME("%s_1_relu", p));
    x = CALL(conv2d, x, NAME("%s_2_conv", p), "filters=%d kernel_size=3 padding=same use_bias=false", GROWTH);
    return JOIN(concatenate, 2, ((twi_tensor[]){in, x}), NAME("%s_concat", p));
}

static twi_tensor transition(tw_model *m, twi_tensor x, const char *p)
{
    x = norm_relu(m, x, NAME("%s_bn", p), NAME("%s_relu", p));
    x = CALL(conv2d, x, NAME("%s_conv", p), "filters=%lld kernel_size=1 use_bias=false",
             (long long)twi_channels(m, x) / 2);
    return CALL(average_pooling2d, x, NAME("%s_pool", p), "pool_size=2 strides=2");
}

static void densenet_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const densenet *table = v->detail;
    x = CALL(zero_padding2d, x, NULL, "padding=3");
    x = CALL(conv2d, x, "conv1_conv", "filters=64 kernel_size=7 strides=2 use_bias=false");
    x = norm_relu(m, x, "conv1_bn", "conv1_relu");
    x = CALL(zero_padding2d, x, NULL, "padding=1");
    x = CALL(max_pooling2d, x, "pool1", "pool_size=3 strides=2");
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < table->layers[i]; j++)
            x = dense_layer(m, x, NAME("conv%d_block%d", i + 2, j + 1));
        x = i < 3 ? transition(m, x, NAME("pool%d", i + 2)) : norm_relu(m, x, "bn", "relu");
    }
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_densenet = {
    .name = "densenet", .paper = "Huang et al. 2017", .variants = densenet_variants, .build = densenet_build};
