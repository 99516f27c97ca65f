// Fetching: hashes, and photo sets unpacked into folders of classes and nowhere else. (Downloads: tests/cli/test_fetch.py.)

#include "testing.h"

#include "base/mem.h"
#include "base/source.h"
#include "codec/tar.h"
#include "codec/zip.h"
#include "job/download.h"
#include "job/fetch.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

typedef struct place {
    char folder[64], archive[96], out[96];
} place;

static int make_place(void **state)
{
    place *p = twi_new(1, sizeof *p, "a test", NULL);
    snprintf(p->folder, sizeof p->folder, "/tmp/tw-fetch-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->archive, sizeof p->archive, "%s/archive", p->folder);
    snprintf(p->out, sizeof p->out, "%s/out", p->folder);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    place *p = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    int result = system(command);
    twi_free(p);
    return result;
}

static bool has(const place *p, const char *name, const char *content)
{
    char path[256], text[64] = "";
    snprintf(path, sizeof path, "%s/%s", p->out, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return strcmp(text, content) == 0;
}

static int count_files(const place *p)
{
    char command[160];
    snprintf(command, sizeof command, "find %s -type f | wc -l", p->folder);
    FILE *f = popen(command, "r");
    int n = -1;
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void hashes_tell_one_file_from_another(void **state)
{
    place *p = *state;
    tw_err err = {0}, err2 = {0};
    twi_file_write(p->archive, "abc", 3, &err);
    assert_int_equal(twi_hash_check(p->archive, "900150983cd24fb0d6963f7d28e17f72", &err), TW_OK);
    assert_int_equal(
        twi_hash_check(p->archive, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &err),
        TW_OK);
    assert_int_equal(twi_hash_check(p->archive, NULL, &err), TW_OK);
    expect_ok(err);
    twi_hash_check(p->archive, "900150983cd24fb0d6963f7d28e17f73", &err2);
    expect_error(err2, TW_EMALFORMED, "is 900150983cd24fb0d6963f7d28e17f72, expected");
}

static void zipped_photos_go_into_their_classes(void **state)
{
    place *p = *state;
    tw_err err = {0};
    twi_zip_writer *w = twi_zip_create(p->archive, &err);
    static const char *const names[] = {
        "PetImages/Cat/0.jpg", "PetImages/Dog/1.jpg", "PetImages/Dog/Thumbs.db", "readme.txt",
        "PetImages/Cat/.jpg",  "PetImages/0.jpg",     "PetImages/Cat/x/2.jpg",   "PetImages//3.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        twi_zip_put(w, names[i], names[i], strlen(names[i]), &err);
    twi_zip_finish(w, &err);
    twi_unpack_cats_dogs(p->archive, p->out, &err);
    expect_ok(err);
    assert_true(has(p, "Cat/0.jpg", "PetImages/Cat/0.jpg"));
    assert_true(has(p, "Dog/1.jpg", "PetImages/Dog/1.jpg"));
    assert_int_equal(count_files(p), 3); // and the archive
}

static void put_member(gzFile f, const char *name, char type, const char *content)
{
    unsigned char h[512] = {0}, block[512] = {0};
    unsigned sum = 0;
    snprintf((char *)h, 100, "%s", name);
    snprintf((char *)h + 124, 12, "%011o", (unsigned)strlen(content) & 0777);
    h[156] = (unsigned char)type;
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
    gzwrite(f, h, 512);
    memcpy(block, content, strlen(content));
    if (*content)
        gzwrite(f, block, 512);
}

static void make_tar(const place *p, bool is_ended)
{
    unsigned char empty[1024] = {0};
    gzFile f = gzopen(p->archive, "wb");
    put_member(f, "images/", '5', "");
    put_member(f, "images/british_shorthair_12.jpg", '0', "twelve");
    put_member(f, "images/Abyssinian_1.jpg", '0', "one");
    put_member(f, "images/Abyssinian_1.mat", '0', "mat");
    put_member(f, "images/../../escaped_1.jpg", '0', "out");
    put_member(f, "images/Abyssinian_link_2.jpg", '2', "");
    put_member(f, "/images/absolute_1.jpg", '0', "out");
    put_member(f, "images/nonumber.jpg", '0', "none");
    if (is_ended)
        gzwrite(f, empty, sizeof empty);
    gzclose(f);
}

static void tarred_photos_go_into_their_classes(void **state)
{
    place *p = *state;
    tw_err err = {0};
    make_tar(p, true);
    twi_unpack_pets(p->archive, p->out, &err);
    expect_ok(err);
    assert_true(has(p, "british_shorthair/british_shorthair_12.jpg", "twelve"));
    assert_true(has(p, "Abyssinian/Abyssinian_1.jpg", "one"));
    assert_int_equal(count_files(p), 3);
}

static void damaged_archives_are_refused(void **state)
{
    place *p = *state;
    tw_err early = {0}, none = {0}, zip = {0}, absent = {0};
    make_tar(p, false);
    twi_unpack_pets(p->archive, p->out, &early);
    expect_error(early, TW_EMALFORMED, "ends early");
    char text[2048];
    memset(text, 'x', sizeof text);
    twi_file_write(p->archive, text, sizeof text, NULL);
    twi_unpack_pets(p->archive, p->out, &none);
    expect_error(none, TW_EMALFORMED, "is no tar archive");
    assert_int_equal(twi_unpack_cats_dogs(p->archive, p->out, &zip), TW_EMALFORMED);
    twi_unpack_pets("/nowhere/at.all", p->out, &absent);
    expect_error(absent, TW_EUNUSABLE, "/nowhere/at.all");
}

static void every_set_has_what_fetching_needs(void **state)
{
    (void)state;
    for (const twi_fetch_set *s = twi_fetch_sets; s->name; s++) {
        assert_true(strlen(s->hash) == 32 || strlen(s->hash) == 64);
        assert_true(strncmp(s->url, "https://", 8) == 0 && s->url[strlen(s->url) - 1] == '/');
        tw_err err = {0};
        assert_null(twi_zoo_find(s->name, NULL, &err)); // no network is called so
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hashes_tell_one_file_from_another, make_place, drop_place),
        cmocka_unit_test_setup_teardown(zipped_photos_go_into_their_classes, make_place, drop_place),
        cmocka_unit_test_setup_teardown(tarred_photos_go_into_their_classes, make_place, drop_place),
        cmocka_unit_test_setup_teardown(damaged_archives_are_refused, make_place, drop_place),
        cmocka_unit_test(every_set_has_what_fetching_needs),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
