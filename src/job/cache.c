// topwork cache: what the feature cache holds, how large it is; empties it.

#include "engine/cache.h"

#include "job/job.h"
#include "job/open.h"

#include <string.h>
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

static tw_status print_json(tw_context *tw, const json_t *list, int64_t bytes, const char *dir, tw_err *err)
{
    json_t *all = json_pack("{ss sI sO}", "folder", dir, "bytes", (json_int_t)bytes, "files", list);
    char *text = all ? twi_json_text(all, 2, err) : NULL;
    if (text)
        twi_print(tw, "%s\n", text);
    twi_free(text);
    json_decref(all);
    return err->status;
}

static tw_status run(tw_context *tw, const tw_cache_options *o, const char *dir, tw_err *err)
{
    if (strcmp(o->what, "clear") == 0) {
        uint64_t freed = 0;
        tw_status status = twi_cache_trim(dir, 0, &freed, err);
        if (!status)
            twi_print(tw, "freed %.1f MB in %s\n", (double)freed / 1e6, dir);
        return status;
    }
    json_t *list = twi_cache_list(dir, err);
    if (!list)
        return err->status;
    int64_t bytes = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) bytes += twi_json_int(one, "bytes", 0);
    if (o->format == TW_FORMAT_JSON) {
        print_json(tw, list, bytes, dir, err);
    } else {
        if (strcmp(o->what, "ls") == 0)
            print_list(tw, list);
        twi_print(tw, "%.1f MB in %zu files of %s\n", (double)bytes / 1e6, json_array_size(list), dir);
    }
    json_decref(list);
    return err->status;
}

tw_status twi_job_cache(tw_context *tw, const tw_cache_options *o, tw_err *err)
{
    tw_err own = {0};
    char *dir = o->cache ? twi_strdup(o->cache, &own) : twi_home("features", &own);
    if (dir)
        run(tw, o, dir, &own);
    twi_free(dir);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
