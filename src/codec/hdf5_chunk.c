// HDF5 chunks: values in equal blocks, each perhaps filtered. Keras never writes them; files of other tools do.
//
// Tree node   'TREE', type 1, level 1, used 2, siblings 16; key, child 8, key, child … key
//             key: stored bytes 4, filters left out 4, place 8 on each axis, 0 8
// Filters     version 1: version, n, 0 6; each: id 2, name bytes 2, flags 2, values 2, name (padded to 8), values 4 …
//             (an odd number of them padded)   version 2: no padding, name only for ids from 256
// Served: deflate (1), shuffle (2), fletcher32 (3), which are what HDF5 itself always has. Undone last to first.
// Source   HDF5 File Format Specification 3.0, III.A.1, IV.A.2.l.

#include "codec/hdf5_reader.h"

#include <string.h>
#include <zlib.h>

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER = 3, LEVEL_MAX = 32, NODE_MAX = 65535 };

typedef struct reading {
    twi_hdf5 *file;
    const twi_hdf5_dataset *d;
    float *dst;
    int64_t n_done;        // values covered so far
    uint64_t chunk_values; // values of a whole chunk
    uint64_t chunk_bytes;
    uint8_t *buf[2]; // a chunk's bytes on their way through the filters
    size_t room;     // of each
    float *values;
    tw_err *err;
} reading;

tw_status twi_hdf5_take_filters(twi_hdf5_cursor *c, twi_hdf5_layout *layout)
{
    unsigned version = (unsigned)twi_hdf5_take(c, 1), n = (unsigned)twi_hdf5_take(c, 1);
    if (version == 1)
        twi_hdf5_skip(c, 6);
    if (!c->status && (version < 1 || version > 2 || n > TWI_HDF5_FILTERS_MAX))
        return twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "a list of %u filters, version %u", n,
                             version);
    for (unsigned i = 0; i < n && !c->status; i++) {
        unsigned id = (unsigned)twi_hdf5_take(c, 2);
        unsigned name = version == 1 || id >= 256 ? (unsigned)twi_hdf5_take(c, 2) : 0;
        twi_hdf5_skip(c, 2);
        unsigned values = (unsigned)twi_hdf5_take(c, 2);
        twi_hdf5_skip(c, version == 1 ? (name + 7u) & ~7u : name);
        twi_hdf5_skip(c, 4ull * (version == 1 ? (values + 1u) & ~1u : values));
        if (!c->status && (id < DEFLATE || id > FLETCHER))
            return twi_hdf5_fail(
                c->file, TW_EUNSUPPORTED, c->at, c->err,
                "not supported yet: values compressed by HDF5 filter %u (deflate, shuffle and "
                "fletcher32 are)",
                id);
        for (unsigned k = 0; k < i; k++)
            if (!c->status && layout->filter[k] == id)
                return twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "filter %u is applied twice", id);
        layout->filter[i] = id;
    }
    layout->n_filters = (int)n;
    return c->status;
}

// ----------------------------------------------------------------------------------------------------------- filters

static tw_status bad_chunk(const reading *r, uint64_t at, const char *why)
{
    return twi_hdf5_fail(r->file, TW_EMALFORMED, at, r->err, "the chunk at byte %llu %s",
                         (unsigned long long)at, why);
}

