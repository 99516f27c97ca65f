// What the builders of the zoo write with. They build into a model `m`, layer by layer, like the paper's table.
#ifndef TWI_ZOO_BUILD_H
#define TWI_ZOO_BUILD_H

#include "zoo/zoo.h"

// Members of a variant's row that every family sets.
#define TWI_VARIANT(name_, model_, size_, min_, mode_, params_, no_top_, top1_)             \
    .name = name_, .model_name = model_, .alpha = 1, .input_size = size_, .min_size = min_, \
    .preprocess = mode_, .params = params_, .params_no_top = no_top_, .top1 = top1_
// Where Keras publishes its weights; a folder name follows.
#define TWI_KERAS "https://storage.googleapis.com/tensorflow/keras-applications/"

// A layer of a kind, called on x; name NULL: named as Keras would. The config is a printf format:
//     x = CALL(conv2d, x, NAME("block%d_conv%d", b, i), "filters=%d kernel_size=3 padding=same", filters);
#define CALL(kind, x, name, ...) twi_model_layer(m, &twi_layer_##kind, name, 1, &(x), __VA_ARGS__)
// The same with the default config.
#define PLAIN(kind, x, name) CALL(kind, x, name, "%s", "")
// A layer that joins n tensors.
#define JOIN(kind, n, tensors, name) twi_model_layer(m, &twi_layer_##kind, name, n, tensors, "%s", "")

// A formatted name that lives to the end of the expression.
typedef struct twi_name {
    char text[96];
} twi_name;
twi_name twi_name_of(const char *fmt, ...) TWI_PRINTF(1, 2);
#define NAME(...) twi_name_of(__VA_ARGS__).text

// The nearest multiple of divisor to v, at least divisor, never more than 10 % below v (every MobileNet rounds so).
int64_t twi_divisible(double v, int64_t divisor);
int64_t twi_channels(const tw_model *m, twi_tensor x); // 0 after an error
tw_shape twi_shape_of(const tw_model *m, twi_tensor x);

// Zeros that Keras puts around an input of a kernel of size k and stride 2, as config text "padding=0,1,0,1": top,
// bottom, left, right, one less before than after where the size is even.
twi_name twi_zoo_pad(const tw_model *m, twi_tensor x, int k);

// Squeeze-and-excite as EfficientNets name it: each channel of x, weighted by a small network on its mean.
twi_tensor twi_zoo_squeeze_excite(tw_model *m, twi_tensor x, const char *prefix, int64_t squeezed);
// How EfficientNets start their convolutions and their classifier.
#define TWI_EFFICIENTNET_CONV  "VarianceScaling:2:fan_out:truncated_normal"
#define TWI_EFFICIENTNET_DENSE "VarianceScaling:0.333333333333333333:fan_out:uniform"

// The ends of networks. `average` and `max` name the pooling layers (NULL: automatic).
// With top: a dense layer, the model's output.
void twi_zoo_dense(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *name);
// Without: the pooling asked for, or x; twi_zoo_pooled makes it the output.
twi_tensor twi_zoo_pool(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *average,
                        const char *max);
void twi_zoo_pooled(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *average,
                    const char *max);

#endif
