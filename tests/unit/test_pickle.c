// Torch files: both forms are read, and a pickle that wants more than weights is refused by name.
//
// Files come from fuzz/make_corpus.py, written as torch.save writes them; storages hold 0, 1, 2 …

#include "testing.h"

#include "base/str.h"
#include "codec/pickle.h"

static const char *corpus(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "fuzz/corpus/fuzz_pickle/%s", name);
    return test_path(path);
}

static void expect_tensor(const twi_torch *f, const char *name, twi_dtype dtype, const tw_shape *shape,
                          const float *values)
{
    const twi_torch_tensor *t = twi_torch_find(f, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    tw_err err = {0};
    float got[64];
    assert_int_equal(t->dtype, dtype);
    assert_true(twi_shape_same(&t->shape, shape));
    twi_torch_read_f32(t, got, &err);
    expect_ok(err);
    for (int64_t i = 0; i < twi_shape_count(shape); i++)
        if (got[i] != values[i])
            fail_msg("%s[%d] is %g, expected %g", name, (int)i, (double)got[i], (double)values[i]);
}

static void both_forms_of_torch_files_give_their_tensors(void **state)
{
    (void)state;
    static const char *const files[] = {"zip.pth", "old.pth"};
    float ramp[24];
    for (int i = 0; i < 24; i++)
        ramp[i] = (float)i;
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        twi_source s;
        tw_shape scalar = {0};
        twi_source_open(&s, corpus(files[i]), &err);
        assert_true(twi_torch_is(&s));
        twi_torch *f = twi_torch_open(&s, &err);
        expect_ok(err);
        assert_int_equal(twi_torch_n(f), 5);
        assert_string_equal(twi_torch_at(f, 0)->name, "conv.weight");
        expect_tensor(f, "conv.weight", TWI_F32, &TWI_SHAPE(2, 3, 2, 2), ramp);
        expect_tensor(f, "turned", TWI_F32, &TWI_SHAPE(3, 4),
                      (float[]){4, 9, 14, 19, 5, 10, 15, 20, 6, 11, 16, 21});
        expect_tensor(f, "half", TWI_F16, &TWI_SHAPE(6), ramp);
        expect_tensor(f, "bf16", TWI_BF16, &TWI_SHAPE(2), ramp + 1);
        expect_tensor(f, "bn.num_batches_tracked", TWI_I64, &scalar, (float[]){7});
        assert_null(twi_torch_find(f, "conv"));
        twi_torch_close(f);
        twi_source_close(&s);
    }
}

static void a_pickle_that_wants_more_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *part;
        tw_status status;
    } files[] = {{"system", "global 'os.system'", TW_EMALFORMED},
                 {"eval", "global 'builtins.eval'", TW_EMALFORMED},
                 {"module", "global '__main__.Net'", TW_EMALFORMED},
                 {"stack_global", "STACK_GLOBAL (0x93)", TW_EMALFORMED},
                 {"newobj", "NEWOBJ (0x81)", TW_EMALFORMED},
                 {"inst", "INST (0x69)", TW_EMALFORMED},
                 {"protocol4", "protocol 4", TW_EMALFORMED},
                 {"outside", "leaves its storage of 4 values", TW_EMALFORMED},
                 {"negative", "leaves its storage", TW_EMALFORMED},
                 {"bomb", "leaves its storage", TW_EMALFORMED},
                 {"stride", "leaves its storage", TW_EMALFORMED},
                 {"storage_size", "claims 5 values", TW_EMALFORMED},
                 {"missing", "'n/data/9' is missing", TW_EMALFORMED},
                 {"twice", "two tensors named 'a'", TW_EMALFORMED},
                 {"memo", "memo number 2147483647", TW_EMALFORMED},
                 {"get", "memo number 7", TW_EMALFORMED},
                 {"text", "a text of 4294967295 bytes", TW_EMALFORMED},
                 {"empty", "a value that is not there", TW_EMALFORMED},
                 {"marks", "no named tensors", TW_EUNUSABLE},
                 {"deep", "no named tensors", TW_EUNUSABLE},
                 {"self", "no named tensors", TW_EUNUSABLE},
                 {"tuple_first", "no named tensors", TW_EUNUSABLE},
                 {"nothing", "no named tensors", TW_EUNUSABLE}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        tw_err err = {0};
        twi_source s;
        snprintf(name, sizeof name, "hostile_%s.pth", files[i].file);
        twi_source_open(&s, corpus(name), &err);
        expect_ok(err);
        assert_null(twi_torch_open(&s, &err));
        expect_error(err, files[i].status, files[i].part);
        twi_source_close(&s);
    }
}

