// Finding a learning rate: a short training in which the rate grows from very small to much too large.
//
// The rate taken is a tenth of the one at which the smoothed loss was lowest: past that point the loss soon rises, and there
// it falls fast. The weights are afterwards what they were.
// Source   Smith, "Cyclical learning rates for training neural networks", 2017.
#ifndef TWI_TRAIN_FIND_RATE_H
#define TWI_TRAIN_FIND_RATE_H

#include "train/fit.h"

enum { TWI_RATES_MAX = 100 };

typedef struct twi_rates {
    int n;
    double rate[TWI_RATES_MAX], loss[TWI_RATES_MAX]; // loss: smoothed
    double chosen;
} twi_rates;

// Trains as `o` says, but for the rate, without validation and callbacks. TW_EUNUSABLE: no rate made the loss fall.
tw_status twi_find_rate(tw_model *m, const twi_samples *train, const twi_fit_options *o, twi_rates *rates,
                        tw_err *err);

#endif
