// HDF5 attributes that hold texts: model_config, layer_names, weight_names …
//
// Attribute   version 1: version, 0, name bytes 2, type bytes 2, space bytes 2, name, type, space (each padded to 8), value
//             2: a flags byte for the 0, nothing padded   3: and the name's character set 1 before the name
// A text of variable length is a reference: bytes 4, collection 8, index 4; its bytes are in a global heap collection
//             'GCOL', version 1, 0 3, bytes 8; objects: index 2, references 2, 0 4, bytes 8, value padded to 8
// A list too long for an object header (64 KB) is split into name0, name1 … (interop a1).
// Source   HDF5 File Format Specification 3.0, III.E, IV.A.2.m.

#include "codec/hdf5_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 1024, COLLECTIONS_MAX = 16384 };

typedef struct attribute {
    twi_hdf5_type type;
    tw_shape shape;
    uint64_t count;
    uint64_t at; // of the value
    int part;    // number of a split list's part, or -1
} attribute;
typedef twi_vec(attribute) attributes;

// Head of an attribute message: its name, and where type, space and value are.
typedef struct head {
    char name[NAME_MAX_BYTES];
    uint64_t type, n_type, space, n_space, value, end;
    bool is_shared;
} head;

static tw_status take_head(twi_hdf5 *file, const twi_hdf5_message *m, head *h, tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, m->at, m->n, err);
    unsigned version = (unsigned)twi_hdf5_take(&c, 1), flags = (unsigned)twi_hdf5_take(&c, 1);
    uint64_t n_name = twi_hdf5_take(&c, 2);
    h->n_type = twi_hdf5_take(&c, 2);
    h->n_space = twi_hdf5_take(&c, 2);
    twi_hdf5_skip(&c, version == 3 ? 1 : 0);
    if (!c.status && (version < 1 || version > 3))
        return twi_hdf5_fail(file, TW_EMALFORMED, m->at, err, "an attribute of version %u", version);
    uint64_t pad = version == 1 ? 7 : 0;
    h->type = c.at + ((n_name + pad) & ~pad);
    h->space = h->type + ((h->n_type + pad) & ~pad);
    h->value = h->space + ((h->n_space + pad) & ~pad);
    h->end = m->at + m->n;
    h->is_shared = version > 1 && flags & 3;
    size_t n = n_name < sizeof h->name ? (size_t)n_name : sizeof h->name - 1;
    twi_hdf5_take_bytes(&c, h->name, n);
    h->name[n] = 0;
    if (!c.status && h->value > h->end)
        return twi_hdf5_fail(file, TW_EMALFORMED, m->at, err, "attribute '%.100s' is larger than its message",
                             h->name);
    return c.status ? c.status : twi_hdf5_pay(file, m->at, n, err);
}

static tw_status take_value(twi_hdf5 *file, const head *h, attribute *a, tw_err *err)
{
    char what[128];
    snprintf(what, sizeof what, "attribute '%.100s'", h->name);
    if (h->is_shared)
        return twi_hdf5_fail(file, TW_EUNSUPPORTED, h->type, err,
                             "not supported yet: %s has a named datatype", what);
    bool is_null = false;
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, h->type, h->n_type, err);
    tw_status status = twi_hdf5_take_type(&c, what, &a->type);
    twi_hdf5_cursor_at(&c, file, h->space, h->n_space, err);
    if (!status)
        status = twi_hdf5_take_space(&c, what, &a->shape, &is_null);
    if (status)
        return status;
    a->at = h->value;
    int64_t count = twi_shape_count(&a->shape);
    a->count = is_null ? 0 : (uint64_t)count;
    uint64_t bytes;
    if (count < 0 || __builtin_mul_overflow(a->count, a->type.size, &bytes) || bytes > h->end - h->value)
        return twi_hdf5_fail(file, TW_EMALFORMED, h->value, err,
                             "%s claims more values than its message holds", what);
    return TW_OK;
}

// An object's attributes in dense storage are out of our reach: says so where one is looked for.
static tw_status check_attribute_info(twi_hdf5 *file, const twi_hdf5_message *m, const char *wanted,
                                      tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, m->at, m->n, err);
    twi_hdf5_skip(&c, 1);
    unsigned flags = (unsigned)twi_hdf5_take(&c, 1);
    twi_hdf5_skip(&c, flags & 1 ? 2 : 0);
    uint64_t heap = twi_hdf5_take(&c, 8);
    if (!c.status && heap != TWI_HDF5_UNDEFINED)
        return twi_hdf5_fail(
            file, TW_EUNSUPPORTED, m->at, err,
            "not supported yet: attributes in a fractal heap (dense storage), while looking for '%s'"
            "\nwrite the file without libver='latest' and track_order",
            wanted);
    return c.status;
}

// What a name is to the wanted one: the same (-1), its part 0, 1 … of a split list, or another (-2).
static int part_of(const char *name, const char *wanted)
{
    size_t n = strlen(wanted);
    if (strncmp(name, wanted, n) != 0)
        return -2;
    const char *digits = name + n;
    size_t k = strlen(digits);
    if (!k)
        return -1;
    if (k > 6 || strspn(digits, "0123456789") != k || (digits[0] == '0' && k > 1))
        return -2;
    return (int)strtol(digits, NULL, 10);
}

