// Pickle: what a torch state dict needs, and nothing that runs code.
//
// Builds numbers, texts, tuples, lists, dictionaries, and tensors (torch._utils._rebuild_tensor_v2 over a persistent
// storage id). Every other global or opcode is refused by name: TW_EMALFORMED "refuses global 'os.system'".
// Source   Python's pickletools; torch.serialization.
#ifndef TWI_CODEC_PICKLE_H
#define TWI_CODEC_PICKLE_H

#include "base/mem.h"
#include "base/source.h"
#include "tensor/shape.h"

// One named tensor of a torch file, pointing into its storage.
typedef struct twi_torch_tensor {
    char *name; // "_blocks.0._bn1.weight", owned by the file
    twi_dtype dtype;
    tw_shape shape;              // torch's order (OIHW for convolutions)
    int64_t stride[TW_RANK_MAX]; // in values
    twi_source data;             // window on the storage's bytes
    int64_t first;               // index of the first value in it
} twi_torch_tensor;

typedef struct twi_torch twi_torch;
bool twi_torch_is(const twi_source *source); // old stream form, or a zip with */data.pkl
// Opens either form (lends the source). A file whose root is {"state_dict": {…}} gives that dictionary.
twi_torch *twi_torch_open(twi_source *source, tw_err *err);
void twi_torch_close(twi_torch *file);
size_t twi_torch_n(const twi_torch *file);
const twi_torch_tensor *twi_torch_at(const twi_torch *file, size_t i);
const twi_torch_tensor *twi_torch_find(const twi_torch *file, const char *name); // or NULL
// All values as f32, row-major in torch's order, into dst.
tw_status twi_torch_read_f32(const twi_torch_tensor *tensor, float *dst, tw_err *err);

#endif
