// KLDivergence: Σ y ln(y / p), both clipped to [ε, 1].
// Source   keras.losses.KLDivergence, Keras 3.15.

#include "train/loss.h"

static double row(const tw_setting *s, int64_t k, const float *y, const float *p, double *slope)
{
    (void)s;
    double sum = 0;
    for (int64_t j = 0; j < k; j++) {
        double t = fmin(fmax((double)y[j], TWI_LOSS_EPSILON), 1);
        double q = fmin(fmax((double)p[j], TWI_LOSS_EPSILON), 1);
        sum += t * log(t / q);
        if (slope)
            slope[j] = q == (double)p[j] ? -t / q : 0;
    }
    return sum;
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_rowwise(s, call, row);
}

const twi_loss_kind twi_loss_kl_divergence = {
    .setting = {.name = "KLDivergence",
                .aliases = "kl_divergence kld kullback_leibler_divergence",
                .doc = "distance of two distributions",
                .args = {TWI_LOSS_REDUCTION},
                .row = &twi_loss_kl_divergence},
    .on_output = on_output};
