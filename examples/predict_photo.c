// What does a trained model see?  predict_photo MODEL PHOTO…

#include <stdio.h>
#include <topwork.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: predict_photo MODEL PHOTO...\n");
        return 2;
    }
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    tw_model *model = tw_model_load(tw, argv[1], &err);
    tw_dataset *photos = tw_dataset_files(tw, argc - 2, (const char *const *)argv + 2, &err);
    tw_predictions *answers = tw_model_predict(model, photos, .err = &err);
    for (int64_t i = 0; answers && i < answers->n; i++) {
        double probability;
        int64_t c = tw_predictions_class(answers, i, &probability);
        const char *label = tw_model_label(model, c);
        if (answers->skipped[i])
            printf("%s: %s\n", tw_dataset_path(photos, i), answers->skipped[i]);
        else if (label)
            printf("%s: %s %.1f %%\n", tw_dataset_path(photos, i), label, 100 * probability);
        else
            printf("%s: class %lld %.1f %%\n", tw_dataset_path(photos, i), (long long)c, 100 * probability);
    }
    if (err.status)
        fprintf(stderr, "predict_photo: %s\n", err.msg);
    tw_predictions_free(answers);
    tw_dataset_free(photos);
    tw_model_free(model);
    tw_close(tw);
    return tw_status_exit(err.status);
}
