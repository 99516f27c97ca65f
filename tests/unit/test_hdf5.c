// HDF5: what is read, what is refused, what is written. The library libhdf5 is the oracle where it is installed.
//
// Files come from fuzz/make_corpus.py (h5py); every dataset there holds 0, 1, 2 …

#include "testing.h"

#include "../../fuzz/walk_hdf5.h"

#include <unistd.h>
#ifdef TW_HAVE_HDF5
#include <hdf5.h>
#endif

typedef struct bytes {
    uint8_t *at;
    size_t n;
} bytes;

static bytes load(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "fuzz/corpus/fuzz_hdf5/%s", name);
    twi_source s;
    tw_err err = {0};
    twi_source_open(&s, test_path(path), &err);
    expect_ok(err);
    bytes b;
    b.at = twi_source_all(&s, &b.n, &err);
    expect_ok(err);
    twi_source_close(&s);
    return b;
}

typedef struct opened {
    bytes b;
    twi_source source;
    twi_hdf5 *file;
    twi_hdf5_object root;
} opened;

static void open_file(opened *o, const char *name)
{
    tw_err err = {0};
    *o = (opened){.b = load(name)};
    twi_source_memory(&o->source, name, o->b.at, o->b.n);
    o->file = twi_hdf5_open(&o->source, &err);
    expect_ok(err);
    o->root = twi_hdf5_root(o->file);
}

static void close_file(opened *o)
{
    twi_hdf5_close(o->file);
    twi_free(o->b.at);
}

static twi_hdf5_object at(opened *o, const char *path)
{
    tw_err err = {0};
    twi_hdf5_object found = 0;
    twi_hdf5_find(o->file, o->root, path, &found, &err);
    expect_ok(err);
    if (!found)
        fail_msg("no '%s'", path);
    return found;
}

// A dataset has this many values and they are 0, 1, 2 …
static void expect_ramp(opened *o, const char *path, int64_t n, twi_dtype dtype)
{
    tw_err err = {0};
    twi_hdf5_data data;
    twi_hdf5_object set = at(o, path);
    twi_hdf5_data_of(o->file, set, &data, &err);
    expect_ok(err);
    assert_int_equal(twi_shape_count(&data.shape), n);
    assert_int_equal(data.dtype, dtype);
    assert_int_equal(data.bytes, (uint64_t)n * twi_dtype_size(dtype));
    float *values = twi_new((size_t)n, sizeof *values, "a test", NULL);
    twi_hdf5_read_f32(o->file, set, values, &err);
    expect_ok(err);
    for (int64_t i = 0; i < n; i++)
        if (values[i] != (float)i)
            fail_msg("%s[%lld] is %g", path, (long long)i, (double)values[i]);
    twi_free(values);
}

static void expect_refused(opened *o, const char *path, tw_status status, const char *part)
{
    tw_err err = {0};
    twi_hdf5_data data;
    float values[64];
    twi_hdf5_object set = at(o, path);
    if (!twi_hdf5_data_of(o->file, set, &data, &err))
        twi_hdf5_read_f32(o->file, set, values, &err);
    expect_error(err, status, part);
}

static void expect_text(opened *o, const char *path, const char *name, const char *expected)
{
    tw_err err = {0};
    char *text = NULL;
    twi_hdf5_text(o->file, at(o, path), name, &text, &err);
    expect_ok(err);
    if (!expected)
        assert_null(text);
    else
        assert_string_equal(text, expected);
    twi_free(text);
}

// expected: joined by ','
static void expect_texts(opened *o, const char *path, const char *name, const char *expected)
{
    tw_err err = {0};
    twi_hdf5_texts texts;
    twi_hdf5_texts_of(o->file, at(o, path), name, &texts, &err);
    expect_ok(err);
    twi_str joined = {0};
    for (size_t i = 0; i < texts.n; i++)
        twi_str_printf(&joined, "%s%s", i ? "," : "", texts.at[i]);
    assert_string_equal(joined.text ? joined.text : "", expected);
    twi_str_clear(&joined);
    twi_hdf5_texts_clear(&texts);
}

