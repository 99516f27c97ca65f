// Layers from option structs. See options.h.

#include "layer/options.h"

#include "layer/spec.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool twi_option_is_negative(const tw_field *f)
{
    return f->type == TW_FIELD_NOT ||
           (f->type == TW_FIELD_BOOL && f->otherwise && twi_str_same(f->otherwise, "true"));
}

// ------------------------------------------------------------------------------------------------------------- writing

TWI_PRINTF(2, 3) static void append(tw_layer_spec *spec, const char *fmt, ...)
{
    size_t used = strlen(spec->text), room = sizeof spec->text - used;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(spec->text + used, room, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        spec->overflows = true;
}

// A line of text; a line break inside would begin another option.
static void append_text(tw_layer_spec *spec, const char *key, const char *value)
{
    if (strchr(value, '\n'))
        spec->overflows = true;
    else
        append(spec, "%s=%s\n", key, value);
}

static int64_t whole(int64_t v)
{
    return v == TW_ZERO ? 0 : v;
}

static double number(double v)
{
    return v == (double)TW_ZERO ? 0 : v;
}

// n numbers joined by commas; those behind the last that is not zero were not given. None: no line.
static void append_ints(tw_layer_spec *spec, const char *key, const int64_t *v, int max)
{
    int n = max;
    while (n > 0 && v[n - 1] == 0)
        n--;
    // Three of four sides: the fourth is zero.
    n = max == 4 && n == 3 ? 4 : n;
    for (int i = 0; i < n; i++)
        append(spec, "%s%s%lld", i ? "," : key, i ? "" : "=", (long long)whole(v[i]));
    if (n)
        append(spec, "\n");
}

static void append_floats(tw_layer_spec *spec, const char *key, const double *v)
{
    int n = TWI_OPTION_FLOATS;
    while (n > 0 && v[n - 1] == 0)
        n--;
    for (int i = 0; i < n; i++)
        append(spec, "%s%s%.17g", i ? "," : key, i ? "" : "=", number(v[i]));
    if (n)
        append(spec, "\n");
}

static void write_member(tw_layer_spec *spec, const tw_field *f, const void *at)
{
    switch (f->type) {
    case TW_FIELD_INT:
        append_ints(spec, f->key, at, 1);
        return;
    case TW_FIELD_PAIR:
        append_ints(spec, f->key, at, 2);
        return;
    case TW_FIELD_PADS:
        append_ints(spec, f->key, at, 4);
        return;
    case TW_FIELD_SHAPE:
        append_ints(spec, f->key, at, TW_RANK_MAX);
        return;
    case TW_FIELD_FLOAT:
        if (*(const double *)at != 0)
            append(spec, "%s=%.17g\n", f->key, number(*(const double *)at));
        return;
    case TW_FIELD_FLOATS:
        append_floats(spec, f->key, at);
        return;
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        if (*(const bool *)at)
            append(spec, "%s=%s\n", f->key, twi_option_is_negative(f) ? "false" : "true");
        return;
    case TW_FIELD_TEXT:
    case TW_FIELD_TEXTS:
    case TW_FIELD_CHOICE:
    case TW_FIELD_SETTING:
        if (*(const char *const *)at)
            append_text(spec, f->key, *(const char *const *)at);
        return;
    case TW_FIELD_IGNORED:
        return;
    }
}

tw_layer_spec twi_spec_write(const char *class_name, const twi_option_row *rows, const void *options,
                             const char *name, bool frozen)
{
    tw_layer_spec spec = {.class_name = class_name, .frozen = frozen};
    const tw_layer_kind *kind = twi_layer_kind_find(class_name);
    if (name)
        append_text(&spec, "name", name);
    for (; kind && options && rows->key; rows++) {
        const tw_field *f = twi_field_find(kind->fields, rows->key);
        if (f)
            write_member(&spec, f, (const char *)options + rows->offset);
    }
    return spec;
}

// ------------------------------------------------------------------------------------------------------------- reading

// "dense 'fc1'", for messages.
static void title(const tw_layer_kind *kind, const char *name, char *buf, size_t size)
{
    size_t n = 0;
    for (; kind->name[n] && n + 1 < size; n++)
        buf[n] = (char)tolower((unsigned char)kind->name[n]);
    if (name)
        snprintf(buf + n, size - n, " '%.120s'", name);
    else
        buf[n] = 0;
}

static tw_status read_line(twi_layer *layer, char *line, const char *where, tw_err *err)
{
    char *equals = strchr(line, '=');
    if (!equals)
        TWI_BUG("a spec has a line without '='");
    *equals = 0;
    if (strcmp(line, "name") == 0)
        return TW_OK;
    const tw_field *f = twi_field_find(layer->kind->fields, line);
    if (!f)
        return twi_fail_at(err, TW_EINVAL, where, -1, "%s: no option '%s'", where, line);
    return twi_field_set(f, layer->config, equals + 1, where, &layer->arena, err);
}

static bool has_key(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0)
        if (strncmp(line, key, n) == 0 && line[n] == '=')
            return true;
    return false;
}

