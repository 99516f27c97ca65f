// Photos: which files count, what they show, which part they are for, and what is said where that cannot be told.
//
// Each test lays out a folder of its own. Files named like pictures are never opened, so they may be empty.

#include "testing.h"

#include "data/photos.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/topwork-photos-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// Makes a file and its folders; a path that ends with '/' is a folder.
static void make(const char *path, const char *content)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    if (full[strlen(full) - 1] == '/')
        return;
    FILE *f = fopen(full, "wb");
    assert_non_null(f);
    fwrite(content, 1, strlen(content), f);
    fclose(f);
}

static void make_many(const char *before, int first, int last, const char *after)
{
    for (int i = first; i <= last; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s%d%s", before, i, after);
        make(path, "");
    }
}

static const twi_photos_options usual = {.needs_classes = true};

static twi_photos opened(const twi_photos_options *o)
{
    twi_photos p;
    tw_err err = {0};
    twi_photos_open(root, o, &p, &err);
    expect_ok(err);
    return p;
}

static void expect_refused(const twi_photos_options *o, const char *part)
{
    twi_photos p;
    tw_err err = {0};
    twi_photos_open(root, o, &p, &err);
    expect_error(err, TW_EUNUSABLE, part);
    assert_null(p.root); // nothing is left to clear
}

// "part class path" of every photo, a line each.
static void expect_photos(const twi_photos *p, const char *expected)
{
    twi_str text = {0};
    for (size_t i = 0; i < p->at.n; i++) {
        const twi_photo *photo = &p->at.at[i];
        twi_str_printf(&text, "%c %s %s\n", "tvx"[photo->part],
                       photo -> label < 0 ? "-" : p->classes.at[photo->label],
                       photo->path + strlen(root) + 1);
    }
    assert_string_equal(text.text ? text.text : "", expected);
    twi_str_clear(&text);
}

static void class_folders_are_searched_and_the_rest_is_passed_over(void **state)
{
    (void)state;
    make("cats/b.JPG", "");
    make("cats/deep/er/a.webp", "");
    make("Dogs/a.png", "");
    make("Dogs/.hidden.jpg", "");
    make("Dogs/Thumbs.db", "");
    make("Dogs/notes.txt", "no picture");
    make("Dogs/photo", "GIF89a and so on");
    make(".ipynb_checkpoints/x.jpg", "");
    make("__MACOSX/cats/x.jpg", "");
    make("@eaDir/x.jpg", "");
    make("empty/", "");
    make("stray.jpg", "");
    twi_photos p = opened(&usual);
    assert_int_equal(p.classes.n, 2); // by code point: capitals first
    expect_photos(&p,
                  "t Dogs Dogs/a.png\nt Dogs Dogs/photo\nt cats cats/deep/er/a.webp\nt cats cats/b.JPG\n");
    assert_non_null(strstr(p.notes.text, "ignored 1 file that is no picture (first: Dogs/notes.txt)"));
    assert_non_null(strstr(p.notes.text, "folder 'empty' holds no photos"));
    assert_non_null(strstr(p.notes.text, "left out 1 picture beside the class folders"));
    assert_false(p.has_parts);
    twi_photos_clear(&p);
}

static void linked_files_count_and_linked_folders_do_not(void **state)
{
    (void)state;
    make("cats/a.jpg", "");
    make("dogs/a.jpg", "");
    make("dogs/b.jpg", "");
    char link[128];
    snprintf(link, sizeof link, "%s/cats/linked.jpg", root);
    assert_int_equal(symlink("../dogs/b.jpg", link), 0);
    snprintf(link, sizeof link, "%s/cats/gone.jpg", root);
    assert_int_equal(symlink("nowhere.jpg", link), 0);
    snprintf(link, sizeof link, "%s/cats/round", root);
    assert_int_equal(symlink("..", link), 0);
    snprintf(link, sizeof link, "%s/third", root);
    assert_int_equal(symlink("dogs", link), 0);
    twi_photos p = opened(&usual);
    expect_photos(&p, "t cats cats/a.jpg\nt cats cats/linked.jpg\nt dogs dogs/a.jpg\nt dogs dogs/b.jpg\n");
    assert_non_null(strstr(p.notes.text, "did not follow 2 linked folders"));
    twi_photos_clear(&p);
}

static void the_class_begins_the_file_name(void **state)
{
    (void)state;
    make("cat.0.jpg", "");
    make("dog-7.jpg", "");
    make("dog_1.jpg", "");
    make("cat 3.jpg", "");
    make("1.jpg", "");
    twi_photos p = opened(&usual);
    expect_photos(&p, "t cat cat 3.jpg\nt cat cat.0.jpg\nt dog dog-7.jpg\nt dog dog_1.jpg\n");
    assert_non_null(strstr(p.notes.text, "left out 1 picture"));
    twi_photos_clear(&p);
}

