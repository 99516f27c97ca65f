// topwork cache: what the feature cache and the folder of weights hold, how large they are; empties the feature cache.
//
// Weights are listed, never deleted: they took a download, features only take time. With --cache DIR only that folder is meant.

#include "engine/cache.h"
#include "engine/trials.h"

#include "base/room.h"
#include "job/job.h"
#include "job/open.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void print_list(tw_context *tw, const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        char when[32] = "", rows[32];
        time_t used = (time_t)twi_json_number(one, "used", 0);
        struct tm parts;
        if (localtime_r(&used, &parts))
            strftime(when, sizeof when, "%Y-%m-%d %H:%M", &parts);
        twi_print(tw, "%10.1f MB  %10s photos  last used %s  %s\n",
                  (double)twi_json_int(one, "bytes", 0) / 1e6,
                  twi_str_thousands(rows, sizeof rows, twi_json_int(one, "rows", 0)), when,
                  twi_json_string(one, "file", ""));
    }
}

static void print_weights(tw_context *tw, const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
        twi_print(tw, "%10.1f MB  weights  %s\n", (double)twi_json_int(one, "bytes", 0) / 1e6,
                  twi_json_string(one, "file", ""));
}

static int64_t bytes_of(const json_t *list)
{
    int64_t bytes = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) bytes += twi_json_int(one, "bytes", 0);
    return bytes;
}

// ------------------------------------------------------------------------------------------------------------- weights

static int by_name(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    return strcmp(twi_json_string(*x, "file", ""), twi_json_string(*y, "file", ""));
}

// Files of the folder: [{"file", "bytes"}], by name. A missing folder is empty.
static json_t *list_weights(const char *dir, tw_err *err)
{
    twi_vec(json_t *) found = {0};
    DIR *folder = opendir(dir);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char path[4096];
        struct stat info;
        if (e->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path ||
            stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        json_t *one = json_pack("{ss sI}", "file", path, "bytes", (json_int_t)info.st_size);
        if (one && !twi_vec_push(&found, one, err))
            json_decref(one);
    }
    if (folder)
        closedir(folder);
    if (found.n)
        qsort(found.at, found.n, sizeof *found.at, by_name);
    json_t *list = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(list, found.at[i]);
    twi_vec_clear(&found);
    return list;
}

// ----------------------------------------------------------------------------------------------------------------- all

static json_t *describe(const char *dir, json_t *list)
{
    return json_pack("{ss sI sO}", "folder", dir, "bytes", (json_int_t)bytes_of(list), "files", list);
}

static tw_status print_json(tw_context *tw, const char *dir, json_t *features, const char *weights_dir,
                            json_t *weights, tw_err *err)
{
    json_t *all = describe(dir, features);
    if (all)
        json_object_set_new(all, "limit", json_integer((json_int_t)twi_cache_limit(dir)));
    if (all && weights_dir)
        json_object_set_new(all, "weights", describe(weights_dir, weights));
    char *text = all ? twi_json_text(all, 2, err) : NULL;
    if (text)
        twi_print(tw, "%s\n", text);
    twi_free(text);
    json_decref(all);
    return err->status;
}

static void print_text(tw_context *tw, const tw_cache_options *o, const char *dir, json_t *features,
                       const char *weights_dir, json_t *weights)
{
    char limit[32];
    if (strcmp(o->what, "ls") == 0) {
        print_list(tw, features);
        print_weights(tw, weights);
    }
    twi_print(tw, "%.1f MB in %zu files of %s, which may hold %s\n", (double)bytes_of(features) / 1e6,
              json_array_size(features), dir,
              twi_bytes_text(limit, sizeof limit, (int64_t)twi_cache_limit(dir)));
    if (json_array_size(weights))
        twi_print(tw, "%.1f MB weights in %zu files of %s\n", (double)bytes_of(weights) / 1e6,
                  json_array_size(weights), weights_dir);
}

static tw_status clear(tw_context *tw, const tw_cache_options *o, const char *dir, tw_err *err)
{
    int64_t limit = 0;
    uint64_t freed = 0;
    tw_status status = o->limit ? twi_bytes_read(o->limit, "--limit", &limit, err) : TW_OK;
    if (!status)
        status = twi_cache_trim(dir, (uint64_t)limit, NULL, &freed, err);
    if (!status && !limit)
        twi_trials_forget(dir);
    if (!status)
        twi_print(tw, "freed %.1f MB in %s\n", (double)freed / 1e6, dir);
    return status;
}

static tw_status run(tw_context *tw, const tw_cache_options *o, const char *dir, const char *weights_dir,
                     tw_err *err)
{
    if (strcmp(o->what, "clear") == 0)
        return clear(tw, o, dir, err);
    if (o->limit)
        return twi_fail(err, TW_EINVAL, "--limit goes with clear");
    json_t *features = twi_cache_list(dir, err),
           *weights = weights_dir ? list_weights(weights_dir, err) : json_array();
    if (features && weights && o->format == TW_FORMAT_JSON)
        print_json(tw, dir, features, weights_dir, weights, err);
    else if (features && weights)
        print_text(tw, o, dir, features, weights_dir, weights);
    json_decref(features);
    json_decref(weights);
    return err->status;
}

tw_status twi_job_cache(tw_context *tw, const tw_cache_options *o, tw_err *err)
{
    tw_err own = {0};
    char *dir = o->cache ? twi_strdup(o->cache, &own) : twi_home("features", &own),
         *weights = o->cache || !dir ? NULL : twi_home("weights", &own);
    if (dir)
        run(tw, o, dir, weights, &own);
    twi_free(dir);
    twi_free(weights);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
