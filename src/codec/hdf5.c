// HDF5: opening a file, and reading its records. See hdf5.h, hdf5_reader.h.
//
// Superblock 0 and 1:  signature, versions, sizes of offsets and lengths, …, base, free space, end, driver, root entry
// Superblock 2 and 3:  signature, version, sizes, flags, base, extension, end, root header, checksum
// Only offsets and lengths of 8 bytes and files without a user block are read: h5py writes nothing else.

#include "codec/hdf5_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Reading a model walks from its root to every array: some ten thousand bytes of structure for each of at most a few
// thousand arrays.
#define WORK_BASE  (256ull << 20)
#define WORK_TIMES 64

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

bool twi_hdf5_is(const twi_source *source)
{
    uint8_t first[8];
    return twi_source_read(source, 0, first, sizeof first, NULL) == TW_OK && !memcmp(first, signature, 8);
}

// -------------------------------------------------------------------------------------------------- walks, messages

void twi_hdf5_begin(twi_hdf5 *file)
{
    // No byte of structure belongs to two records; twice the size leaves room for names read twice.
    file->work = file->source->size * 2 + 4096;
}

tw_status twi_hdf5_pay(twi_hdf5 *file, uint64_t at, uint64_t bytes, tw_err *err)
{
    if (bytes > file->work)
        return twi_hdf5_fail(
            file, TW_EMALFORMED, at, err,
            "its structure is larger than the file: parts of it are used twice or in a circle");
    if (bytes > file->work_left)
        return twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                             "its structure takes far more steps to read than its size");
    file->work -= bytes;
    file->work_left -= bytes;
    return TW_OK;
}

tw_status twi_hdf5_fail(const twi_hdf5 *file, tw_status status, uint64_t at, tw_err *err, const char *fmt,
                        ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return twi_fail_at(err, status, file->source->name, at > INT64_MAX ? -1 : (int64_t)at, "%s: %s",
                       file->source->name, text);
}

// ----------------------------------------------------------------------------------------------------------- records

void twi_hdf5_cursor_at(twi_hdf5_cursor *c, const twi_hdf5 *file, uint64_t at, uint64_t n, tw_err *err)
{
    c->file = file;
    c->at = at;
    c->err = err;
    c->status = TW_OK;
    c->cached = 0;
    c->n_cached = 0;
    if (__builtin_add_overflow(at, n, &c->end)) {
        c->end = at;
        c->status = twi_hdf5_fail(file, TW_EMALFORMED, at, err, "a record of %llu bytes leaves the file",
                                  (unsigned long long)n);
    }
}

// False (and failed) unless n more bytes of the record are there.
static bool has(twi_hdf5_cursor *c, uint64_t n)
{
    if (c->status)
        return false;
    if (n <= c->end - c->at)
        return true;
    c->status =
        twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err,
                      "a record ends early at byte %llu: %llu bytes wanted, %llu left",
                      (unsigned long long)c->at, (unsigned long long)n, (unsigned long long)(c->end - c->at));
    return false;
}

void twi_hdf5_take_bytes(twi_hdf5_cursor *c, void *dst, size_t n)
{
    if (has(c, n) && !(c->status = twi_source_read(c->file->source, c->at, dst, n, c->err)))
        c->at += n;
    else if (n)
        memset(dst, 0, n);
}

uint64_t twi_hdf5_take(twi_hdf5_cursor *c, int bytes)
{
    if (!has(c, (uint64_t)bytes))
        return 0;
    if (c->at < c->cached || c->at + (uint64_t)bytes > c->cached + c->n_cached) {
        // What lies beyond the file fails only when it is wanted.
        uint64_t left = c->end - c->at, size = c->file->source->size;
        if (c->at < size && left > size - c->at)
            left = size - c->at;
        c->n_cached = left < sizeof c->buf ? (size_t)left : sizeof c->buf;
        if (c->n_cached < (size_t)bytes)
            c->n_cached = (size_t)bytes;
        c->cached = c->at;
        c->status = twi_source_read(c->file->source, c->at, c->buf, c->n_cached, c->err);
        if (c->status)
            return 0;
    }
    uint64_t v = 0;
    const uint8_t *p = c->buf + (c->at - c->cached);
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    c->at += (uint64_t)bytes;
    return v;
}

void twi_hdf5_skip(twi_hdf5_cursor *c, uint64_t n)
{
    if (has(c, n))
        c->at += n;
}

