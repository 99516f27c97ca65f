// CategoricalFocalCrossentropy: Σ α (1 − q)^γ · −y ln q, q = p / Σp clipped to [ε, 1 − ε].
// Source   keras.losses.CategoricalFocalCrossentropy, Keras 3.15.
// Lin et al., 2017.

#include "train/loss.h"

enum { ALPHA, GAMMA, SMOOTHING }; // ORDER args below

static double row(const tw_setting *s, int64_t k, const float *y, const float *p, double *slope)
{
    double gamma = s->value[GAMMA], alpha = s->value[ALPHA], smoothing = s->value[SMOOTHING];
    double loss = 0, sum = 0, mean = 0;
    for (int64_t j = 0; j < k; j++)
        sum += (double)p[j];
    for (int64_t j = 0; j < k; j++) {
        double target = (double)y[j] * (1 - smoothing) + smoothing / (double)k, share = (double)p[j] / sum;
        double q = fmin(fmax(share, TWI_LOSS_EPSILON), 1 - TWI_LOSS_EPSILON), factor = pow(1 - q, gamma);
        loss -= alpha * factor * target * log(q);
        if (!slope)
            continue;
        double of_factor = gamma > 0 ? gamma * pow(1 - q, gamma - 1) * log(q) : 0;
        slope[j] = q == share ? alpha * target * (of_factor - factor / q) : 0;
        mean += slope[j] * share;
    }
    for (int64_t j = 0; slope && j < k; j++) // through q = p / Σp
        slope[j] = (slope[j] - mean) / sum;
    return loss;
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_rowwise(s, call, row);
}

const twi_loss_kind twi_loss_categorical_focal_crossentropy = {
    .setting = {.name = "CategoricalFocalCrossentropy",
                .aliases = "categorical_focal_crossentropy",
                .doc = "categorical cross-entropy that looks at hard photos",
                .args = {{.key = "alpha", .otherwise = 0.25, .low = 0, .high = 1},
                         {.key = "gamma", .otherwise = 2, .low = 0, .high = 100},
                         TWI_LOSS_SMOOTHING,
                         TWI_LOSS_LOGITS,
                         TWI_LOSS_REDUCTION},
                .row = &twi_loss_categorical_focal_crossentropy},
    .on_output = on_output,
    .final = TWI_FINAL_SOFTMAX};
