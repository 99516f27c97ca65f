// Photos: from a folder to a list of files with classes and parts. See photos.h.
//
// The way: list the tree → where sub-folders are named train, val or test, look through each of them → a layout gives
// every photo a class name → names are sorted and numbered (or matched with a model's) → photos are sorted. The order within
// a class is by file name, then path, so that cat.0.jpg in one folder and cats/cat.0.jpg in two give the same order.

#include "data/photos.h"

#include "data/layout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TWI_LAYOUT(name) extern const twi_layout twi_layout_##name;
#include "data/source_list.inc"
#undef TWI_LAYOUT

static const twi_layout *const layouts[] = {
#define TWI_LAYOUT(name) &twi_layout_##name,
#include "data/source_list.inc"
#undef TWI_LAYOUT
    NULL};

// What goes through the whole opening.
typedef struct opening {
    const char *root;
    const twi_photos_options *o;
    twi_photos *photos;
    twi_names names;
} opening;

// ---------------------------------------------------------------------------------------------------------- gathering

const char *twi_gather_next(const twi_gather *g, size_t *i)
{
    size_t n = strlen(g->under);
    while (*i < g->listing->files.n) {
        const char *path = g->listing->files.at[(*i)++];
        if (strncmp(path, g->under, n) == 0)
            return path + n;
    }
    return NULL;
}

bool twi_gather_has_folders(const twi_gather *g)
{
    const char *path;
    for (size_t i = 0; (path = twi_gather_next(g, &i));)
        if (strchr(path, '/'))
            return true;
    return false;
}

// Length of the valid UTF-8 character at s, or 0. Overlong forms and surrogates are not valid.
static size_t utf8(const uint8_t *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7F;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    uint32_t v = s[0] & (0xFFu >> (n + 1)), least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3F);
    }
    bool is_fine = s[0] >= 0xC2 && v >= least[n] && v <= 0x10FFFF && !(v >= 0xD800 && v < 0xE000);
    return is_fine ? n : 0;
}

// A class name goes into JSON, lists of a name a line and web pages: what is no printable UTF-8 is written as \xNN.
static char *class_name(const char *name, size_t n, tw_err *err)
{
    twi_str raw = {0}, out = {0};
    twi_str_add_n(&raw, name, n); // ends it with NUL, which no character passes
    for (const uint8_t *at = (const uint8_t *)raw.text; at && *at;) {
        size_t length = utf8(at);
        if (length)
            twi_str_add_n(&out, (const char *)at, length);
        else
            twi_str_printf(&out, "\\x%02X", *at);
        at += length ? length : 1;
    }
    out.failed = out.failed || raw.failed;
    twi_str_clear(&raw);
    return twi_str_take(&out, err);
}

tw_status twi_gather_add_file(twi_gather *g, const char *path, const char *name, size_t n, tw_err *err)
{
    twi_photo photo = {.path = twi_strdup(path, err), .label = -1, .part = g->part};
    char *kept = name ? class_name(name, n, err) : NULL;
    bool is_kept = photo.path && (kept || !name) && twi_vec_push(&g->photos->at, photo, err);
    if (!is_kept) {
        twi_free(photo.path);
        twi_free(kept);
        return TW_ENOMEM;
    }
    if (!twi_vec_push(g->names, kept, err)) {
        twi_free(kept); // the photo stays, and is freed with the others
        return TW_ENOMEM;
    }
    return TW_OK;
}

tw_status twi_gather_add(twi_gather *g, const char *path, const char *name, size_t n, tw_err *err)
{
    twi_str full = {0};
    size_t root = strlen(g->root);
    while (root > 1 && g->root[root - 1] == '/')
        root--;
    twi_str_printf(&full, "%.*s/%s%s", (int)root, root == 1 && *g->root == '/' ? "" : g->root, g->under,
                   path);
    tw_status status =
        full.failed ? twi_fail_memory(err, root, "a path") : twi_gather_add_file(g, full.text, name, n, err);
    twi_str_clear(&full);
    return status;
}

