// Measuring: how fast a plan runs here. See measure.h.
//
// What is timed comes after one untimed run, which fills caches and makes the kernels' benches.

#include "job/measure.h"

#include "base/pool.h"
#include "job/context.h"
#include "op/params.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>

enum { OP_RUNS = 10, PEAK_SIZE = 768, PEAK_RUNS = 5 };

// Waves of a few pixels, between −1 and 1: zeros would be quicker than photos are.
static void fill(const twi_plan *plan, twi_run *run)
{
    for (int i = 0; i < twi_plan_n_inputs(plan); i++) {
        float *x = twi_run_input(run, i);
        int64_t n = twi_shape_count(twi_plan_input(plan, i));
        for (int64_t j = 0; j < n; j++)
            x[j] = sinf(0.37f * (float)(j % 1009));
    }
}

tw_status twi_measure_ops(const twi_plan *plan, tw_err *err)
{
    twi_run *run = twi_run_new(plan, err);
    if (!run)
        return TW_ENOMEM;
    fill(plan, run);
    tw_status status = twi_run_forward(run, 0, 0, err);
    twi_run_set_profile(run, true);
    for (int i = 0; !status && i < OP_RUNS; i++)
        status = twi_run_forward(run, 0, 0, err);
    twi_run_free(run);
    return status;
}

// ----------------------------------------------------------------------------------------------------------------- rate

typedef struct race {
    const twi_plan *plan;
    double seconds, rate;
    pthread_mutex_t lock; // rate and the first error
    tw_err err;
} race;

static void race_one(void *arg, int64_t index, int worker)
{
    race *r = arg;
    tw_err err = {0};
    (void)index, (void)worker;
    twi_run *run = twi_run_new(r->plan, &err);
    double start = 0, now = 0;
    int64_t photos = 0, batch = twi_plan_input(r->plan, 0)->dim[0];
    if (run) {
        fill(r->plan, run);
        if (!twi_run_forward(run, 0, 0, &err))
            for (start = now = twi_seconds(); now - start < r->seconds; now = twi_seconds()) {
                if (twi_run_forward(run, 0, 0, &err))
                    break;
                photos += batch;
            }
    }
    twi_run_free(run);
    pthread_mutex_lock(&r->lock);
    r->rate += now > start ? (double)photos / (now - start) : 0;
    if (!r->err.status)
        r->err = err;
    pthread_mutex_unlock(&r->lock);
}

tw_status twi_measure_rate(const twi_plan *plan, int workers, double seconds, double *rate, tw_err *err)
{
    race r = {.plan = plan, .seconds = seconds};
    pthread_mutex_init(&r.lock, NULL);
    twi_pool *pool = twi_pool_new(workers, &r.err);
    if (pool)
        twi_pool_run(pool, workers, race_one, &r);
    twi_pool_free(pool);
    pthread_mutex_destroy(&r.lock);
    *rate = r.rate;
    if (r.err.status && err && !err->status)
        *err = r.err;
    return r.err.status;
}

// ----------------------------------------------------------------------------------------------------------------- peak

static tw_status time_product(const twi_kernel *kernel, float *const numbers[3], double *best, tw_err *err)
{
    twi_kernel_args args = {.in = {numbers[0], numbers[1]}, .out[0] = numbers[2]};
    void *scratch = kernel->scratch_bytes ? twi_new_aligned(kernel->scratch_bytes, 1, "scratch", err) : NULL;
    tw_status status = kernel->scratch_bytes && !scratch ? TW_ENOMEM : TW_OK;
    args.scratch = scratch;
    for (int i = 0; !status && i <= PEAK_RUNS; i++) {
        double start = twi_seconds();
        status = kernel->run(kernel, &args, err);
        if (i)
            *best = fmin(*best, twi_seconds() - start);
    }
    twi_free(scratch);
    return status;
}

tw_status twi_measure_peak(int threads, double *macs, tw_err *err)
{
    tw_shape square = TWI_SHAPE(PEAK_SIZE, PEAK_SIZE);
    size_t n = (size_t)PEAK_SIZE * PEAK_SIZE;
    twi_kernel_request request = {
        .kind = &twi_op_matmul, .n_in = 2, .n_out = 1, .in = {square, square}, .out = {square}};
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    float *numbers[3] = {0};
    tw_status status = TW_OK;
    for (int i = 0; !status && i < 3; i++) {
        numbers[i] = twi_new_aligned(n, sizeof *numbers[i], "a matrix", err);
        status = numbers[i] ? TW_OK : TW_ENOMEM;
        for (size_t j = 0; !status && j < n; j++)
            numbers[i][j] = sinf((float)j);
    }
    double best = INFINITY;
    twi_kernel *kernel = status ? NULL : twi_kernel_new(&request, err);
    status = kernel ? time_product(kernel, numbers, &best, err) : TW_EFAILED;
    twi_kernel_free(kernel);
    for (int i = 0; i < 3; i++)
        twi_free(numbers[i]);
    omp_set_num_threads(before);
    *macs = status ? 0 : (double)n * PEAK_SIZE / best;
    return status;
}

// ---------------------------------------------------------------------------------------------------------------- trace

json_t *twi_plan_trace(const json_t *plan)
{
    json_t *events = json_array();
    const json_t *op;
    size_t i;
    double at = 0;
    json_array_foreach(json_object_get(plan, "ops"), i, op)
    {
        double seconds = twi_json_number(op, "seconds", 0);
        const char *layer = twi_json_string(op, "layer", "");
        json_t *args = json_pack("{sO sO sO sO sO sO}", "implementation", json_object_get(op, "impl"),
                                 "layout", json_object_get(op, "layout"), "fused",
                                 json_object_get(op, "fused"), "result", json_object_get(op, "out"), "macs",
                                 json_object_get(op, "macs"), "bytes", json_object_get(op, "bytes"));
        json_array_append_new(events, json_pack("{ss sO ss sf sf si si so}", "name",
                                                *layer ? layer : twi_json_string(op, "op", ""), "cat",
                                                json_object_get(op, "op"), "ph", "X", "ts", at * 1e6, "dur",
                                                seconds * 1e6, "pid", 1, "tid", 1, "args", args));
        at += seconds;
    }
    return json_pack("{so ss}", "traceEvents", events, "displayTimeUnit", "ms");
}
