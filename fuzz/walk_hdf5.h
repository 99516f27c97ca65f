// Walks an HDF5 file as the loaders do: groups, attributes, datasets. Used by the fuzzer and by tests/unit/test_hdf5.c.
#ifndef TW_WALK_HDF5_H
#define TW_WALK_HDF5_H

#include "codec/hdf5.h"

#include <stdio.h>
#include <string.h>

typedef struct walk_hdf5 {
    twi_hdf5 *file;
    int left;           // objects still to visit: hard links can make a small file an endless one
    int n_data, n_fail; // datasets read whole; failures met
    tw_err err;         // the first failure
} walk_hdf5;

static void walk_note(walk_hdf5 *w, const tw_err *err)
{
    if (!err->status)
        return;
    w->n_fail++;
    if (!w->err.status)
        w->err = *err;
}

static void walk_texts(walk_hdf5 *w, twi_hdf5_object object)
{
    static const char *const names[] = {"layer_names", "weight_names", "model_config",
                                        "backend",     "name",         "split"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tw_err err = {0};
        twi_hdf5_texts texts;
        twi_hdf5_texts_of(w->file, object, names[i], &texts, &err);
        size_t total = 0; // every byte is touched
        for (size_t k = 0; k < texts.n; k++)
            total += strlen(texts.at[k]);
        twi_hdf5_texts_clear(&texts);
        walk_note(w, &err);
        err = (tw_err){0};
        char *text = NULL;
        twi_hdf5_text(w->file, object, names[i], &text, &err);
        if (text && strlen(text) + total == SIZE_MAX)
            w->left = 0;
        twi_free(text);
    }
}

static void walk_data(walk_hdf5 *w, twi_hdf5_object object)
{
    tw_err err = {0};
    twi_hdf5_data data;
    int64_t n = twi_hdf5_data_of(w->file, object, &data, &err) ? -1 : twi_shape_count(&data.shape);
    // What a model would want: a million values is more than any layer of the corpus.
    float *values = n >= 0 && n <= 1 << 20 ? twi_new((size_t)n, sizeof *values, "a test", NULL) : NULL;
    if (values && !twi_hdf5_read_f32(w->file, object, values, &err))
        w->n_data++;
    twi_free(values);
    walk_note(w, &err);
}

static void walk_object(walk_hdf5 *w, twi_hdf5_object object, int depth)
{
    if (w->left-- <= 0 || depth > 12)
        return;
    walk_texts(w, object);
    if (!twi_hdf5_is_group(w->file, object)) {
        walk_data(w, object);
        return;
    }
    tw_err err = {0};
    twi_hdf5_texts members;
    twi_hdf5_members(w->file, object, &members, &err);
    walk_note(w, &err);
    for (size_t i = 0; i < members.n && w->left > 0; i++) {
        twi_hdf5_object child = 0;
        err = (tw_err){0};
        twi_hdf5_find(w->file, object, members.at[i], &child, &err);
        walk_note(w, &err);
        if (child)
            walk_object(w, child, depth + 1);
    }
    twi_hdf5_texts_clear(&members);
}

// False when the file did not open.
static bool walk_file(walk_hdf5 *w, twi_source *source, int n_objects)
{
    *w = (walk_hdf5){.left = n_objects};
    w->file = twi_hdf5_open(source, &w->err);
    if (w->file)
        walk_object(w, twi_hdf5_root(w->file), 0);
    else
        w->n_fail++;
    bool is_open = w->file != NULL;
    twi_hdf5_close(w->file);
    w->file = NULL;
    return is_open;
}

#endif