// Attributes of that name, or, where there is none, the parts of a split list. One walk finds them all.
static tw_status find_attributes(twi_hdf5 *file, twi_hdf5_object object, const char *wanted,
                                 attributes *found, tw_err *err)
{
    twi_hdf5_walk walk;
    twi_hdf5_message m;
    head h;
    twi_hdf5_begin(file);
    tw_status status = twi_hdf5_walk_object(&walk, file, object, err);
    while (!status && twi_hdf5_walk_next(&walk, &m, &status, err)) {
        if (m.type == TWI_HDF5_ATTRIBUTE_INFO)
            status = check_attribute_info(file, &m, wanted, err);
        if (m.type != TWI_HDF5_ATTRIBUTE || status)
            continue;
        status = take_head(file, &m, &h, err);
        attribute a = {.part = status ? -2 : part_of(h.name, wanted)};
        if (a.part == -2)
            continue;
        status = take_value(file, &h, &a, err);
        if (!status)
            status = twi_source_spend(file->source, 1, sizeof a, err);
        if (!status && !twi_vec_push(found, a, err))
            status = TW_ENOMEM;
        if (!status && a.part == -1) {
            found->at[0] = a;
            found->n = 1;
            break;
        }
    }
    return status;
}

// ------------------------------------------------------------------------------------------------------- global heap

static int by_index(const void *a, const void *b)
{
    const twi_hdf5_piece *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_address(const void *a, const void *b)
{
    const twi_hdf5_collection *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

// Notes where each object between `at` and `end` is.
static tw_status read_pieces(twi_hdf5 *file, uint64_t at, uint64_t end, twi_hdf5_collection *collection,
                             tw_err *err)
{
    collection->first = file->pieces.n;
    while (end - at >= 16) {
        twi_hdf5_cursor c;
        twi_hdf5_cursor_at(&c, file, at, 16, err);
        twi_hdf5_piece piece = {.index = twi_hdf5_take(&c, 2), .at = at + 16};
        twi_hdf5_skip(&c, 6);
        piece.n = twi_hdf5_take(&c, 8);
        if (c.status)
            return c.status;
        if (!piece.index) // the free rest
            break;
        if (piece.n > end - piece.at)
            return twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                                 "an object of %llu bytes leaves its global heap collection",
                                 (unsigned long long)piece.n);
        tw_status status = twi_source_spend(file->source, 1, sizeof piece, err);
        if (status)
            return status;
        if (!twi_vec_push(&file->pieces, piece, err))
            return TW_ENOMEM;
        uint64_t padded = (piece.n + 7) & ~(uint64_t)7;
        at = padded < end - piece.at ? piece.at + padded : end;
    }
    collection->n = file->pieces.n - collection->first;
    if (collection->n)
        qsort(file->pieces.at + collection->first, collection->n, sizeof *file->pieces.at, by_index);
    return TW_OK;
}

// Reads a collection and keeps it, in order of addresses.
static tw_status read_collection(twi_hdf5 *file, twi_hdf5_collection *collection, tw_err *err)
{
    twi_hdf5_cursor c;
    uint64_t at = collection->at, size = file->source->size;
    twi_hdf5_cursor_at(&c, file, at, 16, err);
    twi_hdf5_expect(&c, "GCOL", "global heap collection");
    twi_hdf5_skip(&c, 4);
    uint64_t n = twi_hdf5_take(&c, 8);
    if (c.status)
        return c.status;
    if (n < 16 || n > size - at)
        return twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                             "a global heap collection of %llu bytes leaves the file", (unsigned long long)n);
    if (file->collections.n == COLLECTIONS_MAX)
        return twi_hdf5_fail(file, TW_EMALFORMED, at, err, "texts in more than %d global heap collections",
                             COLLECTIONS_MAX);
    tw_status status = read_pieces(file, at + 16, at + n, collection, err);
    if (status)
        return status;
    if (!twi_vec_push(&file->collections, *collection, err))
        return TW_ENOMEM;
    size_t i = file->collections.n - 1;
    for (; i && file->collections.at[i - 1].at > at; i--)
        file->collections.at[i] = file->collections.at[i - 1];
    file->collections.at[i] = *collection;
    return TW_OK;
}

static tw_status find_piece(twi_hdf5 *file, uint64_t at, uint64_t index, twi_hdf5_piece *found, tw_err *err)
{
    twi_hdf5_collection wanted = {.at = at}, *known = NULL;
    if (file->collections.n)
        known = bsearch(&wanted, file->collections.at, file->collections.n, sizeof wanted, by_address);
    if (known) {
        wanted = *known;
    } else {
        tw_status status = read_collection(file, &wanted, err);
        if (status)
            return status;
    }
    twi_hdf5_piece key = {.index = index}, *piece = NULL;
    if (wanted.n)
        piece = bsearch(&key, file->pieces.at + wanted.first, wanted.n, sizeof key, by_index);
    if (!piece)
        return twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                             "no object %llu in the global heap collection at %llu",
                             (unsigned long long)index, (unsigned long long)at);
    *found = *piece;
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- texts

