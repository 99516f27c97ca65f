// photos: photos on disk → features per second, with the published EfficientNet-Lite0, nothing cached.
//
//   photos FOLDER [--model=efficientnet-lite0] [--weights=imagenet] [--precision=exact|f32|bf16] [--features=FILE]
//
// What `topwork train` does in its first phase: read, decode, resize, trunk. --features writes the rows as f32, in the
// order of the sorted paths, for a peer to compare.

#include "bench.h"

#include "base/pool.h"
#include "job/classifier.h"
#include "train/features.h"

enum { TRUNK_ROW_BYTES = 128 << 10 }; // as in job/train_phase.c

static void write_features(const char *path, const twi_features *f)
{
    tw_err err = {0};
    FILE *file = fopen(path, "wb");
    float *row = malloc((size_t)f->row * sizeof *row);
    for (int64_t i = 0; file && row && i < f->n_photos; i++) {
        if (f->slot[i] < 0)
            continue;
        bench_check(twi_cache_read(f->cache, f->slot[i], row, &err), &err);
        fwrite(row, sizeof *row, (size_t)f->row, file);
    }
    free(row);
    if (!file || fclose(file) != 0) {
        fprintf(stderr, "bench: cannot write %s\n", path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "usage: photos FOLDER [--model=NAME] [--weights=imagenet|none|FILE] [--features=FILE]\n");
        return 2;
    }
    tw_err err = {0};
    twi_photos photos = {0};
    twi_photos_options po = {.needs_classes = true};
    bench_check(twi_photos_open(argv[1], &po, &photos, &err), &err);
    const char *precision = bench_option(argc, argv, "precision", "f32");
    twi_recipe recipe = {0};
    twi_classifier classifier = {0};
    twi_classifier_options co = {.model = bench_option(argc, argv, "model", "efficientnet-lite0"),
                                 .weights = bench_option(argc, argv, "weights", "imagenet"),
                                 .head = "gap",
                                 .freeze = "all",
                                 .dropout = -1,
                                 .recipe = &recipe,
                                 .seed = 1,
                                 .n_classes = (int64_t)photos.classes.n,
                                 .classes = (const char *const *)photos.classes.at};
    bench_check(twi_classifier_build(&co, &classifier, &err), &err);
    twi_frontier frontier;
    bench_check(twi_frontier_find(classifier.model, TRUNK_ROW_BYTES, &frontier, &err), &err);
    twi_features features = {0};
    twi_features_options fo = {.frontier = &frontier,
                               .recipe = &classifier.recipe,
                               .precision = !strcmp(precision, "exact")  ? TWI_EXACT
                                            : !strcmp(precision, "bf16") ? TWI_BRAIN
                                                                         : TWI_PRECISE,
                               .workers = twi_cores()};
    double start = bench_now();
    bench_check(twi_features_make(classifier.model, &photos, &fo, &features, &err), &err);
    double seconds = bench_now() - start;
    const char *file = bench_option(argc, argv, "features", NULL);
    if (file)
        write_features(file, &features);
    printf("{\"bench\": \"photos\", \"case\": \"%s\", \"precision\": \"%s\", \"photos\": %lld, \"row\": "
           "%lld, \"value\": %.2f, "
           "\"unit\": \"photos/s\"}\n",
           co.model, precision, (long long)features.n_decoded, (long long)features.row,
           (double)features.n_decoded / seconds);
    twi_features_clear(&features);
    twi_classifier_clear(&classifier);
    twi_photos_clear(&photos);
    return 0;
}
