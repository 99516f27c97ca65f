// Room: the narrowest of machine, container and limits; sizes as people write them.

#include "testing.h"

#include "base/mem.h"
#include "base/room.h"
#include "base/source.h"

#include <ftw.h>
#include <unistd.h>

static char root[] = "/tmp/topwork-room-XXXXXX";

// A file of the made-up system.
static void put(const char *path, const char *text)
{
    char whole[512], folder[512];
    tw_err err = {0};
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    snprintf(folder, sizeof folder, "%s", whole);
    *strrchr(folder, '/') = 0;
    twi_dir_make(folder, &err);
    twi_file_write(whole, text, strlen(text), &err);
    expect_ok(err);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/topwork-room-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_machine(void)
{
    put("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  100 kB\nMemAvailable:    8000000 kB\n");
    put("proc/self/statm", "90000 1000 500 10 0 200 0\n");
}

static void expect_room(int64_t bytes, const char *why)
{
    twi_room room = twi_room_at(root);
    assert_int_equal(room.bytes, bytes);
    assert_string_equal(room.why, why);
}

static void the_machine_bounds_where_nothing_else_does(void **state)
{
    (void)state;
    put_machine();
    expect_room(INT64_C(8000000) * 1024, "the machine");
    assert_int_equal(twi_room_at(root).used, 1000 * sysconf(_SC_PAGESIZE));
    put("proc/self/cgroup", "0::/\n"); // a group without files bounds nothing
    expect_room(INT64_C(8000000) * 1024, "the machine");
}

static void a_system_that_tells_nothing_bounds_nothing(void **state)
{
    (void)state;
    assert_int_equal(twi_room_at(root).bytes, INT64_MAX);
    put("proc/meminfo", "nonsense");
    put("proc/self/cgroup", "::::\n\n0\n");
    assert_int_equal(twi_room_at(root).bytes, INT64_MAX);
}

static void groups_of_version_2_bound_with_what_is_above_them(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "0::/pod/box\n");
    put("sys/fs/cgroup/pod/box/memory.max", "max\n");
    put("sys/fs/cgroup/pod/box/memory.current", "5000000\n");
    expect_room(INT64_C(8000000) * 1024, "the machine");
    put("sys/fs/cgroup/pod/memory.max", "1000000000\n");
    put("sys/fs/cgroup/pod/memory.current", "400000000\n");
    expect_room(600000000, "the container");
    put("sys/fs/cgroup/pod/memory.stat", "anon 300000000\nfile 100000000\ninactive_file 50000000\n");
    expect_room(650000000, "the container");
    put("sys/fs/cgroup/pod/memory.current", "1400000000\n");
    expect_room(0, "the container"); // over its limit already
}

static void groups_of_version_1_bound_inside_and_outside_of_containers(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/of/the/host\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
    expect_room(INT64_C(8000000) * 1024, "the machine");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "500000000\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "200000000\n");
    put("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10000000\n");
    expect_room(310000000, "the container");
}

static void sizes_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } right[] = {{"2G", 2000000000},  {"1.5 GB", 1500000000}, {"500M", 500000000},
                 {"500m", 500000000}, {"65536", 65536},       {"64kB", 64000},
                 {"1GiB", 1 << 30},   {"2 KiB", 2048},        {"1T", 1000000000000}};
    static const char *const wrong[] = {"",       "G",   "2X",  "-1G",  "0",   "2GG",
                                        "2G now", "nan", "inf", "1e30", "2Gi2"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        tw_err err = {0};
        int64_t bytes = 0;
        twi_bytes_read(right[i].text, "--memory", &bytes, &err);
        expect_ok(err);
        assert_int_equal(bytes, right[i].bytes);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tw_err err = {0};
        int64_t bytes = 0;
        twi_bytes_read(wrong[i], "--memory", &bytes, &err);
        expect_error(err, TW_EINVAL, "--memory");
    }
    char text[32];
    assert_string_equal(twi_bytes_text(text, sizeof text, 3438000000), "3.4 GB");
    assert_string_equal(twi_bytes_text(text, sizeof text, 125400000), "125 MB");
    assert_string_equal(twi_bytes_text(text, sizeof text, 999700000), "1.0 GB");
    assert_string_equal(twi_bytes_text(text, sizeof text, 12345), "12 kB");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_machine_bounds_where_nothing_else_does),
        TEST(a_system_that_tells_nothing_bounds_nothing),
        TEST(groups_of_version_2_bound_with_what_is_above_them),
        TEST(groups_of_version_1_bound_inside_and_outside_of_containers),
        cmocka_unit_test(sizes_are_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
