// CategoricalHinge: max(neg − pos + 1, 0), pos = Σ y p, neg = the largest (1 − y) p.
// Source   keras.losses.CategoricalHinge, Keras 3.15.

#include "train/loss.h"

static double row(const tw_setting *s, int64_t k, const float *y, const float *p, double *slope)
{
    (void)s;
    double positive = 0, negative = -INFINITY;
    int64_t worst = 0;
    for (int64_t j = 0; j < k; j++) {
        positive += (double)y[j] * (double)p[j];
        double wrong = (1 - (double)y[j]) * (double)p[j];
        if (wrong > negative)
            negative = wrong, worst = j;
    }
    double loss = fmax(negative - positive + 1, 0);
    for (int64_t j = 0; slope && j < k; j++)
        slope[j] = loss > 0 ? (j == worst ? 1 - (double)y[j] : 0) - (double)y[j] : 0;
    return loss;
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_rowwise(s, call, row);
}

const twi_loss_kind twi_loss_categorical_hinge = {
    .setting = {.name = "CategoricalHinge",
                .aliases = "categorical_hinge",
                .doc = "a margin of 1 before the best wrong class",
                .args = {TWI_LOSS_REDUCTION},
                .row = &twi_loss_categorical_hinge},
    .on_output = on_output};
