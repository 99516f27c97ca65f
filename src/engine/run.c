// Runs: one set of activations of a plan, and the walk over its steps. See plan.h.
//
// A run owns one arena; nothing is allocated after twi_run_new.

#include "engine/inside.h"
#include "op/outer.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include <time.h>

struct twi_run {
    const twi_plan *plan;
    uint8_t *arena;
    bool is_lent; // the arena
    bool is_timed;
    twi_taker *take; // of gradients that are handed over; NULL: nobody yet
    void *taker;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static twi_run *new_run(const twi_plan *plan, uint8_t *lent, tw_err *err)
{
    if (!plan)
        return NULL;
    if (plan->o.is_estimate)
        TWI_BUG("a plan that was only an estimate is run");
    twi_run *run = twi_new(1, sizeof *run, "a run", err);
    if (!run)
        return NULL;
    run->plan = plan;
    run->is_lent = lent;
    run->arena = lent ? lent : twi_new_aligned((size_t)plan->arena_bytes, 1, "activations", err);
    if (!run->arena) {
        twi_free(run);
        return NULL;
    }
    return run;
}

twi_run *twi_run_new(const twi_plan *plan, tw_err *err)
{
    return new_run(plan, NULL, err);
}

twi_run *twi_run_beside(const twi_plan *plan, const twi_run *other, tw_err *err)
{
    if (plan && other->plan->arena_bytes < plan->arena_bytes)
        TWI_BUG("a run is put where there is less room than it takes");
    return new_run(plan, other->arena, err);
}

void twi_run_free(twi_run *run)
{
    if (!run)
        return;
    if (!run->is_lent)
        twi_free(run->arena);
    twi_free(run);
}

// ------------------------------------------------------------------------------------------------------------- addresses

static const void *readable(const twi_run *run, const twi_ref *ref)
{
    const twi_plan *plan = run->plan;
    switch (ref->kind) {
    case TWI_REF_BUFFER:
        return run->arena + plan->buffers.at[ref->index].offset;
    case TWI_REF_VALUE:
        return twi_plan_data(plan, ref->index);
    case TWI_REF_PREPARED:
        return plan->prepared.at[ref->index].data;
    case TWI_REF_NONE:
        break;
    }
    return NULL;
}

static void *writable(const twi_run *run, const twi_ref *ref)
{
    return ref->kind == TWI_REF_BUFFER ? run->arena + run->plan->buffers.at[ref->index].offset : NULL;
}

float *twi_run_input(twi_run *run, int i)
{
    return writable(run, &run->plan->input_refs.at[i]);
}

const float *twi_run_output(const twi_run *run, int i)
{
    return readable(run, &run->plan->output_refs.at[i]);
}

const float *twi_run_logits(const twi_run *run)
{
    return readable(run, &run->plan->logits_ref);
}

double twi_run_penalty(const twi_run *run, int64_t count)
{
    double sum = 0;
    int n = (int)run->plan->outputs.n;
    for (int i = n - run->plan->n_penalties; i < n; i++) {
        const float *share = twi_run_output(run, i);
        for (int64_t j = 0; j < count; j++)
            sum += (double)share[j];
    }
    return sum / (double)count;
}

float *twi_run_grad_logits(twi_run *run)
{
    return run->plan->grad_logits < 0 ? NULL
                                      : writable(run, &(twi_ref){TWI_REF_BUFFER, run->plan->grad_logits});
}

float *twi_run_gradient(twi_run *run, int i)
{
    int buffer = run->plan->gradients.at[i].buffer;
    return buffer < 0 ? NULL : writable(run, &(twi_ref){TWI_REF_BUFFER, buffer});
}

void twi_run_set_taker(twi_run *run, twi_taker *take, void *self)
{
    run->take = take;
    run->taker = self;
}

void twi_run_set_profile(twi_run *run, bool on)
{
    run->is_timed = on;
}

// ----------------------------------------------------------------------------------------------------------------- steps

static void add_into(float *sum, const float *x, int64_t n)
{
#pragma omp parallel for simd if (n > 1 << 16)
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i];
}

