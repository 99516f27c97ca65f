// tar. See tar.h.
//
//   blocks of 512: a header (name 100, …, size 12 in octal at 124, checksum 8 at 148, type at 156, "ustar" at 257, prefix 155 at
//   345), then the contents filled up to a block; two empty blocks end it
// Only regular files are offered; links, devices and the like are passed over, and so are long names of extensions.
// Source   POSIX.1-1988 ustar; zlib's gzread, which reads plain files as they are.

#include "codec/tar.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BLOCK = 512, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156, MAGIC_AT = 257, PREFIX_AT = 345 };
#define MEMBER_MAX (UINT64_C(1) << 30)

static tw_status bad(const char *path, const char *why, tw_err *err)
{
    return twi_fail_at(err, TW_EMALFORMED, path, -1, "%s: %s", path, why);
}

static uint64_t octal(const uint8_t *at, int n)
{
    char text[16] = "";
    memcpy(text, at, (size_t)n);
    return strtoull(text, NULL, 8);
}

static bool is_sum_right(const uint8_t *h)
{
    uint64_t sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : h[i];
    return octal(h + SUM_AT, 8) == sum;
}

static void name_of(const uint8_t *h, char out[260])
{
    size_t n = 0;
    if (memcmp(h + MAGIC_AT, "ustar", 5) == 0 && h[PREFIX_AT]) {
        n = strnlen((const char *)h + PREFIX_AT, 155);
        memcpy(out, h + PREFIX_AT, n);
        out[n++] = '/';
    }
    size_t more = strnlen((const char *)h, 100);
    memcpy(out + n, h, more);
    out[n + more] = 0;
}

static tw_status skip(gzFile f, const char *path, uint64_t n, tw_err *err)
{
    uint8_t block[BLOCK * 16];
    while (n) {
        unsigned here = n < sizeof block ? (unsigned)n : sizeof block;
        if (gzread(f, block, here) != (int)here)
            return bad(path, "ends early", err);
        n -= here;
    }
    return TW_OK;
}

static tw_status read_member(gzFile f, const char *path, const uint8_t *h, const twi_tar_reader *r,
                             tw_err *err)
{
    char name[260];
    uint64_t size = octal(h + SIZE_AT, 12), padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    bool is_file = h[TYPE_AT] == '0' || h[TYPE_AT] == 0;
    name_of(h, name);
    if (h[SIZE_AT] & 0x80)
        return bad(path, "has a member of 8 GiB or more", err);
    if (!is_file || !r->wants(r->self, name, size))
        return skip(f, path, padded, err);
    if (size > MEMBER_MAX)
        return bad(path, "has a member of more than 1 GiB", err);
    uint8_t *bytes = twi_new((size_t)padded, 1, "a member of an archive", err);
    if (!bytes)
        return TW_ENOMEM;
    tw_status status = TW_OK;
    if (gzread(f, bytes, (unsigned)padded) != (int)padded)
        status = bad(path, "ends early", err);
    if (!status)
        status = r->take(r->self, name, bytes, (size_t)size, err);
    twi_free(bytes);
    return status;
}

tw_status twi_tar_read(const char *path, const twi_tar_reader *reader, tw_err *err)
{
    uint8_t h[BLOCK];
    gzFile f = gzopen(path, "rbe");
    if (!f)
        return twi_fail_errno(err, TW_EUNUSABLE, "open '%s'", path);
    tw_status status = TW_OK;
    for (bool is_end = false; !status && !is_end;) {
        int got = gzread(f, h, BLOCK);
        if (got != BLOCK)
            status = bad(path, "ends early", err);
        else if (!h[0])
            is_end = true;
        else if (!is_sum_right(h))
            status = bad(path, "is no tar archive, or damaged", err);
        else
            status = read_member(f, path, h, reader, err);
    }
    gzclose(f);
    return status;
}
