// MeanAbsoluteError: mean of |p − y| over the outputs of a photo.
// Source   keras.losses.MeanAbsoluteError, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    return (twi_loss_point){fabs(p - y), (p > y) - (p < y)};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_mean_absolute_error = {.setting = {.name = "MeanAbsoluteError",
                                                                .aliases = "mean_absolute_error mae",
                                                                .doc = "distance to the target",
                                                                .args = {TWI_LOSS_REDUCTION},
                                                                .row = &twi_loss_mean_absolute_error},
                                                    .on_output = on_output};
