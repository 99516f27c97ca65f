// Unpacking photo sets: each photo goes into the folder of its class. See fetch.h.
//
// Names come from archives: only what looks like a photo in its place is taken, and its parts are checked one by one.

#include "job/fetch.h"

#include "codec/tar.h"
#include "codec/zip.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// A folder's or file's name and nothing else.
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\") && strlen(name) < 128;
}

static tw_status put_photo(const char *folder, const char *class_name, const char *file, const void *bytes,
                           size_t n, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", folder, class_name);
    tw_status status = path.failed ? twi_fail_memory(err, 0, "a file name") : twi_dir_make(path.text, err);
    twi_str_printf(&path, "/%s", file);
    FILE *f = !status && !path.failed ? fopen(path.text, "wbe") : NULL;
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (!status && !ok)
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", path.text ? path.text : file);
    twi_str_clear(&path);
    return status;
}

// ----------------------------------------------------------------------------------------------- PetImages/Cat/0.jpg

static bool split_cats_dogs(const char *name, char class_name[128], const char **file)
{
    if (!twi_str_starts(name, "PetImages/") || !twi_str_ends(name, ".jpg"))
        return false;
    const char *start = name + strlen("PetImages/"), *slash = strchr(start, '/');
    if (!slash || slash - start >= 128)
        return false;
    snprintf(class_name, 128, "%.*s", (int)(slash - start), start);
    *file = slash + 1;
    return is_plain(class_name) && is_plain(*file);
}

tw_status twi_unpack_cats_dogs(const char *archive, const char *folder, tw_err *err)
{
    twi_source source;
    tw_status status = twi_source_open(&source, archive, err);
    if (status)
        return status;
    twi_zip *zip = twi_zip_open(&source, err);
    if (!zip)
        status = TW_EMALFORMED;
    for (size_t i = 0; !status && i < twi_zip_n(zip); i++) {
        char class_name[128];
        const char *file;
        twi_source member;
        if (!split_cats_dogs(twi_zip_name(zip, i), class_name, &file))
            continue;
        status = twi_zip_member(zip, i, &member, err);
        if (status)
            break;
        size_t n = 0;
        void *bytes = twi_source_all(&member, &n, err);
        status = bytes ? put_photo(folder, class_name, file, bytes, n, err) : TW_EMALFORMED;
        twi_free(bytes);
        twi_source_close(&member);
    }
    twi_zip_close(zip);
    twi_source_close(&source);
    return status;
}

// ---------------------------------------------------------------------------- images/british_shorthair_1.jpg, in a tar

static bool split_pets(const char *name, char class_name[128], const char **file)
{
    if (!twi_str_starts(name, "images/") || !twi_str_ends(name, ".jpg"))
        return false;
    *file = name + strlen("images/");
    const char *last = strrchr(*file, '_');
    if (!last || !isdigit((unsigned char)last[1]) || last - *file >= 128)
        return false;
    snprintf(class_name, 128, "%.*s", (int)(last - *file), *file);
    return is_plain(class_name) && is_plain(*file);
}

static bool wants_pet(void *folder, const char *name, uint64_t size)
{
    char class_name[128];
    const char *file;
    (void)folder, (void)size;
    return split_pets(name, class_name, &file);
}

static tw_status take_pet(void *folder, const char *name, const void *bytes, size_t n, tw_err *err)
{
    char class_name[128];
    const char *file;
    return split_pets(name, class_name, &file) ? put_photo(folder, class_name, file, bytes, n, err) : TW_OK;
}

tw_status twi_unpack_pets(const char *archive, const char *folder, tw_err *err)
{
    twi_tar_reader reader = {.self = (void *)(uintptr_t)folder, .wants = wants_pet, .take = take_pet};
    return twi_tar_read(archive, &reader, err);
}
