// Memory: what the parts of a job will take. See memory.h.
//
//   pipeline   prepared weights + a worker: activations of its small batch, a photo being decoded, its thread
//   fit        plans for full batches, the last batch and validation: activations, gradients (the first two share theirs),
//              prepared weights
//              + optimizer slots + two copies of what is trained (the last epoch's and the best one's)
//
// Photos are not looked at: decoding is counted as a photo of 12 megapixels, of which JPEG is mostly decoded smaller.

#include "train/memory.h"

#include "train/update.h"

enum {
    MICRO_BATCH = 4,        // as the pipeline's
    DECODE_BYTES = 6 << 20, // a photo on its way: file, picture, rows of the resize
    THREAD_BYTES = 1 << 20  // what a thread touches of its stack and of the allocator
};

// What a plan takes with one run.
typedef struct plan_size {
    int64_t constants, run, trained; // trained: values that get a gradient
    double more_time;
} plan_size;

static tw_status count_plan(const tw_model *m, twi_plan_options o, plan_size *size, tw_err *err)
{
    o.is_estimate = true;
    twi_plan *plan = twi_plan_new(m, &o, err);
    if (!plan)
        return err && err->status ? err->status : TW_EFAILED;
    *size = (plan_size){.constants = (int64_t)twi_plan_constant_bytes(plan),
                        .run = (int64_t)twi_plan_run_bytes(plan),
                        .more_time = twi_plan_more_time(plan)};
    for (int i = 0; i < twi_plan_n_gradients(plan); i++)
        size->trained += twi_shape_count(&twi_plan_gradient_weight(plan, i)->shape);
    twi_plan_free(plan);
    return TW_OK;
}

int64_t twi_need_worker(const twi_plan *plan)
{
    return (int64_t)twi_plan_run_bytes(plan) + DECODE_BYTES + THREAD_BYTES;
}

tw_status twi_need_pipeline(const tw_model *m, const twi_frontier *to, twi_precision precision,
                            twi_need *need, tw_err *err)
{
    twi_plan_options o = {.batch = MICRO_BATCH, .to = to, .precision = precision, .threads = 1};
    plan_size size = {0};
    tw_status status = count_plan(m, o, &size, err);
    *need = (twi_need){.fixed = size.constants, .per_worker = size.run + DECODE_BYTES + THREAD_BYTES};
    return status;
}

static int64_t pixel_bytes(const tw_model *m, int64_t batch)
{
    tw_shape in = twi_model_shape(m, m->inputs.at[0]);
    return batch * twi_shape_count(&(tw_shape){3, {in.dim[1], in.dim[2], in.dim[3]}}) *
           (int64_t)sizeof(float);
}

tw_status twi_need_fit(const tw_model *m, const twi_fit_size *size, const twi_fit_options *o, twi_need *need,
                       tw_err *err)
{
    const twi_optimizer_kind *optimizer = o->optimizer.kind->row;
    int64_t batch = size->n_train < o->batch_size ? size->n_train : o->batch_size,
            rest = batch ? size->n_train % batch : 0;
    int64_t validation = size->n_validation < o->batch_size ? size->n_validation : o->batch_size;
    plan_size full = {0}, last = {0}, scored = {0};
    twi_plan_options plan = {.batch = batch,
                             .is_training = true,
                             .wants_gradients = true,
                             .wants_penalties = true,
                             .from = o->from,
                             .run_limit = o->run_limit,
                             .threads = o->threads};
    plan.hands_over_from = twi_update_hands_over_from(&o->optimizer, m, err);
    tw_status status = batch ? count_plan(m, plan, &full, err) : TW_OK;
    plan.batch = rest;
    if (!status && rest)
        status = count_plan(m, plan, &last, err);
    plan = (twi_plan_options){
        .batch = validation, .wants_penalties = true, .from = o->from, .threads = o->threads};
    if (!status && validation)
        status = count_plan(m, plan, &scored, err);
    *need = (twi_need){.run = full.run > last.run ? full.run : last.run, .more_time = full.more_time};
    need->fixed = o->threads * THREAD_BYTES + need->run + scored.run + full.constants + last.constants +
                  scored.constants +
                  full.trained * (int64_t)sizeof(float) * (optimizer->n_slots(&o->optimizer) + 2);
    if (size->has_pixels) {
        need->fixed += pixel_bytes(m, batch) + pixel_bytes(m, validation);
        need->per_worker = 2 * (DECODE_BYTES + THREAD_BYTES); // of training and of validation
    }
    return status;
}
