// Fit: the training loop. See fit.h.
//
// One epoch: shuffle → batches → forward, loss, backward, step → validation → best? → state. The last batch of an epoch
// may be smaller, as in Keras; it has a plan of its own, since plans are made for one batch size.

#include "train/fit.h"

#include "base/rng.h"
#include "layer/layer.h"
#include "train/update.h"

#include <math.h>
#include <string.h>
#include <time.h>

typedef struct trainer {
    tw_model *m;
    const twi_samples *train;
    const twi_fit_options *o;
    twi_history *history;
    twi_fit_state own, *state; // o->state, or own where the caller keeps none
    twi_weights all;           // every weight of the model: what is kept and restored
    twi_plan *plan[2];         // full batches; the smaller last batch (NULL if none)
    twi_run *run[2];
    twi_scorer *validation; // NULL: nothing to validate on
    int64_t batch, rest, k;
    int n_trained;
    twi_weight **weight; // [n_trained]
    float **gradient;    // [n_trained] of the run that went backward
    twi_update update;
    uint32_t *order;          // [n] this epoch's order
    float *y, *sample_weight; // [batch, k], [batch]
    double lr;
} trainer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ------------------------------------------------------------------------------------------------------------ set-up

static tw_status make_plan(trainer *t, int which, int64_t batch, tw_err *err)
{
    twi_plan_options options = {.batch = batch,
                                .is_training = true,
                                .wants_gradients = true,
                                .from = t->o->from,
                                .threads = t->o->threads,
                                .is_reference = t->o->is_reference};
    t->plan[which] = twi_plan_new(t->m, &options, err);
    t->run[which] = t->plan[which] ? twi_run_new(t->plan[which], err) : NULL;
    return t->run[which] ? TW_OK : TW_EFAILED;
}

static float *copy_of(const float *data, int64_t n, tw_err *err)
{
    float *copy = twi_new_aligned((size_t)n, sizeof *copy, "a copy of a weight", err);
    if (copy && data)
        memcpy(copy, data, (size_t)n * sizeof *copy);
    return copy;
}

// Weights that training can change: trained ones, and the moving statistics of trainable BatchNormalization.
static bool is_kept(const trainer *t, int i)
{
    return t->all.at[i]->is_trainable || (t->all.at[i]->is_state && t->all.layer[i]->is_trainable);
}

static int64_t slot_size(const trainer *t, int i)
{
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    return twi_update_slot_size(&t->o->optimizer, &t->weight[i / per_weight]->shape, i % per_weight);
}

static tw_status make_state(trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    s->n_weights = t->all.n;
    s->n_slots = t->n_trained * per_weight;
    s->weight = twi_new((size_t)s->n_weights, sizeof *s->weight, "training state", err);
    s->best = twi_new((size_t)s->n_weights, sizeof *s->best, "training state", err);
    s->weight_size = twi_new((size_t)s->n_weights, sizeof *s->weight_size, "training state", err);
    s->slot = twi_new((size_t)s->n_slots, sizeof *s->slot, "training state", err);
    s->slot_size = twi_new((size_t)s->n_slots, sizeof *s->slot_size, "training state", err);
    if (!s->weight || !s->best || !s->weight_size || !s->slot || !s->slot_size)
        return TW_ENOMEM;
    for (int i = 0; i < s->n_weights; i++)
        s->weight_size[i] = is_kept(t, i) ? twi_shape_count(&t->all.at[i]->shape) : 0;
    for (int i = 0; i < s->n_slots; i++) {
        s->slot_size[i] = slot_size(t, i);
        if (!s->slot_size[i])
            continue;
        s->slot[i] = copy_of(NULL, s->slot_size[i], err);
        if (!s->slot[i])
            return TW_ENOMEM;
        float start = twi_update_slot_start(&t->o->optimizer, i % per_weight);
        for (int64_t j = 0; j < s->slot_size[i]; j++)
            s->slot[i][j] = start;
    }
    s->history.best_epoch = -1;
    s->history.best = INFINITY;
    return TW_OK;
}

