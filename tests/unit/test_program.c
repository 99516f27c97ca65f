// Programs: they come out as they were emitted, and an error ends emitting.

#include "testing.h"

#include "op/params.h"

#define S(...)                                                                                        \
    {                                                                                                 \
        .rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = { __VA_ARGS__ } \
    }

static void programs_keep_what_was_emitted(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_program program = {0};
    twi_emitter e = {.program = &program, .err = &err, .label = "conv1", .node = 3};
    tw_shape photo = S(2, 5, 5, 3), kernel = S(3, 3, 3, 4), four = S(4), flat = S(2, 36);
    float offset[] = {1, 2, 3, 4};
    twi_value x = twi_emit_input(&e, &photo, 1), w = twi_emit_weight(&e, NULL, &kernel, true);
    twi_value y = twi_emit_conv(&e, x, w, TWI_NONE, &(twi_conv_params){{1, 1}, {1, 1}, {0}, 1});
    y = twi_emit_binary(&e, y, twi_emit_constant(&e, &four, offset), TWI_ADD);
    offset[0] = 9; // constants are copied
    e.label = "flatten";
    y = twi_emit_reshape(&e, y, &flat);
    assert_int_equal(twi_emit_activation(&e, y, &(twi_activation_params){TWI_LINEAR}), y);
    expect_ok(err);
    tw_shape got = twi_value_shape(&e, y), none = twi_value_shape(&e, TWI_NONE);
    assert_true(twi_shape_same(&got, &flat));
    assert_int_equal(none.rank, 0);
    assert_int_equal(program.ops.n, 3);
    const twi_program_op *op = &program.ops.at[0];
    assert_ptr_equal(op->kind, &twi_op_conv);
    assert_string_equal(op->label, "conv1");
    assert_ptr_equal(program.ops.at[1].label, op->label);
    assert_string_equal(program.ops.at[2].label, "flatten");
    assert_int_equal(op->node, 3);
    assert_int_equal(op->n_in, 3);
    assert_int_equal(op->in[2], TWI_NONE);
    assert_int_equal(((const twi_conv_params *)op->params)->groups, 1);
    const twi_value_info *v = &program.values.at[op->out[0]];
    assert_int_equal(v->kind, TWI_VALUE_TEMP);
    assert_int_equal(v->op, 0);
    assert_int_equal(v->shape.dim[3], 4);
    v = &program.values.at[program.ops.at[1].in[1]];
    assert_int_equal(v->kind, TWI_VALUE_CONSTANT);
    expect_near(v->constant[0], 1, 0);
    assert_true(program.values.at[w].is_trainable);
    assert_int_equal(program.values.at[x].index, 1);
    twi_program_clear(&program);
}

static void training_batch_norm_has_three_results(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_program program = {0};
    twi_emitter e = {.program = &program, .err = &err, .node = -1};
    tw_shape rows = S(3, 2), two = S(2);
    twi_value x = twi_emit_input(&e, &rows, 0), s = twi_emit_weight(&e, NULL, &two, false);
    twi_emit_batch_norm(&e, x, TWI_NONE, TWI_NONE, s, s,
                        &(twi_batch_norm_params){.epsilon = 1e-3, .momentum = 0.99, .is_training = true});
    expect_ok(err);
    assert_int_equal(program.ops.at[0].n_out, 3);
    assert_int_equal(program.values.at[program.ops.at[0].out[2]].slot, 2);
    assert_string_equal(program.ops.at[0].label, "");
    twi_program_clear(&program);
}

static void after_an_error_nothing_is_emitted(void **state)
{
    (void)state;
    tw_err err = {0};
    twi_program program = {0};
    twi_emitter e = {.program = &program, .err = &err, .label = "pool7", .node = -1};
    tw_shape rows = S(3, 2);
    twi_value x = twi_emit_input(&e, &rows, 0);
    assert_int_equal(twi_emit_reduce(&e, x, &(twi_reduce_params){0}), TWI_NONE);
    expect_error(err, TW_EINVAL, "'pool7': reduce: input must have rank 4, received (3, 2)");
    assert_int_equal(twi_emit_softmax(&e, x), TWI_NONE);
    assert_int_equal(twi_emit_softmax(&e, TWI_NONE), TWI_NONE);
    assert_int_equal(twi_emit_input(&e, &rows, 1), TWI_NONE);
    assert_int_equal(program.values.n, 1);
    assert_int_equal(program.ops.n, 0);
    twi_program_clear(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_keep_what_was_emitted),
        cmocka_unit_test(training_batch_norm_has_three_results),
        cmocka_unit_test(after_an_error_nothing_is_emitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
