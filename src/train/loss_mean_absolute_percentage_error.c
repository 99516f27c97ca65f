// MeanAbsolutePercentageError: 100 · mean of |y − p| / max(|y|, ε). Targets of 0 make it enormous, as in Keras.
// Source   keras.losses.MeanAbsolutePercentageError, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    double size = fmax(fabs(y), TWI_LOSS_EPSILON);
    return (twi_loss_point){100 * fabs(y - p) / size, 100 * ((p > y) - (p < y)) / size};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_mean_absolute_percentage_error = {
    .setting = {.name = "MeanAbsolutePercentageError",
                .aliases = "mean_absolute_percentage_error mape",
                .doc = "distance as a share of the target",
                .args = {TWI_LOSS_REDUCTION},
                .row = &twi_loss_mean_absolute_percentage_error},
    .on_output = on_output};