// ------------------------------------------------------------------------------------------------------ parts of a root

// Which part a folder's name says, or TWI_PARTS.
static twi_part part_of(const char *name, size_t n)
{
    static const struct {
        const char *name;
        twi_part part;
    } parts[] = {{"train", TWI_TRAIN},
                 {"val", TWI_VAL},
                 {"valid", TWI_VAL},
                 {"validation", TWI_VAL},
                 {"test", TWI_TEST}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].name) == n && strncasecmp(parts[i].name, name, n) == 0)
            return parts[i].part;
    return TWI_PARTS;
}

static tw_status read_layout(twi_gather *g, tw_err *err)
{
    for (const twi_layout *const *layout = layouts; *layout; layout++)
        if ((*layout)->fits(g))
            return (*layout)->read(g, err);
    TWI_BUG("no layout fits a folder");
}

// Looks through one part folder of a root ("train/"); n bytes of name.
static tw_status read_part(opening *p, const twi_listing *listing, const char *name, size_t n, tw_err *err)
{
    char under[64];
    memcpy(under, name, n);
    memcpy(under + n, "/", 2);
    size_t before = p->photos->at.n;
    twi_part part = part_of(name, n);
    twi_gather g = {.root = p->root,
                    .under = under,
                    .listing = listing,
                    .label_regex = p->o->label_regex,
                    .part = part,
                    .photos = p->photos,
                    .names = &p->names};
    tw_status status = read_layout(&g, err);
    if (status)
        return status;
    if (p->photos->at.n == before)
        return twi_fail(
            err, TW_EUNUSABLE,
            "'%s' mixes labelled and unlabelled folders: no class can be told for the photos of '%.*s'\n"
            "use   the labelled folder alone as PHOTOS, with --val DIR and --test DIR for further ones",
            p->root, (int)n, name);
    p->photos->has_parts = p->photos->has_part[part] = true;
    return TW_OK;
}

