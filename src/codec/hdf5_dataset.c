// HDF5 datasets: what they hold, and values as f32.
//
// Layout   version 1, 2: version, axes, class, 0 5, [address 8], sizes 4 …, compact: bytes 4, values
//          version 3:    version, class; compact: bytes 2, values; contiguous: address 8, bytes 8;
//                        chunked: axes + 1, tree 8, sizes 4 …, bytes of a value 4
//          version 4:    as 3; chunked: flags, axes + 1, width of sizes, sizes …, index, [its facts], address 8
// Source   HDF5 File Format Specification 3.0, IV.A.2.i.

#include "codec/hdf5_reader.h"

#include <string.h>

enum { COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL };
enum { PIECE_BYTES = 64 * 1024 };

// ------------------------------------------------------------------------------------------------------------ layout

static tw_status take_chunk_sizes(twi_hdf5_cursor *c, twi_hdf5_dataset *d, unsigned axes, int width)
{
    for (unsigned i = 0; i + 1 < axes && i < TW_RANK_MAX; i++)
        d->layout.chunk[i] = (int64_t)twi_hdf5_take(c, width);
    uint64_t size = twi_hdf5_take(c, width);
    bool fits = axes == (unsigned)d->shape.rank + 1 && size == d->type.size;
    for (int i = 0; i < d->shape.rank && fits; i++)
        fits = d->layout.chunk[i] > 0 && d->layout.chunk[i] <= TW_DIM_MAX;
    if (!c->status && !fits)
        c->status =
            twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "chunks that do not fit their dataset");
    return c->status;
}

static tw_status take_chunk_index(twi_hdf5_cursor *c, twi_hdf5_dataset *d)
{
    unsigned flags = (unsigned)twi_hdf5_take(c, 1), axes = (unsigned)twi_hdf5_take(c, 1);
    int width = (int)twi_hdf5_take(c, 1);
    if (!c->status && (width < 1 || width > 8 || axes > TW_RANK_MAX + 1))
        return c->status =
                   twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "chunk sizes of %d bytes", width);
    if (take_chunk_sizes(c, d, axes, width))
        return c->status;
    unsigned index = (unsigned)twi_hdf5_take(c, 1);
    if (!c->status && (index < 1 || index > 2))
        return c->status = twi_hdf5_fail(c->file, TW_EUNSUPPORTED, c->at, c->err,
                                         "not supported yet: chunks found by index type %u"
                                         "\nwrite the file without libver='latest'",
                                         index);
    d->layout.kind = index == 1 ? TWI_HDF5_CHUNK_ONE : TWI_HDF5_CHUNK_ROW;
    if (index == 1 && flags & 2) {
        d->layout.one_bytes = twi_hdf5_take(c, 8);
        d->layout.one_mask = twi_hdf5_take(c, 4);
    }
    d->layout.at = twi_hdf5_take(c, 8);
    return c->status;
}

static tw_status take_layout_old(twi_hdf5_cursor *c, twi_hdf5_dataset *d)
{
    unsigned axes = (unsigned)twi_hdf5_take(c, 1), class = (unsigned)twi_hdf5_take(c, 1);
    twi_hdf5_skip(c, 5);
    if (class != COMPACT)
        d->layout.at = twi_hdf5_take(c, 8);
    if (c->status || class > CHUNKED)
        return c->status ? c->status
                         : twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "layout class %u", class);
    if (class == CHUNKED) {
        d->layout.kind = TWI_HDF5_CHUNK_TREE;
        return take_chunk_sizes(c, d, axes, 4);
    }
    twi_hdf5_skip(c, 4ull * axes);
    d->layout.n = class == COMPACT ? twi_hdf5_take(c, 4) : (uint64_t)d->count * d->type.size;
    if (class == COMPACT)
        d->layout.at = c->at;
    return c->status;
}

