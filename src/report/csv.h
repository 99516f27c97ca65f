// CSV: RFC 4180 as spreadsheets and Python's csv module read it. Written here; read back by the HTML report.
#ifndef TWI_REPORT_CSV_H
#define TWI_REPORT_CSV_H

#include "base/mem.h"
#include "base/str.h"

// Appends one field, quoted where it must be. Callers add "," and "\n".
void twi_csv_add(twi_str *out, const char *text);
// A number with %.9g; NaN is an empty field, or "NA" as Keras's CSVLogger writes it.
void twi_csv_number(twi_str *out, double value);

// A file taken apart: rows of texts, the first one the head. Zero-initialise; twi_csv_clear.
typedef struct twi_csv {
    twi_arena arena;
    twi_vec(const char **) rows;
    size_t n_columns; // of the head; short rows are filled with ""
} twi_csv;
tw_status twi_csv_read(twi_csv *csv, const char *path, tw_err *err);
// Column by name, or -1.
int64_t twi_csv_column(const twi_csv *csv, const char *name);
void twi_csv_clear(twi_csv *csv);

#endif
