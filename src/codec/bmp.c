// BMP: 1, 4, 8, 16, 24 and 32 bits, palettes, bit fields, run lengths, either row order.
//
// Layout   "BM" · u32 size · u32 0 · u32 offset of the pixels, then a description whose first u32 is its length: 12 (OS/2:
//          u16 width, height, planes, bits) or 40 and more (i32 width, height; u16 planes, bits; u32 compression, …,
//          u32 colours used at byte 32); masks of bit fields; palette of BGR(0); rows padded to four bytes, the
//          last row first unless the height is negative.
// Source   Microsoft's BITMAPINFOHEADER … BITMAPV5HEADER, "Bitmap compression".
//
// Own parser: the format is small, and no library in Debian does only this.

#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BIT_FIELDS = 3, ALPHA_BIT_FIELDS = 6 };

typedef struct bmp {
    const uint8_t *bytes;
    size_t n;
    const char *name;
    int64_t width, height;
    uint32_t bits, compression;
    bool is_top_down;
    size_t pixels;          // offset
    const uint8_t *palette; // `colours` entries of `entry` bytes
    uint32_t colours, entry;
    uint32_t mask[4]; // red, green, blue, alpha
} bmp;

static int64_t signed32(const uint8_t *p)
{
    return (int32_t)twi_le32(p);
}

static tw_status read_masks(bmp *b, uint32_t head, tw_err *err)
{
    static const uint32_t of_16[] = {0x7C00, 0x03E0, 0x001F, 0}, of_32[] = {0xFF0000, 0x00FF00, 0x0000FF, 0};
    memcpy(b->mask, b->bits == 16 ? of_16 : of_32, sizeof b->mask);
    if (b->compression != BIT_FIELDS && b->compression != ALPHA_BIT_FIELDS)
        return TW_OK;
    // The masks follow a description of 40 bytes, and are part of a longer one: the same place.
    bool has_alpha = b->compression == ALPHA_BIT_FIELDS || head >= 56;
    if (b->n < 54 + (has_alpha ? 16u : 12u))
        return twi_decoder_early(b->name, "BMP", err);
    b->mask[3] = 0;
    for (int i = 0; i < (has_alpha ? 4 : 3); i++)
        b->mask[i] = twi_le32(b->bytes + 54 + 4 * i);
    return TW_OK;
}

static tw_status read_palette(bmp *b, uint32_t head, uint32_t used, tw_err *err)
{
    if (b->bits > 8)
        return TW_OK;
    size_t at = 14 + (size_t)head;
    if (head == 40 && b->compression == BIT_FIELDS)
        at += 12;
    uint32_t most = 1u << b->bits;
    b->colours = used && used < most ? used : most;
    b->entry = head == 12 ? 3 : 4;
    if (at > b->n)
        return twi_decoder_early(b->name, "BMP", err);
    // Some writers leave the end of the palette out: what is missing is black.
    size_t there = (b->n - at) / b->entry;
    if (b->pixels > at && (b->pixels - at) / b->entry < there)
        there = (b->pixels - at) / b->entry;
    if (b->colours > there)
        b->colours = (uint32_t)there;
    b->palette = b->bytes + at;
    return TW_OK;
}

