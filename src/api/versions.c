// Versions of topwork and of what it stands on, for `topwork --version` and bug reports.
//
// Only what costs nothing is asked: --version must come back at once.

#include "base/error.h"
#include "op/op.h"

#include <gif_lib.h>
#include <jansson.h>
#include <stdio.h>
// after stdio.h, which it needs
#include <jpeglib.h>
#include <openssl/crypto.h>
#include <png.h>
#include <webp/decode.h>
#include <xxhash.h>
#include <zlib.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *tw_versions(char *buf, size_t size)
{
    if (!buf || size == 0)
        return buf;
    char compute[128] = "";
    twi_ops_versions(compute, sizeof compute);
    int webp = WebPGetDecoderVersion(), xxh = (int)XXH_versionNumber();
    snprintf(buf, size,
             "topwork %s\n"
             "%s\n"
             "zlib %s · jansson %s\n"
             "libjpeg API %d%s · libpng %s · libwebp %d.%d.%d · giflib %d.%d.%d\n"
             "%s · xxHash %d.%d.%d\n"
             "HEIC photos: %s\n"
             "fetching: %s\n",
             tw_version(), compute, zlibVersion(), JANSSON_VERSION, JPEG_LIB_VERSION,
#ifdef LIBJPEG_TURBO_VERSION
             " (libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION) ")",
#else
             "",
#endif
             png_get_libpng_ver(NULL), webp >> 16, webp >> 8 & 255, webp & 255, GIFLIB_MAJOR, GIFLIB_MINOR,
             GIFLIB_RELEASE, OpenSSL_version(OPENSSL_VERSION), xxh / 10000, xxh / 100 % 100, xxh % 100,
#ifdef TW_HAVE_HEIF
             "yes",
#else
             "no (libheif was not there at build time)",
#endif
#ifdef TW_HAVE_CURL
             "yes"
#else
             "no (libcurl was not there at build time)"
#endif
    );
    return buf;
}
