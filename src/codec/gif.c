// GIF: the first frame, on a white canvas; transparent pixels and what the frame leaves out stay white (black where
// alpha is dropped, as TensorFlow does).
//
// Source   GIF89a specification; giflib's documentation. Later frames are not read.

#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>

#include <gif_lib.h>

// A code of 12 bits stands for at most 4096 pixels.
enum { PIXELS_A_BYTE = 4096 };

typedef struct reader {
    const uint8_t *bytes;
    size_t n, at;
    GifFileType *gif;
    const char *name;
    tw_err *err;
    bool is_early; // the file has no more bytes
    int transparent;
} reader;

static int on_read(GifFileType *gif, GifByteType *to, int n)
{
    reader *r = gif->UserData;
    size_t left = r->n - r->at, wanted = n < 0 ? 0 : (size_t)n;
    if (wanted > left) {
        r->is_early = true;
        wanted = left;
    }
    memcpy(to, r->bytes + r->at, wanted);
    r->at += wanted;
    return (int)wanted;
}

static tw_status failure(const reader *r, int code)
{
    if (r->is_early)
        return twi_decoder_early(r->name, "GIF", r->err);
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
        return twi_fail_memory(r->err, 0, "a GIF");
    const char *why = GifErrorString(code);
    return twi_decoder_damaged(r->name, "GIF", why ? why : "its data make no sense", r->err);
}

// Reads up to the first frame's description.
static tw_status find_frame(reader *r)
{
    for (;;) {
        GifRecordType type;
        if (DGifGetRecordType(r->gif, &type) != GIF_OK)
            return failure(r, r->gif->Error);
        if (type == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(r->gif) == GIF_OK ? TW_OK : failure(r, r->gif->Error);
        if (type == TERMINATE_RECORD_TYPE)
            return twi_decoder_damaged(r->name, "GIF", "no picture in it", r->err);
        if (type != EXTENSION_RECORD_TYPE)
            continue;
        int code;
        GifByteType *data;
        if (DGifGetExtension(r->gif, &code, &data) != GIF_OK)
            return failure(r, r->gif->Error);
        // graphics control: length 4, flags (bit 0: has a transparent colour), delay, colour
        if (code == GRAPHICS_EXT_FUNC_CODE && data && data[0] >= 4)
            r->transparent = data[1] & 1 ? data[4] : -1;
        while (data)
            if (DGifGetExtensionNext(r->gif, &data) != GIF_OK)
                return failure(r, r->gif->Error);
    }
}

static void lay_row(const reader *r, const ColorMapObject *map, const uint8_t *row, int64_t y,
                    twi_picture *out)
{
    const GifImageDesc *frame = &r->gif->Image;
    for (int64_t i = 0; i < frame->Width && frame->Left + i < out->width; i++) {
        if (row[i] == r->transparent)
            continue;
        uint8_t *to = out->rgb + (y * out->width + frame->Left + i) * 3;
        GifColorType colour = row[i] < map->ColorCount ? map->Colors[row[i]] : (GifColorType){0};
        to[0] = colour.Red, to[1] = colour.Green, to[2] = colour.Blue;
    }
}

static tw_status read_rows(reader *r, twi_picture *out)
{
    static const uint8_t first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2}; // interlacing: four passes
    const GifImageDesc *frame = &r->gif->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : r->gif->SColorMap;
    if (!map || frame->Left < 0 || frame->Top < 0)
        return twi_decoder_damaged(r->name, "GIF", "no colours", r->err);
    uint8_t *row = twi_decoder_spare(out, (size_t)frame->Width, r->err);
    if (!row)
        return TW_ENOMEM;
    for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++)
        for (int64_t y = frame->Interlace ? first[pass] : 0; y < frame->Height;
             y += frame->Interlace ? step[pass] : 1) {
            if (DGifGetLine(r->gif, row, frame->Width) != GIF_OK)
                return failure(r, r->gif->Error);
            if (frame->Top + y < out->height)
                lay_row(r, map, row, frame->Top + y, out);
        }
    return TW_OK;
}

static tw_status decode(reader *r, const twi_picture_options *o, twi_picture *out)
{
    int64_t width = r->gif->SWidth, height = r->gif->SHeight;
    tw_status status = twi_decoder_size(out, width, height, r->n, PIXELS_A_BYTE, r->name, o, r->err);
    if (status || (status = find_frame(r)))
        return status;
    status = twi_decoder_size(out, r->gif->Image.Width, r->gif->Image.Height, r->n, PIXELS_A_BYTE, r->name, o,
                              r->err);
    if (status || (status = twi_picture_reserve(out, width, height, r->err)))
        return status;
    out->full_width = width, out->full_height = height;
    memset(out->rgb, o->alpha == TWI_ALPHA_WHITE ? 255 : 0, (size_t)(width * height * 3));
    return read_rows(r, out);
}

static tw_status gif_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                          twi_picture *out, int *orientation, tw_err *err)
{
    (void)orientation; // GIF carries no EXIF
    reader r = {.bytes = bytes, .n = n, .name = name, .err = err, .transparent = -1};
    int code = 0;
    r.gif = DGifOpen(&r, on_read, &code);
    if (!r.gif)
        return failure(&r, code);
    tw_status status = decode(&r, o, out);
    DGifCloseFile(r.gif, &code);
    return status;
}

static bool gif_is(const uint8_t *head, size_t n)
{
    return n >= 6 && (memcmp(head, "GIF87a", 6) == 0 || memcmp(head, "GIF89a", 6) == 0);
}

static void gif_version(char *text, size_t size)
{
    snprintf(text, size, "giflib %d.%d.%d", GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE);
}

const twi_picture_kind twi_picture_gif = {
    .name = "GIF", .is = gif_is, .version = gif_version, .read = gif_read};
