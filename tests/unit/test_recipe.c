// Recipes: from a file to the numbers of a model, the same on every thread, and kept with the model.

#include "testing.h"

#include "base/pool.h"
#include "base/source.h"
#include "data/resize.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

static const char *picture_path(const char *name)
{
    char relative[256];
    snprintf(relative, sizeof relative, "tests/golden/pictures/%s", name);
    return test_path(relative);
}

static float *decoded(const twi_recipe *r, const char *path, twi_recipe_work *work)
{
    tw_err err = {0};
    float *dst = twi_new((size_t)(r->height * r->width * 3), sizeof *dst, "a test", &err);
    twi_recipe_read(path, work, NULL, &err);
    twi_recipe_decode(r, path, work, dst, &err);
    expect_ok(err);
    return dst;
}

static void a_photo_of_the_right_size_keeps_its_pixels(void **state)
{
    (void)state;
    twi_recipe_work work = {0};
    for (int filter = 0; twi_filter_names[filter]; filter++)
        for (int fit = 0; twi_fit_mode_names[fit]; fit++) {
            twi_recipe r = {
                .height = 13, .width = 19, .filter = (twi_filter)filter, .fit = (twi_fit_mode)fit};
            float *got = decoded(&r, picture_path("plain.png"), &work);
            for (int i = 0; i < 13 * 19 * 3; i++)
                expect_near(got[i], work.picture.rgb[i], 0);
            twi_free(got);
        }
    twi_recipe_work_clear(&work);
}

// A picture of 50 × 40 whose pixel says where it is.
static twi_picture places(void)
{
    twi_picture p = {0};
    tw_err err = {0};
    twi_picture_reserve(&p, 50, 40, &err);
    expect_ok(err);
    for (int i = 0; i < 50 * 40; i++)
        p.rgb[3 * i] = (uint8_t)(i % 50), p.rgb[3 * i + 1] = (uint8_t)(i / 50), p.rgb[3 * i + 2] = 7;
    return p;
}

// interop f2: crop w = int(40 · 8 / 8) = 40, from (50 − 40) / 2 = 5 on; then every fifth pixel's surroundings.
static void crop_takes_the_middle_in_the_models_shape(void **state)
{
    (void)state;
    twi_picture p = places();
    twi_recipe_work work = {0};
    tw_err err = {0};
    float dst[20 * 8 * 3];
    twi_recipe r = {.height = 8, .width = 8, .fit = TWI_RESIZE_CROP, .filter = TWI_FILTER_TF};
    twi_recipe_apply(&r, &p, &work, dst, &err);
    expect_near(dst[0], 5 + 2, 1e-4);      // left: centre of pixels 5 … 9
    expect_near(dst[7 * 3], 40 + 2, 1e-4); // right
    expect_near(dst[1], 2, 1e-4);
    r = (twi_recipe){.height = 8, .width = 20, .fit = TWI_RESIZE_CROP, .filter = TWI_FILTER_TF};
    twi_recipe_apply(&r, &p, &work, dst, &err); // h = int(50 · 8 / 20) = 20, from 10 on
    expect_near(dst[0], 0.75, 1e-4);
    expect_near(dst[1], 10 + 0.75, 1e-4);
    expect_near(dst[7 * 20 * 3 + 1], 10 + 18.25, 1e-4);
    expect_ok(err);
    twi_recipe_work_clear(&work);
    twi_picture_clear(&p);
}

// tf.image.resize_with_pad: ratio 50/20, 16 rows, (20 − 16) / 2 = 2 above; zeros before the pixel mode.
static void pad_puts_the_whole_picture_between_zeros(void **state)
{
    (void)state;
    twi_picture p = places();
    twi_recipe_work work = {0};
    tw_err err = {0};
    float dst[20 * 20 * 3];
    twi_recipe r = {.height = 20, .width = 20, .fit = TWI_RESIZE_PAD, .pixels = TWI_PIXELS_TF};
    twi_recipe_apply(&r, &p, &work, dst, &err);
    expect_ok(err);
    for (int y = 0; y < 20; y++) {
        float blue = dst[(y * 20 + 9) * 3 + 2];
        expect_near(blue, y < 2 || y >= 18 ? -1 : 7 / 127.5 - 1, 1e-6);
    }
    expect_near((dst[2 * 20 * 3 + 1] + 1) * 127.5, 0.92, 0.2); // the first row of the picture
    twi_recipe_work_clear(&work);
    twi_picture_clear(&p);
}

