// Trains a classifier on a folder of photos, one sub-folder a class:  train_folder PHOTOS MODEL.keras [NETWORK [WEIGHTS]]
//
// A pretrained network without its top, frozen; a small new top; the best epoch is saved. What the frozen part makes of
// each photo is computed once and kept, so further runs begin where this one ended.

#include <stdio.h>
#include <topwork.h>

static bool show(void *arg, const tw_epoch *e)
{
    (void)arg;
    printf("epoch %lld: loss %.4f accuracy %.4f, validation loss %.4f accuracy %.4f%s\n",
           (long long)e->epoch + 1, e->loss, e->accuracy, e->val_loss, e->val_accuracy,
           e->is_best ? " *" : "");
    return true; // false would stop
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: train_folder PHOTOS MODEL.keras [NETWORK [WEIGHTS]]\n");
        return 2;
    }
    const char *network = argc > 3 ? argv[3] : "efficientnet-lite0", *weights = argc > 4 ? argv[4] : NULL;
    // The first error stays in err, and calls on what could not be made do nothing: one check at the end is enough.
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_dataset *photos = tw_dataset_photos(tw, argv[1], .val_split = 0.2, .err = &err);
    int64_t classes = tw_dataset_n_classes(photos);

    tw_model *trunk =
        tw_application(tw, network, .weights = weights, .no_top = true, .pooling = "avg", .err = &err);
    tw_model_set_trainable(trunk, false);
    tw_model *model = tw_sequential(tw, "classifier", .err = &err);
    tw_add(model, tw_nest(trunk, .inference = true));
    tw_add(model, tw_dropout(0.2));
    tw_add(model, classes == 2 ? tw_dense(1, "sigmoid") : tw_dense(classes, "softmax"));
    tw_compile(model, "adam", .learning_rate = 1e-3,
               .loss = classes == 2 ? "binary_crossentropy" : "categorical_crossentropy");
    tw_history *history = tw_fit(model, photos, .epochs = 10, .patience = 3, .on_epoch = show, .err = &err);

    tw_dataset *validation = tw_dataset_part(photos, TW_PART_VALIDATION, &err);
    tw_scores *scores = tw_model_evaluate(model, validation, .err = &err);
    if (scores)
        printf("best epoch %lld: %.1f %% of %lld validation photos right\n",
               (long long)tw_history_best(history) + 1, 100 * scores->accuracy, (long long)scores->n);
    tw_model_save(model, argv[2], &err);
    if (err.status)
        fprintf(stderr, "train_folder: %s\n", err.msg);

    tw_scores_free(scores);
    tw_history_free(history);
    tw_dataset_free(validation);
    tw_dataset_free(photos);
    tw_model_free(model);
    tw_model_free(trunk);
    tw_close(tw);
    return tw_status_exit(err.status);
}
