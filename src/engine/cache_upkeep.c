// The folder of feature caches: what is in it, and keeping it below its limit. See cache.h.

#include "engine/cache.h"

#include "base/source.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

size_t twi_cache_slot_bytes(size_t row_bytes)
{
    return (TWI_CACHE_SLOT_HEAD + row_bytes + 63) / 64 * 64;
}

tw_status twi_cache_folder(const char *dir, tw_err *err)
{
    static const char tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This folder holds what topwork can compute again (https://bford.info/cachedir/).\n";
    char path[4096];
    tw_status status = twi_dir_make(dir, err);
    if (status || snprintf(path, sizeof path, "%s/CACHEDIR.TAG", dir) >= (int)sizeof path)
        return status;
    // Without the tag the cache works as well, so failing to write it is nobody's concern.
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
        ssize_t ignored = write(fd, tag, sizeof tag - 1);
        (void)ignored;
        close(fd);
    }
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- list

static int by_use(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    double gap = twi_json_number(*x, "used", 0) - twi_json_number(*y, "used", 0);
    return gap != 0 ? (gap > 0) - (gap < 0)
                    : strcmp(twi_json_string(*x, "file", ""), twi_json_string(*y, "file", ""));
}

static json_t *describe(const char *dir, const char *name)
{
    char path[4096];
    if (!twi_str_ends(name, ".features") ||
        snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return NULL;
    uint8_t head[32] = {0};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ok = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    bool is_ours =
        ok && read(fd, head, sizeof head) == (ssize_t)sizeof head && memcmp(head, TWI_CACHE_MAGIC, 8) == 0;
    if (fd >= 0)
        close(fd);
    if (!ok)
        return NULL;
    uint64_t row_bytes = 0, rows = 0;
    if (is_ours)
        memcpy(&row_bytes, head + 24, 8);
    if (row_bytes > 0 && row_bytes < (UINT64_C(1) << 40) && info.st_size > TWI_CACHE_HEAD)
        rows = (uint64_t)(info.st_size - TWI_CACHE_HEAD) / twi_cache_slot_bytes((size_t)row_bytes);
    return json_pack("{ss sI sI sI sf}", "file", path, "rows", (json_int_t)rows, "row_bytes",
                     (json_int_t)row_bytes, "bytes", (json_int_t)info.st_size, "used",
                     (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec);
}

json_t *twi_cache_list(const char *dir, tw_err *err)
{
    twi_vec(json_t *) found = {0};
    DIR *folder = opendir(dir);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        json_t *one = describe(dir, e->d_name);
        if (one && !twi_vec_push(&found, one, err))
            json_decref(one);
    }
    if (folder)
        closedir(folder);
    if (found.n)
        qsort(found.at, found.n, sizeof *found.at, by_use);
    json_t *list = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(list, found.at[i]);
    twi_vec_clear(&found);
    return list;
}

// --------------------------------------------------------------------------------------------------------------- limit

static uint64_t total_of(const json_t *list)
{
    uint64_t total = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) total += (uint64_t)twi_json_int(one, "bytes", 0);
    return total;
}

tw_status twi_cache_trim(const char *dir, uint64_t limit, const char *keep, uint64_t *freed, tw_err *err)
{
    *freed = 0;
    json_t *list = twi_cache_list(dir, err), *one;
    if (!list)
        return TW_ENOMEM;
    uint64_t total = total_of(list);
    size_t i;
    tw_status status = TW_OK;
    json_array_foreach(list, i, one)
    {
        uint64_t bytes = (uint64_t)twi_json_int(one, "bytes", 0);
        const char *path = twi_json_string(one, "file", "");
        if (total - *freed <= limit)
            break;
        if (keep && strcmp(path, keep) == 0)
            continue;
        // Another process may have deleted it just now.
        if (unlink(path) != 0 && errno != ENOENT)
            status = twi_fail_errno(err, TW_EWRITE, "delete '%s'", path);
        else
            *freed += bytes;
    }
    json_decref(list);
    return status;
}

uint64_t twi_cache_limit(const char *dir)
{
    const uint64_t most = UINT64_C(10000000000);
    struct statvfs disk;
    if (statvfs(dir, &disk) != 0)
        return most;
    tw_err ignored = {0};
    json_t *list = twi_cache_list(dir, &ignored);
    uint64_t share = ((uint64_t)disk.f_bavail * disk.f_frsize + total_of(list)) / 10;
    json_decref(list);
    return share < most ? share : most;
}