// ------------------------------------------------------------------------------------------------------------ reading

static void what_keras_3_writes_is_read(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "keras3.h5");
    expect_text(&o, "", "model_config", "{\"class_name\": \"Sequential\"}");
    expect_text(&o, "", "absent", NULL);
    expect_texts(&o, "", "layer_names", "conv1,bn,dense_é");
    expect_texts(&o, "conv1", "weight_names", "conv1/kernel,conv1/bias");
    expect_texts(&o, "bn", "weight_names", "");
    expect_ramp(&o, "conv1/conv1/kernel", 72, TWI_F32);
    expect_ramp(&o, "/conv1//conv1/bias/", 4, TWI_F32);
    assert_true(twi_hdf5_is_group(o.file, at(&o, "conv1")));
    assert_false(twi_hdf5_is_group(o.file, at(&o, "optimizer/vars/0")));
    twi_hdf5_object absent = 1;
    tw_err err = {0};
    assert_int_equal(twi_hdf5_find(o.file, o.root, "conv1/none/0", &absent, &err), TW_OK);
    assert_int_equal(absent, 0);
    close_file(&o);
}

static void every_type_of_value_and_text_is_read_or_named(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "types.h5");
    expect_texts(&o, "", "layer_names", "a,bcd");
    expect_text(&o, "", "backend", "tensorflow");
    expect_text(&o, "", "padded", "ab");
    expect_texts(&o, "", "split", "p0,p1,p2,p3,p4");
    expect_text(&o, "", "nothing", NULL);
    expect_ramp(&o, "f2", 6, TWI_F16);
    expect_ramp(&o, "f8", 6, TWI_F64);
    expect_ramp(&o, "i8", 6, TWI_I64);
    expect_ramp(&o, "i4", 6, TWI_I32);
    expect_ramp(&o, "u1", 6, TWI_U8);
    expect_ramp(&o, "bool", 2, TWI_U8);
    expect_ramp(&o, "bf16", 5, TWI_BF16);
    expect_ramp(&o, "empty", 0, TWI_F32);
    expect_refused(&o, "big_endian", TW_EUNSUPPORTED, "big-endian float");
    expect_refused(&o, "int16", TW_EUNSUPPORTED, "integer, 2 bytes");
    expect_refused(&o, "compound", TW_EUNSUPPORTED, "compound");
    expect_refused(&o, "opaque", TW_EUNSUPPORTED, "opaque");
    tw_err err = {0};
    char *text;
    twi_hdf5_text(o.file, o.root, "number", &text, &err);
    expect_error(err, TW_EMALFORMED, "'number' holds numbers, expected text");
    close_file(&o);
}

static void a_group_of_many_nodes_gives_all_members_and_finds_each(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "wide.h5");
    tw_err err = {0};
    twi_hdf5_texts members;
    twi_hdf5_members(o.file, at(&o, "wide"), &members, &err);
    expect_ok(err);
    assert_int_equal(members.n, 60);
    for (size_t i = 0; i < members.n; i++) {
        char path[64];
        snprintf(path, sizeof path, "wide/member_%02zu", i);
        assert_string_equal(members.at[i], path + 5);
        assert_int_equal(at(&o, path), at(&o, "one"));
    }
    twi_hdf5_texts_clear(&members);
    close_file(&o);
}

static void chunks_and_their_filters_are_undone(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "chunked.h5");
    expect_ramp(&o, "deflate", 70, TWI_F32);
    expect_ramp(&o, "all", 60, TWI_F32);
    expect_ramp(&o, "grows", 5, TWI_F32);
    expect_refused(&o, "holes", TW_EUNUSABLE, "2 of 8 values");
    expect_refused(&o, "lzf", TW_EUNSUPPORTED, "filter 32000");
    close_file(&o);
}

