// Option rows: one engine that fills, checks, reads and writes config structs. See field.h.

#include "base/field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *member(const tw_field *f, void *object)
{
    return (char *)object + f->offset;
}

static const void *const_member(const tw_field *f, const void *object)
{
    return (const char *)object + f->offset;
}

const tw_field *twi_field_find(const tw_field *fields, const char *key)
{
    for (; fields && fields->key; fields++)
        if (twi_str_same(fields->key, key))
            return fields;
    return NULL;
}

// -------------------------------------------------------------------------------------------------------------- checks

// What a message is about: "layer 'conv1': units", or just the flag where that says it all.
typedef struct subject {
    char text[256];
} subject;

static subject about(const tw_field *f, const char *where)
{
    subject s;
    bool is_flag = where[0] == '-' && where[1] == '-';
    snprintf(s.text, sizeof s.text, "%s%s%s", where, is_flag ? "" : ": ", is_flag ? "" : f->key);
    return s;
}

static tw_status wrong(const tw_field *f, const char *where, const char *expected, const char *received,
                       tw_err *err)
{
    return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be %s, received '%s'", about(f, where).text,
                       expected, received);
}

static tw_status check_range(const tw_field *f, double v, const char *where, tw_err *err)
{
    // Where 0 stands for a word, the word must be said.
    double low = f->type == TW_FIELD_INT && f->choices && f->low == 0 ? 1 : f->low;
    if (isfinite(v) && ((f->low == 0 && f->high == 0) || (v >= low && v <= f->high)))
        return TW_OK;
    subject s = about(f, where);
    if (f->high >= (double)TW_DIM_MAX)
        return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be %.10g or more, received %.10g", s.text,
                           f->low, v);
    return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be in %.10g..%.10g, received %.10g", s.text, low,
                       f->high, v);
}

