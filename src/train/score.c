// Scoring: predictions, loss and accuracy of a model over samples, in inference mode. See fit.h.

#include "layer/layer.h"
#include "train/fit.h"

#include <string.h>

void twi_targets(const twi_samples *s, const uint32_t *index, int64_t count, int64_t k, float *y)
{
    memset(y, 0, (size_t)(count * k) * sizeof *y);
    for (int64_t i = 0; i < count; i++) {
        int32_t label = s->label[index[i]];
        if (k == 1)
            y[i] = (float)label;
        else
            y[i * k + label] = 1;
    }
}

static int64_t first_largest(const float *row, int64_t k)
{
    int64_t best = 0;
    for (int64_t j = 1; j < k; j++)
        if (row[j] > row[best])
            best = j;
    return best;
}

int64_t twi_count_right(const float *p, const float *y, int64_t n, int64_t k)
{
    int64_t right = 0;
    for (int64_t i = 0; i < n; i++, p += k, y += k)
        right += k == 1 ? (p[0] > 0.5f) == (y[0] > 0.5f) : first_largest(p, k) == first_largest(y, k);
    return right;
}

double twi_regularization(const tw_model *m, tw_err *err)
{
    twi_weights all = {0};
    double sum = 0;
    if (twi_model_weights(m, &all, err))
        return 0;
    for (int i = 0; i < all.n; i++) {
        const twi_weight *w = all.at[i];
        if (w->is_trainable && w->regularizer.kind)
            sum += twi_regularizer_loss(&w->regularizer, w->data, &w->shape);
    }
    twi_weights_clear(&all);
    return sum;
}

struct twi_scorer {
    const tw_model *m;
    const twi_samples *samples;
    const tw_setting *loss;
    int64_t batch;
    // The second is for a smaller last batch, where activity regularizers look at the batch as a whole; else the last batch
    // is padded with its first sample, and the padding is not counted.
    twi_plan *plan[2];
    twi_run *run[2];
    uint32_t *index; // [batch]
    float *y;        // [batch, k]
    twi_meters meters;
    bool is_fresh; // the plans were made from the weights as they are
};

typedef struct sums {
    double loss, penalty; // of the samples, and what their activities add
    int64_t right;
} sums;

static tw_status score_batch(twi_scorer *s, int64_t at, int64_t count, float *output, sums *sum, tw_err *err)
{
    int which = count < s->batch && s->plan[1];
    const twi_plan *plan = s->plan[which];
    twi_run *run = s->run[which];
    int64_t n = which ? count : s->batch, k = twi_shape_last(twi_plan_output(plan, 0));
    float *inputs[TWI_FRONTIER_MAX];
    for (int i = 0; i < twi_plan_n_inputs(plan); i++)
        inputs[i] = twi_run_input(run, i);
    for (int64_t i = 0; i < n; i++)
        s->index[i] = (uint32_t)(i < count ? at + i : at);
    tw_status status = s->samples->read(s->samples->self, s->index, n, NULL, 0, inputs, err);
    if (!status)
        status = twi_check_samples(s->samples, "measuring", s->index, count, plan, inputs, err);
    if (!status)
        status = twi_run_forward(run, 0, 0, err);
    if (status)
        return status;
    const float *p = twi_run_output(run, 0);
    twi_targets(s->samples, s->index, count, k, s->y);
    twi_loss_call call = {.n = count, .k = k, .y = s->y};
    sum->loss += twi_loss_batch(s->loss, twi_plan_final(plan), twi_run_logits(run), p, &call);
    sum->penalty += twi_run_penalty(run, count) * (double)count;
    sum->right += twi_count_right(p, s->y, count, k);
    twi_meters_add(&s->meters, count, s->y, p);
    if (output)
        memcpy(output + at * k, p, (size_t)(count * k) * sizeof *output);
    return TW_OK;
}

