// JSON over jansson. See json.h.

#include "base/json.h"

#include "base/mem.h"
#include "base/source.h"

#include <stdlib.h>
#include <string.h>

json_t *twi_json_parse(const char *name, const void *bytes, size_t n, tw_err *err)
{
    json_error_t why;
    json_t *value = json_loadb(bytes, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!value &&
        (!*why.text || json_error_code(&why) == json_error_out_of_memory)) // it says nothing of most lacks
        twi_fail(err, TW_ENOMEM, "not enough memory to read the JSON of %s", name);
    else if (!value)
        twi_fail_at(err, TW_EMALFORMED, name, why.position, "%s: not valid JSON: line %d, column %d: %s",
                    name, why.line, why.column, why.text);
    return value;
}

json_t *twi_json_read(const char *path, tw_err *err)
{
    twi_source source;
    if (twi_source_open(&source, path, err))
        return NULL;
    size_t n;
    char *bytes = twi_source_all(&source, &n, err);
    twi_source_close(&source);
    json_t *value = bytes ? twi_json_parse(path, bytes, n, err) : NULL;
    twi_free(bytes);
    return value;
}

char *twi_json_text(const json_t *value, int indent, tw_err *err)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) | (indent ? JSON_INDENT((size_t)indent) : 0);
    char *raw = json_dumps(value, flags);
    if (!raw) {
        twi_fail(err, TW_ENOMEM, "not enough memory to write JSON");
        return NULL;
    }
    char *text = twi_strdup(raw, err);
    free(raw);
    return text;
}

tw_status twi_json_write(const char *path, const json_t *value, tw_err *err)
{
    char *text = twi_json_text(value, 2, err);
    if (!text)
        return TW_ENOMEM;
    size_t n = strlen(text);
    text[n] = '\n'; // the terminator's place: the file needs no NUL
    tw_status status = twi_file_write(path, text, n + 1, err);
    twi_free(text);
    return status;
}

const char *twi_json_string(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

int64_t twi_json_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

double twi_json_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool twi_json_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}
