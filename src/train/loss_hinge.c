// Hinge: mean of max(1 − y p, 0), with targets −1 and 1.
//
// Targets of 0 and 1, which is what classes are here, are taken as −1 and 1, as in Keras.
// Source   keras.losses.Hinge, Keras 3.15.

#include "train/loss.h"

static twi_loss_point point(const tw_setting *s, double y, double p)
{
    (void)s;
    double sign = 2 * y - 1, gap = 1 - sign * p;
    return (twi_loss_point){fmax(gap, 0), gap > 0 ? -sign : 0};
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_elementwise(s, call, point);
}

const twi_loss_kind twi_loss_hinge = {.setting = {.name = "Hinge",
                                                  .aliases = "hinge",
                                                  .doc = "a margin of 1 around the boundary",
                                                  .args = {TWI_LOSS_REDUCTION},
                                                  .row = &twi_loss_hinge},
                                      .on_output = on_output};
