// MeanSquaredError: mean of (p − y)² over the outputs of a photo.
// Source   keras.losses.MeanSquaredError, Keras 3.15.

#include "train/loss.h"

static double on_output(const tw_setting *s, const twi_loss_call *c)
{
    (void)s;
    double sum = 0, per_output = 1.0 / (double)c->k, per_photo = 1.0 / (double)c->n;
    for (int64_t i = 0; i < c->n * c->k; i++) {
        double weight = c->weight ? c->weight[i / c->k] : 1, gap = (double)c->value[i] - c->y[i];
        sum += weight * per_output * gap * gap;
        if (c->grad)
            c->grad[i] = (float)(weight * per_output * per_photo * 2 * gap);
    }
    return sum;
}

const twi_loss_kind twi_loss_mean_squared_error = {.setting = {.name = "MeanSquaredError",
                                                               .aliases = "mean_squared_error mse",
                                                               .doc = "squared distance to the target",
                                                               .row = &twi_loss_mean_squared_error},
                                                   .on_output = on_output};
