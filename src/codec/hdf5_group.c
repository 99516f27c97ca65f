// HDF5 groups: from names to objects.
//
// Old groups (all that Keras writes): a B-tree of symbol table nodes, names in a local heap
//   symbol table message   tree 8, heap 8
//   tree node              'TREE', type 0, level 1, used 2, siblings 16; key 8, child 8, key 8 …: child i holds the names
//                          in (key i, key i + 1]; keys are places in the heap
//   symbol node            'SNOD', version 1, 0, used 2; entries: name 8, object 8, kind 4, 0 4, scratch 16
//   heap                   'HEAP', version 0, 0 3, bytes 8, free 8, address 8
// New groups: one link message each. Groups of more than about eight links in this form keep them in a heap of their
// own kind, which is refused by name. A link that is not hard leads elsewhere: refused.
// Source   HDF5 File Format Specification 3.0, III.A, III.B, III.D, IV.A.2.g.

#include "codec/hdf5_reader.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 1024, LEVEL_MAX = 32, NODE_MAX = 65535 };

// What a search over a group is for: one name, or all.
typedef struct search {
    twi_hdf5 *file;
    const char *wanted;    // NULL: all
    twi_hdf5_object found; // of the wanted one
    twi_hdf5_texts *out;   // of all
    size_t cap;
    uint64_t heap, n_heap; // the names of an old group
    tw_err *err;
} search;

static tw_status add_name(search *s, const char *name)
{
    tw_status status = twi_source_spend(s->file->source, strlen(name) + 1 + sizeof(char *), 1, s->err);
    if (status)
        return status;
    char *copy = twi_strdup(name, s->err);
    if (!copy)
        return TW_ENOMEM;
    if (!twi_vec_grow_((void **)&s->out->at, &s->cap, s->out->n + 1, sizeof(char *), s->err)) {
        twi_free(copy);
        return TW_ENOMEM;
    }
    s->out->at[s->out->n++] = copy;
    return TW_OK;
}

static tw_status bad_link(const search *s, const char *name, const char *kind, uint64_t at)
{
    return twi_hdf5_fail(s->file, TW_EMALFORMED, at, s->err,
                         "'%s' is %s, refused: it leads out of the file or its structure", name, kind);
}

// ------------------------------------------------------------------------------------------------------- old groups

// The name at a place of the local heap.
static tw_status heap_name(search *s, uint64_t place, char name[NAME_MAX_BYTES])
{
    size_t n = 0;
    while (place < s->n_heap) {
        uint64_t left = s->n_heap - place;
        size_t piece = left < 64 ? (size_t)left : 64;
        if (piece > NAME_MAX_BYTES - n)
            piece = NAME_MAX_BYTES - n;
        tw_status status = twi_source_read(s->file->source, s->heap + place, name + n, piece, s->err);
        const char *end = status ? NULL : memchr(name + n, 0, piece);
        if (status || end)
            return status ? status : twi_hdf5_pay(s->file, s->heap, (uint64_t)(end - name) + 1, s->err);
        n += piece;
        place += piece;
        if (n == NAME_MAX_BYTES)
            return twi_hdf5_fail(s->file, TW_EMALFORMED, s->heap + place, s->err,
                                 "a name of more than %d bytes", NAME_MAX_BYTES);
    }
    return twi_hdf5_fail(s->file, TW_EMALFORMED, s->heap, s->err, "a name outside its heap of %llu bytes",
                         (unsigned long long)s->n_heap);
}

