// Any bytes as a tar archive, gzipped or not: names are texts, and what is taken is as long as was said.

#include "codec/tar.h"

#include "scratch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct seen {
    uint64_t size;
    int left;
    unsigned sum;
} seen;

static bool wants(void *self, const char *name, uint64_t size)
{
    seen *s = self;
    s->size = size;
    return strlen(name) < 4096 && size < 1 << 20;
}

static tw_status take(void *self, const char *name, const void *bytes, size_t n, tw_err *err)
{
    seen *s = self;
    (void)name, (void)err;
    if (n != s->size)
        __builtin_trap();
    for (size_t i = 0; i < n; i++)
        s->sum += ((const uint8_t *)bytes)[i];
    return s->left-- > 0 ? TW_OK : TW_ECANCELLED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    seen s = {.left = 100};
    twi_tar_reader reader = {.self = &s, .wants = wants, .take = take};
    twi_tar_read(scratch_file(data, n), &reader, NULL);
    return 0;
}
