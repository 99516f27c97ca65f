// JPEG: most photos. Decoded with libjpeg-turbo, at a reduced scale where the full size is not needed.
//
// This is the annotated example of a picture format. A decoder is `is` (by first bytes), `version`, and `read`, which
//   1 reads the header and lets twi_decoder_size judge it before anything is allocated,
//   2 decodes rows straight into out->rgb (scratch comes from twi_decoder_spare, so nothing is allocated the next time),
//   3 reports the stored orientation and leaves the turning to picture.c.
//
// Scale    1/8, 1/4 or 1/2 where both upright sides stay at least `enough`. The discrete cosine transform is evaluated on the
//          low frequencies only, which is a good box filter at a fraction of the time. The library knows other eighths
//          too, but its code for them is slower than the vectorised full size.
// Colours  YCbCr and grey become RGB in the library; CMYK and YCCK are multiplied out, inverted where Adobe wrote them.
// Planes   Where they are welcome, brightness and colour come as they are stored (4:2:0, 4:2:2, 4:4:0, 4:4:4 and grey, upright):
//          what interpolates colour and makes RGB of it is left out.
// Damage   libjpeg mends what it can and warns. A picture whose data end early is an error; other damage is not, up to
//          WARNINGS_MAX of them. Progressive files are limited in scans (each costs a pass over the whole picture).
// Source   libjpeg-turbo 2.1, libjpeg.txt; TensorFlow's jpeg_mem.cc for the meaning of exact_decode and of CMYK.

#include "codec/decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    WARNINGS_MAX = 100,
    SCANS_MAX = 100,
    PIXELS_A_BYTE = 2048, // one bit codes a block of 64 pixels at best; arithmetic coding may do better
};
#define MEMORY_MAX (1L << 30) // bytes the library may take: a progressive picture is held as coefficients

// The library calls back with its own structs; `base` comes first so that its address is ours.
typedef struct reader {
    struct jpeg_error_mgr base;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct codec;
    jmp_buf escape; // the only way out of the library
    const char *name;
    tw_err *err;
    tw_status status;
    bool is_out; // of bytes: what the library finds wrong from then on follows from that
} reader;

static _Noreturn void leave(reader *r, tw_status status)
{
    r->status = status;
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr codec)
{
    reader *r = (reader *)codec->err;
    char why[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, why);
    if (codec->err->msg_code == JERR_OUT_OF_MEMORY)
        leave(r, twi_fail_memory(r->err, 0, r->name));
    if (codec->err->msg_code == JERR_NO_BACKING_STORE)
        leave(r, twi_decoder_damaged(r->name, "JPEG", "decoding would take more than 1 GiB", r->err));
    if (r->is_out)
        leave(r, twi_decoder_early(r->name, "JPEG", r->err));
    leave(r, twi_decoder_damaged(r->name, "JPEG", why, r->err));
}

static void on_message(j_common_ptr codec, int level)
{
    if (level >= 0)
        return; // trace
    reader *r = (reader *)codec->err;
    int code = codec->err->msg_code;
    r->is_out = r->is_out || code == JWRN_JPEG_EOF;
    // At the end of the bytes the library makes up an end marker (JWRN_JPEG_EOF). In a picture of one scan only rows that
    // meet that marker (JWRN_HIT_MARKER) are missing; otherwise later scans are.
    bool is_split = r->codec.progressive_mode || r->codec.comps_in_scan < r->codec.num_components;
    if ((code == JWRN_JPEG_EOF && is_split) ||
        (code == JWRN_HIT_MARKER && r->codec.unread_marker == JPEG_EOI))
        leave(r, twi_decoder_early(r->name, "JPEG", r->err));
    if (++codec->err->num_warnings > WARNINGS_MAX)
        on_error(codec);
}

static void on_text(j_common_ptr codec)
{
    (void)codec; // the library would print
}

static void on_progress(j_common_ptr codec)
{
    reader *r = (reader *)codec->err;
    if (r->codec.input_scan_number > SCANS_MAX)
        leave(r, twi_decoder_damaged(r->name, "JPEG", "more than 100 scans", r->err));
}

