// head: one training step of a head on cached features; without options that of a lesson's VGG16: 107 million weights.
//
//   head [--in=25088] [--units=4096,1024,1] [--batch=32] [--steps=6] [--optimizer=adam] [--threads=CORES]
//
// Verified first: the loss falls. gb_s counts what must pass through memory however it is done (each weight read forward; weight
// and slots read and written by the step) and memory_gb_s is what a plain sum of two arrays reaches here.

#include "bench.h"

#include "base/pool.h"
#include "train/fit.h"
#include "train/optimizer.h"

#include <math.h>

typedef struct data {
    int64_t row, rows;
    float *x;
    int32_t *label;
} data;

static tw_status read_rows(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                           int64_t n_next, float *const dst[], tw_err *err)
{
    (void)next, (void)n_next, (void)err;
    const data *d = self;
    for (int64_t i = 0; i < count; i++)
        memcpy(dst[0] + i * d->row, d->x + index[i] * d->row, (size_t)d->row * sizeof *d->x);
    return TW_OK;
}

// Two classes that differ in every other number.
static data make_data(int64_t row, int64_t rows)
{
    data d = {row, rows, malloc((size_t)(row * rows) * sizeof(float)),
              malloc((size_t)rows * sizeof(int32_t))};
    bench_fill(d.x, row * rows);
    for (int64_t i = 0; i < rows; i++) {
        d.label[i] = (int32_t)(i % 2);
        for (int64_t j = i % 2; j < row; j += 2)
            d.x[i * row + j] = fabsf(d.x[i * row + j]);
    }
    return d;
}

static tw_model *make_head(int64_t row, const char *units)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("head", true, &err);
    twi_tensor x = twi_model_input(m, "features", &TWI_SHAPE(-1, row));
    while (*units) {
        char *end;
        long long n = strtoll(units, &end, 10);
        x = twi_model_layer(m, twi_layer_kind_find("Dense"), NULL, 1, &x, "units=%lld activation=%s", n,
                            *end ? "relu" : "sigmoid");
        units = *end ? end + 1 : end;
    }
    twi_model_output(m, x);
    twi_model_verify(m, &err);
    twi_model_initialize(m, 1, twi_initializer_fill, &err);
    bench_check(err.status, &err);
    return m;
}

// GB a second of a[i] = b[i] + c[i] on all cores, far outside the caches.
static double memory_speed(int threads)
{
    enum { N = 16 << 20 };
    float *a = malloc(3 * sizeof *a * N), *b = a + N, *c = b + N;
    double best = INFINITY;
    memset(a, 0, 3 * sizeof *a * N);
    for (int round = 0; round < 8; round++) {
        double start = bench_now();
#pragma omp parallel for simd num_threads(threads) schedule(static)
        for (int64_t i = 0; i < N; i++)
            a[i] = b[i] + c[i];
        best = fmin(best, bench_now() - start);
    }
    double sum = a[N / 2];
    free(a);
    // a is read before it is written, too.
    return sum < 0 ? 0 : 4.0 * sizeof(float) * N / best * 1e-9;
}

int main(int argc, char **argv)
{
    tw_err err = {0};
    int64_t row = atoll(bench_option(argc, argv, "in", "25088")),
            batch = atoll(bench_option(argc, argv, "batch", "32")),
            steps = atoll(bench_option(argc, argv, "steps", "6"));
    int threads = atoi(bench_option(argc, argv, "threads", "0"));
    const char *optimizer = bench_option(argc, argv, "optimizer", "adam");
    tw_model *m = make_head(row, bench_option(argc, argv, "units", "4096,1024,1"));
    data d = make_data(row, batch * steps);
    twi_samples s = {.n = d.rows, .label = d.label, .n_classes = 2, .self = &d, .read = read_rows};
    twi_fit_options o = {.phase = "head",
                         .epochs = 3,
                         .batch_size = batch,
                         .learning_rate = 1e-5,
                         .loss = {.kind = twi_loss_find("binary_crossentropy")},
                         .keeps_last = true,
                         .threads = threads > 0 ? threads : twi_cores()};
    static const tw_field field = {.key = "optimizer", .type = TW_FIELD_SETTING, .find = twi_optimizer_find};
    bench_check(twi_setting_text(&o.optimizer, optimizer, &field, "learning_rate", &err), &err);
    int n_slots = ((const twi_optimizer_kind *)o.optimizer.kind->row)->n_slots(&o.optimizer);
    twi_history h = {0};
    bench_check(twi_fit(m, &s, &o, &h, &err), &err);
    double first = h.epochs.at[0].loss, last = h.epochs.at[2].loss;
    double best = fmin(h.epochs.at[1].seconds, h.epochs.at[2].seconds) / (double)steps;
    if (!(last < first)) {
        fprintf(stderr, "bench: the loss went from %g to %g\n", first, last);
        return 1;
    }
    double bytes = (double)h.n_train_values * sizeof(float) * (3 + 2 * n_slots);
    printf("{\"bench\": \"head\", \"case\": \"%lld weights\", \"optimizer\": \"%s\", \"batch\": %lld, "
           "\"value\": %.2f, \"unit\": "
           "\"steps/s\", \"gb_s\": %.1f, \"memory_gb_s\": %.1f}\n",
           (long long)h.n_train_values, optimizer, (long long)batch, 1 / best, bytes / best * 1e-9,
           memory_speed(o.threads));
    twi_history_clear(&h);
    tw_model_free(m);
    free(d.x);
    free(d.label);
    return 0;
}
