// CategoricalCrossentropy: −Σ y ln p over the classes of a photo.
//
// From logits: Σ y (logsumexp(z) − z). From predictions Keras renormalises p to sum 1, then clips to [ε, 1 − ε].
// Label smoothing s: y ← y (1 − s) + s/k.
// Source   keras.losses.CategoricalCrossentropy, Keras 3.15.

#include "train/loss.h"

#include <math.h>

#define EPSILON TWI_LOSS_EPSILON

enum { LABEL_SMOOTHING }; // ORDER args below

static double smoothed(const tw_setting *s, double y, int64_t k)
{
    return y * (1 - s->value[LABEL_SMOOTHING]) + s->value[LABEL_SMOOTHING] / (double)k;
}

static double on_logits(const tw_setting *s, const twi_loss_call *c)
{
    double total = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const float *z = c->value + i * c->k, *y = c->y + i * c->k;
        double weight = c->weight ? c->weight[i] : 1, largest = z[0], sum = 0, mass = 0;
        for (int64_t j = 1; j < c->k; j++)
            largest = fmax(largest, z[j]);
        for (int64_t j = 0; j < c->k; j++)
            sum += exp(z[j] - largest);
        double log_sum = largest + log(sum);
        for (int64_t j = 0; j < c->k; j++) {
            double target = smoothed(s, y[j], c->k);
            mass += target;
            total += weight * target * (log_sum - z[j]);
        }
        for (int64_t j = 0; c->grad && j < c->k; j++)
            c->grad[i * c->k + j] =
                (float)(weight / (double)c->n * (mass * exp(z[j] - log_sum) - smoothed(s, y[j], c->k)));
    }
    return total;
}

static double on_output(const tw_setting *s, const twi_loss_call *c)
{
    double total = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const float *p = c->value + i * c->k, *y = c->y + i * c->k;
        double weight = c->weight ? c->weight[i] : 1, sum = 0, mass = 0;
        for (int64_t j = 0; j < c->k; j++)
            sum += p[j];
        for (int64_t j = 0; j < c->k; j++) {
            double target = smoothed(s, y[j], c->k), q = p[j] / sum;
            total -= weight * target * log(fmin(fmax(q, EPSILON), 1 - EPSILON));
            mass += q > EPSILON && q < 1 - EPSILON ? target : 0;
        }
        // d/dp_j of −Σ t ln(p/Σp) = −t_j/p_j + (Σ t)/Σp, clipped terms left out
        for (int64_t j = 0; c->grad && j < c->k; j++) {
            double target = smoothed(s, y[j], c->k), q = p[j] / sum;
            double own = q > EPSILON && q < 1 - EPSILON ? target / p[j] : 0;
            c->grad[i * c->k + j] = (float)(weight / (double)c->n * (mass / sum - own));
        }
    }
    return total;
}

const twi_loss_kind twi_loss_categorical_crossentropy = {
    .setting = {.name = "CategoricalCrossentropy",
                .aliases = "categorical_crossentropy cce",
                .doc = "one of several classes",
                .args = {TWI_LOSS_SMOOTHING, TWI_LOSS_LOGITS, TWI_LOSS_REDUCTION},
                .row = &twi_loss_categorical_crossentropy},
    .on_output = on_output,
    .on_logits = on_logits,
    .final = TWI_FINAL_SOFTMAX};