static void settings_live_in_the_model(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model m = {.info = json_object()};
    twi_recipe r = {.height = 5,
                    .width = 6,
                    .filter = TWI_FILTER_PIL,
                    .fit = TWI_RESIZE_CROP,
                    .pixels = TWI_PIXELS_CAFFE,
                    .alpha = TWI_ALPHA_DROP,
                    .ignore_exif = true,
                    .exact_decode = true};
    twi_recipe_store(&m, &r, &err);
    expect_ok(err);
    assert_string_equal(twi_info_text(&m, "preprocessing.mode", ""), "caffe");
    assert_string_equal(twi_info_text(&m, "preprocessing.exif", ""), "ignore");
    twi_recipe back = {.height = 5, .width = 6};
    twi_recipe_load(&m, &back);
    twi_str a = {0}, b = {0};
    twi_recipe_key(&r, &a);
    twi_recipe_key(&back, &b);
    assert_string_equal(a.text, b.text);
    twi_str_clear(&a);
    twi_str_clear(&b);
    // what a model does not say, or says in words not known here, stays
    json_object_clear(m.info);
    twi_info_set_text(&m, "preprocessing.filter", "lanczos9", &err);
    twi_recipe_load(&m, &back);
    assert_int_equal(back.filter, TWI_FILTER_PIL);
    json_decref(m.info);
}

static void the_key_changes_with_whatever_changes_pixels(void **state)
{
    (void)state;
    twi_recipe base = {.height = 224, .width = 224};
    twi_recipe r[9];
    for (int i = 0; i < 9; i++)
        r[i] = base;
    r[1].height = 192, r[2].width = 192, r[3].filter = TWI_FILTER_TF, r[4].fit = TWI_RESIZE_PAD;
    r[5].pixels = TWI_PIXELS_TF, r[6].alpha = TWI_ALPHA_DROP, r[7].ignore_exif = true,
    r[8].exact_decode = true;
    twi_str key[9] = {0};
    for (int i = 0; i < 9; i++) {
        assert_int_equal(twi_recipe_key(&r[i], &key[i]), TW_OK);
        assert_non_null(strstr(key[i].text, "libjpeg-turbo"));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(key[i].text, key[j].text);
    }
    for (int i = 0; i < 9; i++)
        twi_str_clear(&key[i]);
}

static void a_photo_is_named_by_the_hash_of_its_bytes(void **state)
{
    (void)state;
    twi_recipe_work work = {0};
    uint8_t hash[16];
    tw_err err = {0};
    twi_recipe_read(picture_path("plain.jpg"), &work, hash, &err);
    expect_ok(err);
    XXH128_canonical_t expected;
    XXH128_canonicalFromHash(&expected, XXH3_128bits(work.bytes, work.n));
    assert_memory_equal(hash, expected.digest, 16);
    twi_recipe_work_clear(&work);
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    char folder[] = "/tmp/topwork-recipe-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    twi_recipe_work work = {0};
    tw_err missing = {0}, directory = {0}, pipe = {0}, huge = {0}, empty = {0};
    snprintf(path, sizeof path, "%s/a.jpg", folder);
    twi_recipe_read(path, &work, NULL, &missing);
    expect_error(missing, TW_EUNUSABLE, "No such file");
    twi_recipe_read(folder, &work, NULL, &directory);
    expect_error(directory, TW_EUNUSABLE, "is a directory, expected a photo");
    assert_int_equal(mkfifo(path, 0600), 0);
    twi_recipe_read(path, &work, NULL, &pipe); // and does not wait
    expect_error(pipe, TW_EUNUSABLE, "not a regular file");
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    float dst[12];
    twi_recipe r = {.height = 2, .width = 2};
    twi_recipe_read(path, &work, NULL, &empty);
    twi_recipe_decode(&r, path, &work, dst, &empty);
    expect_error(empty, TW_EMALFORMED, "no picture: an empty file");
    if (ftruncate(fd, INT64_C(10) << 30) == 0) { // sparse
        twi_recipe_read(path, &work, NULL, &huge);
        expect_error(huge, TW_EMALFORMED, "more than any photo");
    }
    close(fd);
    unlink(path);
    rmdir(folder);
    twi_recipe_work_clear(&work);
}

