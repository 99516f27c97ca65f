// MobileNetV3 Small and Large: inverted residuals with squeeze-and-excite and hard swish, found by search; the minimalistic ones
// have 3×3 kernels and relu only. `alpha` scales the number of channels.
//
// Input    pictures 0…255, scaled to −1…1 inside the model.
// Source   Howard et al., "Searching for MobileNetV3", 2019, tables 1 and 2; layer names and weights:
//          keras.applications.mobilenet_v3. Activations have automatic names, so the order of building matters.

#include "zoo/build.h"

typedef struct row {
    double expansion;
    int filters, stride;
    bool is_wide; // a 5×5 kernel
    bool has_excite, has_swish;
} row;

typedef struct mobilenet_v3 {
    bool is_minimalistic;
    int last; // channels of the last convolution
    const row *rows;
} mobilenet_v3;

static const row small_rows[] = {{1, 16, 2, false, true, false},
                                 {72.0 / 16, 24, 2, false, false, false},
                                 {88.0 / 24, 24, 1, false, false, false},
                                 {4, 40, 2, true, true, true},
                                 {6, 40, 1, true, true, true},
                                 {6, 40, 1, true, true, true},
                                 {3, 48, 1, true, true, true},
                                 {3, 48, 1, true, true, true},
                                 {6, 96, 2, true, true, true},
                                 {6, 96, 1, true, true, true},
                                 {6, 96, 1, true, true, true},
                                 {.filters = 0}};
static const row large_rows[] = {{1, 16, 1, false, false, false},  {4, 24, 2, false, false, false},
                                 {3, 24, 1, false, false, false},  {3, 40, 2, true, true, false},
                                 {3, 40, 1, true, true, false},    {3, 40, 1, true, true, false},
                                 {6, 80, 2, false, false, true},   {2.5, 80, 1, false, false, true},
                                 {2.3, 80, 1, false, false, true}, {2.3, 80, 1, false, false, true},
                                 {6, 112, 1, false, true, true},   {6, 112, 1, false, true, true},
                                 {6, 160, 2, true, true, true},    {6, 160, 1, true, true, true},
                                 {6, 160, 1, true, true, true},    {.filters = 0}};

static const mobilenet_v3 small = {false, 1024, small_rows}, small_minimalistic = {true, 1024, small_rows},
                          large = {false, 1280, large_rows}, large_minimalistic = {true, 1280, large_rows};

#define VARIANT(name_, model_, detail_, alpha_, file_, params_, no_top_, top1_, hash_, hash_no_top_)     \
    {                                                                                                    \
        .name = "mobilenet_v3_" name_, .model_name = model_, .alpha = alpha_, .input_size = 224,         \
        .min_size = 32, .preprocess = "raw", .params = params_, .params_no_top = no_top_, .top1 = top1_, \
        .weights = {"weights_mobilenet_v3_" file_ "_float.h5",                                           \
                    "weights_mobilenet_v3_" file_ "_float_no_top_v2.h5", hash_, hash_no_top_,            \
                    TWI_KERAS "mobilenet_v3/"},                                                          \
        .detail = &detail_                                                                               \
    }

