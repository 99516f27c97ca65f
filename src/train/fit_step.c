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
static void add_regularization(const twi_trainer *t, int i, int64_t at, const tw_shape *shape, float *g)
{
    const twi_weight *w = t->weight[i];
    if (!w->regularizer.kind)
        return;
    tw_setting smooth = w->regularizer;
    if (t->o->is_proximal)
        twi_regularizer_without_l1(&smooth);
    twi_regularizer_add_gradient(&smooth, w->data + at, shape, g);
}

static void take_piece(void *self, int i, int64_t at, int64_t n, float *g)
{
    const twi_trainer *t = self;
    add_regularization(t, i, at, &TWI_SHAPE(n), g);
    twi_update_piece(&t->update, i, at, n, g);
}

// The proximal step of l1 |w|: what is nearer to zero than lr · l1 becomes zero, the rest moves that much towards it.
static void threshold(twi_trainer *t)
{
    for (int i = 0; i < t->n_trained; i++) {
        twi_weight *w = t->weight[i];
        double rate = t->update.factor ? t->lr * t->update.factor[i] : t->lr;
        float size = (float)(rate * twi_setting_or(&w->regularizer, "l1", 0));
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

static tw_status go_back(twi_trainer *t, twi_run *run, tw_err *err)
{
    twi_update_begin(&t->update, t->lr, t->state->steps);
    twi_run_set_taker(run, take_piece, t);
    tw_status status = twi_run_backward(run, t->o->seed, t->state->steps, err);
    if (status)
        return status;
    for (int i = 0; i < t->n_trained; i++) {
        t->gradient[i] = twi_run_gradient(run, i);
        if (t->gradient[i])
            add_regularization(t, i, 0, &t->weight[i]->shape, t->gradient[i]);
    }
    twi_update_end(&t->update, t->gradient);
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
    if (!status)
        status = twi_check_samples(t->train, t->o->phase, index, count, plan, inputs, err);
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
    penalty += twi_run_penalty(run, count);
    double loss = twi_loss_batch(&t->o->loss, twi_plan_final(plan), twi_run_logits(run), output, &call);
    if (!isfinite(loss))
        return twi_trainer_diverged(t, loss, err);
    t->watch.batch_photos = count;
    t->watch.batch_loss = loss / (double)count + penalty;
    tally->loss += loss + penalty * (double)count;
    tally->right += twi_count_right(output, t->y, count, t->k);
    tally->seen += count;
    twi_meters_add(&t->meters, count, t->y, output);
    status = go_back(t, run, err);
    return status ? status : twi_trainer_check_weights(t, at + count == t->train->n, err);
}
