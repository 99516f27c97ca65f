// Option rows in public: what base/field.h does inside, with the checks a caller from outside needs.

#include "base/field.h"

#include <stdio.h>
#include <string.h>

struct tw_arena {
    twi_arena inside;
};

tw_arena *tw_arena_new(tw_err *err)
{
    return twi_new(1, sizeof(tw_arena), "an arena", err);
}

void tw_arena_free(tw_arena *arena)
{
    if (arena)
        twi_arena_clear(&arena->inside);
    twi_free(arena);
}

// Bytes of the member a row describes.
static size_t member_size(tw_field_type type)
{
    switch (type) {
    case TW_FIELD_INT:
        return sizeof(int64_t);
    case TW_FIELD_FLOAT:
        return sizeof(double);
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        return sizeof(bool);
    case TW_FIELD_TEXT:
        return sizeof(const char *);
    case TW_FIELD_TEXTS:
        return sizeof(tw_texts);
    case TW_FIELD_CHOICE:
        return sizeof(int);
    case TW_FIELD_PAIR:
        return 2 * sizeof(int64_t);
    case TW_FIELD_PADS:
        return 4 * sizeof(int64_t);
    case TW_FIELD_SHAPE:
        return sizeof(tw_shape);
    case TW_FIELD_FLOATS:
        return sizeof(tw_floats);
    case TW_FIELD_SETTING:
        return sizeof(tw_setting);
    case TW_FIELD_IGNORED:
        return 0;
    }
    return 0;
}

tw_status tw_fields_default(const tw_field *fields, void *object, tw_arena *arena, tw_err *err)
{
    // The caller's struct may hold anything; a row without a default of its own means zero bytes.
    for (const tw_field *f = fields; arena && object && f && f->key; f++)
        memset((char *)object + f->offset, 0, member_size(f->type));
    return arena ? twi_fields_default(fields, object, &arena->inside, err) : TW_EINVAL;
}

const tw_field *tw_field_find(const tw_field *fields, const char *key)
{
    return twi_field_find(fields, key);
}

const char *tw_field_nearest(const tw_field *fields, const char *key)
{
    const char *names[256];
    size_t n = 0;
    for (const tw_field *f = fields; f && f->key && n < 256; f++)
        names[n++] = f->key;
    return twi_str_nearest(key, names, n);
}

// -------------------------------------------------------------------------------------------------------------- checks

static tw_status not_served(const char *where, const char *value, tw_err *err)
{
    return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "not supported yet: %s%s%s", where, value ? " " : "",
                       value ? value : "");
}

// Texts with choices ("--preprocess"): the value must be one of them.
static tw_status check_text(const tw_field *f, const char *text, const char *where, tw_err *err)
{
    if (!text || f->type != TW_FIELD_TEXT)
        return TW_OK;
    if (f->later && twi_str_same(f->later, text))
        return not_served(where, f->later, err);
    if (!f->choices)
        return TW_OK;
    twi_str list = {0};
    for (size_t i = 0; f->choices[i]; i++) {
        if (twi_str_same(f->choices[i], text)) {
            twi_str_clear(&list);
            return TW_OK;
        }
        twi_str_printf(&list, "%s%s", i == 0 ? "" : f->choices[i + 1] ? ", " : " or ", f->choices[i]);
    }
    twi_fail_at(err, TW_EINVAL, where, -1, "%s must be %s, received '%s'", where,
                list.text ? list.text : "known", text);
    twi_str_clear(&list);
    return TW_EINVAL;
}

static tw_status check_number(const tw_field *f, double v, const char *where, tw_err *err)
{
    if ((f->low == 0 && f->high == 0) || (v >= f->low && v <= f->high))
        return TW_OK;
    if (f->high >= (double)TW_DIM_MAX)
        return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be %.10g or more, received %.10g", where,
                           f->low, v);
    return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be in %.10g..%.10g, received %.10g", where, f->low,
                       f->high, v);
}

