// WebP: lossy, lossless, with alpha; of an animation the first frame, on its canvas.
//
// Source   WebP container specification; libwebp's decode.h and demux.h.

#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static tw_status failure(VP8StatusCode code, const char *name, tw_err *err)
{
    switch (code) {
    case VP8_STATUS_OK:
        return TW_OK;
    case VP8_STATUS_OUT_OF_MEMORY:
        return twi_fail_memory(err, 0, name);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return twi_decoder_early(name, "WebP", err);
    default:
        return twi_decoder_damaged(name, "WebP", "its data make no sense", err);
    }
}

// One still picture of width × height into `to`, three or four bytes a pixel.
static tw_status decode(const uint8_t *bytes, size_t n, int width, int height, int channels, uint8_t *to,
                        const char *name, tw_err *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return twi_fail(err, TW_EFAILED, "libwebp is older than the one topwork was built with");
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = to;
    config.output.u.RGBA.stride = width * channels;
    config.output.u.RGBA.size = (size_t)width * (size_t)height * (size_t)channels;
    VP8StatusCode code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    return failure(code, name, err);
}

static tw_status read_still(const uint8_t *bytes, size_t n, bool keeps_alpha, const char *name,
                            twi_picture *out, tw_err *err)
{
    int width = (int)out->width, height = (int)out->height;
    if (!keeps_alpha)
        return decode(bytes, n, width, height, 3, out->rgb, name, err);
    uint8_t *four = twi_decoder_spare(out, (size_t)width * (size_t)height * 4, err);
    tw_status status = four ? decode(bytes, n, width, height, 4, four, name, err) : TW_ENOMEM;
    if (!status)
        twi_decoder_on_white(four, (int64_t)width * height, out->rgb);
    return status;
}

// The first frame laid on an empty canvas: white, or black where alpha is dropped.
static tw_status lay_frame(const WebPIterator *frame, twi_photo_alpha alpha, const char *name,
                           twi_picture *out, tw_err *err)
{
    int64_t w = frame->width, h = frame->height, x = frame->x_offset, y = frame->y_offset;
    if (w < 1 || h < 1 || x < 0 || y < 0 || x + w > out->width || y + h > out->height)
        return twi_decoder_damaged(name, "WebP", "a frame lies outside the canvas", err);
    uint8_t *four = twi_decoder_spare(out, (size_t)(w * h) * 4, err);
    tw_status status =
        four ? decode(frame->fragment.bytes, frame->fragment.size, (int)w, (int)h, 4, four, name, err)
             : TW_ENOMEM;
    if (status)
        return status;
    memset(out->rgb, alpha == TWI_ALPHA_WHITE ? 255 : 0, (size_t)(out->width * out->height * 3));
    for (int64_t i = 0; i < h; i++) {
        uint8_t *to = out->rgb + ((y + i) * out->width + x) * 3;
        const uint8_t *from = four + i * w * 4;
        if (alpha == TWI_ALPHA_WHITE)
            twi_decoder_on_white(from, w, to);
        for (int64_t j = 0; alpha == TWI_ALPHA_DROP && j < w; j++)
            memcpy(to + j * 3, from + j * 4, 3);
    }
    return TW_OK;
}

static tw_status read_animation(const uint8_t *bytes, size_t n, const twi_picture_options *o,
                                const char *name, twi_picture *out, tw_err *err)
{
    WebPData data = {bytes, n};
    WebPDemuxState state;
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
    WebPIterator frame;
    tw_status status;
    if (demuxer && WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = frame.complete ? lay_frame(&frame, o->alpha, name, out, err)
                                : twi_decoder_early(name, "WebP", err);
        WebPDemuxReleaseIterator(&frame);
    } else {
        status = state == WEBP_DEMUX_PARSE_ERROR
                     ? twi_decoder_damaged(name, "WebP", "its data make no sense", err)
                     : twi_decoder_early(name, "WebP", err);
    }
    WebPDemuxDelete(demuxer);
    return status;
}

static int orientation_of(const uint8_t *bytes, size_t n)
{
    // RIFF: 12 bytes of head, then chunks: name[4], u32 size, data, padded to an even size
    for (size_t at = 12; n >= 8 && at <= n - 8;) {
        size_t size = twi_le32(bytes + at + 4), left = n - at - 8;
        if (size > left)
            break;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            return twi_exif_orientation(bytes + at + 8, size);
        at += 8 + size + (size & 1);
    }
    return 1;
}

static tw_status webp_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, int *orientation, tw_err *err)
{
    WebPBitstreamFeatures head;
    tw_status status = failure(WebPGetFeatures(bytes, n, &head), name, err);
    if (status || (status = twi_decoder_size(out, head.width, head.height, n, 0, name, o, err)) ||
        (status = twi_picture_reserve(out, head.width, head.height, err)))
        return status;
    *orientation = orientation_of(bytes, n);
    if (head.has_animation)
        return read_animation(bytes, n, o, name, out, err);
    return read_still(bytes, n, head.has_alpha && o->alpha == TWI_ALPHA_WHITE, name, out, err);
}

static bool webp_is(const uint8_t *head, size_t n)
{
    return n >= 12 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0;
}

static void webp_version(char *text, size_t size)
{
    int v = WebPGetDecoderVersion();
    snprintf(text, size, "libwebp %d.%d.%d", v >> 16, v >> 8 & 255, v & 255);
}

const twi_picture_kind twi_picture_webp = {
    .name = "WebP", .is = webp_is, .version = webp_version, .read = webp_read};
