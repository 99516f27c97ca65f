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

static bool freeze_matching(tw_model *m, const char *pattern)
{
    bool any = false;
    for (size_t i = 0; i < m->layers.n; i++) {
        twi_layer *layer = m->layers.at[i];
        bool matches = twi_str_glob(pattern, layer->name);
        if (matches)
            twi_layer_set_trainable(layer, false);
        any = any || matches || (layer->nested && freeze_matching(layer->nested, pattern));
    }
    return any;
}

static tw_status freeze_name(tw_model *m, const char *name, tw_err *err)
{
    twi_layer *exact = *name == '#' ? twi_model_named(m, name, err) : twi_model_find(m, name);
    if (exact)
        twi_layer_set_trainable(exact, false);
    else if (*name == '#')
        return TW_EINVAL;
    return exact || freeze_matching(m, name) ? TW_OK : twi_model_no_layer(m, name, err);
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
    const twi_layer *last = twi_model_named(m, name, err);
    for (int i = 0; last && i < n; i++) {
        twi_layer_set_trainable(m->layers.at[order[i]], false);
        if (m->layers.at[order[i]] == last)
            return TW_OK;
    }
    return last ? twi_fail(err, TW_EINVAL, "'%s' is no layer to freeze up to", name) : TW_EINVAL;
}

static tw_status freeze_part(tw_model *m, const char *part, const int *order, int n, tw_err *err)
{
    if (twi_str_starts(part, "first:"))
        return freeze_first(m, part + 6, order, n, err);
    if (twi_str_starts(part, "until:"))
        return freeze_until(m, part + 6, order, n, err);
    return freeze_name(m, part, err);
}

tw_status twi_model_freeze(tw_model *m, const char *spec, tw_err *err)
{
    if (strcmp(spec, "all") == 0 || strcmp(spec, "none") == 0) {
        twi_model_set_trainable(m, strcmp(spec, "none") == 0);
        return TW_OK;
    }
    if (!spec[strspn(spec, ", ")])
        return twi_fail(err, TW_EINVAL, "'%s' names no layer to freeze; 'none' freezes nothing", spec);
    int n;
    int *order = twi_model_order(m, false, &n, err);
    char *copy = twi_strdup(spec, err), *rest = copy;
    tw_status status = order && copy ? TW_OK : TW_ENOMEM;
    for (char *part; !status && (part = strsep(&rest, ", "));)
        if (*part)
            status = freeze_part(m, part, order, n, err);
    twi_free(copy);
    twi_free(order);
    return status;
}