// A state from an earlier run: its weights go into the model. Sizes must agree with this model.
static tw_status take_state(trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    bool fits = s->n_weights == t->all.n && s->n_slots == t->n_trained * per_weight;
    for (int i = 0; fits && i < s->n_weights; i++)
        fits = s->weight_size[i] == (is_kept(t, i) ? twi_shape_count(&t->all.at[i]->shape) : 0);
    for (int i = 0; fits && i < s->n_slots; i++)
        fits = s->slot_size[i] == slot_size(t, i);
    if (!fits)
        return twi_fail(err, TW_EUNUSABLE, "the checkpoint belongs to another model or optimizer");
    for (int i = 0; i < s->n_weights; i++)
        if (s->weight_size[i] && s->weight[i]) {
            memcpy(t->all.at[i]->data, s->weight[i], (size_t)s->weight_size[i] * sizeof(float));
            t->all.at[i]->version++;
        }
    return TW_OK;
}

static tw_status open_update(trainer *t, tw_err *err)
{
    t->update = (twi_update){
        .optimizer = &t->o->optimizer, .n = t->n_trained, .weight = t->weight, .slot = t->state->slot};
    tw_status status = twi_update_open(&t->update, err);
    if (!status && t->o->keeps_slots && t->state->next_epoch == 0)
        twi_update_take(&t->update, t->m, false, &t->state->steps);
    return status;
}

static tw_status trainer_open(trainer *t, tw_err *err)
{
    int64_t n = t->train->n;
    if (n <= 0)
        return twi_fail(err, TW_EUNUSABLE, "there are no photos to train on");
    t->batch = n < t->o->batch_size ? n : t->o->batch_size;
    t->rest = n % t->batch;
    tw_status status = make_plan(t, 0, t->batch, err);
    if (!status && t->rest)
        status = make_plan(t, 1, t->rest, err);
    if (!status)
        status = twi_model_weights(t->m, &t->all, err);
    if (status)
        return err && err->status ? err->status : status;
    t->n_trained = twi_plan_n_gradients(t->plan[0]);
    if (!t->n_trained)
        return twi_fail(err, TW_EUNUSABLE, "nothing to train: every weight is frozen");
    t->k = twi_shape_last(twi_plan_output(t->plan[0], 0));
    if (t->k != (t->train->n_classes == 2 && t->k == 1 ? 1 : t->train->n_classes))
        return twi_fail(err, TW_EUNUSABLE, "the model has %lld outputs, the photos have %lld classes",
                        (long long)t->k, (long long)t->train->n_classes);
    t->weight = twi_new((size_t)t->n_trained, sizeof *t->weight, "trained weights", err);
    t->gradient = twi_new((size_t)t->n_trained, sizeof *t->gradient, "gradients", err);
    for (int i = 0; t->weight && i < t->n_trained; i++)
        t->weight[i] = twi_plan_gradient_weight(t->plan[0], i);
    t->order = twi_new((size_t)n, sizeof *t->order, "an order", err);
    t->y = twi_new((size_t)(t->batch * t->k), sizeof *t->y, "targets", err);
    t->sample_weight = twi_new((size_t)t->batch, sizeof *t->sample_weight, "sample weights", err);
    if (!t->weight || !t->gradient || !t->order || !t->y || !t->sample_weight)
        return TW_ENOMEM;
    if (t->o->validation && t->o->validation->n) {
        t->validation = twi_scorer_new(t->m, t->o->validation, &t->o->loss, t->o->from, t->o->batch_size,
                                       t->o->threads, err);
        if (!t->validation)
            return err && err->status ? err->status : TW_EFAILED;
    }
    t->lr = t->o->learning_rate > 0 ? t->o->learning_rate : t->o->optimizer.value[0];
    status = t->state->next_epoch > 0 ? take_state(t, err) : make_state(t, err);
    return status ? status : open_update(t, err);
}

static void trainer_close(trainer *t)
{
    for (int i = 0; i < 2; i++) {
        twi_run_free(t->run[i]);
        twi_plan_free(t->plan[i]);
    }
    twi_scorer_free(t->validation);
    twi_weights_clear(&t->all);
    twi_update_close(&t->update);
    twi_free(t->weight);
    twi_free(t->gradient);
    twi_free(t->order);
    twi_free(t->y);
    twi_free(t->sample_weight);
    twi_fit_state_clear(&t->own);
}

// -------------------------------------------------------------------------------------------------------------- steps

static double regularization(const trainer *t)
{
    double sum = 0;
    for (int i = 0; i < t->n_trained; i++) {
        const twi_weight *w = twi_plan_gradient_weight(t->plan[0], i);
        if (w->regularizer.kind)
            sum += twi_regularizer_loss(&w->regularizer, w->data, &w->shape);
    }
    return sum;
}

