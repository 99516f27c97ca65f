// A JPEG's planes: what a photo becomes without ever being RGB in full size is what it becomes as RGB.

#include "testing.h"

#include "data/recipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct sampling {
    const char *name;
    int components, across, down; // of brightness, for each sample of colour
} sampling;

static const sampling samplings[] = {
    {"4:2:0", 3, 2, 2}, {"4:2:2", 3, 2, 1}, {"4:4:0", 3, 1, 2}, {"4:4:4", 3, 1, 1}, {"grey", 1, 1, 1},
};

typedef struct written {
    unsigned char *bytes;
    unsigned long n;
} written;

// Colours that change from pixel to pixel. Up to a contrast of 60 they stay away from 0 and 255, where RGB is cut off.
static written write_contrast(int width, int height, const sampling *s, double contrast)
{
    written w = {0};
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct codec = {.err = jpeg_std_error(&errors)};
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &w.bytes, &w.n);
    codec.image_width = (JDIMENSION)width, codec.image_height = (JDIMENSION)height;
    codec.input_components = s->components;
    codec.in_color_space = s->components == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, 95, TRUE);
    codec.comp_info[0].h_samp_factor = s->across, codec.comp_info[0].v_samp_factor = s->down;
    jpeg_start_compress(&codec, TRUE);
    JSAMPLE *row = malloc((size_t)width * 3);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            for (int c = 0; c < s->components; c++) {
                double wave = sin(x / (2. + c) + y / 5.) + cos(y / (3. - c) - x / 7.);
                row[x * s->components + c] = (JSAMPLE)fmax(0, fmin(255, 128 + contrast / 2 * wave));
            }
        jpeg_write_scanlines(&codec, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    return w;
}

static written write_jpeg(int width, int height, const sampling *s)
{
    return write_contrast(width, height, s, 60);
}

// Resizes `file` both ways, and compares in levels of 255.
static void compare(const written *file, const sampling *s, const twi_recipe *r, twi_recipe_work work[2])
{
    tw_err err = {0};
    size_t n = (size_t)(r->height * r->width * 3);
    float *dst[2];
    for (int i = 0; i < 2; i++) {
        twi_picture_options o = {.exact_decode = i == 1, .planes_welcome = i == 0};
        dst[i] = twi_new(n, sizeof *dst[i], "a test", &err);
        twi_picture_read(file->bytes, file->n, "test.jpg", &o, &work[i].picture, &err);
        expect_ok(err);
        assert_int_equal(work[i].picture.planes, i == 0 ? s->components : 0);
        twi_recipe_apply(r, &work[i].picture, &work[i], dst[i], &err);
        expect_ok(err);
    }
    double sum = 0, most = 0, level = r->pixels == TWI_PIXELS_TORCH ? 255 * 0.225 : 1;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)dst[0][i] - (double)dst[1][i]) * level;
        sum += d;
        most = d > most ? d : most;
    }
    if (!(sum / (double)n < 0.55 && most < 2.1))
        fail_msg("%s, %lld × %lld to %lld × %lld, %s, %s: differs by %g on average, by %g at most", s->name,
                 (long long)work[0].picture.width, (long long)work[0].picture.height, (long long)r->width,
                 (long long)r->height, twi_fit_mode_names[r->fit], twi_pixel_mode_names[r->pixels],
                 sum / (double)n, most);
    twi_free(dst[0]);
    twi_free(dst[1]);
}

