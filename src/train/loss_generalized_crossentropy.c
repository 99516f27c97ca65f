// CategoricalGeneralizedCrossEntropy: (1 − p^q) / q of the true class: between cross-entropy (q → 0) and distance (q = 1).
// Source   keras.losses.CategoricalGeneralizedCrossEntropy, Keras 3.15.
// Zhang and Sabuncu, 2018.

#include "train/loss.h"

enum { Q }; // ORDER args below

static double row(const tw_setting *s, int64_t k, const float *y, const float *p, double *slope)
{
    double q = s->value[Q];
    int64_t truth = 0;
    for (int64_t j = 1; j < k; j++)
        truth = y[j] > y[truth] ? j : truth;
    double of_truth = fmin(fmax((double)p[truth], TWI_LOSS_EPSILON), 1 - TWI_LOSS_EPSILON);
    for (int64_t j = 0; slope && j < k; j++)
        slope[j] = j == truth && of_truth == (double)p[truth] ? -pow(of_truth, q - 1) : 0;
    return (1 - pow(of_truth, q)) / q;
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_rowwise(s, call, row);
}

const twi_loss_kind twi_loss_generalized_crossentropy = {
    .setting = {.name = "CategoricalGeneralizedCrossEntropy",
                .aliases = "generalized_crossentropy categorical_generalized_cross_entropy",
                .doc = "calm about wrong labels",
                .args = {{.key = "q", .otherwise = 0.5, .low = 1e-6, .high = 1}, TWI_LOSS_REDUCTION},
                .row = &twi_loss_generalized_crossentropy},
    .is_sparse = true,
    .on_output = on_output};
