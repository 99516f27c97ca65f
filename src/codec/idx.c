// IDX: arrays of bytes with their sizes in front. See idx.h.
//
// Layout   0 · 0 · type (8: unsigned byte) · number of dimensions · each dimension as a big-endian u32 · values, the last
//          dimension fastest. Pictures have three dimensions (count, height, width), labels one.
// Source   "THE MNIST DATABASE of handwritten digits", file formats.
//
// zlib reads both, the plain and the gzipped. What the header claims is believed only as far as a file of that size can
// hold it: deflate shrinks at most about a thousandfold.

#include "codec/idx.h"

#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { UNSIGNED_BYTE = 8, RATIO_MAX = 1032, HEAD = 54, COLOURS = 256 };
#define VALUES_MAX (INT64_C(1) << 31)

static bool says(const char *name, const char *what)
{
    size_t n = strlen(name);
    if (twi_str_ends(name, ".gz"))
        n -= 3;
    size_t m = strlen(what);
    return n >= m && strncmp(name + n - m, what, m) == 0;
}

bool twi_idx_has_pictures(const char *name)
{
    return says(name, "images-idx3-ubyte") || says(name, "images.idx3-ubyte");
}

bool twi_idx_has_labels(const char *name)
{
    return says(name, "labels-idx1-ubyte") || says(name, "labels.idx1-ubyte");
}

typedef struct reader {
    gzFile file;
    const char *path;
    int64_t bytes; // of the file
} reader;

static tw_status damaged(const reader *r, const char *what, tw_err *err)
{
    return twi_fail_at(err, TW_EMALFORMED, r->path, -1, "%s: %s", r->path, what);
}

static tw_status read_exactly(const reader *r, void *to, int64_t n, tw_err *err)
{
    for (int64_t done = 0; done < n;) {
        unsigned part = (unsigned)(n - done < 1 << 20 ? n - done : 1 << 20);
        int got = gzread(r->file, (uint8_t *)to + done, part);
        if (got <= 0)
            return damaged(r, got < 0 ? "damaged gzip data" : "ends early", err);
        done += got;
    }
    return TW_OK;
}

static tw_status read_head(const reader *r, int dimensions, twi_idx *out, tw_err *err)
{
    uint8_t head[16];
    int64_t size[3] = {1, 1, 1}, n = 1;
    tw_status status = read_exactly(r, head, 4 + 4 * dimensions, err);
    if (status)
        return status;
    if (head[0] || head[1] || head[2] != UNSIGNED_BYTE || head[3] != dimensions)
        return damaged(r, dimensions == 3 ? "no IDX file of grey pictures" : "no IDX file of labels", err);
    for (int i = 0; i < dimensions; i++) {
        const uint8_t *p = head + 4 + 4 * i;
        size[i] = (int64_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        if (size[i] < 1 || size[i] > VALUES_MAX / n)
            return damaged(r, "sizes that make no sense", err);
        n *= size[i];
    }
    if (n > r->bytes * RATIO_MAX)
        return damaged(r, "claims more than the file can hold", err);
    if (dimensions == 3 && (size[1] > 4096 || size[2] > 4096))
        return damaged(r, "sizes that make no sense", err);
    *out = (twi_idx){.count = size[0], .height = size[1], .width = size[2]};
    return TW_OK;
}

static tw_status read_values(const reader *r, twi_idx *out, tw_err *err)
{
    int64_t n = out->count * out->height * out->width;
    uint8_t more;
    out->values = twi_new((size_t)n, 1, "an IDX file", err);
    if (!out->values)
        return TW_ENOMEM;
    tw_status status = read_exactly(r, out->values, n, err);
    if (status)
        return status;
    return gzread(r->file, &more, 1) == 0 ? TW_OK : damaged(r, "longer than its header says", err);
}

tw_status twi_idx_read(const char *path, int dimensions, twi_idx *out, tw_err *err)
{
    *out = (twi_idx){0};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        tw_status status = twi_fail_errno(err, TW_EUNUSABLE, "open '%s'", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    reader r = {.file = gzdopen(fd, "rb"), .path = path, .bytes = (int64_t)info.st_size};
    if (!r.file) {
        close(fd);
        return twi_fail_memory(err, 0, "an IDX file");
    }
    tw_status status = read_head(&r, dimensions, out, err);
    if (!status)
        status = read_values(&r, out, err);
    gzclose(r.file); // closes fd
    if (status)
        twi_idx_clear(out);
    return status;
}

void twi_idx_clear(twi_idx *idx)
{
    twi_free(idx->values);
    *idx = (twi_idx){0};
}

// ----------------------------------------------------------------------------------------------------------------- BMP

static int64_t row_bytes(const twi_idx *idx)
{
    return (idx->width + 3) / 4 * 4;
}

size_t twi_idx_bmp_size(const twi_idx *idx)
{
    return (size_t)(HEAD + 4 * COLOURS + row_bytes(idx) * idx->height);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

void twi_idx_bmp(const twi_idx *idx, int64_t picture, uint8_t *out)
{
    size_t n = twi_idx_bmp_size(idx);
    int64_t row = row_bytes(idx);
    const uint8_t *from = idx->values + picture * idx->height * idx->width;
    memset(out, 0, n);
    memcpy(out, "BM", 2);
    put32(out + 2, (uint32_t)n);
    put32(out + 10, HEAD + 4 * COLOURS); // where the pixels are
    put32(out + 14, 40);                 // length of the description
    put32(out + 18, (uint32_t)idx->width);
    put32(out + 22, (uint32_t)-idx->height); // the first row comes first
    out[26] = 1;                             // planes
    out[28] = 8;                             // bits
    for (int i = 0; i < COLOURS; i++)
        memset(out + HEAD + 4 * i, i, 3);
    for (int64_t y = 0; y < idx->height; y++)
        memcpy(out + HEAD + 4 * COLOURS + y * row, from + y * idx->width, (size_t)idx->width);
}
