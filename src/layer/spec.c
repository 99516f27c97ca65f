// Layer specs: layers written as short text. See spec.h.

#include "layer/spec.h"

#include <string.h>

tw_status twi_layer_unknown(const char *name, tw_err *err)
{
    twi_vec(const char *) names = {0};
    for (size_t i = 0; twi_layers[i]; i++)
        if (!twi_vec_push(&names, twi_layers[i]->name, err))
            break;
    const char *near = twi_str_nearest(name, names.at, names.n);
    tw_status status = near ? twi_fail(err, TW_EINVAL, "no layer '%s'; did you mean '%s'?", name, near)
                            : twi_fail(err, TW_EINVAL, "no layer '%s'", name);
    twi_vec_clear(&names);
    return status;
}

// As strsep, but what stands in parentheses stays together.
static char *next_part(char **rest, const char *ends)
{
    char *part = *rest;
    int depth = 0;
    for (char *at = part; at; at++) {
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        if (*at && (depth > 0 || !strchr(ends, *at)))
            continue;
        *rest = *at ? at + 1 : NULL;
        *at = 0;
        break;
    }
    return part;
}

// A value with arguments of its own: l2(1e-4) is the setting l2:1e-4.
static void open_parentheses(char *value)
{
    size_t n = strlen(value);
    char *open = strchr(value, '(');
    if (!open || value[n - 1] != ')')
        return;
    *open = ':';
    value[n - 1] = 0;
}

static tw_status set_argument(twi_layer *layer, char *part, size_t *n_quick, const char *text, tw_err *err)
{
    const tw_layer_kind *kind = layer->kind;
    char *equals = strchr(part, '=');
    const char *key = part;
    char *value = part;
    if (equals) {
        *equals = 0;
        value = equals + 1;
    } else {
        size_t n = 0;
        while (kind->quick && kind->quick[n])
            n++;
        if (*n_quick >= n)
            return twi_fail(err, TW_EINVAL,
                            "'%s': %s takes %zu arguments without a name, '%s' is one too many", text,
                            kind->name, n, part);
        key = kind->quick[(*n_quick)++];
    }
    const tw_field *field = twi_field_find(kind->fields, key);
    if (!field)
        return twi_fail(err, TW_EINVAL, "'%s': %s has no option '%s'", text, kind->name, key);
    open_parentheses(value);
    return twi_field_set(field, layer->config, value, text, &layer->arena, err);
}

// Options without a default must have been given.
static tw_status check_required(const twi_layer *layer, size_t n_quick, const char *text, tw_err *err)
{
    for (size_t i = n_quick; layer->kind->quick && layer->kind->quick[i]; i++) {
        const tw_field *field = twi_field_find(layer->kind->fields, layer->kind->quick[i]);
        char named[64];
        snprintf(named, sizeof named, "%s=", layer->kind->quick[i]);
        if (field && (field->flags & TW_FIELD_REQUIRED) && !strstr(text, named))
            return twi_fail(err, TW_EINVAL, "'%s': %s needs %s (%s), as in %s:…", text, layer->kind->name,
                            field->key, field->help, text);
    }
    return TW_OK;
}

twi_layer *twi_layer_parse(const char *text, tw_err *err)
{
    char *copy = twi_strdup(text, err), *rest = copy;
    if (!copy)
        return NULL;
    const char *name = strsep(&rest, ":");
    const tw_layer_kind *kind = twi_layer_kind_find(name);
    tw_status status = kind ? TW_OK : twi_layer_unknown(name, err);
    twi_layer *layer = kind ? twi_layer_new(kind, NULL, err) : NULL;
    if (kind && !layer)
        status = TW_ENOMEM;
    size_t n_quick = 0;
    for (char *part; !status && (part = next_part(&rest, ":"));)
        status = set_argument(layer, part, &n_quick, text, err);
    if (!status)
        status = check_required(layer, n_quick, text, err);
    if (status) {
        twi_layer_free(layer);
        layer = NULL;
    }
    twi_free(copy);
    return layer;
}

tw_status twi_layers_parse(const char *text, twi_layers_parsed *out, tw_err *err)
{
    char *copy = twi_strdup(text, err), *rest = copy;
    tw_status status = copy ? TW_OK : TW_ENOMEM;
    for (char *part; !status && (part = next_part(&rest, ", "));) {
        if (!*part)
            continue;
        twi_layer *layer = twi_layer_parse(part, err);
        if (!layer || !twi_vec_push(&out->at, layer, err)) {
            status = err && err->status ? err->status : TW_ENOMEM;
            twi_layer_free(layer);
        }
    }
    twi_free(copy);
    return status;
}

void twi_layers_clear(twi_layers_parsed *layers)
{
    for (size_t i = 0; i < layers->at.n; i++)
        twi_layer_free(layers->at.at[i]);
    twi_vec_clear(&layers->at);
}
