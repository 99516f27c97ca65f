// EfficientNetV2 B0–B3, S, M, L: as EfficientNet, but the early stages fuse the widening and the depthwise convolution into
// one, and there is no padding layer.
//
// Input    pictures 0…255: B0–B3 normalise by ImageNet's mean and deviation, S, M, L to −1…1.
// Source   Tan & Le, "EfficientNetV2: smaller models and faster training", 2021, table 4; layer names and weights:
//          keras.applications.efficientnet_v2.

#include "zoo/build.h"

#include <math.h>

typedef struct stage {
    int repeats, stride, expansion, filters;
    bool is_fused; // fused stages have no squeeze-and-excite
} stage;

typedef struct efficientnet_v2 {
    double width, depth;
    int stem;
    bool is_b;
    stage stages[8]; // ends at repeats 0
} efficientnet_v2;

#define B_STAGES                                                                             \
    {                                                                                        \
        {1, 1, 1, 16, true}, {2, 2, 4, 32, true}, {2, 2, 4, 48, true}, {3, 2, 4, 96, false}, \
            {5, 1, 6, 112, false}, {8, 2, 6, 192, false},                                    \
    }
static const efficientnet_v2 b0 = {1.0, 1.0, 32, true, B_STAGES}, b1 = {1.0, 1.1, 32, true, B_STAGES},
                             b2 = {1.1, 1.2, 32, true, B_STAGES}, b3 = {1.2, 1.4, 32, true, B_STAGES};
static const efficientnet_v2 s = {1,
                                  1,
                                  24,
                                  false,
                                  {{2, 1, 1, 24, true},
                                   {4, 2, 4, 48, true},
                                   {4, 2, 4, 64, true},
                                   {6, 2, 4, 128, false},
                                   {9, 1, 6, 160, false},
                                   {15, 2, 6, 256, false}}};
static const efficientnet_v2 m_ = {1,
                                   1,
                                   24,
                                   false,
                                   {{3, 1, 1, 24, true},
                                    {5, 2, 4, 48, true},
                                    {5, 2, 4, 80, true},
                                    {7, 2, 4, 160, false},
                                    {14, 1, 6, 176, false},
                                    {18, 2, 6, 304, false},
                                    {5, 1, 6, 512, false}}};
static const efficientnet_v2 l = {1,
                                  1,
                                  32,
                                  false,
                                  {{4, 1, 1, 32, true},
                                   {7, 2, 4, 64, true},
                                   {7, 2, 4, 96, true},
                                   {10, 2, 4, 192, false},
                                   {19, 1, 6, 224, false},
                                   {25, 2, 6, 384, false},
                                   {7, 1, 6, 640, false}}};

#define VARIANT(name_, detail_, size_, params_, no_top_, top1_, hash_, hash_no_top_)                       \
    {                                                                                                      \
        TWI_VARIANT("efficientnet_v2_" name_, "efficientnetv2-" name_, size_, 32, "raw", params_, no_top_, \
                    top1_),                                                                                \
            .weights = {"efficientnetv2-" name_ ".h5", "efficientnetv2-" name_ "_notop.h5", hash_,         \
                        hash_no_top_, TWI_KERAS "efficientnet_v2/"},                                       \
            .detail = &detail_                                                                             \
    }

static const twi_zoo_variant efficientnet_v2_variants[] = {
    VARIANT("b0", b0, 224, 7200312, 5919312, 0.787, "21ecbf6da12460d5c40bb2f29ceb2188",
            "893217f2bb855e2983157299931e43ff"),
    VARIANT("b1", b1, 240, 8212124, 6931124, 0.798, "069f0534ff22adf035c89e2d9547a9dc",
            "0e80663031ca32d657f9caa404b6ec37"),
    VARIANT("b2", b2, 260, 10178374, 8769374, 0.805, "424e49f28180edbde1e94797771950a7",
            "1dfe2e7a5d45b6632553a8961ea609eb"),
    VARIANT("b3", b3, 300, 14467622, 12930622, 0.820, "1f1fc43bd98a6e4fd8fdfd551e02c7a0",
            "f6abf7b5849ac99a89b50dd3fd532856"),
    VARIANT("s", s, 384, 21612360, 20331360, 0.839, "e1d88a8495beba45748fedd0cecbe016",
            "af0682fb74e8c54910f2d4393339c070"),
    VARIANT("m", m_, 480, 54431388, 53150388, 0.853, "a3bf6aa3276309f4fc6a34aa114c95cd",
            "1b8dc055df72dde80d614482840fe342"),
    VARIANT("l", l, 480, 119027848, 117746848, 0.857, "27e6d408b53c7ebc868fefa357689935",
            "b0b66b5c863aef5b46e8608fe1711615"),
    {0}};

// Channels scaled by the width, to multiples of 8. (No guard against rounding down here.)
static int64_t scaled(double filters)
{
    int64_t rounded = (int64_t)(filters + 4) / 8 * 8;
    return rounded < 8 ? 8 : rounded;
}