static tw_status visit_symbols(search *s, uint64_t node)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, s->file, node, 8 + 40ull * NODE_MAX, s->err);
    twi_hdf5_expect(&c, "SNOD", "symbol table node");
    unsigned version = (unsigned)twi_hdf5_take(&c, 2), n = (unsigned)twi_hdf5_take(&c, 2);
    if (!c.status && (version & 255) != 1)
        return twi_hdf5_fail(s->file, TW_EMALFORMED, node, s->err, "symbol table node of version %u",
                             version & 255);
    tw_status status = c.status ? c.status : twi_hdf5_pay(s->file, node, 8 + 40ull * n, s->err);
    for (unsigned i = 0; i < n && !status && !s->found; i++) {
        uint64_t place = twi_hdf5_take(&c, 8), object = twi_hdf5_take(&c, 8);
        unsigned kind = (unsigned)twi_hdf5_take(&c, 4);
        twi_hdf5_skip(&c, 20);
        char name[NAME_MAX_BYTES];
        status = c.status ? c.status : heap_name(s, place, name);
        if (status || (s->wanted && strcmp(name, s->wanted)))
            continue;
        if (kind == 2)
            return bad_link(s, name, "a soft link", c.at);
        if (s->wanted)
            s->found = object;
        else
            status = add_name(s, name);
    }
    return status;
}

static tw_status visit_tree(search *s, uint64_t node, int level)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, s->file, node, 24 + 16ull * NODE_MAX + 8, s->err);
    twi_hdf5_expect(&c, "TREE", "group tree node");
    unsigned type = (unsigned)twi_hdf5_take(&c, 1);
    int here = (int)twi_hdf5_take(&c, 1);
    unsigned n = (unsigned)twi_hdf5_take(&c, 2);
    twi_hdf5_skip(&c, 16 + 8);
    if (c.status)
        return c.status;
    if (type || here > LEVEL_MAX || (level >= 0 && here != level))
        return twi_hdf5_fail(s->file, TW_EMALFORMED, node, s->err,
                             "a group tree node of type %u and level %d", type, here);
    tw_status status = twi_hdf5_pay(s->file, node, 24 + 16ull * n, s->err);
    for (unsigned i = 0; i < n && !status && !s->found; i++) {
        uint64_t child = twi_hdf5_take(&c, 8), place = twi_hdf5_take(&c, 8);
        status = c.status;
        char last[NAME_MAX_BYTES];
        if (s->wanted && !status)
            status = heap_name(s, place, last);
        if (status || (s->wanted && strcmp(s->wanted, last) > 0))
            continue;
        status = here ? visit_tree(s, child, here - 1) : visit_symbols(s, child);
        if (s->wanted)
            break; // later children hold later names only
    }
    return status;
}

static tw_status search_old(search *s, const twi_hdf5_message *table)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, s->file, table->at, table->n, s->err);
    uint64_t tree = twi_hdf5_take(&c, 8), heap = twi_hdf5_take(&c, 8);
    if (c.status)
        return c.status;
    twi_hdf5_cursor_at(&c, s->file, heap, 32, s->err);
    twi_hdf5_expect(&c, "HEAP", "local heap");
    twi_hdf5_skip(&c, 4);
    s->n_heap = twi_hdf5_take(&c, 8);
    twi_hdf5_skip(&c, 8);
    s->heap = twi_hdf5_take(&c, 8);
    if (c.status)
        return c.status;
    uint64_t size = s->file->source->size;
    if (s->heap > size || s->n_heap > size - s->heap)
        return twi_hdf5_fail(s->file, TW_EMALFORMED, heap, s->err, "a group's names leave the file");
    return tree == TWI_HDF5_UNDEFINED ? TW_OK : visit_tree(s, tree, -1);
}

// ------------------------------------------------------------------------------------------------------- new groups

static tw_status visit_link(search *s, const twi_hdf5_message *m)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, s->file, m->at, m->n, s->err);
    unsigned version = (unsigned)twi_hdf5_take(&c, 1), flags = (unsigned)twi_hdf5_take(&c, 1);
    unsigned kind = flags & 8 ? (unsigned)twi_hdf5_take(&c, 1) : 0;
    twi_hdf5_skip(&c, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
    uint64_t n = twi_hdf5_take(&c, 1 << (flags & 3));
    if (!c.status && (version != 1 || !n || n >= NAME_MAX_BYTES))
        return twi_hdf5_fail(s->file, TW_EMALFORMED, m->at, s->err,
                             "a link of version %u with a name of %llu bytes", version,
                             (unsigned long long)n);
    char name[NAME_MAX_BYTES] = "";
    twi_hdf5_take_bytes(&c, name, (size_t)(c.status ? 0 : n));
    if (c.status || (s->wanted && strcmp(name, s->wanted)))
        return c.status;
    if (kind)
        return bad_link(s, name,
                        kind == 1    ? "a soft link"
                        : kind == 64 ? "an external link"
                                     : "a link of an unknown kind",
                        m->at);
    twi_hdf5_object object = twi_hdf5_take(&c, 8);
    if (c.status || !s->wanted)
        return c.status ? c.status : add_name(s, name);
    s->found = object;
    return TW_OK;
}