static tw_status set_choice(const tw_field *f, void *object, const char *name, const char *where, tw_err *err)
{
    size_t n = 0;
    for (; f->choices[n]; n++)
        if (twi_str_same(f->choices[n], name)) {
            *(int *)member(f, object) = (int)n;
            return TW_OK;
        }
    twi_str list = {0};
    for (size_t i = 0; i < n; i++)
        twi_str_printf(&list, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", f->choices[i]);
    wrong(f, where, list.text ? list.text : "known", name, err);
    twi_str_clear(&list);
    return TW_EINVAL;
}

static tw_status set_numbers(const tw_field *f, void *object, const double *v, int n, const char *where,
                             tw_err *err)
{
    for (int i = 0; i < n; i++) {
        tw_status status = check_range(f, v[i], where, err);
        if (status)
            return status;
        if (f->type != TW_FIELD_FLOAT && v[i] != floor(v[i]))
            return twi_fail_at(err, TW_EINVAL, where, -1, "%s must be a whole number, received %g",
                               about(f, where).text, v[i]);
    }
    int64_t *ints = member(f, object);
    if (f->type == TW_FIELD_FLOAT)
        *(double *)member(f, object) = v[0];
    else if (f->type == TW_FIELD_INT)
        ints[0] = (int64_t)v[0];
    else if (f->type == TW_FIELD_PAIR)
        ints[0] = (int64_t)v[0], ints[1] = (int64_t)v[n > 1];
    else // PADS from one, two or four numbers
        for (int i = 0; i < 4; i++)
            ints[i] = (int64_t)v[n == 4 ? i : n == 2 ? i / 2 : 0];
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- text

enum { NUMBERS_MAX = 64 };

// Numbers separated by 'x' or ','; -1 when something else is found.
static int numbers_of(const char *text, double *v, int max)
{
    int n = 0;
    while (*text && n < max) {
        char *end;
        v[n] = strtod(text, &end);
        if (end == text)
            return -1;
        n++;
        text = *end == 'x' || *end == ',' ? end + 1 : end;
        if (*end && *end != 'x' && *end != ',')
            return -1;
    }
    return *text ? -1 : n;
}

static tw_status set_list(const tw_field *f, void *object, const double *v, int n, twi_arena *arena,
                          tw_err *err)
{
    if (f->type == TW_FIELD_SHAPE) {
        tw_shape *shape = member(f, object);
        shape->rank = n;
        for (int i = 0; i < n; i++)
            shape->dim[i] = (int64_t)v[i];
        return TW_OK;
    }
    double *copy = twi_arena_new(arena, (size_t)n, sizeof *copy, err);
    if (!copy)
        return TW_ENOMEM;
    for (int i = 0; i < n; i++)
        copy[i] = v[i];
    *(tw_floats *)member(f, object) = (tw_floats){n, copy};
    return TW_OK;
}

static tw_status set_bool(const tw_field *f, void *object, const char *text, const char *where, tw_err *err)
{
    bool yes = twi_str_same(text, "true") || twi_str_same(text, "yes") || twi_str_same(text, "1");
    bool no = twi_str_same(text, "false") || twi_str_same(text, "no") || twi_str_same(text, "0");
    if (!yes && !no)
        return wrong(f, where, "true or false", text, err);
    *(bool *)member(f, object) = f->type == TW_FIELD_NOT ? no : yes;
    return TW_OK;
}

static tw_status append_text(const tw_field *f, void *object, const char *text, twi_arena *arena, tw_err *err)
{
    tw_texts *list = member(f, object);
    const char **grown = twi_arena_new(arena, (size_t)list->n + 1, sizeof *grown, err);
    char *copy = twi_arena_strdup(arena, text, err);
    if (!grown || !copy)
        return TW_ENOMEM;
    if (list->n)
        memcpy(grown, list->at, (size_t)list->n * sizeof *grown);
    grown[list->n] = copy;
    *list = (tw_texts){list->n + 1, grown};
    return TW_OK;
}

// The word that a whole number may be instead ("auto"), which is kept as 0.
static bool is_word(const tw_field *f, const char *text)
{
    return f->type == TW_FIELD_INT && f->choices && twi_str_same(text, f->choices[0]);
}

static void set_null(const tw_field *f, void *object)
{
    int64_t *ints = member(f, object);
    if (f->type == TW_FIELD_FLOAT)
        *(double *)member(f, object) = NAN;
    else if (f->type == TW_FIELD_SHAPE)
        *(tw_shape *)member(f, object) = (tw_shape){0};
    else
        ints[0] = 0;
    if (f->type == TW_FIELD_PAIR)
        ints[1] = 0;
}

tw_status twi_field_set(const tw_field *f, void *object, const char *text, const char *where,
                        twi_arena *arena, tw_err *err)
{
    double v[NUMBERS_MAX];
    int n = 0;
    if ((f->flags & TW_FIELD_NULLABLE) && twi_str_same(text, "none")) {
        set_null(f, object);
        return TW_OK;
    }
    if (is_word(f, text)) {
        *(int64_t *)member(f, object) = 0;
        return TW_OK;
    }
    switch (f->type) {
    case TW_FIELD_INT:
    case TW_FIELD_FLOAT:
        n = numbers_of(text, v, 1);
        return n == 1 ? set_numbers(f, object, v, 1, where, err) : wrong(f, where, "a number", text, err);
    case TW_FIELD_PAIR:
        n = numbers_of(text, v, 2);
        return n >= 1 ? set_numbers(f, object, v, n, where, err)
                      : wrong(f, where, "one or two numbers", text, err);
    case TW_FIELD_PADS:
        n = numbers_of(text, v, 4);
        return n == 1 || n == 2 || n == 4 ? set_numbers(f, object, v, n, where, err)
                                          : wrong(f, where, "one, two or four numbers", text, err);
    case TW_FIELD_SHAPE:
    case TW_FIELD_FLOATS:
        n = numbers_of(text, v, f->type == TW_FIELD_SHAPE ? TW_RANK_MAX : NUMBERS_MAX);
        return n >= 0 ? set_list(f, object, v, n, arena, err) : wrong(f, where, "numbers", text, err);
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        return set_bool(f, object, text, where, err);
    case TW_FIELD_CHOICE:
        return set_choice(f, object, text, where, err);
    case TW_FIELD_SETTING:
        return twi_setting_text(member(f, object), text, f, where, err);
    case TW_FIELD_TEXTS:
        return append_text(f, object, text, arena, err);
    case TW_FIELD_TEXT: {
        const char *copy = twi_arena_strdup(arena, text, err);
        *(const char **)member(f, object) = copy;
        return copy ? TW_OK : TW_ENOMEM;
    }
    case TW_FIELD_IGNORED:
        return TW_OK;
    }
    TWI_BUG("unknown field type");
}

tw_status twi_fields_default(const tw_field *fields, void *object, twi_arena *arena, tw_err *err)
{
    for (const tw_field *f = fields; f && f->key; f++) {
        tw_status status =
            f->otherwise ? twi_field_set(f, object, f->otherwise, "default", arena, err) : TW_OK;
        if (status)
            return status;
    }
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- JSON

// Numbers of a JSON number or (nested) list, flattened; null counts as -1. Returns how many, or -1.
static int flatten(const json_t *value, double *v, int n, int max)
{
    if (json_is_array(value)) {
        for (size_t i = 0; n >= 0 && i < json_array_size(value); i++)
            n = flatten(json_array_get(value, i), v, n, max);
        return n;
    }
    if (n >= max || !(json_is_number(value) || json_is_null(value)))
        return -1;
    v[n] = json_is_null(value) ? -1 : json_number_value(value);
    return n + 1;
}

// Values that switch something off.
static bool is_off(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) || (json_is_array(value) && !json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value));
}

static tw_status read_value(const tw_field *f, void *object, const json_t *value, const char *where,
                            twi_arena *arena, tw_err *err)
{
    double v[NUMBERS_MAX];
    int n;
    if ((f->flags & TW_FIELD_LATER) && !is_off(value))
        return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "%s: not supported yet: %s", where, f->key);
    // No axes at all: Keras writes [].
    bool is_none = json_is_null(value) || (json_is_array(value) && !json_array_size(value));
    if ((f->flags & TW_FIELD_NULLABLE) && is_none) {
        set_null(f, object);
        return TW_OK;
    }
    switch (f->type) {
    case TW_FIELD_INT:
    case TW_FIELD_FLOAT:
        if (json_is_string(value) && is_word(f, json_string_value(value)))
            return twi_field_set(f, object, json_string_value(value), where, arena, err);
        // Lists of one: Keras 2 writes axis as [3].
        n = flatten(value, v, 0, 1);
        return n == 1 && !json_is_null(value) ? set_numbers(f, object, v, 1, where, err)
                                              : wrong(f, where, "a number", "something else", err);
    case TW_FIELD_PAIR:
    case TW_FIELD_PADS:
        n = flatten(value, v, 0, 4);
        return n == 1 || n == 2 || (n == 4 && f->type == TW_FIELD_PADS)
                   ? set_numbers(f, object, v, n, where, err)
                   : wrong(f, where, "numbers", "something else", err);
    case TW_FIELD_SHAPE:
    case TW_FIELD_FLOATS:
        if (json_is_null(value))
            return TW_OK;
        n = flatten(value, v, 0, f->type == TW_FIELD_SHAPE ? TW_RANK_MAX : NUMBERS_MAX);
        return n >= 0 ? set_list(f, object, v, n, arena, err)
                      : wrong(f, where, "a list of numbers", "something else", err);
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        if (!json_is_boolean(value))
            return wrong(f, where, "true or false", "something else", err);
        *(bool *)member(f, object) = json_is_true(value) != (f->type == TW_FIELD_NOT);
        return TW_OK;
    case TW_FIELD_SETTING:
        return twi_setting_read(member(f, object), value, f, where, err);
    case TW_FIELD_CHOICE:
    case TW_FIELD_TEXT:
        if (json_is_null(value))
            return TW_OK;
        if (!json_is_string(value))
            return wrong(f, where, "a text", "something else", err);
        return twi_field_set(f, object, json_string_value(value), where, arena, err);
    case TW_FIELD_TEXTS:
        for (size_t i = 0; i < json_array_size(value); i++)
            if (append_text(f, object, json_string_value(json_array_get(value, i)), arena, err))
                return TW_ENOMEM;
        return TW_OK;
    case TW_FIELD_IGNORED:
        return TW_OK;
    }
    TWI_BUG("unknown field type");
}

