// The own batch_norm with statistics of the batch, and the activation that follows it.
//
// oneDNN's reads what it normalizes three times, and each activation is a pass of its own, forward and back: together a third
// of a training step of MobileNetV2.
#ifndef TWI_OP_BATCH_NORM_TRAIN_H
#define TWI_OP_BATCH_NORM_TRAIN_H

#include "op/params.h"

// Whether there are loops for this activation; of the others only the reference does.
bool twi_batch_norm_joins(const twi_activation_params *activation);
// A kernel where it takes the request; NULL: not applicable, or failed (err set).
twi_kernel *twi_batch_norm_train(const twi_kernel_request *request, tw_err *err);

#endif