// A link info message says where links are that did not fit into the object header.
static tw_status check_link_info(const search *s, const twi_hdf5_message *m)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, s->file, m->at, m->n, s->err);
    twi_hdf5_skip(&c, 1);
    unsigned flags = (unsigned)twi_hdf5_take(&c, 1);
    twi_hdf5_skip(&c, flags & 1 ? 8 : 0);
    uint64_t heap = twi_hdf5_take(&c, 8);
    if (!c.status && heap != TWI_HDF5_UNDEFINED)
        return twi_hdf5_fail(s->file, TW_EUNSUPPORTED, m->at, s->err,
                             "not supported yet: a group with its links in a fractal heap (dense storage)"
                             "\nwrite the file without libver='latest' and track_order");
    return c.status;
}

// ---------------------------------------------------------------------------------------------------------- searches

static tw_status run(search *s, twi_hdf5_object group)
{
    twi_hdf5_walk walk;
    twi_hdf5_message m;
    bool is_group = false;
    twi_hdf5_begin(s->file);
    tw_status status = twi_hdf5_walk_object(&walk, s->file, group, s->err);
    while (!status && !s->found && twi_hdf5_walk_next(&walk, &m, &status, s->err)) {
        is_group |=
            m.type == TWI_HDF5_SYMBOL_TABLE || m.type == TWI_HDF5_LINK_INFO || m.type == TWI_HDF5_LINK;
        if (m.type == TWI_HDF5_SYMBOL_TABLE)
            status = search_old(s, &m);
        else if (m.type == TWI_HDF5_LINK_INFO)
            status = check_link_info(s, &m);
        else if (m.type == TWI_HDF5_LINK)
            status = visit_link(s, &m);
    }
    if (!status && !is_group && !s->wanted)
        status = twi_hdf5_fail(s->file, TW_EMALFORMED, group, s->err,
                               "the object at byte %llu is not a group", (unsigned long long)group);
    return status;
}

tw_status twi_hdf5_find(twi_hdf5 *file, twi_hdf5_object from, const char *path, twi_hdf5_object *found,
                        tw_err *err)
{
    *found = 0;
    twi_hdf5_object at = from;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        char part[NAME_MAX_BYTES];
        if (n >= sizeof part)
            return TW_OK;
        memcpy(part, p, n);
        part[n] = 0;
        p += n + (p[n] == '/');
        if (!n)
            continue;
        search s = {.file = file, .wanted = part, .err = err};
        tw_status status = run(&s, at);
        if (status)
            twi_err_context(err, "looking for '%.100s'", path);
        if (status || !s.found)
            return status;
        at = s.found;
    }
    *found = at;
    return TW_OK;
}

tw_status twi_hdf5_members(twi_hdf5 *file, twi_hdf5_object group, twi_hdf5_texts *out, tw_err *err)
{
    *out = (twi_hdf5_texts){0};
    search s = {.file = file, .out = out, .err = err};
    tw_status status = run(&s, group);
    if (status)
        twi_hdf5_texts_clear(out);
    return status;
}

bool twi_hdf5_is_group(twi_hdf5 *file, twi_hdf5_object object)
{
    twi_hdf5_walk walk;
    twi_hdf5_message m;
    twi_hdf5_begin(file);
    tw_status status = twi_hdf5_walk_object(&walk, file, object, NULL);
    while (!status && twi_hdf5_walk_next(&walk, &m, &status, NULL))
        if (m.type == TWI_HDF5_SYMBOL_TABLE || m.type == TWI_HDF5_LINK_INFO || m.type == TWI_HDF5_LINK)
            return true;
    return false;
}
