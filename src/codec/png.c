// PNG, with everything it may hold: palettes, grey, 1 to 16 bits, alpha, transparent colours, interlacing.
//
// 16-bit samples keep their high byte, as TensorFlow does. No gamma or colour profile is applied: neither Keras nor Pillow
// does. Texts and profiles are skipped unread (they may be compressed bombs). Of an animation the default picture counts.
// Source   PNG specification, third edition; libpng manual.

#include "codec/decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

// Deflate expands at most 1032 times, and a byte holds eight pixels of one bit.
enum { PIXELS_A_BYTE = 1032 * 8 };

typedef struct reader {
    const uint8_t *bytes;
    size_t n, at;
    png_structp png;
    png_infop info;
    jmp_buf escape;
    const char *name;
    tw_err *err;
    tw_status status;
    bool is_early;    // the file has no more bytes
    bool is_complete; // all rows are there; only the end of the file is left
} reader;

static _Noreturn void on_error(png_structp png, png_const_charp why)
{
    reader *r = png_get_error_ptr(png);
    if (r->is_early && r->is_complete)
        r->status = TW_OK; // nothing of the picture is missing
    else if (r->is_early)
        r->status = twi_decoder_early(r->name, "PNG", r->err);
    else
        r->status = twi_decoder_damaged(r->name, "PNG", why, r->err);
    longjmp(r->escape, 1);
}

static void on_warning(png_structp png, png_const_charp why)
{
    (void)png, (void)why; // the library would print
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->n - r->at) {
        r->is_early = true;
        png_error(png, "ends early");
    }
    memcpy(to, r->bytes + r->at, n);
    r->at += n;
}

static void read_head(reader *r)
{
    static const png_byte skipped[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0tIME\0pCAL";
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, TWI_PICTURE_SIDE_MAX, TWI_PICTURE_SIDE_MAX);
    png_set_chunk_malloc_max(r->png, 8 << 20);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, skipped, 8);
    png_read_info(r->png, r->info);
}

// Asks the library for 8-bit RGB or RGBA.
static bool ask_for_rgb(reader *r, const twi_picture_options *o)
{
    bool has_alpha = png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_ALPHA ||
                     png_get_valid(r->png, r->info, PNG_INFO_tRNS);
    png_set_expand(r->png);
    png_set_strip_16(r->png);
    png_set_gray_to_rgb(r->png);
    if (has_alpha && o->alpha == TWI_ALPHA_DROP)
        png_set_strip_alpha(r->png);
    return has_alpha && o->alpha == TWI_ALPHA_WHITE;
}

// By what has been read: EXIF may stand before or after the pixels.
static int orientation_of(const reader *r)
{
    png_bytep exif = NULL;
    png_uint_32 n = 0;
    return png_get_eXIf_1(r->png, r->info, &n, &exif) ? twi_exif_orientation(exif, n) : 1;
}

static tw_status decode(reader *r, const twi_picture_options *o, twi_picture *out, int *orientation)
{
    read_head(r);
    int64_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    tw_status status = twi_decoder_size(out, width, height, r->n, PIXELS_A_BYTE, r->name, o, r->err);
    if (status || (status = twi_picture_reserve(out, width, height, r->err)))
        return status;
    bool keeps_alpha = ask_for_rgb(r, o);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    int64_t row = width * (keeps_alpha ? 4 : 3);
    if ((int64_t)png_get_rowbytes(r->png, r->info) != row)
        TWI_BUG("libpng gives rows of another size than asked for");
    uint8_t *to = keeps_alpha ? twi_decoder_spare(out, (size_t)(row * height), r->err) : out->rgb;
    if (!to)
        return TW_ENOMEM;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < height; y++)
            png_read_row(r->png, to + y * row, NULL);
    if (keeps_alpha)
        twi_decoder_on_white(to, width * height, out->rgb);
    r->is_complete = true;
    *orientation = orientation_of(r);
    png_read_end(r->png, r->info); // checks the last sum
    *orientation = orientation_of(r);
    return TW_OK;
}

static tw_status png_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                          twi_picture *out, int *orientation, tw_err *err)
{
    reader r = {.bytes = bytes, .n = n, .name = name, .err = err};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    if (!r.info)
        r.status = twi_fail_memory(err, 0, "a PNG");
    else if (setjmp(r.escape) == 0)
        r.status = decode(&r, o, out, orientation);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return r.status;
}

static bool png_is(const uint8_t *head, size_t n)
{
    return n >= 8 && memcmp(head, "\x89PNG\r\n\x1A\n", 8) == 0;
}

static void png_version(char *text, size_t size)
{
    snprintf(text, size, "libpng %s", png_get_libpng_ver(NULL));
}

const twi_picture_kind twi_picture_png = {
    .name = "PNG", .is = png_is, .version = png_version, .read = png_read};
