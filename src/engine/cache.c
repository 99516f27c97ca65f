// The feature cache. See cache.h for the layout.

#include "engine/cache.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC      TWI_CACHE_MAGIC
#define HEAD_BYTES TWI_CACHE_HEAD
#define SLOT_HEAD  TWI_CACHE_SLOT_HEAD
enum { BAD = 1 };

typedef struct slot_head {
    uint8_t photo[16];
    uint64_t sum;
    uint32_t flags, reserved;
} slot_head;

typedef struct entry {
    uint8_t photo[16];
    int64_t slot; // -1: free place of the table
    bool is_bad;
} entry;

struct twi_cache {
    int fd;
    char *path; // NULL: temporary
    size_t row_bytes, slot_bytes;
    pthread_mutex_t lock;
    int64_t n_slots;
    entry *table; // open addressing, size a power of two
    size_t table_size, n_entries;
    uint8_t *scratch; // one slot
};

// -------------------------------------------------------------------------------------------------------------- index

static size_t place_of(const twi_cache *c, const uint8_t photo[16])
{
    uint64_t h;
    memcpy(&h, photo, sizeof h); // already a hash
    size_t i = (size_t)h & (c->table_size - 1);
    while (c->table[i].slot >= 0 && memcmp(c->table[i].photo, photo, 16) != 0)
        i = (i + 1) & (c->table_size - 1);
    return i;
}

static bool grow_table(twi_cache *c, tw_err *err)
{
    size_t size = c->table_size ? c->table_size * 2 : 1024, old_size = c->table_size;
    entry *old = c->table, *table = twi_new(size, sizeof *table, "a cache index", err);
    if (!table)
        return false;
    for (size_t i = 0; i < size; i++)
        table[i].slot = -1;
    c->table = table;
    c->table_size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].slot >= 0)
            c->table[place_of(c, old[i].photo)] = old[i];
    twi_free(old);
    return true;
}

static bool index_slot(twi_cache *c, const slot_head *head, int64_t slot, tw_err *err)
{
    if (c->n_entries * 2 >= c->table_size && !grow_table(c, err))
        return false;
    entry *e = &c->table[place_of(c, head->photo)];
    c->n_entries += e->slot < 0;
    memcpy(e->photo, head->photo, 16);
    e->slot = slot;
    e->is_bad = head->flags & BAD;
    return true;
}

static off_t slot_offset(const twi_cache *c, int64_t slot)
{
    return HEAD_BYTES + (off_t)slot * (off_t)c->slot_bytes;
}

