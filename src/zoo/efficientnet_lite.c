// EfficientNet-Lite 0–4: EfficientNet for plain hardware: no squeeze-and-excite, relu6 instead of swish, and a stem and head
// that are not scaled with the width.
//
// Scaling  channels · width, rounded to multiples of 8; repeats · depth, rounded up; the first and the last stage keep their
//          repeats, stem and head their 32 and 1280 channels.
// Padding  TensorFlow's "same" everywhere. Batch normalisation: epsilon 1e-3, momentum 0.99.
// Source   Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, table 1; the Lite
//          builder of the TPU repository; published as PyTorch files by the packages efficientnet-lite0…2-pytorch-model.
//          Layer names are those of keras.applications' EfficientNet.

#include "zoo/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct lite {
    double width, depth, dropout;
} lite;

static const lite lite0 = {1.0, 1.0, 0.2}, lite1 = {1.0, 1.1, 0.2}, lite2 = {1.1, 1.2, 0.3},
                  lite3 = {1.2, 1.4, 0.3}, lite4 = {1.4, 1.8, 0.3};

#define VARIANT(n_, size_, params_, no_top_, top1_, ...)                                                   \
    {                                                                                                      \
        TWI_VARIANT("efficientnet-lite" #n_, "efficientnet-lite" #n_, size_, 32, "lite", params_, no_top_, \
                    top1_),                                                                                \
            .weights = {__VA_ARGS__}, .detail = &lite##n_                                                  \
    }