static void a_pattern_finds_the_class(void **state)
{
    (void)state;
    make("a/2020-rex-dog.jpg", "");
    make("a/2021-tom-cat.jpg", "");
    make("b/2021-x-cat.png", "");
    twi_photos_options o = {.needs_classes = true, .label_regex = "-([a-z]+)\\.(jpg|png)$"};
    twi_photos p = opened(&o);
    expect_photos(&p, "t cat a/2021-tom-cat.jpg\nt cat b/2021-x-cat.png\nt dog a/2020-rex-dog.jpg\n");
    twi_photos_clear(&p);
    tw_err err = {0};
    o.label_regex = "([a-z";
    twi_photos_open(root, &o, &p, &err);
    expect_error(err, TW_EINVAL, "--label-regex");
}

static void a_table_gives_paths_and_classes(void **state)
{
    (void)state;
    make("img/a.jpg", "");
    make("img/b,1.jpg", "");
    make("c.png", "");
    char table[128];
    snprintf(table, sizeof table, "%s/labels.csv", root);
    const char *tables[] = {
        "path,label\r\nimg/a.jpg,cat\r\n\"img/b,1.jpg\",\"big \"\"dog\"\"\"\r\nc.png,cat\r\n",
        "\xEF\xBB\xBFsize;Breed;ID\n3;cat;img/a\n4;\"big \"\"dog\"\"\";img/b,1\n\n5; cat ;c\n",
        "img/a.jpg\tcat\nimg/b,1.jpg\t\"big \"\"dog\"\"\"\nc.png\tcat",
    };
    for (size_t i = 0; i < 3; i++) {
        make("labels.csv", tables[i]);
        twi_photos_options o = {.needs_classes = true, .labels = table};
        twi_photos p = opened(&o);
        expect_photos(&p, "t big \"dog\" img/b,1.jpg\nt cat img/a.jpg\nt cat c.png\n");
        twi_photos_clear(&p);
    }
}

static void a_table_says_which_row_is_wrong(void **state)
{
    (void)state;
    make("a.jpg", "");
    make("b.jpg", "");
    char table[128];
    snprintf(table, sizeof table, "%s/labels.csv", root);
    twi_photos_options o = {.needs_classes = true, .labels = table};
    make("labels.csv", "path,label\na.jpg,cat\nb.jpg\n");
    expect_refused(&o, "row 3 of");
    make("labels.csv", "a.jpg,cat\nb.jpg,\n");
    expect_refused(&o, "has no class for 'b.jpg'");
    make("labels.csv", "x.jpg,cat\ny.jpg,dog\n");
    expect_refused(&o, "none of the 2 photos");
    make("labels.csv", "a.jpg,cat\nb.jpg,dog\nc.jpg,dog\n");
    twi_photos p = opened(&o);
    assert_non_null(strstr(p.notes.text, "1 photo of"));
    twi_photos_clear(&p);
}

static void folders_named_after_parts_are_parts(void **state)
{
    (void)state;
    make("train/cats/a.jpg", "");
    make("train/dogs/b.jpg", "");
    make("Validation/cats/c.jpg", "");
    make("test/cat.1.jpg", "");
    make("test/dog.1.jpg", "");
    expect_refused(&usual, "class 'cat' has no training photos");
    make("test/cats/d.jpg", ""); // now it has class folders
    twi_photos p = opened(&usual);
    expect_photos(&p, "t cats train/cats/a.jpg\nv cats Validation/cats/c.jpg\nx cats test/cats/d.jpg\n"
                      "t dogs train/dogs/b.jpg\n");
    assert_true(p.has_parts && p.has_part[TWI_TRAIN] && p.has_part[TWI_VAL] && p.has_part[TWI_TEST]);
    twi_photos_clear(&p);
}

static void further_folders_are_parts_too(void **state)
{
    (void)state;
    make("main/cats/a.jpg", "");
    make("main/dogs/b.jpg", "");
    make("more/cats/c.jpg", "");
    make("more/dogs/d.jpg", "");
    char main_folder[128], more[128];
    snprintf(main_folder, sizeof main_folder, "%s/main", root);
    snprintf(more, sizeof more, "%s/more/", root);
    twi_photos p;
    tw_err err = {0};
    twi_photos_options o = {.needs_classes = true, .val = more};
    twi_photos_open(main_folder, &o, &p, &err);
    expect_ok(err);
    expect_photos(&p, "t cats main/cats/a.jpg\nv cats more/cats/c.jpg\n"
                      "t dogs main/dogs/b.jpg\nv dogs more/dogs/d.jpg\n");
    twi_photos_clear(&p);
}

