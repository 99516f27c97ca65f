// The feature cache: what the frozen prefix made of a photo, kept across runs.
//
// One file per cache key (prefix, weights, preprocessing, precision …): a head of one page, then slots of fixed size:
//   head  "TWFEAT2\n" · key[16] · u64 row_bytes · zeros to 4096
//   slot  photo[16] · u64 sum · u32 flags (1: the photo is unreadable, the row holds the reason) · u32 0 · row
// sum: XXH64 of the row, seeded with the XXH64 of the photo's name seeded with the flags.
// Slots are only appended, under a file lock, so several processes may share a file; a torn last slot is written over by
// the next writer. Every row is checked against its sum when read: a damaged one counts as missing.
//
// A folder of files is kept below a limit by deleting the file whose last use (its time of change, set when it is opened)
// is longest ago. Who has such a file open goes on with it; it is gone when closed.
#ifndef TWI_ENGINE_CACHE_H
#define TWI_ENGINE_CACHE_H

#include "base/json.h"
#include "base/mem.h"

typedef struct twi_cache twi_cache;

// Opens or makes <dir>/<key in hex>.features. dir NULL: a temporary file that vanishes when closed. TW_EWRITE.
twi_cache *twi_cache_open(const char *dir, const uint8_t key[16], size_t row_bytes, tw_err *err);
void twi_cache_close(twi_cache *cache);

// Slot of a photo, or -1. *is_bad: the photo was found unreadable. Thread-safe.
int64_t twi_cache_find(twi_cache *cache, const uint8_t photo[16], bool *is_bad);
// Copies row `slot` (row_bytes). TW_EMALFORMED when the row does not match its sum (and it will not be found again).
tw_status twi_cache_read(twi_cache *cache, int64_t slot, void *row, tw_err *err);
// Appends a row. *slot (may be NULL) receives its number. Thread-safe. TW_EWRITE.
tw_status twi_cache_put(twi_cache *cache, const uint8_t photo[16], const void *row, int64_t *slot,
                        tw_err *err);
tw_status twi_cache_put_bad(twi_cache *cache, const uint8_t photo[16], const char *reason, tw_err *err);
// The remembered reason of a bad slot into `reason`. TW_EMALFORMED as twi_cache_read.
tw_status twi_cache_reason(twi_cache *cache, int64_t slot, char *reason, size_t size, tw_err *err);
const char *twi_cache_path(const twi_cache *cache); // lent; NULL: temporary
// Bytes the file grows by until it holds n rows.
uint64_t twi_cache_growth(const twi_cache *cache, int64_t n);
// Whether its file is still there for the next run.
bool twi_cache_is_kept(const twi_cache *cache);

// Upkeep (cache_upkeep.c).
#define TWI_CACHE_MAGIC "TWFEAT2\n"
enum { TWI_CACHE_HEAD = 4096, TWI_CACHE_SLOT_HEAD = 32 };
size_t twi_cache_slot_bytes(size_t row_bytes);

// The folder, made where it is missing, and marked as one that backups leave out. TW_EWRITE.
tw_status twi_cache_folder(const char *dir, tw_err *err);
// All cache files of a folder: [{"file", "rows", "row_bytes", "bytes", "used"}], oldest use first; those of another version
// have no rows. A missing folder is empty.
json_t *twi_cache_list(const char *dir, tw_err *err);
// Deletes least recently used files until at most `limit` bytes are left (0: all). `keep` (path or NULL) is never deleted.
// *freed bytes.
tw_status twi_cache_trim(const char *dir, uint64_t limit, const char *keep, uint64_t *freed, tw_err *err);
// The limit where none is given: 10 GB, or a tenth of what the disk would have free without the cache, if that is less.
uint64_t twi_cache_limit(const char *dir);

#endif
