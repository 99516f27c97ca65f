// The base room: errors, memory, strings, sources, random numbers, the thread pool.

#include "testing.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/source.h"
#include "base/str.h"

#include <stdatomic.h>
#include <unistd.h>

static void the_first_error_stays(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_fail(&err, TW_EUNUSABLE, "first %d", 1);
    twi_fail(&err, TW_ENOMEM, "second");
    expect_error(err, TW_EUNUSABLE, "first 1");
    twi_err_context(&err, "layer '%s'", "dense");
    assert_string_equal(err.msg, "layer 'dense': first 1");
    assert_int_equal(twi_fail(NULL, TW_EWRITE, "nobody listens"), TW_EWRITE);
}

static void every_status_has_its_exit_code(void **state)
{
    (void)state;
    int expected[] = {0, 1, 2, 3, 4, 5, 6, 7, 2, 130};
    for (int i = 0; i < 10; i++)
        assert_int_equal(tw_status_exit((tw_status)i), expected[i]);
}

static void sizes_that_overflow_are_out_of_memory(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_new(SIZE_MAX / 2, 4, "a test", &err));
    expect_error(err, TW_ENOMEM, "a test");
    int64_t v = 7;
    assert_false(twi_mul(INT64_MAX, 2, &v));
    assert_int_equal(v, 7);
}

static void arrays_and_arenas_keep_what_they_are_given(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_vec(int) v = {0};
    twi_arena arena = {0};
    for (int i = 0; i < 1000; i++) {
        assert_true(twi_vec_push(&v, i, &err));
        char *p = twi_arena_new(&arena, 1, (size_t)i * 7 + 1, &err);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 1, (size_t)i * 7 + 1);
    }
    assert_int_equal(v.at[999], 999);
    twi_vec_clear(&v);
    twi_arena_clear(&arena);
}

static void a_misspelt_word_finds_its_neighbour(void **state)
{
    (void)state;
    const char *names[] = {"--epochs", "--lr", "--model"};
    assert_string_equal(twi_str_nearest("--epocs", names, 3), "--epochs");
    assert_string_equal(twi_str_nearest("--modle", names, 3), "--model");
    assert_null(twi_str_nearest("--quantum", names, 3));
    assert_true(twi_str_same("MobileNet-V2", "mobilenet_v2"));
    assert_true(twi_str_glob("block?_*", "block5_conv1"));
    assert_false(twi_str_glob("block?_x", "block5_conv1"));
    char buf[32];
    assert_string_equal(twi_str_thousands(buf, sizeof buf, 138357544), "138,357,544");
    assert_string_equal(twi_str_thousands(buf, sizeof buf, -1000), "-1,000");
}

static void a_read_past_the_end_names_file_and_offset(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_source s, part;
    twi_source_memory(&s, "six.bin", "abcdef", 6);
    char got[4];
    assert_int_equal(twi_source_read(&s, 2, got, 4, &err), TW_OK);
    assert_memory_equal(got, "cdef", 4);
    assert_int_equal(twi_source_window(&part, &s, 4, 2, &err), TW_OK);
    uint16_t v;
    assert_int_equal(twi_source_u16(&part, 0, &v, &err), TW_OK);
    assert_int_equal(v, 'e' | 'f' << 8);
    twi_source_read(&s, 5, got, 2, &err);
    expect_error(err, TW_EMALFORMED, "six.bin");
    assert_int_equal(err.offset, 5);
    tw_err big = {0};
    twi_source_spend(&s, UINT64_MAX / 4, 8, &big);
    expect_error(big, TW_EMALFORMED, "claims");
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/topwork-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b/file", folder);
    tw_err err = {0};
    assert_int_equal(twi_dir_make(folder, &err), TW_OK);
    twi_file_write(path, "x", 1, &err);
    expect_error(err, TW_EWRITE, "No such file");
    err = (tw_err){0};
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(twi_file_write(path, "old", 3, &err), TW_OK);
    assert_int_equal(twi_file_write(path, "newer", 5, &err), TW_OK);
    twi_source s;
    assert_int_equal(twi_source_open(&s, path, &err), TW_OK);
    assert_int_equal(s.size, 5);
    twi_source_close(&s);
    unlink(path);
    rmdir(folder);
}

static void json_says_where_it_is_wrong(void **state)
{
    (void)state;
    tw_err err = {0};
    assert_null(twi_json_parse("a.json", "{\"a\":1,\"a\":2}", 13, &err));
    expect_error(err, TW_EMALFORMED, "duplicate");
}

// Known answer of Philox4x32-10 (Random123's kat_vectors): key and counter zero.
static void random_numbers_are_philox(void **state)
{
    (void)state;
    twi_rng zero = {.used = 4};
    uint32_t expected[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, got[4];
    twi_rng_block(&zero, 0, got);
    assert_memory_equal(got, expected, sizeof got);
    for (int i = 0; i < 4; i++)
        assert_int_equal(twi_rng_u32(&zero), expected[i]);
}

static void streams_of_different_names_differ(void **state)
{
    (void)state;
    twi_rng a = twi_rng_at(1, TWI_RNG_TEST, 0, 0), b = twi_rng_at(1, TWI_RNG_TEST, 0, 1);
    twi_rng c = twi_rng_at(1, TWI_RNG_TEST, 0, 0);
    assert_int_not_equal(twi_rng_u32(&a), twi_rng_u32(&b));
    assert_int_not_equal(twi_rng_u32(&a), twi_rng_u32(&c));
    double sum = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        double x = twi_rng_normal(&a);
        sum += x, square += x * x;
    }
    expect_near(sum / 1e5, 0, 0.015);
    expect_near(square / 1e5, 1, 0.02);
}

static void count_task(void *arg, int64_t index, int worker)
{
    (void)worker;
    atomic_fetch_add(&((_Atomic int *)arg)[index], 1);
}

static void the_pool_does_each_task_once(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_pool *pool = twi_pool_new(3, &err);
    expect_ok(err);
    _Atomic int seen[500] = {0};
    for (int round = 1; round <= 20; round++) {
        twi_pool_run(pool, 500, count_task, seen);
        for (int i = 0; i < 500; i++)
            assert_int_equal(seen[i], round);
    }
    twi_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(every_status_has_its_exit_code),
        cmocka_unit_test(sizes_that_overflow_are_out_of_memory),
        cmocka_unit_test(arrays_and_arenas_keep_what_they_are_given),
        cmocka_unit_test(a_misspelt_word_finds_its_neighbour),
        cmocka_unit_test(a_read_past_the_end_names_file_and_offset),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(json_says_where_it_is_wrong),
        cmocka_unit_test(random_numbers_are_philox),
        cmocka_unit_test(streams_of_different_names_differ),
        cmocka_unit_test(the_pool_does_each_task_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