// --------------------------------------------------------------------------------------------------- work and threads

static const char *const many[] = {"plain.jpg", "turned6.jpg",     "alpha.png",  "deep.png",
                                   "hole.gif",  "alpha.webp",      "lossy.webp", "plain.bmp",
                                   "runs8.bmp", "progressive.jpg", "inked.jpg"};
enum { MANY = sizeof many / sizeof *many, SIZE = 20 * 24 * 3 };

typedef struct crew {
    twi_recipe recipe;
    twi_recipe_work work[4];
    float expected[MANY][SIZE];
    _Atomic int wrong;
} crew;

static void decode_one(void *arg, int64_t index, int worker)
{
    crew *c = arg;
    float dst[SIZE];
    char path[5000];
    const char *root = getenv("TW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/golden/pictures/%s", root ? root : ".", many[index % MANY]);
    tw_err err = {0};
    twi_recipe_read(path, &c->work[worker], NULL, &err);
    if (twi_recipe_decode(&c->recipe, path, &c->work[worker], dst, &err) ||
        memcmp(dst, c->expected[index % MANY], sizeof dst) != 0)
        c->wrong++;
}

static void threads_with_their_own_work_get_the_same_pixels(void **state)
{
    (void)state;
    tw_err err = {0};
    crew *c = twi_new(1, sizeof *c, "a test", &err);
    twi_pool *pool = twi_pool_new(4, &err);
    expect_ok(err);
    for (int filter = 0; twi_filter_names[filter]; filter++) {
        c->recipe =
            (twi_recipe){.height = 20, .width = 24, .filter = (twi_filter)filter, .pixels = TWI_PIXELS_TORCH};
        for (int i = 0; i < MANY; i++) {
            float *one = decoded(&c->recipe, picture_path(many[i]), &c->work[0]);
            memcpy(c->expected[i], one, sizeof c->expected[i]);
            twi_free(one);
        }
        twi_pool_run(pool, 20 * MANY, decode_one, c);
        assert_int_equal(c->wrong, 0);
    }
    twi_pool_free(pool);
    for (int i = 0; i < 4; i++)
        twi_recipe_work_clear(&c->work[i]);
    twi_free(c);
}

static void work_stops_growing_once_it_has_seen_everything(void **state)
{
    (void)state;
    twi_recipe_work work = {0};
    size_t room = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < MANY; i++) {
            twi_recipe r = {.height = 20, .width = 24};
            twi_free(decoded(&r, picture_path(many[i]), &work));
        }
        size_t now = work.room + work.rows_room + work.picture.room + work.picture.spare_room;
        if (round > 1) // the picture's two buffers change places when it is turned
            assert_int_equal(now, room);
        room = now;
    }
    twi_recipe_work_clear(&work);
}

// --------------------------------------------------------------------------------------------------------- real photos

// A soft picture of the size of a camera's, as a JPEG file.
static void write_large(const char *path)
{
    twi_picture p = {0};
    tw_err err = {0};
    twi_picture_reserve(&p, 1600, 1200, &err);
    for (int i = 0; i < 1600 * 1200; i++)
        for (int c = 0; c < 3; c++) {
            double x = i % 1600, y = i / 1600.;
            p.rgb[3 * i + c] = (uint8_t)(128 + 60 * sin(x / (20 + 9 * c)) + 60 * cos(y / 33 - x / 70));
        }
    uint8_t *bytes;
    size_t n;
    twi_jpeg_write(&p, 92, &bytes, &n, &err);
    twi_file_write(path, bytes, n, &err);
    expect_ok(err);
    twi_free(bytes);
    twi_picture_clear(&p);
}

