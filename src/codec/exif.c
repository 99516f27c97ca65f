// EXIF: the one tag that changes pixels, orientation (0x0112).
//
// Layout   ["Exif\0\0"] · TIFF head: "II*\0" or "MM\0*", u32 offset of the first directory · directory: u16 entries,
//          then entries of 12 bytes: u16 tag, u16 type (3: u16, 4: u32), u32 count, value. Offsets count from the TIFF head.
// Source   CIPA DC-008 (EXIF 2.32), TIFF 6.0.
//
// Own reader: one tag is needed, and a library would parse everything else a stranger wrote.

#include "codec/decoder.h"

#include <string.h>

typedef struct tiff {
    const uint8_t *at;
    size_t n;
    bool is_big; // big-endian
} tiff;

// Value of `bytes` bytes at offset; 0 past the end, which no valid field needs here.
static uint32_t number(const tiff *t, size_t offset, size_t bytes)
{
    uint32_t v = 0;
    if (offset > t->n || bytes > t->n - offset)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | t->at[offset + (t->is_big ? i : bytes - 1 - i)];
    return v;
}

int twi_exif_orientation(const uint8_t *exif, size_t n)
{
    if (n >= 6 && memcmp(exif, "Exif\0\0", 6) == 0)
        exif += 6, n -= 6;
    if (n < 8)
        return 1;
    tiff t = {.at = exif, .n = n, .is_big = exif[0] == 'M'};
    if (memcmp(exif, t.is_big ? "MM\0*" : "II*\0", 4) != 0)
        return 1;
    size_t directory = number(&t, 4, 4);
    uint32_t entries = number(&t, directory, 2);
    for (uint32_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + 12 * (size_t)i;
        if (entry + 12 > n)
            break;
        if (number(&t, entry, 2) != 0x0112)
            continue;
        uint32_t type = number(&t, entry + 2, 2);
        uint32_t value = number(&t, entry + 8, type == 4 ? 4 : 2);
        return (type == 3 || type == 4) && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
