// HDF5, the layout of a written file: superblock, values, then texts, headers and groups. The dialect is h5py's default
// (interop a1): superblock 0, object headers of version 1, old groups, contiguous values, texts in the global heap.
//
//   group        object header with a symbol table message → tree → symbol nodes of 8 names; names in a local heap
//   tree node    'TREE', type 0, level, used 2, siblings 16; 33 keys and 32 children in turn; keys are places in the heap
//   heap         'HEAP', 0 4, bytes 8, free list 8 (1: none), address 8
//   header       version 1, 0, messages 2, references 4, bytes 4, 0 4; messages: type 2, bytes 2, flags 1, 0 3, body
// What is read back, by the same names, is described in hdf5_group.c, hdf5_object.c and hdf5_attribute.c.
// Source   HDF5 File Format Specification 3.0; a dump of what h5py 3.16 writes.

#include "codec/hdf5_writer.h"

#include <stdlib.h>
#include <string.h>

enum { PER_NODE = 8, PER_TREE = 32, TREE_BYTES = 24 + 33 * 8 + 32 * 8, NODE_BYTES = 8 + 40 * PER_NODE };
enum { COLLECTION = 4096, PIECES_MAX = 60000 };
enum { DATASPACE = 1, DATATYPE = 3, FILL = 5, LAYOUT = 8, ATTRIBUTE = 12, SYMBOL_TABLE = 17 };
#define UNDEFINED UINT64_MAX

static void put(twi_str *s, uint64_t v, int bytes)
{
    uint8_t raw[8];
    for (int i = 0; i < bytes; i++, v >>= 8)
        raw[i] = (uint8_t)v;
    twi_str_add_n(s, (const char *)raw, (size_t)bytes);
}

static void put_zeros(twi_str *s, size_t n)
{
    for (; n >= 8; n -= 8)
        put(s, 0, 8);
    put(s, 0, (int)n);
}

static void pad(twi_str *s, size_t since)
{
    put_zeros(s, (8 - (s->n - since) % 8) % 8);
}

// Overwrites what was put as a placeholder.
static void patch(twi_str *s, size_t at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes && !s->failed; i++, v >>= 8)
        s->text[at + (size_t)i] = (char)(uint8_t)v;
}

// ------------------------------------------------------------------------------------------------------- global heap

typedef struct heap {
    uint64_t base;
    twi_str *out;
    twi_str bytes;                  // of the collection being filled, without its head
    twi_vec(twi_hdf5_word *) words; // in it
} heap;

static tw_status flush(heap *h)
{
    if (!h->words.n)
        return TW_OK;
    uint64_t at = h->base + h->out->n;
    size_t n = h->bytes.n + 16, size = n < COLLECTION ? COLLECTION : n + 16;
    twi_str_add_n(h->out, "GCOL", 4);
    put(h->out, 1, 4);
    put(h->out, size, 8);
    twi_str_add_n(h->out, h->bytes.text, h->bytes.n);
    put(h->out, 0, 8); // object 0: the free rest, its head included
    put(h->out, size - n, 8);
    put_zeros(h->out, size - n - 16);
    for (size_t i = 0; i < h->words.n; i++) {
        h->words.at[i]->collection = at;
        h->words.at[i]->index = (uint32_t)i + 1;
    }
    bool failed = h->bytes.failed;
    h->words.n = 0;
    twi_str_clear(&h->bytes);
    h->bytes.failed = failed;
    return TW_OK;
}

static tw_status place(heap *h, twi_hdf5_word *word, tw_err *err)
{
    size_t n = strlen(word->text);
    if (h->bytes.n + n + 64 > COLLECTION || h->words.n == PIECES_MAX)
        flush(h);
    if (!twi_vec_push(&h->words, word, err))
        return TW_ENOMEM;
    put(&h->bytes, h->words.n, 2);
    put(&h->bytes, 0, 6);
    put(&h->bytes, n, 8);
    twi_str_add_n(&h->bytes, word->text, n);
    pad(&h->bytes, 0);
    return TW_OK;
}