static void newer_forms_of_the_format_are_read(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "latest.h5");
    expect_text(&o, "", "backend", "jax");
    expect_texts(&o, "", "layer_names", "x,y");
    expect_ramp(&o, "a/b/kernel", 4, TWI_F32);
    expect_ramp(&o, "one_chunk", 12, TWI_F32);
    expect_refused(&o, "fixed_array", TW_EUNSUPPORTED, "index type 3");
    close_file(&o);
    open_file(&o, "ordered.h5");
    expect_text(&o, "", "name", "ordered");
    expect_ramp(&o, "z", 2, TWI_F32);
    close_file(&o);
    open_file(&o, "compact.h5");
    expect_ramp(&o, "compact", 6, TWI_F32);
    expect_refused(&o, "never", TW_EMALFORMED, "none were written");
    close_file(&o);
}

static void what_is_kept_in_fractal_heaps_is_named(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "dense.h5");
    tw_err err = {0}, err2 = {0};
    twi_hdf5_object found;
    char *text;
    twi_hdf5_find(o.file, o.root, "g/3", &found, &err);
    expect_error(err, TW_EUNSUPPORTED, "fractal heap");
    twi_hdf5_text(o.file, at(&o, "g"), "a1", &text, &err2);
    expect_error(err2, TW_EUNSUPPORTED, "'a1'");
    close_file(&o);
}

static void nothing_leads_out_of_the_file(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "elsewhere.h5");
    tw_err err = {0}, err2 = {0}, err3 = {0};
    twi_hdf5_object found;
    twi_hdf5_texts members;
    twi_hdf5_find(o.file, o.root, "soft/link", &found, &err);
    expect_error(err, TW_EMALFORMED, "'link' is a soft link");
    twi_hdf5_find(o.file, o.root, "external/link", &found, &err2);
    expect_error(err2, TW_EMALFORMED, "'link' is an external link");
    twi_hdf5_members(o.file, at(&o, "soft"), &members, &err3);
    expect_error(err3, TW_EMALFORMED, "soft link");
    expect_refused(&o, "stored_outside", TW_EMALFORMED, "external storage");
    expect_refused(&o, "shares_type", TW_EUNSUPPORTED, "named datatype");
    expect_ramp(&o, "real", 2, TWI_F32);
    close_file(&o);
    open_file(&o, "virtual.h5");
    expect_refused(&o, "virtual", TW_EMALFORMED, "virtual dataset");
    close_file(&o);
}

// ----------------------------------------------------------------------------------------------------------- damage

