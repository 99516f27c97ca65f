// CSV: rows of a table in memory, read in place.
//
// RFC 4180 with what spreadsheets really write: a byte order mark, ';' or tab for ',', lines ended by LF, CRLF or CR, quotes
// only where needed. A quoted field may hold the separator, quotes (doubled) and line ends.
#ifndef TWI_CODEC_CSV_H
#define TWI_CODEC_CSV_H

#include "base/error.h"

typedef struct twi_csv {
    char *at, *end;
    char separator;
} twi_csv;

// Begins with n bytes of text, which must be writable and followed by a NUL. They are cut up by reading.
twi_csv twi_csv_open(char *text, size_t n);
// The next row that is not blank: up to `most` fields (further ones are dropped), pointing into the text, blanks around them
// removed. The number of fields, or 0 at the end.
size_t twi_csv_row(twi_csv *csv, char **field, size_t most);

#endif
