// Any bytes as a zip archive: every member is read whole.

#include "base/mem.h"
#include "codec/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    twi_source source;
    twi_source_memory(&source, "fuzz.zip", data, n);
    twi_zip *zip = twi_zip_is(&source) ? twi_zip_open(&source, NULL) : NULL;
    for (size_t i = 0; zip && i < twi_zip_n(zip); i++) {
        twi_source member;
        if (twi_zip_find(zip, twi_zip_name(zip, i)) != (int64_t)i)
            __builtin_trap();
        if (twi_zip_member(zip, i, &member, NULL))
            continue;
        size_t size;
        twi_free(twi_source_all(&member, &size, NULL));
        twi_source_close(&member);
    }
    twi_zip_close(zip);
    return 0;
}