static tw_status take_layout(twi_hdf5_cursor *c, twi_hdf5_dataset *d)
{
    unsigned version = (unsigned)twi_hdf5_take(c, 1);
    if (!c->status && (version < 1 || version > 4))
        return twi_hdf5_fail(c->file, TW_EUNSUPPORTED, c->at, c->err,
                             "not supported yet: layout of version %u", version);
    if (version < 3)
        return take_layout_old(c, d);
    unsigned class = (unsigned)twi_hdf5_take(c, 1);
    switch (class) {
    case COMPACT:
        d->layout.n = twi_hdf5_take(c, 2);
        d->layout.at = c->at;
        twi_hdf5_skip(c, d->layout.n);
        return c->status;
    case CONTIGUOUS:
        d->layout.at = twi_hdf5_take(c, 8);
        d->layout.n = twi_hdf5_take(c, 8);
        return c->status;
    case CHUNKED:
        if (version == 4)
            return take_chunk_index(c, d);
        unsigned axes = (unsigned)twi_hdf5_take(c, 1);
        d->layout.kind = TWI_HDF5_CHUNK_TREE;
        d->layout.at = twi_hdf5_take(c, 8);
        return take_chunk_sizes(c, d, axes, 4);
    case VIRTUAL:
        return twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err,
                             "a virtual dataset, refused: its values are in other files");
    default:
        return twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "layout class %u", class);
    }
}

// ----------------------------------------------------------------------------------------------------------- opening

// The values must be in the file; for chunks, which may be compressed, within what the file is trusted to claim.
static tw_status check_stored(twi_hdf5 *file, twi_hdf5_object object, const twi_hdf5_dataset *d, tw_err *err)
{
    const twi_hdf5_layout *l = &d->layout;
    uint64_t size = file->source->size, bytes = (uint64_t)d->count;
    if (__builtin_mul_overflow(bytes, d->type.size, &bytes))
        return twi_hdf5_fail(file, TW_EMALFORMED, object, err, "claims more values than can be counted");
    if (!d->count)
        return TW_OK;
    if (l->at == TWI_HDF5_UNDEFINED)
        return twi_hdf5_fail(file, TW_EMALFORMED, object, err,
                             "claims %llu bytes of values, none were written", (unsigned long long)bytes);
    if (l->kind == TWI_HDF5_CONTIGUOUS) {
        if (l->n < bytes || l->at > size || bytes > size - l->at)
            return twi_hdf5_fail(file, TW_EMALFORMED, object, err,
                                 "claims %llu bytes of values, %llu are stored", (unsigned long long)bytes,
                                 (unsigned long long)(l->at > size          ? 0
                                                      : l->n < size - l->at ? l->n
                                                                            : size - l->at));
        return TW_OK;
    }
    uint64_t padded = d->type.size;
    for (int i = 0; i < d->shape.rank; i++) {
        uint64_t chunk = (uint64_t)l->chunk[i], n = ((uint64_t)d->shape.dim[i] + chunk - 1) / chunk;
        if (__builtin_mul_overflow(padded, n * chunk, &padded))
            padded = UINT64_MAX;
    }
    if (padded > file->source->budget)
        return twi_hdf5_fail(file, TW_EMALFORMED, object, err,
                             "claims %llu bytes of values in chunks, more than a file of %llu bytes can hold",
                             (unsigned long long)padded, (unsigned long long)size);
    return TW_OK;
}