void twi_hdf5_expect(twi_hdf5_cursor *c, const char *wanted, const char *what)
{
    uint64_t at = c->at;
    char got[4];
    twi_hdf5_take_bytes(c, got, sizeof got);
    if (!c->status && memcmp(got, wanted, 4))
        c->status = twi_hdf5_fail(c->file, TW_EMALFORMED, at, c->err, "no %s ('%s') at byte %llu", what,
                                  wanted, (unsigned long long)at);
}

// ----------------------------------------------------------------------------------------------------------- opening

static tw_status check_sizes(twi_hdf5_cursor *c)
{
    unsigned offsets = (unsigned)twi_hdf5_take(c, 1), lengths = (unsigned)twi_hdf5_take(c, 1);
    if (!c->status && (offsets != 8 || lengths != 8))
        c->status =
            twi_hdf5_fail(c->file, TW_EUNSUPPORTED, c->at, c->err,
                          "not supported yet: HDF5 with offsets of %u and lengths of %u bytes (8 and 8 are)",
                          offsets, lengths);
    return c->status;
}

static tw_status check_base_and_end(twi_hdf5_cursor *c, uint64_t base, uint64_t end)
{
    const twi_hdf5 *file = c->file;
    if (!c->status && base)
        c->status =
            twi_hdf5_fail(file, TW_EUNSUPPORTED, c->at, c->err, "not supported yet: HDF5 with a user block");
    if (!c->status && end > file->source->size)
        c->status = twi_hdf5_fail(file, TW_EMALFORMED, file->source->size, c->err,
                                  "is cut off: has %llu bytes of %llu\nget the file again",
                                  (unsigned long long)file->source->size, (unsigned long long)end);
    return c->status;
}

static tw_status read_superblock(twi_hdf5 *file, tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, 8, 96, err);
    unsigned version = (unsigned)twi_hdf5_take(&c, 1);
    if (!c.status && version > 3)
        return twi_hdf5_fail(file, TW_EUNSUPPORTED, 8, err, "not supported yet: HDF5 superblock version %u",
                             version);
    uint64_t base, end;
    if (version < 2) {
        twi_hdf5_skip(&c, 4);
        check_sizes(&c);
        twi_hdf5_skip(&c, version ? 13 : 9);
        base = twi_hdf5_take(&c, 8);
        twi_hdf5_skip(&c, 8);
        end = twi_hdf5_take(&c, 8);
        twi_hdf5_skip(&c, 16);
        file->root = twi_hdf5_take(&c, 8);
        return check_base_and_end(&c, base, end);
    }
    check_sizes(&c);
    twi_hdf5_skip(&c, 1);
    base = twi_hdf5_take(&c, 8);
    twi_hdf5_skip(&c, 8);
    end = twi_hdf5_take(&c, 8);
    file->root = twi_hdf5_take(&c, 8);
    tw_status status = check_base_and_end(&c, base, end);
    return status ? status : twi_hdf5_check_sum(file, 0, 44, err);
}

twi_hdf5 *twi_hdf5_open(twi_source *source, tw_err *err)
{
    if (!twi_hdf5_is(source)) {
        twi_fail_at(err, TW_EMALFORMED, source->name, 0, "%s: is not an HDF5 file", source->name);
        return NULL;
    }
    twi_hdf5 *file = twi_new(1, sizeof *file, "an HDF5 file", err);
    if (!file)
        return NULL;
    file->source = source;
    uint64_t size = source->size;
    file->work_left = WORK_BASE + (size < (UINT64_MAX - WORK_BASE) / WORK_TIMES ? size * WORK_TIMES : 0);
    tw_status status = read_superblock(file, err);
    twi_hdf5_walk walk;
    twi_hdf5_begin(file);
    if (!status)
        status = twi_hdf5_walk_object(&walk, file, file->root, err);
    if (status) {
        twi_hdf5_close(file);
        return NULL;
    }
    return file;
}

void twi_hdf5_close(twi_hdf5 *file)
{
    if (!file)
        return;
    twi_vec_clear(&file->pieces);
    twi_vec_clear(&file->collections);
    twi_free(file);
}

twi_hdf5_object twi_hdf5_root(const twi_hdf5 *file)
{
    return file->root;
}

void twi_hdf5_texts_clear(twi_hdf5_texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        twi_free(texts->at[i]);
    twi_free(texts->at);
    *texts = (twi_hdf5_texts){0};
}
