// Resizing: the pixels of TensorFlow, of JAX (whose formula TensorFlow shares) and of Pillow.
//
// Goldens: tests/golden/resize, made by tools/golden_pictures.py from the same pattern as below.

#include "testing.h"

#include "base/source.h"
#include "data/resize.h"

// The source picture of the goldens.
static twi_picture pattern(int64_t w, int64_t h)
{
    twi_picture p = {0};
    tw_err err = {0};
    twi_picture_reserve(&p, w, h, &err);
    expect_ok(err);
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t c = 0; c < 3; c++)
                p.rgb[(y * w + x) * 3 + c] = (uint8_t)(x * 7 + y * 13 + c * 29 + x * y % 31 * 5);
    return p;
}

static float *resized(const twi_resample *r, const twi_pixels *pixels)
{
    tw_err err = {0};
    void *scratch = twi_new_aligned(twi_resample_scratch(r), 1, "a test", &err);
    // exactly as large as needed, so that the address sanitizer sees a write too far
    float *dst = twi_new((size_t)(r->out_width * r->out_height * 3), sizeof *dst, "a test", &err);
    expect_ok(err);
    twi_resample_run(r, pixels, scratch, dst, r->out_width * 3);
    twi_free(scratch);
    return dst;
}

static twi_resample whole(const twi_picture *p, int64_t out_w, int64_t out_h, twi_filter filter)
{
    return (twi_resample){p, 0, 0, p->width, p->height, out_w, out_h, filter};
}

static void *golden(const char *name, size_t expected)
{
    char path[256];
    tw_err err = {0};
    twi_source s;
    snprintf(path, sizeof path, "tests/golden/resize/%s", name);
    twi_source_open(&s, test_path(path), &err);
    expect_ok(err);
    size_t n;
    void *bytes = twi_source_all(&s, &n, &err);
    expect_ok(err);
    twi_source_close(&s);
    assert_int_equal(n, expected);
    return bytes;
}

static const int64_t cases[][4] = {{37, 23, 16, 16}, {16, 16, 37, 23}, {50, 40, 10, 13}, {33, 9, 33, 4},
                                   {3, 1, 5, 4},     {1, 1, 2, 2},     {200, 150, 7, 9}, {20, 30, 20, 30}};
enum { CASES = sizeof cases / sizeof *cases };

static void antialias_is_jax(void **state)
{
    (void)state;
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    for (int i = 0; i < CASES; i++) {
        const int64_t *c = cases[i];
        char name[64];
        snprintf(name, sizeof name, "%dx%d-%dx%d.antialias", (int)c[0], (int)c[1], (int)c[2], (int)c[3]);
        size_t n = (size_t)(c[2] * c[3] * 3);
        twi_picture p = pattern(c[0], c[1]);
        twi_resample r = whole(&p, c[2], c[3], TWI_FILTER_TF_ANTIALIAS);
        float *got = resized(&r, &raw), *expected = golden(name, n * 4);
        for (size_t k = 0; k < n; k++)
            expect_near(got[k], expected[k], 2e-4);
        twi_free(got);
        twi_free(expected);
        twi_picture_clear(&p);
    }
}

static void pil_is_pillow_to_the_bit(void **state)
{
    (void)state;
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    for (int i = 0; i <= CASES; i++) {
        bool is_box = i == CASES; // load_img(keep_aspect_ratio=True)
        const int64_t box[] = {50, 40, 8, 8}, *c = is_box ? box : cases[i];
        char name[64];
        snprintf(name, sizeof name, is_box ? "50x40-box.pil" : "%dx%d-%dx%d.pil", (int)c[0], (int)c[1],
                 (int)c[2], (int)c[3]);
        size_t n = (size_t)(c[2] * c[3] * 3);
        twi_picture p = pattern(c[0], c[1]);
        twi_resample r = whole(&p, c[2], c[3], TWI_FILTER_PIL);
        if (is_box)
            r.left = 5, r.wide = 40;
        float *got = resized(&r, &raw);
        uint8_t *expected = golden(name, n);
        for (size_t k = 0; k < n; k++)
            if (got[k] != (float)expected[k])
                fail_msg("%s: value %zu is %g, expected %d", name, k, (double)got[k], expected[k]);
        twi_free(got);
        twi_free(expected);
        twi_picture_clear(&p);
    }
}

// Keras's own example (interop f2): 0, 60, 120, 180 → two pixels.
static void known_values_of_the_flavours(void **state)
{
    (void)state;
    uint8_t rgb[32] = {0, 0, 0, 60, 60, 60, 120, 120, 120, 180, 180, 180};
    twi_picture p = {.width = 4, .height = 1, .rgb = rgb};
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    const double expected[][2] = {[TWI_FILTER_TF] = {30, 150}, [TWI_FILTER_PIL] = {43, 137}};
    for (int filter = TWI_FILTER_TF; filter <= TWI_FILTER_PIL; filter++) {
        twi_resample r = whole(&p, 2, 1, (twi_filter)filter);
        float *got = resized(&r, &raw);
        expect_near(got[0], expected[filter][0], 0);
        expect_near(got[3], expected[filter][1], 0);
        twi_free(got);
    }
}