static tw_status take_dataset(twi_hdf5 *file, twi_hdf5_object object, twi_hdf5_dataset *d, tw_err *err)
{
    twi_hdf5_message space = {0}, type = {0}, layout = {0}, filters = {0}, m;
    twi_hdf5_walk walk;
    *d = (twi_hdf5_dataset){0};
    twi_hdf5_begin(file);
    tw_status status = twi_hdf5_walk_object(&walk, file, object, err);
    while (!status && twi_hdf5_walk_next(&walk, &m, &status, err)) {
        if (m.type == TWI_HDF5_DATASPACE)
            space = m;
        else if (m.type == TWI_HDF5_DATATYPE)
            type = m;
        else if (m.type == TWI_HDF5_LAYOUT)
            layout = m;
        else if (m.type == TWI_HDF5_FILTERS)
            filters = m;
        else if (m.type == TWI_HDF5_EXTERNAL_FILES)
            return twi_hdf5_fail(file, TW_EMALFORMED, object, err,
                                 "a dataset with external storage, refused: its values are in other files");
    }
    if (!status && (!space.n || !type.n || !layout.n))
        status = twi_hdf5_fail(file, TW_EMALFORMED, object, err, "the object at byte %llu is not a dataset",
                               (unsigned long long)object);
    bool is_null = false;
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, space.at, space.n, err);
    if (!status)
        status = twi_hdf5_take_space(&c, "a dataset", &d->shape, &is_null);
    twi_hdf5_cursor_at(&c, file, type.at, type.n, err);
    if (!status)
        status = twi_hdf5_take_type(&c, "a dataset", &d->type);
    d->count = is_null ? 0 : twi_shape_count(&d->shape);
    if (!status && d->count < 0)
        status = twi_hdf5_fail(file, TW_EMALFORMED, object, err, "claims more values than can be counted");
    twi_hdf5_cursor_at(&c, file, filters.at, filters.n, err);
    if (!status && filters.n)
        status = twi_hdf5_take_filters(&c, &d->layout);
    twi_hdf5_cursor_at(&c, file, layout.at, layout.n, err);
    if (!status)
        status = take_layout(&c, d);
    return status ? status : check_stored(file, object, d, err);
}

// h5py stores bfloat16 as opaque values of two bytes, and Keras notes the type beside them.
static tw_status settle_opaque(twi_hdf5 *file, twi_hdf5_object object, twi_hdf5_dataset *d, tw_err *err)
{
    if (d->type.kind == TWI_HDF5_NUMBER)
        return TW_OK;
    char *text = NULL;
    tw_status status = TW_OK;
    if (d->type.kind == TWI_HDF5_OPAQUE)
        status = twi_hdf5_text(file, object, "dtype", &text, err);
    bool is_bfloat16 = text && !strcmp(text, "bfloat16") && d->type.size == 2;
    twi_free(text);
    if (status)
        return status;
    if (!is_bfloat16)
        return twi_hdf5_fail(file, TW_EUNSUPPORTED, object, err, "not supported yet: a dataset of %s values",
                             d->type.kind == TWI_HDF5_OPAQUE ? "opaque" : "text");
    d->type.kind = TWI_HDF5_NUMBER;
    d->type.dtype = TWI_BF16;
    return TW_OK;
}

static tw_status open_dataset(twi_hdf5 *file, twi_hdf5_object object, twi_hdf5_dataset *d, tw_err *err)
{
    tw_status status = take_dataset(file, object, d, err);
    return status ? status : settle_opaque(file, object, d, err);
}

tw_status twi_hdf5_data_of(twi_hdf5 *file, twi_hdf5_object dataset, twi_hdf5_data *out, tw_err *err)
{
    twi_hdf5_dataset d;
    tw_status status = open_dataset(file, dataset, &d, err);
    if (!status)
        *out = (twi_hdf5_data){d.shape, d.type.dtype, (uint64_t)d.count * d.type.size};
    return status;
}

tw_status twi_hdf5_read_f32(twi_hdf5 *file, twi_hdf5_object dataset, float *dst, tw_err *err)
{
    twi_hdf5_dataset d;
    tw_status status = open_dataset(file, dataset, &d, err);
    if (status || !d.count)
        return status;
    if (d.layout.kind != TWI_HDF5_CONTIGUOUS)
        return twi_hdf5_read_chunks(file, &d, dst, err);
    if (d.type.dtype == TWI_F32)
        return twi_source_read(file->source, d.layout.at, dst, (size_t)d.count * sizeof *dst, err);
    uint8_t *piece = twi_new(PIECE_BYTES, 1, "reading values", err);
    if (!piece)
        return TW_ENOMEM;
    size_t size = (size_t)d.type.size, per_piece = PIECE_BYTES / size;
    for (size_t i = 0, n = (size_t)d.count; i < n && !status; i += per_piece) {
        size_t k = n - i < per_piece ? n - i : per_piece;
        status = twi_source_read(file->source, d.layout.at + i * size, piece, k * size, err);
        if (!status)
            twi_to_f32(d.type.dtype, piece, dst + i, k);
    }
    twi_free(piece);
    return status;
}