static tw_status place_texts(heap *h, twi_hdf5_item *item, tw_err *err)
{
    tw_status status = TW_OK;
    for (twi_hdf5_note *note = item->notes; note && !status; note = note->next)
        for (size_t i = 0; i < note->n && !note->width && !status; i++)
            status = place(h, &note->words[i], err);
    for (twi_hdf5_item *child = item->children; child && !status; child = child->next)
        status = place_texts(h, child, err);
    return status;
}

// ---------------------------------------------------------------------------------------------------------- messages

static size_t begin_message(twi_str *s, unsigned type, unsigned flags)
{
    put(s, type, 2);
    put(s, 0, 2);
    put(s, flags, 4);
    return s->n;
}

static void end_message(twi_str *s, size_t body, unsigned *n_messages)
{
    pad(s, body);
    patch(s, body - 6, s->n - body, 2);
    ++*n_messages;
}

static void put_space(twi_str *s, int rank, const int64_t *sizes)
{
    put(s, 1, 1);
    put(s, (uint64_t)rank, 1);
    put_zeros(s, 6);
    for (int i = 0; i < rank; i++)
        put(s, (uint64_t)sizes[i], 8);
}

static void put_type(twi_str *s, twi_dtype dtype)
{
    if (dtype == TWI_I64) {
        put(s, 0x00000810, 4);
        put(s, 8, 4);
        put(s, 0x00400000, 4);
        return;
    }
    bool is_double = dtype == TWI_F64;
    put(s, is_double ? 0x003f2011 : 0x001f2011, 4);
    put(s, is_double ? 8 : 4, 4);
    put(s, is_double ? 0x00400000 : 0x00200000, 4);
    put(s, is_double ? 0x34000b34 : 0x17000817, 4);
    put(s, is_double ? 1023 : 127, 4);
}

static void put_text_type(twi_str *s, const twi_hdf5_note *note)
{
    if (note->is_list && !note->n) {
        put_type(s, TWI_F64);
    } else if (note->width) {
        put(s, 0x00000113, 4); // padded with zeros, ASCII
        put(s, note->width, 4);
    } else {
        put(s, 0x00010119, 4); // a text in UTF-8, of bytes:
        put(s, 16, 4);
        put(s, 0x00000010, 4);
        put(s, 1, 4);
        put(s, 0x00080000, 4);
    }
}

static void put_note(twi_str *s, const twi_hdf5_note *note, unsigned *n_messages)
{
    size_t body = begin_message(s, ATTRIBUTE, 0), n_name = strlen(note->name) + 1;
    int64_t size = (int64_t)note->n;
    put(s, 1, 2);
    put(s, n_name, 2);
    put(s, 0, 4);
    twi_str_add_n(s, note->name, n_name);
    pad(s, body);
    size_t type = s->n;
    put_text_type(s, note);
    patch(s, body + 4, s->n - type, 2);
    pad(s, body);
    size_t space = s->n;
    put_space(s, note->is_list, &size);
    patch(s, body + 6, s->n - space, 2);
    pad(s, body);
    for (size_t i = 0; i < note->n; i++) {
        const twi_hdf5_word *word = &note->words[i];
        size_t n = strlen(word->text);
        if (note->width) {
            twi_str_add_n(s, word->text, n);
            put_zeros(s, note->width - n);
        } else {
            put(s, n, 4);
            put(s, word->collection, 8);
            put(s, word->index, 4);
        }
    }
    end_message(s, body, n_messages);
}

static size_t begin_header(twi_str *s)
{
    size_t at = s->n;
    put(s, 1, 4);
    put(s, 1, 4);
    put(s, 0, 8);
    return at;
}

static void end_header(twi_str *s, size_t at, unsigned n_messages)
{
    patch(s, at + 2, n_messages, 2);
    patch(s, at + 8, s->n - at - 16, 4);
}