// The member as JSON text, for comparing; NULL without memory. Yours to json_decref.
static json_t *member_json(const tw_field *f, const void *object)
{
    const tw_field one[2] = {*f, {0}};
    json_t *json = json_object();
    if (json && twi_fields_write(one, object, json, NULL)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

// Whether the member still has its default.
static bool is_default(const tw_field *f, const void *object)
{
    union {
        tw_shape shape;
        tw_setting setting;
        tw_texts texts;
        int64_t ints[4];
        double number;
    } member = {0};
    tw_field row = *f;
    row.offset = 0;
    twi_arena arena = {0};
    json_t *wanted = NULL;
    if (!row.otherwise || !twi_field_set(&row, &member, row.otherwise, "default", &arena, NULL))
        wanted = member_json(&row, &member);
    json_t *is = member_json(f, object);
    bool same = wanted && is && json_equal(wanted, is);
    json_decref(wanted);
    json_decref(is);
    twi_arena_clear(&arena);
    return same;
}

static tw_status check_row(const tw_field *f, const void *object, tw_err *err)
{
    const void *at = (const char *)object + f->offset;
    const tw_texts *texts = at;
    if (f->flags & TW_FIELD_LATER && !is_default(f, object))
        return not_served(f->key, NULL, err);
    if (f->flags & TW_FIELD_REQUIRED && f->type == TW_FIELD_TEXT && !*(const char *const *)at)
        return twi_fail_at(err, TW_EINVAL, f->key, -1, "%s is missing: %s", f->key, f->help);
    if (f->flags & TW_FIELD_REQUIRED && f->type == TW_FIELD_TEXTS && texts->n == 0)
        return twi_fail_at(err, TW_EINVAL, f->key, -1, "%s is missing: %s", f->key, f->help);
    switch (f->type) {
    case TW_FIELD_INT:
        return check_number(f, (double)*(const int64_t *)at, f->key, err);
    case TW_FIELD_FLOAT:
        return check_number(f, *(const double *)at, f->key, err);
    case TW_FIELD_TEXT:
        return check_text(f, *(const char *const *)at, f->key, err);
    case TW_FIELD_CHOICE: {
        double n = 0;
        while (f->choices[(size_t)n])
            n++;
        const tw_field range = {.low = 0, .high = n - 1};
        return n > 1 ? check_number(&range, *(const int *)at, f->key, err) : TW_OK;
    }
    default:
        return TW_OK;
    }
}

tw_status tw_fields_check(const tw_field *fields, const void *object, tw_err *err)
{
    if (!object)
        return twi_fail(err, TW_EINVAL, "options are missing");
    tw_status status = TW_OK;
    for (const tw_field *f = fields; !status && f && f->key; f++)
        status = check_row(f, object, err);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- setting

tw_status tw_field_set(const tw_field *field, void *object, const char *text, const char *where,
                       tw_arena *arena, tw_err *err)
{
    if (!field || !object || !text || !arena)
        return twi_fail(err, TW_EINVAL, "a row, an object, a text and an arena are needed");
    if (field->flags & TW_FIELD_LATER)
        return not_served(where, NULL, err);
    tw_status status = check_text(field, text, where, err);
    return status ? status : twi_field_set(field, object, text, where, &arena->inside, err);
}

tw_status tw_field_append(const tw_field *field, void *object, const char *text, tw_arena *arena, tw_err *err)
{
    if (!field || field->type != TW_FIELD_TEXTS || !object || !text || !arena)
        return twi_fail(err, TW_EINVAL, "a row of texts, an object, a text and an arena are needed");
    return twi_field_set(field, object, text, field->key, &arena->inside, err);
}

// One key of a file, for itself: what the file does not name keeps its value, and required members may come later.
static tw_status read_key(const tw_field *fields, void *object, const char *key, json_t *value,
                          const char *path, tw_arena *arena, tw_err *err)
{
    const tw_field *f = twi_field_find(fields, key);
    if (!f) {
        const char *near = tw_field_nearest(fields, key);
        return twi_fail_at(err, TW_EINVAL, path, -1, "%s: unknown key '%s'%s%s%s", path, key,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (json_is_null(value))
        return TW_OK;
    json_t *single = json_pack("{s:O}", f->key, value);
    if (!single)
        return twi_fail(err, TW_ENOMEM, "not enough memory to read %s", path);
    const tw_field one[2] = {*f, {0}};
    tw_status status = twi_fields_read(one, object, single, path, &arena->inside, err);
    json_decref(single);
    return status;
}

tw_status tw_fields_read(const tw_field *fields, void *object, const char *path, tw_arena *arena, tw_err *err)
{
    return tw_fields_read_part(fields, NULL, object, path, arena, err);
}

tw_status tw_fields_read_part(const tw_field *fields, const tw_field *rest, void *object, const char *path,
                              tw_arena *arena, tw_err *err)
{
    if (!object || !path || !arena)
        return twi_fail(err, TW_EINVAL, "an object, a path and an arena are needed");
    tw_err own = {0};
    json_t *config = twi_json_read(path, &own);
    tw_status status = own.status;
    if (!status && !json_is_object(config))
        status = twi_fail_at(&own, TW_EMALFORMED, path, -1, "%s: expected a JSON object of options", path);
    bool is_json = !status;
    const char *key;
    json_t *value;
    json_object_foreach(config, key, value)
    {
        bool is_of_rest = !twi_field_find(fields, key) && twi_field_find(rest, key);
        if (!status && !is_of_rest)
            status = read_key(fields, object, key, value, path, arena, &own);
    }
    json_decref(config);
    // A wrong value in a file the user wrote is a wrong call, not a hostile file.
    if (is_json && own.status == TW_EMALFORMED)
        own.status = TW_EINVAL;
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
