// HEIF: HEIC photos of phones, and AVIF, through libheif.
//
// The library is loaded when the first such photo is met: it and its video codecs cost 20 ms of every start otherwise, and
// need not be installed. Built without its header (no TW_HAVE_HEIF) the format is recognised and refused.
// libheif turns the picture by its own transformation boxes, so there is no orientation left to apply; with ignore_exif
// they are left out.
// Source   ISO/IEC 23008-12; libheif's heif.h.

#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>

static bool heif_is(const uint8_t *head, size_t n)
{
    static const char brands[] = "heic heix heim heis hevc hevx mif1 msf1 avif avis";
    if (n < 12 || memcmp(head + 4, "ftyp", 4) != 0)
        return false;
    char brand[5] = {0};
    memcpy(brand, head + 8, 4);
    return strlen(brand) == 4 && !strchr(brand, ' ') && strstr(brands, brand);
}

#ifdef TW_HAVE_HEIF

#include <dlfcn.h>
#include <pthread.h>

#include <libheif/heif.h>

// The functions used, bound at the first picture.
#define FUNCTIONS(F)                              \
    F(heif_context_alloc)                         \
    F(heif_context_free)                          \
    F(heif_context_read_from_memory_without_copy) \
    F(heif_context_get_primary_image_handle)      \
    F(heif_context_set_maximum_image_size_limit)  \
    F(heif_image_handle_release)                  \
    F(heif_image_handle_get_width)                \
    F(heif_image_handle_get_height)               \
    F(heif_image_handle_has_alpha_channel)        \
    F(heif_decode_image)                          \
    F(heif_decoding_options_alloc)                \
    F(heif_decoding_options_free)                 \
    F(heif_image_get_plane_readonly)              \
    F(heif_image_get_width)                       \
    F(heif_image_get_height)                      \
    F(heif_image_release)

typedef struct handle {
    bool is_loaded;
#define F(name) __typeof__(&name) name;
    FUNCTIONS(F)
#undef F
} handle;

static handle heif_handle;
static pthread_once_t heif_once = PTHREAD_ONCE_INIT;

static void load(void)
{
    void *library = dlopen("libheif.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    bool is_whole = true;
#define F(name)                                            \
    {                                                      \
        void *symbol = dlsym(library, #name);              \
        memcpy(&heif_handle.name, &symbol, sizeof symbol); \
        is_whole = is_whole && symbol;                     \
    }
    FUNCTIONS(F)
#undef F
    heif_handle.is_loaded = is_whole;
}

static tw_status failure(struct heif_error e, const char *name, tw_err *err)
{
    if (e.code == heif_error_Memory_allocation_error && e.subcode != heif_suberror_Security_limit_exceeded)
        return twi_fail_memory(err, 0, name);
    if (e.code == heif_error_Unsupported_feature || e.code == heif_error_Unsupported_filetype)
        return twi_fail_at(err, TW_EUNSUPPORTED, name, -1, "%s: not supported yet: HEIF: %s", name,
                           e.message);
    if (e.subcode == heif_suberror_End_of_data)
        return twi_decoder_early(name, "HEIF", err);
    return twi_decoder_damaged(name, "HEIF", e.message ? e.message : "its data make no sense", err);
}

static tw_status copy_rows(const struct heif_image *image, bool has_alpha, twi_photo_alpha alpha,
                           const char *name, twi_picture *out, tw_err *err)
{
    int stride = 0;
    const uint8_t *plane =
        heif_handle.heif_image_get_plane_readonly(image, heif_channel_interleaved, &stride);
    int64_t width = heif_handle.heif_image_get_width(image, heif_channel_interleaved);
    int64_t height = heif_handle.heif_image_get_height(image, heif_channel_interleaved);
    if (!plane || width < 1 || height < 1)
        return twi_decoder_damaged(name, "HEIF", "no picture in it", err);
    tw_status status = twi_picture_reserve(out, width, height, err);
    if (status)
        return status;
    out->full_width = width, out->full_height = height;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *from = plane + y * stride;
        uint8_t *to = out->rgb + y * width * 3;
        if (!has_alpha)
            memcpy(to, from, (size_t)width * 3);
        else if (alpha == TWI_ALPHA_WHITE)
            twi_decoder_on_white(from, width, to);
        else
            for (int64_t x = 0; x < width; x++)
                memcpy(to + 3 * x, from + 4 * x, 3);
    }
    return TW_OK;
}

static tw_status decode(struct heif_context *context, const uint8_t *bytes, size_t n, const char *name,
                        const twi_picture_options *o, twi_picture *out, tw_err *err)
{
    struct heif_image_handle *picture = NULL;
    struct heif_image *image = NULL;
    heif_handle.heif_context_set_maximum_image_size_limit(context, 1 << 14);
    struct heif_error e = heif_handle.heif_context_read_from_memory_without_copy(context, bytes, n, NULL);
    if (e.code == heif_error_Ok)
        e = heif_handle.heif_context_get_primary_image_handle(context, &picture);
    if (e.code != heif_error_Ok)
        return failure(e, name, err);
    tw_status status =
        twi_decoder_size(out, heif_handle.heif_image_handle_get_width(picture),
                         heif_handle.heif_image_handle_get_height(picture), n, 0, name, o, err);
    struct heif_decoding_options *how = heif_handle.heif_decoding_options_alloc();
    if (!status && !how)
        status = twi_fail_memory(err, sizeof *how, name);
    if (!status) {
        bool has_alpha = heif_handle.heif_image_handle_has_alpha_channel(picture);
        how->ignore_transformations = o->ignore_exif;
        e = heif_handle.heif_decode_image(
            picture, &image, heif_colorspace_RGB,
            has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, how);
        status = e.code == heif_error_Ok ? copy_rows(image, has_alpha, o->alpha, name, out, err)
                                         : failure(e, name, err);
    }
    if (how)
        heif_handle.heif_decoding_options_free(how);
    if (image)
        heif_handle.heif_image_release(image);
    heif_handle.heif_image_handle_release(picture);
    return status;
}

static tw_status heif_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, int *orientation, tw_err *err)
{
    (void)orientation;
    pthread_once(&heif_once, load);
    if (!heif_handle.is_loaded)
        return twi_fail_at(err, TW_EUNSUPPORTED, name, -1,
                           "%s: not supported yet: HEIF without libheif.so.1\ninstall  libheif1", name);
    struct heif_context *context = heif_handle.heif_context_alloc();
    if (!context)
        return twi_fail_memory(err, 0, name);
    tw_status status = decode(context, bytes, n, name, o, out, err);
    heif_handle.heif_context_free(context);
    return status;
}

static void heif_version(char *text, size_t size)
{
    snprintf(text, size, "libheif %s", LIBHEIF_VERSION);
}

#else

static tw_status heif_read(const uint8_t *bytes, size_t n, const char *name, const twi_picture_options *o,
                           twi_picture *out, int *orientation, tw_err *err)
{
    (void)bytes, (void)n, (void)o, (void)out, (void)orientation;
    return twi_fail_at(err, TW_EUNSUPPORTED, name, -1,
                       "%s: not supported yet: HEIF (topwork was built without libheif)", name);
}

static void heif_version(char *text, size_t size)
{
    snprintf(text, size, "no libheif");
}

#endif

const twi_picture_kind twi_picture_heif = {
    .name = "HEIF", .is = heif_is, .version = heif_version, .read = heif_read};