static void add_regularization(trainer *t, twi_run *run)
{
    for (int i = 0; i < t->n_trained; i++) {
        twi_weight *w = twi_plan_gradient_weight(t->plan[0], i);
        if (w->regularizer.kind)
            twi_regularizer_add_gradient(&w->regularizer, w->data, &w->shape, twi_run_gradient(run, i));
    }
}

static void update_weights(trainer *t, twi_run *run)
{
    for (int i = 0; i < t->n_trained; i++)
        t->gradient[i] = twi_run_gradient(run, i);
    twi_update_step(&t->update, t->lr, t->state->steps, t->gradient);
}

// One batch: returns the sum of its losses (regularization left out) through *loss, correct answers through *right.
static tw_status train_batch(trainer *t, int64_t at, int64_t count, double *loss, int64_t *right, tw_err *err)
{
    twi_run *run = t->run[count != t->batch];
    const twi_plan *plan = t->plan[count != t->batch];
    const uint32_t *index = t->order + at;
    int64_t after = t->train->n - at - count, n_next = after < t->batch ? after : t->batch;
    float *inputs[TWI_FRONTIER_MAX];
    for (int i = 0; i < twi_plan_n_inputs(plan); i++)
        inputs[i] = twi_run_input(run, i);
    tw_status status = t->train->read(t->train->self, index, count, index + count, n_next, inputs, err);
    uint64_t step = ++t->state->steps;
    if (!status)
        status = twi_run_forward(run, t->o->seed, step, err);
    if (status)
        return status;
    twi_targets(t->train, index, count, t->k, t->y);
    for (int64_t i = 0; t->o->class_weight && i < count; i++)
        t->sample_weight[i] = (float)t->o->class_weight[t->train->label[index[i]]];
    twi_loss_call call = {.n = count,
                          .k = t->k,
                          .y = t->y,
                          .weight = t->o->class_weight ? t->sample_weight : NULL,
                          .grad = twi_run_grad_logits(run)};
    *loss =
        twi_loss_batch(&t->o->loss, twi_plan_final(plan), twi_run_logits(run), twi_run_output(run, 0), &call);
    *right = twi_count_right(twi_run_output(run, 0), t->y, count, t->k);
    if (!isfinite(*loss))
        return twi_fail(
            err, TW_EDIVERGED,
            "%s: the loss became %s at step %llu with learning rate %g; the best weights so far are kept"
            "\ntry  a smaller --lr, for example %g",
            t->o->phase, isnan(*loss) ? "NaN" : "infinite", (unsigned long long)step, t->lr, t->lr / 10);
    status = twi_run_backward(run, t->o->seed, step, err);
    if (!status) {
        add_regularization(t, run);
        update_weights(t, run);
    }
    return status;
}

static bool is_cancelled(const trainer *t)
{
    return t->o->is_cancelled && t->o->is_cancelled(t->o->self);
}

static tw_status train_epoch(trainer *t, int64_t epoch, twi_epoch *out, tw_err *err)
{
    int64_t n = t->train->n, right = 0, step = 0, steps = (n + t->batch - 1) / t->batch;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        t->order[i] = (uint32_t)i;
    twi_rng rng = twi_rng_at(t->o->seed, TWI_RNG_SHUFFLE, (uint64_t)epoch, 0);
    if (!t->o->no_shuffle)
        twi_rng_shuffle(&rng, t->order, (uint32_t)n);
    for (int64_t at = 0; at < n; at += t->batch, step++) {
        if (is_cancelled(t)) {
            t->history->is_cancelled = true;
            return TW_OK;
        }
        int64_t count = n - at < t->batch ? n - at : t->batch, batch_right = 0;
        double batch_loss = 0, penalty = regularization(t);
        tw_status status = train_batch(t, at, count, &batch_loss, &batch_right, err);
        if (status)
            return status;
        sum += batch_loss + penalty * (double)count;
        right += batch_right;
        if (t->o->on_progress) {
            double seen = (double)(at + count);
            twi_fit_progress p = {t->o->phase, epoch,      t->o->epochs,        step + 1,
                                  steps,       sum / seen, (double)right / seen};
            t->o->on_progress(t->o->self, &p);
        }
    }
    out->loss = sum / (double)n;
    out->accuracy = (double)right / (double)n;
    return TW_OK;
}

// -------------------------------------------------------------------------------------------------------- best weights

