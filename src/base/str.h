// Strings: a growable text buffer, and the small string functions everything needs.
#ifndef TWI_BASE_STR_H
#define TWI_BASE_STR_H

#include "base/error.h"

// A text that grows. Zero-initialise. The first failed allocation sets `failed` and later appends do nothing, so one
// check at the end (twi_str_take) is enough.
typedef struct twi_str {
    char *text; // NUL-terminated, or NULL while empty
    size_t n, cap;
    bool failed;
} twi_str;

void twi_str_add(twi_str *s, const char *text);                         // appends a NUL-terminated text
void twi_str_add_n(twi_str *s, const char *bytes, size_t n);            // appends n bytes
void twi_str_printf(twi_str *s, const char *fmt, ...) TWI_PRINTF(2, 3); // appends formatted text
void twi_str_clear(twi_str *s);
// Hands the text over (yours to twi_free; never NULL on success) and empties s; NULL with TW_ENOMEM if any append failed.
char *twi_str_take(twi_str *s, tw_err *err);

// The part of a path after its last slash. Lends.
const char *twi_base_name(const char *path);
bool twi_str_starts(const char *s, const char *prefix);
bool twi_str_ends(const char *s, const char *suffix);
bool twi_str_same(const char *a, const char *b); // ASCII case, '-' and '_' do not matter
// The nearest of n names by edit distance, or NULL if none is near enough to be meant. For "did you mean".
const char *twi_str_nearest(const char *word, const char *const *names, size_t n);
// "1,234,567" into buf (at least 28 bytes); returns buf.
char *twi_str_thousands(char *buf, size_t size, int64_t value);
// Shell-style match: '*' any run, '?' one character. Case matters.
bool twi_str_glob(const char *pattern, const char *s);

#endif
