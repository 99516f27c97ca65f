// ZIP archives: members by name, refusals, and archives written here read by the same rules.
//
// Files come from fuzz/make_corpus.py (Python's zipfile).

#include "testing.h"

#include "base/mem.h"
#include "base/str.h"
#include "codec/zip.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct opened {
    twi_source source;
    twi_zip *zip;
} opened;

static void open_file(opened *o, const char *path, tw_err *err)
{
    o->zip = NULL;
    if (!twi_source_open(&o->source, path, err))
        o->zip = twi_zip_open(&o->source, err);
}

static void open_corpus(opened *o, const char *name, tw_err *err)
{
    char path[256];
    snprintf(path, sizeof path, "fuzz/corpus/fuzz_zip/%s", name);
    open_file(o, test_path(path), err);
}

static void close_file(opened *o)
{
    twi_zip_close(o->zip);
    twi_source_close(&o->source);
}

static void expect_member(opened *o, const char *name, size_t n, const char *start)
{
    tw_err err = {0};
    twi_source member;
    int64_t i = twi_zip_find(o->zip, name);
    if (i < 0)
        fail_msg("no member '%s'", name);
    assert_string_equal(twi_zip_name(o->zip, (size_t)i), name);
    twi_zip_member(o->zip, (size_t)i, &member, &err);
    expect_ok(err);
    size_t got;
    char *bytes = twi_source_all(&member, &got, &err);
    expect_ok(err);
    assert_int_equal(got, n);
    assert_memory_equal(bytes, start, strlen(start));
    twi_free(bytes);
    twi_source_close(&member);
}

static void stored_members_are_windows_of_the_archive(void **state)
{
    (void)state;
    opened o;
    tw_err err = {0};
    open_corpus(&o, "stored.zip", &err);
    expect_ok(err);
    assert_int_equal(twi_zip_n(o.zip), 2);
    expect_member(&o, "config.json", 28, "{\"class_name\"");
    twi_source member;
    twi_zip_member(o.zip, 1, &member, &err);
    assert_int_equal(member.fd, o.source.fd);
    assert_int_equal(member.size, 256);
    assert_true(twi_str_ends(member.name, "stored.zip: model.weights.h5"));
    assert_int_equal(twi_zip_find(o.zip, "model"), -1);
    close_file(&o);
}

static void other_forms_of_archives_are_read(void **state)
{
    (void)state;
    opened o;
    tw_err err = {0};
    open_corpus(&o, "deflated.zip", &err);
    expect_ok(err);
    for (int i = 0; i < 2; i++) // inflated once, lent twice
        expect_member(&o, "config.json", 28, "{\"class_name\"");
    expect_member(&o, "zeros", 20000, "");
    close_file(&o);
    open_corpus(&o, "zip64_comment.zip", &err);
    expect_ok(err);
    expect_member(&o, "wide", 5, "zip64");
    close_file(&o);
    open_corpus(&o, "empty.zip", &err);
    expect_ok(err);
    assert_int_equal(twi_zip_n(o.zip), 0);
    close_file(&o);
}

static void hostile_archives_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *part;
        tw_status status;
    } files[] = {{"hostile_name_5.zip", "'../up'", TW_EMALFORMED},
                 {"hostile_name_6.zip", "'a/../b'", TW_EMALFORMED},
                 {"hostile_name_9.zip", "'/absolute'", TW_EMALFORMED},
                 {"hostile_name_10.zip", "'c:\\windows'", TW_EMALFORMED},
                 {"hostile_name_3.zip", "'a\\b'", TW_EMALFORMED},
                 {"hostile_twice.zip", "two members named 'aa'", TW_EMALFORMED},
                 {"hostile_many.zip", "does not fit", TW_EMALFORMED},
                 {"hostile_bomb.zip", "'bomb' claims to expand", TW_EMALFORMED},
                 {"hostile_far.zip", "ends early", TW_EMALFORMED},
                 {"hostile_long.zip", "ends outside", TW_EMALFORMED},
                 {"hostile_checksum.zip", "checksum differs", TW_EMALFORMED},
                 {"encrypted.zip", "encrypted", TW_EUNSUPPORTED}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        opened o;
        twi_source member;
        tw_err err = {0};
        open_corpus(&o, files[i].file, &err);
        if (o.zip)
            twi_zip_member(o.zip, 0, &member, &err);
        expect_error(err, files[i].status, files[i].part);
        close_file(&o);
    }
}

