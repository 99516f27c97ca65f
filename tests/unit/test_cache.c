// The feature cache: rows stay, damage counts as missing, writers share a file.

#include "testing.h"

#include "base/mem.h"
#include "engine/cache.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROW = 40 };
static const uint8_t key[16] = {1, 2, 3};

typedef struct fixture {
    char folder[64], file[128];
} fixture;

static int set_up(void **state)
{
    static fixture f;
    snprintf(f.folder, sizeof f.folder, "/tmp/topwork-test-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.file, sizeof f.file, "%s/01020300000000000000000000000000.features", f.folder);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    const fixture *f = *state;
    unlink(f->file);
    rmdir(f->folder);
    return 0;
}

static twi_cache *open_cache(const fixture *f)
{
    tw_err err = {0};
    twi_cache *c = twi_cache_open(f->folder, key, ROW, &err);
    expect_ok(err);
    return c;
}

static void name_photo(uint8_t photo[16], int number)
{
    memset(photo, 0, 16);
    photo[0] = (uint8_t)number;
    photo[5] = (uint8_t)(number >> 8);
    photo[15] = 7;
}

static int64_t put(twi_cache *c, int number)
{
    tw_err err = {0};
    uint8_t photo[16], row[ROW];
    int64_t slot = -1;
    name_photo(photo, number);
    memset(row, number, sizeof row);
    twi_cache_put(c, photo, row, &slot, &err);
    expect_ok(err);
    return slot;
}

static int64_t find(twi_cache *c, int number, bool *is_bad)
{
    uint8_t photo[16];
    name_photo(photo, number);
    return twi_cache_find(c, photo, is_bad);
}

static void expect_row(twi_cache *c, int number)
{
    tw_err err = {0};
    bool is_bad = true;
    uint8_t row[ROW], expected[ROW];
    int64_t slot = find(c, number, &is_bad);
    assert_true(slot >= 0);
    assert_false(is_bad);
    twi_cache_read(c, slot, row, &err);
    expect_ok(err);
    memset(expected, number, sizeof expected);
    assert_memory_equal(row, expected, ROW);
}

static void rows_stay_when_a_cache_is_closed(void **state)
{
    twi_cache *c = open_cache(*state);
    for (int i = 0; i < 1500; i++) // the index grows twice
        put(c, i);
    twi_cache_close(c);
    c = open_cache(*state);
    bool is_bad;
    for (int i = 0; i < 1500; i += 97)
        expect_row(c, i);
    assert_int_equal(find(c, 5000, &is_bad), -1);
    twi_cache_close(c);
}

static void unreadable_photos_are_remembered_with_their_reason(void **state)
{
    tw_err err = {0};
    twi_cache *c = open_cache(*state);
    uint8_t photo[16];
    name_photo(photo, 3);
    twi_cache_put_bad(c, photo, "the picture ends early", &err);
    expect_ok(err);
    twi_cache_close(c);
    c = open_cache(*state);
    bool is_bad = false;
    char reason[64];
    int64_t slot = find(c, 3, &is_bad);
    assert_true(slot >= 0 && is_bad);
    twi_cache_reason(c, slot, reason, sizeof reason, &err);
    expect_ok(err);
    assert_string_equal(reason, "the picture ends early");
    twi_cache_close(c);
}

// Slot 1 of the file, byte `at` of it.
static void damage(const fixture *f, off_t at)
{
    int fd = open(f->file, O_RDWR);
    off_t where = 4096 + 128 + at; // 32 + 40 bytes in steps of 64
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, where), 1);
    byte ^= 0xff;
    assert_int_equal(pwrite(fd, &byte, 1, where), 1);
    close(fd);
}

static void a_damaged_row_counts_as_missing_and_is_written_again(void **state)
{
    off_t places[] = {0, 18, 24, 40}; // its name, its sum, its flags, its numbers
    for (int i = 0; i < 4; i++) {
        tw_err err = {0};
        twi_cache *c = open_cache(*state);
        for (int k = 0; k < 3; k++)
            put(c, k);
        damage(*state, places[i]);
        bool is_bad;
        uint8_t row[ROW];
        twi_cache_read(c, 1, row, &err);
        expect_error(err, TW_EMALFORMED, "row 1");
        assert_int_equal(find(c, 1, &is_bad), -1);
        assert_int_equal(put(c, 1), 3);
        expect_row(c, 0);
        expect_row(c, 1);
        expect_row(c, 2);
        twi_cache_close(c);
        unlink(((fixture *)*state)->file);
    }
}

