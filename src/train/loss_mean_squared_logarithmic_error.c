// MeanSquaredLogarithmicError: mean of (ln(max(p, ε) + 1) − ln(max(y, ε) + 1))².
// Source   keras.losses.MeanSquaredLogarithmicError, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    double at = fmax(p, TWI_LOSS_EPSILON), gap = log1p(at) - log1p(fmax(y, TWI_LOSS_EPSILON));
    return (twi_loss_point){gap * gap, p > TWI_LOSS_EPSILON ? 2 * gap / (at + 1) : 0};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_mean_squared_logarithmic_error = {
    .setting = {.name = "MeanSquaredLogarithmicError",
                .aliases = "mean_squared_logarithmic_error msle",
                .doc = "squared distance of logarithms",
                .args = {TWI_LOSS_REDUCTION},
                .row = &twi_loss_mean_squared_logarithmic_error},
    .on_output = on_output};
