// Listing: which pictures lie below a folder. See layout.h.
//
// A file counts as a picture by its suffix, or, where the suffix says nothing, by its first bytes. Links to files are followed;
// links to folders are not, since they may lead around in circles or out of the photos.

#include "codec/idx.h"
#include "codec/picture.h"
#include "data/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 };

static const char *const suffixes[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".gif",
                                       ".bmp", ".dib",  ".webp", ".heic", ".heif", ".avif"};

// What systems and tools leave in folders.
static const char *const passed_over[] = {"__MACOSX",
                                          "__pycache__",
                                          "@eaDir",
                                          "@Recycle",
                                          "@__thumb",
                                          "#recycle",
                                          "$RECYCLE.BIN",
                                          "lost+found",
                                          "Thumbs.db",
                                          "ehthumbs.db",
                                          "desktop.ini",
                                          "Icon\r",
                                          "System Volume Information"};

static bool is_passed_over(const char *name)
{
    if (name[0] == '.')
        return true;
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
        if (strcasecmp(name, passed_over[i]) == 0)
            return true;
    return false;
}

static bool has_suffix(const char *name)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (twi_str_ends(name, suffixes[i]))
            return true;
    return false;
}

static bool looks_like_a_picture(int folder, const char *name)
{
    uint8_t head[32];
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);
    if (fd >= 0)
        close(fd);
    return n > 0 && twi_picture_find(head, (size_t)n);
}

typedef struct walk {
    twi_listing *listing;
    twi_str *notes;
    tw_err *err;
} walk;

// "train/" + "cats": yours to twi_free.
static char *join(const char *folder, const char *name, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s%s%s", folder, *folder ? "/" : "", name);
    return twi_str_take(&path, err);
}

static tw_status keep_file(walk *w, int folder, const char *where, const char *name)
{
    if (twi_idx_has_labels(name)) // what belongs to the pictures of source_idx.c
        return TW_OK;
    bool is_picture = has_suffix(name) || twi_idx_has_pictures(name) || looks_like_a_picture(folder, name);
    if (!is_picture && w->listing->n_other++)
        return TW_OK;
    char *path = join(where, name, w->err);
    if (!path)
        return TW_ENOMEM;
    if (!is_picture) {
        w->listing->other = path;
        return TW_OK;
    }
    if (twi_vec_push(&w->listing->files, path, w->err))
        return TW_OK;
    twi_free(path);
    return TW_ENOMEM;
}

static tw_status enter(walk *w, int fd, char *where, int depth);

// Takes over `path`.
static tw_status keep_folder(walk *w, int folder, const char *name, char *path, int depth)
{
    if (!path)
        return TW_ENOMEM;
    if (!twi_vec_push(&w->listing->folders, path, w->err)) {
        twi_free(path);
        return TW_ENOMEM;
    }
    int fd = depth < DEPTH_MAX ? openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0) {
        char why[128];
        twi_str_printf(w->notes, "cannot look into folder '%s': %s\n", path,
                       depth < DEPTH_MAX ? strerror_r(errno, why, sizeof why) : "too deep");
        return TW_OK;
    }
    return enter(w, fd, path, depth);
}

// What an entry is, links to files followed: 'f', 'd', 'l' for a link to a folder, or 0 for what is none of them.
static char sort_of(int folder, const struct dirent *e)
{
    struct stat info;
    if (e->d_type == DT_REG || e->d_type == DT_DIR)
        return e->d_type == DT_REG ? 'f' : 'd';
    if (fstatat(folder, e->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISDIR(info.st_mode))
        return 'd';
    if (S_ISLNK(info.st_mode) && fstatat(folder, e->d_name, &info, 0) != 0)
        return 0;
    return S_ISREG(info.st_mode) ? 'f' : S_ISDIR(info.st_mode) ? 'l' : 0;
}

// Takes over fd.
static tw_status enter(walk *w, int fd, char *where, int depth)
{
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return twi_fail_errno(w->err, TW_EUNUSABLE, "read folder '%s'", where);
    }
    tw_status status = TW_OK;
    for (struct dirent *e; !status && (e = readdir(folder));) {
        if (is_passed_over(e->d_name))
            continue;
        char sort = sort_of(dirfd(folder), e);
        if (sort == 'f')
            status = keep_file(w, dirfd(folder), where, e->d_name);
        else if (sort == 'l')
            w->listing->n_linked++;
        else if (sort == 'd')
            status = keep_folder(w, dirfd(folder), e->d_name, join(where, e->d_name, w->err), depth + 1);
    }
    closedir(folder);
    return status;
}

static int by_code_point(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

tw_status twi_listing_read(const char *root, twi_listing *listing, twi_str *notes, tw_err *err)
{
    *listing = (twi_listing){0};
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOTDIR)
        return twi_fail(err, TW_EUNUSABLE, "'%s' is a file, expected a folder of photos%s", root,
                        twi_str_ends(root, ".zip") ? "\nunpack it first" : "");
    if (fd < 0)
        return twi_fail_errno(err, TW_EUNUSABLE, "open folder '%s'", root);
    char empty[] = "";
    walk w = {listing, notes, err};
    tw_status status = enter(&w, fd, empty, 0);
    if (listing->files.n)
        qsort(listing->files.at, listing->files.n, sizeof *listing->files.at, by_code_point);
    if (listing->folders.n)
        qsort(listing->folders.at, listing->folders.n, sizeof *listing->folders.at, by_code_point);
    if (listing->n_other)
        twi_str_printf(notes, "ignored %zu file%s that %s no picture%s (first: %s)\n", listing->n_other,
                       listing->n_other > 1 ? "s" : "", listing->n_other > 1 ? "are" : "is",
                       listing->n_other > 1 ? "s" : "", listing->other);
    if (listing->n_linked)
        twi_str_printf(notes, "did not follow %zu linked folder%s in '%s'\n", listing->n_linked,
                       listing->n_linked > 1 ? "s" : "", root);
    return status;
}

void twi_listing_clear(twi_listing *listing)
{
    for (size_t i = 0; i < listing->files.n; i++)
        twi_free(listing->files.at[i]);
    for (size_t i = 0; i < listing->folders.n; i++)
        twi_free(listing->folders.at[i]);
    twi_vec_clear(&listing->files);
    twi_vec_clear(&listing->folders);
    twi_free(listing->other);
}
