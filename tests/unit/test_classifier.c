// The classifier that topwork train builds: pictures are prepared inside it as its trunk wants them.

#include "testing.h"

#include "engine/plan.h"
#include "job/classifier.h"

static twi_picture colours(int n)
{
    twi_picture p = {0};
    tw_err err = {0};
    twi_picture_reserve(&p, n, n, &err);
    expect_ok(err);
    for (int i = 0; i < n * n * 3; i++)
        p.rgb[i] = (uint8_t)(i * 37 % 256);
    return p;
}

static void *numbers(const twi_recipe *r, const twi_picture *p)
{
    tw_err err = {0};
    twi_recipe_work work = {0};
    float *dst = twi_new((size_t)(r->height * r->width * 3), sizeof *dst, "a test", &err);
    assert_int_equal(twi_recipe_apply(r, p, &work, dst, &err), TW_OK);
    twi_recipe_work_clear(&work);
    return dst;
}

// What the classifier's layers before the trunk make of x.
static void prepare(tw_model *whole, float *x, size_t n)
{
    tw_err err = {0};
    tw_model *m = twi_model_cut(whole, "preprocessing", NULL, &err);
    expect_ok(err);
    twi_plan *plan = twi_plan_new(m, &(twi_plan_options){.batch = 1, .threads = 1}, &err);
    twi_run *run = plan ? twi_run_new(plan, &err) : NULL;
    expect_ok(err);
    memcpy(twi_run_input(run, 0), x, n * sizeof *x);
    assert_int_equal(twi_run_forward(run, 1, 0, &err), TW_OK);
    memcpy(x, twi_run_output(run, 0), n * sizeof *x);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

static void every_way_to_prepare_pictures_gives_the_same_numbers_inside_as_outside(void **state)
{
    (void)state;
    enum { SIZE = 32, N = SIZE * SIZE * 3 };
    for (int mode = TWI_PIXELS_TF; twi_pixel_mode_names[mode]; mode++) {
        tw_err err = {0};
        twi_recipe recipe = {.height = SIZE, .width = SIZE};
        const char *classes[] = {"cats", "dogs"};
        twi_classifier_options o = {.model = "mobilenet:0.25",
                                    .weights = "none",
                                    .input_size = SIZE,
                                    .head = "gap",
                                    .freeze = "all",
                                    .dropout = -1,
                                    .preprocess = twi_pixel_mode_names[mode],
                                    .recipe = &recipe,
                                    .n_classes = 2,
                                    .classes = classes};
        twi_classifier c = {0};
        if (twi_classifier_build(&o, &c, &err))
            fail_msg("%s: %s", o.preprocess, err.msg);
        twi_picture picture = colours(SIZE);
        float *inside = numbers(&recipe, &picture);
        recipe.pixels = (twi_pixel_mode)mode;
        float *outside = numbers(&recipe, &picture);
        prepare(c.model, inside, N);
        for (int i = 0; i < N; i++)
            expect_near(inside[i], outside[i], mode == TWI_PIXELS_CAFFE ? 2e-5 : 1e-6);
        twi_free(inside);
        twi_free(outside);
        twi_picture_clear(&picture);
        twi_classifier_clear(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_prepare_pictures_gives_the_same_numbers_inside_as_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
