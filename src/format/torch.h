// Weights that torch names: shared by torch state dicts and safetensors files.
#ifndef TWI_FORMAT_TORCH_H
#define TWI_FORMAT_TORCH_H

#include "codec/pickle.h"
#include "format/parts.h"

// Gives a model the tensors of a file, by the torch names of the family that o->variant belongs to; layouts are turned
// from torch's to Keras's. All or nothing. TW_EUNSUPPORTED where the variant has no torch names.
tw_status twi_torch_assign(tw_model *m, const char *file, size_t n, const twi_torch_tensor *const *tensors,
                           const twi_load_options *o, twi_load_report *report, tw_err *err);

#endif