static void hostile_files_end_in_an_error(void **state)
{
    (void)state;
    static const char *const files[][2] = {{"hostile_tree_circle.h5", "level 1"},
                                           {"hostile_symbols_full.h5", "larger than the file"},
                                           {"hostile_name_far.h5", "outside its heap"},
                                           {"hostile_root_far.h5", "ends early"},
                                           {"hostile_shape_bomb.h5", "claims more values"},
                                           {"hostile_shape_large.h5", "24 are stored"},
                                           {"hostile_rank.h5", "255 axes"},
                                           {"hostile_header_size.h5", "leaves the file"},
                                           {"hostile_continuation_circle.h5", "circle"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = load(files[i][0]);
        twi_source s;
        walk_hdf5 w;
        twi_source_memory(&s, files[i][0], b.at, b.n);
        walk_file(&w, &s, 200);
        if (!strstr(w.err.msg, files[i][1]))
            fail_msg("%s: expected '%s', received %s", files[i][0], files[i][1], w.err.msg);
        twi_free(b.at);
    }
}

static void a_group_inside_itself_does_no_harm(void **state)
{
    (void)state;
    opened o;
    open_file(&o, "hostile_group_circle.h5");
    assert_int_equal(at(&o, "a/b/c/a/b/c/a"), at(&o, "a"));
    close_file(&o);
}

// Puts the length into the superblock, so that what is missing is met further in, not by the first check.
static void claim_length(uint8_t *file, size_t n)
{
    for (int i = 0; i < 8 && n >= 48; i++)
        file[40 + i] = (uint8_t)(n >> (8 * i));
}

static void a_file_cut_off_anywhere_is_malformed(void **state)
{
    (void)state;
    static const char *const files[] = {"keras3.h5", "wide.h5", "chunked.h5", "latest.h5", "types.h5"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        bytes b = load(files[f]);
        walk_hdf5 whole, w;
        twi_source s;
        twi_source_memory(&s, "whole", b.at, b.n);
        assert_true(walk_file(&whole, &s, 200));
        for (size_t n = 0; n < b.n; n += n < 200 ? 1 : 61) {
            uint8_t *cut =
                twi_new(n, 1, "a test", NULL); // of its own, so that a sanitizer sees a read past it
            memcpy(cut, b.at, n);
            twi_source_memory(&s, "cut", cut, n);
            assert_false(walk_file(&w, &s, 200));
            assert_int_equal(w.err.status, TW_EMALFORMED);
            claim_length(cut, n);
            twi_source_memory(&s, "cut", cut, n);
            walk_file(&w, &s, 200);
            // A cut in the unused bytes at the end of a heap or tree goes unnoticed; values are never made up.
            assert_true(w.n_data <= whole.n_data);
            if (w.err.status != whole.err.status)
                assert_int_equal(w.err.status, TW_EMALFORMED);
            twi_free(cut);
        }
        twi_free(b.at);
    }
}

static void a_changed_byte_anywhere_does_no_harm(void **state)
{
    (void)state;
    static const char *const files[] = {"compact.h5", "keras3.h5", "ordered.h5", "chunked.h5"};
    static const uint8_t masks[] = {0xff, 0x01, 0x80};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        bytes b = load(files[f]);
        for (size_t i = 0; i < b.n; i++) {
            if (!b.at[i] && i % 7)
                continue; // most of a file is padding
            uint8_t was = b.at[i];
            b.at[i] ^= masks[i % 3];
            twi_source s;
            walk_hdf5 w;
            twi_source_memory(&s, "changed", b.at, b.n);
            walk_file(&w, &s, 50);
            b.at[i] = was;
        }
        twi_free(b.at);
    }
}

// A small file may not make the reader take much memory: claims are checked against the budget first.
static void a_claim_of_much_memory_is_refused(void **state)
{
    (void)state;
    bytes b = load("keras3.h5");
    uint8_t *heap = memmem(b.at, b.n, "GCOL", 4);
    assert_non_null(heap);
    memset(heap + 24, 0xff, 6); // the first object's size
    twi_source s;
    walk_hdf5 w;
    twi_source_memory(&s, "heap", b.at, b.n);
    walk_file(&w, &s, 200);
    expect_error(w.err, TW_EMALFORMED, "leaves its global heap collection");
    twi_free(b.at);
}

// ------------------------------------------------------------------------------------------------------------ writing