// Kaggle's Dogs vs. Cats: train/ with labelled names, test1/ with numbers.
static void labelled_and_unlabelled_folders_do_not_mix(void **state)
{
    (void)state;
    make_many("train/cat.", 0, 4, ".jpg");
    make_many("train/dog.", 0, 4, ".jpg");
    make_many("test1/", 1, 9, ".jpg");
    expect_refused(&usual,
                   "mixes labelled and unlabelled folders: 'train' is a part, 'test1' is not\nuse   ");
    remove_root(state);
    mkdir(root, 0700);
    make("train/cats/a.jpg", "");
    make("train/dogs/a.jpg", "");
    make_many("test/", 1, 9, ".jpg");
    expect_refused(&usual, "no class can be told for the photos of 'test'");
}

static void what_cannot_be_a_data_set_is_refused_with_advice(void **state)
{
    (void)state;
    expect_refused(&usual, "no photos in");
    make("readme.txt", "hello");
    expect_refused(&usual, "only other files");
    make_many("", 1, 9, ".jpg");
    expect_refused(&usual, "no class can be told for the 9 photos");
    make_many("IMG_", 1, 9, ".jpg");
    expect_refused(&usual, "only one class");
    make("cats/a.jpg", "");
    expect_refused(&usual, "pictures beside that folder");
    twi_photos p;
    tw_err missing = {0}, file = {0};
    twi_photos_open("/nonexistent/photos", &usual, &p, &missing);
    expect_error(missing, TW_EUNUSABLE, "No such file");
    char path[128];
    snprintf(path, sizeof path, "%s/readme.txt", root);
    twi_photos_open(path, &usual, &p, &file);
    expect_error(file, TW_EUNUSABLE, "is a file, expected a folder of photos");
}

static void a_folder_too_high_names_the_one_that_was_meant(void **state)
{
    (void)state;
    make("pets/cats/a.jpg", "");
    make("pets/dogs/a.jpg", "");
    char expected[256];
    snprintf(expected, sizeof expected, "did you mean  %s/pets", root);
    expect_refused(&usual, expected);
}

static void names_that_show_no_classes_are_not_guessed_from(void **state)
{
    (void)state;
    const char *names[] = {"beach", "holiday", "rex", "sofa", "garden"};
    for (int i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.jpg", names[i]);
        make(path, "");
    }
    expect_refused(&usual, "5 different beginnings in 5 photos");
}

static void class_names_are_printable_utf8(void **state)
{
    (void)state;
    make("caf\xC3\xA9/a.jpg", "");
    make("bad\xFF\n/a.jpg", "");
    twi_photos p = opened(&usual);
    assert_string_equal(p.classes.at[0], "bad\\xFF\\x0A");
    assert_string_equal(p.classes.at[1], "caf\xC3\xA9");
    assert_int_equal(access(p.at.at[0].path, R_OK), 0); // the path is the file's own
    twi_photos_clear(&p);
}

// A loaded model's classes: by name without regard to case and a plural s, else in order.
static void a_models_classes_are_found_again(void **state)
{
    (void)state;
    make("Cats/a.jpg", "");
    make("dogs/a.jpg", "");
    const char *exact[] = {"dog", "bird", "cat", NULL}, *two[] = {"Class 1", "Class 2", NULL};
    twi_photos_options o = {.needs_classes = true, .classes = exact};
    twi_photos p = opened(&o);
    assert_int_equal(p.classes.n, 3);
    expect_photos(&p, "t dog dogs/a.jpg\nt cat Cats/a.jpg\n");
    twi_photos_clear(&p);
    o.classes = two;
    p = opened(&o);
    expect_photos(&p, "t Class 1 Cats/a.jpg\nt Class 2 dogs/a.jpg\n");
    assert_non_null(strstr(p.notes.text, "differ from the model's"));
    twi_photos_clear(&p);
    make("fish/a.jpg", "");
    expect_refused(&o, "is none of the model's: Class 1, Class 2");
}

static void without_classes_every_picture_counts(void **state)
{
    (void)state;
    make("b/x.jpg", "");
    make("a.jpg", "");
    make("train/y.jpg", "");
    twi_photos_options o = {0};
    twi_photos p = opened(&o);
    expect_photos(&p, "t - a.jpg\nt - b/x.jpg\nt - train/y.jpg\n");
    twi_photos_clear(&p);
}

// -------------------------------------------------------------------------------------------------------------- split

