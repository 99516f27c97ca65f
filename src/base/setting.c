// Settings: named things with a few numbers (initializers, losses …), from text and from Keras JSON. See field.h.

#include "base/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const tw_setting_kind *twi_setting_find(const tw_setting_kind *const *kinds, const char *name)
{
    for (; *kinds; kinds++) {
        if (twi_str_same((*kinds)->name, name))
            return *kinds;
        for (const char *alias = (*kinds)->aliases; alias && *alias;) {
            size_t n = strcspn(alias, " ");
            char word[64];
            if (n < sizeof word) {
                memcpy(word, alias, n);
                word[n] = 0;
                if (twi_str_same(word, name))
                    return *kinds;
            }
            alias += n + (alias[n] == ' ');
        }
    }
    return NULL;
}

static int find_argument(const tw_setting_kind *kind, const char *key, size_t n)
{
    for (int i = 0; i < TW_SETTING_ARGS && kind->args[i].key; i++)
        if (strlen(kind->args[i].key) == n && memcmp(kind->args[i].key, key, n) == 0)
            return i;
    return -1;
}

double twi_setting_arg(const tw_setting *setting, const char *key)
{
    int i = find_argument(setting->kind, key, strlen(key));
    if (i < 0)
        TWI_BUG("a setting has no such argument");
    return setting->value[i];
}

double twi_setting_or(const tw_setting *setting, const char *key, double otherwise)
{
    int i = setting->kind ? find_argument(setting->kind, key, strlen(key)) : -1;
    return i < 0 ? otherwise : setting->value[i];
}

static void set_defaults(tw_setting *setting, const tw_setting_kind *kind)
{
    setting->kind = kind;
    for (int i = 0; i < TW_SETTING_ARGS; i++)
        setting->value[i] = kind && kind->args[i].key ? kind->args[i].otherwise : 0;
}

static tw_status check_served(const tw_setting_kind *kind, const tw_field *field, const char *where,
                              tw_err *err)
{
    if (kind->row)
        return TW_OK;
    return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "%s: not supported yet: %s '%s' (%s)", where,
                       field->key, kind->name, kind->doc);
}

static tw_status unknown_name(const char *name, const tw_field *field, const char *where, tw_status status,
                              tw_err *err)
{
    const char *const *names = field->names ? field->names() : NULL;
    size_t n = 0;
    while (names && names[n])
        n++;
    const char *near = n ? twi_str_nearest(name, names, n) : NULL;
    if (near)
        return twi_fail_at(err, status, where, -1, "%s: %s '%s' is not known; did you mean '%s'?", where,
                           field->key, name, near);
    twi_str list = {0};
    for (size_t i = 0; i < n; i++)
        twi_str_printf(&list, "%s%s", i ? ", " : "", names[i]);
    twi_fail_at(err, status, where, -1, "%s: %s '%s' is not known; known are: %s", where, field->key, name,
                list.text ? list.text : "none");
    twi_str_clear(&list);
    return status;
}

static tw_status set_argument(tw_setting *s, int i, double value, const char *where, tw_status status,
                              tw_err *err)
{
    const tw_setting_arg *arg = &s->kind->args[i];
    if (isnan(value) && arg->flags & TW_ARG_NULLABLE) {
        s->value[i] = value;
        return TW_OK;
    }
    if (arg->flags & TW_ARG_WHOLE && value != floor(value))
        return twi_fail_at(err, status, where, -1, "%s: %s of %s must be a whole number, received %g", where,
                           arg->key, s->kind->name, value);
    if (!isfinite(value) || value < arg->low || value > arg->high)
        return twi_fail_at(err, status, where, -1, "%s: %s of %s must be in %g..%g, received %g", where,
                           arg->key, s->kind->name, arg->low, arg->high, value);
    s->value[i] = value;
    return TW_OK;
}

// A number, true/false, none where that is allowed, or the name of a choice.
static bool argument_value(const tw_setting_arg *arg, const char *text, double *value)
{
    for (int i = 0; arg->choices && arg->choices[i]; i++)
        if (twi_str_same(arg->choices[i], text)) {
            *value = i;
            return true;
        }
    if (arg->choices)
        return false;
    if (arg->flags & TW_ARG_NULLABLE && twi_str_same(text, "none")) {
        *value = NAN;
        return true;
    }
    if (twi_str_same(text, "true") || twi_str_same(text, "false")) {
        *value = twi_str_same(text, "true");
        return true;
    }
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end;
}

// One part after the name: "1e-4" fills the next argument, "momentum=0.9" a named one.
static tw_status set_part(tw_setting *s, char *part, int position, const char *where, tw_err *err)
{
    char *equals = strchr(part, '=');
    int i = equals ? find_argument(s->kind, part, (size_t)(equals - part)) : position;
    if (i < 0 || i >= TW_SETTING_ARGS || !s->kind->args[i].key)
        return twi_fail_at(err, TW_EINVAL, where, -1, "%s: %s has no argument for '%s'", where, s->kind->name,
                           part);
    double value;
    const char *text = equals ? equals + 1 : part;
    if (!argument_value(&s->kind->args[i], text, &value))
        return twi_fail_at(err, TW_EINVAL, where, -1, "%s: %s of %s: expected a %s, received '%s'", where,
                           s->kind->args[i].key, s->kind->name,
                           s->kind->args[i].choices ? "known name" : "number", text);
    return set_argument(s, i, value, where, TW_EINVAL, err);
}

