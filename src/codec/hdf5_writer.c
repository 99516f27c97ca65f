// HDF5, writing: values go to the file as they are put; names, texts and headers follow at the end, the superblock last,
// so that a file cut off is no HDF5 file. Layout in hdf5_emit.c.
//
// Our own for the reason that the reader is: the HDF5 library (1.10) ends the process in its exit handler after a write
// that failed, and a full disk must cost the file only. It also makes the same model the same bytes. An empty list is an
// empty list of float64, and a list over 64,512 bytes becomes name0, name1 … of fixed-length texts, as Keras has them.

#include "codec/hdf5_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIST_MAX = 64512, REFERENCE = 16 };

struct twi_hdf5_writer {
    char *path;
    int fd;
    uint64_t at; // end of the values written
    twi_arena arena;
    twi_hdf5_item root;
    tw_err err; // the first failure
};

static tw_status tell(const twi_hdf5_writer *w, tw_err *err)
{
    if (!w->err.status)
        return TW_OK;
    return twi_fail_at(err, w->err.status, w->err.where, w->err.offset, "%s", w->err.msg);
}

static tw_status write_at(twi_hdf5_writer *w, uint64_t at, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t done = pwrite(w->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return twi_fail_errno(&w->err, TW_EWRITE, "write '%s'", w->path);
        p += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return TW_OK;
}

twi_hdf5_writer *twi_hdf5_create(const char *path, tw_err *err)
{
    twi_hdf5_writer *w = twi_new(1, sizeof *w, "an HDF5 file", err);
    if (!w)
        return NULL;
    w->at = TWI_HDF5_HEAD;
    w->fd = -1;
    w->path = twi_strdup(path, err);
    if (w->path) {
        w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (w->fd < 0)
            twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
    }
    if (w->fd >= 0)
        return w;
    twi_free(w->path);
    twi_free(w);
    return NULL;
}

tw_status twi_hdf5_finish(twi_hdf5_writer *w, tw_err *err)
{
    if (!w)
        return err ? err->status : TW_OK;
    twi_str out = {0}, head = {0};
    if (!w->err.status)
        twi_hdf5_emit(&w->root, w->at, &out, &head, &w->err);
    if (out.failed || head.failed)
        twi_fail_memory(&w->err, out.n, "an HDF5 file's headers");
    if (!w->err.status && !write_at(w, w->at, out.text, out.n) && !write_at(w, 0, head.text, head.n) &&
        fsync(w->fd) != 0)
        twi_fail_errno(&w->err, TW_EWRITE, "write '%s'", w->path);
    if (close(w->fd) != 0)
        twi_fail_errno(&w->err, TW_EWRITE, "write '%s'", w->path);
    if (w->err.status)
        unlink(w->path);
    tw_status status = tell(w, err);
    twi_str_clear(&out);
    twi_str_clear(&head);
    twi_arena_clear(&w->arena);
    twi_free(w->path);
    twi_free(w);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- items

static twi_hdf5_item *child_of(twi_hdf5_item *group, const char *name, size_t n)
{
    for (twi_hdf5_item *child = group->children; child; child = child->next)
        if (!strncmp(child->name, name, n) && !child->name[n])
            return child;
    return NULL;
}

static twi_hdf5_item *add_child(twi_hdf5_writer *w, twi_hdf5_item *group, const char *name, size_t n)
{
    twi_hdf5_item *child = twi_arena_new(&w->arena, 1, sizeof *child, &w->err);
    char *copy = twi_arena_new(&w->arena, n + 1, 1, &w->err);
    if (!child || !copy)
        return NULL;
    memcpy(copy, name, n);
    child->name = copy;
    child->next = group->children;
    group->children = child;
    return child;
}

// The item at a path. `make`: absent parts are made as groups; a dataset on the way is an error.
static twi_hdf5_item *item_at(twi_hdf5_writer *w, const char *path, bool make)
{
    twi_hdf5_item *at = &w->root;
    for (const char *p = path; *p && at;) {
        size_t n = strcspn(p, "/");
        if (n && at->is_data) {
            twi_fail(&w->err, TW_EINVAL, "cannot write '%s' into '%s': a part of it is a dataset", path,
                     w->path);
            return NULL;
        }
        twi_hdf5_item *child = n ? child_of(at, p, n) : at;
        at = child || !make ? child : add_child(w, at, p, n);
        p += n + (p[n] == '/');
    }
    if (!at)
        twi_fail(&w->err, TW_EINVAL, "there is no '%s' in '%s'", path, w->path);
    return at;
}

tw_status twi_hdf5_put_group(twi_hdf5_writer *w, const char *path, tw_err *err)
{
    if (!w->err.status)
        item_at(w, path, true);
    return tell(w, err);
}

tw_status twi_hdf5_put_data(twi_hdf5_writer *w, const char *path, twi_dtype dtype, const tw_shape *shape,
                            const void *data, tw_err *err)
{
    if (dtype != TWI_F32 && dtype != TWI_I64)
        TWI_BUG("HDF5 files are written with float32 and int64 values only");
    twi_hdf5_item *item = w->err.status ? NULL : item_at(w, path, true);
    int64_t count = twi_shape_count(shape);
    if (item && (item == &w->root || item->is_data || item->children || count < 0))
        twi_fail(&w->err, TW_EINVAL,
                 "cannot write dataset '%s' into '%s': it is there already or has no size", path, w->path);
    if (w->err.status)
        return tell(w, err);
    item->is_data = true;
    item->dtype = dtype;
    item->shape = *shape;
    item->data = w->at;
    item->n_data = (uint64_t)count * twi_dtype_size(dtype);
    if (!write_at(w, w->at, data, (size_t)item->n_data))
        w->at += (item->n_data + 7) & ~(uint64_t)7;
    return tell(w, err);
}

// -------------------------------------------------------------------------------------------------------- attributes

static twi_hdf5_note *note_of(twi_hdf5_writer *w, twi_hdf5_item *item, const char *name)
{
    twi_hdf5_note **at = &item->notes;
    for (; *at; at = &(*at)->next)
        if (!strcmp((*at)->name, name))
            return *at;
    twi_hdf5_note *note = twi_arena_new(&w->arena, 1, sizeof *note, &w->err);
    if (!note)
        return NULL;
    note->name = twi_arena_strdup(&w->arena, name, &w->err);
    *at = note;
    return note->name ? note : NULL;
}

// Texts of an attribute, over what it held; width 0: of variable length.
static void put_note(twi_hdf5_writer *w, const char *object, const char *name, bool is_list, size_t n,
                     const char *const *texts, size_t width)
{
    twi_hdf5_item *item = item_at(w, object, false);
    twi_hdf5_note *note = item ? note_of(w, item, name) : NULL;
    twi_hdf5_word *words = note ? twi_arena_new(&w->arena, n, sizeof *words, &w->err) : NULL;
    if (!words)
        return;
    for (size_t i = 0; i < n; i++)
        if (!(words[i].text = twi_arena_strdup(&w->arena, texts[i], &w->err)))
            return;
    note->is_list = is_list;
    note->n = n;
    note->words = words;
    note->width = width;
}

tw_status twi_hdf5_put_text(twi_hdf5_writer *w, const char *object, const char *name, const char *text,
                            tw_err *err)
{
    if (!w->err.status)
        put_note(w, object, name, false, 1, &text, 0);
    return tell(w, err);
}

// As even parts as numpy's array_split makes: the first n % parts of them have one more.
static void put_parts(twi_hdf5_writer *w, const char *object, const char *name, size_t n,
                      const char *const *texts, size_t longest)
{
    size_t parts = 2;
    while ((n + parts - 1) / parts * longest > LIST_MAX)
        parts++;
    for (size_t i = 0, first = 0; i < parts && !w->err.status; i++) {
        size_t count = n / parts + (i < n % parts);
        char part[300];
        snprintf(part, sizeof part, "%.250s%zu", name, i);
        put_note(w, object, part, true, count, texts + first, longest);
        first += count;
    }
}

tw_status twi_hdf5_put_texts(twi_hdf5_writer *w, const char *object, const char *name, size_t n,
                             const char *const *texts, tw_err *err)
{
    size_t longest = 1;
    for (size_t i = 0; i < n; i++)
        longest = strlen(texts[i]) > longest ? strlen(texts[i]) : longest;
    if (longest > LIST_MAX && !w->err.status)
        twi_fail(&w->err, TW_EINVAL, "cannot write '%s': an entry of '%s' has %zu bytes, at most %d fit",
                 w->path, name, longest, LIST_MAX);
    if (w->err.status)
        return tell(w, err);
    if (n * longest > LIST_MAX || n * REFERENCE > LIST_MAX)
        put_parts(w, object, name, n, texts, longest);
    else
        put_note(w, object, name, true, n, texts, 0);
    return tell(w, err);
}
