// Fuzzes every picture decoder, the turning, and the guess at what is no picture.
//
// The first byte chooses the options, the rest is the file. Pictures are limited to a megapixel, so that the decoders are
// fuzzed and not memset. HEIF is left out: its library is not ours and brings its own fuzzers.

#include "codec/picture.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    twi_picture_options o = {
        .pixels_max = 1 << 20,
        .enough_width = data[0] & 1 ? 16 : 0,
        .enough_height = data[0] & 1 ? 16 : 0,
        .exact_decode = data[0] & 2,
        .planes_welcome = data[0] & 16,
        .alpha = data[0] & 4 ? TWI_ALPHA_DROP : TWI_ALPHA_WHITE,
        .ignore_exif = data[0] & 8,
    };
    data++, n--;
    const twi_picture_kind *kind = twi_picture_find(data, n);
    if (kind && strcmp(kind->name, "HEIF") == 0)
        return 0;
    twi_picture p = {0};
    tw_err err = {0};
    tw_status status = twi_picture_read(data, n, "fuzz", &o, &p, &err);
    if (status != err.status)
        TWI_BUG("status and error disagree");
    unsigned sum = 0; // touches every pixel, so that a size that lies is seen
    for (int64_t i = 0; !status && !p.planes && i < p.width * p.height * 3; i++)
        sum += p.rgb[i];
    for (int i = 0; !status && i < p.planes; i++)
        for (int64_t y = 0; y < p.plane[i].height; y++)
            for (int64_t x = 0; x < p.plane[i].width; x++)
                sum += p.plane[i].at[y * p.plane[i].stride + x];
    if (!status && (p.width < 1 || p.height < 1 || (sum == 0 && !p.rgb)))
        TWI_BUG("an empty picture was read");
    twi_picture_clear(&p);
    return 0;
}
