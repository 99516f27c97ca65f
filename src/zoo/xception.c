// Xception: separable convolutions with residuals; an entry flow that makes pictures smaller, a middle flow of eight equal
// blocks, an exit flow.
//
// Source   Chollet, "Xception: deep learning with depthwise separable convolutions", 2017, figure 5; layer names and
//          weights: keras.applications.xception.

#include "zoo/build.h"

static const twi_zoo_variant xception_variants[] = {
    {TWI_VARIANT("xception", "xception", 299, 71, "tf", 22910480, 20861480, 0.790),
     .weights = {"xception_weights_tf_dim_ordering_tf_kernels.h5",
                 "xception_weights_tf_dim_ordering_tf_kernels_notop.h5", "0a58e3b7378bc2990ea3b43d5981f1f6",
                 "b0042744bf5b25fce3cb969f33bebb97", TWI_KERAS "xception/"}},
    {0}};

static twi_tensor relu(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(activation, x, name, "activation=relu");
}

static twi_tensor conv(tw_model *m, twi_tensor x, const char *name, int filters, int stride)
{
    x = CALL(conv2d, x, name, "filters=%d kernel_size=3 strides=%d use_bias=false", filters, stride);
    x = PLAIN(batch_normalization, x, NAME("%s_bn", name));
    return relu(m, x, NAME("%s_act", name));
}

static twi_tensor separable(tw_model *m, twi_tensor x, int block, int i, int filters)
{
    x = CALL(separable_conv2d, x, NAME("block%d_sepconv%d", block, i),
             "filters=%d kernel_size=3 padding=same use_bias=false", filters);
    return PLAIN(batch_normalization, x, NAME("block%d_sepconv%d_bn", block, i));
}

// Two separable convolutions and a pooling, added to a strided 1×1 convolution of the input.
static twi_tensor smaller(tw_model *m, twi_tensor in, int block, int first, int second)
{
    twi_tensor residual =
        CALL(conv2d, in, NULL, "filters=%d kernel_size=1 strides=2 padding=same use_bias=false", second);
    residual = PLAIN(batch_normalization, residual, NULL);
    twi_tensor x = block == 2 ? in : relu(m, in, NAME("block%d_sepconv1_act", block));
    x = separable(m, x, block, 1, first);
    x = relu(m, x, NAME("block%d_sepconv2_act", block));
    x = separable(m, x, block, 2, second);
    x = CALL(max_pooling2d, x, NAME("block%d_pool", block), "pool_size=3 strides=2 padding=same");
    return JOIN(add, 2, ((twi_tensor[]){x, residual}), NULL);
}

static twi_tensor middle(tw_model *m, twi_tensor in, int block)
{
    twi_tensor x = in;
    for (int i = 1; i <= 3; i++) {
        x = relu(m, x, NAME("block%d_sepconv%d_act", block, i));
        x = separable(m, x, block, i, 728);
    }
    return JOIN(add, 2, ((twi_tensor[]){x, in}), NULL);
}

static void xception_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    (void)v;
    x = conv(m, x, "block1_conv1", 32, 2);
    x = conv(m, x, "block1_conv2", 64, 1);
    x = smaller(m, x, 2, 128, 128);
    x = smaller(m, x, 3, 256, 256);
    x = smaller(m, x, 4, 728, 728);
    for (int block = 5; block <= 12; block++)
        x = middle(m, x, block);
    x = smaller(m, x, 13, 728, 1024);
    for (int i = 1; i <= 2; i++) {
        x = separable(m, x, 14, i, i == 1 ? 1536 : 2048);
        x = relu(m, x, NAME("block14_sepconv%d_act", i));
    }
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_xception = {
    .name = "xception", .paper = "Chollet 2017", .variants = xception_variants, .build = xception_build};
