// ResNet50, 101, 152: bottleneck blocks (1×1, 3×3, 1×1 convolutions) that are added to what came in.
//
// Source   He et al., "Deep residual learning for image recognition", 2015, table 1; layer names and weights:
//          keras.applications.resnet.

#include "zoo/build.h"

typedef struct resnet {
    int blocks[4]; // in the stages conv2 … conv5
} resnet;

static const resnet resnet50 = {{3, 4, 6, 3}}, resnet101 = {{3, 4, 23, 3}}, resnet152 = {{3, 8, 36, 3}};

#define VARIANT(name_, params_, no_top_, top1_, hash_, hash_no_top_)                                \
    {                                                                                               \
        TWI_VARIANT(#name_, #name_, 224, 32, "caffe", params_, no_top_, top1_),                     \
            .weights = {#name_ "_weights_tf_dim_ordering_tf_kernels.h5",                            \
                        #name_ "_weights_tf_dim_ordering_tf_kernels_notop.h5", hash_, hash_no_top_, \
                        TWI_KERAS "resnet/"},                                                       \
            .detail = &name_                                                                        \
    }

static const twi_zoo_variant resnet_variants[] = {
    VARIANT(resnet50, 25636712, 23587712, 0.749, "2cb95161c43110f7111970584f804107",
            "4d473c1dd8becc155b73f8504c6f6626"),
    VARIANT(resnet101, 44707176, 42658176, 0.764, "f1aeb4b969a6efcfb50fad2f0c20cfc5",
            "88cf7a10940856eca736dc7b7e228a21"),
    VARIANT(resnet152, 60419944, 58370944, 0.766, "100835be76be38e30d865e96f2aaae62",
            "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    {0}};

#define EPSILON "epsilon=1.001e-5"

// Convolution <p>_<i>_conv and its normalisation.
static twi_tensor conv(tw_model *m, twi_tensor x, const char *p, int i, int filters, int kernel, int stride)
{
    x = CALL(conv2d, x, NAME("%s_%d_conv", p, i), "filters=%d kernel_size=%d strides=%d padding=%s", filters,
             kernel, stride, kernel == 3 ? "same" : "valid");
    return CALL(batch_normalization, x, NAME("%s_%d_bn", p, i), EPSILON);
}

static twi_tensor relu(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(activation, x, name, "activation=relu");
}

static twi_tensor block(tw_model *m, twi_tensor x, const char *p, int filters, int stride, bool is_first)
{
    twi_tensor shortcut = is_first ? conv(m, x, p, 0, 4 * filters, 1, stride) : x;
    x = relu(m, conv(m, x, p, 1, filters, 1, stride), NAME("%s_1_relu", p));
    x = relu(m, conv(m, x, p, 2, filters, 3, 1), NAME("%s_2_relu", p));
    x = conv(m, x, p, 3, 4 * filters, 1, 1);
    x = JOIN(add, 2, ((twi_tensor[]){shortcut, x}), NAME("%s_add", p));
    return relu(m, x, NAME("%s_out", p));
}

static void resnet_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const resnet *table = v->detail;
    x = CALL(zero_padding2d, x, "conv1_pad", "padding=3");
    x = CALL(conv2d, x, "conv1_conv", "filters=64 kernel_size=7 strides=2");
    x = CALL(batch_normalization, x, "conv1_bn", EPSILON);
    x = relu(m, x, "conv1_relu");
    x = CALL(zero_padding2d, x, "pool1_pad", "padding=1");
    x = CALL(max_pooling2d, x, "pool1_pool", "pool_size=3 strides=2");
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < table->blocks[stage]; i++)
            x = block(m, x, NAME("conv%d_block%d", stage + 2, i + 1), 64 << stage, stage && !i ? 2 : 1, !i);
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_resnet = {
    .name = "resnet", .paper = "He et al. 2015", .variants = resnet_variants, .build = resnet_build};