static tw_status score_batches(twi_scorer *s, float *output, twi_scores *scores, tw_err *err)
{
    sums sum = {0};
    int64_t n = s->samples->n;
    twi_meters_reset(&s->meters);
    for (int64_t at = 0; at < n; at += s->batch) {
        tw_status status = score_batch(s, at, n - at < s->batch ? n - at : s->batch, output, &sum, err);
        if (status)
            return status;
    }
    scores->penalty = sum.penalty / (double)n;
    scores->loss = sum.loss / (double)n + scores->penalty;
    scores->accuracy = (double)sum.right / (double)n;
    twi_meters_result(&s->meters, scores->metric);
    return TW_OK;
}

static bool make_plan(twi_scorer *s, int which, int64_t batch, const twi_frontier *from, int threads,
                      tw_err *err)
{
    twi_plan_options options = {.batch = batch, .wants_penalties = true, .from = from, .threads = threads};
    s->plan[which] = twi_plan_new(s->m, &options, err);
    s->run[which] = s->plan[which] ? twi_run_new(s->plan[which], err) : NULL;
    return s->run[which];
}

twi_scorer *twi_scorer_new(const tw_model *m, const twi_samples *s, const tw_setting *loss,
                           const twi_metrics *metrics, const twi_frontier *from, int64_t batch_size,
                           int threads, tw_err *err)
{
    if (s->n <= 0) {
        twi_fail(err, TW_EINVAL, "there are no samples to score");
        return NULL;
    }
    twi_scorer *scorer = twi_new(1, sizeof *scorer, "scoring", err);
    if (!scorer)
        return NULL;
    *scorer =
        (twi_scorer){.m = m, .samples = s, .loss = loss, .batch = s->n < batch_size ? s->n : batch_size};
    int64_t rest = s->n % scorer->batch;
    bool is_ready = make_plan(scorer, 0, scorer->batch, from, threads, err);
    if (is_ready && rest && twi_plan_n_penalties(scorer->plan[0]))
        is_ready = make_plan(scorer, 1, rest, from, threads, err);
    int64_t k = is_ready ? twi_shape_last(twi_plan_output(scorer->plan[0], 0)) : 0;
    scorer->index = twi_new((size_t)scorer->batch, sizeof *scorer->index, "a batch", err);
    scorer->y = twi_new((size_t)(scorer->batch * k), sizeof *scorer->y, "targets", err);
    bool has_meters = !metrics || !twi_meters_open(&scorer->meters, metrics, k, err);
    if (!is_ready || !scorer->index || !scorer->y || !has_meters) {
        twi_scorer_free(scorer);
        return NULL;
    }
    return scorer;
}

tw_status twi_scorer_run(twi_scorer *scorer, float *output, twi_scores *scores, tw_err *err)
{
    *scores = (twi_scores){0};
    // The plans were made from the weights of then: what they laid out beforehand is laid out again.
    tw_status status = TW_OK;
    for (int i = 0; !status && i < 2 && scorer->plan[i] && !scorer->is_fresh; i++)
        status = twi_plan_refresh(scorer->plan[i], err);
    scorer->is_fresh = false;
    if (!status)
        status = score_batches(scorer, output, scores, err);
    double of_weights = status ? 0 : twi_regularization(scorer->m, err);
    scores->penalty += of_weights;
    scores->loss += of_weights;
    return status;
}

void twi_scorer_free(twi_scorer *scorer)
{
    if (!scorer)
        return;
    for (int i = 0; i < 2; i++) {
        twi_run_free(scorer->run[i]);
        twi_plan_free(scorer->plan[i]);
    }
    twi_free(scorer->index);
    twi_free(scorer->y);
    twi_meters_close(&scorer->meters);
    twi_free(scorer);
}

tw_status twi_score(const tw_model *m, const twi_samples *s, const tw_setting *loss, const twi_frontier *from,
                    int64_t batch_size, int threads, float *output, twi_scores *scores, tw_err *err)
{
    *scores = (twi_scores){0};
    tw_err own = {0};
    twi_scorer *scorer = twi_scorer_new(m, s, loss, NULL, from, batch_size, threads, &own);
    if (scorer) {
        scorer->is_fresh = true;
        twi_scorer_run(scorer, output, scores, &own);
    }
    twi_scorer_free(scorer);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