static tw_status keep(trainer *t, float **into, tw_err *err)
{
    for (int i = 0; i < t->all.n; i++) {
        int64_t n = t->state->weight_size[i];
        if (!n)
            continue;
        if (!into[i] && !(into[i] = copy_of(NULL, n, err)))
            return TW_ENOMEM;
        memcpy(into[i], t->all.at[i]->data, (size_t)n * sizeof(float));
    }
    return TW_OK;
}

static void restore_best(trainer *t)
{
    for (int i = 0; i < t->all.n; i++)
        if (t->state->best && t->state->best[i]) {
            memcpy(t->all.at[i]->data, t->state->best[i], (size_t)t->state->weight_size[i] * sizeof(float));
            t->all.at[i]->version++;
        }
}

// Validation, best epoch, state. Keras's EarlyStopping: strictly better, patience counted in epochs.
static tw_status finish_epoch(trainer *t, twi_epoch *e, tw_err *err)
{
    twi_fit_state *s = t->state;
    e->val_loss = e->val_accuracy = NAN;
    if (t->validation) {
        twi_scores scores;
        tw_status status = twi_scorer_run(t->validation, NULL, &scores, err);
        if (status)
            return status;
        e->val_loss = scores.loss;
        e->val_accuracy = scores.accuracy;
    }
    double value = isnan(e->val_loss) ? e->loss : e->val_loss;
    e->is_best = value < s->history.best;
    s->wait++;
    if (e->is_best) {
        s->history.best = value;
        s->history.best_epoch = e->epoch;
        s->wait = 0;
        if (keep(t, s->best, err))
            return TW_ENOMEM;
    }
    s->next_epoch = e->epoch + 1;
    if (keep(t, s->weight, err) || !twi_vec_push(&s->history.epochs, *e, err))
        return TW_ENOMEM;
    if (t->o->on_epoch)
        t->o->on_epoch(t->o->self, e);
    return t->o->on_state ? t->o->on_state(t->o->self, s, err) : TW_OK;
}

static tw_status train_epochs(trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    double busy = 0;
    int64_t steps = 0;
    for (int64_t epoch = s->next_epoch; epoch < t->o->epochs; epoch++) {
        if (t->o->patience > 0 && s->wait >= t->o->patience && epoch > 0) {
            t->history->is_stopped_early = true;
            break;
        }
        twi_epoch e = {.epoch = epoch, .learning_rate = t->lr};
        double start = now();
        tw_status status = train_epoch(t, epoch, &e, err);
        busy += now() - start;
        steps += (t->train->n + t->batch - 1) / t->batch;
        if (status || t->history->is_cancelled)
            return status;
        e.seconds = now() - start;
        status = finish_epoch(t, &e, err);
        if (status)
            return status;
        t->history->step_seconds = busy / (double)steps;
    }
    return TW_OK;
}

tw_status twi_fit(tw_model *m, const twi_samples *train, const twi_fit_options *o, twi_history *history,
                  tw_err *err)
{
    *history = (twi_history){.best_epoch = -1, .best = INFINITY};
    trainer t = {.m = m, .train = train, .o = o, .history = history};
    t.state = o->state ? o->state : &t.own;
    tw_status status = trainer_open(&t, err);
    if (!status) {
        for (int i = 0; i < t.n_trained; i++)
            history->n_train_values += twi_shape_count(&twi_plan_gradient_weight(t.plan[0], i)->shape);
        status = train_epochs(&t, err);
        if (!o->keeps_last || status)
            restore_best(&t);
        if (o->keeps_slots && !status)
            status = twi_update_store(&t.update, m, t.lr, false, t.state->steps, err);
        history->best = t.state->history.best;
        history->best_epoch = t.state->history.best_epoch;
        for (size_t i = 0; i < t.state->history.epochs.n; i++)
            if (!twi_vec_push(&history->epochs, t.state->history.epochs.at[i], err))
                status = TW_ENOMEM;
    }
    trainer_close(&t);
    return status;
}

void twi_history_clear(twi_history *history)
{
    twi_vec_clear(&history->epochs);
}

void twi_fit_state_clear(twi_fit_state *s)
{
    for (int i = 0; i < s->n_weights; i++) {
        if (s->weight)
            twi_free(s->weight[i]);
        if (s->best)
            twi_free(s->best[i]);
    }
    for (int i = 0; s->slot && i < s->n_slots; i++)
        twi_free(s->slot[i]);
    twi_free(s->weight);
    twi_free(s->best);
    twi_free(s->slot);
    twi_free(s->weight_size);
    twi_free(s->slot_size);
    twi_history_clear(&s->history);
    *s = (twi_fit_state){0};
}
