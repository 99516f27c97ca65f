// Evaluation: how good predictions are. See evaluate.h.

#include "train/evaluate.h"

#include <math.h>

int32_t twi_answer_class(const float *row, int64_t k)
{
    if (k == 1)
        return row[0] > 0.5f;
    int64_t best = 0;
    for (int64_t j = 1; j < k; j++)
        if (row[j] > row[best])
            best = j;
    return (int32_t)best;
}

double twi_answer_probability(const float *row, int64_t k, int64_t c)
{
    if (k > 1)
        return row[c];
    return c ? row[0] : 1.0 - row[0];
}

// Wilson's score interval: honest for few photos and for accuracies near 0 and 1, where the normal one is not.
static void interval(twi_evaluation *e)
{
    const double z = 1.959963984540054; // 97.5 % point of the normal distribution
    double n = (double)e->n, p = e->accuracy, z2 = z * z;
    double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    e->low = fmax(0, centre - half);
    e->high = fmin(1, centre + half);
}

static tw_status sum_loss(const float *answers, int64_t k, const int32_t *label, int64_t n,
                          const tw_setting *loss, double *sum, tw_err *err)
{
    float *y = twi_new((size_t)(n * k), sizeof *y, "targets", err);
    uint32_t *index = twi_new((size_t)n, sizeof *index, "targets", err);
    if (y && index) {
        for (int64_t i = 0; i < n; i++)
            index[i] = (uint32_t)i;
        twi_samples samples = {.n = n, .label = label};
        twi_targets(&samples, index, n, k, y);
        twi_loss_call call = {.n = n, .k = k, .y = y};
        *sum = twi_loss_batch(loss, TWI_FINAL_NONE, NULL, answers, &call);
    }
    bool ok = y && index;
    twi_free(y);
    twi_free(index);
    return ok ? TW_OK : TW_ENOMEM;
}

tw_status twi_evaluate(const float *answers, int64_t k, const int32_t *label, int64_t n, int64_t n_classes,
                       const tw_setting *loss, double penalty, twi_evaluation *e, tw_err *err)
{
    *e = (twi_evaluation){
        .n = n, .n_classes = n_classes, .loss = NAN, .accuracy = NAN, .low = NAN, .high = NAN};
    e->confusion = twi_new((size_t)(n_classes * n_classes), sizeof *e->confusion, "a confusion matrix", err);
    if (!e->confusion)
        return TW_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        int32_t answer = twi_answer_class(answers + i * k, k);
        e->confusion[label[i] * n_classes + answer]++;
        e->n_right += answer == label[i];
    }
    if (!n)
        return TW_OK;
    e->accuracy = (double)e->n_right / (double)n;
    interval(e);
    double sum = 0;
    tw_status status = sum_loss(answers, k, label, n, loss, &sum, err);
    e->penalty = penalty;
    e->loss = sum / (double)n + penalty;
    return status;
}

void twi_evaluation_clear(twi_evaluation *e)
{
    twi_free(e->confusion);
    *e = (twi_evaluation){0};
}

void twi_evaluation_class(const twi_evaluation *e, int64_t c, int64_t *n, double *recall, double *precision)
{
    int64_t of_class = 0, answered = 0, right = e->confusion[c * e->n_classes + c];
    for (int64_t i = 0; i < e->n_classes; i++) {
        of_class += e->confusion[c * e->n_classes + i];
        answered += e->confusion[i * e->n_classes + c];
    }
    *n = of_class;
    *recall = of_class ? (double)right / (double)of_class : NAN;
    *precision = answered ? (double)right / (double)answered : NAN;
}
