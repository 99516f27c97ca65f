// Class folders: cats/rex.jpg shows "cats". The most common layout, and Keras's image_dataset_from_directory.
//
// Only the first folder counts: cats/2023/rex.jpg is "cats" as well. Pictures beside the class folders have no class and are
// left out with a note, as Keras leaves them out.

#include "data/layout.h"

#include <string.h>

static bool folders_fits(const twi_gather *g)
{
    return !g->labels && !g->label_regex && twi_gather_has_folders(g);
}

// Is there a picture below this folder? Files are sorted, so the first one not before "folder/" tells.
static bool holds_pictures(const twi_listing *listing, const char *folder)
{
    size_t n = strlen(folder), low = 0, high = listing->files.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *path = listing->files.at[middle];
        int order = strncmp(path, folder, n);
        if (order < 0 || (order == 0 && (unsigned char)path[n] < '/'))
            low = middle + 1;
        else
            high = middle;
    }
    return low < listing->files.n && strncmp(listing->files.at[low], folder, n) == 0 &&
           listing->files.at[low][n] == '/';
}

static void note_empty(const twi_gather *g)
{
    size_t under = strlen(g->under);
    for (size_t i = 0; i < g->listing->folders.n; i++) {
        const char *folder = g->listing->folders.at[i];
        bool is_class =
            strncmp(folder, g->under, under) == 0 && folder[under] && !strchr(folder + under, '/');
        if (is_class && !holds_pictures(g->listing, folder))
            twi_str_printf(&g->photos->notes, "folder '%s' holds no photos\n", folder);
    }
}

static tw_status folders_read(twi_gather *g, tw_err *err)
{
    size_t n_beside = 0;
    tw_status status = TW_OK;
    for (size_t i = 0; !status;) {
        const char *path = twi_gather_next(g, &i);
        if (!path)
            break;
        const char *slash = strchr(path, '/');
        if (slash)
            status = twi_gather_add(g, path, path, (size_t)(slash - path), err);
        else
            n_beside++;
    }
    note_empty(g);
    if (n_beside)
        twi_str_printf(&g->photos->notes, "left out %zu picture%s beside the class folders of '%s%s%s'\n",
                       n_beside, n_beside > 1 ? "s" : "", g->root, *g->under ? "/" : "", g->under);
    return status;
}

const twi_layout twi_layout_folders = {
    .name = "folders", .doc = "one sub-folder a class", .fits = folders_fits, .read = folders_read};
