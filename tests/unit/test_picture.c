// Pictures: every format to the pixel, whatever is damaged or is no picture.
//
// Goldens: tests/golden/pictures, made by tools/golden_pictures.py. x.png has x.png.ppm (what it means), and where an option
// changes that, x.png.drop.ppm (alpha dropped) or x.jpg.stored.ppm (EXIF ignored).

#include "testing.h"

#include "base/source.h"
#include "codec/decoder.h"

#include <dirent.h>

#define FOLDER "tests/golden/pictures/"

typedef struct bytes {
    uint8_t *at;
    size_t n;
} bytes;

static bytes load(const char *name)
{
    char path[512];
    tw_err err = {0};
    twi_source s;
    snprintf(path, sizeof path, FOLDER "%s", name);
    twi_source_open(&s, test_path(path), &err);
    expect_ok(err);
    bytes b;
    b.at = twi_source_all(&s, &b.n, &err);
    expect_ok(err);
    twi_source_close(&s);
    return b;
}

static bool ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// Lossy decoders may round otherwise in another version of their library.
static int tolerance(const char *name)
{
    return strstr(name, ".avif") ? 6 : strstr(name, ".jpg") || strstr(name, "lossy") ? 1 : 0;
}

static void compare(const char *name, const twi_picture *p, const bytes *ppm)
{
    int width = 0, height = 0, head = 0;
    sscanf((const char *)ppm->at, "P6 %d %d 255\n%n", &width, &height, &head);
    if (p->width != width || p->height != height || p->full_width != width || p->full_height != height)
        fail_msg("%s: %d × %d pixels, expected %d × %d", name, (int)p->width, (int)p->height, width, height);
    for (int i = 0; i < width * height * 3; i++)
        if (abs(p->rgb[i] - ppm->at[head + i]) > tolerance(name))
            fail_msg("%s: pixel (%d, %d) channel %d is %d, expected %d", name, i / 3 % width, i / 3 / width,
                     i % 3, p->rgb[i], ppm->at[head + i]);
}

static void every_format_gives_its_pixels(void **state)
{
    (void)state;
    DIR *folder = opendir(test_path(FOLDER));
    assert_non_null(folder);
    twi_picture p = {0}; // one for all: what a former picture left must not matter
    int n = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        if (!ends(e->d_name, ".ppm"))
            continue;
        char name[300];
        snprintf(name, sizeof name, "%.*s", (int)strlen(e->d_name) - 4, e->d_name);
        twi_picture_options o = {.accurate_dct = true};
        o.alpha = ends(name, ".drop") ? TWI_ALPHA_DROP : TWI_ALPHA_WHITE;
        o.ignore_exif = ends(name, ".stored");
        if (o.alpha == TWI_ALPHA_DROP || o.ignore_exif)
            *strrchr(name, '.') = 0;
        tw_err err = {0};
        bytes file = load(name), ppm = load(e->d_name);
        tw_status status = twi_picture_read(file.at, file.n, name, &o, &p, &err);
        if (status == TW_EUNSUPPORTED && ends(name, ".avif")) {
            print_message("skipped %s: %s\n", name, err.msg);
        } else {
            expect_ok(err);
            compare(e->d_name, &p, &ppm);
            n++;
        }
        twi_free(file.at);
        twi_free(ppm.at);
    }
    closedir(folder);
    twi_picture_clear(&p);
    assert_true(n > 50);
}

// Whatever is cut off: an error, or the whole picture (only its end mark was missing).
static void a_picture_that_ends_early_is_an_error(void **state)
{
    (void)state;
    const char *names[] = {"plain.jpg",   "progressive.jpg", "restart.jpg", "grey.jpg",   "interlaced.png",
                           "turned6.png", "interlaced.gif",  "lossy.webp",  "alpha.webp", "animated.webp",
                           "plain.bmp",   "palette4.bmp",    "runs8.bmp",   "runs4.bmp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bytes file = load(names[i]);
        twi_picture_options o = {0};
        twi_picture whole = {0}, part = {0};
        tw_err err = {0};
        twi_picture_read(file.at, file.n, names[i], &o, &whole, &err);
        expect_ok(err);
        size_t n_whole = 0;
        for (size_t n = 0; n < file.n; n++) {
            uint8_t *cut = twi_new(n, 1, "a test", NULL); // so that the address sanitizer sees a read too far
            memcpy(cut, file.at, n);
            tw_err why = {0};
            if (twi_picture_read(cut, n, names[i], &o, &part, &why) == TW_OK) {
                n_whole++;
                assert_int_equal(part.width, whole.width);
                assert_memory_equal(part.rgb, whole.rgb, (size_t)(whole.width * whole.height * 3));
            } else {
                assert_int_equal(why.status, TW_EMALFORMED);
                if (n > file.n / 2)
                    expect_error(why, TW_EMALFORMED, "ends early");
            }
            twi_free(cut);
        }
        // of an animation the second frame may be missing
        if (n_whole > 64 && !strstr(names[i], "animated"))
            fail_msg("%s: %zu cut files were taken for whole", names[i], n_whole);
        twi_picture_clear(&whole);
        twi_picture_clear(&part);
        twi_free(file.at);
    }
}