// Takes in what this or another process has appended since.
static tw_status index_new_slots(twi_cache *c, tw_err *err)
{
    struct stat info;
    if (fstat(c->fd, &info) != 0)
        return twi_fail_errno(err, TW_EFAILED, "read the feature cache");
    int64_t n = info.st_size > HEAD_BYTES ? (int64_t)((info.st_size - HEAD_BYTES) / (off_t)c->slot_bytes) : 0;
    for (; c->n_slots < n; c->n_slots++) {
        slot_head head;
        if (pread(c->fd, &head, sizeof head, slot_offset(c, c->n_slots)) != (ssize_t)sizeof head)
            return twi_fail_errno(err, TW_EFAILED, "read the feature cache");
        if (!index_slot(c, &head, c->n_slots, err))
            return TW_ENOMEM;
    }
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------ open and close

static bool write_at(int fd, const void *bytes, size_t n, off_t at)
{
    const uint8_t *from = bytes;
    while (n) {
        ssize_t done = pwrite(fd, from, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        from += done, at += done, n -= (size_t)done;
    }
    return true;
}

static int open_temporary(void)
{
    char path[4096];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/topwork-features-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

// Writes the head into an empty file; empties a file whose head is not the expected one (another version, damage).
static tw_status check_head(twi_cache *c, const uint8_t key[16], tw_err *err)
{
    uint8_t expected[HEAD_BYTES] = {0}, found[HEAD_BYTES];
    uint64_t row_bytes = c->row_bytes;
    memcpy(expected, MAGIC, 8);
    memcpy(expected + 8, key, 16);
    memcpy(expected + 24, &row_bytes, 8);
    flock(c->fd, LOCK_EX);
    bool is_right = pread(c->fd, found, sizeof found, 0) == (ssize_t)sizeof found &&
                    memcmp(found, expected, sizeof found) == 0;
    bool ok = is_right || (ftruncate(c->fd, 0) == 0 && write_at(c->fd, expected, sizeof expected, 0));
    int saved = errno;
    flock(c->fd, LOCK_UN);
    errno = saved;
    return ok ? TW_OK
              : twi_fail_errno(err, TW_EWRITE, "write the feature cache '%s'",
                               c->path ? c->path : "(temporary)");
}

static tw_status open_file(twi_cache *c, const char *dir, const uint8_t key[16], tw_err *err)
{
    if (!dir) {
        c->fd = open_temporary();
        return c->fd >= 0 ? TW_OK : twi_fail_errno(err, TW_EWRITE, "make a temporary file for features");
    }
    twi_str path = {0};
    twi_str_printf(&path, "%s/", dir);
    for (int i = 0; i < 16; i++)
        twi_str_printf(&path, "%02x", key[i]);
    twi_str_add(&path, ".features");
    c->path = twi_str_take(&path, err);
    if (!c->path)
        return TW_ENOMEM;
    c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return c->fd >= 0 ? TW_OK : twi_fail_errno(err, TW_EWRITE, "open the feature cache '%s'", c->path);
}

twi_cache *twi_cache_open(const char *dir, const uint8_t key[16], size_t row_bytes, tw_err *err)
{
    twi_cache *c = twi_new(1, sizeof *c, "the feature cache", err);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->fd = -1;
    c->row_bytes = row_bytes;
    c->slot_bytes = twi_cache_slot_bytes(row_bytes);
    c->scratch = twi_new(c->slot_bytes, 1, "the feature cache", err);
    tw_status status = c->scratch ? open_file(c, dir, key, err) : TW_ENOMEM;
    if (!status)
        status = check_head(c, key, err);
    if (!status && !grow_table(c, err))
        status = TW_ENOMEM;
    if (!status)
        status = index_new_slots(c, err);
    if (status) {
        twi_cache_close(c);
        return NULL;
    }
    futimens(c->fd, NULL); // the time of use, by which old files are chosen for deletion
    return c;
}

void twi_cache_close(twi_cache *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    pthread_mutex_destroy(&c->lock);
    twi_free(c->scratch);
    twi_free(c->table);
    twi_free(c->path);
    twi_free(c);
}

// ---------------------------------------------------------------------------------------------------------------- rows

int64_t twi_cache_find(twi_cache *c, const uint8_t photo[16], bool *is_bad)
{
    pthread_mutex_lock(&c->lock);
    const entry *e = &c->table[place_of(c, photo)];
    int64_t slot = e->slot;
    *is_bad = slot >= 0 && e->is_bad;
    pthread_mutex_unlock(&c->lock);
    return slot;
}

// Of the row and what the slot says about it.
static uint64_t sum_of(const twi_cache *c, const slot_head *head, const void *row)
{
    uint64_t seed = XXH64(head->photo, sizeof head->photo, head->flags);
    return XXH64(row, c->row_bytes, seed);
}

tw_status twi_cache_read(twi_cache *c, int64_t slot, void *row, tw_err *err)
{
    slot_head head;
    off_t at = slot_offset(c, slot);
    bool ok = pread(c->fd, &head, sizeof head, at) == (ssize_t)sizeof head &&
              pread(c->fd, row, c->row_bytes, at + SLOT_HEAD) == (ssize_t)c->row_bytes &&
              sum_of(c, &head, row) == head.sum;
    if (ok)
        return TW_OK;
    // A zeroed name can never be found again; the slot itself stays where it is. The name on disk may be damaged too, so
    // the entry is looked for by its slot.
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->table_size; i++)
        if (c->table[i].slot == slot)
            memset(c->table[i].photo, 0, 16), c->table[i].is_bad = false;
    pthread_mutex_unlock(&c->lock);
    return twi_fail_at(err, TW_EMALFORMED, c->path, (int64_t)at, "row %lld of the feature cache is damaged",
                       (long long)slot);
}

static tw_status append(twi_cache *c, const slot_head *head, const void *row, size_t n, int64_t *slot,
                        tw_err *err)
{
    pthread_mutex_lock(&c->lock);
    flock(c->fd, LOCK_EX);
    tw_status status = index_new_slots(c, err);
    if (!status) {
        memset(c->scratch, 0, c->slot_bytes);
        memcpy(c->scratch, head, sizeof *head);
        memcpy(c->scratch + SLOT_HEAD, row, n);
        uint64_t sum = sum_of(c, head, c->scratch + SLOT_HEAD);
        memcpy(c->scratch + offsetof(slot_head, sum), &sum, sizeof sum);
        // Overwrites a torn slot, if a writer was killed in the middle of it.
        if (!write_at(c->fd, c->scratch, c->slot_bytes, slot_offset(c, c->n_slots)))
            status = twi_fail_errno(err, TW_EWRITE, "write the feature cache '%s'",
                                    c->path ? c->path : "(temporary)");
        else if (!index_slot(c, head, c->n_slots, err))
            status = TW_ENOMEM;
        else if (slot)
            *slot = c->n_slots;
        c->n_slots += !status;
    }
    flock(c->fd, LOCK_UN);
    pthread_mutex_unlock(&c->lock);
    return status;
}

tw_status twi_cache_put(twi_cache *c, const uint8_t photo[16], const void *row, int64_t *slot, tw_err *err)
{
    slot_head head = {.flags = 0};
    memcpy(head.photo, photo, 16);
    return append(c, &head, row, c->row_bytes, slot, err);
}

tw_status twi_cache_put_bad(twi_cache *c, const uint8_t photo[16], const char *reason, tw_err *err)
{
    slot_head head = {.flags = BAD};
    memcpy(head.photo, photo, 16);
    size_t n = strlen(reason);
    return append(c, &head, reason, n < c->row_bytes ? n : c->row_bytes, NULL, err);
}

tw_status twi_cache_reason(twi_cache *c, int64_t slot, char *reason, size_t size, tw_err *err)
{
    char *row = twi_new(c->row_bytes + 1, 1, "a row of the feature cache", err);
    tw_status status = row ? twi_cache_read(c, slot, row, err) : TW_ENOMEM;
    if (!status)
        snprintf(reason, size, "%s", row);
    twi_free(row);
    return status;
}

const char *twi_cache_path(const twi_cache *c)
{
    return c->path;
}

uint64_t twi_cache_growth(const twi_cache *c, int64_t n)
{
    return n > c->n_slots ? (uint64_t)(n - c->n_slots) * c->slot_bytes : 0;
}

bool twi_cache_is_kept(const twi_cache *c)
{
    struct stat info;
    return c->path && fstat(c->fd, &info) == 0 && info.st_nlink > 0;
}
