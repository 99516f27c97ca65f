// Freezing by specification: all | none | first:N | until:NAME | a list of NAME, #INDEX, GLOB. See model.h.

#include "graph/model.h"

#include <stdlib.h>
#include <string.h>

void twi_model_set_trainable(tw_model *m, bool value)
{
    m->is_trainable = value;
    for (size_t i = 0; i < m->layers.n; i++)
        if (!(m->layers.at[i]->kind->flags & TWI_KIND_OP))
            twi_layer_set_trainable(m->layers.at[i], value);
}

static tw_status unknown_layer(const tw_model *m, const char *name, tw_err *err)
{
    twi_vec(const char *) names = {0};
    for (size_t i = 0; i < m->layers.n; i++)
        if (!twi_vec_push(&names, m->layers.at[i]->name, err))
            break;
    const char *near = twi_str_nearest(name, names.at, names.n);
    twi_fail(err, TW_EINVAL, "no layer '%s' in model '%s' (%zu layers)%s%s%s", name, m->name, m->layers.n,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    twi_vec_clear(&names);
    return TW_EINVAL;
}

// "#13": the layer with that index in model.layers, InputLayer included.
static tw_status freeze_index(tw_model *m, const char *text, const int *order, int n, tw_err *err)
{
    char *end;
    long i = strtol(text, &end, 10);
    if (end == text || *end || i < 0 || i >= n)
        return twi_fail(err, TW_EINVAL, "no layer #%s in model '%s': it has layers #0 to #%d", text, m->name,
                        n - 1);
    twi_layer_set_trainable(m->layers.at[order[i]], false);
    return TW_OK;
}

static tw_status freeze_name(tw_model *m, const char *name, tw_err *err)
{
    twi_layer *exact = twi_model_find(m, name);
    bool any = exact;
    if (exact)
        twi_layer_set_trainable(exact, false);
    for (size_t i = 0; !exact && i < m->layers.n; i++)
        if (twi_str_glob(name, m->layers.at[i]->name)) {
            twi_layer_set_trainable(m->layers.at[i], false);
            any = true;
        }
    return any ? TW_OK : unknown_layer(m, name, err);
}

static tw_status freeze_first(tw_model *m, const char *text, const int *order, int n, tw_err *err)
{
    char *end;
    long count = strtol(text, &end, 10);
    if (end == text || *end || count < 0 || count > n)
        return twi_fail(err, TW_EINVAL, "first:%s must be in 0..%d, the number of layers of model '%s'", text,
                        n, m->name);
    for (long i = 0; i < count; i++)
        twi_layer_set_trainable(m->layers.at[order[i]], false);
    return TW_OK;
}

static tw_status freeze_until(tw_model *m, const char *name, const int *order, int n, tw_err *err)
{
    for (int i = 0; i < n; i++)
        if (strcmp(m->layers.at[order[i]]->name, name) == 0) {
            for (int j = 0; j <= i; j++)
                twi_layer_set_trainable(m->layers.at[order[j]], false);
            return TW_OK;
        }
    return unknown_layer(m, name, err);
}

tw_status twi_model_freeze(tw_model *m, const char *spec, tw_err *err)
{
    if (strcmp(spec, "all") == 0 || strcmp(spec, "none") == 0) {
        twi_model_set_trainable(m, strcmp(spec, "none") == 0);
        return TW_OK;
    }
    int n;
    int *order = twi_model_order(m, false, &n, err);
    char *copy = twi_strdup(spec, err), *rest = copy;
    tw_status status = order && copy ? TW_OK : TW_ENOMEM;
    for (char *part; !status && (part = strsep(&rest, ", "));) {
        if (!*part)
            continue;
        if (twi_str_starts(part, "first:"))
            status = freeze_first(m, part + 6, order, n, err);
        else if (twi_str_starts(part, "until:"))
            status = freeze_until(m, part + 6, order, n, err);
        else if (*part == '#')
            status = freeze_index(m, part + 1, order, n, err);
        else
            status = freeze_name(m, part, err);
    }
    twi_free(copy);
    twi_free(order);
    return status;
}
