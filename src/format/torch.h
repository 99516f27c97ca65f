// Weights that torch names: shared by torch state dicts and safetensors files.
#ifndef TWI_FORMAT_TORCH_H
#define TWI_FORMAT_TORCH_H

#include "codec/pickle.h"
#include "format/parts.h"

// Gives a model the tensors of a file, by the torch names of the family that o->variant belongs to; layouts are turned
// from torch's to Keras's. All or nothing. TW_EUNSUPPORTED where the variant has no torch names.
tw_status twi_torch_assign(tw_model *m, const char *file, size_t n, const twi_torch_tensor *const *tensors,
                           const twi_load_options *o, twi_load_report *report, tw_err *err);

// What torch calls the weight at a path: by the variant's family where it knows (variant may be NULL), else the path in
// torch's words.
void twi_torch_name(const twi_zoo_variant *variant, const char *path, char *name, size_t size);
// Kernels that torch keeps as [in · m, 1, kh, kw].
bool twi_torch_is_depthwise(const twi_layer *layer, const twi_weight *w);

// Writes a state dict that torch.load reads, with weights_only too (torch_write.c). TW_EWRITE.
tw_status twi_torch_write(const tw_model *m, const char *path, tw_err *err);

#endif
