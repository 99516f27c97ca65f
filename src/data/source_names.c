// File names: cat.0.jpg shows "cat" (Kaggle's Dogs vs. Cats), or what the first group of --label-regex catches.
//
// Without a pattern the class is what stands before the first digit, '.', '_', '-' or space. Where that gives nearly as many
// classes as files, the names are no labels and nothing is guessed.

#include "data/layout.h"

#include <regex.h>
#include <string.h>

static bool names_fits(const twi_gather *g)
{
    return !g->labels && (g->label_regex || !twi_gather_has_folders(g));
}

// The class in a file name: *start and its length; 0 where there is none.
static size_t find(const char *name, const regex_t *pattern, const char **start)
{
    *start = name;
    if (!pattern) {
        size_t n = strcspn(name, "0123456789._- ");
        return name[n] ? n : 0;
    }
    regmatch_t group[2];
    if (regexec(pattern, name, 2, group, 0) != 0)
        return 0;
    int which = group[1].rm_so >= 0 ? 1 : 0;
    *start = name + group[which].rm_so;
    return (size_t)(group[which].rm_eo - group[which].rm_so);
}

static tw_status add_all(twi_gather *g, const regex_t *pattern, size_t *n_without, tw_err *err)
{
    tw_status status = TW_OK;
    for (size_t i = 0; !status;) {
        const char *path = twi_gather_next(g, &i), *start;
        if (!path)
            break;
        size_t n = find(twi_base_name(path), pattern, &start);
        if (n)
            status = twi_gather_add(g, path, start, n, err);
        else
            ++*n_without;
    }
    return status;
}

static tw_status names_read(twi_gather *g, tw_err *err)
{
    regex_t pattern;
    if (g->label_regex) {
        int code = regcomp(&pattern, g->label_regex, REG_EXTENDED);
        if (code) {
            char why[128];
            regerror(code, &pattern, why, sizeof why);
            return twi_fail(err, TW_EINVAL, "pattern '%s' of --label-regex: %s", g->label_regex, why);
        }
    }
    size_t n_without = 0;
    tw_status status = add_all(g, g->label_regex ? &pattern : NULL, &n_without, err);
    if (g->label_regex)
        regfree(&pattern);
    if (n_without)
        twi_str_printf(&g->photos->notes,
                       "left out %zu picture%s of '%s%s%s' without a class in the file name\n", n_without,
                       n_without > 1 ? "s" : "", g->root, *g->under ? "/" : "", g->under);
    return status;
}

const twi_layout twi_layout_names = {.name = "names",
                                     .doc = "the class begins the file name: cat.0.jpg",
                                     .fits = names_fits,
                                     .read = names_read};
