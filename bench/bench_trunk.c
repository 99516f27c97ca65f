// trunk: images per second through a frozen trunk, pixels in memory → features.
//
//   trunk MODEL [--size=224] [--batch=4] [--workers=CORES] [--precision=exact|f32|bf16] [--seconds=2] [--profile]
//
// Each worker runs its own micro-batches with one thread, as training does (train/pipeline.c). The features of the first
// batch are compared with those of the reference kernels at batch 1 before a time is printed.

#include "bench.h"

#include "base/pool.h"

#include <math.h>

typedef struct job {
    const twi_plan *plan;
    double seconds;
    double rate[64]; // images per second of each worker
} job;

static void work(void *arg, int64_t index, int worker)
{
    job *j = arg;
    tw_err err = {0};
    (void)index;
    twi_run *run = twi_run_new(j->plan, &err);
    bench_check(err.status, &err);
    const tw_shape *in = twi_plan_input(j->plan, 0);
    bench_fill(twi_run_input(run, 0), twi_shape_count(in));
    bench_check(twi_run_forward(run, 0, 0, &err), &err);
    double start = bench_now(), end = start;
    int64_t images = 0;
    while (end - start < j->seconds) {
        bench_check(twi_run_forward(run, 0, 0, &err), &err);
        images += in->dim[0];
        end = bench_now();
    }
    j->rate[worker] += (double)images / (end - start);
    twi_run_free(run);
}

// Largest difference from the reference kernels, over the standard deviation of the features.
static double distance(const tw_model *m, const twi_plan *fast)
{
    tw_err err = {0};
    twi_plan_options o = {.batch = 1, .threads = 1, .is_reference = true};
    twi_plan *plain = twi_plan_new(m, &o, &err);
    twi_run *a = plain ? twi_run_new(plain, &err) : NULL, *b = twi_run_new(fast, &err);
    bench_check(err.status, &err);
    bench_fill(twi_run_input(b, 0), twi_shape_count(twi_plan_input(fast, 0)));
    memcpy(twi_run_input(a, 0), twi_run_input(b, 0),
           (size_t)twi_shape_count(twi_plan_input(plain, 0)) * sizeof(float));
    bench_check(twi_run_forward(a, 0, 0, &err), &err);
    bench_check(twi_run_forward(b, 0, 0, &err), &err);
    int64_t n = twi_shape_count(twi_plan_output(plain, 0));
    double sum = 0, squares = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = twi_run_output(a, 0)[i];
        sum += x, squares += x * x;
        worst = fmax(worst, fabs(x - (double)twi_run_output(b, 0)[i]));
    }
    double std = sqrt(fmax(squares / (double)n - sum / (double)n * sum / (double)n, 1e-30));
    twi_run_free(a);
    twi_run_free(b);
    twi_plan_free(plain);
    return worst / std;
}

static void profile(const twi_plan *plan)
{
    tw_err err = {0};
    twi_run *run = twi_run_new(plan, &err);
    twi_run_set_profile(run, true);
    for (int i = 0; i < 20; i++)
        bench_check(twi_run_forward(run, 0, 0, &err), &err);
    json_t *json = twi_plan_json(plan, &err);
    json_t *ops = json_object_get(json, "ops"), *op;
    size_t i;
    json_array_foreach(ops, i, op)
    {
        double s = json_number_value(json_object_get(op, "seconds")),
               macs = json_number_value(json_object_get(op, "macs"));
        fprintf(stderr, "%8.1f us %7.2f GFLOP/s  %-14s %-24s %-12s %s [%s]\n", s * 1e6, macs * 2e-9 / s,
                json_string_value(json_object_get(op, "op")), json_string_value(json_object_get(op, "impl")),
                json_string_value(json_object_get(op, "layout")),
                json_string_value(json_object_get(op, "layer")),
                json_string_value(json_object_get(op, "fused")));
    }
    json_decref(json);
    twi_run_free(run);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : "efficientnet-lite0";
    const char *precision = bench_option(argc, argv, "precision", "f32");
    int workers = atoi(bench_option(argc, argv, "workers", "0"));
    workers = workers > 0 ? workers : twi_cores();
    workers = workers < 64 ? workers : 64;
    tw_err err = {0};
    tw_model *m = bench_model(name, atoll(bench_option(argc, argv, "size", "0")), false);
    bench_check(twi_model_freeze(m, "all", &err), &err);
    twi_plan_options o = {.batch = atoll(bench_option(argc, argv, "batch", "4")),
                          .threads = 1,
                          .precision = !strcmp(precision, "exact")  ? TWI_EXACT
                                       : !strcmp(precision, "bf16") ? TWI_BRAIN
                                                                    : TWI_PRECISE};
    twi_plan *plan = twi_plan_new(m, &o, &err);
    bench_check(err.status, &err);
    double off = distance(m, plan);
    if (!(off < (o.precision == TWI_BRAIN ? 0.1 : 1e-3))) {
        fprintf(stderr, "bench: features differ from the reference kernels by %g standard deviations\n", off);
        return 1;
    }
    job j = {.plan = plan, .seconds = atof(bench_option(argc, argv, "seconds", "2"))};
    twi_pool *pool = twi_pool_new(workers, &err);
    bench_check(err.status, &err);
    twi_pool_run(pool, workers, work, &j);
    double rate = 0;
    for (int i = 0; i < workers; i++)
        rate += j.rate[i];
    printf("{\"bench\": \"trunk\", \"case\": \"%s\", \"precision\": \"%s\", \"batch\": %d, \"workers\": %d, "
           "\"value\": %.2f, "
           "\"unit\": \"images/s\", \"distance\": %.2g, \"gflops\": %.1f}\n",
           name, precision, (int)o.batch, workers, rate, off,
           rate * (double)twi_plan_macs(plan) / (double)o.batch * 2e-9);
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--profile"))
            profile(plan);
    twi_pool_free(pool);
    twi_plan_free(plan);
    tw_model_free(m);
    return 0;
}