typedef struct hand_over {
    const twi_run *run;
    int gradient;
} hand_over;

static void pass_piece(void *self, int64_t at, int64_t n, float *g)
{
    const hand_over *h = self;
    h->run->take(h->run->taker, h->gradient, at, n, g);
}

static tw_status run_hand_over(const twi_run *run, const twi_plan_step *step, tw_err *err)
{
    const twi_program_op *op = &run->plan->program.ops.at[step->op];
    if (!run->take)
        return twi_fail(err, TW_EINVAL, "layer '%s': its gradient is handed over, and nobody takes it",
                        op->label);
    tw_shape w = twi_plan_shape(run->plan, op->in[1]), x = twi_plan_shape(run->plan, op->in[0]);
    hand_over h = {run, step->gradient};
    twi_outer_call outer = {.x = readable(run, &step->in[0]),
                            .dy = readable(run, &step->grad_out),
                            .rows = twi_shape_count(&x) / w.dim[0],
                            .cin = w.dim[0],
                            .cout = w.dim[1],
                            .take = pass_piece,
                            .self = &h,
                            .packed = writable(run, &(twi_ref){TWI_REF_BUFFER, step->scratch}),
                            .bias = writable(run, &step->grad_in[2])};
    twi_outer_run(&outer);
    return TW_OK;
}

static tw_status run_step(const twi_run *run, const twi_plan_step *step, uint64_t seed, uint64_t number,
                          tw_err *err)
{
    if (step->what == TWI_STEP_ADD) {
        add_into(writable(run, &step->out[0]), readable(run, &step->in[0]), step->count);
        return TW_OK;
    }
    if (step->what == TWI_STEP_COPY) {
        memcpy(writable(run, &step->out[0]), readable(run, &step->in[0]),
               (size_t)step->count * sizeof(float));
        return TW_OK;
    }
    if (step->what == TWI_STEP_HAND_OVER)
        return run_hand_over(run, step, err);
    twi_kernel_args args = {.seed = seed, .step = number};
    for (int i = 0; i < TWI_OP_IN_MAX; i++) {
        args.in[i] = readable(run, &step->in[i]);
        args.grad_in[i] = writable(run, &step->grad_in[i]);
    }
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        args.out[i] = writable(run, &step->out[i]);
    args.grad_out = readable(run, &step->grad_out);
    if (step->scratch >= 0)
        args.scratch = writable(run, &(twi_ref){TWI_REF_BUFFER, step->scratch});
    return step->kernel->run(step->kernel, &args, err);
}

static tw_status run_steps(twi_run *run, int first, int end, uint64_t seed, uint64_t number, tw_err *err)
{
    const twi_plan *plan = run->plan;
    omp_set_num_threads(plan->o.threads);
    double before = run->is_timed ? now() : 0;
    for (int i = first; i < end; i++) {
        tw_status status = run_step(run, &plan->steps.at[i], seed, number, err);
        if (status)
            return status;
        if (run->is_timed) {
            double after = now();
            bool is_first = plan->n_timed[i >= plan->n_forward] == 0;
            plan->seconds[i] = is_first ? after - before : fmin(plan->seconds[i], after - before);
            before = after;
        }
    }
    return TW_OK;
}

tw_status twi_run_forward(twi_run *run, uint64_t seed, uint64_t step, tw_err *err)
{
    const twi_plan *plan = run->plan;
    tw_status status = run_steps(run, 0, plan->n_forward, seed, step, err);
    for (size_t i = 0; i < plan->states.n; i++)
        plan->states.at[i]->version++;
    if (run->is_timed)
        plan->n_timed[0]++;
    return status;
}

tw_status twi_run_backward(twi_run *run, uint64_t seed, uint64_t step, tw_err *err)
{
    const twi_plan *plan = run->plan;
    if (plan->grad_logits < 0)
        return twi_fail(err, TW_EINVAL, "the plan was made without gradients");
    tw_status status = run_steps(run, plan->n_forward, (int)plan->steps.n, seed, step, err);
    if (run->is_timed)
        plan->n_timed[1]++;
    return status;
}