static void any_flipped_bit_is_survived(void **state)
{
    (void)state;
    const char *names[] = {"subsampled.jpg", "progressive.jpg", "palette-alpha.png", "hole.gif",
                           "animated.webp",  "alpha.bmp",       "runs8.bmp",         "turned8.webp"};
    twi_picture p = {0};
    twi_picture_options o = {.pixels_max = 1 << 20};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bytes file = load(names[i]);
        for (size_t bit = 0; bit < file.n * 8; bit += bit < 128 * 8 ? 1 : 7) {
            file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            tw_err err = {0};
            tw_status status = twi_picture_read(file.at, file.n, names[i], &o, &p, &err);
            assert_int_equal(status, err.status);
            file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        twi_free(file.at);
    }
    twi_picture_clear(&p);
}

static void what_is_no_picture_is_called_by_its_name(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } cases[] = {
        {"", 0, "an empty file"},
        {"\n <!DOCTYPE html><title>404</title>", 34, "HTML text"},
        {"%PDF-1.7\n%\xE2\xE3", 11, "a PDF"},
        {"\0\0\0\x18"
         "ftypmp42\0\0\0\0",
         16, "an MP4 video"},
        {"PK\3\4\24\0\0\0", 8, "a ZIP archive"},
        {"<svg xmlns=\"x\"/>", 16, "an SVG drawing"},
        {"MM\0*\0\0\0\10", 8, "a TIFF picture, which is not supported"},
        {"version https://git-lfs.github.com/spec/v1", 42, "text"},
        {"\0\0\0\0\0\0\0\0\0\0", 10, "nothing but zeros"},
        {"\1\xFF", 2, "unknown data"},
        {"BM, as a word begins", 20, "text"},
    };
    twi_picture p = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tw_err err = {0};
        twi_picture_options o = {0};
        char expected[128];
        snprintf(expected, sizeof expected, "x.jpg: no picture: %s", cases[i].what);
        twi_picture_read((const uint8_t *)cases[i].bytes, cases[i].n, "x.jpg", &o, &p, &err);
        expect_error(err, TW_EMALFORMED, expected);
        assert_string_equal(err.where, "x.jpg");
    }
    twi_picture_clear(&p);
}

// Sets a big- or little-endian number of a file.
static void put(bytes *b, size_t at, uint32_t value, int n, bool is_big)
{
    for (int i = 0; i < n; i++)
        b->at[at + (size_t)(is_big ? n - 1 - i : i)] = (uint8_t)(value >> 8 * i);
}

static size_t find(const bytes *b, const char *what, size_t n)
{
    for (size_t i = 0; i + n <= b->n; i++)
        if (memcmp(b->at + i, what, n) == 0)
            return i;
    fail_msg("not in the file");
    return 0;
}

static void expect_refused(const bytes *b, const twi_picture_options *o, const char *part)
{
    twi_picture p = {0};
    tw_err err = {0};
    twi_picture_read(b->at, b->n, "bomb", o, &p, &err);
    expect_error(err, TW_EMALFORMED, part);
    assert_int_equal(p.room + p.spare_room, 0); // before any memory was taken
    twi_picture_clear(&p);
}

static void a_header_that_claims_too_much_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    twi_picture_options o = {0}, small = {.pixels_max = 100};
    bytes jpg = load("plain.jpg"), gif = load("plain.gif"), bmp = load("plain.bmp"), png = load("plain.png");
    expect_refused(&png, &small, "claims 19 × 13 pixels, more than the limit of 100");
    size_t frame = find(&jpg, "\xFF\xC0", 2);
    put(&jpg, frame + 5, 65000, 2, true);
    put(&jpg, frame + 7, 65000, 2, true);
    expect_refused(&jpg, &o, "claims 65000 × 65000 pixels, more than the limit");
    put(&jpg, frame + 5, 4000, 2, true);
    put(&jpg, frame + 7, 4000, 2, true);
    expect_refused(&jpg, &o, "claims 4000 × 4000 pixels, more than its");
    put(&gif, 6, 16000, 2, false);
    put(&gif, 8, 16000, 2, false);
    expect_refused(&gif, &o, "claims 16000 × 16000 pixels, more than its");
    put(&bmp, 18, 70000, 4, false);
    expect_refused(&bmp, &o, "more than the limit");
    put(&bmp, 18, 0, 4, false);
    expect_refused(&bmp, &o, "empty picture");
    twi_free(jpg.at);
    twi_free(gif.at);
    twi_free(bmp.at);
    twi_free(png.at);
}