tw_status twi_setting_text(tw_setting *setting, const char *text, const tw_field *field, const char *where,
                           tw_err *err)
{
    if (!*text || twi_str_same(text, "none")) {
        set_defaults(setting, NULL);
        return TW_OK;
    }
    char *copy = twi_strdup(text, err), *rest = copy;
    if (!copy)
        return TW_ENOMEM;
    char *name = strsep(&rest, ":");
    const tw_setting_kind *kind = field->find(name);
    tw_status status =
        kind ? check_served(kind, field, where, err) : unknown_name(name, field, where, TW_EINVAL, err);
    if (kind)
        set_defaults(setting, kind);
    for (int position = 0; !status && rest; position++)
        status = set_part(setting, strsep(&rest, ":"), position, where, err);
    twi_free(copy);
    return status;
}

tw_status twi_settings_text(tw_setting *at, int most, int *n, const char *text, const tw_field *field,
                            const char *where, tw_err *err)
{
    *n = 0;
    char *copy = twi_strdup(text ? text : "", err), *rest = copy;
    tw_status status = copy ? TW_OK : TW_ENOMEM;
    while (!status && rest) {
        char *word = strsep(&rest, ", ");
        tw_setting one = {0};
        if (*word)
            status = twi_setting_text(&one, word, field, where, err);
        if (status || !one.kind)
            continue;
        if (*n == most)
            status = twi_fail(err, TW_EINVAL, "%s: more than %d %ss", where, most, field->key);
        else
            at[(*n)++] = one;
    }
    twi_free(copy);
    return status;
}

// Config keys that Keras writes and that carry nothing for us.
static bool is_ignored(const char *key)
{
    static const char *const ignored[] = {"seed",       "dtype",       "name",
                                          "input_axes", "output_axes", "is_legacy_optimizer"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strcmp(key, ignored[i]) == 0)
            return true;
    return false;
}

static tw_status read_config(tw_setting *s, const json_t *config, const char *where, tw_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        int i = find_argument(s->kind, key, strlen(key));
        bool is_empty =
            json_is_null(value) || json_is_false(value) || (json_is_array(value) && !json_array_size(value));
        if (i < 0 && (is_ignored(key) || is_empty))
            continue;
        if (i < 0)
            return twi_fail_at(err, TW_EUNSUPPORTED, where, -1, "%s: not supported yet: %s of %s", where, key,
                               s->kind->name);
        bool is_null = json_is_null(value) && s->kind->args[i].flags & TW_ARG_NULLABLE;
        double number = is_null                  ? NAN
                        : json_is_boolean(value) ? json_is_true(value)
                                                 : json_number_value(value);
        bool ok =
            is_null || json_is_number(value) || json_is_boolean(value) ||
            (json_is_string(value) && argument_value(&s->kind->args[i], json_string_value(value), &number));
        if (!ok)
            return twi_fail_at(err, TW_EMALFORMED, where, -1, "%s: %s of %s is not a number", where, key,
                               s->kind->name);
        tw_status status = set_argument(s, i, number, where, TW_EMALFORMED, err);
        if (status)
            return status;
    }
    return TW_OK;
}

tw_status twi_setting_read(tw_setting *setting, const json_t *value, const tw_field *field, const char *where,
                           tw_err *err)
{
    if (json_is_null(value)) {
        set_defaults(setting, NULL);
        return TW_OK;
    }
    const char *name =
        json_is_string(value) ? json_string_value(value) : twi_json_string(value, "class_name", NULL);
    const json_t *config = json_object_get(value, "config");
    // Functions are {"class_name": "function", "config": "relu"}.
    if (name && strcmp(name, "function") == 0 && json_is_string(config))
        name = json_string_value(config), config = NULL;
    if (!name)
        return twi_fail_at(err, TW_EMALFORMED, where, -1,
                           "%s: %s must be a name or an object with class_name", where, field->key);
    const tw_setting_kind *kind = field->find(name);
    if (!kind)
        return unknown_name(name, field, where, TW_EMALFORMED, err);
    if (check_served(kind, field, where, err))
        return TW_EUNSUPPORTED;
    set_defaults(setting, kind);
    return json_is_object(config) ? read_config(setting, config, where, err) : TW_OK;
}

static json_t *argument_json(const tw_setting_arg *arg, double value)
{
    if (arg->choices)
        return json_string(arg->choices[(int)value]);
    if (arg->flags & TW_ARG_FLAG)
        return json_boolean(value != 0);
    if (isnan(value))
        return json_null();
    return arg->flags & TW_ARG_WHOLE ? json_integer((json_int_t)value) : json_real(value);
}

json_t *twi_setting_write(const tw_setting *setting, const char *module)
{
    if (!setting->kind)
        return json_null();
    json_t *config = json_object();
    for (int i = 0; i < TW_SETTING_ARGS && setting->kind->args[i].key; i++) {
        const tw_setting_arg *arg = &setting->kind->args[i];
        json_object_set_new(config, arg->key, argument_json(arg, setting->value[i]));
    }
    return json_pack("{ss ss so sn}", "module", module, "class_name", setting->kind->name, "config", config,
                     "registered_name");
}
