// Pictures: files of any known format become 8-bit RGB. One file per format, found by content, never by suffix.
//
// A format is a row (twi_picture_kind) in picture_list.inc (sorted). Rules shared by all: the EXIF orientation is
// applied unless asked otherwise; grey is replicated; 16-bit samples keep their high byte; alpha is laid on white or
// dropped; CMYK becomes RGB; of an animation the first frame counts. A picture that ends early is an error.
#ifndef TWI_CODEC_PICTURE_H
#define TWI_CODEC_PICTURE_H

#include "base/mem.h"
#include "base/source.h"

#define TWI_PICTURE_SIDE_MAX   65500
#define TWI_PICTURE_PIXELS_MAX (INT64_C(1) << 28)

typedef enum twi_photo_alpha { TWI_ALPHA_WHITE, TWI_ALPHA_DROP } twi_photo_alpha;

typedef struct twi_picture_options {
    // A picture may come back smaller (JPEG decoded at 1/2, 1/4, 1/8) as long as both sides stay at least this; 0: full size.
    int64_t enough_width, enough_height; // of the upright picture
    int64_t pixels_max;                  // a header that claims more is refused; 0: TWI_PICTURE_PIXELS_MAX
    bool exact_decode; // JPEG: full size, fast integer DCT and fancy upsampling, as TensorFlow decodes
    bool accurate_dct; // JPEG: the accurate integer DCT (as Pillow)
    bool
        planes_welcome; // a JPEG may come as planes instead of RGB: nothing is interpolated or converted that way
    twi_photo_alpha alpha;
    bool ignore_exif;
} twi_picture_options;

// Y, Cb or Cr of a JPEG as it is stored. A sample of a half plane lies between two pixels.
typedef struct twi_plane {
    const uint8_t *at;             // [height, stride], in the picture's own memory
    int64_t width, height, stride; // in samples
    bool is_half_wide, is_half_high;
} twi_plane;

typedef struct twi_picture {
    int64_t width, height;           // upright
    int64_t full_width, full_height; // what the file holds, upright
    uint8_t *rgb;                    // [height, width, 3], owned; twi_picture_clear
    size_t room;                     // bytes allocated at rgb: reused by the next read into the same picture
    int planes;                      // 0: rgb holds pixels; 1 (grey) or 3: it holds these planes instead
    twi_plane plane[3];              // Y, Cb, Cr; the last two are alike
    uint8_t *spare;                  // scratch of the decoders, kept for the same reason
    size_t spare_room;
} twi_picture;

typedef struct twi_picture_kind {
    const char *name;                          // "JPEG"
    bool (*is)(const uint8_t *head, size_t n); // by the first (up to) 32 bytes
    // Which library decodes, with its version: what pixels may depend on.
    void (*version)(char *text, size_t size);
    // Decodes into out (rgb grown with twi_picture_reserve). Orientation is done by the caller for all but JPEG's own
    // scaled decoding, from *orientation (1…8, as EXIF numbers it; 1 where there is none).
    tw_status (*read)(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                      twi_picture *out, int *orientation, tw_err *err);
} twi_picture_kind;

extern const twi_picture_kind *const twi_picture_kinds[]; // NULL-ended

// The format by content, or NULL.
const twi_picture_kind *twi_picture_find(const uint8_t *head, size_t n);
// What a file that is no picture is: "HTML text", "a PDF", "an MP4 video". Static, never NULL.
const char *twi_picture_guess(const uint8_t *head, size_t n);
// Decodes. Unknown content, damage, early end: TW_EMALFORMED saying what it is ("no picture: HTML text").
tw_status twi_picture_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, tw_err *err);
// Sizes out for width × height (3 bytes a pixel), keeping memory where it is enough.
tw_status twi_picture_reserve(twi_picture *out, int64_t width, int64_t height, tw_err *err);
void twi_picture_clear(twi_picture *picture);

// Writing, for thumbnails of the report: JPEG bytes (twi_free *bytes).
tw_status twi_jpeg_write(const twi_picture *picture, int quality, uint8_t **bytes, size_t *n, tw_err *err);

#endif
