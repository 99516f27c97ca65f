// SparseCategoricalCrossentropy: −ln p of the true class.
//
// The same number as CategoricalCrossentropy for one-hot targets; Keras takes class numbers instead of rows and, from
// predictions, clips p to [ε, 1 − ε] and takes the softmax cross-entropy of ln p (that is: ln p − ln Σp).
// Source   keras.losses.SparseCategoricalCrossentropy, Keras 3.15.

#include "train/loss.h"

#include <math.h>

#define EPSILON TWI_LOSS_EPSILON

static int64_t true_class(const float *y, int64_t k)
{
    int64_t best = 0;
    for (int64_t j = 1; j < k; j++)
        if (y[j] > y[best])
            best = j;
    return best;
}

static double on_logits(const tw_setting *s, const twi_loss_call *c)
{
    (void)s;
    double total = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const float *z = c->value + i * c->k;
        int64_t truth = true_class(c->y + i * c->k, c->k);
        double weight = c->weight ? c->weight[i] : 1, largest = z[0], sum = 0;
        for (int64_t j = 1; j < c->k; j++)
            largest = fmax(largest, z[j]);
        for (int64_t j = 0; j < c->k; j++)
            sum += exp(z[j] - largest);
        double log_sum = largest + log(sum);
        total += weight * (log_sum - z[truth]);
        for (int64_t j = 0; c->grad && j < c->k; j++)
            c->grad[i * c->k + j] = (float)(weight / (double)c->n * (exp(z[j] - log_sum) - (j == truth)));
    }
    return total;
}

static double on_output(const tw_setting *s, const twi_loss_call *c)
{
    (void)s;
    double total = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const float *p = c->value + i * c->k;
        int64_t truth = true_class(c->y + i * c->k, c->k);
        double weight = c->weight ? c->weight[i] : 1, sum = 0;
        for (int64_t j = 0; j < c->k; j++)
            sum += fmin(fmax(p[j], EPSILON), 1 - EPSILON);
        double q = fmin(fmax(p[truth], EPSILON), 1 - EPSILON);
        total += weight * (log(sum) - log(q));
        for (int64_t j = 0; c->grad && j < c->k; j++) {
            bool is_clipped = p[j] < (float)EPSILON || p[j] > (float)(1 - EPSILON);
            double slope = 1 / sum - (j == truth ? 1 / q : 0);
            c->grad[i * c->k + j] = is_clipped ? 0 : (float)(weight / (double)c->n * slope);
        }
    }
    return total;
}

const twi_loss_kind twi_loss_sparse_categorical_crossentropy = {
    .setting = {.name = "SparseCategoricalCrossentropy",
                .aliases = "sparse_categorical_crossentropy scce",
                .doc = "one of several classes, given by number",
                .args = {TWI_LOSS_LOGITS, TWI_LOSS_REDUCTION},
                .row = &twi_loss_sparse_categorical_crossentropy},
    .on_output = on_output,
    .on_logits = on_logits,
    .final = TWI_FINAL_SOFTMAX,
    .is_sparse = true};