// Fletcher's sum over big-endian words of 16 bits, an odd last byte as a word's high half.
static uint32_t fletcher32(const uint8_t *p, size_t n)
{
    uint32_t a = 0, b = 0;
    for (size_t i = 0; i < n; i += 2) {
        a += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0u);
        a = (a & 0xffff) + (a >> 16);
        b += a;
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

static tw_status undo_fletcher(const reading *r, const uint8_t *p, size_t *n, uint64_t at)
{
    if (*n < 4)
        return bad_chunk(r, at, "is too short for its checksum");
    *n -= 4;
    const uint8_t *s = p + *n;
    uint32_t stored = (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
    return stored == fletcher32(p, *n) ? TW_OK : bad_chunk(r, at, "is damaged: its checksum differs");
}

static tw_status undo_deflate(const reading *r, const uint8_t *src, uint8_t *dst, size_t *n, uint64_t at)
{
    uLongf got = (uLongf)r->room;
    int code = uncompress(dst, &got, src, (uLong)*n);
    if (code == Z_MEM_ERROR)
        return twi_fail_memory(r->err, r->room, "a chunk");
    if (code != Z_OK)
        return bad_chunk(r, at, "cannot be decompressed");
    *n = got;
    return TW_OK;
}

static void undo_shuffle(const uint8_t *src, uint8_t *dst, size_t n, size_t size)
{
    size_t count = n / size;
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < count; i++)
            dst[i * size + k] = src[k * count + i];
    memcpy(dst + count * size, src + count * size, n - count * size);
}

// The chunk's values, unfiltered, in *out.
static tw_status load_chunk(reading *r, uint64_t at, uint64_t stored, uint64_t mask, const uint8_t **out)
{
    if (stored > r->room)
        return bad_chunk(r, at, "is stored in more bytes than it has");
    tw_status status = twi_source_read(r->file->source, at, r->buf[0], (size_t)stored, r->err);
    size_t n = (size_t)stored;
    int now = 0;
    for (int i = r->d->layout.n_filters; i-- > 0 && !status;) {
        if (mask >> i & 1)
            continue;
        uint8_t *src = r->buf[now], *dst = r->buf[!now];
        if (r->d->layout.filter[i] == FLETCHER) {
            status = undo_fletcher(r, src, &n, at);
            continue;
        }
        if (r->d->layout.filter[i] == DEFLATE)
            status = undo_deflate(r, src, dst, &n, at);
        else
            undo_shuffle(src, dst, n, (size_t)r->d->type.size);
        now = !now;
    }
    if (!status && n != r->chunk_bytes)
        return bad_chunk(r, at, "has not the size of a chunk");
    *out = r->buf[now];
    return status;
}

// ------------------------------------------------------------------------------------------------------------ copies

// Copies what of a chunk at `place` lies within the dataset, row by row.
static void copy_chunk(const reading *r, const int64_t *place)
{
    const tw_shape *shape = &r->d->shape;
    const int64_t *chunk = r->d->layout.chunk;
    int last = shape->rank - 1;
    int64_t n[TW_RANK_MAX], at[TW_RANK_MAX] = {0};
    for (int i = 0; i <= last; i++)
        n[i] = shape->dim[i] - place[i] < chunk[i] ? shape->dim[i] - place[i] : chunk[i];
    for (bool more = true; more;) {
        int64_t from = 0, to = 0;
        for (int i = 0; i <= last; i++) {
            from = from * chunk[i] + at[i];
            to = to * shape->dim[i] + place[i] + at[i];
        }
        memcpy(r->dst + to, r->values + from, (size_t)n[last] * sizeof *r->dst);
        more = false;
        for (int i = last - 1; i >= 0 && !more; i--) {
            more = ++at[i] < n[i];
            if (!more)
                at[i] = 0;
        }
    }
}

static tw_status read_chunk(reading *r, uint64_t at, uint64_t stored, uint64_t mask, const int64_t *place)
{
    int64_t covered = 1;
    for (int i = 0; i < r->d->shape.rank; i++) {
        int64_t size = r->d->shape.dim[i], chunk = r->d->layout.chunk[i];
        if (place[i] < 0 || place[i] >= size || place[i] % chunk)
            return bad_chunk(r, at, "has no place in its dataset");
        covered *= size - place[i] < chunk ? size - place[i] : chunk;
    }
    if (covered > r->d->count - r->n_done)
        return bad_chunk(r, at, "takes the place of another one");
    r->n_done += covered;
    const uint8_t *bytes = NULL;
    tw_status status = load_chunk(r, at, stored, mask, &bytes);
    if (status)
        return status;
    twi_to_f32(r->d->type.dtype, bytes, r->values, (size_t)r->chunk_values);
    copy_chunk(r, place);
    return TW_OK;
}

static tw_status visit_tree(reading *r, uint64_t node, int level)
{
    twi_hdf5_cursor c;
    int rank = r->d->shape.rank;
    uint64_t n_key = 8 + 8 * ((uint64_t)rank + 1);
    twi_hdf5_cursor_at(&c, r->file, node, 24 + (n_key + 8) * NODE_MAX, r->err);
    twi_hdf5_expect(&c, "TREE", "chunk tree node");
    unsigned type = (unsigned)twi_hdf5_take(&c, 1);
    int here = (int)twi_hdf5_take(&c, 1);
    unsigned n = (unsigned)twi_hdf5_take(&c, 2);
    twi_hdf5_skip(&c, 16);
    if (!c.status && (type != 1 || here > LEVEL_MAX || (level >= 0 && here != level)))
        return twi_hdf5_fail(r->file, TW_EMALFORMED, node, r->err,
                             "a chunk tree node of type %u and level %d", type, here);
    tw_status status = c.status ? c.status : twi_hdf5_pay(r->file, node, 24 + (n_key + 8) * n, r->err);
    for (unsigned i = 0; i < n && !status; i++) {
        uint64_t stored = twi_hdf5_take(&c, 4), mask = twi_hdf5_take(&c, 4);
        int64_t place[TW_RANK_MAX] = {0};
        for (int k = 0; k < rank; k++)
            place[k] = (int64_t)twi_hdf5_take(&c, 8);
        twi_hdf5_skip(&c, 8);
        uint64_t child = twi_hdf5_take(&c, 8);
        if (!c.status)
            status = here ? visit_tree(r, child, here - 1) : read_chunk(r, child, stored, mask, place);
        else
            status = c.status;
    }
    return status;
}

// Chunks one after the other, unfiltered, in row-major order.
static tw_status visit_row(reading *r)
{
    int64_t place[TW_RANK_MAX] = {0};
    int rank = r->d->shape.rank;
    tw_status status = TW_OK;
    uint64_t at = r->d->layout.at;
    for (bool more = true; more && !status;) {
        status = read_chunk(r, at, r->chunk_bytes, 0, place);
        at += r->chunk_bytes;
        more = false;
        for (int i = rank - 1; i >= 0 && !more; i--) {
            place[i] += r->d->layout.chunk[i];
            more = place[i] < r->d->shape.dim[i];
            if (!more)
                place[i] = 0;
        }
    }
    return status;
}

static tw_status visit(reading *r)
{
    const twi_hdf5_layout *l = &r->d->layout;
    int64_t origin[TW_RANK_MAX] = {0};
    twi_hdf5_begin(r->file);
    if (l->kind == TWI_HDF5_CHUNK_TREE)
        return visit_tree(r, l->at, -1);
    if (l->kind == TWI_HDF5_CHUNK_ROW && !l->n_filters)
        return visit_row(r);
    return read_chunk(r, l->at, l->one_bytes ? l->one_bytes : r->chunk_bytes, l->one_mask, origin);
}

tw_status twi_hdf5_read_chunks(twi_hdf5 *file, const twi_hdf5_dataset *d, float *dst, tw_err *err)
{
    reading r = {.file = file, .d = d, .dst = dst, .chunk_values = 1, .err = err};
    if (!d->shape.rank)
        return twi_hdf5_fail(file, TW_EMALFORMED, d->layout.at, err, "a single value in chunks");
    for (int i = 0; i < d->shape.rank; i++)
        if (__builtin_mul_overflow(r.chunk_values, (uint64_t)d->layout.chunk[i], &r.chunk_values))
            return twi_hdf5_fail(file, TW_EMALFORMED, d->layout.at, err, "a chunk of uncountable values");
    // A chunk that does not shrink is stored whole; deflate then adds a little, a checksum four bytes.
    if (__builtin_mul_overflow(r.chunk_values, d->type.size, &r.chunk_bytes) ||
        r.chunk_bytes > file->source->budget)
        return twi_hdf5_fail(file, TW_EMALFORMED, d->layout.at, err,
                             "a chunk of %llu values, more than the file can hold",
                             (unsigned long long)r.chunk_values);
    r.room = (size_t)(r.chunk_bytes + r.chunk_bytes / 100 + 64);
    tw_status status = twi_source_spend(file->source, 2 * r.room + r.chunk_values * sizeof(float), 1, err);
    if (status)
        return status;
    r.buf[0] = twi_new(r.room, 1, "a chunk", err);
    r.buf[1] = twi_new(r.room, 1, "a chunk", err);
    r.values = twi_new((size_t)r.chunk_values, sizeof(float), "a chunk", err);
    status = r.buf[0] && r.buf[1] && r.values ? visit(&r) : TW_ENOMEM;
    if (!status && r.n_done != d->count)
        status = twi_hdf5_fail(file, TW_EUNUSABLE, d->layout.at, err,
                               "a dataset with chunks that were never written: %lld of %lld values are there",
                               (long long)r.n_done, (long long)d->count);
    twi_free(r.buf[0]);
    twi_free(r.buf[1]);
    twi_free(r.values);
    return status;
}