static void a_file_cut_off_anywhere_is_malformed(void **state)
{
    (void)state;
    static const char *const files[] = {"zip.pth", "old.pth"};
    for (int f = 0; f < 2; f++) {
        tw_err err = {0};
        twi_source s;
        size_t size;
        twi_source_open(&s, corpus(files[f]), &err);
        char *bytes = twi_source_all(&s, &size, &err);
        twi_source_close(&s);
        for (size_t n = 0; n < size; n += n < 100 ? 1 : 7) {
            char *cut = twi_new(n, 1, "a test", NULL);
            memcpy(cut, bytes, n);
            twi_source_memory(&s, "cut", cut, n);
            err = (tw_err){0};
            assert_null(twi_torch_open(&s, &err));
            assert_int_equal(err.status, TW_EMALFORMED);
            twi_free(cut);
        }
        twi_free(bytes);
    }
}

static void a_changed_byte_anywhere_does_no_harm(void **state)
{
    (void)state;
    static const char *const files[] = {"zip.pth", "old.pth"};
    for (int f = 0; f < 2; f++) {
        tw_err err = {0};
        twi_source s;
        size_t size;
        twi_source_open(&s, corpus(files[f]), &err);
        uint8_t *bytes = twi_source_all(&s, &size, &err);
        twi_source_close(&s);
        for (size_t i = 0; i < 3 * size; i++) {
            static const uint8_t masks[] = {0xff, 0x01, 0x10};
            bytes[i / 3] ^= masks[i % 3];
            twi_source_memory(&s, "changed", bytes, size);
            twi_torch *file = twi_torch_open(&s, NULL);
            for (size_t k = 0; file && k < twi_torch_n(file); k++) {
                float values[64];
                if (twi_shape_count(&twi_torch_at(file, k)->shape) <= 64)
                    twi_torch_read_f32(twi_torch_at(file, k), values, NULL);
            }
            twi_torch_close(file);
            bytes[i / 3] ^= masks[i % 3];
        }
        twi_free(bytes);
    }
}

// The real one: PyTorch's zip form (not in the repository).
static void a_real_state_dict_is_read(void **state)
{
    (void)state;
    char path[512];
    const char *shared = getenv("TW_SHARED"), *root = getenv("TW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s%s/data/user-models/squeezenet-leaves/squeezenet.pth",
             shared ? shared
             : root ? root
                    : ".",
             shared ? "" : "/../shared");
    if (!twi_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    tw_err err = {0};
    twi_source s;
    twi_source_open(&s, path, &err);
    twi_torch *f = twi_torch_open(&s, &err);
    expect_ok(err);
    assert_int_equal(twi_torch_n(f), 52);
    const twi_torch_tensor *t = twi_torch_find(f, "classifier.1.weight");
    assert_non_null(t);
    assert_true(twi_shape_same(&t->shape, &TWI_SHAPE(4, 512, 1, 1)));
    float *values = twi_new(2048, sizeof *values, "a test", &err);
    twi_torch_read_f32(t, values, &err);
    expect_ok(err);
    double sum = 0;
    for (int i = 0; i < 2048; i++)
        sum += values[i];
    expect_near(sum, -1.30682582, 1e-6);
    twi_free(values);
    twi_torch_close(f);
    twi_source_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_torch_files_give_their_tensors),
        cmocka_unit_test(a_pickle_that_wants_more_is_refused_by_name),
        cmocka_unit_test(a_file_cut_off_anywhere_is_malformed),
        cmocka_unit_test(a_changed_byte_anywhere_does_no_harm),
        cmocka_unit_test(a_real_state_dict_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