static void an_archive_cut_off_anywhere_is_malformed(void **state)
{
    (void)state;
    static const char *const files[] = {"stored.zip", "deflated.zip", "zip64_comment.zip"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[256];
        tw_err err = {0};
        twi_source s;
        size_t size;
        snprintf(path, sizeof path, "fuzz/corpus/fuzz_zip/%s", files[f]);
        twi_source_open(&s, test_path(path), &err);
        char *bytes = twi_source_all(&s, &size, &err);
        twi_source_close(&s);
        for (size_t n = 0; n < size; n++) {
            char *cut = twi_new(n, 1, "a test", NULL);
            memcpy(cut, bytes, n);
            twi_source_memory(&s, "cut", cut, n);
            err = (tw_err){0};
            assert_null(twi_zip_open(&s, &err));
            assert_int_equal(err.status, TW_EMALFORMED);
            twi_free(cut);
        }
        twi_free(bytes);
    }
}

// ------------------------------------------------------------------------------------------------------------ writing

static char folder[] = "/tmp/topwork-zip-XXXXXX", written[64], part[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(written, sizeof written, "%s/w.keras", folder);
    snprintf(part, sizeof part, "%s/part", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(written);
    unlink(part);
    return rmdir(folder); // fails when a temporary file was left
}

static void write_sample(tw_err *err)
{
    static const char bytes[300000];
    twi_file_write(part, bytes, sizeof bytes, err);
    twi_zip_writer *w = twi_zip_create(written, err);
    twi_zip_put(w, "metadata.json", "{}", 2, err);
    twi_zip_put_file(w, "model.weights.h5", part, err);
    twi_zip_put(w, "assets/ä/empty", "", 0, err);
    assert_int_equal(access(written, F_OK), -1); // nothing to see before it is whole
    twi_zip_finish(w, err);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    tw_err err = {0};
    opened o;
    unlink(written);
    write_sample(&err);
    expect_ok(err);
    open_file(&o, written, &err);
    expect_ok(err);
    assert_int_equal(twi_zip_n(o.zip), 3);
    assert_string_equal(twi_zip_name(o.zip, 0), "metadata.json");
    expect_member(&o, "metadata.json", 2, "{}");
    expect_member(&o, "model.weights.h5", 300000, "");
    expect_member(&o, "assets/ä/empty", 0, "");
    close_file(&o);
}

static void the_same_members_give_the_same_bytes(void **state)
{
    (void)state;
    tw_err err = {0};
    size_t n[2];
    char *bytes[2];
    for (int i = 0; i < 2; i++) {
        twi_source s;
        unlink(written);
        write_sample(&err);
        expect_ok(err);
        twi_source_open(&s, written, &err);
        bytes[i] = twi_source_all(&s, &n[i], &err);
        twi_source_close(&s);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    twi_free(bytes[0]);
    twi_free(bytes[1]);
}

static void an_archive_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    tw_err err = {0}, end = {0};
    twi_file_write(written, "old", 3, &err);
    twi_zip_writer *w = twi_zip_create(written, &err);
    expect_ok(err);
    twi_zip_put_file(w, "x", "/nowhere/x", &err);
    expect_error(err, TW_EUNUSABLE, "/nowhere/x");
    assert_int_equal(twi_zip_finish(w, &end), TW_EUNUSABLE);
    struct stat info;
    assert_int_equal(stat(written, &info), 0);
    assert_int_equal(info.st_size, 3);
    w = twi_zip_create(written, NULL);
    twi_zip_put(w, "x", "y", 1, NULL);
    twi_zip_abandon(w);
    assert_int_equal(stat(written, &info), 0);
    assert_int_equal(info.st_size, 3);
    assert_null(twi_zip_create("/nowhere/x.keras", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_members_are_windows_of_the_archive),
        cmocka_unit_test(other_forms_of_archives_are_read),
        cmocka_unit_test(hostile_archives_are_refused_by_name),
        cmocka_unit_test(an_archive_cut_off_anywhere_is_malformed),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_same_members_give_the_same_bytes),
        cmocka_unit_test(an_archive_that_fails_leaves_the_old_one),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
