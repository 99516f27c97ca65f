// decode: photos on disk → 224×224 pixels as a network takes them, nothing computed on them.
//
//   decode FOLDER [--size=224] [--threads=CORES] [--exact] [--means=FILE]
//
// --means writes the mean red, green and blue of each photo as f32, in the order of the sorted paths, for a peer to compare.

#include "bench.h"

#include "base/pool.h"
#include "data/photos.h"
#include "data/recipe.h"

typedef struct job {
    const twi_photos *photos;
    twi_recipe recipe;
    twi_recipe_work *work; // [workers]
    float **pixels;        // [workers]
    float (*mean)[3];      // [photos]
} job;

static void one_photo(void *arg, int64_t i, int worker)
{
    job *j = arg;
    tw_err err = {0};
    const char *path = j->photos->at.at[i].path;
    float *x = j->pixels[worker];
    bench_check(twi_recipe_read(path, &j->work[worker], NULL, &err), &err);
    bench_check(twi_recipe_decode(&j->recipe, path, &j->work[worker], x, &err), &err);
    int64_t n = j->recipe.height * j->recipe.width;
    double sum[3] = {0};
    for (int64_t p = 0; p < n; p += 5) // not all of them, which would cost what is measured
        for (int c = 0; c < 3; c++)
            sum[c] += (double)x[3 * p + c];
    for (int c = 0; c < 3; c++)
        j->mean[i][c] = (float)(sum[c] / (double)((n + 4) / 5));
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: decode FOLDER [--size=224] [--threads=N] [--exact] [--means=FILE]\n");
        return 2;
    }
    tw_err err = {0};
    twi_photos photos = {0};
    twi_photos_options po = {.needs_classes = true};
    bench_check(twi_photos_open(argv[1], &po, &photos, &err), &err);
    int threads = atoi(bench_option(argc, argv, "threads", "0"));
    threads = threads > 0 ? threads : twi_cores();
    int64_t size = atoll(bench_option(argc, argv, "size", "224")), n = (int64_t)photos.at.n;
    job j = {.photos = &photos,
             .recipe = {.height = size, .width = size, .pixels = TWI_PIXELS_RAW},
             .work = calloc((size_t)threads, sizeof *j.work),
             .pixels = calloc((size_t)threads, sizeof *j.pixels),
             .mean = calloc((size_t)n, sizeof *j.mean)};
    for (int i = 1; i < argc; i++)
        j.recipe.exact_decode |= !strcmp(argv[i], "--exact");
    for (int i = 0; i < threads; i++)
        j.pixels[i] = malloc((size_t)(size * size * 3) * sizeof(float));
    twi_pool *pool = twi_pool_new(threads, &err);
    bench_check(err.status, &err);
    double best = 1e9;
    for (int round = 0; round < 2; round++) {
        double start = bench_now(), seconds;
        twi_pool_run(pool, n, one_photo, &j);
        seconds = bench_now() - start;
        best = seconds < best ? seconds : best;
    }
    const char *path = bench_option(argc, argv, "means", NULL);
    FILE *file = path ? fopen(path, "wb") : NULL;
    if (path &&
        (!file || fwrite(j.mean, sizeof *j.mean, (size_t)n, file) != (size_t)n || fclose(file) != 0)) {
        fprintf(stderr, "bench: cannot write %s\n", path);
        return 1;
    }
    printf("{\"bench\": \"decode\", \"case\": \"%lld pixels%s\", \"photos\": %lld, \"value\": %.1f, "
           "\"unit\": \"photos/s\"}\n",
           (long long)size, j.recipe.exact_decode ? ", exact" : "", (long long)n, (double)n / best);
    for (int i = 0; i < threads; i++) {
        twi_recipe_work_clear(&j.work[i]);
        free(j.pixels[i]);
    }
    free(j.work);
    free(j.pixels);
    free(j.mean);
    twi_pool_free(pool);
    twi_photos_clear(&photos);
    return 0;
}
