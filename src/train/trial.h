// Trials: a few steps of a fit to learn something from, after which the model is as it was.
#ifndef TWI_TRAIN_TRIAL_H
#define TWI_TRAIN_TRIAL_H

#include "train/fit.h"

// Fits as `o` says, but without validation, callbacks, metrics and state, until on_moment asks to stop; then every weight has
// its value of before again. A loss that is no number ends it as well.
tw_status twi_trial(tw_model *m, const twi_samples *train, const twi_fit_options *o, tw_err *err);

#endif
