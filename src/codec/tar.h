// tar archives, gzipped or not, read from front to end: each regular file is offered by name.
#ifndef TWI_CODEC_TAR_H
#define TWI_CODEC_TAR_H

#include "base/error.h"

// Receives a member's whole contents, lent; *wanted decides by name and size first. A status other than TW_OK ends the reading.
typedef struct twi_tar_reader {
    void *self;
    bool (*wants)(void *self, const char *name, uint64_t size);
    tw_status (*take)(void *self, const char *name, const void *bytes, size_t n, tw_err *err);
} twi_tar_reader;

// TW_EMALFORMED: no tar, damaged, or ended early; a wanted member of more than 1 GiB.
tw_status twi_tar_read(const char *path, const twi_tar_reader *reader, tw_err *err);

#endif
