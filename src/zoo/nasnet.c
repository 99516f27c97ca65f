// NASNetMobile, NASNetLarge: cells found by search. A cell gets the outputs of the two cells before it.
//
// Source   Zoph et al., "Learning transferable architectures for scalable image recognition", 2018, figure 4 (NASNet-A);
//          layer names and weights: keras.applications.nasnet. Some layers have automatic names, so the order of building
//          is part of the architecture.

#include "zoo/build.h"

typedef struct nasnet {
    int filters, blocks, stem;
    bool skips_reduction; // the cell after a reduction looks past it
} nasnet;

static const nasnet mobile = {1056 / 24, 4, 32, false}, large = {4032 / 24, 6, 96, true};

static const twi_zoo_variant nasnet_variants[] = {
    {TWI_VARIANT("nasnet_mobile", "nasnet_mobile", 224, 32, "tf", 5326716, 4269716, 0.744),
     .weights = {"nasnet_mobile.h5", "nasnet_mobile_no_top.h5", "020fb642bf7360b370c678b08e0adf61",
                 "1ed92395b5b598bdda52abe5c0dbfd63", TWI_KERAS "nasnet/", "NASNet-mobile.h5",
                 "NASNet-mobile-no-top.h5"},
     .detail = &mobile},
    {TWI_VARIANT("nasnet_large", "nasnet_large", 331, 32, "tf", 88949818, 84916818, 0.825),
     .weights = {"nasnet_large.h5", "nasnet_large_no_top.h5", "11577c9a518f0070763c2b964a382f17",
                 "d81d89dc07e6e56530c4e77faddd61b5", TWI_KERAS "nasnet/", "NASNet-large.h5",
                 "NASNet-large-no-top.h5"},
     .detail = &large},
    {0}};

static twi_tensor relu(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(activation, x, name, "activation=relu");
}

static twi_tensor norm(tw_model *m, twi_tensor x, const char *name)
{
    return CALL(batch_normalization, x, name, "momentum=0.9997");
}

static twi_tensor conv1(tw_model *m, twi_tensor x, const char *name, int filters)
{
    return CALL(conv2d, x, name,
                "filters=%d kernel_size=1 padding=same use_bias=false kernel_initializer=he_normal", filters);
}

static twi_tensor add(tw_model *m, twi_tensor a, twi_tensor b, const char *name)
{
    return JOIN(add, 2, ((twi_tensor[]){a, b}), name);
}

// Pooling by a 3×3 window; of `what`: average_pooling2d, max_pooling2d.
#define POOL(what, x, name, stride, padding) \
    CALL(what, x, name, "pool_size=3 strides=%d padding=%s", stride, padding)

// Twice relu, separable convolution, normalisation.
static twi_tensor separable(tw_model *m, twi_tensor x, int filters, int kernel, int stride, const char *id)
{
    x = relu(m, x, NULL);
    if (stride == 2)
        x = CALL(zero_padding2d, x, NAME("separable_conv_1_pad_%s", id), "%s",
                 twi_zoo_pad(m, x, kernel).text);
    x = CALL(separable_conv2d, x, NAME("separable_conv_1_%s", id),
             "filters=%d kernel_size=%d strides=%d padding=%s use_bias=false", filters, kernel, stride,
             stride == 2 ? "valid" : "same");
    x = relu(m, norm(m, x, NAME("separable_conv_1_bn_%s", id)), NULL);
    x = CALL(separable_conv2d, x, NAME("separable_conv_2_%s", id),
             "filters=%d kernel_size=%d padding=same use_bias=false", filters, kernel);
    return norm(m, x, NAME("separable_conv_2_bn_%s", id));
}

// Brings the output p of the cell before last to the size of `in`, in two halves shifted by a pixel.
static twi_tensor adjust_size(tw_model *m, twi_tensor p, int filters, const char *id)
{
    p = relu(m, p, NAME("adjust_relu_1_%s", id));
    twi_tensor a = CALL(average_pooling2d, p, NAME("adjust_avg_pool_1_%s", id), "pool_size=1 strides=2");
    a = conv1(m, a, NAME("adjust_conv_1_%s", id), filters / 2);
    twi_tensor b = CALL(zero_padding2d, p, NULL, "padding=0,1,0,1");
    b = CALL(cropping2d, b, NULL, "cropping=1,0,1,0");
    b = CALL(average_pooling2d, b, NAME("adjust_avg_pool_2_%s", id), "pool_size=1 strides=2");
    b = conv1(m, b, NAME("adjust_conv_2_%s", id), filters / 2);
    p = JOIN(concatenate, 2, ((twi_tensor[]){a, b}), NULL);
    return norm(m, p, NAME("adjust_bn_%s", id));
}

static twi_tensor adjust(tw_model *m, twi_tensor p, twi_tensor in, int filters, const char *id)
{
    if (p.node == in.node) // the first cell has only one input
        return p;
    if (twi_shape_of(m, p).dim[2] != twi_shape_of(m, in).dim[2])
        return adjust_size(m, p, filters, id);
    if (twi_channels(m, p) == filters)
        return p;
    p = conv1(m, relu(m, p, NULL), NAME("adjust_conv_projection_%s", id), filters);
    return norm(m, p, NAME("adjust_bn_%s", id));
}