// Of the recipe's result from that of the same photo in full size.
static double difference(const char *path, twi_recipe_work *work)
{
    twi_recipe r = {.height = 224, .width = 224};
    twi_picture_options full = {.exact_decode = true};
    tw_err err = {0};
    float *a = decoded(&r, path, work);
    float *b = twi_new(224 * 224 * 3, sizeof *b, "a test", &err);
    twi_picture_read(work->bytes, work->n, path, &full, &work->picture, &err);
    twi_recipe_apply(&r, &work->picture, work, b, &err);
    expect_ok(err);
    double sum = 0;
    for (int i = 0; i < 224 * 224 * 3; i++)
        sum += fabs((double)a[i] - (double)b[i]);
    twi_free(a);
    twi_free(b);
    return sum / (224 * 224 * 3);
}

static void scaled_decoding_gives_nearly_the_same_pixels(void **state)
{
    (void)state;
    char path[] = "/tmp/topwork-large-XXXXXX";
    close(mkstemp(path));
    write_large(path);
    twi_recipe_work work = {0};
    tw_err err = {0};
    twi_recipe_read(path, &work, NULL, &err);
    twi_picture_options half = {.enough_width = 336, .enough_height = 336};
    twi_picture_read(work.bytes, work.n, path, &half, &work.picture, &err);
    expect_ok(err);
    assert_int_equal(work.picture.width, 800); // it was indeed scaled
    double d = difference(path, &work);
    if (!(d < 0.6))
        fail_msg("scaled decoding differs by %g levels on average", d);
    unlink(path);
    twi_recipe_work_clear(&work);
}

// Every eighth of the photos in a folder decodes; the number of them.
static int decode_folder(const char *folder, twi_recipe_work *work)
{
    DIR *d = opendir(folder);
    int n = 0, seen = 0;
    float *dst = twi_new(224 * 224 * 3, sizeof *dst, "a test", NULL);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || (seen++ % 8 && !strstr(e->d_name, "imageNotFound")))
            continue;
        char path[5000];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        twi_recipe r = {.height = 224, .width = 224};
        tw_err err = {0};
        twi_recipe_read(path, work, NULL, &err);
        twi_recipe_decode(&r, path, work, dst, &err);
        expect_ok(err);
        n++;
    }
    if (d)
        closedir(d);
    twi_free(dst);
    return n;
}

// A GIF by another name, progressive JPEGs, sizes up to 2592.
static void real_photos_decode(void **state)
{
    (void)state;
    const char *shared = getenv("TW_SHARED");
    char root[4096], folder[4200];
    snprintf(root, sizeof root, "%s", shared ? shared : test_path("../shared"));
    twi_recipe_work work = {0};
    int n = 0;
    const char *classes[] = {"ants", "bees"};
    for (int i = 0; i < 2; i++) {
        snprintf(folder, sizeof folder, "%s/data/ants-bees/%s", root, classes[i]);
        n += decode_folder(folder, &work);
    }
    twi_recipe_work_clear(&work);
    if (!n) {
        print_message("skipped: no ants-bees photos in %s\n", root);
        skip();
    }
    assert_true(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_photo_of_the_right_size_keeps_its_pixels),
        cmocka_unit_test(crop_takes_the_middle_in_the_models_shape),
        cmocka_unit_test(pad_puts_the_whole_picture_between_zeros),
        cmocka_unit_test(settings_live_in_the_model),
        cmocka_unit_test(the_key_changes_with_whatever_changes_pixels),
        cmocka_unit_test(a_photo_is_named_by_the_hash_of_its_bytes),
        cmocka_unit_test(what_cannot_be_read_says_why),
        cmocka_unit_test(threads_with_their_own_work_get_the_same_pixels),
        cmocka_unit_test(work_stops_growing_once_it_has_seen_everything),
        cmocka_unit_test(scaled_decoding_gives_nearly_the_same_pixels),
        cmocka_unit_test(real_photos_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
