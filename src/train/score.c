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

// One pass, batch by batch. The last batch is padded with its first sample, and the padding is not counted.
static tw_status score_batches(const twi_plan *plan, twi_run *run, const twi_samples *s,
                               const tw_setting *loss, twi_meters *meters, int64_t batch, uint32_t *index,
                               float *y, float *output, twi_scores *scores, tw_err *err)
{
    twi_meters_reset(meters);
    int64_t k = twi_shape_last(twi_plan_output(plan, 0)), right = 0;
    double sum = 0;
    float *inputs[TWI_FRONTIER_MAX];
    for (int i = 0; i < twi_plan_n_inputs(plan); i++)
        inputs[i] = twi_run_input(run, i);
    for (int64_t at = 0; at < s->n; at += batch) {
        int64_t count = s->n - at < batch ? s->n - at : batch;
        for (int64_t i = 0; i < batch; i++)
            index[i] = (uint32_t)(i < count ? at + i : at);
        tw_status status = s->read(s->self, index, batch, NULL, 0, inputs, err);
        if (!status)
            status = twi_run_forward(run, 0, 0, err);
        if (status)
            return status;
        const float *p = twi_run_output(run, 0);
        twi_targets(s, index, count, k, y);
        twi_loss_call call = {.n = count, .k = k, .y = y};
        sum += twi_loss_batch(loss, twi_plan_final(plan), twi_run_logits(run), p, &call);
        right += twi_count_right(p, y, count, k);
        twi_meters_add(meters, count, y, p);
        if (output)
            memcpy(output + at * k, p, (size_t)(count * k) * sizeof *output);
    }
    scores->loss = sum / (double)s->n;
    scores->accuracy = (double)right / (double)s->n;
    twi_meters_result(meters, scores->metric);
    return TW_OK;
}

struct twi_scorer {
    const tw_model *m;
    const twi_samples *samples;
    const tw_setting *loss;
    int64_t batch;
    twi_plan *plan;
    twi_run *run;
    uint32_t *index; // [batch]
    float *y;        // [batch, k]
    twi_meters meters;
    bool is_fresh; // the plan was made from the weights as they are
};

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
    twi_plan_options options = {.batch = scorer->batch, .from = from, .threads = threads};
    scorer->plan = twi_plan_new(m, &options, err);
    scorer->run = scorer->plan ? twi_run_new(scorer->plan, err) : NULL;
    int64_t k = scorer->run ? twi_shape_last(twi_plan_output(scorer->plan, 0)) : 0;
    scorer->index = twi_new((size_t)scorer->batch, sizeof *scorer->index, "a batch", err);
    scorer->y = twi_new((size_t)(scorer->batch * k), sizeof *scorer->y, "targets", err);
    bool has_meters = !metrics || !twi_meters_open(&scorer->meters, metrics, k, err);
    if (!scorer->run || !scorer->index || !scorer->y || !has_meters) {
        twi_scorer_free(scorer);
        return NULL;
    }
    return scorer;
}

tw_status twi_scorer_run(twi_scorer *scorer, float *output, twi_scores *scores, tw_err *err)
{
    *scores = (twi_scores){0};
    // The plan was made from the weights of then: what it laid out beforehand is laid out again.
    tw_status status = scorer->is_fresh ? TW_OK : twi_plan_refresh(scorer->plan, err);
    scorer->is_fresh = false;
    if (!status)
        status = score_batches(scorer->plan, scorer->run, scorer->samples, scorer->loss, &scorer->meters,
                               scorer->batch, scorer->index, scorer->y, output, scores, err);
    if (!status)
        scores->loss += twi_regularization(scorer->m, err);
    return status;
}

void twi_scorer_free(twi_scorer *scorer)
{
    if (!scorer)
        return;
    twi_run_free(scorer->run);
    twi_plan_free(scorer->plan);
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
