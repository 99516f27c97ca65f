// EfficientNet B0–B7: inverted residuals with squeeze-and-excite; width, depth and picture size grow together.
//
// Scaling  channels · width, rounded to multiples of 8; repeats · depth, rounded up.
// Input    pictures 0…255: Rescaling and Normalization (its mean and variance are weights in the published files) are part of
//          the model. With published weights Keras divides once more by sqrt(deviation), as they were trained.
// Source   Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, table 1; layer names and
//          weights: keras.applications.efficientnet.

#include "zoo/build.h"

#include <math.h>

typedef struct efficientnet {
    double width, depth, dropout;
} efficientnet;

static const efficientnet b0 = {1.0, 1.0, 0.2}, b1 = {1.0, 1.1, 0.2}, b2 = {1.1, 1.2, 0.3},
                          b3 = {1.2, 1.4, 0.3}, b4 = {1.4, 1.8, 0.4}, b5 = {1.6, 2.2, 0.4},
                          b6 = {1.8, 2.6, 0.5}, b7 = {2.0, 3.1, 0.5};

#define VARIANT(n_, size_, params_, no_top_, top1_, hash_, hash_no_top_)                                   \
    {                                                                                                      \
        TWI_VARIANT("efficientnet_b" #n_, "efficientnetb" #n_, size_, 32, "raw", params_, no_top_, top1_), \
            .weights = {"efficientnetb" #n_ ".h5", "efficientnetb" #n_ "_notop.h5", hash_, hash_no_top_,   \
                        "https://storage.googleapis.com/keras-applications/"},                             \
            .detail = &b##n_                                                                               \
    }

static const twi_zoo_variant efficientnet_variants[] = {
    VARIANT(0, 224, 5330571, 4049571, 0.771, "902e53a9f72be733fc0bcb005b3ebbac",
            "50bc09e76180e00e4465e1a485ddc09d"),
    VARIANT(1, 240, 7856239, 6575239, 0.791, "1d254153d4ab51201f1646940f018540",
            "74c4e6b3e1f6a1eea24c589628592432"),
    VARIANT(2, 260, 9177569, 7768569, 0.801, "b15cce36ff4dcbd00b6dd88e7857a6ad",
            "111f8e2ac8aa800a7a99e3239f7bfb39"),
    VARIANT(3, 300, 12320535, 10783535, 0.816, "ffd1fdc53d0ce67064dc6a9c7960ede0",
            "af6d107764bb5b1abb91932881670226"),
    VARIANT(4, 380, 19466823, 17673823, 0.829, "18c95ad55216b8f92d7e70b3a046e2fc",
            "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    VARIANT(5, 456, 30562527, 28513527, 0.836, "ace28f2a6363774853a83a0b21b9421a",
            "38879255a25d3c92d5e44e04ae6cec6f"),
    VARIANT(6, 528, 43265143, 40960143, 0.840, "165f6e37dce68623721b423839de8be5",
            "9ecce42647a20130c1f39a5d4cb75743"),
    VARIANT(7, 600, 66658687, 64097687, 0.843, "8c03f828fec3ef71311cd463b6759d99",
            "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    {0}};

static twi_tensor norm_swish(tw_model *m, twi_tensor x, const char *p, const char *what)
{
    x = PLAIN(batch_normalization, x, NAME("%s%sbn", p, what));
    return CALL(activation, x, NAME("%s%sactivation", p, what), "activation=silu");
}

static twi_tensor conv1(tw_model *m, twi_tensor x, const char *name, int64_t filters)
{
    return CALL(
        conv2d, x, name,
        "filters=%lld kernel_size=1 padding=same use_bias=false kernel_initializer=" TWI_EFFICIENTNET_CONV,
        (long long)filters);
}

typedef struct stage {
    int repeats, kernel, stride, expansion, filters;
} stage;

// p: "block2a_"
static twi_tensor block(tw_model *m, twi_tensor in, const stage *s, const char *p, int64_t filters,
                        int stride, double drop)
{
    twi_tensor x = in;
    int64_t channels = twi_channels(m, x);
    if (s->expansion != 1)
        x = norm_swish(m, conv1(m, x, NAME("%sexpand_conv", p), channels * s->expansion), p, "expand_");
    if (stride == 2)
        x = CALL(zero_padding2d, x, NAME("%sdwconv_pad", p), "%s", twi_zoo_pad(m, x, s->kernel).text);
    x = CALL(
        depthwise_conv2d, x, NAME("%sdwconv", p),
        "kernel_size=%d strides=%d padding=%s use_bias=false depthwise_initializer=" TWI_EFFICIENTNET_CONV,
        s->kernel, stride, stride == 2 ? "valid" : "same");
    x = norm_swish(m, x, p, "");
    x = twi_zoo_squeeze_excite(m, x, p, channels / 4 > 1 ? channels / 4 : 1);
    x = conv1(m, x, NAME("%sproject_conv", p), filters);
    x = PLAIN(batch_normalization, x, NAME("%sproject_bn", p));
    if (stride != 1 || channels != filters)
        return x;
    if (drop > 0)
        x = CALL(dropout, x, NAME("%sdrop", p), "rate=%.17g noise_shape=-1,1,1,1", drop);
    return JOIN(add, 2, ((twi_tensor[]){x, in}), NAME("%sadd", p));
}

static twi_tensor normalise(tw_model *m, const twi_zoo_options *o, twi_tensor x)
{
    x = CALL(rescaling, x, NULL, "scale=%.17g", 1 / 255.0);
    x = PLAIN(normalization, x, NULL);
    if (o->is_random)
        return x;
    return CALL(rescaling, x, NULL, "scale=%.17g,%.17g,%.17g", 1 / sqrt(0.229), 1 / sqrt(0.224),
                1 / sqrt(0.225));
}

static void efficientnet_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    static const stage stages[7] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                                    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
    const efficientnet *scale = v->detail;
    int blocks = 0, id = 0;
    for (int i = 0; i < 7; i++)
        blocks += (int)ceil(stages[i].repeats * scale->depth);
    x = normalise(m, o, x);
    x = CALL(zero_padding2d, x, "stem_conv_pad", "%s", twi_zoo_pad(m, x, 3).text);
    x = CALL(conv2d, x, "stem_conv",
             "filters=%lld kernel_size=3 strides=2 use_bias=false kernel_initializer=" TWI_EFFICIENTNET_CONV,
             (long long)twi_divisible(32 * scale->width, 8));
    x = norm_swish(m, x, "stem_", "");
    for (int i = 0; i < 7; i++)
        for (int j = 0, n = (int)ceil(stages[i].repeats * scale->depth); j < n; j++, id++)
            x = block(m, x, &stages[i], NAME("block%d%c_", i + 1, 'a' + j),
                      twi_divisible(stages[i].filters * scale->width, 8), j ? 1 : stages[i].stride,
                      0.2 * id / blocks);
    x = norm_swish(m, conv1(m, x, "top_conv", twi_divisible(1280 * scale->width, 8)), "top_", "");
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    x = CALL(dropout, x, "top_dropout", "rate=%g", scale->dropout);
    x = CALL(dense, x, "predictions", "units=%lld activation=%s kernel_initializer=" TWI_EFFICIENTNET_DENSE,
             (long long)o->classes, o->classifier_activation);
    twi_model_output(m, x);
}

const twi_zoo_family twi_family_efficientnet = {.name = "efficientnet",
                                                .paper = "Tan & Le 2019",
                                                .variants = efficientnet_variants,
                                                .build = efficientnet_build};
