// Source: where bytes come from (a file or memory), read by offset, with every read bounds-checked.
//
// All parsers of files from strangers read through a source: a read past the end is TW_EMALFORMED with the file's name
// and offset, never a crash. A `budget` bounds what a parser may allocate on the word of the file: each allocation
// whose size comes from the file is first taken from the budget.
#ifndef TWI_BASE_SOURCE_H
#define TWI_BASE_SOURCE_H

#include "base/error.h"

typedef struct twi_source {
    const char *name;      // for messages; owned if is_owner
    const uint8_t *memory; // NULL for a file
    int fd;                // -1 for memory
    uint64_t start, size;  // the window of the file or memory this source shows, in bytes
    uint64_t budget;       // bytes a parser may still allocate on the file's word
    bool is_owner;         // closes fd and frees name
} twi_source;

// Opens a regular file (TW_EUNUSABLE if missing or not a file). budget: 64 × file size + 64 MiB.
tw_status twi_source_open(twi_source *s, const char *path, tw_err *err);
// Lends n bytes of memory; name is lent too.
void twi_source_memory(twi_source *s, const char *name, const void *bytes, size_t n);
// A window of another source (stored zip members, nested files). Lends; the parent must stay open.
tw_status twi_source_window(twi_source *s, const twi_source *parent, uint64_t start, uint64_t size,
                            tw_err *err);
void twi_source_close(twi_source *s);

// Reads exactly n bytes at offset. Safe from several threads.
tw_status twi_source_read(const twi_source *s, uint64_t offset, void *dst, size_t n, tw_err *err);
// Little-endian integers at offset; *v untouched on failure.
tw_status twi_source_u16(const twi_source *s, uint64_t offset, uint16_t *v, tw_err *err);
tw_status twi_source_u32(const twi_source *s, uint64_t offset, uint32_t *v, tw_err *err);
tw_status twi_source_u64(const twi_source *s, uint64_t offset, uint64_t *v, tw_err *err);
// Takes n × size bytes from the budget, or TW_EMALFORMED: "claims N bytes, more than …".
tw_status twi_source_spend(twi_source *s, uint64_t n, uint64_t size, tw_err *err);
// The whole source in memory (twi_free it), spent from the budget, with a NUL after the last byte.
void *twi_source_all(twi_source *s, size_t *n, tw_err *err);

// Writes n bytes to path through a temporary sibling, fsync and rename: readers see the old or the new file, never
// half. TW_EWRITE on failure, earlier file intact.
tw_status twi_file_write(const char *path, const void *bytes, size_t n, tw_err *err);
bool twi_file_exists(const char *path);
// Makes a directory and its parents; existing is fine. TW_EWRITE.
tw_status twi_dir_make(const char *path, tw_err *err);

#endif