static tw_status read_head(bmp *b, tw_err *err)
{
    if (b->n < 26)
        return twi_decoder_early(b->name, "BMP", err);
    uint32_t head = twi_le32(b->bytes + 14), used = 0;
    b->pixels = twi_le32(b->bytes + 10);
    if (head == 12) {
        b->width = twi_le16(b->bytes + 18);
        b->height = twi_le16(b->bytes + 20);
        b->bits = twi_le16(b->bytes + 24);
    } else if (head >= 40 && head <= 1024) {
        if (b->n < 54)
            return twi_decoder_early(b->name, "BMP", err);
        b->width = signed32(b->bytes + 18);
        b->height = signed32(b->bytes + 22);
        b->bits = twi_le16(b->bytes + 28);
        b->compression = twi_le32(b->bytes + 30);
        used = twi_le32(b->bytes + 46);
        b->is_top_down = b->height < 0;
        b->height = b->height < 0 ? -b->height : b->height;
    } else {
        return twi_decoder_damaged(b->name, "BMP", "unknown description", err);
    }
    bool is_known =
        b->compression == RGB
            ? b->bits == 1 || b->bits == 4 || b->bits == 8 || b->bits == 16 || b->bits == 24 || b->bits == 32
        : b->compression == RLE8 ? b->bits == 8
        : b->compression == RLE4 ? b->bits == 4
                                 : (b->compression == BIT_FIELDS || b->compression == ALPHA_BIT_FIELDS) &&
                                       (b->bits == 16 || b->bits == 32);
    if (!is_known)
        return twi_fail_at(err, TW_EMALFORMED, b->name, 28,
                           "%s: BMP of %u bits with compression %u is not supported", b->name, b->bits,
                           b->compression);
    tw_status status = read_masks(b, head, err);
    return status ? status : read_palette(b, head, used, err);
}

static void put_colour(const bmp *b, uint32_t index, uint8_t *rgb)
{
    memset(rgb, 0, 3);
    if (index >= b->colours)
        return;
    const uint8_t *bgr = b->palette + (size_t)index * b->entry;
    rgb[0] = bgr[2], rgb[1] = bgr[1], rgb[2] = bgr[0];
}

static uint8_t *row_of(const bmp *b, int64_t y, twi_picture *out)
{
    return out->rgb + (b->is_top_down ? y : b->height - 1 - y) * b->width * 3;
}

// A component of 1 … 32 bits as 8 bits; truncates, as Pillow does.
static uint8_t component(uint32_t pixel, uint32_t mask)
{
    if (!mask)
        return 0;
    int shift = __builtin_ctz(mask);
    uint32_t most = mask >> shift, v = (pixel & mask) >> shift;
    return (uint8_t)((uint64_t)v * 255 / most);
}

static void read_masked(const bmp *b, const uint8_t *row, bool keeps_alpha, uint8_t *rgb)
{
    uint8_t four[4];
    for (int64_t x = 0; x < b->width; x++, rgb += 3) {
        uint32_t pixel = b->bits == 16 ? twi_le16(row + 2 * x) : twi_le32(row + 4 * x);
        for (int c = 0; c < 4; c++)
            four[c] = component(pixel, b->mask[c]);
        memcpy(rgb, four, 3);
        if (keeps_alpha)
            twi_decoder_on_white(four, 1, rgb);
    }
}

// A mask for alpha whose bits are zero everywhere is a writer's mistake: the picture is meant to be seen.
static bool has_alpha(const bmp *b, int64_t stride)
{
    for (int64_t y = 0; b->mask[3] && y < b->height; y++) {
        const uint8_t *row = b->bytes + b->pixels + (size_t)(y * stride);
        for (int64_t x = 0; x < b->width; x++)
            if ((b->bits == 16 ? twi_le16(row + 2 * x) : twi_le32(row + 4 * x)) & b->mask[3])
                return true;
    }
    return false;
}