static char folder[] = "/tmp/topwork-hdf5-XXXXXX", written[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(written, sizeof written, "%s/w.h5", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(written);
    return rmdir(folder);
}

enum { WIDE = 700, MANY = 5000 };

static void write_sample(const char *path)
{
    tw_err err = {0};
    twi_hdf5_writer *w = twi_hdf5_create(path, &err);
    float ramp[24];
    for (int i = 0; i < 24; i++)
        ramp[i] = (float)i;
    int64_t step = 7;
    tw_shape scalar = {0};
    const char *names[] = {"b", "", "a_ß"};
    twi_hdf5_put_data(w, "layers/dense/vars/0", TWI_F32, &TWI_SHAPE(2, 3, 4), ramp, &err);
    twi_hdf5_put_group(w, "/layers/dropout/vars/", &err);
    twi_hdf5_put_text(w, "layers/dense/vars", "name", "old", &err);
    twi_hdf5_put_text(w, "layers/dense/vars", "name", "dense", &err);
    twi_hdf5_put_text(w, "layers/dense/vars/0", "unit", "none", &err);
    twi_hdf5_put_data(w, "optimizer/vars/0", TWI_I64, &scalar, &step, &err);
    twi_hdf5_put_data(w, "nothing", TWI_F32, &TWI_SHAPE(0, 4), NULL, &err);
    twi_hdf5_put_texts(w, "/", "layer_names", 3, names, &err);
    twi_hdf5_put_texts(w, "layers", "weight_names", 0, names, &err);
    char *large = twi_new(100001, 1, "a test", &err);
    memset(large, 'x', 100000);
    twi_hdf5_put_text(w, "/", "model_config", large, &err);
    twi_free(large);
    for (int i = 0; i < WIDE; i++) {
        char name[64];
        float value = (float)(i * 7919 % WIDE);
        snprintf(name, sizeof name, "wide/item_%d", i * 7919 % WIDE);
        twi_hdf5_put_data(w, name, TWI_F32, &TWI_SHAPE(1), &value, &err);
    }
    char **many = twi_new(MANY, sizeof *many, "a test", &err);
    for (int i = 0; i < MANY; i++) {
        char name[64];
        snprintf(name, sizeof name, "a_layer_of_some_length_%d/kernel:0", i);
        many[i] = twi_strdup(name, &err);
    }
    twi_hdf5_put_texts(w, "optimizer", "weight_names", MANY, (const char *const *)many, &err);
    for (int i = 0; i < MANY; i++)
        twi_free(many[i]);
    twi_free(many);
    twi_hdf5_finish(w, &err);
    expect_ok(err);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    write_sample(written);
    tw_err err = {0};
    opened o = {0};
    twi_source_open(&o.source, written, &err);
    o.file = twi_hdf5_open(&o.source, &err);
    expect_ok(err);
    o.root = twi_hdf5_root(o.file);
    expect_ramp(&o, "layers/dense/vars/0", 24, TWI_F32);
    expect_ramp(&o, "nothing", 0, TWI_F32);
    expect_text(&o, "layers/dense/vars", "name", "dense");
    expect_texts(&o, "", "layer_names", "b,,a_ß");
    expect_texts(&o, "layers", "weight_names", "");
    char *config = NULL;
    twi_hdf5_text(o.file, o.root, "model_config", &config, &err);
    assert_int_equal(strlen(config), 100000);
    twi_free(config);
    twi_hdf5_texts members, names;
    twi_hdf5_members(o.file, at(&o, "layers/dropout/vars"), &members, &err);
    assert_int_equal(members.n, 0);
    twi_hdf5_members(o.file, at(&o, "wide"), &members, &err);
    assert_int_equal(members.n, WIDE);
    for (int i = 0; i < WIDE; i++) {
        char path[64];
        float value = -1;
        snprintf(path, sizeof path, "wide/item_%d", i);
        twi_hdf5_read_f32(o.file, at(&o, path), &value, &err);
        assert_int_equal((int)value, i);
    }
    twi_hdf5_texts_clear(&members);
    twi_hdf5_texts_of(o.file, at(&o, "optimizer"), "weight_names", &names, &err);
    expect_ok(err);
    assert_int_equal(names.n, MANY);
    assert_string_equal(names.at[MANY - 1], "a_layer_of_some_length_4999/kernel:0");
    twi_hdf5_texts_clear(&names);
    twi_hdf5_close(o.file);
    twi_source_close(&o.source);
}

static void mistakes_while_writing_cost_the_file(void **state)
{
    (void)state;
    tw_err err = {0}, end = {0};
    float one = 1;
    assert_null(twi_hdf5_create("/nowhere/x.h5", &err));
    expect_error(err, TW_EWRITE, "No such file");
    err = (tw_err){0};
    twi_hdf5_writer *w = twi_hdf5_create(written, &err);
    twi_hdf5_put_data(w, "a", TWI_F32, &TWI_SHAPE(1), &one, &err);
    twi_hdf5_put_data(w, "a/b", TWI_F32, &TWI_SHAPE(1), &one, &err);
    expect_error(err, TW_EINVAL, "a part of it is a dataset");
    assert_int_equal(twi_hdf5_finish(w, &end), TW_EINVAL);
    assert_int_equal(access(written, F_OK), -1);
}

// ------------------------------------------------------------------------------------------------------------- oracle

#ifdef TW_HAVE_HDF5
typedef struct comparison {
    opened *o;
    int n;
} comparison;

static herr_t compare_object(hid_t group, const char *name, const H5O_info_t *info, void *arg)
{
    comparison *c = arg;
    if (info->type != H5O_TYPE_DATASET)
        return 0;
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(set), type = H5Dget_type(set);
    hssize_t n = H5Sget_simple_extent_npoints(space);
    twi_hdf5_data data;
    tw_err err = {0};
    twi_hdf5_object ours = at(c->o, name);
    if (!twi_hdf5_data_of(c->o->file, ours, &data, &err)) {
        assert_int_equal(twi_shape_count(&data.shape), n);
        float *a = twi_new((size_t)n, sizeof *a, "a test", NULL),
              *b = twi_new((size_t)n, sizeof *b, "a test", NULL);
        bool is_read = !twi_hdf5_read_f32(c->o->file, ours, a, &err);
        // bfloat16 is opaque to HDF5
        if (is_read && n && H5Tget_class(type) != H5T_OPAQUE && H5Tget_class(type) != H5T_ENUM) {
            assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, b) >= 0);
            assert_memory_equal(a, b, (size_t)n * sizeof *a);
            c->n++;
        }
        twi_free(a);
        twi_free(b);
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
    return 0;
}