// The first folder of a path, 0 where there is none.
static size_t first_folder(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

typedef struct top {          // what the folders directly below a root are
    const char *part, *other; // one of each sort that holds pictures, or NULL
    size_t n_part, n_other;   // lengths of these names
    size_t n_beside;          // pictures in the root itself
} top;

static top look_at_top(const twi_listing *listing)
{
    top t = {0};
    for (size_t i = 0; i < listing->files.n; i++) {
        const char *path = listing->files.at[i];
        size_t n = first_folder(path);
        if (!n)
            t.n_beside++;
        else if (part_of(path, n) != TWI_PARTS)
            t.part = path, t.n_part = n;
        else
            t.other = path, t.n_other = n;
    }
    return t;
}

static tw_status read_parts(opening *p, const twi_listing *listing, const top *t, tw_err *err)
{
    if (t->other)
        return twi_fail(
            err, TW_EUNUSABLE,
            "'%s' mixes labelled and unlabelled folders: '%.*s' is a part, '%.*s' is not\n"
            "use   %s/%.*s   as PHOTOS, with --val DIR and --test DIR for further labelled folders",
            p->root, (int)t->n_part, t->part, (int)t->n_other, t->other, p->root, (int)t->n_part, t->part);
    if (t->n_beside)
        twi_str_printf(&p->photos->notes, "left out %zu picture%s beside the folders of '%s'\n", t->n_beside,
                       t->n_beside > 1 ? "s" : "", p->root);
    tw_status status = TW_OK;
    for (size_t i = 0; i < listing->files.n && !status;) {
        const char *path = listing->files.at[i];
        size_t n = first_folder(path);
        if (n)
            status = read_part(p, listing, path, n, err);
        for (i++; n && i < listing->files.n && strncmp(listing->files.at[i], path, n + 1) == 0;)
            i++;
    }
    return status;
}

// ------------------------------------------------------------------------------------------------------------- refusals

// A folder that looks as if it were the root that was meant: the only one, with folders or labelled files in it.
static tw_status fail_one_class(const opening *p, const twi_listing *listing, const top *t, tw_err *err)
{
    const char *name = p->photos->classes.at[0];
    size_t inner = 0; // different folders below the only one
    const char *last = NULL;
    for (size_t i = 0; t->n_other && i < listing->files.n; i++) {
        const char *path = listing->files.at[i] + t->n_other + 1;
        if (strncmp(listing->files.at[i], t->other, t->n_other + 1) != 0 || !first_folder(path))
            continue;
        inner += !last || strncmp(last, path, first_folder(path) + 1) != 0;
        last = path;
    }
    if (inner >= 2)
        return twi_fail(err, TW_EUNUSABLE,
                        "only one class in '%s': '%s', which holds %zu folders\ndid you mean  %s/%s", p->root,
                        name, inner, p->root, name);
    if (t->n_beside && t->n_other)
        return twi_fail(err, TW_EUNUSABLE,
                        "only one class in '%s': '%s', and %zu pictures beside that folder\n"
                        "put   the pictures of each class into a folder of their own",
                        p->root, name, t->n_beside);
    return twi_fail(
        err, TW_EUNUSABLE,
        "only one class in '%s': '%s', expected two or more\n"
        "put   the photos of each class into a folder of their own, or name them cat.1.jpg, dog.1.jpg; "
        "if the files say it otherwise, see --label-regex and --labels",
        p->root, name);
}

static tw_status check_classes(const opening *p, const twi_listing *listing, const top *t, tw_err *err)
{
    const twi_photos *photos = p->photos;
    if (!photos->at.n)
        return twi_fail(
            err, TW_EUNUSABLE,
            "no class can be told for the %zu photos of '%s'\n"
            "put   the photos of each class into a folder of their own, or name them cat.1.jpg, dog.1.jpg; "
            "if the files say it otherwise, see --label-regex and --labels",
            listing->files.n, p->root);
    if (p->o->classes)
        return TW_OK;
    if (photos->classes.n == 1)
        return fail_one_class(p, listing, t, err);
    bool is_by_name = !t->other && !t->part && !p->o->labels && !p->o->label_regex;
    if (is_by_name && photos->classes.n > 2 && photos->classes.n * 2 > photos->at.n)
        return twi_fail(
            err, TW_EUNUSABLE,
            "the file names of '%s' show no classes: %zu different beginnings in %zu photos\n"
            "put   the photos of each class into a folder of their own, or see --label-regex and --labels",
            p->root, photos->classes.n, photos->at.n);
    bool *is_trained = twi_new(photos->classes.n, sizeof *is_trained, "classes", err);
    if (!is_trained)
        return TW_ENOMEM;
    for (size_t i = 0; i < photos->at.n; i++)
        if (photos->at.at[i].part == TWI_TRAIN)
            is_trained[photos->at.at[i].label] = true;
    tw_status status = TW_OK;
    for (size_t i = 0; i < photos->classes.n && !status; i++)
        if (!is_trained[i])
            status = twi_fail(err, TW_EUNUSABLE, "class '%s' has no training photos, only others",
                              photos->classes.at[i]);
    twi_free(is_trained);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- opening

static tw_status read_root(opening *p, const twi_listing *listing, const top *t, tw_err *err)
{
    twi_gather g = {.root = p->root,
                    .under = "",
                    .listing = listing,
                    .labels = p->o->labels,
                    .label_regex = p->o->label_regex,
                    .part = TWI_TRAIN,
                    .photos = p->photos,
                    .names = &p->names};
    if (!p->o->needs_classes) {
        tw_status status = TW_OK;
        for (size_t i = 0; i < listing->files.n && !status; i++)
            status = twi_gather_add(&g, listing->files.at[i], NULL, 0, err);
        return status;
    }
    return t->part && !p->o->labels ? read_parts(p, listing, t, err) : read_layout(&g, err);
}

static tw_status read_further(opening *p, const char *folder, twi_part part, tw_err *err)
{
    if (!folder)
        return TW_OK;
    if (p->photos->has_part[part])
        return twi_fail(err, TW_EINVAL, "'%s' already has a folder for that part, beside '%s'", p->root,
                        folder);
    twi_listing listing;
    size_t before = p->photos->at.n;
    tw_status status = twi_listing_read(folder, &listing, &p->photos->notes, err);
    twi_gather g = {.root = folder,
                    .under = "",
                    .listing = &listing,
                    .label_regex = p->o->label_regex,
                    .part = part,
                    .photos = p->photos,
                    .names = &p->names};
    if (!status)
        status = read_layout(&g, err);
    if (!status && p->photos->at.n == before)
        status = twi_fail(err, TW_EUNUSABLE, "no photos with a class in '%s'\nlay it out like  %s", folder,
                          p->root);
    p->photos->has_parts = p->photos->has_part[part] = true;
    twi_listing_clear(&listing);
    return status;
}

static int by_class_and_name(const void *a, const void *b)
{
    const twi_photo *p = a, *q = b;
    if (p->label != q->label)
        return p->label < q->label ? -1 : 1;
    int order = p->label < 0 ? 0 : strcmp(twi_base_name(p->path), twi_base_name(q->path));
    return order ? order : strcmp(p->path, q->path);
}

// A picture given in place of a folder, where no classes are asked for.
static bool is_one_file(const opening *p)
{
    struct stat info;
    return !p->o->needs_classes && stat(p->root, &info) == 0 && S_ISREG(info.st_mode);
}

static tw_status read_everything(opening *p, tw_err *err)
{
    twi_photos *photos = p->photos;
    if (is_one_file(p)) {
        twi_gather g = {.root = p->root, .under = "", .photos = photos, .names = &p->names};
        return twi_gather_add_file(&g, p->root, NULL, 0, err);
    }
    twi_listing listing;
    tw_status status = twi_listing_read(p->root, &listing, &photos->notes, err);
    top t = look_at_top(&listing);
    if (!status && !listing.files.n)
        status = twi_fail(err, TW_EUNUSABLE, "no photos in '%s'%s", p->root,
                          listing.n_linked    ? ": linked folders are not followed"
                          : listing.n_other   ? ", only other files"
                          : listing.folders.n ? ", only empty folders"
                                              : "");
    if (!status)
        status = read_root(p, &listing, &t, err);
    if (!status && p->o->needs_classes) {
        status = read_further(p, p->o->val, TWI_VAL, err);
        if (!status)
            status = read_further(p, p->o->test, TWI_TEST, err);
        if (!status)
            status = twi_classes_number(photos, &p->names, p->o->classes, err);
        if (!status)
            status = check_classes(p, &listing, &t, err);
    }
    twi_listing_clear(&listing);
    return status;
}

tw_status twi_photos_open(const char *root, const twi_photos_options *o, twi_photos *photos, tw_err *err)
{
    *photos = (twi_photos){.root = twi_strdup(root, err)};
    opening p = {.root = root, .o = o, .photos = photos};
    tw_status status = photos->root ? read_everything(&p, err) : TW_ENOMEM;
    for (size_t i = 0; i < p.names.n; i++)
        twi_free(p.names.at[i]);
    twi_vec_clear(&p.names);
    if (!status && photos->notes.failed)
        status = twi_fail_memory(err, 0, "notes");
    if (status)
        twi_photos_clear(photos);
    else if (photos->at.n)
        qsort(photos->at.at, photos->at.n, sizeof *photos->at.at, by_class_and_name);
    return status;
}

void twi_photos_clear(twi_photos *photos)
{
    for (size_t i = 0; i < photos->at.n; i++) {
        twi_free(photos->at.at[i].path);
        twi_free(photos->at.at[i].skipped);
    }
    for (size_t i = 0; i < photos->classes.n; i++)
        twi_free(photos->classes.at[i]);
    twi_vec_clear(&photos->at);
    twi_vec_clear(&photos->classes);
    twi_str_clear(&photos->notes);
    twi_free(photos->root);
    *photos = (twi_photos){0};
}
