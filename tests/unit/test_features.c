// Features: rows are made once, and a row that is stale, damaged or of another kind is never used.

#include "nets.h"
#include "testing.h"

#include "engine/plan.h"
#include "train/features.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PHOTOS = 6, SIDE = 16, ROW_MAX = 2048 };

typedef struct fixture {
    char folder[64];
    tw_model *model;
    twi_photos photos;
    twi_recipe recipe;
    twi_precision precision;
    int64_t limit;
    float first[PHOTOS][ROW_MAX]; // rows of the first time
    int64_t row;
} fixture;

static void write_photo(const fixture *f, int i, int tone)
{
    uint8_t file[54 + SIDE * SIDE * 3] = {'B', 'M'};
    uint32_t size = sizeof file, start = 54, head = 40, side = SIDE, one_plane_24_bits = 1 | 24 << 16;
    memcpy(file + 2, &size, 4), memcpy(file + 10, &start, 4), memcpy(file + 14, &head, 4);
    memcpy(file + 18, &side, 4), memcpy(file + 22, &side, 4), memcpy(file + 26, &one_plane_24_bits, 4);
    for (int k = 54; k < (int)sizeof file; k++)
        file[k] = (uint8_t)(tone * 37 + k * (i + 3));
    FILE *out = fopen(f->photos.at.at[i].path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file, 1, sizeof file, out), sizeof file);
    fclose(out);
}

static int set_up(void **state)
{
    static fixture f;
    tw_err err = {0};
    f = (fixture){.recipe = {.height = SIDE, .width = SIDE}, .precision = TWI_PRECISE};
    snprintf(f.folder, sizeof f.folder, "/tmp/topwork-test-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    for (int i = 0; i < PHOTOS; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%d.bmp", f.folder, i);
        assert_true(twi_vec_push(&f.photos.at, ((twi_photo){.path = twi_strdup(path, &err)}), &err));
        write_photo(&f, i, i);
    }
    f.model = twi_model_new("trunk", false, &err);
    twi_tensor x = twi_model_input(f.model, "photo", &TW_SHAPE(-1, SIDE, SIDE, 3));
    twi_model_output(f.model, net_blocks(f.model, x, ""));
    twi_model_verify(f.model, &err);
    net_fill(f.model, 3);
    twi_model_set_trainable(f.model, false);
    expect_ok(err);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    twi_photos_clear(&f->photos);
    twi_model_free(f->model);
    return 0;
}

// How many photos were decoded; rows go to `rows`, the cache's file to `path`.
static int64_t make(fixture *f, float rows[PHOTOS][ROW_MAX], char path[160], bool *is_kept)
{
    tw_err err = {0};
    twi_frontier frontier = {0};
    twi_features features = {0};
    twi_frontier_find(f->model, 0, &frontier, &err);
    expect_ok(err);
    twi_features_options o = {.frontier = &frontier,
                              .recipe = &f->recipe,
                              .cache_dir = f->folder,
                              .cache_limit = f->limit,
                              .precision = f->precision,
                              .workers = 2};
    twi_features_make(f->model, &f->photos, &o, &features, &err);
    expect_ok(err);
    f->row = features.row;
    assert_true(features.row > 0 && features.row <= ROW_MAX);
    for (int i = 0; rows && i < PHOTOS; i++)
        if (features.slot[i] >= 0)
            twi_cache_read(features.cache, features.slot[i], rows[i], &err);
    expect_ok(err);
    if (path)
        snprintf(path, 160, "%s", twi_cache_path(features.cache));
    if (is_kept)
        *is_kept = features.is_kept;
    int64_t decoded = features.n_decoded;
    twi_features_clear(&features);
    return decoded;
}

static void expect_first(const fixture *f, float rows[PHOTOS][ROW_MAX], bool is_same)
{
    for (int i = 0; i < PHOTOS; i++)
        assert_true((memcmp(rows[i], f->first[i], (size_t)f->row * sizeof(float)) == 0) == is_same);
}

static void the_second_time_decodes_nothing_and_gives_the_same_rows(void **state)
{
    fixture *f = *state;
    float rows[PHOTOS][ROW_MAX];
    assert_int_equal(make(f, f->first, NULL, NULL), PHOTOS);
    assert_int_equal(make(f, rows, NULL, NULL), 0);
    expect_first(f, rows, true);
}

static void features_of_stale_weights_are_computed_again(void **state)
{
    fixture *f = *state;
    float rows[PHOTOS][ROW_MAX];
    make(f, f->first, NULL, NULL);
    twi_layer *conv = twi_model_find(f->model, "conv1");
    float before = conv->weights[0].data[5];
    conv->weights[0].data[5] += 0.25f;
    conv->weights[0].version++;
    assert_int_equal(make(f, rows, NULL, NULL), PHOTOS);
    expect_first(f, rows, false);
    conv->weights[0].data[5] = before;
    conv->weights[0].version++;
    assert_int_equal(make(f, rows, NULL, NULL), 0);
    expect_first(f, rows, true);
}

