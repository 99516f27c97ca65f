// HDF5 types and shapes: what the bytes of a dataset or attribute mean.
//
// Datatype    class and version 1, class bits 3, bytes of a value 4, then what the class needs
// Dataspace   1: version, rank, flags, 0 5, sizes 8 …   2: version, rank, flags, kind (0 scalar, 1 simple, 2 null), sizes
// Served: IEEE floats, integers that fit a twi_dtype, enumerations of bytes (h5py's bool), texts of fixed and variable
// length, opaque values (what h5py makes of bfloat16). Everything else is named and refused.
// Source   HDF5 File Format Specification 3.0, IV.A.2.b, IV.A.2.d.

#include "codec/hdf5_reader.h"

enum {
    CLASS_INTEGER,
    CLASS_FLOAT,
    CLASS_TIME,
    CLASS_TEXT,
    CLASS_BITS,
    CLASS_OPAQUE,
    CLASS_COMPOUND,
    CLASS_REFERENCE,
    CLASS_ENUM,
    CLASS_VLEN,
    CLASS_ARRAY
};

static const char *const class_names[] = {"integer",     "float",           "time",     "text",
                                          "bit field",   "opaque",          "compound", "reference",
                                          "enumeration", "variable length", "array"};

static tw_status refuse(twi_hdf5_cursor *c, const char *what, const char *kind, uint64_t size)
{
    if (c->status)
        return c->status;
    return c->status = twi_hdf5_fail(c->file, TW_EUNSUPPORTED, c->at, c->err,
                                     "not supported yet: %s holds values of type %s, %llu bytes each", what,
                                     kind, (unsigned long long)size);
}

static void take_integer(twi_hdf5_cursor *c, const char *what, unsigned bits, twi_hdf5_type *type)
{
    bool is_signed = bits & 8;
    unsigned offset = (unsigned)twi_hdf5_take(c, 2), precision = (unsigned)twi_hdf5_take(c, 2);
    if (bits & 1)
        refuse(c, what, "big-endian integer", type->size);
    else if (offset || precision != type->size * 8)
        refuse(c, what, "padded integer", type->size);
    else if (type->size == 8 && is_signed)
        type->dtype = TWI_I64;
    else if (type->size == 4 && is_signed)
        type->dtype = TWI_I32;
    else if (type->size == 1 && !is_signed)
        type->dtype = TWI_U8;
    else
        refuse(c, what, is_signed ? "integer" : "unsigned integer", type->size);
}

static void take_float(twi_hdf5_cursor *c, const char *what, unsigned bits, twi_hdf5_type *type)
{
    // offset, precision, exponent at, bits, mantissa at, bits; bias
    static const struct {
        uint64_t size, layout[2], bias;
        twi_dtype dtype;
    } known[] = {{2, {0x00100000, 0x0a00050a}, 15, TWI_F16},
                 {2, {0x00100000, 0x07000807}, 127, TWI_BF16},
                 {4, {0x00200000, 0x17000817}, 127, TWI_F32},
                 {8, {0x00400000, 0x34000b34}, 1023, TWI_F64}};
    uint64_t first = twi_hdf5_take(c, 4), second = twi_hdf5_take(c, 4), bias = twi_hdf5_take(c, 4);
    if (bits & 0x41) {
        refuse(c, what, "big-endian float", type->size);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].size == type->size && known[i].layout[0] == first && known[i].layout[1] == second &&
            known[i].bias == bias) {
            type->dtype = known[i].dtype;
            return;
        }
    refuse(c, what, "unusual float", type->size);
}

static void take_vlen(twi_hdf5_cursor *c, const char *what, unsigned bits, twi_hdf5_type *type)
{
    if ((bits & 15) != 1)
        refuse(c, what, "variable length list", type->size);
    else if (type->size != 16 && !c->status)
        c->status = twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err,
                                  "%s: a reference to a text has %llu bytes, expected 16", what,
                                  (unsigned long long)type->size);
    type->kind = TWI_HDF5_VLEN_TEXT;
}

static void take_enum(twi_hdf5_cursor *c, const char *what, twi_hdf5_type *type)
{
    unsigned base = (unsigned)twi_hdf5_take(c, 1) & 15;
    if (base != CLASS_INTEGER || type->size != 1)
        refuse(c, what, "enumeration", type->size);
    type->dtype = TWI_U8;
}

tw_status twi_hdf5_take_type(twi_hdf5_cursor *c, const char *what, twi_hdf5_type *type)
{
    unsigned head = (unsigned)twi_hdf5_take(c, 1), class = head & 15, version = head >> 4;
    unsigned bits = (unsigned)twi_hdf5_take(c, 3);
    *type = (twi_hdf5_type){.size = twi_hdf5_take(c, 4)};
    if (c->status)
        return c->status;
    if (version < 1 || version > 5 || class > CLASS_ARRAY || !type->size)
        return c->status = twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err,
                                         "%s: unknown type (class %u, version %u, %llu bytes)", what, class,
                                         version, (unsigned long long)type->size);
    switch (class) {
    case CLASS_INTEGER:
        take_integer(c, what, bits, type);
        break;
    case CLASS_FLOAT:
        take_float(c, what, bits, type);
        break;
    case CLASS_TEXT:
        type->kind = TWI_HDF5_FIXED_TEXT;
        type->is_space_padded = (bits & 15) == 2;
        break;
    case CLASS_OPAQUE:
        type->kind = TWI_HDF5_OPAQUE;
        break;
    case CLASS_ENUM:
        take_enum(c, what, type);
        break;
    case CLASS_VLEN:
        take_vlen(c, what, bits, type);
        break;
    default:
        refuse(c, what, class_names[class], type->size);
    }
    return c->status;
}

tw_status twi_hdf5_take_space(twi_hdf5_cursor *c, const char *what, tw_shape *shape, bool *is_null)
{
    unsigned version = (unsigned)twi_hdf5_take(c, 1), rank = (unsigned)twi_hdf5_take(c, 1);
    twi_hdf5_skip(c, 1);
    unsigned kind = (unsigned)twi_hdf5_take(c, 1);
    *shape = (tw_shape){0};
    *is_null = version == 2 && kind == 2;
    if (!c->status && (version < 1 || version > 2))
        c->status = twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "%s: dataspace of version %u", what,
                                  version);
    if (!c->status && rank > TW_RANK_MAX)
        c->status =
            twi_hdf5_fail(c->file, TW_EUNSUPPORTED, c->at, c->err,
                          "not supported yet: %s has %u axes, at most %d are", what, rank, TW_RANK_MAX);
    if (version == 1)
        twi_hdf5_skip(c, 4);
    for (unsigned i = 0; i < rank && !c->status; i++) {
        uint64_t size = twi_hdf5_take(c, 8);
        if (size > TW_DIM_MAX)
            c->status = twi_hdf5_fail(c->file, TW_EMALFORMED, c->at, c->err, "%s: axis %u claims %llu values",
                                      what, i, (unsigned long long)size);
        shape->dim[i] = (int64_t)size;
    }
    shape->rank = c->status ? 0 : (int32_t)rank;
    return c->status;
}
