// What the picture decoders share. Internal to this room; see jpeg.c for the annotated example of a decoder.
#ifndef TWI_CODEC_DECODER_H
#define TWI_CODEC_DECODER_H

#include "codec/picture.h"

// Checks what a header claims and sizes out for it: TW_EMALFORMED for an empty picture, for sides or pixels over the
// limits, and for more pixels than n bytes can hold at `density` pixels a byte (0: any number).
tw_status twi_decoder_size(twi_picture *out, int64_t width, int64_t height, size_t n, int64_t density,
                           const char *name, const twi_picture_options *o, tw_err *err);
// Sizes out for width × height, and its memory for `bytes` (planes are not 3 bytes a pixel).
tw_status twi_decoder_reserve(twi_picture *out, int64_t width, int64_t height, size_t bytes, tw_err *err);
// At least `bytes` of scratch, contents undefined; NULL with err.
uint8_t *twi_decoder_spare(twi_picture *out, size_t bytes, tw_err *err);
// n pixels RGBA → RGB, laid on white. Rounds as Pillow's paste does.
void twi_decoder_on_white(const uint8_t *rgba, int64_t n, uint8_t *rgb);
// "x.jpg: JPEG ends early"; "x.jpg: damaged JPEG: <why>".
tw_status twi_decoder_early(const char *name, const char *format, tw_err *err);
tw_status twi_decoder_damaged(const char *name, const char *format, const char *why, tw_err *err);
// Orientation 1…8 of an EXIF block ("Exif\0\0" in front or not); 1 for anything that is none.
int twi_exif_orientation(const uint8_t *exif, size_t n);

static inline uint32_t twi_le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t twi_le32(const uint8_t *p)
{
    return twi_le16(p) | twi_le16(p + 2) << 16;
}

#endif
