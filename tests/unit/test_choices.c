// Choices: a plan made from a printed one is that plan, or is refused.

#include "nets.h"
#include "testing.h"

#include "engine/choices.h"

static tw_model *frozen(void)
{
    tw_model *m = net_classifier(3);
    twi_model_set_trainable(m, false);
    return m;
}

// The printed plan of o, changed by `change` where that is not NULL, read as choices.
static void choices_of(const tw_model *m, twi_precision precision, void (*change)(json_t *plan),
                       twi_choices *choices)
{
    tw_err err = {0};
    twi_plan *plan = net_plan(m, (twi_plan_options){.precision = precision});
    json_t *json = twi_plan_json(plan, &err);
    expect_ok(err);
    if (change)
        change(json);
    *choices = (twi_choices){0};
    twi_choices_read(json, "p.json", choices, &err);
    expect_ok(err);
    json_decref(json);
    twi_plan_free(plan);
}

static bool same_key(const twi_plan *a, const twi_plan *b)
{
    uint8_t one[16], two[16];
    twi_plan_key(a, one);
    twi_plan_key(b, two);
    return memcmp(one, two, 16) == 0;
}

static void a_plan_made_from_a_printed_plan_is_the_same(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = frozen();
    for (twi_precision p = TWI_EXACT; p <= TWI_BRAIN; p++) {
        twi_choices choices;
        choices_of(m, p, NULL, &choices);
        assert_int_equal(choices.precision, p);
        twi_plan *first = net_plan(m, (twi_plan_options){.precision = p});
        twi_plan *again = net_plan(m, (twi_plan_options){.precision = p, .choices = &choices});
        json_t *a = twi_plan_json(first, &err), *b = twi_plan_json(again, &err);
        expect_ok(err);
        assert_true(json_equal(a, b));
        assert_true(same_key(first, again));
        json_decref(a);
        json_decref(b);
        twi_plan_free(first);
        twi_plan_free(again);
        twi_choices_clear(&choices);
    }
    twi_model_free(m);
}

static void choices_win_over_the_precision(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = frozen();
    twi_choices choices;
    choices_of(m, TWI_EXACT, NULL, &choices);
    twi_plan *exact = net_plan(m, (twi_plan_options){.precision = TWI_EXACT}),
             *again = net_plan(m, (twi_plan_options){.precision = TWI_PRECISE, .choices = &choices});
    json_t *json = twi_plan_json(again, &err), *one;
    size_t i;
    json_array_foreach(json_object_get(json, "ops"), i, one)
        assert_string_not_equal(twi_json_string(one, "algorithm", ""), "winograd");
    assert_true(same_key(exact, again));
    json_decref(json);
    twi_plan_free(exact);
    twi_plan_free(again);
    twi_choices_clear(&choices);
    twi_model_free(m);
}

static void to_reference(json_t *plan)
{
    json_t *one = json_array_get(json_object_get(plan, "ops"), 1);
    for (size_t i = 0; strcmp(twi_json_string(one, "op", ""), "conv") != 0; i++)
        one = json_array_get(json_object_get(plan, "ops"), i);
    json_object_set_new(one, "algorithm", json_string("reference"));
    json_object_set_new(one, "impl", json_string("reference"));
}

static void another_choice_gives_another_key_and_the_same_answers_but_for_rounding(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = frozen();
    twi_choices choices;
    choices_of(m, TWI_PRECISE, to_reference, &choices);
    twi_plan *first = net_plan(m, (twi_plan_options){.precision = TWI_PRECISE}),
             *other = net_plan(m, (twi_plan_options){.precision = TWI_PRECISE, .choices = &choices});
    assert_false(same_key(first, other));
    twi_run *a = net_run(first, 5), *b = net_run(other, 5);
    twi_run_forward(a, 1, 1, &err);
    twi_run_forward(b, 1, 1, &err);
    expect_ok(err);
    for (int i = 0; i < 2; i++)
        expect_near(twi_run_output(a, 0)[i], twi_run_output(b, 0)[i], 1e-4);
    twi_run_free(a);
    twi_run_free(b);
    twi_plan_free(first);
    twi_plan_free(other);
    twi_choices_clear(&choices);
    twi_model_free(m);
}

static void of_another_machine(json_t *plan)
{
    json_t *ops = json_object_get(plan, "ops"), *one;
    size_t i;
    json_array_foreach(ops, i, one) if (strcmp(twi_json_string(one, "op", ""), "conv") == 0)
        json_object_set_new(one, "impl", json_string("dnnl jit:of_tomorrow"));
}

static void without_its_last_op(json_t *plan)
{
    json_t *ops = json_object_get(plan, "ops");
    json_array_remove(ops, json_array_size(ops) - 1);
}

static void what_this_machine_or_network_has_not_is_refused(void **state)
{
    (void)state;
    tw_model *m = frozen();
    void (*const changes[])(json_t *) = {of_another_machine, without_its_last_op};
    static const char *const said[] = {"p.json runs layer 'conv1' with 'dnnl jit:of_tomorrow'",
                                       "p.json says nothing of op"};
    for (int i = 0; i < 2; i++) {
        tw_err err = {0};
        twi_choices choices;
        choices_of(m, TWI_EXACT, changes[i], &choices);
        assert_null(twi_plan_new(m, &(twi_plan_options){.batch = 2, .choices = &choices}, &err));
        expect_error(err, TW_EUNUSABLE, said[i]);
        twi_choices_clear(&choices);
    }
    twi_model_free(m);
}

static void files_that_are_no_plan_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "{\"ops\": 3, \"precision\": \"f32\"}", "{\"ops\": [], \"precision\": \"f8\"}",
        "{\"ops\": [3], \"precision\": \"f32\"}",
        "{\"ops\": [{\"op\": \"conv\", \"impl\": \"x\"}], \"precision\": \"f32\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tw_err err = {0};
        twi_choices choices = {0};
        json_t *json = twi_json_parse("p.json", texts[i], strlen(texts[i]), &err);
        expect_ok(err);
        twi_choices_read(json, "p.json", &choices, &err);
        expect_error(err, TW_EMALFORMED, "p.json");
        twi_choices_clear(&choices);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_made_from_a_printed_plan_is_the_same),
        cmocka_unit_test(choices_win_over_the_precision),
        cmocka_unit_test(another_choice_gives_another_key_and_the_same_answers_but_for_rounding),
        cmocka_unit_test(what_this_machine_or_network_has_not_is_refused),
        cmocka_unit_test(files_that_are_no_plan_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