static const twi_zoo_variant efficientnet_lite_variants[] = {
    VARIANT(0, 224, 4694024, 3413024, 0.751, .file = "efficientnet-lite0-57934424.pth",
            .hash = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    VARIANT(1, 240, 5470344, 4189344, 0.767, .file = "efficientnet-lite1-77cc7160.pth",
            .hash = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    VARIANT(2, 260, 6150168, 4869168, 0.776, .file = "efficientnet-lite2-9656183e.pth",
            .hash = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    VARIANT(3, 280, 8273768, 6992768, 0.798, .file = NULL),
    VARIANT(4, 300, 13118936, 11837936, 0.815, .file = NULL),
    {0}};

// ------------------------------------------------------------------------------------------------------------- building

// Convolution without bias, normalisation, and relu6 if `is_active`; layers <p>_<what>conv, <p>_<what>bn …
static twi_tensor conv(tw_model *m, twi_tensor x, const char *p, const char *what, int64_t filters,
                       int kernel, int stride, bool is_active)
{
    x = CALL(conv2d, x, NAME("%s_%sconv", p, what),
             "filters=%lld kernel_size=%d strides=%d padding=same use_bias=false "
             "kernel_initializer=" TWI_EFFICIENTNET_CONV,
             (long long)filters, kernel, stride);
    x = PLAIN(batch_normalization, x, NAME("%s_%sbn", p, what));
    return is_active ? CALL(relu, x, NAME("%s_%sactivation", p, what), "max_value=6") : x;
}

typedef struct stage {
    int repeats, kernel, stride, expansion, filters;
} stage;

static twi_tensor block(tw_model *m, twi_tensor in, const stage *s, const char *p, int64_t filters,
                        int stride, double drop)
{
    twi_tensor x = in;
    int64_t channels = twi_channels(m, x);
    if (s->expansion != 1)
        x = conv(m, x, p, "expand_", channels * s->expansion, 1, 1, true);
    x = CALL(
        depthwise_conv2d, x, NAME("%s_dwconv", p),
        "kernel_size=%d strides=%d padding=same use_bias=false depthwise_initializer=" TWI_EFFICIENTNET_CONV,
        s->kernel, stride);
    x = PLAIN(batch_normalization, x, NAME("%s_bn", p));
    x = CALL(relu, x, NAME("%s_activation", p), "max_value=6");
    x = conv(m, x, p, "project_", filters, 1, 1, false);
    if (stride != 1 || channels != filters)
        return x;
    // Stochastic depth: whole samples are dropped, deeper blocks more often.
    if (drop > 0)
        x = CALL(dropout, x, NAME("%s_drop", p), "rate=%.17g noise_shape=-1,1,1,1", drop);
    return JOIN(add, 2, ((twi_tensor[]){x, in}), NAME("%s_add", p));
}

static void efficientnet_lite_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o,
                                    twi_tensor x)
{
    static const stage stages[7] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                                    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
    const lite *scale = v->detail;
    int repeats[7], blocks = 0, id = 0;
    for (int i = 0; i < 7; i++) {
        bool is_end = i == 0 || i == 6;
        repeats[i] = is_end ? stages[i].repeats : (int)ceil(stages[i].repeats * scale->depth);
        blocks += repeats[i];
    }
    x = conv(m, x, "stem", "", 32, 3, 2, true);
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < repeats[i]; j++, id++)
            x = block(m, x, &stages[i], NAME("block%d%c", i + 1, 'a' + j),
                      twi_divisible(stages[i].filters * scale->width, 8), j ? 1 : stages[i].stride,
                      0.2 * id / blocks);
    x = conv(m, x, "top", "", 1280, 1, 1, true);
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

// --------------------------------------------------------------------------------------------------------- torch names

// How many blocks come before stage `number`.
static int blocks_before(const lite *scale, int number)
{
    static const int repeats[7] = {1, 2, 2, 3, 3, 4, 1};
    int n = 0;
    for (int i = 0; i + 1 < number && i < 7; i++)
        n += i == 0 ? repeats[i] : (int)ceil(repeats[i] * scale->depth);
    return n;
}

// Keras variable → torch tensor: kernel → weight, gamma → weight, beta → bias, moving_… → running_….
static const char *torch_variable(const char *name)
{
    static const char *const names[][2] = {{"kernel", "weight"},
                                           {"gamma", "weight"},
                                           {"beta", "bias"},
                                           {"bias", "bias"},
                                           {"moving_mean", "running_mean"},
                                           {"moving_variance", "running_var"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

static const char *torch_layer(const char *name, bool is_block)
{
    static const char *const outer[][2] = {{"stem_conv", "_conv_stem"},
                                           {"stem_bn", "_bn0"},
                                           {"top_conv", "_conv_head"},
                                           {"top_bn", "_bn1"},
                                           {"predictions", "_fc"}};
    static const char *const inner[][2] = {{"expand_conv", "_expand_conv"},   {"expand_bn", "_bn0"},
                                           {"dwconv", "_depthwise_conv"},     {"bn", "_bn1"},
                                           {"project_conv", "_project_conv"}, {"project_bn", "_bn2"}};
    const char *const(*names)[2] = is_block ? inner : outer;
    size_t n = is_block ? sizeof inner / sizeof *inner : sizeof outer / sizeof *outer;
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

// "block2b_expand_bn/gamma" → "_blocks.2._bn0.weight"
static bool efficientnet_lite_torch_name(const twi_zoo_variant *v, const char *path, char *name, size_t size)
{
    char layer[64], variable[32], part;
    int number, at = 0;
    if (sscanf(path, "%63[^/]/%31s", layer, variable) != 2 || !torch_variable(variable))
        return false;
    bool is_block = sscanf(layer, "block%d%c_%n", &number, &part, &at) == 2 && at;
    const char *torch = torch_layer(layer + at, is_block);
    if (!torch)
        return false;
    if (is_block)
        snprintf(name, size, "_blocks.%d.%s.%s", blocks_before(v->detail, number) + part - 'a', torch,
                 torch_variable(variable));
    else
        snprintf(name, size, "%s.%s", torch, torch_variable(variable));
    return true;
}

const twi_zoo_family twi_family_efficientnet_lite = {.name = "efficientnet_lite",
                                                     .paper = "Tan & Le 2019; Liu 2020",
                                                     .variants = efficientnet_lite_variants,
                                                     .build = efficientnet_lite_build,
                                                     .torch_name = efficientnet_lite_torch_name};