// A cell takes the output of the cell before (in) and of the one before that (*before), and leaves `in` as the next *before.
static twi_tensor normal_cell(tw_model *m, twi_tensor in, twi_tensor *before, int filters, const char *id)
{
    twi_tensor p = adjust(m, *before, in, filters, id);
    twi_tensor h = conv1(m, relu(m, in, NULL), NAME("normal_conv_1_%s", id), filters);
    h = norm(m, h, NAME("normal_bn_1_%s", id));
    twi_tensor left = separable(m, h, filters, 5, 1, NAME("normal_left1_%s", id));
    twi_tensor right = separable(m, p, filters, 3, 1, NAME("normal_right1_%s", id));
    twi_tensor x1 = add(m, left, right, NAME("normal_add_1_%s", id));
    left = separable(m, p, filters, 5, 1, NAME("normal_left2_%s", id));
    right = separable(m, p, filters, 3, 1, NAME("normal_right2_%s", id));
    twi_tensor x2 = add(m, left, right, NAME("normal_add_2_%s", id));
    left = POOL(average_pooling2d, h, NAME("normal_left3_%s", id), 1, "same");
    twi_tensor x3 = add(m, left, p, NAME("normal_add_3_%s", id));
    left = POOL(average_pooling2d, p, NAME("normal_left4_%s", id), 1, "same");
    right = POOL(average_pooling2d, p, NAME("normal_right4_%s", id), 1, "same");
    twi_tensor x4 = add(m, left, right, NAME("normal_add_4_%s", id));
    left = separable(m, h, filters, 3, 1, NAME("normal_left5_%s", id));
    twi_tensor x5 = add(m, left, h, NAME("normal_add_5_%s", id));
    *before = in;
    return JOIN(concatenate, 6, ((twi_tensor[]){p, x1, x2, x3, x4, x5}), NAME("normal_concat_%s", id));
}

static twi_tensor reduction_cell(tw_model *m, twi_tensor in, twi_tensor *before, int filters, const char *id)
{
    twi_tensor p = adjust(m, *before, in, filters, id);
    twi_tensor h = conv1(m, relu(m, in, NULL), NAME("reduction_conv_1_%s", id), filters);
    h = norm(m, h, NAME("reduction_bn_1_%s", id));
    twi_tensor padded =
        CALL(zero_padding2d, h, NAME("reduction_pad_1_%s", id), "%s", twi_zoo_pad(m, h, 3).text);
    twi_tensor left = separable(m, h, filters, 5, 2, NAME("reduction_left1_%s", id));
    twi_tensor right = separable(m, p, filters, 7, 2, NAME("reduction_right1_%s", id));
    twi_tensor x1 = add(m, left, right, NAME("reduction_add_1_%s", id));
    left = POOL(max_pooling2d, padded, NAME("reduction_left2_%s", id), 2, "valid");
    right = separable(m, p, filters, 7, 2, NAME("reduction_right2_%s", id));
    twi_tensor x2 = add(m, left, right, NAME("reduction_add_2_%s", id));
    left = POOL(average_pooling2d, padded, NAME("reduction_left3_%s", id), 2, "valid");
    right = separable(m, p, filters, 5, 2, NAME("reduction_right3_%s", id));
    twi_tensor x3 = add(m, left, right, NAME("reduction_add3_%s", id));
    right = POOL(average_pooling2d, x1, NAME("reduction_left4_%s", id), 1, "same");
    twi_tensor x4 = add(m, x2, right, NULL);
    left = separable(m, x1, filters, 3, 1, NAME("reduction_left4_%s", id));
    right = POOL(max_pooling2d, padded, NAME("reduction_right5_%s", id), 2, "valid");
    twi_tensor x5 = add(m, left, right, NAME("reduction_add4_%s", id));
    *before = in;
    return JOIN(concatenate, 4, ((twi_tensor[]){x2, x3, x4, x5}), NAME("reduction_concat_%s", id));
}

static void nasnet_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const nasnet *table = v->detail;
    x = CALL(conv2d, x, "stem_conv1",
             "filters=%d kernel_size=3 strides=2 use_bias=false kernel_initializer=he_normal", table->stem);
    x = norm(m, x, "stem_bn1");
    twi_tensor before = x;
    x = reduction_cell(m, x, &before, table->filters / 4, "stem_1");
    x = reduction_cell(m, x, &before, table->filters / 2, "stem_2");
    for (int part = 0; part < 3; part++) {
        int filters = table->filters << part, first = part * table->blocks;
        if (part) {
            twi_tensor past = before;
            x = reduction_cell(m, x, &before, filters, NAME("reduce_%d", first));
            before = table->skips_reduction ? past : before;
        }
        for (int i = 0; i < table->blocks; i++)
            x = normal_cell(m, x, &before, filters, NAME("%d", first + i + (part > 0)));
    }
    x = relu(m, x, NULL);
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(global_average_pooling2d, x, NULL);
    twi_zoo_dense(m, o, x, "predictions");
}

const twi_zoo_family twi_family_nasnet = {
    .name = "nasnet", .paper = "Zoph et al. 2018", .variants = nasnet_variants, .build = nasnet_build};
