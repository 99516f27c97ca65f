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
                               const tw_setting *loss, int64_t batch, uint32_t *index, float *y,
                               float *output, twi_scores *scores, tw_err *err)
{
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
        if (output)
            memcpy(output + at * k, p, (size_t)(count * k) * sizeof *output);
    }
    scores->loss = sum / (double)s->n;
    scores->accuracy = (double)right / (double)s->n;
    return TW_OK;
}

tw_status twi_score(const tw_model *m, const twi_samples *s, const tw_setting *loss, const twi_frontier *from,
                    int64_t batch_size, int threads, float *output, twi_scores *scores, tw_err *err)
{
    *scores = (twi_scores){0};
    if (s->n <= 0)
        return twi_fail(err, TW_EINVAL, "there are no samples to score");
    int64_t batch = s->n < batch_size ? s->n : batch_size;
    twi_plan_options options = {.batch = batch, .from = from, .threads = threads};
    twi_plan *plan = twi_plan_new(m, &options, err);
    twi_run *run = plan ? twi_run_new(plan, err) : NULL;
    tw_status status = run ? TW_OK : TW_EFAILED;
    uint32_t *index = twi_new((size_t)batch, sizeof *index, "a batch", err);
    int64_t k = plan ? twi_shape_last(twi_plan_output(plan, 0)) : 1;
    float *y = twi_new((size_t)(batch * k), sizeof *y, "targets", err);
    if (!index || !y)
        status = TW_ENOMEM;
    if (!status)
        status = score_batches(plan, run, s, loss, batch, index, y, output, scores, err);
    if (!status)
        scores->loss += twi_regularization(m, err);
    twi_free(y);
    twi_free(index);
    twi_run_free(run);
    twi_plan_free(plan);
    return status ? (err && err->status ? err->status : status) : TW_OK;
}
