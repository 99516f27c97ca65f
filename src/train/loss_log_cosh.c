// LogCosh: mean of ln cosh(p − y), computed as e + softplus(−2e) − ln 2, which does not overflow.
// Source   keras.losses.LogCosh, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    double e = fabs(p - y); // even function
    return (twi_loss_point){e + log1p(exp(-2 * e)) - log(2), tanh(p - y)};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_log_cosh = {
    .setting = {.name = "LogCosh",
                .aliases = "log_cosh logcosh",
                .doc = "like mean squared error, but calm about outliers",
                .args = {TWI_LOSS_REDUCTION},
                .row = &twi_loss_log_cosh},
    .on_output = on_output};
