// Promises of IDX files as a data source: which pictures there are, what they show, and what is refused.

#include "testing.h"

#include "codec/idx.h"
#include "data/photos.h"
#include "data/recipe.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { SIDE = 5 };

static char folder[64];

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/topwork-idx-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char *at(const char *name)
{
    static char path[2][256];
    static int i;
    i = !i;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static size_t header(uint8_t *out, int dimensions, uint32_t count)
{
    const uint32_t size[3] = {count, SIDE, SIDE};
    memcpy(out, (uint8_t[]){0, 0, 8, (uint8_t)dimensions}, 4);
    for (int i = 0; i < dimensions; i++)
        for (int j = 0; j < 4; j++)
            out[4 + 4 * i + j] = (uint8_t)(size[i] >> (24 - 8 * j));
    return 4 + 4 * (size_t)dimensions;
}

static void put(const char *name, const uint8_t *bytes, size_t n)
{
    bool is_zipped = strstr(name, ".gz");
    gzFile file = gzopen(at(name), is_zipped ? "wb" : "wbT");
    assert_int_equal(gzwrite(file, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(file), Z_OK);
}

// Picture i holds the values i, i + 1, …; its label is i % 3.
static void put_set(const char *pictures, const char *labels, uint32_t count)
{
    uint8_t bytes[4096];
    size_t n = header(bytes, 3, count);
    for (uint32_t i = 0; i < count; i++)
        for (int j = 0; j < SIDE * SIDE; j++)
            bytes[n++] = (uint8_t)(i + (uint32_t)j);
    put(pictures, bytes, n);
    n = header(bytes, 1, count);
    for (uint32_t i = 0; i < count; i++)
        bytes[n++] = (uint8_t)(i % 3);
    put(labels, bytes, n);
}

static void a_folder_of_idx_files_is_a_data_set_with_parts(void **state)
{
    (void)state;
    tw_err err = {0};
    put_set("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 30);
    put_set("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 9);
    twi_photos photos;
    twi_photos_options o = {.needs_classes = true};
    twi_photos_open(folder, &o, &photos, &err);
    expect_ok(err);
    assert_int_equal(photos.at.n, 39);
    assert_int_equal(photos.classes.n, 3);
    assert_string_equal(photos.classes.at[2], "2");
    assert_int_equal(photos.notes.n, 0);
    assert_int_equal(twi_photos_count(&photos, TWI_TRAIN), 30);
    assert_int_equal(twi_photos_count(&photos, TWI_TEST), 9);
    twi_photos_split(&photos, 0.2, 0, 1, &err);
    expect_ok(err);
    assert_int_equal(twi_photos_count(&photos, TWI_VAL), 6);
    assert_int_equal(twi_photos_count(&photos, TWI_TEST), 9);
    for (size_t i = 0; i < photos.at.n; i++) {
        const char *mark = strrchr(photos.at.at[i].path, '#');
        assert_non_null(mark);
        assert_int_equal(photos.at.at[i].label, atoi(mark + 1) % 3);
    }
    twi_photos_clear(&photos);
}

static void a_limit_keeps_as_many_of_each_class_in_their_order(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_photos photos;
    twi_photos_options o = {.needs_classes = true};
    twi_photos_open(folder, &o, &photos, &err);
    twi_photos_limit(&photos, 4, 1, &err);
    expect_ok(err);
    assert_int_equal(twi_photos_count(&photos, TWI_TRAIN), 3 * 4);
    assert_int_equal(twi_photos_count(&photos, TWI_TEST), 3 * 3); // there are no more
    for (size_t i = 1; i < photos.at.n; i++)
        assert_true(photos.at.at[i].label >= photos.at.at[i - 1].label);
    twi_photos_clear(&photos);
}

static void a_picture_is_read_by_its_number(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_recipe recipe = {.height = SIDE, .width = SIDE};
    twi_recipe_work work = {0};
    uint8_t hash[3][16];
    float pixels[SIDE * SIDE * 3];
    const char *names[] = {"train-images-idx3-ubyte.gz#7", "t10k-images-idx3-ubyte#7",
                           "train-images-idx3-ubyte.gz#8"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(twi_recipe_read(at(names[i]), &work, hash[i], &err), TW_OK);
        assert_int_equal(twi_recipe_decode(&recipe, at(names[i]), &work, pixels, &err), TW_OK);
        for (int j = 0; j < SIDE * SIDE; j++)
            for (int c = 0; c < 3; c++)
                expect_near(pixels[3 * j + c], (i == 2 ? 8 : 7) + j, 0);
    }
    assert_memory_equal(hash[0], hash[1], 16); // the same picture
    assert_memory_not_equal(hash[0], hash[2], 16);
    twi_recipe_read(at("train-images-idx3-ubyte.gz#30"), &work, NULL, &err);
    expect_error(err, TW_EUNUSABLE, "holds 30 pictures");
    err = (tw_err){0};
    twi_recipe_read(at("photo.jpg#3"), &work, NULL, &err); // an ordinary name
    expect_error(err, TW_EUNUSABLE, "open");
    twi_recipe_work_clear(&work);
}

static void expect_refused(const char *name, int dimensions, const char *why)
{
    tw_err err = {0};
    twi_idx idx;
    twi_idx_read(at(name), dimensions, &idx, &err);
    expect_error(err, TW_EMALFORMED, why);
    assert_null(idx.values);
}

static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[4096] = {0};
    size_t n = header(bytes, 3, 2) + 2 * SIDE * SIDE;
    put("short", bytes, n - 1);
    expect_refused("short", 3, "ends early");
    put("long", bytes, n + 1);
    expect_refused("long", 3, "longer than its header says");
    expect_refused("long", 1, "no IDX file of labels");
    put("head", bytes, 7);
    expect_refused("head", 3, "ends early");
    header(bytes, 3, 0x7FFFFFF);
    put("huge", bytes, n);
    expect_refused("huge", 3, "make no sense");
    header(bytes, 3, 100000);
    put("bomb.gz", bytes, n);
    expect_refused("bomb.gz", 3, "claims more");
    header(bytes, 3, 0);
    put("none", bytes, n);
    expect_refused("none", 3, "make no sense");
}

static void labels_must_be_as_many_as_pictures(void **state)
{
    (void)state;
    tw_err err = {0};
    put_set("train-images-idx3-ubyte.gz", "other", 30);
    put_set("other2", "train-labels-idx1-ubyte.gz", 29);
    twi_photos photos;
    twi_photos_options o = {.needs_classes = true};
    twi_photos_open(folder, &o, &photos, &err);
    expect_error(err, TW_EUNUSABLE, "holds 30 pictures");
    err = (tw_err){0};
    unlink(at("train-labels-idx1-ubyte.gz"));
    twi_photos_open(folder, &o, &photos, &err);
    expect_error(err, TW_EUNUSABLE, "train-labels-idx1-ubyte.gz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_of_idx_files_is_a_data_set_with_parts),
        cmocka_unit_test(a_limit_keeps_as_many_of_each_class_in_their_order),
        cmocka_unit_test(a_picture_is_read_by_its_number),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(labels_must_be_as_many_as_pictures),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
