// Any bytes as an HDF5 file: opened and walked to the end, nothing may crash, leak or take long.

#include "walk_hdf5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    walk_hdf5 w;
    twi_source source;
    twi_source_memory(&source, "fuzz.h5", data, n);
    walk_file(&w, &source, 40);
    return 0;
}
