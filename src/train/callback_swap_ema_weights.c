// SwapEMAWeights: validation and the end of training see the averages of use_ema instead of the weights themselves.
//
// The fit loop exchanges them around validation; the best epoch is then the best average.
// Source   keras.callbacks.SwapEMAWeights, Keras 3.15.

#include "train/callback.h"

const twi_callback_kind twi_callback_swap_ema_weights = {
    .setting = {.name = "SwapEMAWeights",
                .aliases = "swap_ema_weights",
                .doc = "validates and keeps the averaged weights",
                .row = &twi_callback_swap_ema_weights}};
