// SquaredHinge: mean of max(1 − y p, 0)², with targets −1 and 1 (from 0 and 1, see loss_hinge.c).
// Source   keras.losses.SquaredHinge, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    double sign = 2 * y - 1, gap = fmax(1 - sign * p, 0);
    return (twi_loss_point){gap * gap, -2 * sign * gap};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_squared_hinge = {.setting = {.name = "SquaredHinge",
                                                          .aliases = "squared_hinge",
                                                          .doc = "a margin of 1, squared",
                                                          .args = {TWI_LOSS_REDUCTION},
                                                          .row = &twi_loss_squared_hinge},
                                              .on_output = on_output};
