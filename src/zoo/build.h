// What the builders of the zoo write with. They build into a model `m`, layer by layer, like the paper's table.
#ifndef TWI_ZOO_BUILD_H
#define TWI_ZOO_BUILD_H

#include "zoo/zoo.h"

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

// The end of every network: with top, dense layer `name`; without, the pooling asked for. Sets the model's output.
// `average` and `max` name the pooling layers (NULL: automatic).
void twi_zoo_dense(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *name);
void twi_zoo_pooled(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *average,
                    const char *max);

#endif