static void a_torn_slot_is_written_over(void **state)
{
    const fixture *f = *state;
    twi_cache *c = open_cache(f);
    put(c, 1);
    put(c, 2);
    twi_cache_close(c);
    assert_int_equal(truncate(f->file, 4096 + 128 + 50), 0);
    c = open_cache(f);
    bool is_bad;
    assert_int_equal(find(c, 2, &is_bad), -1);
    assert_int_equal(put(c, 3), 1);
    expect_row(c, 1);
    expect_row(c, 3);
    twi_cache_close(c);
}

static void two_writers_share_a_file(void **state)
{
    twi_cache *a = open_cache(*state), *b = open_cache(*state);
    assert_int_equal(put(a, 1), 0);
    assert_int_equal(put(b, 2), 1);
    assert_int_equal(put(a, 3), 2);
    expect_row(a, 2);
    expect_row(b, 1);
    twi_cache_close(a);
    twi_cache_close(b);
}

static void a_file_of_another_kind_is_started_anew(void **state)
{
    const fixture *f = *state;
    int fd = open(f->file, O_RDWR | O_CREAT, 0666);
    assert_int_equal(write(fd, "something else", 14), 14);
    close(fd);
    twi_cache *c = open_cache(f);
    put(c, 1);
    expect_row(c, 1);
    twi_cache_close(c);
}