static int compare_file(const char *path)
{
    tw_err err = {0};
    opened o = {0};
    twi_source_open(&o.source, path, &err);
    o.file = twi_hdf5_open(&o.source, &err);
    expect_ok(err);
    o.root = twi_hdf5_root(o.file);
    comparison c = {.o = &o};
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, compare_object, &c);
    H5Fclose(file);
    twi_hdf5_close(o.file);
    twi_source_close(&o.source);
    return c.n;
}

static void libhdf5_reads_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int n;
    } files[] = {{"keras3.h5", 3}, {"types.h5", 5}, {"wide.h5", 1}, {"chunked.h5", 3}, {"compact.h5", 1}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "fuzz/corpus/fuzz_hdf5/%s", files[i].file);
        int n = compare_file(test_path(path));
        if (n != files[i].n)
            fail_msg("%s: %d datasets compared, expected %d", files[i].file, n, files[i].n);
    }
    write_sample(written);
    assert_int_equal(compare_file(written), WIDE + 2);
}

// The library finds nothing amiss in our file even when it works on it: adds, removes, and reads again.
static void libhdf5_can_edit_what_is_written(void **state)
{
    (void)state;
    write_sample(written);
    hid_t file = H5Fopen(written, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "wide/item_%d", i * 2);
        assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
        snprintf(name, sizeof name, "wide/new_%d", i);
        H5Gclose(H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    assert_true(H5Fclose(file) >= 0);
    assert_int_equal(compare_file(written), WIDE + 2 - 300);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keras_3_writes_is_read),
        cmocka_unit_test(every_type_of_value_and_text_is_read_or_named),
        cmocka_unit_test(a_group_of_many_nodes_gives_all_members_and_finds_each),
        cmocka_unit_test(chunks_and_their_filters_are_undone),
        cmocka_unit_test(newer_forms_of_the_format_are_read),
        cmocka_unit_test(what_is_kept_in_fractal_heaps_is_named),
        cmocka_unit_test(nothing_leads_out_of_the_file),
        cmocka_unit_test(hostile_files_end_in_an_error),
        cmocka_unit_test(a_group_inside_itself_does_no_harm),
        cmocka_unit_test(a_file_cut_off_anywhere_is_malformed),
        cmocka_unit_test(a_changed_byte_anywhere_does_no_harm),
        cmocka_unit_test(a_claim_of_much_memory_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(mistakes_while_writing_cost_the_file),
#ifdef TW_HAVE_HDF5
        cmocka_unit_test(libhdf5_reads_the_same),
        cmocka_unit_test(libhdf5_can_edit_what_is_written),
#endif
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
