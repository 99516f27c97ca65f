// Poisson: mean of p − y ln(p + ε).
// Source   keras.losses.Poisson, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    return (twi_loss_point){p - y * log(p + TWI_LOSS_EPSILON), 1 - y / (p + TWI_LOSS_EPSILON)};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_poisson = {.setting = {.name = "Poisson",
                                                    .aliases = "poisson",
                                                    .doc = "for counts",
                                                    .args = {TWI_LOSS_REDUCTION},
                                                    .row = &twi_loss_poisson},
                                        .on_output = on_output};