static tw_status text_at(twi_hdf5 *file, uint64_t at, uint64_t n, char **out, tw_err *err)
{
    tw_status status = twi_source_spend(file->source, n + 1, 1, err);
    if (status)
        return status;
    char *text = twi_new((size_t)n + 1, 1, "an attribute", err);
    if (!text)
        return TW_ENOMEM;
    status = twi_source_read(file->source, at, text, (size_t)n, err);
    if (status)
        twi_free(text);
    else
        *out = text;
    return status;
}

static tw_status vlen_text(twi_hdf5 *file, uint64_t at, char **out, tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, at, 16, err);
    uint64_t n = twi_hdf5_take(&c, 4), collection = twi_hdf5_take(&c, 8), index = twi_hdf5_take(&c, 4);
    if (c.status)
        return c.status;
    if (!n && (!collection || collection == TWI_HDF5_UNDEFINED))
        return text_at(file, at, 0, out, err);
    twi_hdf5_piece piece = {0};
    tw_status status = find_piece(file, collection, index, &piece, err);
    if (status)
        return status;
    if (n > piece.n)
        return twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                             "a text claims %llu bytes, its heap object has %llu", (unsigned long long)n,
                             (unsigned long long)piece.n);
    return text_at(file, piece.at, n, out, err);
}

static tw_status text_of(twi_hdf5 *file, const attribute *a, uint64_t i, char **out, tw_err *err)
{
    uint64_t at = a->at + i * a->type.size;
    if (a->type.kind == TWI_HDF5_VLEN_TEXT)
        return vlen_text(file, at, out, err);
    tw_status status = text_at(file, at, a->type.size, out, err);
    for (size_t end = !status && a->type.is_space_padded ? (size_t)a->type.size : 0;
         end && (*out)[end - 1] == ' ';)
        (*out)[--end] = 0;
    return status;
}

static tw_status not_texts(twi_hdf5 *file, const attribute *a, const char *name, tw_err *err)
{
    if (a->type.kind == TWI_HDF5_FIXED_TEXT || a->type.kind == TWI_HDF5_VLEN_TEXT)
        return TW_OK;
    return twi_hdf5_fail(file, TW_EMALFORMED, a->at, err, "attribute '%s' holds %s, expected text", name,
                         a->type.kind == TWI_HDF5_NUMBER ? "numbers" : "opaque values");
}

tw_status twi_hdf5_text(twi_hdf5 *file, twi_hdf5_object object, const char *name, char **out, tw_err *err)
{
    attributes found = {0};
    *out = NULL;
    tw_status status = find_attributes(file, object, name, &found, err);
    attribute a = {0};
    if (!status && found.n && found.at[0].part == -1)
        a = found.at[0];
    twi_vec_clear(&found);
    if (status || !a.count)
        return status;
    status = not_texts(file, &a, name, err);
    if (!status && a.count != 1)
        status =
            twi_hdf5_fail(file, TW_EMALFORMED, a.at, err, "attribute '%s' holds %llu texts, expected one",
                          name, (unsigned long long)a.count);
    return status ? status : text_of(file, &a, 0, out, err);
}

// Appends the texts of one attribute. Empty lists are written as lists of numbers (interop a1).
static tw_status append_texts(twi_hdf5 *file, const attribute *a, const char *name, twi_hdf5_texts *out,
                              tw_err *err)
{
    tw_status status = a->count ? not_texts(file, a, name, err) : TW_OK;
    if (status || !a->count)
        return status;
    status = twi_source_spend(file->source, a->count, sizeof(char *), err);
    if (status)
        return status;
    char **grown = twi_resize(out->at, out->n + (size_t)a->count, sizeof *grown, "a list of texts", err);
    if (!grown)
        return TW_ENOMEM;
    out->at = grown;
    for (uint64_t i = 0; i < a->count; i++) {
        status = text_of(file, a, i, &out->at[out->n], err);
        if (status)
            return status;
        out->n++;
    }
    return TW_OK;
}

static int by_part(const void *a, const void *b)
{
    const attribute *x = a, *y = b;
    return (x->part > y->part) - (x->part < y->part);
}

tw_status twi_hdf5_texts_of(twi_hdf5 *file, twi_hdf5_object object, const char *name, twi_hdf5_texts *out,
                            tw_err *err)
{
    attributes found = {0};
    *out = (twi_hdf5_texts){0};
    tw_status status = find_attributes(file, object, name, &found, err);
    if (!status && found.n)
        qsort(found.at, found.n, sizeof *found.at, by_part);
    for (size_t i = 0; i < found.n && !status; i++) {
        if (found.at[i].part >= 0 && found.at[i].part != (int)i)
            break; // no part of the list: a name that happens to end in digits
        status = append_texts(file, &found.at[i], name, out, err);
    }
    twi_vec_clear(&found);
    if (status)
        twi_hdf5_texts_clear(out);
    return status;
}
