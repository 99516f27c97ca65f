// An unzipped .keras archive: a folder with the archive's members, as keras.saving.save_model(…, zipped=False) writes it.
//
// Written beside its place and renamed when it is whole. A folder that is there already is never written into: what else it
// holds is somebody's. Reading goes by config.json (format.c, keras.c); a folder is no source of bytes, so no file is one.

#include "format/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool keras_folder_is(const twi_source *source)
{
    (void)source;
    return false;
}

typedef struct folder {
    char path[4096]; // without a slash at its end
    char part[4200]; // where it is written
    char member[4400];
} folder;

static const char *in_part(folder *f, const char *member)
{
    snprintf(f->member, sizeof f->member, "%s/%s", f->part, member);
    return f->member;
}

static tw_status put(void *self, const char *member, const void *bytes, size_t n, tw_err *err)
{
    return twi_file_write(in_part(self, member), bytes, n, err);
}

static tw_status fill(folder *f, const tw_model *m, tw_err *err)
{
    tw_status status = twi_dir_make(in_part(f, "assets/topwork"), err);
    if (!status)
        status = twi_keras_head(m, put, f, err);
    if (!status)
        status = twi_hdf5_write(m, in_part(f, "model.weights.h5"), twi_keras_tree_write, err);
    if (!status)
        status = twi_keras_tail(m, put, f, err);
    if (!status && rename(f->part, f->path) != 0)
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", f->path);
    return status;
}

static void drop(folder *f)
{
    static const char *const members[] = {"metadata.json", "config.json", "model.weights.h5",
                                          "assets/topwork/model.json"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        unlink(in_part(f, members[i]));
    rmdir(in_part(f, "assets/topwork"));
    rmdir(in_part(f, "assets"));
    rmdir(f->part);
}

static tw_status keras_folder_write(const tw_model *m, const char *path, tw_err *err)
{
    folder f;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n >= sizeof f.path)
        return twi_fail(err, TW_EINVAL, "the name of the folder has %zu bytes, at most %zu", n,
                        sizeof f.path - 1);
    snprintf(f.path, sizeof f.path, "%.*s", (int)n, path);
    snprintf(f.part, sizeof f.part, "%s.%ld.part", f.path, (long)getpid());
    if (twi_file_exists(f.path))
        return twi_fail(err, TW_EINVAL, "'%s' is there already; a folder is not written over", f.path);
    if (mkdir(f.part, 0777) != 0)
        return twi_fail_errno(err, TW_EWRITE, "make directory '%s'", f.part);
    tw_status status = fill(&f, m, err);
    if (status)
        drop(&f);
    return status;
}

const twi_format twi_format_keras_folder = {.name = "keras_folder",
                                            .doc = "unzipped Keras 3 archive (a folder)",
                                            .suffix = "/",
                                            .is = keras_folder_is,
                                            .write_model = keras_folder_write};
