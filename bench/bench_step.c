// step: one step of full fine-tuning: forward, backward, Adam, of a network of the zoo with a small top.
//
//   step MODEL [--size=224] [--batch=32] [--threads=CORES] [--bn=frozen|train] [--steps=5] [--memory=1] [--profile]
//
// --memory=0.5 lets the step take half of what it would: the rest of its activations is made again on the way back.
//
// Verified first: the loss of a step with the reference kernels at batch 2 agrees, and steps lower it.

#include "bench.h"

#include "base/pool.h"
#include "job/trunk.h"
#include "train/optimizer.h"

#include <math.h>

typedef struct timing {
    double forward, backward, update;
} timing;

// Softmax minus a target of class 0: what categorical cross-entropy sends back.
static double loss_back(twi_run *run, int64_t n, int64_t k)
{
    const float *logits = twi_run_logits(run);
    float *grad = twi_run_grad_logits(run);
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0, most = -INFINITY;
        for (int64_t c = 0; c < k; c++)
            most = fmax(most, (double)logits[i * k + c]);
        for (int64_t c = 0; c < k; c++)
            sum += exp((double)logits[i * k + c] - most);
        for (int64_t c = 0; c < k; c++) {
            double p = exp((double)logits[i * k + c] - most) / sum;
            grad[i * k + c] = (float)((p - (c == i % k)) / (double)n);
        }
        loss -= (double)logits[i * k + i % k] - most - log(sum);
    }
    return loss / (double)n;
}

static void update(const twi_plan *plan, twi_run *run, float **slots, uint64_t t)
{
    const tw_setting_kind *kind = twi_optimizer_find("adam");
    tw_setting s = {.kind = kind};
    for (int i = 0; i < 5; i++)
        s.value[i] = kind->args[i].otherwise;
    const twi_optimizer_kind *adam = kind->row;
    for (int i = 0; i < twi_plan_n_gradients(plan); i++) {
        twi_weight *w = twi_plan_gradient_weight(plan, i);
        twi_optimizer_step o = {.lr = 1e-4,
                                .t = t,
                                .n = twi_shape_count(&w->shape),
                                .w = w->data,
                                .g = twi_run_gradient(run, i),
                                .slot = {slots[2 * i], slots[2 * i + 1]}};
        adam->step(&s, &o);
        w->version++;
    }
}

static void profile(const twi_plan *plan, twi_run *run, int64_t n, int64_t k)
{
    tw_err err = {0};
    twi_run_set_profile(run, true);
    for (int i = 0; i < 2; i++) {
        bench_check(twi_run_forward(run, 0, 0, &err), &err);
        loss_back(run, n, k);
        bench_check(twi_run_backward(run, 0, 0, &err), &err);
    }
    json_t *json = twi_plan_json(plan, &err), *op;
    size_t i;
    json_array_foreach(json_object_get(json, "ops"), i, op)
    {
        double s = json_number_value(json_object_get(op, "seconds")),
               macs = json_number_value(json_object_get(op, "macs"));
        fprintf(stderr, "%9.0f us %7.2f GFLOP/s %6.2f GB/s %-14s %-24s %-10s %s [%s]\n", s * 1e6,
                macs * 2e-9 / s, json_number_value(json_object_get(op, "bytes")) * 1e-9 / s,
                json_string_value(json_object_get(op, "op")), json_string_value(json_object_get(op, "impl")),
                json_string_value(json_object_get(op, "layout")),
                json_string_value(json_object_get(op, "layer")),
                json_string_value(json_object_get(op, "fused")));
    }
    json_decref(json);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : "efficientnet-lite0";
    int threads = atoi(bench_option(argc, argv, "threads", "0")),
        steps = atoi(bench_option(argc, argv, "steps", "5"));
    int64_t batch = atoll(bench_option(argc, argv, "batch", "32"));
    bool trains_norm = !strcmp(bench_option(argc, argv, "bn", "train"), "train");
    tw_err err = {0};
    tw_model *m = bench_model(name, atoll(bench_option(argc, argv, "size", "0")), true);
    if (!trains_norm)
        twi_trunk_freeze_norms(m);
    twi_plan_options o = {.batch = batch,
                          .is_training = true,
                          .wants_gradients = true,
                          .threads = threads > 0 ? threads : twi_cores()};
    double part = atof(bench_option(argc, argv, "memory", "1"));
    twi_plan *plan = twi_plan_new(m, &o, &err);
    if (plan && part < 1) {
        o.run_limit = (int64_t)(part * (double)twi_plan_run_bytes(plan));
        twi_plan_free(plan);
        plan = twi_plan_new(m, &o, &err);
    }
    twi_run *run = plan ? twi_run_new(plan, &err) : NULL;
    bench_check(err.status, &err);
    bench_fill(twi_run_input(run, 0), twi_shape_count(twi_plan_input(plan, 0)));
    int n_gradients = twi_plan_n_gradients(plan);
    float **slots = calloc(2 * (size_t)n_gradients, sizeof *slots);
    for (int i = 0; i < 2 * n_gradients; i++)
        slots[i] =
            calloc((size_t)twi_shape_count(&twi_plan_gradient_weight(plan, i / 2)->shape), sizeof(float));
    int64_t k = twi_shape_last(twi_plan_output(plan, 0));
    timing best = {INFINITY, INFINITY, INFINITY};
    double first = 0, last = 0, best_total = INFINITY;
    for (int i = 0; i < steps; i++) {
        double t0 = bench_now();
        bench_check(twi_run_forward(run, 1, (uint64_t)i, &err), &err);
        last = loss_back(run, batch, k);
        double t1 = bench_now();
        bench_check(twi_run_backward(run, 1, (uint64_t)i, &err), &err);
        double t2 = bench_now();
        update(plan, run, slots, (uint64_t)i + 1);
        double t3 = bench_now();
        first = i ? first : last;
        if (i) {
            best.forward = fmin(best.forward, t1 - t0);
            best.backward = fmin(best.backward, t2 - t1);
            best.update = fmin(best.update, t3 - t2);
            best_total = fmin(best_total, t3 - t0);
        }
    }
    if (!isfinite(last) || !(last < first)) {
        fprintf(stderr, "bench: the loss went from %g to %g\n", first, last);
        return 1;
    }
    printf("{\"bench\": \"step\", \"case\": \"%s\", \"batch\": %d, \"threads\": %d, \"bn\": \"%s\", "
           "\"value\": %.2f, \"unit\": "
           "\"images/s\", \"forward_ms\": %.1f, \"backward_ms\": %.1f, \"update_ms\": %.1f, \"arena_mb\": "
           "%.0f, \"recomputed_ops\": %d, \"more_time_expected\": %.3f}\n",
           name, (int)batch, o.threads, trains_norm ? "train" : "frozen", (double)batch / best_total,
           best.forward * 1e3, best.backward * 1e3, best.update * 1e3,
           (double)twi_plan_run_bytes(plan) * 1e-6, twi_plan_n_again(plan), twi_plan_more_time(plan));
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--profile"))
            profile(plan, run, batch, k);
    for (int i = 0; i < 2 * n_gradients; i++)
        free(slots[i]);
    free(slots);
    twi_run_free(run);
    twi_plan_free(plan);
    tw_model_free(m);
    return 0;
}
