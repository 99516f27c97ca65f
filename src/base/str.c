// Strings. See str.h.

#include "base/str.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool reserve(twi_str *s, size_t more)
{
    if (s->failed)
        return false;
    size_t need = s->n + more + 1;
    if (need <= s->cap)
        return true;
    size_t cap = s->cap * 2 > need ? s->cap * 2 : need + 32;
    char *text = twi_resize(s->text, cap, 1, "text", NULL);
    if (!text) {
        s->failed = true;
        return false;
    }
    s->text = text;
    s->cap = cap;
    return true;
}

void twi_str_add_n(twi_str *s, const char *bytes, size_t n)
{
    if (!reserve(s, n))
        return;
    if (n)
        memcpy(s->text + s->n, bytes, n);
    s->n += n;
    s->text[s->n] = 0;
}

void twi_str_add(twi_str *s, const char *text)
{
    twi_str_add_n(s, text, strlen(text));
}

void twi_str_printf(twi_str *s, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n >= 0 && reserve(s, (size_t)n)) {
        vsnprintf(s->text + s->n, (size_t)n + 1, fmt, again);
        s->n += (size_t)n;
    }
    va_end(again);
}

void twi_str_clear(twi_str *s)
{
    twi_free(s->text);
    *s = (twi_str){0};
}

char *twi_str_take(twi_str *s, tw_err *err)
{
    twi_str_add_n(s, "", 0);
    if (s->failed) {
        twi_fail_memory(err, s->cap, "text");
        twi_str_clear(s);
        return NULL;
    }
    char *text = s->text;
    *s = (twi_str){0};
    return text;
}

const char *twi_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool twi_str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool twi_str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcasecmp(s + n - m, suffix) == 0;
}

static int folded(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

bool twi_str_same(const char *a, const char *b)
{
    for (; *a && folded(*a) == folded(*b); a++, b++) {
    }
    return folded(*a) == folded(*b);
}

enum { WORD_MAX = 64 };

// Damerau–Levenshtein distance (adjacent swaps cost one), words cut at WORD_MAX.
static int distance(const char *a, const char *b)
{
    int row[3][WORD_MAX + 1];
    int n = (int)strnlen(a, WORD_MAX), m = (int)strnlen(b, WORD_MAX);
    int *before2 = row[0], *before = row[1], *now = row[2];
    for (int j = 0; j <= m; j++)
        before[j] = j;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = before[j - 1] + (folded(a[i - 1]) != folded(b[j - 1]));
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before2[j - 2] + 1 < best)
                best = before2[j - 2] + 1;
            now[j] = best;
        }
        int *oldest = before2;
        before2 = before, before = now, now = oldest;
    }
    return before[m];
}

const char *twi_str_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    int limit = (int)strnlen(word, WORD_MAX) / 3 + 1, best_distance = limit + 1;
    for (size_t i = 0; i < n; i++) {
        int d = distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

char *twi_str_thousands(char *buf, size_t size, int64_t value)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)value);
    int first = digits[0] == '-';
    size_t at = 0;
    for (int i = 0; i < n && at + 2 < size; i++) {
        if (i > first && (n - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

bool twi_str_glob(const char *pattern, const char *s)
{
    const char *star = NULL, *resume = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = pattern++;
            resume = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++, s++;
        } else if (star) {
            pattern = star + 1;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