static const twi_zoo_variant mobilenet_v3_variants[] = {
    VARIANT("small", "MobileNetV3Small", small, 1, "small_224_1.0", 2554968, 939120, 0.681,
            "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    VARIANT("small", "MobileNetV3Small", small, 0.75, "small_224_0.75", 2051552, 583160, 0.654,
            "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    VARIANT("small_minimalistic", "MobileNetV3Small", small_minimalistic, 1, "small_minimalistic_224_1.0",
            2056848, 441000, 0.619, "99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
    VARIANT("large", "MobileNetV3Large", large, 1, "large_224_1.0", 5507432, 2996352, 0.756,
            "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    VARIANT("large", "MobileNetV3Large", large, 0.75, "large_224_0.75", 4012616, 1808736, 0.733,
            "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    VARIANT("large_minimalistic", "MobileNetV3Large", large_minimalistic, 1, "large_minimalistic_224_1.0",
            3948688, 1437608, 0.723, "675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    {0}};

static twi_tensor activation(tw_model *m, twi_tensor x, bool has_swish)
{
    return has_swish ? CALL(activation, x, NULL, "activation=hard_silu") : PLAIN(relu, x, NULL);
}

static twi_tensor conv1(tw_model *m, twi_tensor x, const char *name, int64_t filters, bool use_bias)
{
    return CALL(conv2d, x, name, "filters=%lld kernel_size=1 padding=same use_bias=%s", (long long)filters,
                use_bias ? "true" : "false");
}

static twi_tensor norm(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(batch_normalization, x, name, "momentum=0.999");
}

// p: "expanded_conv_3_"
static twi_tensor excite(tw_model *m, twi_tensor in, const char *p)
{
    int64_t channels = twi_channels(m, in);
    twi_tensor x = CALL(global_average_pooling2d, in, NAME("%ssqueeze_excite_avg_pool", p), "keepdims=true");
    x = conv1(m, x, NAME("%ssqueeze_excite_conv", p), twi_divisible((double)channels * 0.25, 8), true);
    x = PLAIN(relu, x, NAME("%ssqueeze_excite_relu", p));
    x = conv1(m, x, NAME("%ssqueeze_excite_conv_1", p), channels, true);
    // The hard sigmoid is written out: relu6(x + 3) · 1/6.
    x = CALL(op_add, x, NULL, "x2=3");
    x = CALL(relu, x, NULL, "max_value=6");
    x = CALL(op_multiply, x, NULL, "x2=%.17g", 1 / 6.0);
    return JOIN(multiply, 2, ((twi_tensor[]){in, x}), NAME("%ssqueeze_excite_mul", p));
}

static twi_tensor block(tw_model *m, twi_tensor in, const row *r, int id, double alpha, bool is_minimalistic)
{
    twi_name prefix = id ? twi_name_of("expanded_conv_%d_", id) : twi_name_of("expanded_conv_");
    const char *p = prefix.text;
    bool has_swish = r->has_swish && !is_minimalistic;
    int kernel = r->is_wide && !is_minimalistic ? 5 : 3;
    int64_t channels = twi_channels(m, in), filters = twi_divisible(r->filters * alpha, 8);
    twi_tensor x = in;
    if (id) {
        x = conv1(m, x, NAME("%sexpand", p), twi_divisible((double)channels * r->expansion, 8), false);
        x = activation(m, norm(m, x, NAME("%sexpand_bn", p)), has_swish);
    }
    if (r->stride == 2)
        x = CALL(zero_padding2d, x, NAME("%sdepthwise_pad", p), "%s", twi_zoo_pad(m, x, kernel).text);
    x = CALL(depthwise_conv2d, x, NAME("%sdepthwise", p),
             "kernel_size=%d strides=%d padding=%s use_bias=false", kernel, r->stride,
             r->stride == 2 ? "valid" : "same");
    x = activation(m, norm(m, x, NAME("%sdepthwise_bn", p)), has_swish);
    if (r->has_excite && !is_minimalistic)
        x = excite(m, x, p);
    x = norm(m, conv1(m, x, NAME("%sproject", p), filters, false), NAME("%sproject_bn", p));
    if (r->stride != 1 || channels != filters)
        return x;
    return JOIN(add, 2, ((twi_tensor[]){in, x}), NAME("%sadd", p));
}

static void mobilenet_v3_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const mobilenet_v3 *table = v->detail;
    bool has_swish = !table->is_minimalistic;
    x = CALL(rescaling, x, NULL, "scale=%.17g offset=-1", 1 / 127.5);
    x = CALL(conv2d, x, "conv", "filters=16 kernel_size=3 strides=2 padding=same use_bias=false");
    x = activation(m, norm(m, x, "conv_bn"), has_swish);
    for (int i = 0; table->rows[i].filters; i++)
        x = block(m, x, &table->rows[i], i, v->alpha, table->is_minimalistic);
    x = conv1(m, x, "conv_1", twi_divisible((double)twi_channels(m, x) * 6, 8), false);
    x = activation(m, norm(m, x, "conv_1_bn"), has_swish);
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, "avg_pool", "max_pool");
        return;
    }
    x = CALL(global_average_pooling2d, x, NULL, "keepdims=true");
    x = activation(m, conv1(m, x, "conv_2", table->last, true), has_swish);
    x = CALL(dropout, x, NULL, "rate=0.2");
    x = conv1(m, x, "logits", o->classes, true);
    x = PLAIN(flatten, x, NULL);
    x = CALL(activation, x, "predictions", "activation=%s", o->classifier_activation);
    twi_model_output(m, x);
}

const twi_zoo_family twi_family_mobilenet_v3 = {.name = "mobilenet_v3",
                                                .paper = "Howard et al. 2019",
                                                .variants = mobilenet_v3_variants,
                                                .build = mobilenet_v3_build};
