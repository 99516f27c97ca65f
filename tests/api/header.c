// The public header under a strict C11 compiler, with every shape of call its macros have. Building it is the test.

#include "topwork.h"

int main(void)
{
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_model *trunk = tw_application(tw, "vgg16", .weights = "none", .no_top = true,
                                     .input_shape = TW_SHAPE(32, 32, 3), .err = &err);
    tw_model *model = tw_sequential(tw, "all_shapes", .err = &err);
    tw_add(model, tw_nest(trunk, .inference = true));
    tw_add(model, tw_conv2d(4, {1}, "relu", .strides = {1, 1}, .padding = "same"));
    tw_add(model, tw_zero_padding2d({1}));
    tw_add(model, tw_max_pooling2d());
    tw_add(model, tw_batch_normalization(.epsilon = 1e-5, .no_scale = true));
    tw_add(model, tw_activation("relu"));
    tw_add(model, tw_rescaling({1 / 127.5}, .offset = {-1}));
    tw_add(model, tw_flatten());
    tw_add(model, tw_dropout(TW_ZERO, .name = "drop"));
    tw_add(model, tw_dense(8, .activation = "relu", .kernel_regularizer = "l2:1e-4"));
    tw_add(model, tw_layer("Dense", "{\"units\": 2, \"activation\": \"softmax\"}"));
    tw_status status = tw_model_check(model, &err);
    tw_model_free(trunk);
    tw_model_free(model);
    tw_close(tw);
    return tw_status_exit(status);
}