static int orientation_of(const struct jpeg_decompress_struct *codec)
{
    for (jpeg_saved_marker_ptr m = codec->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
            return twi_exif_orientation(m->data, m->data_length);
    return 1;
}

// n of n/8.
static unsigned scale_of(const struct jpeg_decompress_struct *codec, const twi_picture_options *o,
                         bool is_sideways)
{
    int64_t wide = is_sideways ? o->enough_height : o->enough_width;
    int64_t high = is_sideways ? o->enough_width : o->enough_height;
    if (o->exact_decode || o->accurate_dct || wide <= 0 || high <= 0)
        return 8;
    unsigned n = 1;
    while (n < 8 &&
           ((int64_t)codec->image_width * n < wide * 8 || (int64_t)codec->image_height * n < high * 8))
        n *= 2;
    return n;
}

// CMYK → RGB. Adobe stores ink inverted. TensorFlow truncates, Pillow rounds.
static void from_cmyk(const uint8_t *cmyk, int64_t n, bool is_inverted, bool truncates, uint8_t *rgb)
{
    int flip = is_inverted ? 0 : 255, half = truncates ? 0 : 127;
    for (int64_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(((cmyk[c] ^ flip) * (cmyk[3] ^ flip) + half) / 255);
}

static tw_status read_rows(reader *r, const twi_picture_options *o, twi_picture *out)
{
    struct jpeg_decompress_struct *codec = &r->codec;
    int64_t width = codec->output_width;
    bool is_cmyk = codec->out_color_space == JCS_CMYK;
    uint8_t *four = is_cmyk ? twi_decoder_spare(out, (size_t)width * 4, r->err) : NULL;
    if (is_cmyk && !four)
        return TW_ENOMEM;
    while (codec->output_scanline < codec->output_height) {
        uint8_t *row = out->rgb + (int64_t)codec->output_scanline * width * 3;
        JSAMPROW rows[8];
        unsigned n = 0, left = codec->output_height - codec->output_scanline;
        for (; n < 8 && n < left && !is_cmyk; n++)
            rows[n] = row + (int64_t)n * width * 3;
        if (is_cmyk)
            rows[n++] = four;
        jpeg_read_scanlines(codec, rows, n);
        if (is_cmyk)
            from_cmyk(four, width, codec->saw_Adobe_marker, o->exact_decode, row);
    }
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- planes

#if JPEG_LIB_VERSION >= 70
#define SCALED_WIDTH(component)  ((component)->DCT_h_scaled_size)
#define SCALED_HEIGHT(component) ((component)->DCT_v_scaled_size)
#else // blocks are scaled alike in both directions
#define SCALED_WIDTH(component)  ((component)->DCT_scaled_size)
#define SCALED_HEIGHT(component) ((component)->DCT_scaled_size)
#endif

// Samples of component i in a row of the largest blocks.
static int samples_across(const struct jpeg_decompress_struct *codec, int i)
{
    return codec->comp_info[i].h_samp_factor * SCALED_WIDTH(&codec->comp_info[i]);
}

static int samples_down(const struct jpeg_decompress_struct *codec, int i)
{
    return codec->comp_info[i].v_samp_factor * SCALED_HEIGHT(&codec->comp_info[i]);
}

// True where colour is as dense as brightness, or half as dense in a direction. The output's size is computed.
static bool fits_planes(const struct jpeg_decompress_struct *codec)
{
    if (codec->jpeg_color_space == JCS_GRAYSCALE)
        return codec->num_components == 1;
    if (codec->jpeg_color_space != JCS_YCbCr || codec->num_components != 3)
        return false;
    int across = samples_across(codec, 0), down = samples_down(codec, 0);
    int half_across = samples_across(codec, 1), half_down = samples_down(codec, 1);
    return samples_across(codec, 2) == half_across && samples_down(codec, 2) == half_down &&
           (half_across == across || half_across * 2 == across) &&
           (half_down == down || half_down * 2 == down);
}

// Whole rows of blocks are written; only the samples that belong to the picture count.
static tw_status read_planes(reader *r, twi_picture *out)
{
    struct jpeg_decompress_struct *codec = &r->codec;
    size_t bytes = 0, begin[3] = {0};
    out->planes = codec->num_components;
    for (int i = 0; i < out->planes; i++) {
        const jpeg_component_info *c = &codec->comp_info[i];
        out->plane[i] = (twi_plane){.width = c->downsampled_width,
                                    .height = c->downsampled_height,
                                    .stride = (int64_t)c->width_in_blocks * SCALED_WIDTH(c),
                                    .is_half_wide = samples_across(codec, i) < samples_across(codec, 0),
                                    .is_half_high = samples_down(codec, i) < samples_down(codec, 0)};
        begin[i] = bytes;
        bytes += (size_t)out->plane[i].stride * codec->total_iMCU_rows * (size_t)samples_down(codec, i);
    }
    tw_status status = twi_decoder_reserve(out, codec->output_width, codec->output_height, bytes, r->err);
    for (int i = 0; i < out->planes && !status; i++)
        out->plane[i].at = out->rgb + begin[i];
    enum { ROWS = 4 * DCTSIZE };
    JSAMPROW rows[3][ROWS];
    JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
    for (int64_t group = 0; !status && codec->output_scanline < codec->output_height; group++) {
        for (int i = 0; i < out->planes; i++)
            for (int64_t n = samples_down(codec, i), row = 0; row < n; row++)
                rows[i][row] = out->rgb + begin[i] + (group * n + row) * out->plane[i].stride;
        jpeg_read_raw_data(codec, planes, ROWS);
    }
    return status;
}

// ------------------------------------------------------------------------------------------------------------- either

static tw_status decode(reader *r, const uint8_t *bytes, size_t n, const twi_picture_options *o,
                        twi_picture *out, int *orientation)
{
    struct jpeg_decompress_struct *codec = &r->codec;
    jpeg_create_decompress(codec);
    codec->mem->max_memory_to_use = MEMORY_MAX;
    codec->progress = &r->progress;
    jpeg_save_markers(codec, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(codec, bytes, n);
    jpeg_read_header(codec, TRUE);
    tw_status status =
        twi_decoder_size(out, codec->image_width, codec->image_height, n, PIXELS_A_BYTE, r->name, o, r->err);
    if (status)
        return status;
    *orientation = orientation_of(codec);
    bool is_inked = codec->jpeg_color_space == JCS_CMYK || codec->jpeg_color_space == JCS_YCCK;
    codec->out_color_space = is_inked ? JCS_CMYK : JCS_RGB;
    codec->scale_num = scale_of(codec, o, *orientation >= 5 && !o->ignore_exif);
    codec->scale_denom = 8;
    codec->dct_method = o->accurate_dct ? JDCT_ISLOW : JDCT_IFAST;
    codec->do_fancy_upsampling = TRUE;
    jpeg_calc_output_dimensions(codec);
    codec->raw_data_out = o->planes_welcome && (*orientation == 1 || o->ignore_exif) && fits_planes(codec);
    jpeg_start_decompress(codec);
    if (codec->raw_data_out)
        return read_planes(r, out);
    status = twi_picture_reserve(out, codec->output_width, codec->output_height, r->err);
    return status ? status : read_rows(r, o, out);
}

static tw_status jpeg_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, int *orientation, tw_err *err)
{
    reader r = {.name = name, .err = err};
    r.codec.err = jpeg_std_error(&r.base);
    r.base.error_exit = on_error;
    r.base.emit_message = on_message;
    r.base.output_message = on_text;
    r.progress.progress_monitor = on_progress;
    // `r` is changed only through pointers after setjmp, so it is not kept in registers.
    if (setjmp(r.escape) == 0)
        r.status = decode(&r, bytes, n, o, out, orientation);
    jpeg_destroy_decompress(&r.codec);
    return r.status;
}

static bool jpeg_is(const uint8_t *head, size_t n)
{
    return n >= 3 && memcmp(head, "\xFF\xD8\xFF", 3) == 0;
}

static void jpeg_version(char *text, size_t size)
{
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
    snprintf(text, size, "libjpeg-turbo %s", TEXT(LIBJPEG_TURBO_VERSION));
#undef TEXT
#undef TEXT_
}

const twi_picture_kind twi_picture_jpeg = {
    .name = "JPEG", .is = jpeg_is, .version = jpeg_version, .read = jpeg_read};

// ------------------------------------------------------------------------------------------------------------ writing

typedef struct writer {
    struct jpeg_error_mgr base;
    struct jpeg_compress_struct codec;
    jmp_buf escape;
    tw_err *err;
    unsigned char *bytes;
    unsigned long n;
} writer;

static void on_write_error(j_common_ptr codec)
{
    writer *w = (writer *)codec->err;
    char why[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, why);
    twi_fail(w->err, TW_EFAILED, "cannot write a JPEG: %s", why);
    longjmp(w->escape, 1);
}

static void encode(writer *w, const twi_picture *picture, int quality)
{
    struct jpeg_compress_struct *codec = &w->codec;
    jpeg_create_compress(codec);
    jpeg_mem_dest(codec, &w->bytes, &w->n);
    codec->image_width = (JDIMENSION)picture->width;
    codec->image_height = (JDIMENSION)picture->height;
    codec->input_components = 3;
    codec->in_color_space = JCS_RGB;
    jpeg_set_defaults(codec);
    jpeg_set_quality(codec, quality, TRUE);
    jpeg_start_compress(codec, TRUE);
    while (codec->next_scanline < codec->image_height) {
        JSAMPROW row = picture->rgb + (int64_t)codec->next_scanline * picture->width * 3;
        jpeg_write_scanlines(codec, &row, 1);
    }
    jpeg_finish_compress(codec);
}

tw_status twi_jpeg_write(const twi_picture *picture, int quality, uint8_t **bytes, size_t *n, tw_err *err)
{
    writer w = {.err = err};
    w.codec.err = jpeg_std_error(&w.base);
    w.base.error_exit = on_write_error;
    w.base.output_message = on_text;
    bool is_written = false;
    if (setjmp(w.escape) == 0) {
        encode(&w, picture, quality);
        *bytes = w.bytes;
        *n = w.n;
        is_written = true;
    }
    jpeg_destroy_compress(&w.codec);
    if (!is_written)
        twi_free(w.bytes); // the library's malloc; twi_free is free
    return is_written ? TW_OK : TW_EFAILED;
}
