// Any bytes as a file of weights, by every format that takes them: all fit, or nothing is changed.

#include "small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (int i = 0; twi_formats[i]; i++) {
        twi_source source;
        twi_source_memory(&source, "fuzz.weights", data, n);
        if (twi_formats[i]->is && twi_formats[i]->read_weights && twi_formats[i]->is(&source))
            small_model_load(twi_formats[i], &source);
        twi_source_close(&source);
    }
    return 0;
}
