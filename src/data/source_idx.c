// IDX files: train-images-idx3-ubyte.gz beside train-labels-idx1-ubyte.gz (MNIST, Fashion-MNIST, …).
//
// A photo is named FILE#N, the N-th picture of a file, from 0; recipe.c knows how to read that. Names of files say the part: train…
// trains, t10k… and test… test, val… validates. Classes are the numbers of the labels.

#include "codec/idx.h"
#include "data/layout.h"

#include <stdio.h>
#include <string.h>

static bool idx_fits(const twi_gather *g)
{
    const char *path;
    bool found = false;
    for (size_t i = 0; !g->labels && !g->label_regex && (path = twi_gather_next(g, &i));) {
        if (strchr(path, '/'))
            return false; // class folders
        found = found || twi_idx_has_pictures(path);
    }
    return found;
}

static twi_part part_of(const twi_gather *g, const char *name)
{
    if (g->part != TWI_TRAIN)
        return g->part;
    return twi_str_starts(name, "t10k") || twi_str_starts(name, "test") ? TWI_TEST
           : twi_str_starts(name, "val")                                ? TWI_VAL
                                                                        : TWI_TRAIN;
}

// root/under/name
static char *full_path(const twi_gather *g, const char *name, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s%s%s%s", g->root, twi_str_ends(g->root, "/") ? "" : "/", g->under, name);
    return twi_str_take(&path, err);
}

// "…images-idx3-ubyte" → "…labels-idx1-ubyte".
static char *labels_of(const char *pictures, tw_err *err)
{
    char *path = twi_strdup(pictures, err), *at = NULL;
    for (char *next = path; next && (next = strstr(next, "images")); next++)
        at = next;
    if (!at)
        return path;
    memcpy(at, "labels", 6);
    char *digit = strstr(at, "idx3");
    if (digit)
        digit[3] = '1';
    return path;
}

static tw_status add_pictures(twi_gather *g, const char *name, const twi_idx *pictures, const twi_idx *labels,
                              tw_err *err)
{
    int width = 1;
    for (int64_t i = 0; i < labels->count;
         i++) // "07" where there are more than ten, so that names sort as numbers
        width = labels->values[i] > 99 ? 3 : labels->values[i] > 9 && width < 2 ? 2 : width;
    twi_gather own = *g;
    own.part = part_of(g, name);
    g->photos->has_parts = g->photos->has_part[own.part] = true;
    tw_status status = TW_OK;
    for (int64_t i = 0; !status && i < pictures->count; i++) {
        char path[320], label[8];
        snprintf(path, sizeof path, "%.280s#%lld", name, (long long)i);
        snprintf(label, sizeof label, "%0*d", width, labels->values[i]);
        status = twi_gather_add(&own, path, label, strlen(label), err);
    }
    return status;
}

static tw_status read_file(twi_gather *g, const char *name, tw_err *err)
{
    char *path = full_path(g, name, err), *beside = path ? labels_of(path, err) : NULL;
    twi_idx pictures = {0}, labels = {0};
    tw_status status = beside ? twi_idx_read(path, 3, &pictures, err) : TW_ENOMEM;
    if (!status)
        status = twi_idx_read(beside, 1, &labels, err);
    if (!status && pictures.count != labels.count)
        status = twi_fail_at(err, TW_EUNUSABLE, path, -1, "%s holds %lld pictures, %s holds %lld labels",
                             path, (long long)pictures.count, beside, (long long)labels.count);
    if (!status)
        status = add_pictures(g, name, &pictures, &labels, err);
    twi_idx_clear(&pictures);
    twi_idx_clear(&labels);
    twi_free(path);
    twi_free(beside);
    return status;
}

static tw_status idx_read(twi_gather *g, tw_err *err)
{
    tw_status status = TW_OK;
    const char *path;
    for (size_t i = 0; !status && (path = twi_gather_next(g, &i));)
        if (twi_idx_has_pictures(path))
            status = read_file(g, path, err);
    return status;
}

const twi_layout twi_layout_idx = {.name = "idx",
                                   .doc = "IDX files of pictures and labels (MNIST, Fashion-MNIST)",
                                   .fits = idx_fits,
                                   .read = idx_read};
