// Run directories. See run_dir.h.

#include "job/run_dir.h"

#include "base/mem.h"
#include "base/source.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const run_files[] = {"args.json",   "model.keras",     "labels.txt",
                                        "history.csv", "results.json",    "split.csv",
                                        "skipped.csv", "predictions.csv", "checkpoint.tw",
                                        "plan.json",   "report.html",     "checkpoint-fine-tune.tw"};
enum { N_RUN_FILES = sizeof run_files / sizeof *run_files };

char *twi_run_file(const char *dir, const char *name, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", dir, name);
    return twi_str_take(&path, err);
}

static bool has_run(const char *dir)
{
    char *args = twi_run_file(dir, "args.json", NULL);
    bool found = args && twi_file_exists(args);
    twi_free(args);
    return found;
}

// All but args.json, the first of the list: it has just been replaced.
static void remove_rest(const char *dir)
{
    for (int i = 1; i < N_RUN_FILES; i++) {
        char *path = twi_run_file(dir, run_files[i], NULL);
        if (path)
            unlink(path);
        twi_free(path);
    }
}

// "MobileNetV2:0.35" or "path/my model.keras" as part of a folder's name.
static void plain_name(const char *model, char *out, size_t size)
{
    const char *slash = strrchr(model, '/');
    const char *from = slash && slash[1] ? slash + 1 : model;
    size_t n = 0;
    for (; from[n] && n + 1 < size; n++)
        out[n] = isalnum((unsigned char)from[n]) || strchr("._-", from[n]) ? from[n] : '-';
    out[n] = 0;
    if (!n || out[0] == '.')
        out[0] = 'm', out[1] = n > 1 ? out[1] : 0;
}

// mkdir itself decides who gets a number, so that two runs started together do not share a directory.
static char *next_free(const char *model, tw_err *err)
{
    char name[96];
    plain_name(model, name, sizeof name);
    if (twi_dir_make("runs", err))
        return NULL;
    for (int i = 1; i < 100000; i++) {
        twi_str path = {0};
        twi_str_printf(&path, "runs/%s-%d", name, i);
        if (!path.failed && mkdir(path.text, 0777) == 0)
            return twi_str_take(&path, err);
        bool is_taken = errno == EEXIST;
        twi_str_clear(&path);
        if (!is_taken) {
            twi_fail_errno(err, TW_EWRITE, "make a folder in 'runs'");
            return NULL;
        }
    }
    twi_fail(err, TW_EWRITE, "'runs' holds too many runs of '%s'; give --output-dir", name);
    return NULL;
}

char *twi_run_dir_make(const char *wanted, const char *model, bool force, bool resume, tw_err *err)
{
    if (!wanted && resume) {
        twi_fail(err, TW_EINVAL, "--resume needs --output-dir, which names the run to go on with");
        return NULL;
    }
    if (!wanted)
        return next_free(model, err);
    if (has_run(wanted) && !force && !resume) {
        twi_fail(err, TW_EINVAL,
                 "'%s' holds a run already\ntry  --resume to go on with it, --force to replace it, or "
                 "another --output-dir",
                 wanted);
        return NULL;
    }
    return twi_dir_make(wanted, err) ? NULL : twi_strdup(wanted, err);
}

bool twi_run_is_finished(const char *dir)
{
    char *path = twi_run_file(dir, "results.json", NULL);
    json_t *results = path && twi_file_exists(path) ? twi_json_read(path, NULL) : NULL;
    bool is_finished = results && !twi_json_bool(results, "interrupted", false);
    json_decref(results);
    twi_free(path);
    return is_finished;
}

// What may differ between a run and its continuation: nothing that changes a result.
static bool may_differ(const char *key)
{
    static const char *const keys[] = {"resume", "force",   "config",     "format",
                                       "cache",  "threads", "output_dir", "memory"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static tw_status compare(const json_t *before, const json_t *now, tw_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)now, key, value)
    {
        const json_t *old = json_object_get(before, key);
        if (may_differ(key) || json_equal(old, value))
            continue;
        char *a = old ? json_dumps(old, JSON_ENCODE_ANY) : NULL, *b = json_dumps(value, JSON_ENCODE_ANY);
        char flag[64];
        snprintf(flag, sizeof flag, "%s", key);
        for (char *c = flag; *c; c++)
            *c = *c == '_' ? '-' : *c;
        tw_status status = twi_fail(err, TW_EINVAL, "--resume: the run was started with --%s %s, received %s",
                                    flag, a ? a : "(not given)", b ? b : "(nothing)");
        twi_free(a);
        twi_free(b);
        return status;
    }
    return TW_OK;
}

tw_status twi_run_args(const char *dir, const json_t *args, bool resume, tw_err *err)
{
    char *path = twi_run_file(dir, "args.json", err);
    if (!path)
        return TW_ENOMEM;
    tw_status status;
    json_t *before = resume && twi_file_exists(path) ? twi_json_read(path, err) : NULL;
    if (before) {
        status = compare(before, args, err);
    } else {
        status = err && err->status ? err->status : twi_json_write(path, args, err);
        if (!status && !resume) // only now: where nothing can be written, an earlier run stays
            remove_rest(dir);
    }
    json_decref(before);
    twi_free(path);
    return status;
}
