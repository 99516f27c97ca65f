// TerminateOnNaN: a loss that is no number ends training without an error.
//
// Without it such a loss is an error (TW_EDIVERGED). Either way the best weights so far are kept; the fit loop looks for
// the loss in every step, this row only asks for the quiet end.
// Source   keras.callbacks.TerminateOnNaN, Keras 3.15.

#include "train/callback.h"

const twi_callback_kind twi_callback_terminate_on_nan = {
    .setting = {.name = "TerminateOnNaN",
                .aliases = "terminate_on_nan",
                .doc = "a loss that is no number is no error",
                .row = &twi_callback_terminate_on_nan}};
