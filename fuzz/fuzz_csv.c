// Any bytes as a table: fields lie inside the text, end with a zero byte, and there are no more than asked for.

#include "codec/csv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1), *field[8];
    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = 0;
    twi_csv csv = twi_csv_open(text, n);
    size_t rows = 0;
    for (size_t k; (k = twi_csv_row(&csv, field, 8)) > 0; rows++)
        for (size_t i = 0; i < k; i++)
            if (k > 8 || field[i] < text || field[i] + strlen(field[i]) > text + n)
                __builtin_trap();
    if (rows > n)
        __builtin_trap();
    free(text);
    return 0;
}
