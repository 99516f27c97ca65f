// Thumbnails of report.html: small JPEGs as data URIs, so that the report stays one file. See html.h.

#include "data/recipe.h"
#include "report/html.h"

#include <string.h>

static void add_base64(twi_str *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < n ? (uint32_t)bytes[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63],
                        i + 1 < n ? digits[three >> 6 & 63] : '=', i + 2 < n ? digits[three & 63] : '='};
        twi_str_add_n(out, four, 4);
    }
}

// Means of boxes: smooth enough at this size. The picture keeps its proportions and is never enlarged.
static tw_status shrink(const twi_picture *from, int64_t side, twi_picture *to, tw_err *err)
{
    int64_t longest = from->width > from->height ? from->width : from->height;
    int64_t w = longest > side ? from->width * side / longest : from->width;
    int64_t h = longest > side ? from->height * side / longest : from->height;
    w = w > 0 ? w : 1, h = h > 0 ? h : 1;
    if (twi_picture_reserve(to, w, h, err))
        return TW_ENOMEM;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t x0 = x * from->width / w, x1 = (x + 1) * from->width / w, y0 = y * from->height / h,
                    y1 = (y + 1) * from->height / h;
            uint64_t sum[3] = {0}, n = (uint64_t)((x1 - x0) * (y1 - y0));
            for (int64_t v = y0; v < y1; v++)
                for (int64_t u = x0; u < x1; u++)
                    for (int c = 0; c < 3; c++)
                        sum[c] += from->rgb[(v * from->width + u) * 3 + c];
            for (int c = 0; c < 3; c++)
                to->rgb[(y * w + x) * 3 + c] = (uint8_t)((sum[c] + n / 2) / n);
        }
    return TW_OK;
}

bool twi_html_thumbnail(twi_str *out, const char *path, int64_t side)
{
    tw_err err = {0};
    twi_recipe_work work = {0};
    twi_picture full = {0}, small = {0};
    uint8_t *jpeg = NULL;
    size_t n_jpeg = 0;
    tw_status status = twi_recipe_read(path, &work, NULL, &err);
    twi_picture_options o = {.enough_width = side, .enough_height = side};
    if (!status)
        status = twi_picture_read(work.bytes, work.n, path, &o, &full, &err);
    if (!status)
        status = shrink(&full, side, &small, &err);
    if (!status)
        status = twi_jpeg_write(&small, 82, &jpeg, &n_jpeg, &err);
    if (!status) {
        twi_str_add(out, "data:image/jpeg;base64,");
        add_base64(out, jpeg, n_jpeg);
    }
    twi_free(jpeg);
    twi_recipe_work_clear(&work);
    twi_picture_clear(&small);
    twi_picture_clear(&full);
    return !status;
}