static uint64_t emit_data(const twi_hdf5_item *item, uint64_t base, twi_str *s)
{
    unsigned n = 0;
    size_t at = begin_header(s), body = begin_message(s, DATASPACE, 0);
    put_space(s, item->shape.rank, item->shape.dim);
    end_message(s, body, &n);
    body = begin_message(s, DATATYPE, 1);
    put_type(s, item->dtype);
    end_message(s, body, &n);
    body = begin_message(s, FILL, 1);
    put(s, 0x01020202, 4); // late, if set, the default
    put(s, 0, 4);
    end_message(s, body, &n);
    body = begin_message(s, LAYOUT, 0);
    put(s, 0x0103, 2); // version 3, contiguous
    put(s, item->n_data ? item->data : UNDEFINED, 8);
    put(s, item->n_data, 8);
    end_message(s, body, &n);
    for (const twi_hdf5_note *note = item->notes; note; note = note->next)
        put_note(s, note, &n);
    end_header(s, at, n);
    return base + at;
}

// ------------------------------------------------------------------------------------------------------------ groups

typedef struct entry {
    const twi_hdf5_item *item;
    uint64_t header; // its address
    uint64_t name;   // its place in the heap
} entry;

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return strcmp(x->item->name, y->item->name);
}

static uint64_t emit_names(entry *at, size_t n, uint64_t base, twi_str *s)
{
    twi_str names = {0};
    put(&names, 0, 8); // the empty name: the first key of every tree
    for (size_t i = 0; i < n; i++) {
        at[i].name = names.n;
        twi_str_add_n(&names, at[i].item->name, strlen(at[i].item->name) + 1);
        pad(&names, 0);
    }
    uint64_t here = base + s->n;
    twi_str_add_n(s, "HEAP\0\0\0", 8);
    put(s, names.n, 8);
    put(s, 1, 8);
    put(s, here + 32, 8);
    twi_str_add_n(s, names.text, names.n);
    s->failed |= names.failed;
    twi_str_clear(&names);
    return here;
}

static void emit_symbols(const entry *at, size_t n, twi_str *s)
{
    twi_str_add_n(s, "SNOD\1", 6);
    put(s, n, 2);
    for (size_t i = 0; i < n; i++) {
        put(s, at[i].name, 8);
        put(s, at[i].header, 8);
        put_zeros(s, 24);
    }
    put_zeros(s, NODE_BYTES - 8 - 40 * n);
}

// One level of the tree: children of `child_bytes` each stand one after the other from `first` on; last[i] is the key
// after child i. Leaves the new level's address and keys in their place, and returns its number of nodes.
static size_t emit_level(uint64_t *first, size_t child_bytes, uint64_t *last, size_t n, int level,
                         uint64_t base, twi_str *s)
{
    size_t nodes = n ? (n + PER_TREE - 1) / PER_TREE : 1;
    uint64_t here = base + s->n;
    for (size_t j = 0; j < nodes; j++) {
        size_t from = j * PER_TREE, used = n - from < PER_TREE ? n - from : PER_TREE, start = s->n;
        twi_str_add_n(s, "TREE", 4);
        put(s, (uint64_t)level << 8, 2);
        put(s, used, 2);
        put(s, j ? here + (j - 1) * TREE_BYTES : UNDEFINED, 8);
        put(s, j + 1 < nodes ? here + (j + 1) * TREE_BYTES : UNDEFINED, 8);
        put(s, from ? last[from - 1] : 0, 8);
        for (size_t i = from; i < from + used; i++) {
            put(s, *first + i * child_bytes, 8);
            put(s, last[i], 8);
        }
        put_zeros(s, TREE_BYTES - (s->n - start));
    }
    for (size_t j = 0; j < nodes && n; j++)
        last[j] = last[(j + 1) * PER_TREE < n ? (j + 1) * PER_TREE - 1 : n - 1];
    *first = here;
    return nodes;
}

