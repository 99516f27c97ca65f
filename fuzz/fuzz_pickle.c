// Any bytes as a torch file: every tensor is read whole.

#include "codec/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    twi_source source;
    twi_source_memory(&source, "fuzz.pth", data, n);
    if (!twi_torch_is(&source))
        return 0;
    twi_torch *file = twi_torch_open(&source, NULL);
    for (size_t i = 0; file && i < twi_torch_n(file); i++) {
        const twi_torch_tensor *t = twi_torch_at(file, i);
        float *values = twi_new((size_t)twi_shape_count(&t->shape), sizeof *values, "a test", NULL);
        if (values)
            twi_torch_read_f32(t, values, NULL);
        twi_free(values);
        if (twi_torch_find(file, t->name) != t)
            __builtin_trap();
    }
    twi_torch_close(file);
    return 0;
}
