// ConvNeXt Tiny, Small, Base, Large, XLarge: blocks of a depthwise 7×7 convolution, a layer normalisation and two dense layers,
// added to what came in. Stem and downsampling are small Sequential models of their own.
//
// Input    pictures 0…255, normalised by ImageNet's mean and deviation inside the model.
// Source   Liu et al., "A ConvNet for the 2020s", 2022; layer names and weights: keras.applications.convnext.

#include "zoo/build.h"

typedef struct convnext {
    int depths[4], channels[4];
} convnext;

static const convnext tiny = {{3, 3, 9, 3}, {96, 192, 384, 768}},
                      small = {{3, 3, 27, 3}, {96, 192, 384, 768}},
                      base = {{3, 3, 27, 3}, {128, 256, 512, 1024}},
                      large = {{3, 3, 27, 3}, {192, 384, 768, 1536}},
                      xlarge = {{3, 3, 27, 3}, {256, 512, 1024, 2048}};

#define VARIANT(name_, params_, no_top_, top1_, hash_, hash_no_top_)                                   \
    {                                                                                                  \
        TWI_VARIANT("convnext_" #name_, "convnext_" #name_, 224, 32, "raw", params_, no_top_, top1_),  \
            .weights = {"convnext_" #name_ ".h5", "convnext_" #name_ "_notop.h5", hash_, hash_no_top_, \
                        TWI_KERAS "convnext/"},                                                        \
            .detail = &name_                                                                           \
    }

static const twi_zoo_variant convnext_variants[] = {
    VARIANT(tiny, 28589128, 27820128, 0.813,
            "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
            "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
    VARIANT(small, 50223688, 49454688, 0.823,
            "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
            "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
    VARIANT(base, 88591464, 87566464, 0.853,
            "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
            "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    VARIANT(large, 197767336, 196230336, 0.863,
            "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
            "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
    VARIANT(xlarge, 350196968, 348147968, 0.867,
            "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
            "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
    {0}};

static twi_tensor norm(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(layer_normalization, x, name, "epsilon=1e-6");
}

// A convolution without overlap and a layer normalisation, in the order given, as a Sequential of its own.
static twi_tensor smaller(tw_model *outer, twi_tensor x, const char *name, const char *norm_name,
                          const char *conv_name, int channels, int stride, bool norm_first)
{
    tw_shape shape = twi_shape_of(outer, x);
    tw_model *m = twi_model_new(name, true, &outer->err);
    twi_tensor y = twi_model_input(m, NULL, &shape);
    if (norm_first)
        y = norm(m, y, norm_name);
    y = CALL(conv2d, y, conv_name, "filters=%d kernel_size=%d strides=%d", channels, stride, stride);
    if (!norm_first)
        y = norm(m, y, norm_name);
    twi_model_output(m, y);
    twi_layer *nest = twi_model_verify(m, &outer->err) ? NULL : twi_layer_nest(m, &outer->err);
    x = twi_model_call(outer, nest, 1, &x);
    twi_layer_free(nest);
    twi_model_free(m);
    return x;
}

static twi_tensor block(tw_model *m, twi_tensor in, const char *p, int channels)
{
    twi_tensor x = CALL(conv2d, in, NAME("%s_depthwise_conv", p),
                        "filters=%d kernel_size=7 padding=same groups=%d", channels, channels);
    x = norm(m, x, NAME("%s_layernorm", p));
    x = CALL(dense, x, NAME("%s_pointwise_conv_1", p), "units=%d", 4 * channels);
    x = CALL(activation, x, NAME("%s_gelu", p), "activation=gelu");
    x = CALL(dense, x, NAME("%s_pointwise_conv_2", p), "units=%d", channels);
    x = CALL(layer_scale, x, NAME("%s_layer_scale", p), "init_values=1e-6 projection_dim=%d", channels);
    // Where Keras could put stochastic depth; its published variants have none.
    x = CALL(activation, x, NAME("%s_identity", p), "activation=linear");
    return JOIN(op_add, 2, ((twi_tensor[]){in, x}), NULL);
}

static twi_tensor normalise(tw_model *m, twi_tensor x, const char *name)
{
    double deviation[3] = {0.229 * 255, 0.224 * 255, 0.225 * 255};
    if (twi_channels(m, x) != 3)
        return x;
    return CALL(normalization, x, NAME("%s_prestem_normalization", name),
                "mean=%.17g,%.17g,%.17g variance=%.17g,%.17g,%.17g", 0.485 * 255, 0.456 * 255, 0.406 * 255,
                deviation[0] * deviation[0], deviation[1] * deviation[1], deviation[2] * deviation[2]);
}

static void convnext_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const convnext *table = v->detail;
    const char *p = m->name; // Keras derives the layers' names from the model's
    x = normalise(m, x, p);
    for (int i = 0; i < 4; i++) {
        int channels = table->channels[i];
        x = i == 0 ? smaller(m, x, NAME("%s_stem", p), NAME("%s_stem_layernorm", p), NAME("%s_stem_conv", p),
                             channels, 4, false)
                   : smaller(m, x, NAME("%s_downsampling_block_%d", p, i - 1),
                             NAME("%s_downsampling_layernorm_%d", p, i - 1),
                             NAME("%s_downsampling_conv_%d", p, i - 1), channels, 2, true);
        for (int j = 0; j < table->depths[i]; j++)
            x = block(m, x, NAME("%s_stage_%d_block_%d", p, i, j), channels);
    }
    if (o->has_top) {
        x = PLAIN(global_average_pooling2d, x, NAME("%s_head_gap", p));
        x = norm(m, x, NAME("%s_head_layernorm", p));
        twi_zoo_dense(m, o, x, NAME("%s_head_dense", p));
        return;
    }
    // Keras normalises once more, after the pooling.
    x = twi_zoo_pool(m, o, x, NULL, NULL);
    twi_model_output(m, norm(m, x, NULL));
}

const twi_zoo_family twi_family_convnext = {
    .name = "convnext", .paper = "Liu et al. 2022", .variants = convnext_variants, .build = convnext_build};