static void planes_become_what_rgb_becomes(void **state)
{
    (void)state;
    static const int sizes[][2] = {{97, 61}, {64, 64}, {33, 200}, {5, 3}, {1, 1}, {300, 225}};
    static const int results[][2] = {{24, 20}, {37, 41}, {1, 9}};
    static const twi_pixel_mode modes[] = {TWI_PIXELS_RAW, TWI_PIXELS_TORCH, TWI_PIXELS_CAFFE};
    twi_recipe_work work[2] = {{0}};
    for (size_t s = 0; s < sizeof samplings / sizeof *samplings; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            written file = write_jpeg(sizes[i][0], sizes[i][1], &samplings[s]);
            for (int j = 0; j < 3; j++)
                for (int fit = 0; twi_fit_mode_names[fit]; fit++)
                    compare(&file, &samplings[s],
                            &(twi_recipe){.width = results[j][0],
                                          .height = results[j][1],
                                          .fit = (twi_fit_mode)fit,
                                          .pixels = modes[(s + (size_t)j) % 3]},
                            work);
            free(file.bytes);
        }
    twi_recipe_work_clear(&work[0]);
    twi_recipe_work_clear(&work[1]);
}

static void no_value_leaves_the_range_of_pixels(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_recipe_work work = {0};
    float dst[32 * 32 * 3];
    for (size_t s = 0; s < sizeof samplings / sizeof *samplings; s++) {
        written file = write_contrast(90, 80, &samplings[s], 2000);
        twi_picture_options o = {.planes_welcome = true};
        twi_picture_read(file.bytes, file.n, "test.jpg", &o, &work.picture, &err);
        twi_recipe_apply(&(twi_recipe){.width = 32, .height = 32}, &work.picture, &work, dst, &err);
        expect_ok(err);
        for (size_t i = 0; i < sizeof dst / sizeof *dst; i++)
            if (!(dst[i] >= -1e-3f && dst[i] <= 255.001f)) // rounded weights
                fail_msg("%s: a value of %g", samplings[s].name, (double)dst[i]);
        free(file.bytes);
    }
    twi_recipe_work_clear(&work);
}

static void a_smaller_scale_keeps_its_planes(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_picture p = {0};
    for (size_t s = 0; s < sizeof samplings / sizeof *samplings; s++) {
        written file = write_jpeg(411, 333, &samplings[s]);
        for (int shrink = 1; shrink <= 8; shrink *= 2) {
            twi_picture_options o = {
                .planes_welcome = true, .enough_width = 411 / shrink, .enough_height = 333 / shrink};
            twi_picture_read(file.bytes, file.n, "test.jpg", &o, &p, &err);
            expect_ok(err);
            assert_int_equal(p.width, (411 + shrink - 1) / shrink);
            assert_int_equal(p.planes, samplings[s].components);
            for (int i = 0; i < p.planes; i++) {
                const twi_plane *plane = &p.plane[i];
                assert_int_equal(plane->width, plane->is_half_wide ? (p.width + 1) / 2 : p.width);
                assert_int_equal(plane->height, plane->is_half_high ? (p.height + 1) / 2 : p.height);
                double sum = 0; // every sample is there, and none of a block's rest
                for (int64_t y = 0; y < plane->height; y++)
                    for (int64_t x = 0; x < plane->width; x++)
                        sum += plane->at[y * plane->stride + x];
                expect_near(sum / (double)(plane->width * plane->height), 128, 6);
            }
        }
        free(file.bytes);
    }
    twi_picture_clear(&p);
}

static void who_does_not_welcome_planes_gets_rgb(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_picture p = {0};
    written file = write_jpeg(40, 30, &samplings[0]);
    twi_picture_options o = {.planes_welcome = true};
    twi_picture_read(file.bytes, file.n, "test.jpg", &o, &p, &err);
    assert_int_equal(p.planes, 3);
    o.planes_welcome = false; // the same memory again
    twi_picture_read(file.bytes, file.n, "test.jpg", &o, &p, &err);
    assert_int_equal(p.planes, 0);
    expect_ok(err);
    free(file.bytes);
    twi_picture_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_become_what_rgb_becomes),
        cmocka_unit_test(no_value_leaves_the_range_of_pixels),
        cmocka_unit_test(a_smaller_scale_keeps_its_planes),
        cmocka_unit_test(who_does_not_welcome_planes_gets_rgb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