static void features_of_another_precision_or_recipe_are_computed_again(void **state)
{
    fixture *f = *state;
    make(f, f->first, NULL, NULL);
    f->precision = TWI_EXACT;
    assert_int_equal(make(f, NULL, NULL, NULL), PHOTOS);
    f->precision = TWI_BRAIN;
    assert_int_equal(make(f, NULL, NULL, NULL), PHOTOS);
    f->precision = TWI_PRECISE;
    assert_int_equal(make(f, NULL, NULL, NULL), 0);
    f->recipe.pixels = TWI_PIXELS_TF;
    assert_int_equal(make(f, NULL, NULL, NULL), PHOTOS);
    f->recipe.pixels = TWI_PIXELS_RAW;
    f->recipe.filter = TWI_FILTER_PIL;
    assert_int_equal(make(f, NULL, NULL, NULL), PHOTOS);
    f->recipe.filter = TWI_FILTER_TF_ANTIALIAS;
    assert_int_equal(make(f, NULL, NULL, NULL), 0);
}

static void a_photo_of_another_content_under_the_old_name_is_decoded(void **state)
{
    fixture *f = *state;
    float rows[PHOTOS][ROW_MAX];
    make(f, f->first, NULL, NULL);
    write_photo(f, 2, 99);
    assert_int_equal(make(f, rows, NULL, NULL), 1);
    assert_memory_not_equal(rows[2], f->first[2], (size_t)f->row * sizeof(float));
    write_photo(f, 2, 2);
    assert_int_equal(make(f, rows, NULL, NULL), 0);
    expect_first(f, rows, true);
}

static void damaged_and_torn_rows_are_computed_again(void **state)
{
    fixture *f = *state;
    float rows[PHOTOS][ROW_MAX];
    char path[160];
    make(f, f->first, path, NULL);
    size_t slot = twi_cache_slot_bytes((size_t)f->row * sizeof(float));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, TWI_CACHE_HEAD + PHOTOS * (off_t)slot);
    int fd = open(path, O_RDWR);
    uint8_t byte;
    off_t at = TWI_CACHE_HEAD + (off_t)slot + TWI_CACHE_SLOT_HEAD + 3;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    assert_int_equal(make(f, rows, NULL, NULL), 1);
    expect_first(f, rows, true);
    assert_int_equal(truncate(path, TWI_CACHE_HEAD + (PHOTOS + 1) * (off_t)slot - 7), 0);
    assert_int_equal(make(f, rows, NULL, NULL), 1);
    expect_first(f, rows, true);
    assert_int_equal(make(f, rows, NULL, NULL), 0);
}

static void the_limit_deletes_older_files_before_newer_ones(void **state)
{
    fixture *f = *state;
    char one[160], two[160], three[160];
    bool is_kept;
    struct stat info;
    make(f, NULL, one, &is_kept);
    assert_true(is_kept);
    assert_int_equal(stat(one, &info), 0);
    usleep(20000); // times of use differ
    f->precision = TWI_EXACT;
    make(f, NULL, two, NULL);
    usleep(20000);
    f->precision = TWI_PRECISE;
    assert_int_equal(make(f, NULL, NULL, NULL), 0); // `one` is used again
    usleep(20000);
    f->precision = TWI_BRAIN;
    f->limit = 2 * info.st_size;
    make(f, NULL, three, &is_kept);
    assert_true(is_kept);
    assert_int_equal(access(one, F_OK), 0);
    assert_int_equal(access(two, F_OK), -1);
    assert_int_equal(access(three, F_OK), 0);
}

static void features_larger_than_the_limit_serve_their_run_and_are_not_kept(void **state)
{
    fixture *f = *state;
    float rows[PHOTOS][ROW_MAX];
    char path[160];
    bool is_kept = true;
    make(f, f->first, path, NULL);
    unlink(path);
    f->limit = 4200;
    assert_int_equal(make(f, rows, path, &is_kept), PHOTOS);
    expect_first(f, rows, true);
    assert_false(is_kept);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
#define FEATURES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FEATURES_TEST(the_second_time_decodes_nothing_and_gives_the_same_rows),
        FEATURES_TEST(features_of_stale_weights_are_computed_again),
        FEATURES_TEST(features_of_another_precision_or_recipe_are_computed_again),
        FEATURES_TEST(a_photo_of_another_content_under_the_old_name_is_decoded),
        FEATURES_TEST(damaged_and_torn_rows_are_computed_again),
        FEATURES_TEST(the_limit_deletes_older_files_before_newer_ones),
        FEATURES_TEST(features_larger_than_the_limit_serve_their_run_and_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
