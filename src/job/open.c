// Opening models by what the verbs' MODEL argument means. See open.h.

#include "job/open.h"

#include "job/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *twi_home(const char *below, tw_err *err)
{
    const char *own = getenv("TOPWORK_HOME"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    twi_str path = {0};
    if (own && *own)
        twi_str_printf(&path, "%s/%s", own, below);
    else if (cache && *cache)
        twi_str_printf(&path, "%s/topwork/%s", cache, below);
    else if (home && *home)
        twi_str_printf(&path, "%s/.cache/topwork/%s", home, below);
    else
        twi_fail(err, TW_EUNUSABLE,
                 "no folder for caches: neither TOPWORK_HOME, XDG_CACHE_HOME nor HOME is set");
    return path.n || path.failed ? twi_str_take(&path, err) : NULL;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Whether a folder holds a model: of a run, or one of the forms that are folders.
static bool holds_model(const char *folder)
{
    static const char *const files[] = {"model.keras", "model.json", "config.json"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof files / sizeof *files; i++) {
        twi_str inside = {0};
        twi_str_printf(&inside, "%s/%s", folder, files[i]);
        found = inside.text && twi_file_exists(inside.text);
        twi_str_clear(&inside);
    }
    return found;
}

tw_model *twi_open_file(const char *path, const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    if (is_folder(path) && !holds_model(path)) {
        twi_fail(err, TW_EUNUSABLE,
                 "'%s' is a folder without model.keras: neither a run directory nor a model", path);
        return NULL;
    }
    if (twi_memory_check_file(path, err))
        return NULL;
    return twi_model_load(path, o, report, err);
}

bool twi_is_architecture(const char *name)
{
    tw_err ignored = {0};
    const twi_zoo_family *family;
    return !twi_file_exists(name) && !is_folder(name) && twi_zoo_find(name, &family, &ignored);
}

static tw_status load_weights(tw_model *m, const twi_zoo_variant *v, bool has_top, const char *weights,
                              const twi_load_options *loading, char **source, twi_load_report *report,
                              tw_err *err)
{
    twi_load_options o = loading ? *loading : (twi_load_options){0};
    o.variant = v;
    char *path =
        twi_str_same(weights, "imagenet") ? twi_weights_find(v, has_top, err) : twi_strdup(weights, err);
    tw_status status = path ? twi_weights_load(m, path, &o, report, err) : TW_EUNUSABLE;
    if (source && !status)
        *source = path;
    else
        twi_free(path);
    return status ? (err && err->status ? err->status : status) : TW_OK;
}

tw_model *twi_open_architecture(const char *name, const twi_zoo_options *o, const char *weights,
                                const twi_load_options *loading, uint64_t seed, char **source,
                                twi_load_report *report, tw_err *err)
{
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(name, &family, err);
    twi_zoo_options zoo = *o;
    zoo.is_random = twi_str_same(weights, "none");
    tw_model *m = v ? twi_zoo_build(name, &zoo, err) : NULL;
    if (!m)
        return NULL;
    tw_status status = twi_memory_check_weights(m, err);
    if (!status && !zoo.is_random)
        status = load_weights(m, v, o->has_top, weights, loading, source, report, err);
    if (!status)
        status = twi_model_initialize(m, seed, twi_initializer_fill, err);
    if (!status)
        status = twi_info_set_text(m, "trunk", v->name, err);
    if (!status)
        status = twi_info_set_text(m, "preprocessing.mode", v->preprocess, err);
    if (status) {
        twi_model_free(m);
        return NULL;
    }
    return m;
}

tw_status twi_open_shapes(const tw_model *m, const tw_model *whole, int64_t size, tw_shape *shape,
                          tw_err *err)
{
    int64_t known[2] = {size, size};
    bool is_known = size || (twi_model_is_open(m) && twi_model_known_size(whole, known));
    for (size_t i = 0; i < m->inputs.n; i++) {
        shape[i] = twi_model_shape(m, m->inputs.at[i]);
        for (int j = 1; shape[i].rank == 4 && j < 3; j++)
            if (is_known && (size || shape[i].dim[j] < 0))
                shape[i].dim[j] = known[j - 1];
        char text[TWI_SHAPE_TEXT];
        tw_shape one = twi_shape_batch(&shape[i], 1);
        if (twi_shape_count(&one) < 0)
            return twi_fail(
                err, TW_EUNUSABLE,
                "model '%s' takes pictures of any size, %s, and nothing says which it has learned at\n"
                "try  --input-size 224, or whatever it was trained with (in C: tw_model_resize)",
                m->name, twi_shape_text(&shape[i], text));
    }
    return TW_OK;
}

tw_status twi_open_size(tw_model *m, const tw_model *whole, int64_t size, tw_err *err)
{
    tw_shape shape[TWI_LAYER_IN_MAX];
    if ((!size && !twi_model_is_open(m)) || m->inputs.n > TWI_LAYER_IN_MAX)
        return TW_OK;
    tw_status status = twi_open_shapes(m, whole, size, shape, err);
    return status ? status : twi_model_resize(m, (int)m->inputs.n, shape, err);
}

static bool choice(const char *const *names, const char *name, int *at)
{
    for (int i = 0; names[i]; i++)
        if (twi_str_same(names[i], name)) {
            *at = i;
            return true;
        }
    return false;
}

tw_status twi_open_recipe(const tw_model *m, const char *preprocess, bool exact_decode, twi_recipe *r,
                          tw_err *err)
{
    *r = (twi_recipe){0};
    twi_recipe_load(m, r);
    if (exact_decode)
        r->exact_decode = true;
    const char *mode = preprocess ? preprocess : twi_info_text(m, "preprocessing.mode", NULL);
    int at = 0;
    if (!mode)
        return twi_fail(err, TW_EUNUSABLE,
                        "model '%s' does not say how its pictures are prepared\n"
                        "try  --preprocess tf (x/127.5-1), torch, caffe, lite, unit (x/255) or raw (0..255)",
                        m->name);
    if (!choice(twi_pixel_mode_names, mode, &at))
        return twi_fail(err, TW_EUNUSABLE, "model '%s' asks for preprocessing '%s', which is not known",
                        m->name, mode);
    r->pixels = (twi_pixel_mode)at;
    return TW_OK;
}
