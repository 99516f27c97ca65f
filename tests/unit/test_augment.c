// Promises of augmentation: same name, same change; another epoch, another change; nothing asked for, nothing changed.

#include "testing.h"

#include "data/augment.h"
#include "train/mix.h"

enum { H = 9, W = 7, PIXELS = H * W * 3 };

static const twi_recipe recipe = {.height = H, .width = W, .pixels = TWI_PIXELS_RAW};

static void draw_picture(float *p)
{
    for (int i = 0; i < PIXELS; i++)
        p[i] = (float)((i * 37 + i / 5) % 256);
}

static void run(const char *spec, uint64_t seed, uint64_t round, uint32_t photo, float *out)
{
    twi_augment a;
    tw_err err = {0};
    float scratch[PIXELS];
    assert_int_equal(twi_augment_text(&a, spec, "spec", &err), TW_OK);
    draw_picture(out);
    twi_augment_run(&a, &recipe, seed, round, photo, out, scratch);
}

static bool same(const float *a, const float *b)
{
    return memcmp(a, b, PIXELS * sizeof *a) == 0;
}

static void a_change_is_named_by_seed_round_and_photo(void **state)
{
    (void)state;
    const char *spec = "rotation:0.2, zoom:0.3, contrast:0.5, hue:0.3";
    float a[PIXELS], b[PIXELS];
    run(spec, 1, 3, 5, a);
    run(spec, 1, 3, 5, b);
    assert_true(same(a, b));
    run(spec, 2, 3, 5, b);
    assert_false(same(a, b));
    run(spec, 1, 4, 5, b);
    assert_false(same(a, b));
    run(spec, 1, 3, 6, b);
    assert_false(same(a, b));
}

// Flips come half of the time.
static void draws_are_even(void **state)
{
    (void)state;
    float plain[PIXELS], out[PIXELS];
    draw_picture(plain);
    int flipped = 0, n = 20000;
    for (int i = 0; i < n; i++) {
        run("flip", 1, 0, (uint32_t)i, out);
        flipped += !same(plain, out);
    }
    expect_near(flipped, n / 2, 4 * sqrt(n / 4.0));
}

static void every_change_keeps_the_range(void **state)
{
    (void)state;
    const char *const *names = twi_augment_names();
    for (int i = 0; names[i]; i++)
        for (uint32_t photo = 0; photo < 50; photo++) {
            float out[PIXELS];
            run(names[i], 7, 1, photo, out);
            for (int j = 0; j < PIXELS; j++)
                if (!(out[j] >= -1e-3f && out[j] <= 255.001f))
                    fail_msg("%s gives %g", names[i], (double)out[j]);
        }
}

static void what_cannot_be_done_is_told(void **state)
{
    (void)state;
    twi_augment a;
    tw_err err = {0};
    twi_recipe caffe = recipe;
    caffe.pixels = TWI_PIXELS_CAFFE;
    twi_augment_text(&a, "flip, hue", "--augment", &err);
    assert_int_equal(twi_augment_check(&a, &recipe, &err), TW_OK);
    twi_augment_check(&a, &caffe, &err);
    expect_error(err, TW_EUNSUPPORTED, "RandomHue on pixels in the caffe form");
    err = (tw_err){0};
    twi_augment_text(&a, "rotation:7", "--augment", &err);
    expect_error(err, TW_EINVAL, "must be in -1..1, received 7");
}

// Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
static void beta_has_its_moments(void **state)
{
    (void)state;
    static const double alphas[] = {0.2, 1, 3};
    for (int k = 0; k < 3; k++) {
        twi_rng r = twi_rng_at(1, TWI_RNG_TEST, (uint64_t)k, 0);
        double sum = 0, squares = 0;
        int n = 100000;
        for (int i = 0; i < n; i++) {
            double x = twi_draw_beta(&r, alphas[k]);
            sum += x, squares += (x - 0.5) * (x - 0.5);
        }
        expect_near(sum / n, 0.5, 0.005);
        expect_near(squares / n, 1 / (4 * (2 * alphas[k] + 1)), 0.003);
    }
}

static void mixing_keeps_the_sum_of_labels_and_of_features(void **state)
{
    (void)state;
    enum { N = 6, K = 3, ROW = 4 };
    float x[N * ROW], y[N * K] = {0}, before = 0, after = 0, *input[] = {x};
    for (int i = 0; i < N * ROW; i++)
        x[i] = (float)i;
    for (int i = 0; i < N; i++)
        y[i * K + i % K] = 1;
    tw_shape shape = TW_SHAPE(N, ROW);
    twi_mix m = {.mixup = 1, .n_inputs = 1, .input = input, .shape = &shape, .n = N, .k = K, .y = y};
    tw_err err = {0};
    assert_int_equal(twi_mix_batch(&m, 3, 1, &err), TW_OK);
    for (int i = 0; i < N; i++) {
        float sum = 0;
        for (int j = 0; j < K; j++)
            sum += y[i * K + j];
        expect_near(sum, 1, 1e-6);
        // A row holds i·4 … i·4 + 3, and so does every mixture: consecutive numbers.
        for (int j = 1; j < ROW; j++)
            expect_near(x[i * ROW + j] - x[i * ROW + j - 1], 1, 1e-5);
        before += (float)(i * ROW), after += x[i * ROW];
    }
    assert_true(before != after);
}

static void cutmix_labels_follow_the_area(void **state)
{
    (void)state;
    enum { N = 4, K = 4, SIDE = 8 };
    float x[N * SIDE * SIDE], y[N * K] = {0}, *input[] = {x};
    for (int i = 0; i < N * SIDE * SIDE; i++)
        x[i] = (float)(i / (SIDE * SIDE)); // picture i is all i
    for (int i = 0; i < N; i++)
        y[i * K + i] = 1;
    tw_shape shape = TW_SHAPE(N, SIDE, SIDE, 1);
    twi_mix m = {.cutmix = 1, .n_inputs = 1, .input = input, .shape = &shape, .n = N, .k = K, .y = y};
    tw_err err = {0};
    assert_int_equal(twi_mix_batch(&m, 5, 2, &err), TW_OK);
    for (int i = 0; i < N; i++) {
        float own = 0;
        for (int j = 0; j < SIDE * SIDE; j++)
            own += x[i * SIDE * SIDE + j] == (float)i;
        expect_near(y[i * K + i], own / (SIDE * SIDE), 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_named_by_seed_round_and_photo),
        cmocka_unit_test(draws_are_even),
        cmocka_unit_test(every_change_keeps_the_range),
        cmocka_unit_test(what_cannot_be_done_is_told),
        cmocka_unit_test(beta_has_its_moments),
        cmocka_unit_test(mixing_keeps_the_sum_of_labels_and_of_features),
        cmocka_unit_test(cutmix_labels_follow_the_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
