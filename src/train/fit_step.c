// One step of a fit: forward, loss, backward, update. See trainer.h.

#include "layer/layer.h"
#include "train/mix.h"
#include "train/trainer.h"

static double regularization(const twi_trainer *t)
{
    double sum = 0;
    for (int i = 0; i < t->n_trained; i++) {
        const twi_weight *w = t->weight[i];
        if (w->regularizer.kind)
            sum += twi_regularizer_loss(&w->regularizer, w->data, &w->shape);
    }
    return sum;
}

// With proximal steps the gradient of an L1 penalty is left out: the threshold takes its place.
static void add_regularization(twi_trainer *t)
{
    for (int i = 0; i < t->n_trained; i++) {
        twi_weight *w = t->weight[i];
        if (!w->regularizer.kind)
            continue;
        tw_setting smooth = w->regularizer;
        if (t->o->is_proximal)
            twi_regularizer_without_l1(&smooth);
        twi_regularizer_add_gradient(&smooth, w->data, &w->shape, t->gradient[i]);
    }
}

// The proximal step of l1 |w|: what is nearer to zero than lr · l1 becomes zero, the rest moves that much towards it.
static void threshold(twi_trainer *t)
{
    for (int i = 0; i < t->n_trained; i++) {
        twi_weight *w = t->weight[i];
        float size = (float)(t->lr * twi_setting_or(&w->regularizer, "l1", 0));
        int64_t n = size > 0 ? twi_shape_count(&w->shape) : 0;
        for (int64_t j = 0; j < n; j++) {
            float left = fabsf(w->data[j]) - size;
            w->data[j] = left > 0 ? copysignf(left, w->data[j]) : 0;
        }
    }
}

static const float *weights_of(twi_trainer *t, const uint32_t *index, int64_t count)
{
    if (!t->o->class_weight && !t->o->sample_weight)
        return NULL;
    for (int64_t i = 0; i < count; i++) {
        double weight = t->o->class_weight ? t->o->class_weight[t->train->label[index[i]]] : 1;
        t->sample_weight[i] =
            (float)(t->o->sample_weight ? weight * (double)t->o->sample_weight[index[i]] : weight);
    }
    return t->sample_weight;
}

static tw_status diverged(const twi_trainer *t, double loss, tw_err *err)
{
    return twi_fail(
        err, TW_EDIVERGED,
        "%s: the loss became %s at step %llu with learning rate %g; the best weights so far are kept"
        "\ntry  a smaller --lr, for example %g",
        t->o->phase, isnan(loss) ? "NaN" : "infinite", (unsigned long long)t->state->steps, t->lr,
        t->lr / 10);
}

static tw_status go_back(twi_trainer *t, twi_run *run, tw_err *err)
{
    tw_status status = twi_run_backward(run, t->o->seed, t->state->steps, err);
    if (status)
        return status;
    for (int i = 0; i < t->n_trained; i++)
        t->gradient[i] = twi_run_gradient(run, i);
    add_regularization(t);
    twi_update_step(&t->update, t->lr, t->state->steps, t->gradient);
    if (t->o->is_proximal)
        threshold(t);
    return TW_OK;
}

static tw_status mix(twi_trainer *t, const twi_plan *plan, float *const *input, int64_t count, tw_err *err)
{
    tw_shape shape[TWI_FRONTIER_MAX];
    int n = twi_plan_n_inputs(plan);
    for (int i = 0; i < n; i++)
        shape[i] = *twi_plan_input(plan, i);
    twi_mix m = {t->o->mixup, t->o->cutmix, n, input, shape, count, t->k, t->y};
    return twi_mix_batch(&m, t->o->seed, t->state->steps, err);
}

tw_status twi_trainer_step(twi_trainer *t, int64_t at, int64_t count, twi_tally *tally, tw_err *err)
{
    twi_run *run = t->run[count != t->batch];
    const twi_plan *plan = t->plan[count != t->batch];
    const uint32_t *index = t->order + at;
    int64_t after = t->train->n - at - count, n_next = after < t->batch ? after : t->batch;
    float *inputs[TWI_FRONTIER_MAX];
    for (int i = 0; i < twi_plan_n_inputs(plan); i++)
        inputs[i] = twi_run_input(run, i);
    double penalty = regularization(t);
    tw_status status = t->train->read(t->train->self, index, count, index + count, n_next, inputs, err);
    t->lr = t->schedule.kind ? twi_schedule_rate(&t->schedule, t->state->steps) : t->state->learning_rate;
    t->state->steps++;
    twi_targets(t->train, index, count, t->k, t->y);
    if (!status && (t->o->mixup > 0 || t->o->cutmix > 0))
        status = mix(t, plan, inputs, count, err);
    if (!status)
        status = twi_run_forward(run, t->o->seed, t->state->steps, err);
    if (status)
        return status;
    twi_loss_call call = {.n = count,
                          .k = t->k,
                          .y = t->y,
                          .weight = weights_of(t, index, count),
                          .grad = twi_run_grad_logits(run)};
    const float *output = twi_run_output(run, 0);
    double loss = twi_loss_batch(&t->o->loss, twi_plan_final(plan), twi_run_logits(run), output, &call);
    if (!isfinite(loss))
        return diverged(t, loss, err);
    t->watch.batch_loss = loss / (double)count + penalty;
    tally->loss += loss + penalty * (double)count;
    tally->right += twi_count_right(output, t->y, count, t->k);
    tally->seen += count;
    twi_meters_add(&t->meters, count, t->y, output);
    return go_back(t, run, err);
}