static void a_jpeg_of_many_scans_is_refused(void **state)
{
    (void)state;
    bytes file = load("progressive.jpg");
    size_t last = 0; // the last scan, which is repeated
    for (size_t i = 0; i + 1 < file.n; i++)
        if (file.at[i] == 0xFF && file.at[i + 1] == 0xDA)
            last = i;
    size_t scan = file.n - 2 - last, n = file.n + 200 * scan;
    uint8_t *bomb = twi_new(n, 1, "a test", NULL);
    memcpy(bomb, file.at, file.n - 2);
    for (size_t i = 0; i < 200; i++)
        memcpy(bomb + file.n - 2 + i * scan, file.at + last, scan);
    memcpy(bomb + n - 2, "\xFF\xD9", 2);
    tw_err err = {0};
    twi_picture p = {0};
    twi_picture_options o = {0};
    twi_picture_read(bomb, n, "bomb.jpg", &o, &p, &err);
    expect_error(err, TW_EMALFORMED, "damaged JPEG");
    twi_picture_clear(&p);
    twi_free(bomb);
    twi_free(file.at);
}

static void a_jpeg_comes_smaller_only_while_it_is_enough(void **state)
{
    (void)state;
    bytes file = load("turned6.jpg"); // stored 24 × 16, upright 16 × 24
    twi_picture p = {0};
    const struct {
        int64_t enough_width, enough_height, width, height;
    } cases[] = {{0, 0, 16, 24}, {16, 24, 16, 24}, {8, 12, 8, 12},  {8, 13, 16, 24},
                 {5, 5, 8, 12},  {2, 2, 2, 3},     {100, 1, 16, 24}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tw_err err = {0};
        twi_picture_options o = {.enough_width = cases[i].enough_width,
                                 .enough_height = cases[i].enough_height};
        twi_picture_read(file.at, file.n, "turned6.jpg", &o, &p, &err);
        expect_ok(err);
        assert_int_equal(p.width, cases[i].width);
        assert_int_equal(p.height, cases[i].height);
        assert_int_equal(p.full_width, 16);
        assert_int_equal(p.full_height, 24);
        o.exact_decode = true;
        twi_picture_read(file.at, file.n, "turned6.jpg", &o, &p, &err);
        expect_ok(err);
        assert_int_equal(p.width, 16);
    }
    twi_picture_clear(&p);
    twi_free(file.at);
}

// The fast integer transform differs from the accurate one by a few levels (interop f1): as TensorFlow from Pillow.
static void exact_decoding_uses_the_fast_transform(void **state)
{
    (void)state;
    bytes file = load("progressive.jpg");
    twi_picture fast = {0}, accurate = {0};
    twi_picture_options o = {.exact_decode = true}, a = {.accurate_dct = true};
    tw_err err = {0};
    twi_picture_read(file.at, file.n, "x", &o, &fast, &err);
    twi_picture_read(file.at, file.n, "x", &a, &accurate, &err);
    expect_ok(err);
    int most = 0;
    for (int64_t i = 0; i < fast.width * fast.height * 3; i++)
        most = abs(fast.rgb[i] - accurate.rgb[i]) > most ? abs(fast.rgb[i] - accurate.rgb[i]) : most;
    assert_in_range(most, 1, 6);
    twi_picture_clear(&fast);
    twi_picture_clear(&accurate);
    twi_free(file.at);
}

// Adobe stores ink inverted; without its mark ink is ink.
static void ink_is_inverted_only_where_adobe_says_so(void **state)
{
    (void)state;
    bytes file = load("inked.jpg");
    twi_picture adobe = {0}, plain = {0};
    twi_picture_options o = {.accurate_dct = true};
    tw_err err = {0};
    twi_picture_read(file.at, file.n, "x", &o, &adobe, &err);
    memcpy(file.at + find(&file, "Adobe", 5), "Other", 5);
    twi_picture_read(file.at, file.n, "x", &o, &plain, &err);
    expect_ok(err);
    // Pillow leaves black at zero, so an inverted picture is all black ink
    int lightest = 0, brightest = 0;
    for (int64_t i = 0; i < plain.width * plain.height * 3; i++) {
        lightest = plain.rgb[i] > lightest ? plain.rgb[i] : lightest;
        brightest = adobe.rgb[i] > brightest ? adobe.rgb[i] : brightest;
    }
    assert_in_range(lightest, 0, 3);
    assert_true(brightest > 200);
    twi_picture_clear(&adobe);
    twi_picture_clear(&plain);
    twi_free(file.at);
}

