// Room: how much memory the process may still take, by the narrowest of what bounds it.
#ifndef TWI_BASE_ROOM_H
#define TWI_BASE_ROOM_H

#include "base/error.h"

typedef struct twi_room {
    int64_t used;  // bytes resident now
    int64_t bytes; // that may still be taken; INT64_MAX: nothing is known to bound it
    const char *
        why; // what bounds it: "the machine", "the container", "the limit of address space (ulimit -v)". Static.
} twi_room;

twi_room twi_room_now(void);
// The same for a system whose /proc and /sys lie below `root` (tests); "" is this one.
twi_room twi_room_at(const char *root);

// Whether the system would give so many bytes just now: asked of it without keeping any. Costs two system calls.
bool twi_room_is_there(size_t bytes);

// Whether address space is limited (ulimit -v): then even small allocations may fail.
bool twi_room_is_limited(void);

// Bytes from text: "2G", "1.5 GB", "500M", "65536"; k, M, G, T are powers of 1024 where followed by "iB", else of 1000.
// TW_EINVAL naming `where` ("--memory").
tw_status twi_bytes_read(const char *text, const char *where, int64_t *bytes, tw_err *err);
// "3.4 GB", "180 MB", "12 kB" into buf (powers of 1000). Returns buf.
const char *twi_bytes_text(char *buf, size_t size, int64_t bytes);

#endif
