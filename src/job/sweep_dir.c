// The folder of a sweep: a run each in 001, 002 …, the table, and sweep-args.json, by which a sweep that is begun again knows
// itself. See sweep.h.

#include "base/source.h"
#include "job/run_dir.h"
#include "job/sweep.h"

#include <stdio.h>
#include <string.h>

// What may differ between a sweep and its continuation changes no result.
static json_t *settings_of(const sweep *s, tw_err *err)
{
    static const char *const free_keys[] = {"threads", "cache",  "cache_limit", "memory", "output_dir",
                                            "resume",  "config", "format",      "force"};
    json_t *all = json_object();
    if (!all || twi_fields_write(tw_train_fields, &s->base, all, err) ||
        json_object_set_new(all, "grid", json_string(s->o->grid))) {
        json_decref(all);
        twi_fail_memory(err, 0, "options");
        return NULL;
    }
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        json_object_del(all, free_keys[i]);
    return all;
}

static bool holds(const char *dir, const char *name)
{
    char *path = twi_run_file(dir, name, NULL);
    bool is_there = path && twi_file_exists(path);
    twi_free(path);
    return is_there;
}

typedef enum finding { FREE, SAME, OTHER } finding;

static finding look(const char *dir, const json_t *settings)
{
    char *path = twi_run_file(dir, "sweep-args.json", NULL);
    json_t *before = path && twi_file_exists(path) ? twi_json_read(path, NULL) : NULL;
    finding found = before                     ? (json_equal(before, settings) ? SAME : OTHER)
                    : holds(dir, "sweep.json") ? OTHER
                                               : FREE;
    json_decref(before);
    twi_free(path);
    return found;
}

// runs/sweep, or the first runs/sweep-<n> where this sweep was begun or nothing is.
static char *find_place(const json_t *settings, tw_err *err)
{
    if (twi_dir_make("runs", err))
        return NULL;
    for (int i = 1; i < 100000; i++) {
        char place[64];
        snprintf(place, sizeof place, i > 1 ? "runs/sweep-%d" : "runs/sweep", i);
        if (look(place, settings) != OTHER && !holds(place, "args.json"))
            return twi_strdup(place, err);
    }
    twi_fail(err, TW_EWRITE, "'runs' holds too many sweeps; give --output-dir");
    return NULL;
}

// A run's args.json names that run's folder, which is none for a sweep.
static bool is_of_config(const sweep *s)
{
    json_t *config = s->o->config ? twi_json_read(s->o->config, NULL) : NULL;
    bool is_same = strcmp(twi_json_string(config, "output_dir", ""), s->o->output_dir) == 0;
    json_decref(config);
    return is_same;
}

static char *choose_dir(const sweep *s, const json_t *settings, tw_err *err)
{
    const char *wanted = s->o->output_dir;
    if (wanted && holds(wanted, "args.json")) {
        if (!is_of_config(s)) {
            twi_fail(err, TW_EINVAL, "'%s' holds a run of train: a sweep needs a folder of its own", wanted);
            return NULL;
        }
        twi_note(s->tw, "output_dir of %s is left out: that folder holds a run of train", s->o->config);
        wanted = NULL;
    }
    if (!wanted)
        return find_place(settings, err);
    if (look(wanted, settings) == OTHER) {
        twi_fail(err, TW_EINVAL,
                 "'%s' holds a sweep with other settings\ntry  another --output-dir, or the settings in "
                 "%s/sweep-args.json to go on with it",
                 wanted, wanted);
        return NULL;
    }
    return twi_strdup(wanted, err);
}

// What a run of train was begun with, and a sweep has no use for.
static void say_left_out(const sweep *s)
{
    json_t *config = s->o->config ? twi_json_read(s->o->config, NULL) : NULL;
    if (twi_json_bool(config, "force", false))
        twi_note(s->tw, "force of %s is left out: a sweep never writes over a run", s->o->config);
    if (twi_json_bool(config, "resume", false))
        twi_note(s->tw, "resume of %s is left out: a sweep goes on where it stopped by itself", s->o->config);
    json_decref(config);
}

tw_status twi_sweep_open_dir(sweep *s, tw_err *err)
{
    json_t *settings = settings_of(s, err);
    if (!settings)
        return err->status;
    say_left_out(s);
    s->dir = choose_dir(s, settings, err);
    tw_status status = s->dir ? twi_dir_make(s->dir, err) : err->status;
    char *path = status ? NULL : twi_run_file(s->dir, "sweep-args.json", err);
    if (!status)
        status = path ? twi_json_write(path, settings, err) : TW_ENOMEM;
    twi_free(path);
    json_decref(settings);
    return status;
}
