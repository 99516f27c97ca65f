// A table: --labels FILE.csv with a path and a class a row.
//
// A header is recognised by its words, and then says which columns count; without one they are the first two. Paths are looked
// for below the root, then beside the table, with the usual suffixes added where the file is not there as written (Kaggle's
// tables often leave them out).

#include "base/source.h"
#include "codec/csv.h"
#include "data/layout.h"

#include <string.h>
#include <sys/stat.h>

enum { COLUMNS = 32 };

static bool table_fits(const twi_gather *g)
{
    return g->labels;
}

// Which of n fields is one of these words; -1: none.
static int column(char *const *field, size_t n, const char *const *words)
{
    for (; *words; words++)
        for (size_t i = 0; i < n; i++)
            if (twi_str_same(field[i], *words))
                return (int)i;
    return -1;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

// The file a row names, in `path`; false: not there.
static bool locate(const twi_gather *g, const char *name, twi_str *path)
{
    static const char *const suffixes[] = {"", ".jpg", ".jpeg", ".png"};
    const char *slash = strrchr(g->labels, '/');
    int folder = slash ? (int)(slash - g->labels) : 1;
    for (int place = 0; place < 2; place++)
        for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
            path->n = 0;
            if (name[0] == '/')
                twi_str_printf(path, "%s%s", name, suffixes[s]);
            else if (place == 0)
                twi_str_printf(path, "%s/%s%s", g->root, name, suffixes[s]);
            else
                twi_str_printf(path, "%.*s/%s%s", folder, slash ? g->labels : ".", name, suffixes[s]);
            if (path->failed || is_file(path->text))
                return true;
        }
    return false;
}

typedef struct table {
    twi_csv csv;
    char *field[COLUMNS];
    size_t n;
    int path, label; // columns
    size_t row, n_missing;
    char missing[128]; // the first file that is not there
} table;

// Reads the first row and decides what it is: true if it is data.
static bool read_first(table *t)
{
    static const char *const paths[] = {"path",  "file",     "filename", "file_name", "filepath",
                                        "image", "image_id", "img",      "photo",     "picture",
                                        "id",    "name",     NULL};
    static const char *const labels[] = {"label", "class",   "category", "target",
                                         "breed", "species", "tag",      NULL};
    t->n = twi_csv_row(&t->csv, t->field, COLUMNS);
    t->path = column(t->field, t->n, paths);
    t->label = column(t->field, t->n, labels);
    if (t->path >= 0 && t->label >= 0 && t->path != t->label)
        return false;
    t->path = 0, t->label = 1;
    return true;
}

static tw_status add_row(twi_gather *g, table *t, twi_str *path, tw_err *err)
{
    t->row++;
    if ((size_t)t->path >= t->n || (size_t)t->label >= t->n || !*t->field[t->path])
        return twi_fail_at(
            err, TW_EUNUSABLE, g->labels, -1,
            "row %zu of %s has %zu column%s, expected a path and a class\nwrite  photos/rex.jpg,dogs", t->row,
            g->labels, t->n, t->n == 1 ? "" : "s");
    const char *name = t->field[t->path], *label = t->field[t->label];
    if (!*label)
        return twi_fail_at(err, TW_EUNUSABLE, g->labels, -1, "row %zu of %s has no class for '%s'", t->row,
                           g->labels, name);
    if (!locate(g, name, path)) {
        if (!t->n_missing++)
            memcpy(t->missing, name, strnlen(name, sizeof t->missing - 1));
        return TW_OK;
    }
    return path->failed ? twi_fail_memory(err, 0, "a path")
                        : twi_gather_add_file(g, path->text, label, strlen(label), err);
}

static tw_status read_rows(twi_gather *g, table *t, tw_err *err)
{
    twi_str path = {0};
    bool is_data = read_first(t);
    tw_status status = TW_OK;
    if (!is_data)
        t->row++, t->n = twi_csv_row(&t->csv, t->field, COLUMNS);
    for (; t->n && !status; t->n = twi_csv_row(&t->csv, t->field, COLUMNS))
        status = add_row(g, t, &path, err);
    twi_str_clear(&path);
    return status;
}

static tw_status table_read(twi_gather *g, tw_err *err)
{
    twi_source file;
    tw_status status = twi_source_open(&file, g->labels, err);
    if (status)
        return status;
    size_t n = 0;
    char *text = twi_source_all(&file, &n, err);
    twi_source_close(&file);
    if (!text)
        return TW_ENOMEM;
    table t = {.csv = twi_csv_open(text, n)};
    status = memchr(text, 0, n)
                 ? twi_fail_at(err, TW_EUNUSABLE, g->labels, -1,
                               "%s is no text, expected a table of paths and classes", g->labels)
                 : read_rows(g, &t, err);
    if (!status && t.n_missing && !g->photos->at.n)
        status = twi_fail_at(
            err, TW_EUNUSABLE, g->labels, -1,
            "none of the %zu photos of %s is there (first: '%s')\nlooked in  %s and beside the table",
            t.n_missing, g->labels, t.missing, g->root);
    if (!status && t.n_missing)
        twi_str_printf(&g->photos->notes, "%zu photo%s of %s %s not there (first: '%s')\n", t.n_missing,
                       t.n_missing > 1 ? "s" : "", g->labels, t.n_missing > 1 ? "are" : "is", t.missing);
    twi_free(text);
    return status;
}

const twi_layout twi_layout_table = {
    .name = "table", .doc = "a CSV file of paths and classes", .fits = table_fits, .read = table_read};
