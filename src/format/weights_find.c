// Where published weights are on this machine (architecture §4): topwork's own folders, then Keras's cache. See format.h.

#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 4 };

typedef struct places {
    int n;
    char *at[PLACES_MAX]; // folders, in the order they are looked in
} places;

// `rest` under the variable's folder; NULL, without adding a place, where the variable is not set.
static void add(places *p, const char *root, const char *rest, tw_err *err)
{
    if (!root || !*root || p->n == PLACES_MAX)
        return;
    twi_str path = {0};
    twi_str_printf(&path, "%s%s", root, rest);
    p->at[p->n] = twi_str_take(&path, err);
    p->n += p->at[p->n] != NULL;
}

static places list_places(tw_err *err)
{
    places p = {0};
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME"), *keras = getenv("KERAS_HOME");
    add(&p, getenv("TOPWORK_HOME"), "/weights", err);
    if (cache && *cache)
        add(&p, cache, "/topwork/weights", err);
    else
        add(&p, home, "/.cache/topwork/weights", err);
    if (keras && *keras)
        add(&p, keras, "/models", err);
    else
        add(&p, home, "/.keras/models", err);
    return p;
}

// "~/.keras/models": as people write it.
static void show(twi_str *out, const char *path)
{
    const char *home = getenv("HOME");
    size_t n = home ? strlen(home) : 0;
    if (n > 1 && strncmp(path, home, n) == 0 && path[n] == '/')
        twi_str_printf(out, "~%s", path + n);
    else
        twi_str_add(out, path);
}

static void fail(const twi_zoo_variant *v, bool has_top, const char *file, const places *p, tw_err *err)
{
    char name[96], size[64] = "";
    if (v->alpha > 0 && v->alpha != 1)
        snprintf(name, sizeof name, "%.60s:%g", v->name, v->alpha);
    else
        snprintf(name, sizeof name, "%.60s", v->name);
    int64_t params = has_top ? v->params : v->params_no_top;
    bool is_checked =
        has_top || !v->weights.file_no_top ? v->weights.hash != NULL : v->weights.hash_no_top != NULL;
    if (params > 0)
        snprintf(size, sizeof size, "            (%.1f MB%s)", (double)params * 4e-6,
                 is_checked ? ", hash checked" : "");
    twi_str looked = {0};
    for (int i = 0; i < p->n; i++) {
        twi_str_add(&looked, i ? ", " : "");
        show(&looked, p->at[i]);
    }
    // Not every publisher has files: some put them into packages, which `make assets` knows of.
    const char *get = !v->weights.url ? "make assets (in topwork's sources), or see  topwork fetch "
                      : has_top && v->weights.file_no_top ? "topwork fetch --top "
                                                          : "topwork fetch ";
    twi_fail_at(err, TW_EUNUSABLE, file, -1,
                "no ImageNet weights for %s (%s)\n"
                "  looked in  %s\n"
                "  get them   %s%s%s\n"
                "  or         --weights FILE, or --weights none to start from random numbers",
                name, file, looked.n ? looked.text : "no folder: HOME is not set", get, name, size);
    twi_str_clear(&looked);
}

char *twi_weights_place(const char *file, tw_err *err)
{
    places p = list_places(err);
    char *found = NULL;
    for (int i = 0; !found && i < p.n; i++) {
        twi_str path = {0};
        twi_str_printf(&path, "%s/%s", p.at[i], file);
        if (path.text && twi_file_exists(path.text))
            found = twi_str_take(&path, err);
        twi_str_clear(&path);
    }
    for (int i = 0; i < p.n; i++)
        twi_free(p.at[i]);
    return found;
}

char *twi_weights_find(const twi_zoo_variant *v, bool has_top, tw_err *err)
{
    const char *file = has_top || !v->weights.file_no_top ? v->weights.file : v->weights.file_no_top;
    if (!file) {
        twi_fail(err, TW_EUNUSABLE, "no weights of %s are published\ntry  --weights FILE, or --weights none",
                 v->name);
        return NULL;
    }
    char *found = twi_weights_place(file, err);
    if (found)
        return found;
    places p = list_places(err);
    fail(v, has_top, file, &p, err);
    for (int i = 0; i < p.n; i++)
        twi_free(p.at[i]);
    return NULL;
}
