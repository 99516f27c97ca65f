// Source: bounds-checked reads from a file or memory, and atomic writes. See source.h.

#include "base/source.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUDGET_BASE (64ull << 20)

static uint64_t budget_for(uint64_t size)
{
    return size > (UINT64_MAX - BUDGET_BASE) / 64 ? UINT64_MAX : size * 64 + BUDGET_BASE;
}

tw_status twi_source_open(twi_source *s, const char *path, tw_err *err)
{
    *s = (twi_source){.fd = -1};
    char *name = twi_strdup(path, err);
    if (!name)
        return TW_ENOMEM;
    // O_NONBLOCK: opening a FIFO must not wait for a writer; regular files ignore it.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        twi_fail_errno(err, TW_EUNUSABLE, "open '%s'", path);
    } else if (!S_ISREG(info.st_mode)) {
        twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' is %s, expected a file", path,
                    S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    } else {
        *s = (twi_source){.name = name, .fd = fd, .size = (uint64_t)info.st_size, .is_owner = true};
        s->budget = budget_for(s->size);
        return TW_OK;
    }
    if (fd >= 0)
        close(fd);
    twi_free(name);
    return TW_EUNUSABLE;
}

void twi_source_memory(twi_source *s, const char *name, const void *bytes, size_t n)
{
    *s = (twi_source){.name = name, .memory = bytes, .fd = -1, .size = n, .budget = budget_for(n)};
}

tw_status twi_source_window(twi_source *s, const twi_source *parent, uint64_t start, uint64_t size,
                            tw_err *err)
{
    if (start > parent->size || size > parent->size - start)
        return twi_fail_at(err, TW_EMALFORMED, parent->name, (int64_t)start,
                           "%s: a part of %llu bytes at %llu ends past the file's %llu bytes", parent->name,
                           (unsigned long long)size, (unsigned long long)start,
                           (unsigned long long)parent->size);
    *s = *parent;
    s->start = parent->start + start;
    s->size = size;
    s->budget = budget_for(size);
    s->is_owner = false;
    return TW_OK;
}

void twi_source_close(twi_source *s)
{
    if (s->is_owner) {
        close(s->fd);
        char *name = NULL;
        memcpy(&name, &s->name, sizeof name);
        twi_free(name);
    }
    *s = (twi_source){.fd = -1};
}

tw_status twi_source_read(const twi_source *s, uint64_t offset, void *dst, size_t n, tw_err *err)
{
    if (offset > s->size || n > s->size - offset)
        return twi_fail_at(err, TW_EMALFORMED, s->name, (int64_t)offset,
                           "%s: ends early: %zu bytes wanted at %llu, the file has %llu", s->name, n,
                           (unsigned long long)offset, (unsigned long long)s->size);
    if (s->memory) {
        if (n)
            memcpy(dst, s->memory + s->start + offset, n);
        return TW_OK;
    }
    uint8_t *at = dst;
    uint64_t from = s->start + offset;
    while (n) {
        ssize_t got = pread(s->fd, at, n, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return twi_fail_errno(err, TW_EFAILED, "read '%s'", s->name);
        if (got == 0)
            return twi_fail_at(err, TW_EMALFORMED, s->name, (int64_t)from,
                               "%s: became shorter while it was read", s->name);
        at += got;
        from += (uint64_t)got;
        n -= (size_t)got;
    }
    return TW_OK;
}

static tw_status read_le(const twi_source *s, uint64_t offset, int bytes, uint64_t *v, tw_err *err)
{
    uint8_t raw[8];
    tw_status status = twi_source_read(s, offset, raw, (size_t)bytes, err);
    if (status)
        return status;
    *v = 0;
    for (int i = bytes; i-- > 0;)
        *v = *v << 8 | raw[i];
    return TW_OK;
}

tw_status twi_source_u16(const twi_source *s, uint64_t offset, uint16_t *v, tw_err *err)
{
    uint64_t wide;
    tw_status status = read_le(s, offset, 2, &wide, err);
    if (!status)
        *v = (uint16_t)wide;
    return status;
}

tw_status twi_source_u32(const twi_source *s, uint64_t offset, uint32_t *v, tw_err *err)
{
    uint64_t wide;
    tw_status status = read_le(s, offset, 4, &wide, err);
    if (!status)
        *v = (uint32_t)wide;
    return status;
}

tw_status twi_source_u64(const twi_source *s, uint64_t offset, uint64_t *v, tw_err *err)
{
    return read_le(s, offset, 8, v, err);
}

tw_status twi_source_spend(twi_source *s, uint64_t n, uint64_t size, tw_err *err)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > s->budget)
        return twi_fail_at(err, TW_EMALFORMED, s->name, -1,
                           "%s: claims %llu × %llu bytes, more than a file of %llu can hold", s->name,
                           (unsigned long long)n, (unsigned long long)size, (unsigned long long)s->size);
    s->budget -= bytes;
    return TW_OK;
}

void *twi_source_all(twi_source *s, size_t *n, tw_err *err)
{
    if (s->size >= SIZE_MAX || twi_source_spend(s, s->size, 1, err))
        return NULL;
    uint8_t *bytes = twi_new((size_t)s->size + 1, 1, s->name, err);
    if (bytes && twi_source_read(s, 0, bytes, (size_t)s->size, err)) {
        twi_free(bytes);
        return NULL;
    }
    *n = (size_t)s->size;
    return bytes;
}

static bool write_all(int fd, const uint8_t *at, size_t n)
{
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

tw_status twi_file_write(const char *path, const void *bytes, size_t n, tw_err *err)
{
    twi_str temporary = {0};
    twi_str_printf(&temporary, "%s.%ld.part", path, (long)getpid());
    if (temporary.failed)
        return twi_fail_memory(err, strlen(path), "a file name");
    tw_status status = TW_OK;
    int fd = open(temporary.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
    } else {
        bool ok = write_all(fd, bytes, n) && fsync(fd) == 0;
        int saved = errno;
        ok = close(fd) == 0 && ok;
        if (ok)
            ok = rename(temporary.text, path) == 0, saved = errno;
        if (!ok) {
            errno = saved;
            status = twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
            unlink(temporary.text);
        }
    }
    twi_str_clear(&temporary);
    return status;
}

bool twi_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

tw_status twi_dir_make(const char *path, tw_err *err)
{
    char *walk = twi_strdup(path, err);
    if (!walk)
        return TW_ENOMEM;
    tw_status status = TW_OK;
    for (char *slash = walk + 1; !status; slash++) {
        if (*slash && *slash != '/')
            continue;
        char kept = *slash;
        *slash = 0;
        struct stat info;
        if (mkdir(walk, 0777) != 0) {
            int why = errno; // the reason, where nothing is there; stat would overwrite it
            bool is_there = stat(walk, &info) == 0, is_folder = is_there && S_ISDIR(info.st_mode);
            errno = is_there ? ENOTDIR : why;
            if (!is_folder)
                status = twi_fail_errno(err, TW_EWRITE, "make directory '%s'", walk);
        }
        *slash = kept;
        if (!kept)
            break;
    }
    twi_free(walk);
    return status;
}
