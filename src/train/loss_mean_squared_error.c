// MeanSquaredError: mean of (p − y)² over the outputs of a photo.
// Source   keras.losses.MeanSquaredError, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    return (twi_loss_point){(p - y) * (p - y), 2 * (p - y)};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_mean_squared_error = {.setting = {.name = "MeanSquaredError",
                                                               .aliases = "mean_squared_error mse",
                                                               .doc = "squared distance to the target",
                                                               .args = {TWI_LOSS_REDUCTION},
                                                               .row = &twi_loss_mean_squared_error},
                                                   .on_output = on_output};
