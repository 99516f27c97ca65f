// Pictures: finding the format, the rules shared by all, turning upright. See picture.h.

#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TWI_PICTURE(name) extern const twi_picture_kind twi_picture_##name;
#include "codec/picture_list.inc"
#undef TWI_PICTURE

const twi_picture_kind *const twi_picture_kinds[] = {
#define TWI_PICTURE(name) &twi_picture_##name,
#include "codec/picture_list.inc"
#undef TWI_PICTURE
    NULL};

const twi_picture_kind *twi_picture_find(const uint8_t *head, size_t n)
{
    for (const twi_picture_kind *const *kind = twi_picture_kinds; *kind; kind++)
        if ((*kind)->is(head, n))
            return *kind;
    return NULL;
}

// ------------------------------------------------------------------------------------------------- what it is instead

typedef struct signature {
    size_t offset;
    const char *bytes; // letters match in either case
    const char *what;
} signature;

static const signature signatures[] = {
    {0, "%PDF-", "a PDF"},
    {0, "<!doctype html", "HTML text"},
    {0, "<html", "HTML text"},
    {0, "<head", "HTML text"},
    {0, "<svg", "an SVG drawing"},
    {0, "<?xml", "XML text"},
    {0, "PK\3\4", "a ZIP archive"},
    {0, "Rar!", "a RAR archive"},
    {0, "7z\xBC\xAF", "a 7-Zip archive"},
    {0, "\x1F\x8B", "a gzip archive"},
    {0, "\x89HDF", "an HDF5 file"},
    {0, "8BPS", "a Photoshop picture, which is not supported"},
    {4, "ftypqt", "a QuickTime video"},
    {4, "ftyp", "an MP4 video"},
    {8, "AVI ", "an AVI video"},
    {8, "WAVE", "a WAV sound"},
    {0, "\x1A\x45\xDF\xA3", "a Matroska or WebM video"},
    {0, "OggS", "an Ogg file"},
    {0, "ID3", "an MP3 sound"},
    {0,
     "\x7F"
     "ELF",
     "a program"},
    {0, "MZ", "a program"},
    {0, "{", "JSON text"},
};

static bool is_text(const uint8_t *head, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((head[i] < 32 && !strchr("\t\n\r\f", head[i])) || head[i] == 127 || head[i] == 0)
            return false;
    return true;
}

const char *twi_picture_guess(const uint8_t *head, size_t n)
{
    if (n == 0)
        return "an empty file";
    if (n >= 4 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0))
        return "a TIFF picture, which is not supported";
    const uint8_t *start = head; // text may begin with a byte order mark and blanks
    size_t left = n;
    if (left >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
        start += 3, left -= 3;
    while (left && (*start == ' ' || *start == '\n' || *start == '\r' || *start == '\t'))
        start++, left--;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        size_t length = strlen(s->bytes);
        const uint8_t *from = s->bytes[0] == '<' || s->bytes[0] == '{' ? start : head;
        size_t room = from == start ? left : n;
        if (room >= s->offset + length && strncasecmp((const char *)from + s->offset, s->bytes, length) == 0)
            return s->what;
    }
    size_t zeros = 0;
    while (zeros < n && head[zeros] == 0)
        zeros++;
    return zeros == n ? "nothing but zeros" : is_text(head, n) ? "text" : "unknown data";
}

// ------------------------------------------------------------------------------------------------------ shared rules

static tw_status reserve(uint8_t **at, size_t *room, size_t bytes, tw_err *err)
{
    if (*room >= bytes)
        return TW_OK;
    twi_free(*at); // what is there is not needed: no copy
    *room = 0;
    // 16 bytes more: the resize loads whole vectors
    *at = twi_new_aligned(bytes + 16, 1, "a picture", err);
    if (!*at)
        return TW_ENOMEM;
    *room = bytes;
    return TW_OK;
}

tw_status twi_decoder_reserve(twi_picture *out, int64_t width, int64_t height, size_t bytes, tw_err *err)
{
    tw_status status = reserve(&out->rgb, &out->room, bytes, err);
    out->width = status ? 0 : width;
    out->height = status ? 0 : height;
    return status;
}

tw_status twi_picture_reserve(twi_picture *out, int64_t width, int64_t height, tw_err *err)
{
    return twi_decoder_reserve(out, width, height, (size_t)width * (size_t)height * 3, err);
}

void twi_picture_clear(twi_picture *picture)
{
    twi_free(picture->rgb);
    twi_free(picture->spare);
    *picture = (twi_picture){0};
}

