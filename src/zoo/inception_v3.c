// InceptionV3: blocks of parallel branches whose outputs lie side by side. Layers inside the blocks have automatic names, so
// the order of building is part of the architecture.
//
// Source   Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015, table 1; layer names and
//          weights: keras.applications.inception_v3.

#include "zoo/build.h"

static const twi_zoo_variant inception_v3_variants[] = {
    {TWI_VARIANT("inception_v3", "inception_v3", 299, 75, "tf", 23851784, 21802784, 0.779),
     .weights = {"inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
                 "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63",
                 TWI_KERAS "inception_v3/"}},
    {0}};

// Convolution, normalisation without gamma, relu.
static twi_tensor conv(tw_model *m, twi_tensor x, int filters, int height, int width)
{
    x = CALL(conv2d, x, NULL, "filters=%d kernel_size=%dx%d padding=same use_bias=false", filters, height,
             width);
    x = CALL(batch_normalization, x, NULL, "scale=false");
    return CALL(activation, x, NULL, "activation=relu");
}

// The same without padding.
static twi_tensor conv_valid(tw_model *m, twi_tensor x, int filters, int kernel, int stride)
{
    x = CALL(conv2d, x, NULL, "filters=%d kernel_size=%d strides=%d use_bias=false", filters, kernel, stride);
    x = CALL(batch_normalization, x, NULL, "scale=false");
    return CALL(activation, x, NULL, "activation=relu");
}

static twi_tensor pooled(tw_model *m, twi_tensor x, int filters)
{
    x = CALL(average_pooling2d, x, NULL, "pool_size=3 strides=1 padding=same");
    return conv(m, x, filters, 1, 1);
}

static twi_tensor halved(tw_model *m, twi_tensor x)
{
    return CALL(max_pooling2d, x, NULL, "pool_size=3 strides=2");
}

static twi_tensor block35(tw_model *m, twi_tensor x, const char *name, int pool)
{
    twi_tensor one = conv(m, x, 64, 1, 1);
    twi_tensor five = conv(m, conv(m, x, 48, 1, 1), 64, 5, 5);
    twi_tensor three = conv(m, conv(m, conv(m, x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
    return JOIN(concatenate, 4, ((twi_tensor[]){one, five, three, pooled(m, x, pool)}), name);
}

// c: channels between the 7×1 and 1×7 convolutions.
static twi_tensor block17(tw_model *m, twi_tensor x, const char *name, int c)
{
    twi_tensor one = conv(m, x, 192, 1, 1);
    twi_tensor seven = conv(m, conv(m, conv(m, x, c, 1, 1), c, 1, 7), 192, 7, 1);
    twi_tensor twice = conv(m, conv(m, conv(m, x, c, 1, 1), c, 7, 1), c, 1, 7);
    twice = conv(m, conv(m, twice, c, 7, 1), 192, 1, 7);
    return JOIN(concatenate, 4, ((twi_tensor[]){one, seven, twice, pooled(m, x, 192)}), name);
}

// A 1×3 and a 3×1 convolution side by side.
static twi_tensor split(tw_model *m, twi_tensor x, const char *name)
{
    twi_tensor flat = conv(m, x, 384, 1, 3), tall = conv(m, x, 384, 3, 1);
    return JOIN(concatenate, 2, ((twi_tensor[]){flat, tall}), name);
}

static twi_tensor block8(tw_model *m, twi_tensor x, int i)
{
    twi_tensor one = conv(m, x, 320, 1, 1);
    twi_tensor three = split(m, conv(m, x, 384, 1, 1), NAME("mixed9_%d", i));
    twi_tensor twice = split(m, conv(m, conv(m, x, 448, 1, 1), 384, 3, 3), NULL);
    return JOIN(concatenate, 4, ((twi_tensor[]){one, three, twice, pooled(m, x, 192)}),
                NAME("mixed%d", 9 + i));
}

static twi_tensor reduce17(tw_model *m, twi_tensor x)
{
    twi_tensor three = conv_valid(m, x, 384, 3, 2);
    twi_tensor twice = conv_valid(m, conv(m, conv(m, x, 64, 1, 1), 96, 3, 3), 96, 3, 2);
    return JOIN(concatenate, 3, ((twi_tensor[]){three, twice, halved(m, x)}), "mixed3");
}

static twi_tensor reduce8(tw_model *m, twi_tensor x)
{
    twi_tensor three = conv_valid(m, conv(m, x, 192, 1, 1), 320, 3, 2);
    twi_tensor seven = conv(m, conv(m, conv(m, x, 192, 1, 1), 192, 1, 7), 192, 7, 1);
    seven = conv_valid(m, seven, 192, 3, 2);
    return JOIN(concatenate, 3, ((twi_tensor[]){three, seven, halved(m, x)}), "mixed8");
}

static void inception_v3_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    (void)v;
    x = conv_valid(m, x, 32, 3, 2);
    x = conv_valid(m, x, 32, 3, 1);
    x = halved(m, conv(m, x, 64, 3, 3));
    x = conv_valid(m, x, 80, 1, 1);
    x = halved(m, conv_valid(m, x, 192, 3, 1));
    x = block35(m, x, "mixed0", 32);
    x = block35(m, x, "mixed1", 64);
    x = block35(m, x, "mixed2", 64);
    x = reduce17(m, x);
    x = block17(m, x, "mixed4", 128);
    x = block17(m, x, "mixed5", 160);
    x = block17(m, x, "mixed6", 160);
    x = block17(m, x, "mixed7", 192);
    x = reduce8(m, x);
    x = block8(m, x, 0);
    x = block8(m, x, 1);
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_inception_v3 = {.name = "inception_v3",
                                                .paper = "Szegedy et al. 2015",
                                                .variants = inception_v3_variants,
                                                .build = inception_v3_build};
