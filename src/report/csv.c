// CSV, written and read. See csv.h.

#include "report/csv.h"

#include "base/source.h"

#include <math.h>
#include <string.h>

void twi_csv_add(twi_str *out, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        twi_str_add(out, text);
        return;
    }
    twi_str_add(out, "\"");
    for (; *text; text++)
        twi_str_add_n(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    twi_str_add(out, "\"");
}

void twi_csv_number(twi_str *out, double value)
{
    if (isnan(value))
        twi_str_add(out, "NA");
    else
        twi_str_printf(out, "%.9g", value);
}

// ------------------------------------------------------------------------------------------------------------- reading

typedef struct reader {
    const char *at, *end;
    twi_str field;
} reader;

// One field into r->field; returns what ended it: ',', '\n' or 0 at the end of the file.
static char next_field(reader *r)
{
    bool quoted = r->at < r->end && *r->at == '"';
    r->field.n = 0;
    r->at += quoted;
    while (r->at < r->end) {
        char c = *r->at++;
        if (quoted && c == '"') {
            if (r->at < r->end && *r->at == '"')
                twi_str_add_n(&r->field, r->at++, 1);
            else
                quoted = false;
        } else if (!quoted && (c == ',' || c == '\n')) {
            return c;
        } else if (quoted || c != '\r') {
            twi_str_add_n(&r->field, &c, 1);
        }
    }
    return 0;
}

static tw_status end_row(twi_csv *csv, const char **fields, size_t n, tw_err *err)
{
    if (!csv->rows.n)
        csv->n_columns = n;
    const char **row = twi_arena_new(&csv->arena, csv->n_columns, sizeof *row, err);
    if (!row)
        return TW_ENOMEM;
    for (size_t i = 0; i < csv->n_columns; i++)
        row[i] = i < n ? fields[i] : "";
    return twi_vec_push(&csv->rows, row, err) ? TW_OK : TW_ENOMEM;
}

static tw_status parse(twi_csv *csv, reader *r, tw_err *err)
{
    twi_vec(const char *) fields = {0};
    tw_status status = TW_OK;
    while (!status && r->at < r->end) {
        char ended_by = next_field(r);
        const char *copy = twi_arena_strdup(&csv->arena, r->field.n ? r->field.text : "", err);
        if (!copy || !twi_vec_push(&fields, copy, err))
            status = TW_ENOMEM;
        if (!status && ended_by != ',') {
            status = end_row(csv, fields.at, fields.n, err);
            fields.n = 0;
        }
    }
    twi_vec_clear(&fields);
    return status;
}

tw_status twi_csv_read(twi_csv *csv, const char *path, tw_err *err)
{
    twi_source source;
    tw_status status = twi_source_open(&source, path, err);
    if (status)
        return status;
    size_t n;
    char *text = twi_source_all(&source, &n, err);
    twi_source_close(&source);
    if (!text)
        return TW_ENOMEM;
    reader r = {.at = text, .end = text + n};
    status = parse(csv, &r, err);
    if (!status && r.field.failed)
        status = twi_fail_memory(err, n, path);
    twi_str_clear(&r.field);
    twi_free(text);
    return status;
}

int64_t twi_csv_column(const twi_csv *csv, const char *name)
{
    for (size_t i = 0; csv->rows.n && i < csv->n_columns; i++)
        if (strcmp(csv->rows.at[0][i], name) == 0)
            return (int64_t)i;
    return -1;
}

void twi_csv_clear(twi_csv *csv)
{
    twi_vec_clear(&csv->rows);
    twi_arena_clear(&csv->arena);
    *csv = (twi_csv){0};
}