uint8_t *twi_decoder_spare(twi_picture *out, size_t bytes, tw_err *err)
{
    return reserve(&out->spare, &out->spare_room, bytes, err) ? NULL : out->spare;
}

tw_status twi_decoder_size(twi_picture *out, int64_t width, int64_t height, size_t n, int64_t density,
                           const char *name, const twi_picture_options *o, tw_err *err)
{
    int64_t most = o->pixels_max ? o->pixels_max : TWI_PICTURE_PIXELS_MAX;
    if (width < 1 || height < 1)
        return twi_fail_at(err, TW_EMALFORMED, name, -1, "%s: empty picture of %lld × %lld pixels", name,
                           (long long)width, (long long)height);
    if (width > TWI_PICTURE_SIDE_MAX || height > TWI_PICTURE_SIDE_MAX || width * height > most)
        return twi_fail_at(err, TW_EMALFORMED, name, -1,
                           "%s: claims %lld × %lld pixels, more than the limit of %lld", name,
                           (long long)width, (long long)height, (long long)most);
    if (density && width * height / density > (int64_t)n)
        return twi_fail_at(err, TW_EMALFORMED, name, -1,
                           "%s: claims %lld × %lld pixels, more than its %zu bytes can hold", name,
                           (long long)width, (long long)height, n);
    out->full_width = width;
    out->full_height = height;
    return TW_OK;
}

void twi_decoder_on_white(const uint8_t *rgba, int64_t n, uint8_t *rgb)
{
    for (int64_t i = 0; i < n; i++, rgba += 4, rgb += 3) {
        int alpha = rgba[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)((rgba[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

tw_status twi_decoder_early(const char *name, const char *format, tw_err *err)
{
    return twi_fail_at(err, TW_EMALFORMED, name, -1, "%s: %s ends early", name, format);
}

tw_status twi_decoder_damaged(const char *name, const char *format, const char *why, tw_err *err)
{
    return twi_fail_at(err, TW_EMALFORMED, name, -1, "%s: damaged %s: %s", name, format, why);
}

// --------------------------------------------------------------------------------------------------- turning upright

enum { TILE = 32 }; // pixels: a tile of source and result stays in the first cache

// Moves the picture from rgb through spare: result (x, y) is the stored pixel at origin + x·dx + y·dy.
static tw_status turn(twi_picture *p, int orientation, tw_err *err)
{
    int64_t w = p->width, h = p->height, row = w * 3;
    uint8_t *to = twi_decoder_spare(p, (size_t)(row * h), err);
    if (!to)
        return TW_ENOMEM;
    bool is_flipped_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool is_flipped_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool is_transposed = orientation >= 5;
    int64_t step_x = is_flipped_x ? -3 : 3, step_y = is_flipped_y ? -row : row;
    const uint8_t *origin = p->rgb + (is_flipped_x ? row - 3 : 0) + (is_flipped_y ? row * (h - 1) : 0);
    int64_t dx = is_transposed ? step_y : step_x, dy = is_transposed ? step_x : step_y;
    int64_t out_w = is_transposed ? h : w, out_h = is_transposed ? w : h;
    for (int64_t top = 0; top < out_h; top += TILE)
        for (int64_t left = 0; left < out_w; left += TILE)
            for (int64_t y = top; y < out_h && y < top + TILE; y++)
                for (int64_t x = left; x < out_w && x < left + TILE; x++)
                    memcpy(to + (y * out_w + x) * 3, origin + x * dx + y * dy, 3);
    size_t room = p->room;
    p->spare = p->rgb, p->room = p->spare_room;
    p->rgb = to, p->spare_room = room;
    p->width = out_w, p->height = out_h;
    if (is_transposed) {
        int64_t full = p->full_width;
        p->full_width = p->full_height;
        p->full_height = full;
    }
    return TW_OK;
}

tw_status twi_picture_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, tw_err *err)
{
    const twi_picture_kind *kind = twi_picture_find(bytes, n);
    if (!kind)
        return twi_fail_at(err, TW_EMALFORMED, name, 0, "%s: no picture: %s", name,
                           twi_picture_guess(bytes, n < 64 ? n : 64));
    int orientation = 1;
    out->planes = 0;
    tw_status status = kind->read(bytes, n, name, o, out, &orientation, err);
    if (!status && orientation > 1 && !o->ignore_exif)
        status = turn(out, orientation, err);
    return status;
}