static tw_status unknown_key(const tw_field *fields, const char *key, const char *where, tw_err *err)
{
    const char *names[128];
    size_t n = 0;
    for (const tw_field *f = fields; f && f->key && n < 128; f++)
        names[n++] = f->key;
    const char *near = twi_str_nearest(key, names, n);
    return twi_fail_at(err, TW_EINVAL, where, -1, "%s: unknown key '%s'%s%s%s", where, key,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

tw_status twi_fields_read(const tw_field *fields, void *object, const json_t *config, const char *where,
                          twi_arena *arena, tw_err *err)
{
    tw_err own = {0};
    tw_status status = twi_fields_default(fields, object, arena, &own);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        const tw_field *f = twi_field_find(fields, key);
        if (!status)
            status =
                f ? read_value(f, object, value, where, arena, &own) : unknown_key(fields, key, where, &own);
    }
    for (const tw_field *f = fields; !status && f && f->key; f++)
        if ((f->flags & TW_FIELD_REQUIRED) && !json_object_get(config, f->key))
            status = twi_fail_at(&own, TW_EINVAL, where, -1, "%s: %s is missing", where, f->key);
    if (!status)
        return TW_OK;
    // What is a wrong call from a programmer is a malformed file here.
    if (own.status == TW_EINVAL)
        own.status = TW_EMALFORMED;
    if (err && !err->status)
        *err = own;
    return own.status;
}

static json_t *pads_json(const int64_t *v)
{
    return json_pack("[[I,I],[I,I]]", (json_int_t)v[0], (json_int_t)v[1], (json_int_t)v[2], (json_int_t)v[3]);
}

static json_t *value_json(const tw_field *f, const void *object)
{
    const void *at = const_member(f, object);
    const int64_t *ints = at;
    json_t *list;
    bool is_nullable = f->flags & TW_FIELD_NULLABLE;
    if (is_nullable && f->type != TW_FIELD_SHAPE &&
        (f->type == TW_FIELD_FLOAT ? isnan(*(const double *)at) : ints[0] == 0))
        return json_null();
    switch (f->type) {
    case TW_FIELD_INT:
        return f->choices && ints[0] == 0 ? json_string(f->choices[0]) : json_integer((json_int_t)ints[0]);
    case TW_FIELD_FLOAT:
        return json_real(*(const double *)at);
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        return json_boolean(*(const bool *)at != (f->type == TW_FIELD_NOT));
    case TW_FIELD_TEXT:
        return *(const char *const *)at ? json_string(*(const char *const *)at) : json_null();
    case TW_FIELD_CHOICE:
        return json_string(f->choices[*(const int *)at]);
    case TW_FIELD_PAIR:
        return json_pack("[I,I]", (json_int_t)ints[0], (json_int_t)ints[1]);
    case TW_FIELD_PADS:
        return pads_json(ints);
    case TW_FIELD_SHAPE:
        if (!((const tw_shape *)at)->rank)
            return json_null();
        list = json_array();
        for (int i = 0; i < ((const tw_shape *)at)->rank; i++) {
            int64_t d = ((const tw_shape *)at)->dim[i];
            json_array_append_new(list, d < 0 && is_nullable ? json_null() : json_integer((json_int_t)d));
        }
        return list;
    case TW_FIELD_FLOATS:
        if (!((const tw_floats *)at)->at)
            return json_null();
        if ((f->flags & TW_FIELD_SCALAR) && ((const tw_floats *)at)->n == 1)
            return json_real(((const tw_floats *)at)->at[0]);
        list = json_array();
        for (int64_t i = 0; i < ((const tw_floats *)at)->n; i++)
            json_array_append_new(list, json_real(((const tw_floats *)at)->at[i]));
        return list;
    case TW_FIELD_TEXTS:
        list = json_array();
        for (int64_t i = 0; i < ((const tw_texts *)at)->n; i++)
            json_array_append_new(list, json_string(((const tw_texts *)at)->at[i]));
        return list;
    case TW_FIELD_SETTING: {
        const tw_setting *s = at;
        // Settings without arguments (activations) are plain names in Keras: "relu".
        if (s->kind && !s->kind->args[0].key && s->kind->aliases) {
            char name[64];
            size_t n = strcspn(s->kind->aliases, " ");
            memcpy(name, s->kind->aliases, n < sizeof name ? n : sizeof name - 1);
            name[n < sizeof name ? n : sizeof name - 1] = 0;
            return json_string(name);
        }
        return twi_setting_write(s,
                                 strstr(f->key, "regularizer") ? "keras.regularizers" : "keras.initializers");
    }
    case TW_FIELD_IGNORED:
        return NULL;
    }
    TWI_BUG("unknown field type");
}

tw_status twi_fields_write(const tw_field *fields, const void *object, json_t *config, tw_err *err)
{
    for (const tw_field *f = fields; f && f->key; f++) {
        bool is_unset = f->type == TW_FIELD_SETTING && !((const tw_setting *)const_member(f, object))->kind;
        if (f->type == TW_FIELD_IGNORED || (f->flags & TW_FIELD_OLD) ||
            (is_unset && f->flags & TW_FIELD_RARE))
            continue;
        json_t *value = value_json(f, object);
        if (!value || json_object_set_new(config, f->key, value) != 0)
            return twi_fail(err, TW_ENOMEM, "not enough memory to write JSON");
    }
    return TW_OK;
}
