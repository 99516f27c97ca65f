// A model that is a graph: two branches that share a layer, a residual connection, and samples in memory.
// The task is made up: which half of a small grey picture is brighter?

#include <stdio.h>
#include <topwork.h>

enum { N = 512, SIDE = 8 };

static float x[N][SIDE][SIDE][1];
static int32_t label[N];

static void draw(void)
{
    uint32_t state = 1;
    for (int i = 0; i < N; i++) {
        double half[2] = {0, 0};
        for (int j = 0; j < SIDE * SIDE; j++) {
            state = state * 1664525u + 1013904223u;
            float v = x[i][j / SIDE][j % SIDE][0] = (float)(state >> 8) / 16777216.0f;
            half[j % SIDE >= SIDE / 2] += v;
        }
        label[i] = half[1] > half[0];
    }
}

int main(void)
{
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_model *model = tw_functional(tw, "halves", .err = &err);
    tw_tensor photo = tw_input(model, TW_SHAPE(SIDE, SIDE, 1), NULL);
    // One layer called twice: both halves are seen with the same weights.
    tw_layer *look = tw_layer_new(tw_conv2d(4, {3}, "relu", .padding = "same", .name = "look"), &err);
    tw_tensor left = tw_apply(look, tw_call(tw_cropping2d({TW_ZERO, TW_ZERO, 0, SIDE / 2}), photo));
    tw_tensor right = tw_apply(look, tw_call(tw_cropping2d({TW_ZERO, TW_ZERO, SIDE / 2}), photo));
    tw_tensor both = tw_call_all(tw_concatenate(), 2, (tw_tensor[]){left, right});
    // A residual block: what the convolution adds to its own input.
    tw_tensor more = tw_call(tw_conv2d(8, {3}, "relu", .padding = "same"), both);
    tw_tensor sum = tw_call_all(tw_add_tensors(.name = "residual"), 2, (tw_tensor[]){both, more});
    tw_output(tw_call(tw_dense(2, "softmax"), tw_call(tw_flatten(), sum)));

    draw();
    tw_dataset *train = tw_dataset_arrays(tw, N, &x[0][0][0][0], TW_SHAPE(SIDE, SIDE, 1), label, .err = &err);
    tw_compile(model, "adam", .learning_rate = 0.01, .loss = "categorical_crossentropy");
    tw_history *history = tw_fit(model, train, .epochs = 15, .err = &err);
    char *summary = tw_model_summary(model, .err = &err);
    const tw_epoch *last = tw_history_epoch(history, -1);
    if (last)
        printf("%s\nafter %lld epochs: loss %.4f, accuracy %.4f\n", summary, (long long)last->epoch + 1,
               last->loss, last->accuracy);
    if (err.status)
        fprintf(stderr, "functional: %s\n", err.msg);
    tw_free(summary);
    tw_history_free(history);
    tw_dataset_free(train);
    tw_layer_free(look);
    tw_model_free(model);
    tw_close(tw);
    return tw_status_exit(err.status);
}