static void the_second_picture_of_a_size_takes_no_memory(void **state)
{
    (void)state;
    const char *names[] = {"turned6.jpg", "alpha.png", "hole.gif", "alpha.webp", "fields555.bmp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bytes file = load(names[i]);
        twi_picture p = {0};
        twi_picture_options o = {0};
        tw_err err = {0};
        twi_picture_read(file.at, file.n, names[i], &o, &p, &err);
        twi_picture_read(file.at, file.n, names[i], &o, &p, &err);
        uint8_t *low = p.rgb < p.spare ? p.rgb : p.spare, *high = p.rgb < p.spare ? p.spare : p.rgb;
        size_t room = p.room + p.spare_room;
        for (int again = 0; again < 4; again++) {
            twi_picture_read(file.at, file.n, names[i], &o, &p, &err);
            expect_ok(err);
            assert_ptr_equal(p.rgb < p.spare ? p.rgb : p.spare, low);
            assert_ptr_equal(p.rgb < p.spare ? p.spare : p.rgb, high);
            assert_int_equal(p.room + p.spare_room, room);
        }
        twi_picture_clear(&p);
        twi_free(file.at);
    }
}

static void exif_is_read_in_either_byte_order_and_nothing_else_matters(void **state)
{
    (void)state;
    const uint8_t little[] = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0";
    const uint8_t big[] = "Exif\0\0MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\10\0\0\0\0\0\0";
    assert_int_equal(twi_exif_orientation(little, sizeof little), 6);
    assert_int_equal(twi_exif_orientation(big, sizeof big), 8);
    uint8_t odd[sizeof little];
    for (int value = 0; value < 256; value++) {
        memcpy(odd, little, sizeof odd);
        odd[18] = (uint8_t)value;
        assert_int_equal(twi_exif_orientation(odd, sizeof odd), value >= 1 && value <= 8 ? value : 1);
    }
    for (size_t n = 0; n < 22; n++) {
        uint8_t *cut = twi_new(n, 1, "a test", NULL);
        memcpy(cut, little, n);
        assert_int_equal(twi_exif_orientation(cut, n), 1);
        twi_free(cut);
    }
    memcpy(odd, little, sizeof odd);
    odd[4] = 0xF0, odd[7] = 0xFF; // a directory far outside
    assert_int_equal(twi_exif_orientation(odd, sizeof odd), 1);
}

static void a_written_jpeg_reads_back(void **state)
{
    (void)state;
    bytes file = load("plain.png"), written = {0};
    twi_picture p = {0}, again = {0};
    twi_picture_options o = {0};
    tw_err err = {0};
    twi_picture_read(file.at, file.n, "x", &o, &p, &err);
    twi_jpeg_write(&p, 95, &written.at, &written.n, &err);
    twi_picture_read(written.at, written.n, "written", &o, &again, &err);
    expect_ok(err);
    double sum = 0;
    for (int64_t i = 0; i < p.width * p.height * 3; i++)
        sum += abs(p.rgb[i] - again.rgb[i]);
    assert_true(sum / (double)(p.width * p.height * 3) < 12); // chroma is halved
    twi_picture_clear(&p);
    twi_picture_clear(&again);
    twi_free(written.at);
    twi_free(file.at);
}

static void every_kind_names_its_version(void **state)
{
    (void)state;
    for (const twi_picture_kind *const *kind = twi_picture_kinds; *kind; kind++) {
        char text[64] = "";
        (*kind)->version(text, sizeof text);
        assert_true(strlen(text) > 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_gives_its_pixels),
        cmocka_unit_test(a_picture_that_ends_early_is_an_error),
        cmocka_unit_test(any_flipped_bit_is_survived),
        cmocka_unit_test(what_is_no_picture_is_called_by_its_name),
        cmocka_unit_test(a_header_that_claims_too_much_is_refused_before_memory_is_taken),
        cmocka_unit_test(a_jpeg_of_many_scans_is_refused),
        cmocka_unit_test(a_jpeg_comes_smaller_only_while_it_is_enough),
        cmocka_unit_test(exact_decoding_uses_the_fast_transform),
        cmocka_unit_test(ink_is_inverted_only_where_adobe_says_so),
        cmocka_unit_test(the_second_picture_of_a_size_takes_no_memory),
        cmocka_unit_test(exif_is_read_in_either_byte_order_and_nothing_else_matters),
        cmocka_unit_test(a_written_jpeg_reads_back),
        cmocka_unit_test(every_kind_names_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
