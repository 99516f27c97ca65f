// CSV. See csv.h.

#include "codec/csv.h"

#include <string.h>

twi_csv twi_csv_open(char *text, size_t n)
{
    twi_csv csv = {.at = text, .end = text + n, .separator = ','};
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        csv.at += 3;
    // the first line decides: whichever comes there, and ',' if none does
    size_t line = strcspn(csv.at, "\r\n");
    if (!memchr(csv.at, ',', line))
        csv.separator = memchr(csv.at, ';', line) ? ';' : memchr(csv.at, '\t', line) ? '\t' : ',';
    return csv;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Reads one field; *ends_row tells what followed it.
static char *read_field(twi_csv *csv, bool *ends_row)
{
    while (csv->at < csv->end && is_blank(*csv->at) && *csv->at != csv->separator)
        csv->at++;
    char *start = csv->at, *to = csv->at;
    bool is_quoted = csv->at < csv->end && *csv->at == '"';
    if (is_quoted) {
        for (csv->at++; csv->at < csv->end; csv->at++) {
            if (*csv->at == '"' && csv->at + 1 < csv->end && csv->at[1] == '"')
                csv->at++;
            else if (*csv->at == '"')
                break;
            *to++ = *csv->at;
        }
        csv->at += csv->at < csv->end;
        while (csv->at < csv->end && is_blank(*csv->at) && *csv->at != csv->separator)
            csv->at++;
    }
    while (csv->at < csv->end && *csv->at != csv->separator && *csv->at != '\n' && *csv->at != '\r')
        *to++ = *csv->at++;
    *ends_row = csv->at >= csv->end || *csv->at != csv->separator;
    if (csv->at < csv->end)
        csv->at += *csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n' ? 2 : 1;
    while (to > start && is_blank(to[-1]) && !is_quoted)
        to--;
    *to = 0;
    return start;
}

size_t twi_csv_row(twi_csv *csv, char **field, size_t most)
{
    while (csv->at < csv->end) {
        size_t n = 0;
        bool ends_row = false, is_blank_row = true;
        while (!ends_row) {
            char *text = read_field(csv, &ends_row);
            is_blank_row = is_blank_row && !*text;
            if (n < most)
                field[n++] = text;
        }
        if (!is_blank_row)
            return n;
    }
    return 0;
}
