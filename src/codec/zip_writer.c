// ZIP archives, writing: stored members, as Keras writes them. See zip.h, zip.c for the layout.
//
// The archive grows in a temporary sibling and is renamed when it is whole. Headers are written before their bytes are
// counted and corrected afterwards, so a member may be streamed. Dates are 1980-01-01: the same model gives the same file.
// Sizes and places from 4 GiB on go to zip64 fields.

#include "codec/zip.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { LOCAL = 30, LOCAL64 = 20, ENTRY = 46, ENTRY64 = 28, END = 22, LOCATOR = 20, END64 = 56 };
enum { VERSION = 20, VERSION64 = 45, UTF8 = 0x800, JANUARY_1980 = 0x21 };

typedef struct written {
    char *name;
    uint64_t header, size;
    uint32_t crc;
    bool is_wide; // its local header has zip64 sizes
} written;

struct twi_zip_writer {
    char *path, *temporary;
    int fd;
    uint64_t at; // bytes written
    twi_vec(written) members;
    tw_err err; // the first failure
};

typedef struct record {
    uint8_t bytes[ENTRY + ENTRY64];
    size_t n;
} record;

static void add(record *r, uint64_t v, int bytes)
{
    for (; bytes-- > 0; v >>= 8)
        r->bytes[r->n++] = (uint8_t)v;
}

static bool is_big(uint64_t v)
{
    return v >= UINT32_MAX;
}

static tw_status failed(twi_zip_writer *w)
{
    return twi_fail_errno(&w->err, TW_EWRITE, "write '%s'", w->path);
}

