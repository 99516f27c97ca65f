// JSON: strict parsing and small accessors over jansson.
//
// Parsing: UTF-8 only, duplicate keys rejected, nesting limited by jansson (2048) and size by the source's budget.
// Files from strangers go through here; jansson's own functions (json_object_get …) may be used on the result.
#ifndef TWI_BASE_JSON_H
#define TWI_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

// Parses n bytes; `name` is for messages. TW_EMALFORMED with the byte offset. Free with json_decref.
json_t *twi_json_parse(const char *name, const void *bytes, size_t n, tw_err *err);
// Reads and parses a file: TW_EUNUSABLE if it cannot be opened.
json_t *twi_json_read(const char *path, tw_err *err);
// Text of a value, indented by `indent` spaces (0: one line), keys in insertion order. Yours to twi_free.
char *twi_json_text(const json_t *value, int indent, tw_err *err);
// Writes it to a file (atomically), with a final newline.
tw_status twi_json_write(const char *path, const json_t *value, tw_err *err);

// Members of an object, or the default where absent, null or of another type.
const char *twi_json_string(const json_t *object, const char *key, const char *otherwise);
int64_t twi_json_int(const json_t *object, const char *key, int64_t otherwise);
double twi_json_number(const json_t *object, const char *key, double otherwise);
bool twi_json_bool(const json_t *object, const char *key, bool otherwise);

#endif