static void a_split_is_stratified_and_repeats(void **state)
{
    (void)state;
    make_many("cats/", 1, 50, ".jpg");
    make_many("dogs/", 1, 25, ".jpg");
    make_many("rare/", 1, 2, ".jpg");
    make("single/1.jpg", "");
    twi_photos p = opened(&usual);
    twi_part first[78];
    tw_err err = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        twi_photos_split(&p, 0.2, 0.1, seed, &err);
        expect_ok(err);
        int count[4][TWI_PARTS] = {0};
        bool same = true;
        for (size_t i = 0; i < p.at.n; i++) {
            count[p.at.at[i].label][p.at.at[i].part]++;
            same = same && first[i] == p.at.at[i].part;
            if (seed == 1)
                first[i] = p.at.at[i].part;
        }
        const int expected[4][TWI_PARTS] = {{35, 10, 5}, {17, 5, 3}, {1, 1, 0}, {1, 0, 0}};
        assert_memory_equal(count, expected, sizeof count);
        if (seed > 1)
            assert_false(same);
    }
    twi_photos_split(&p, 0.2, 0.1, 1, &err); // whatever was before
    for (size_t i = 0; i < p.at.n; i++)
        assert_int_equal(p.at.at[i].part, first[i]);
    assert_int_equal(twi_photos_count(&p, TWI_VAL), 16);
    twi_photos_split(&p, 0, 0, 1, &err);
    assert_int_equal(twi_photos_count(&p, TWI_TRAIN), 78);
    twi_photos_split(&p, 0.7, 0.3, 1, &err);
    expect_error(err, TW_EINVAL, "together below 1");
    twi_photos_clear(&p);
}

static void both_layouts_of_the_same_photos_split_alike(void **state)
{
    (void)state;
    make_many("flat/cat.", 0, 39, ".jpg");
    make_many("flat/dog.", 0, 39, ".jpg");
    make_many("folders/cats/cat.", 0, 39, ".jpg");
    make_many("folders/dogs/dog.", 0, 39, ".jpg");
    char path[2][128];
    snprintf(path[0], sizeof path[0], "%s/flat", root);
    snprintf(path[1], sizeof path[1], "%s/folders", root);
    twi_photos p[2];
    tw_err err = {0};
    for (int i = 0; i < 2; i++) {
        twi_photos_open(path[i], &usual, &p[i], &err);
        twi_photos_split(&p[i], 0.2, 0.1, 7, &err);
        expect_ok(err);
    }
    assert_int_equal(p[0].at.n, p[1].at.n);
    for (size_t i = 0; i < p[0].at.n; i++) {
        assert_string_equal(strrchr(p[0].at.at[i].path, '/'), strrchr(p[1].at.at[i].path, '/'));
        assert_int_equal(p[0].at.at[i].part, p[1].at.at[i].part);
    }
    twi_photos_clear(&p[0]);
    twi_photos_clear(&p[1]);
}

static void parts_given_by_folders_are_kept(void **state)
{
    (void)state;
    make_many("train/cats/", 1, 10, ".jpg");
    make_many("train/dogs/", 1, 10, ".jpg");
    make_many("test/cats/", 11, 13, ".jpg");
    make_many("test/dogs/", 11, 13, ".jpg");
    twi_photos p = opened(&usual);
    tw_err err = {0};
    twi_photos_split(&p, 0.2, 0.5, 1, &err);
    expect_ok(err);
    assert_int_equal(twi_photos_count(&p, TWI_TRAIN), 16);
    assert_int_equal(twi_photos_count(&p, TWI_VAL), 4); // drawn from train
    assert_int_equal(twi_photos_count(&p, TWI_TEST), 6);
    for (size_t i = 0; i < p.at.n; i++)
        assert_int_equal(p.at.at[i].part == TWI_TEST, strstr(p.at.at[i].path, "/test/") != NULL);
    twi_photos_clear(&p);
}

static void skipped_photos_are_not_counted(void **state)
{
    (void)state;
    make_many("cats/", 1, 3, ".jpg");
    make_many("dogs/", 1, 3, ".jpg");
    twi_photos p = opened(&usual);
    p.at.at[1].skipped = twi_strdup("damaged", NULL);
    assert_int_equal(twi_photos_count(&p, TWI_TRAIN), 5);
    twi_photos_clear(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(class_folders_are_searched_and_the_rest_is_passed_over),
        TEST(linked_files_count_and_linked_folders_do_not),
        TEST(the_class_begins_the_file_name),
        TEST(a_pattern_finds_the_class),
        TEST(a_table_gives_paths_and_classes),
        TEST(a_table_says_which_row_is_wrong),
        TEST(folders_named_after_parts_are_parts),
        TEST(further_folders_are_parts_too),
        TEST(labelled_and_unlabelled_folders_do_not_mix),
        TEST(what_cannot_be_a_data_set_is_refused_with_advice),
        TEST(a_folder_too_high_names_the_one_that_was_meant),
        TEST(names_that_show_no_classes_are_not_guessed_from),
        TEST(class_names_are_printable_utf8),
        TEST(a_models_classes_are_found_again),
        TEST(without_classes_every_picture_counts),
        TEST(a_split_is_stratified_and_repeats),
        TEST(both_layouts_of_the_same_photos_split_alike),
        TEST(parts_given_by_folders_are_kept),
        TEST(skipped_photos_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