static double clamped(const twi_picture *p, int64_t x, int64_t y, int64_t c)
{
    x = x < 0 ? 0 : x >= p->width ? p->width - 1 : x;
    y = y < 0 ? 0 : y >= p->height ? p->height - 1 : y;
    return p->rgb[(y * p->width + x) * 3 + c];
}

// tf.image.resize written down again in double precision: half-pixel centres, two taps, clamped.
static double two_taps(const twi_picture *p, double x, double y, int64_t c)
{
    double left = floor(x), top = floor(y), dx = x - left, dy = y - top;
    int64_t i = (int64_t)left, j = (int64_t)top;
    double above = clamped(p, i, j, c) * (1 - dx) + clamped(p, i + 1, j, c) * dx;
    double below = clamped(p, i, j + 1, c) * (1 - dx) + clamped(p, i + 1, j + 1, c) * dx;
    return above * (1 - dy) + below * dy;
}

static void tf_is_two_taps_around_half_pixel_centres(void **state)
{
    (void)state;
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    for (int i = 0; i < CASES; i++) {
        const int64_t *c = cases[i];
        twi_picture p = pattern(c[0], c[1]);
        twi_resample r = whole(&p, c[2], c[3], TWI_FILTER_TF);
        float *got = resized(&r, &raw);
        for (int64_t y = 0; y < c[3]; y++)
            for (int64_t x = 0; x < c[2]; x++)
                for (int64_t k = 0; k < 3; k++) {
                    double sx = ((double)x + 0.5) * (double)c[0] / (double)c[2] - 0.5;
                    double sy = ((double)y + 0.5) * (double)c[1] / (double)c[3] - 0.5;
                    expect_near(got[(y * c[2] + x) * 3 + k], two_taps(&p, sx, sy, k), 4e-3); // f32 positions
                }
        twi_free(got);
        twi_picture_clear(&p);
    }
}

static void a_part_is_resized_like_a_picture_of_its_own(void **state)
{
    (void)state;
    twi_picture p = pattern(50, 40), part = {0};
    tw_err err = {0};
    twi_picture_reserve(&part, 21, 17, &err);
    expect_ok(err);
    for (int64_t y = 0; y < 17; y++)
        memcpy(part.rgb + y * 21 * 3, p.rgb + ((y + 9) * 50 + 13) * 3, 21 * 3);
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    for (int filter = TWI_FILTER_TF_ANTIALIAS; filter <= TWI_FILTER_TF; filter++) {
        twi_resample inside = {&p, 13, 9, 21, 17, 8, 30, (twi_filter)filter};
        twi_resample alone = whole(&part, 8, 30, (twi_filter)filter);
        float *a = resized(&inside, &raw), *b = resized(&alone, &raw);
        assert_memory_equal(a, b, 8 * 30 * 3 * sizeof *a);
        twi_free(a);
        twi_free(b);
    }
    twi_picture_clear(&p);
    twi_picture_clear(&part);
}

static void a_flat_picture_stays_flat(void **state)
{
    (void)state;
    twi_pixels raw = twi_pixels_of(TWI_PIXELS_RAW);
    for (int filter = TWI_FILTER_TF_ANTIALIAS; filter <= TWI_FILTER_PIL; filter++)
        for (int64_t size = 1; size < 40; size += 3) {
            twi_picture p = pattern(size, 40 - size);
            memset(p.rgb, 200, (size_t)(size * (40 - size) * 3));
            twi_resample r = whole(&p, 17, 11, (twi_filter)filter);
            float *got = resized(&r, &raw);
            for (int i = 0; i < 17 * 11 * 3; i++)
                expect_near(got[i], 200, 1e-4);
            twi_free(got);
            twi_picture_clear(&p);
        }
}

// interop f3: RGB 10, 20, 30.
static void pixel_modes_are_keras(void **state)
{
    (void)state;
    const float rgb[] = {10, 20, 30};
    const double expected[][3] = {[TWI_PIXELS_RAW] = {10, 20, 30},
                                  [TWI_PIXELS_TF] = {-.92157, -.84314, -.76471},
                                  [TWI_PIXELS_TORCH] = {-1.94666, -1.68557, -1.28157},
                                  [TWI_PIXELS_CAFFE] = {-73.939, -96.779, -113.68},
                                  [TWI_PIXELS_LITE] = {-117. / 128, -107. / 128, -97. / 128},
                                  [TWI_PIXELS_UNIT] = {10 / 255., 20 / 255., 30 / 255.}};
    for (int mode = TWI_PIXELS_RAW; mode <= TWI_PIXELS_UNIT; mode++) {
        twi_pixels p = twi_pixels_of((twi_pixel_mode)mode);
        float got[3];
        twi_pixels_put(&p, rgb, got);
        for (int c = 0; c < 3; c++)
            expect_near(got[c], expected[mode][c], 1e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(antialias_is_jax),
        cmocka_unit_test(pil_is_pillow_to_the_bit),
        cmocka_unit_test(known_values_of_the_flavours),
        cmocka_unit_test(tf_is_two_taps_around_half_pixel_centres),
        cmocka_unit_test(a_part_is_resized_like_a_picture_of_its_own),
        cmocka_unit_test(a_flat_picture_stays_flat),
        cmocka_unit_test(pixel_modes_are_keras),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