static twi_tensor swish(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(activation, x, name, "activation=silu");
}

static twi_tensor norm(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(batch_normalization, x, name, "momentum=0.9");
}

static twi_tensor conv(tw_model *m, twi_tensor x, const char *name, int64_t filters, int kernel, int stride)
{
    return CALL(conv2d, x, name,
                "filters=%lld kernel_size=%d strides=%d padding=same use_bias=false "
                "kernel_initializer=" TWI_EFFICIENTNET_CONV,
                (long long)filters, kernel, stride);
}

// Widening and depthwise convolution with squeeze-and-excite, or fused into one 3×3 convolution.
static twi_tensor widen(tw_model *m, twi_tensor x, const stage *st, const char *p, int64_t channels,
                        int stride)
{
    if (st->expansion != 1) {
        int kernel = st->is_fused ? 3 : 1;
        x = conv(m, x, NAME("%sexpand_conv", p), channels * st->expansion, kernel, st->is_fused ? stride : 1);
        x = swish(m, norm(m, x, NAME("%sexpand_bn", p)), NAME("%sexpand_activation", p));
    }
    if (st->is_fused)
        return x;
    x = CALL(
        depthwise_conv2d, x, NAME("%sdwconv2", p),
        "kernel_size=3 strides=%d padding=same use_bias=false depthwise_initializer=" TWI_EFFICIENTNET_CONV,
        stride);
    x = swish(m, norm(m, x, NAME("%sbn", p)), NAME("%sactivation", p));
    return twi_zoo_squeeze_excite(m, x, p, channels / 4 > 1 ? channels / 4 : 1);
}

// p: "block2a_"
static twi_tensor block(tw_model *m, twi_tensor in, const stage *st, const char *p, int64_t filters,
                        int stride, double drop)
{
    int64_t channels = twi_channels(m, in);
    bool is_plain = st->is_fused && st->expansion == 1; // only the one convolution
    twi_tensor x = widen(m, in, st, p, channels, stride);
    x = conv(m, x, NAME("%sproject_conv", p), filters, is_plain ? 3 : 1, is_plain ? stride : 1);
    x = norm(m, x, NAME("%sproject_bn", p));
    if (is_plain)
        x = swish(m, x, NAME("%sproject_activation", p));
    if (stride != 1 || channels != filters)
        return x;
    if (drop > 0)
        x = CALL(dropout, x, NAME("%sdrop", p), "rate=%.17g noise_shape=-1,1,1,1", drop);
    return JOIN(add, 2, ((twi_tensor[]){x, in}), NAME("%sadd", p));
}

static twi_tensor normalise(tw_model *m, const efficientnet_v2 *table, twi_tensor x)
{
    if (!table->is_b || twi_channels(m, x) != 3)
        return CALL(rescaling, x, NULL, "scale=%.17g offset=-1", 1 / 128.0);
    x = CALL(rescaling, x, NULL, "scale=%.17g", 1 / 255.0);
    return CALL(normalization, x, NULL, "mean=0.485,0.456,0.406 variance=%.17g,%.17g,%.17g", 0.229 * 0.229,
                0.224 * 0.224, 0.225 * 0.225);
}

static void efficientnet_v2_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o,
                                  twi_tensor x)
{
    const efficientnet_v2 *table = v->detail;
    int blocks = 0, id = 0;
    for (const stage *st = table->stages; st->repeats; st++)
        blocks += st->repeats; // before scaling, as Keras does
    x = normalise(m, table, x);
    x = conv(m, x, "stem_conv", scaled(table->stem * table->width), 3, 2);
    x = swish(m, norm(m, x, "stem_bn"), "stem_activation");
    for (int i = 0; table->stages[i].repeats; i++) {
        const stage *st = &table->stages[i];
        for (int j = 0, n = (int)ceil(table->depth * st->repeats); j < n; j++, id++)
            x = block(m, x, st, NAME("block%d%c_", i + 1, 'a' + j), scaled(st->filters * table->width),
                      j ? 1 : st->stride, 0.2 * id / blocks);
    }
    x = conv(m, x, "top_conv", scaled(1280 * table->width), 1, 1);
    x = swish(m, norm(m, x, "top_bn"), "top_activation");
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = PLAIN(global_average_pooling2d, x, "avg_pool");
    x = CALL(dropout, x, "top_dropout", "rate=0.2");
    x = CALL(dense, x, "predictions",
             "units=%lld activation=%s bias_initializer=constant kernel_initializer=" TWI_EFFICIENTNET_DENSE,
             (long long)o->classes, o->classifier_activation);
    twi_model_output(m, x);
}

const twi_zoo_family twi_family_efficientnet_v2 = {.name = "efficientnet_v2",
                                                   .paper = "Tan & Le 2021",
                                                   .variants = efficientnet_v2_variants,
                                                   .build = efficientnet_v2_build};