static tw_status emit_tree(const entry *at, size_t n, uint64_t base, twi_str *s, uint64_t *tree, tw_err *err)
{
    size_t nodes = (n + PER_NODE - 1) / PER_NODE, bytes = NODE_BYTES;
    uint64_t *last = twi_new(nodes + 1, sizeof *last, "a group", err);
    if (!last)
        return TW_ENOMEM;
    *tree = base + s->n;
    for (size_t j = 0; j < nodes; j++) {
        size_t from = j * PER_NODE, used = n - from < PER_NODE ? n - from : PER_NODE;
        emit_symbols(at + from, used, s);
        last[j] = at[from + used - 1].name;
    }
    int level = 0;
    do {
        nodes = emit_level(tree, bytes, last, nodes, level++, base, s);
        bytes = TREE_BYTES;
    } while (nodes > 1);
    twi_free(last);
    return TW_OK;
}

static tw_status emit_item(const twi_hdf5_item *item, uint64_t base, twi_str *s, uint64_t *header,
                           uint64_t table[2], tw_err *err);

static tw_status emit_group(const twi_hdf5_item *item, uint64_t base, twi_str *s, uint64_t *header,
                            uint64_t table[2], tw_err *err)
{
    size_t n = 0;
    for (const twi_hdf5_item *child = item->children; child; child = child->next)
        n++;
    entry *entries = twi_new(n, sizeof *entries, "a group", err);
    if (!entries)
        return TW_ENOMEM;
    n = 0;
    tw_status status = TW_OK;
    for (const twi_hdf5_item *child = item->children; child && !status; child = child->next) {
        uint64_t unused[2];
        entries[n].item = child;
        status = emit_item(child, base, s, &entries[n++].header, unused, err);
    }
    if (!status && n)
        qsort(entries, n, sizeof *entries, by_name);
    if (!status) {
        table[1] = emit_names(entries, n, base, s);
        status = emit_tree(entries, n, base, s, &table[0], err);
    }
    twi_free(entries);
    unsigned n_messages = 0;
    size_t at = begin_header(s), body = begin_message(s, SYMBOL_TABLE, 0);
    put(s, table[0], 8);
    put(s, table[1], 8);
    end_message(s, body, &n_messages);
    for (const twi_hdf5_note *note = item->notes; note; note = note->next)
        put_note(s, note, &n_messages);
    end_header(s, at, n_messages);
    *header = base + at;
    return status;
}

static tw_status emit_item(const twi_hdf5_item *item, uint64_t base, twi_str *s, uint64_t *header,
                           uint64_t table[2], tw_err *err)
{
    if (!item->is_data)
        return emit_group(item, base, s, header, table, err);
    *header = emit_data(item, base, s);
    return TW_OK;
}

static void emit_superblock(twi_str *head, uint64_t end, uint64_t root, const uint64_t table[2])
{
    twi_str_add_n(head, "\x89HDF\r\n\x1a\n", 8);
    put(head, 0x0008080000000000, 8); // versions 0; offsets and lengths of 8 bytes
    put(head, 0x00100004, 8);         // 4 and 16: half of what a symbol node and a tree node hold
    put(head, 0, 8);
    put(head, UNDEFINED, 8);
    put(head, end, 8);
    put(head, UNDEFINED, 8);
    put(head, 0, 8);
    put(head, root, 8);
    put(head, 1, 8);
    put(head, table[0], 8);
    put(head, table[1], 8);
}

tw_status twi_hdf5_emit(twi_hdf5_item *root, uint64_t base, twi_str *out, twi_str *head, tw_err *err)
{
    heap h = {.base = base, .out = out};
    uint64_t header = 0, table[2] = {0};
    tw_status status = place_texts(&h, root, err);
    if (!status)
        status = flush(&h);
    out->failed |= h.bytes.failed;
    twi_str_clear(&h.bytes);
    twi_vec_clear(&h.words);
    if (!status)
        status = emit_group(root, base, out, &header, table, err);
    emit_superblock(head, base + out->n, header, table);
    return status;
}
