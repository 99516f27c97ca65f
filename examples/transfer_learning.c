// The transfer-learning lesson with VGG16: looking at the network, freezing layers, a new top, another input size.
//
//     transfer_learning [PHOTOS]      with a folder of photos, the new top is trained on it for an epoch
//
// Where the published weights are not on this machine it says so and goes on with random ones: counts and shapes are the same.

#include <stdio.h>
#include <topwork.h>

// 138357544 as 138,357,544.
static void put(int64_t n)
{
    if (n >= 1000)
        put(n / 1000);
    printf(n >= 1000 ? ",%03d" : "%d", (int)(n % 1000));
}

static void count(const char *title, const char *what, tw_counts n)
{
    printf("%-24s ", title);
    put(n.all);
    printf(" %s: ", what);
    put(n.trainable);
    printf(" trainable, ");
    put(n.non_trainable);
    printf(" not\n");
}

// VGG16 with the weights of ImageNet, or with random ones.
static tw_model *vgg16(tw_context *tw, bool no_top, tw_tensor input, tw_err *err)
{
    tw_err missing = {0};
    tw_model *model = tw_application(tw, "vgg16", .no_top = no_top, .input_tensor = input, .err = &missing);
    if (model || missing.status != TW_EUNUSABLE)
        return *err = missing, model;
    printf("(%s)\n(going on with random weights)\n", missing.msg);
    return tw_application(tw, "vgg16", .weights = "none", .no_top = no_top, .input_tensor = input,
                          .err = err);
}

// 1. The whole network, and what freezing does to its weights.
static void look_and_freeze(tw_context *tw, tw_err *err)
{
    tw_model *model = vgg16(tw, false, (tw_tensor){0}, err);
    char *summary = tw_model_summary(model, .err = err);
    printf("%s\n", summary ? summary : "");
    count("vgg16", "parameters", tw_model_count_params(model));
    count("all layers train", "weights", tw_model_count_weights(model));
    tw_layer_set_trainable(tw_model_layer(model, 2), false);
    tw_layer_set_trainable(tw_model_layer(model, 13), false);
    count("layers 2 and 13 frozen", "weights", tw_model_count_weights(model));
    for (int64_t i = 0; i < tw_model_n_layers(model); i++)
        tw_layer_set_trainable(tw_model_layer(model, i), false);
    count("all layers frozen", "weights", tw_model_count_weights(model));
    tw_free(summary);
    tw_model_free(model);
}

// 2. The convolutional part, frozen, under a new top for two classes.
static tw_model *new_top(tw_context *tw, tw_err *err)
{
    tw_model *trunk = vgg16(tw, true, (tw_tensor){0}, err);
    tw_model_set_trainable(trunk, false);
    tw_model *model = tw_sequential(tw, "cats_dogs", .err = err);
    tw_add(model, tw_nest(trunk, .inference = true));
    tw_add(model, tw_flatten());
    tw_add(model, tw_dense(4096, "relu"));
    tw_add(model, tw_dense(1024, "relu"));
    tw_add(model, tw_dense(1, "sigmoid"));
    tw_compile(model, "adam", .learning_rate = 1e-4, .loss = "binary_crossentropy", .metrics = "accuracy",
               .err = err);
    count("frozen vgg16, new top", "parameters", tw_model_count_params(model));
    tw_model_free(trunk); // the model has its own reference
    return model;
}

// 3. Photos of 128 × 128: the network is built onto an input tensor, and the same graph goes on to a new top.
static void other_input(tw_context *tw, tw_err *err)
{
    tw_model *model = tw_functional(tw, "small_cats_dogs", .err = err);
    tw_tensor input = tw_input(model, TW_SHAPE(128, 128, 3), NULL);
    tw_model *trunk = vgg16(tw, true, input, err);
    tw_model_set_trainable(trunk, false);
    tw_tensor x = tw_call(tw_flatten(), tw_model_output(trunk, 0));
    x = tw_call(tw_dense(4096, "relu"), x);
    x = tw_call(tw_dense(1024, "relu"), x);
    tw_output(tw_call(tw_dense(1, "sigmoid"), x));
    tw_compile(model, "adam", .loss = "binary_crossentropy", .err = err);
    count("the same on 128 x 128", "parameters", tw_model_count_params(model));
    tw_model_free(trunk);
    tw_model_free(model);
}

int main(int argc, char **argv)
{
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    look_and_freeze(tw, &err);
    tw_model *model = new_top(tw, &err);
    other_input(tw, &err);
    tw_dataset *photos = argc > 1 ? tw_dataset_photos(tw, argv[1], .val_split = 0.2, .err = &err) : NULL;
    tw_history *history = tw_fit(model, photos, .err = &err); // nothing without photos
    const tw_epoch *last = tw_history_epoch(history, -1);
    if (last)
        printf("one epoch on %s: val_loss %.4f, val_accuracy %.4f\n", argv[1], last->val_loss,
               last->val_accuracy);
    if (err.status)
        fprintf(stderr, "transfer_learning: %s\n", err.msg);
    tw_history_free(history);
    tw_dataset_free(photos);
    tw_model_free(model);
    tw_close(tw);
    return tw_status_exit(err.status);
}
