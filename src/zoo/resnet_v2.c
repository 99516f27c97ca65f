// ResNet50V2, 101V2, 152V2: as ResNet, but normalisation and relu come before each convolution, and the sum passes on as it is.
//
// Source   He et al., "Identity mappings in deep residual networks", 2016; layer names and weights:
//          keras.applications.resnet_v2.

#include "zoo/build.h"

typedef struct resnet_v2 {
    int blocks[4]; // in the stages conv2 … conv5
} resnet_v2;

static const resnet_v2 resnet50 = {{3, 4, 6, 3}}, resnet101 = {{3, 4, 23, 3}}, resnet152 = {{3, 8, 36, 3}};

#define VARIANT(name_, params_, no_top_, top1_, hash_, hash_no_top_)                                  \
    {                                                                                                 \
        TWI_VARIANT(#name_ "_v2", #name_ "v2", 224, 32, "tf", params_, no_top_, top1_),               \
            .weights = {#name_ "v2_weights_tf_dim_ordering_tf_kernels.h5",                            \
                        #name_ "v2_weights_tf_dim_ordering_tf_kernels_notop.h5", hash_, hash_no_top_, \
                        TWI_KERAS "resnet/"},                                                         \
            .detail = &name_                                                                          \
    }

static const twi_zoo_variant resnet_v2_variants[] = {
    VARIANT(resnet50, 25613800, 23564800, 0.760, "3ef43a0b657b3be2300d5770ece849e0",
            "fac2f116257151a9d068a22e544a4917"),
    VARIANT(resnet101, 44675560, 42626560, 0.772, "6343647c601c52e1368623803854d971",
            "c0ed64b8031c3730f411d2eb4eea35b5"),
    VARIANT(resnet152, 60380648, 58331648, 0.780, "a49b44d1979771252814e80f8ec446f9",
            "ed17cf2e0169df9d443503ef94b23b33"),
    {0}};

#define EPSILON "epsilon=1.001e-5"

static twi_tensor norm_relu(tw_model *m, twi_tensor x, const char *norm, const char *relu)
{
    x = CALL(batch_normalization, x, norm, EPSILON);
    return CALL(activation, x, relu, "activation=relu");
}

static twi_tensor block(tw_model *m, twi_tensor x, const char *p, int filters, int stride, bool is_first)
{
    twi_tensor before = norm_relu(m, x, NAME("%s_preact_bn", p), NAME("%s_preact_relu", p)), shortcut = x;
    if (is_first)
        shortcut = CALL(conv2d, before, NAME("%s_0_conv", p), "filters=%d kernel_size=1 strides=%d",
                        4 * filters, stride);
    else if (stride > 1)
        shortcut = CALL(max_pooling2d, x, NULL, "pool_size=1 strides=%d", stride);
    x = CALL(conv2d, before, NAME("%s_1_conv", p), "filters=%d kernel_size=1 use_bias=false", filters);
    x = norm_relu(m, x, NAME("%s_1_bn", p), NAME("%s_1_relu", p));
    x = CALL(zero_padding2d, x, NAME("%s_2_pad", p), "padding=1");
    x = CALL(conv2d, x, NAME("%s_2_conv", p), "filters=%d kernel_size=3 strides=%d use_bias=false", filters,
             stride);
    x = norm_relu(m, x, NAME("%s_2_bn", p), NAME("%s_2_relu", p));
    x = CALL(conv2d, x, NAME("%s_3_conv", p), "filters=%d kernel_size=1", 4 * filters);
    return JOIN(add, 2, ((twi_tensor[]){shortcut, x}), NAME("%s_out", p));
}

static void resnet_v2_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const resnet_v2 *table = v->detail;
    x = CALL(zero_padding2d, x, "conv1_pad", "padding=3");
    x = CALL(conv2d, x, "conv1_conv", "filters=64 kernel_size=7 strides=2");
    x = CALL(zero_padding2d, x, "pool1_pad", "padding=1");
    x = CALL(max_pooling2d, x, "pool1_pool", "pool_size=3 strides=2");
    // The last block of a stage makes the picture smaller, except in the last stage.
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < table->blocks[stage]; i++)
            x = block(m, x, NAME("conv%d_block%d", stage + 2, i + 1), 64 << stage,
                      stage < 3 && i + 1 == table->blocks[stage] ? 2 : 1, !i);
    x = norm_relu(m, x, "post_bn", "post_relu");
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_resnet_v2 = {
    .name = "resnet_v2", .paper = "He et al. 2016", .variants = resnet_v2_variants, .build = resnet_v2_build};