static tw_status read_plain(const bmp *b, const twi_picture_options *o, twi_picture *out, tw_err *err)
{
    int64_t used = (b->width * b->bits + 7) / 8, stride = (used + 3) & ~INT64_C(3);
    int64_t need = stride * (b->height - 1) + used;
    if (b->pixels > b->n || need > (int64_t)(b->n - b->pixels))
        return twi_decoder_early(b->name, "BMP", err);
    bool keeps_alpha = o->alpha == TWI_ALPHA_WHITE && b->bits != 24 && b->bits > 8 && has_alpha(b, stride);
    for (int64_t y = 0; y < b->height; y++) {
        const uint8_t *row = b->bytes + b->pixels + (size_t)(y * stride);
        uint8_t *rgb = row_of(b, y, out);
        if (b->bits == 24)
            for (int64_t x = 0; x < b->width; x++)
                rgb[3 * x] = row[3 * x + 2], rgb[3 * x + 1] = row[3 * x + 1], rgb[3 * x + 2] = row[3 * x];
        else if (b->bits > 8)
            read_masked(b, row, keeps_alpha, rgb);
        else
            for (int64_t x = 0; x < b->width; x++) {
                int64_t bit = x * b->bits;
                uint32_t shift = 8 - b->bits - (uint32_t)(bit & 7);
                put_colour(b, row[bit >> 3] >> shift & ((1u << b->bits) - 1), rgb + 3 * x);
            }
    }
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------- run lengths
//
// Pairs (count, value): a run. Count 0 escapes: value 0 ends the row, 1 ends the picture, 2 moves by (dx, dy), 3 and more is
// that many pixels as they are, padded to two bytes. In RLE4 a value holds two pixels that take turns.

typedef struct run {
    const bmp *b;
    twi_picture *out;
    size_t at;
    int64_t x, y;
} run;

static void put_run(run *r, uint32_t index)
{
    if (r->x < r->b->width && r->y < r->b->height)
        put_colour(r->b, index, row_of(r->b, r->y, r->out) + 3 * r->x);
    r->x++;
}

static uint32_t nibble(uint8_t value, int i)
{
    return i & 1 ? value & 15 : value >> 4;
}

// Pixels as they are; false where the file ends first.
static bool put_literal(run *r, int count)
{
    bool is_4 = r->b->bits == 4;
    size_t bytes = (size_t)(is_4 ? (count + 1) / 2 : count);
    if (bytes > r->b->n - r->at)
        return false;
    const uint8_t *from = r->b->bytes + r->at;
    for (int i = 0; i < count; i++)
        put_run(r, is_4 ? nibble(from[i / 2], i) : from[i]);
    r->at += bytes + (bytes & 1);
    return true;
}

static tw_status read_runs(const bmp *b, twi_picture *out, tw_err *err)
{
    run r = {.b = b, .out = out, .at = b->pixels};
    for (int64_t i = 0; i < b->width * b->height; i++)
        put_colour(b, 0, out->rgb + 3 * i); // what no run covers
    while (r.y < b->height) {
        if (r.at > b->n || b->n - r.at < 2)
            return twi_decoder_early(b->name, "BMP", err);
        int count = b->bytes[r.at], value = b->bytes[r.at + 1];
        r.at += 2;
        if (count) {
            for (int i = 0; i < count; i++)
                put_run(&r, b->bits == 4 ? nibble((uint8_t)value, i) : (uint32_t)value);
        } else if (value == 0) {
            r.x = 0, r.y++;
        } else if (value == 1) {
            break;
        } else if (value == 2) {
            if (b->n - r.at < 2)
                return twi_decoder_early(b->name, "BMP", err);
            r.x += b->bytes[r.at], r.y += b->bytes[r.at + 1];
            r.at += 2;
        } else if (!put_literal(&r, value)) {
            return twi_decoder_early(b->name, "BMP", err);
        }
    }
    return TW_OK;
}

static tw_status bmp_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                          twi_picture *out, int *orientation, tw_err *err)
{
    (void)orientation; // BMP carries no EXIF
    bmp b = {.bytes = bytes, .n = n, .name = name};
    tw_status status = read_head(&b, err);
    if (status || (status = twi_decoder_size(out, b.width, b.height, n, 0, name, o, err)) ||
        (status = twi_picture_reserve(out, b.width, b.height, err)))
        return status;
    return b.compression == RLE8 || b.compression == RLE4 ? read_runs(&b, out, err)
                                                          : read_plain(&b, o, out, err);
}

static bool bmp_is(const uint8_t *head, size_t n)
{
    // "BM" also begins words: the description's length must look like one
    return n >= 18 && head[0] == 'B' && head[1] == 'M' && twi_le32(head + 14) <= 1024;
}

static void bmp_version(char *text, size_t size)
{
    snprintf(text, size, "bmp 1"); // raise when the decoder here gives other pixels
}

const twi_picture_kind twi_picture_bmp = {
    .name = "BMP", .is = bmp_is, .version = bmp_version, .read = bmp_read};
