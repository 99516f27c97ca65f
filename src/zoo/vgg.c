// VGG16, VGG19: five blocks of 3×3 convolutions, each halved by a max pooling, then three dense layers.
//
// Source   Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014, table 1 (D, E);
//          layer names and weights: keras.applications.vgg16, vgg19.
//
// This file is the annotated example of the room.

#include "zoo/build.h"

// 1. What the variants differ in: a line of the paper's table.
typedef struct vgg {
    int convs[5]; // convolutions in each block
} vgg;

static const vgg vgg16 = {{2, 2, 3, 3, 3}}, vgg19 = {{2, 2, 4, 4, 4}};

// 2. The variants: names, sizes, counts (a test builds each one and compares), published weights.
static const twi_zoo_variant vgg_variants[] = {
    {TWI_VARIANT("vgg16", "vgg16", 224, 32, "caffe", 138357544, 14714688, 0.713),
     .weights = {"vgg16_weights_tf_dim_ordering_tf_kernels.h5",
                 "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "64373286793e3c8b2b4e3219cbf3544b",
                 "6d6bbae143d832006294945121d1f1fc", TWI_KERAS "vgg16/"},
     .detail = &vgg16},
    {TWI_VARIANT("vgg19", "vgg19", 224, 32, "caffe", 143667240, 20024384, 0.713),
     .weights = {"vgg19_weights_tf_dim_ordering_tf_kernels.h5",
                 "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "cbe5617147190e668d6c5d5026f83318",
                 "253f8cb515780f3b799900260a226db6", TWI_KERAS "vgg19/"},
     .detail = &vgg19},
    {0}};

// 3. The builder, layer by layer with Keras's names. Errors stay in the model; nothing is checked in between.
static void vgg_build(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor x)
{
    const vgg *table = v->detail;
    static const int filters[5] = {64, 128, 256, 512, 512};
    for (int block = 1; block <= 5; block++) {
        for (int i = 1; i <= table->convs[block - 1]; i++)
            x = CALL(conv2d, x, NAME("block%d_conv%d", block, i),
                     "filters=%d kernel_size=3 activation=relu padding=same", filters[block - 1]);
        x = CALL(max_pooling2d, x, NAME("block%d_pool", block), "pool_size=2 strides=2");
    }
    if (!o->has_top) {
        twi_zoo_pooled(m, o, x, NULL, NULL);
        return;
    }
    x = PLAIN(flatten, x, "flatten");
    x = CALL(dense, x, "fc1", "units=4096 activation=relu");
    x = CALL(dense, x, "fc2", "units=4096 activation=relu");
    twi_zoo_dense(m, o, x, "predictions");
}

// 4. The row, found through one line in list.inc: TW_FAMILY(vgg).
const twi_zoo_family twi_family_vgg = {
    .name = "vgg", .paper = "Simonyan & Zisserman 2014", .variants = vgg_variants, .build = vgg_build};
