// Drawings: trunk and head, branches, and what no published network has. What the big ones look like: cli/drawing.

#include "nets.h"
#include "testing.h"

#include "report/drawing.h"
#include "zoo/build.h"

static char *drawing(const tw_model *m, const twi_drawing_options *o)
{
    tw_err err = {0};
    twi_str out = {0};
    twi_drawing_write(m, o ? o : &(twi_drawing_options){0}, &out, &err);
    expect_ok(err);
    return twi_str_take(&out, &err);
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

// A small residual network; as a trunk it is frozen.
static tw_model *residual(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("residual", false, &err);
    twi_tensor x = twi_model_input(m, "photo", &TW_SHAPE(-1, 32, 32, 3));
    twi_model_output(m, net_blocks(m, x, ""));
    twi_model_verify(m, &err);
    expect_ok(err);
    return m;
}

static tw_model *classifier(void)
{
    tw_err err = {0};
    tw_model *trunk = residual(), *m = twi_model_new("classifier", false, &err);
    twi_model_set_trainable(trunk, false);
    twi_tensor x = twi_model_input(m, "input", &TW_SHAPE(-1, 32, 32, 3));
    twi_layer *nest = twi_layer_nest(trunk, &err);
    x = twi_model_call(m, nest, 1, &x);
    x = net_layer(m, "Flatten", "flatten", x, "");
    twi_model_output(m, net_layer(m, "Dense", "answer", x, "units=2 activation=softmax"));
    twi_model_verify(m, &err);
    expect_ok(err);
    twi_layer_free(nest);
    twi_model_free(trunk);
    return m;
}

static void trunk_is_tinted_and_the_new_head_stands_behind_the_cut(void **state)
{
    (void)state;
    tw_model *m = classifier();
    char *svg = drawing(m, NULL);
    assert_non_null(strstr(svg, ">new head<"));
    assert_int_equal(count(svg, "class=\"stage new\""), 2); // and the legend's
    assert_int_equal(count(svg, ">cut after "), 1);
    const char *head = strstr(svg, "class=\"stage new\"");
    assert_null(strstr(strstr(head, "answer (Dense)"), "· frozen"));
    assert_int_equal(count(svg, "conv2 (Conv2D)"), 1);
    assert_true(count(svg, "· frozen") > 8);
    twi_free(svg);
    twi_model_free(m);
}

static void a_model_alone_has_no_head_and_no_cut(void **state)
{
    (void)state;
    tw_model *m = residual();
    char *svg = drawing(m, NULL);
    assert_null(strstr(svg, "new head"));
    assert_null(strstr(svg, "cut after"));
    assert_null(strstr(svg, "· frozen"));
    assert_int_equal(count(svg, "class=\"skip\""), 2);
    twi_free(svg);
    twi_model_free(m);
}

static void layers_called_twice_are_counted_once(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("twins", false, &err);
    twi_tensor a = twi_model_input(m, "left", &TW_SHAPE(-1, 8)),
               b = twi_model_input(m, "right", &TW_SHAPE(-1, 8));
    twi_layer *shared = twi_layer_new(twi_layer_kind_find("Dense"), "shared", &err);
    twi_layer_set(shared, "units=1000", &err);
    a = twi_model_call(m, shared, 1, &a);
    b = twi_model_call(m, shared, 1, &b);
    twi_model_output(m, net_join(m, "Subtract", "difference", a, b));
    twi_model_verify(m, &err);
    expect_ok(err);
    char *svg = drawing(m, NULL);
    assert_non_null(strstr(svg, " 9,000 parameters"));
    assert_int_equal(count(svg, "shared (Dense)"), 2);
    assert_int_equal(count(svg, "· shared"), 1);
    twi_free(svg);
    twi_layer_free(shared);
    twi_model_free(m);
}

// Branches that end in two outputs, and one that is read inside another: no series of splits and joins.
static void several_outputs_and_crossing_branches_are_drawn_whole(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("crossing", false, &err);
    twi_tensor x = twi_model_input(m, "input", &TW_SHAPE(-1, 8)),
               a = net_layer(m, "Dense", "a", x, "units=8"), b = net_layer(m, "Dense", "b", x, "units=8"),
               c = net_join(m, "Add", "c", a, b), d = net_layer(m, "Dense", "d", b, "units=8"),
               e = net_join(m, "Multiply", "e", c, d), f = net_join(m, "Add", "f", a, e);
    twi_model_output(m, f);
    twi_model_output(m, net_layer(m, "Dense", "g", e, "units=3"));
    twi_model_verify(m, &err);
    expect_ok(err);
    char *svg = drawing(m, NULL);
    for (const char *name = "abcdefg"; *name; name++) {
        char title[16];
        snprintf(title, sizeof title, "%c (", *name);
        assert_int_equal(count(svg, title), 1);
    }
    twi_free(svg);
    twi_model_free(m);
}

static void names_and_titles_are_made_safe(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("a&b", false, &err);
    twi_tensor x = twi_model_input(m, "in<put", &TW_SHAPE(-1, 8));
    twi_model_output(m, net_layer(m, "Dense", "\"<&>'", x, "units=1"));
    twi_model_verify(m, &err);
    expect_ok(err);
    char *svg = drawing(m, &(twi_drawing_options){.title = "<script>"});
    assert_null(strstr(svg, "<script"));
    assert_null(strstr(svg, "in<put"));
    assert_non_null(strstr(svg, "&quot;&lt;&amp;&gt;&#39; (Dense)"));
    twi_free(svg);
    twi_model_free(m);
}

static void the_same_model_gives_the_same_bytes(void **state)
{
    (void)state;
    tw_model *m = classifier(), *again = classifier();
    char *one = drawing(m, NULL), *two = drawing(again, NULL);
    assert_string_equal(one, two);
    twi_free(one);
    twi_free(two);
    twi_model_free(m);
    twi_model_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trunk_is_tinted_and_the_new_head_stands_behind_the_cut),
        cmocka_unit_test(a_model_alone_has_no_head_and_no_cut),
        cmocka_unit_test(layers_called_twice_are_counted_once),
        cmocka_unit_test(several_outputs_and_crossing_branches_are_drawn_whole),
        cmocka_unit_test(names_and_titles_are_made_safe),
        cmocka_unit_test(the_same_model_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