static tw_status check_required(const tw_layer_kind *kind, const char *text, const char *where, tw_err *err)
{
    for (const tw_field *f = kind->fields; f->key; f++)
        if ((f->flags & TW_FIELD_REQUIRED) && !has_key(text, f->key))
            return twi_fail_at(err, TW_EINVAL, where, -1, "%s: %s is missing (%s)", where, f->key, f->help);
    return TW_OK;
}

// The name of a spec into buf: its first line "name=…"; false: it has none.
static bool read_name(const tw_layer_spec *spec, char *buf, size_t size)
{
    if (strncmp(spec->text, "name=", 5) != 0)
        return false;
    size_t n = strcspn(spec->text + 5, "\n");
    snprintf(buf, size, "%.*s", (int)n, spec->text + 5);
    return true;
}

static twi_layer *from_text(const tw_layer_kind *kind, const tw_layer_spec *spec, tw_err *err)
{
    char name[TW_LAYER_TEXT], where[256], text[TW_LAYER_TEXT], *rest = text;
    bool has_name = read_name(spec, name, sizeof name);
    title(kind, has_name ? name : NULL, where, sizeof where);
    twi_layer *layer = twi_layer_new(kind, has_name ? name : NULL, err);
    if (!layer)
        return NULL;
    tw_status status = check_required(kind, spec->text, where, err);
    memcpy(text, spec->text, sizeof text);
    for (char *line; !status && (line = strsep(&rest, "\n"));)
        if (*line)
            status = read_line(layer, line, where, err);
    if (status) {
        twi_layer_free(layer);
        return NULL;
    }
    return layer;
}

static twi_layer *from_json(const tw_layer_kind *kind, const char *text, tw_err *err)
{
    json_t *config = twi_json_parse(kind->name, text, strlen(text), err);
    if (config && !json_is_object(config))
        twi_fail(err, TW_EINVAL, "%s: the config must be a JSON object", kind->name);
    twi_layer *layer = json_is_object(config) ? twi_layer_new(kind, NULL, err) : NULL;
    if (layer && twi_layer_read(layer, config, err)) {
        twi_layer_free(layer);
        layer = NULL;
    }
    json_decref(config);
    return layer;
}

twi_layer *twi_spec_layer(const tw_layer_spec *spec, tw_err *err)
{
    tw_err own = {0};
    twi_layer *layer = NULL;
    const tw_layer_kind *kind = spec->class_name ? twi_layer_kind_find(spec->class_name) : NULL;
    if (spec->nested)
        layer = twi_layer_nest(spec->nested, &own);
    else if (!spec->class_name)
        own.status = err && err->status ? err->status : TW_EINVAL; // of a failed call: it has been reported
    else if (spec->overflows)
        twi_fail(&own, TW_EINVAL,
                 "%s: the options have a line break or are longer than %d bytes\n"
                 "try  tw_layer(\"%s\", json)",
                 spec->class_name, TW_LAYER_TEXT - 1, spec->class_name);
    else if (!kind)
        twi_layer_unknown(spec->class_name, &own);
    else
        layer = spec->json ? from_json(kind, spec->json, &own) : from_text(kind, spec, &own);
    if (layer)
        layer->is_inference = spec->inference;
    if (layer && spec->frozen)
        twi_layer_set_trainable(layer, false);
    // What a file may get wrong is a wrong argument here.
    if (own.status == TW_EMALFORMED)
        own.status = TW_EINVAL;
    if (own.status && err && !err->status)
        *err = own;
    return layer;
}