static tw_status write_at(twi_zip_writer *w, uint64_t at, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t done = pwrite(w->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed(w);
        p += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return TW_OK;
}

static tw_status append(twi_zip_writer *w, const void *bytes, size_t n)
{
    tw_status status = write_at(w, w->at, bytes, n);
    if (!status)
        w->at += n;
    return status;
}

twi_zip_writer *twi_zip_create(const char *path, tw_err *err)
{
    twi_zip_writer *w = twi_new(1, sizeof *w, "a zip archive", err);
    if (!w)
        return NULL;
    w->fd = -1;
    twi_str temporary = {0};
    twi_str_printf(&temporary, "%s.%ld.part", path, (long)getpid());
    w->temporary = twi_str_take(&temporary, err);
    w->path = w->temporary ? twi_strdup(path, err) : NULL;
    if (w->path) {
        w->fd = open(w->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (w->fd < 0)
            twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
    }
    if (w->fd >= 0)
        return w;
    twi_zip_abandon(w);
    return NULL;
}

// ----------------------------------------------------------------------------------------------------------- members

// Version, flags, method, date, checksum, sizes: common to the local header and the directory's entry.
static void add_common(record *r, const written *m, bool is_wide)
{
    bool is_ascii = true;
    for (const char *p = m->name; *p; p++)
        is_ascii &= (unsigned char)*p < 128;
    add(r, is_wide ? VERSION64 : VERSION, 2);
    add(r, is_ascii ? 0 : UTF8, 2);
    add(r, 0, 2);
    add(r, 0, 2);
    add(r, JANUARY_1980, 2);
    add(r, m->crc, 4);
    add(r, is_wide ? UINT32_MAX : m->size, 4);
    add(r, is_wide ? UINT32_MAX : m->size, 4);
    add(r, strlen(m->name), 2);
}

static tw_status write_header(twi_zip_writer *w, const written *m)
{
    record r = {.n = 0};
    add(&r, 0x04034b50, 4);
    add_common(&r, m, m->is_wide);
    add(&r, m->is_wide ? LOCAL64 : 0, 2);
    tw_status status = write_at(w, m->header, r.bytes, r.n);
    if (!status)
        status = write_at(w, m->header + LOCAL, m->name, strlen(m->name));
    if (status || !m->is_wide)
        return status;
    record extra = {.n = 0};
    add(&extra, 1, 2);
    add(&extra, 16, 2);
    add(&extra, m->size, 8);
    add(&extra, m->size, 8);
    return write_at(w, m->header + LOCAL + strlen(m->name), extra.bytes, extra.n);
}

// Begins a member of about `size` bytes: room for its header is left.
static tw_status begin(twi_zip_writer *w, const char *name, uint64_t size)
{
    if (w->err.status)
        return w->err.status;
    if (strlen(name) > UINT16_MAX)
        return twi_fail(&w->err, TW_EINVAL, "a member's name of %zu bytes", strlen(name));
    written m = {.name = twi_strdup(name, &w->err), .header = w->at, .is_wide = is_big(size)};
    if (!m.name)
        return TW_ENOMEM;
    if (!twi_vec_push(&w->members, m, &w->err)) {
        twi_free(m.name);
        return TW_ENOMEM;
    }
    w->at += LOCAL + strlen(name) + (m.is_wide ? LOCAL64 : 0);
    return TW_OK;
}

static tw_status add_bytes(twi_zip_writer *w, const void *bytes, size_t n)
{
    written *m = &w->members.at[w->members.n - 1];
    m->crc = (uint32_t)crc32_z(m->crc, bytes, n);
    m->size += n;
    return append(w, bytes, n);
}

static tw_status end(twi_zip_writer *w)
{
    written *m = &w->members.at[w->members.n - 1];
    if (is_big(m->size) && !m->is_wide)
        return twi_fail(&w->err, TW_EWRITE, "'%s' grew while it was written into '%s'", m->name, w->path);
    return write_header(w, m);
}

static tw_status tell(const twi_zip_writer *w, tw_err *err)
{
    if (!w->err.status)
        return TW_OK;
    return twi_fail_at(err, w->err.status, w->err.where, w->err.offset, "%s", w->err.msg);
}

tw_status twi_zip_put(twi_zip_writer *w, const char *name, const void *bytes, size_t n, tw_err *err)
{
    if (!begin(w, name, n) && !add_bytes(w, bytes, n))
        end(w);
    return tell(w, err);
}

static tw_status stream(twi_zip_writer *w, int fd, const char *file)
{
    enum { PIECE = 1 << 18 };
    uint8_t *piece = twi_new(PIECE, 1, "copying a file", &w->err);
    if (!piece)
        return TW_ENOMEM;
    tw_status status = TW_OK;
    for (ssize_t n = 1; n && !status;) {
        n = read(fd, piece, PIECE);
        if (n > 0)
            status = add_bytes(w, piece, (size_t)n);
        else if (n < 0 && errno != EINTR)
            status = twi_fail_errno(&w->err, TW_EFAILED, "read '%s'", file);
    }
    twi_free(piece);
    return status;
}

tw_status twi_zip_put_file(twi_zip_writer *w, const char *name, const char *file, tw_err *err)
{
    if (w->err.status)
        return tell(w, err);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        twi_fail_errno(&w->err, TW_EUNUSABLE, "open '%s'", file);
    else if (!begin(w, name, (uint64_t)info.st_size) && !stream(w, fd, file))
        end(w);
    if (fd >= 0)
        close(fd);
    return tell(w, err);
}

// --------------------------------------------------------------------------------------------------------- directory

static tw_status write_entry(twi_zip_writer *w, const written *m)
{
    bool is_far = is_big(m->header), is_wide = m->is_wide || is_far;
    record r = {.n = 0};
    add(&r, 0x02014b50, 4);
    add(&r, is_wide ? VERSION64 : VERSION, 2);
    add_common(&r, m, is_wide);
    add(&r, is_wide ? ENTRY64 : 0, 2);
    add(&r, 0, 2); // comment
    add(&r, 0, 2); // disk
    add(&r, 0, 2); // attributes
    add(&r, 0, 4);
    add(&r, is_wide ? UINT32_MAX : m->header, 4);
    tw_status status = append(w, r.bytes, r.n);
    if (!status)
        status = append(w, m->name, strlen(m->name));
    if (status || !is_wide)
        return status;
    record extra = {.n = 0};
    add(&extra, 1, 2);
    add(&extra, 24, 2);
    add(&extra, m->size, 8);
    add(&extra, m->size, 8);
    add(&extra, m->header, 8);
    return append(w, extra.bytes, extra.n);
}

static tw_status write_end64(twi_zip_writer *w, uint64_t start, uint64_t bytes)
{
    uint64_t at = w->at;
    record r = {.n = 0};
    add(&r, 0x06064b50, 4);
    add(&r, END64 - 12, 8);
    add(&r, VERSION64, 2);
    add(&r, VERSION64, 2);
    add(&r, 0, 8); // disks
    add(&r, w->members.n, 8);
    add(&r, w->members.n, 8);
    add(&r, bytes, 8);
    add(&r, start, 8);
    tw_status status = append(w, r.bytes, r.n);
    r.n = 0;
    add(&r, 0x07064b50, 4);
    add(&r, 0, 4);
    add(&r, at, 8);
    add(&r, 1, 4);
    return status ? status : append(w, r.bytes, r.n);
}

static tw_status write_directory(twi_zip_writer *w)
{
    uint64_t start = w->at;
    tw_status status = TW_OK;
    for (size_t i = 0; i < w->members.n && !status; i++)
        status = write_entry(w, &w->members.at[i]);
    uint64_t bytes = w->at - start, n = w->members.n;
    bool is_wide = is_big(start) || is_big(bytes) || n >= UINT16_MAX;
    if (!status && is_wide)
        status = write_end64(w, start, bytes);
    if (status)
        return status;
    record r = {.n = 0};
    add(&r, 0x06054b50, 4);
    add(&r, 0, 4); // disks
    add(&r, is_wide ? UINT16_MAX : n, 2);
    add(&r, is_wide ? UINT16_MAX : n, 2);
    add(&r, is_wide ? UINT32_MAX : bytes, 4);
    add(&r, is_wide ? UINT32_MAX : start, 4);
    add(&r, 0, 2); // comment
    return append(w, r.bytes, r.n);
}

void twi_zip_abandon(twi_zip_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    for (size_t i = 0; i < w->members.n; i++)
        twi_free(w->members.at[i].name);
    twi_vec_clear(&w->members);
    twi_free(w->temporary);
    twi_free(w->path);
    twi_free(w);
}

tw_status twi_zip_finish(twi_zip_writer *w, tw_err *err)
{
    if (!w)
        return err ? err->status : TW_OK;
    if (!w->err.status)
        write_directory(w);
    if (!w->err.status && fsync(w->fd) != 0)
        failed(w);
    int fd = w->fd;
    if (!w->err.status) {
        w->fd = -1;
        if (close(fd) != 0 || rename(w->temporary, w->path) != 0) {
            failed(w);
            unlink(w->temporary);
        }
    }
    tw_status status = tell(w, err);
    twi_zip_abandon(w);
    return status;
}