static void files_are_listed_and_trimmed(void **state)
{
    const fixture *f = *state;
    tw_err err = {0};
    twi_cache *c = open_cache(f);
    put(c, 1);
    put(c, 2);
    twi_cache_close(c);
    json_t *list = twi_cache_list(f->folder, &err);
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(twi_json_int(json_array_get(list, 0), "rows", 0), 2);
    assert_int_equal(twi_json_int(json_array_get(list, 0), "row_bytes", 0), ROW);
    json_decref(list);
    uint64_t freed = 0;
    assert_int_equal(twi_cache_trim(f->folder, 1 << 20, NULL, &freed, &err), TW_OK);
    assert_int_equal(freed, 0);
    assert_int_equal(twi_cache_trim(f->folder, 0, f->file, &freed, &err), TW_OK);
    assert_int_equal(freed, 0);
    assert_int_equal(twi_cache_trim(f->folder, 0, NULL, &freed, &err), TW_OK);
    assert_int_equal(freed, 4096 + 2 * 128);
    list = twi_cache_list(f->folder, &err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    expect_ok(err);
}

// Files of other keys, used one after the other.
static twi_cache *open_other(const fixture *f, int number, char path[160])
{
    tw_err err = {0};
    uint8_t other[16] = {(uint8_t)number, 9};
    twi_cache *c = twi_cache_open(f->folder, other, ROW, &err);
    expect_ok(err);
    snprintf(path, 160, "%s", twi_cache_path(c));
    struct timespec when[2] = {{.tv_sec = 1000 + number}, {.tv_sec = 1000 + number}};
    assert_int_equal(utimensat(AT_FDCWD, path, when, 0), 0);
    return c;
}

static void what_was_used_longest_ago_goes_first(void **state)
{
    const fixture *f = *state;
    tw_err err = {0};
    char path[4][160];
    uint64_t freed;
    enum { FILE_BYTES = 4096 + 128 };
    for (int i = 0; i < 4; i++) {
        twi_cache *c = open_other(f, i, path[i]);
        put(c, i);
        twi_cache_close(c);
        c = open_other(f, i, path[i]); // writing was a use too
        twi_cache_close(c);
    }
    twi_cache_close(twi_cache_open(f->folder, (uint8_t[16]){0, 9}, ROW, &err)); // 0 is used again
    assert_int_equal(twi_cache_trim(f->folder, 3 * FILE_BYTES, NULL, &freed, &err), TW_OK);
    assert_int_equal(freed, FILE_BYTES);
    assert_int_equal(access(path[1], F_OK), -1);
    assert_int_equal(twi_cache_trim(f->folder, FILE_BYTES, path[2], &freed, &err), TW_OK);
    assert_int_equal(freed, 2 * FILE_BYTES);
    assert_int_equal(access(path[2], F_OK), 0);
    assert_int_equal(twi_cache_trim(f->folder, 0, NULL, &freed, &err), TW_OK);
    expect_ok(err);
}

static void a_file_deleted_while_open_goes_on_and_is_gone_when_closed(void **state)
{
    const fixture *f = *state;
    tw_err err = {0};
    uint64_t freed;
    twi_cache *c = open_cache(f);
    put(c, 1);
    assert_true(twi_cache_is_kept(c));
    assert_int_equal(twi_cache_trim(f->folder, 0, NULL, &freed, &err), TW_OK);
    assert_false(twi_cache_is_kept(c));
    put(c, 2);
    expect_row(c, 1);
    expect_row(c, 2);
    twi_cache *other = open_cache(f); // begins anew
    bool is_bad;
    assert_int_equal(find(other, 1, &is_bad), -1);
    put(other, 5);
    expect_row(other, 5);
    twi_cache_close(other);
    twi_cache_close(c);
}

// Four processes write the same and different rows into one file, one of them is killed, another deletes it once.
static void several_processes_share_a_file_and_one_may_die(void **state)
{
    const fixture *f = *state;
    enum { WRITERS = 4, ROWS = 300 };
    pid_t child[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        child[w] = fork();
        if (child[w] == 0) {
            tw_err err = {0};
            twi_cache *c = twi_cache_open(f->folder, key, ROW, &err);
            for (int i = 0; c && i < ROWS; i++) {
                uint8_t photo[16], row[ROW];
                bool is_bad;
                name_photo(photo, i + 50 * w);
                memset(row, i + 50 * w, sizeof row);
                if (twi_cache_find(c, photo, &is_bad) < 0)
                    twi_cache_put(c, photo, row, NULL, &err);
                if (w == 3 && i == ROWS / 2)
                    raise(SIGKILL);
            }
            twi_cache_close(c);
            _exit(err.status);
        }
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        waitpid(child[w], &status, 0);
        assert_true(w == 3 ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    twi_cache *c = open_cache(f);
    for (int i = 0; i < ROWS + 100; i++)
        expect_row(c, i);
    twi_cache_close(c);
}

static void files_of_another_version_count_and_are_deleted(void **state)
{
    const fixture *f = *state;
    tw_err err = {0};
    uint64_t freed;
    int fd = open(f->file, O_RDWR | O_CREAT, 0666);
    assert_int_equal(write(fd, "TWFEAT1\n an older one", 21), 21);
    close(fd);
    json_t *list = twi_cache_list(f->folder, &err);
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(twi_json_int(json_array_get(list, 0), "rows", -1), 0);
    json_decref(list);
    assert_int_equal(twi_cache_trim(f->folder, 0, NULL, &freed, &err), TW_OK);
    assert_int_equal(freed, 21);
}

static void the_limit_is_a_tenth_of_the_disk_and_ten_gigabytes_at_most(void **state)
{
    const fixture *f = *state;
    uint64_t limit = twi_cache_limit(f->folder);
    assert_true(limit > 0 && limit <= UINT64_C(10000000000));
    assert_int_equal(twi_cache_limit("/nonexistent/folder"), UINT64_C(10000000000));
}

static void the_folder_is_marked_for_backups(void **state)
{
    const fixture *f = *state;
    tw_err err = {0};
    char folder[160], tag[200], text[64] = {0};
    snprintf(folder, sizeof folder, "%s/inner", f->folder);
    snprintf(tag, sizeof tag, "%s/CACHEDIR.TAG", folder);
    assert_int_equal(twi_cache_folder(folder, &err), TW_OK);
    assert_int_equal(twi_cache_folder(folder, &err), TW_OK);
    FILE *in = fopen(tag, "rb");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 40);
    fclose(in);
    assert_ptr_equal(strstr(text, "Signature: 8a477f597d28d172789f06886806bc55"), text);
    unlink(tag);
    rmdir(folder);
}

static void a_temporary_cache_leaves_nothing_behind(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_cache *c = twi_cache_open(NULL, key, ROW, &err);
    expect_ok(err);
    put(c, 9);
    expect_row(c, 9);
    twi_cache_close(c);
}

static void a_folder_that_is_not_there_is_an_error_to_write_to(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_cache_open("/nonexistent/folder", key, ROW, &err));
    expect_error(err, TW_EWRITE, "/nonexistent/folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_stay_when_a_cache_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unreadable_photos_are_remembered_with_their_reason, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_row_counts_as_missing_and_is_written_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_torn_slot_is_written_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_writers_share_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_another_kind_is_started_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_listed_and_trimmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_used_longest_ago_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_deleted_while_open_goes_on_and_is_gone_when_closed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(several_processes_share_a_file_and_one_may_die, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_another_version_count_and_are_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limit_is_a_tenth_of_the_disk_and_ten_gigabytes_at_most, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_folder_is_marked_for_backups, set_up, tear_down),
        cmocka_unit_test(a_temporary_cache_leaves_nothing_behind),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_to_write_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
