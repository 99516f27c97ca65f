// Classes: from the names layouts found to numbered classes, sorted by code point or in a model's order.
//
// A model's classes are found again by name; case and a plural s do not matter (a model of "cat" and "dog" meets folders "Cats"
// and "Dogs"). Where names are others altogether ("Class 1") but as many, the sorted order decides, with a note.

#include "data/layout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The different names of all photos, sorted; lent by `names`.
static tw_status sort_names(const twi_names *names, twi_names *sorted, tw_err *err)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->at[i] && !twi_vec_push(sorted, names->at[i], err))
            return TW_ENOMEM;
    if (sorted->n)
        qsort(sorted->at, sorted->n, sizeof *sorted->at, by_text);
    size_t n = 0;
    for (size_t i = 0; i < sorted->n; i++)
        if (n == 0 || strcmp(sorted->at[n - 1], sorted->at[i]) != 0)
            sorted->at[n++] = sorted->at[i];
    sorted->n = n;
    return TW_OK;
}

static tw_status keep_classes(twi_photos *photos, size_t n, const char *const *names, tw_err *err)
{
    for (size_t i = 0; i < n; i++) {
        char *name = twi_strdup(names[i], err);
        if (!name || !twi_vec_push(&photos->classes, name, err)) {
            twi_free(name);
            return TW_ENOMEM;
        }
    }
    return TW_OK;
}

// "Cats" is "cat": case and a plural s do not matter.
static bool means(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    n -= n > 1 && (a[n - 1] | 32) == 's';
    m -= m > 1 && (b[m - 1] | 32) == 's';
    return n == m && strncasecmp(a, b, n) == 0;
}

// Which of a model's classes a found one is; -1: none of them, or more than one.
static int match(const char *name, const char *const *classes, int n)
{
    int found = -1, count = 0;
    for (int i = 0; i < n; i++)
        if (strcmp(name, classes[i]) == 0)
            return i;
    for (int i = 0; i < n; i++)
        if (means(name, classes[i]))
            found = i, count++;
    return count == 1 ? found : -1;
}

// number[i] = the model's class of the i-th found name.
static tw_status match_classes(twi_photos *photos, const char *const *classes, const twi_names *found,
                               int *number, tw_err *err)
{
    int n = 0, odd = -1;
    while (classes[n])
        n++;
    for (int i = 0; i < (int)found->n; i++)
        if ((number[i] = match(found->at[i], classes, n)) < 0)
            odd = i;
    if (odd < 0)
        return TW_OK;
    twi_str list = {0};
    for (int i = 0; i < n && i < 12; i++)
        twi_str_printf(&list, "%s%s", i ? ", " : "", classes[i]);
    if (n > 12)
        twi_str_printf(&list, " … (%d in all)", n);
    if ((int)found->n != n) {
        tw_status status = twi_fail(err, TW_EUNUSABLE, "class '%s' of '%s' is none of the model's: %s",
                                    found->at[odd], photos->root, list.text ? list.text : "");
        twi_str_clear(&list);
        return status;
    }
    for (int i = 0; i < n; i++)
        number[i] = i;
    twi_str_printf(&photos->notes, "class names differ from the model's, which are taken in this order: %s\n",
                   list.text ? list.text : "");
    twi_str_clear(&list);
    return TW_OK;
}

tw_status twi_classes_number(twi_photos *photos, const twi_names *names, const char *const *classes,
                             tw_err *err)
{
    twi_names found = {0};
    tw_status status = sort_names(names, &found, err);
    int *number = status ? NULL : twi_new(found.n + 1, sizeof *number, "classes", err);
    if (!status && !number)
        status = TW_ENOMEM;
    for (size_t i = 0; !status && i < found.n; i++)
        number[i] = (int)i;
    if (!status && classes) {
        size_t n = 0;
        while (classes[n])
            n++;
        status = match_classes(photos, classes, &found, number, err);
        if (!status)
            status = keep_classes(photos, n, classes, err);
    } else if (!status) {
        status = keep_classes(photos, found.n, (const char *const *)found.at, err);
    }
    for (size_t i = 0; !status && i < photos->at.n; i++) {
        if (!names->at[i])
            continue;
        char **at = bsearch(&names->at[i], found.at, found.n, sizeof *found.at, by_text);
        photos->at.at[i].label = number[at - found.at];
    }
    twi_free(number);
    twi_vec_clear(&found);
    return status;
}
