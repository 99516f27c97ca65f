// The way back: gradients against finite differences, where they exist and where not.

#include "unit/nets.h"

// Loss Σ c · logits with fixed c; its gradient by the plan against central differences at some numbers of each weight.
static double loss_of(twi_run *run, const float *c, int64_t n)
{
    tw_err err = {0};
    double sum = 0;
    twi_run_forward(run, 1, 1, &err);
    expect_ok(err);
    for (int64_t i = 0; i < n; i++)
        sum += (double)c[i] * twi_run_logits(run)[i];
    return sum;
}

static void check_weight(twi_run *run, const twi_weight *w, const float *gradient, const float *c, int64_t n)
{
    int64_t count = twi_shape_count(&w->shape);
    double scale = 0;
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(gradient[i]));
    if (scale < 1e-6)
        fail_msg("the gradient of %s is nothing", w->name);
    for (int64_t i = 0; i < count; i += 1 + count / 7) {
        const double step = 2e-3;
        float was = w->data[i], up = was + (float)step, down = was - (float)step;
        w->data[i] = up;
        double more = loss_of(run, c, n);
        w->data[i] = down;
        double less = loss_of(run, c, n);
        w->data[i] = was;
        double expected = (more - less) / ((double)up - (double)down);
        if (fabs(gradient[i] - expected) > 0.02 * scale + 2e-3)
            fail_msg("%s[%lld]: gradient %g, finite difference %g", w->name, (long long)i, gradient[i],
                     expected);
    }
}

static void check_gradients(const tw_model *m, twi_plan_options o, int expected)
{
    tw_err err = {0};
    o.wants_gradients = true;
    twi_plan *plan = net_plan(m, o);
    assert_int_equal(twi_plan_n_gradients(plan), expected);
    twi_run *run = net_run(plan, 5);
    int64_t n = net_count(twi_plan_output(plan, 0));
    float *c = twi_new((size_t)n, sizeof *c, "c", &err);
    net_numbers(c, n, 17);
    memcpy(twi_run_grad_logits(run), c, (size_t)n * sizeof *c);
    twi_run_backward(run, 1, 1, &err);
    expect_ok(err);
    for (int i = 0; i < expected; i++) {
        const twi_weight *w = twi_plan_gradient_weight(plan, i);
        size_t bytes = (size_t)twi_shape_count(&w->shape) * sizeof(float);
        float *gradient = twi_new(bytes, 1, "a gradient", &err);
        memcpy(gradient, twi_run_gradient(run, i), bytes);
        check_weight(run, w, gradient, c, n);
        twi_free(gradient);
    }
    twi_free(c);
    twi_run_free(run);
    twi_plan_free(plan);
}

// Smooth activations: finite differences do not like corners.
static tw_model *residual_net(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("net", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 6, 6, 3)), skip;
    x = skip = net_layer(m, "Conv2D", "stem", x, "filters=4 kernel_size=3 padding=same activation=tanh");
    x = net_layer(m, "BatchNormalization", "bn", x, "");
    x = net_layer(m, "DepthwiseConv2D", "depthwise", x, "kernel_size=3 padding=same activation=swish");
    x = net_layer(m, "Conv2D", "project", x, "filters=4 kernel_size=1 use_bias=false");
    x = net_join(m, "Add", "add", x, skip);
    x = net_layer(m, "AveragePooling2D", "pool", net_layer(m, "Activation", "act", x, "activation=tanh"),
                  "pool_size=2");
    x = net_layer(m, "Dense", "out", net_layer(m, "Flatten", "flat", x, ""), "units=3 activation=softmax");
    return net_done(m, x, 21);
}

static void gradients_equal_finite_differences(void **state)
{
    (void)state;
    tw_model *m = residual_net();
    // stem 2, bn 2, depthwise 2, project 1, out 2
    check_gradients(m, (twi_plan_options){.is_reference = true}, 9);
    check_gradients(m, (twi_plan_options){.threads = 1}, 9);
    check_gradients(m, (twi_plan_options){.is_training = true, .is_reference = true}, 9);
    check_gradients(m, (twi_plan_options){.is_training = true, .threads = 1}, 9);
    twi_model_free(m);
}

static void frozen_layers_between_trained_ones_pass_gradients(void **state)
{
    (void)state;
    tw_model *m = residual_net();
    const char *frozen[] = {"bn", "depthwise", "project"};
    for (int i = 0; i < 3; i++)
        twi_layer_set_trainable(twi_model_find(m, frozen[i]), false);
    check_gradients(m, (twi_plan_options){.is_training = true, .is_reference = true}, 4);
    check_gradients(m, (twi_plan_options){.is_training = true, .threads = 1}, 4);
    twi_model_free(m);
}

static void a_layer_called_twice_adds_its_gradients(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("net", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 5)), y;
    twi_layer *shared = twi_layer_new(twi_layer_kind_find("Dense"), "shared", &err);
    twi_layer_set(shared, "units=5 activation=tanh", &err);
    y = twi_model_call(m, shared, 1, &x);
    y = net_join(m, "Add", "same", y, y); // one value on both sides
    y = twi_model_call(m, shared, 1, &y);
    net_done(m, net_join(m, "Multiply", "product", y, y), 5);
    check_gradients(m, (twi_plan_options){.is_reference = true}, 2);
    check_gradients(m, (twi_plan_options){.threads = 1}, 2);
    twi_layer_free(shared);
    twi_model_free(m);
}

static void dropout_uses_one_mask_both_ways(void **state)
{
    (void)state;
    tw_model *m = net_transfer(true, "Dropout", "rate=0.5");
    check_gradients(m, (twi_plan_options){.is_training = true, .is_reference = true}, 2);
    twi_model_free(m);
}

static bool has_op(const twi_plan *plan, const char *op)
{
    tw_err err = {0};
    bool found = false;
    size_t i;
    json_t *all = twi_plan_json(plan, &err), *one;
    json_array_foreach(json_object_get(all, "ops"), i, one) found |=
        strcmp(twi_json_string(one, "op", ""), op) == 0;
    json_decref(all);
    return found;
}

static void nothing_goes_back_into_a_frozen_trunk(void **state)
{
    (void)state;
    tw_model *m = net_transfer(true, NULL, NULL);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_training = true, .wants_gradients = true});
    assert_int_equal(twi_plan_n_gradients(plan), 2);
    assert_string_equal(twi_plan_gradient_weight(plan, 0)->name, "kernel");
    assert_true(has_op(plan, "matmul backward"));
    assert_false(has_op(plan, "conv backward"));
    assert_false(has_op(plan, "pool backward"));
    assert_false(has_op(plan, "reduce backward"));
    twi_plan_free(plan);
    twi_model_set_trainable(m, false);
    plan = net_plan(m, (twi_plan_options){.is_training = true, .wants_gradients = true});
    assert_int_equal(twi_plan_n_gradients(plan), 0);
    assert_false(has_op(plan, "matmul backward"));
    twi_plan_free(plan);
    twi_model_free(m);
}

static void gradients_from_a_frontier_equal_those_of_the_whole(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = net_classifier(3);
    twi_model_freeze(m, "until:conv2", &err);
    twi_frontier f;
    twi_frontier_find(m, 0, &f, &err);
    expect_ok(err);
    assert_int_equal(f.n, 2);
    twi_plan_options o = {.is_training = true, .wants_gradients = true};
    twi_plan *whole = net_plan(m, o), *prefix = net_plan(m, (twi_plan_options){.to = &f});
    o.from = &f;
    twi_plan *rest = net_plan(m, o);
    twi_run *a = net_run(prefix, 5), *c = twi_run_new(rest, &err);
    for (int i = 0; i < f.n; i++)
        memcpy(twi_run_input(c, i), twi_run_output(a, i),
               (size_t)net_count(twi_plan_input(rest, i)) * sizeof(float));
    // Moving statistics do not enter a training run, so the order of the two does not matter.
    twi_run *b = net_run(whole, 5);
    twi_run_forward(c, 1, 1, &err);
    int64_t n = net_count(twi_plan_output(whole, 0));
    net_numbers(twi_run_grad_logits(b), n, 9);
    net_numbers(twi_run_grad_logits(c), n, 9);
    twi_run_backward(b, 1, 1, &err);
    twi_run_backward(c, 1, 1, &err);
    expect_ok(err);
    assert_int_equal(twi_plan_n_gradients(rest), twi_plan_n_gradients(whole));
    for (int i = 0; i < twi_plan_n_gradients(rest); i++) {
        const twi_weight *w = twi_plan_gradient_weight(rest, i);
        assert_ptr_equal(w, twi_plan_gradient_weight(whole, i));
        twi_difference d =
            twi_compare(twi_run_gradient(c, i), twi_run_gradient(b, i), twi_shape_count(&w->shape));
        expect_near(d.max_abs, 0, 1e-4 * (d.std + 1e-2));
    }
    twi_run_free(a);
    twi_run_free(b);
    twi_run_free(c);
    twi_plan_free(whole);
    twi_plan_free(prefix);
    twi_plan_free(rest);
    twi_model_free(m);
}

typedef struct pieces {
    float *of[8]; // [gradients] NULL: whole
} pieces;

static void collect(void *self, int i, int64_t at, int64_t n, float *g)
{
    for (int64_t j = 0; j < n; j++)
        ((pieces *)self)->of[i][at + j] += g[j]; // twice would show
}

static tw_model *wide_net(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("net", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 5, 7));
    x = net_layer(m, "Dense", "lines", x, "units=33 activation=tanh"); // two rows a photo and more
    x = net_layer(m, "Flatten", "flat", x, "");
    x = net_layer(m, "Dense", "wide", x, "units=50 activation=relu");
    return net_done(m, net_layer(m, "Dense", "out", x, "units=3 activation=softmax"), 4);
}

static void wide_weights_hand_their_gradients_over_in_pieces(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = wide_net();
    twi_plan_options o = {.is_training = true, .wants_gradients = true, .threads = 2};
    twi_plan *whole = net_plan(m, o), *handed;
    o.hands_over_from = 200;
    handed = net_plan(m, o);
    twi_run *a = net_run(whole, 5), *b = net_run(handed, 5);
    net_numbers(twi_run_grad_logits(a), net_count(twi_plan_output(whole, 0)), 9);
    net_numbers(twi_run_grad_logits(b), net_count(twi_plan_output(whole, 0)), 9);
    pieces p = {0};
    int n = twi_plan_n_gradients(whole), n_handed = 0;
    for (int i = 0; i < n; i++) {
        assert_false(twi_plan_hands_over(whole, i));
        if (!twi_plan_hands_over(handed, i))
            continue;
        n_handed++;
        assert_null(twi_run_gradient(b, i));
        p.of[i] = twi_new((size_t)twi_shape_count(&twi_plan_gradient_weight(handed, i)->shape), sizeof(float),
                          "a gradient", &err);
    }
    assert_int_equal(n_handed, 2); // lines and wide, not out, not the biases
    assert_true(twi_plan_run_bytes(handed) < twi_plan_run_bytes(whole));
    assert_int_equal(twi_run_backward(b, 1, 1, &err), TW_EINVAL); // nobody takes them
    err = (tw_err){0};
    twi_run_set_taker(b, collect, &p);
    twi_run_forward(b, 1, 1, &err);
    net_numbers(twi_run_grad_logits(b), net_count(twi_plan_output(handed, 0)), 9);
    twi_run_backward(a, 1, 1, &err);
    twi_run_backward(b, 1, 1, &err);
    expect_ok(err);
    for (int i = 0; i < n; i++) {
        int64_t count = twi_shape_count(&twi_plan_gradient_weight(whole, i)->shape);
        const float *ours = p.of[i] ? p.of[i] : twi_run_gradient(b, i);
        twi_difference d = twi_compare(ours, twi_run_gradient(a, i), count);
        assert_true(d.std > 0);
        expect_near(d.max_abs, 0, 1e-5 * d.std);
        twi_free(p.of[i]);
    }
    twi_run_free(a);
    twi_run_free(b);
    twi_plan_free(whole);
    twi_plan_free(handed);
    twi_model_free(m);
}

static void a_weight_used_twice_keeps_its_gradient_whole(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("net", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 5));
    twi_layer *shared = twi_layer_new(twi_layer_kind_find("Dense"), "shared", &err);
    twi_layer_set(shared, "units=5 activation=tanh", &err);
    x = twi_model_call(m, shared, 1, &x);
    net_done(m, twi_model_call(m, shared, 1, &x), 5);
    twi_plan *plan = net_plan(m, (twi_plan_options){.wants_gradients = true, .hands_over_from = 1});
    assert_false(twi_plan_hands_over(plan, 0));
    twi_plan_free(plan);
    twi_layer_free(shared);
    twi_model_free(m);
}

static void batch_statistics_move_and_say_so(void **state)
{
    (void)state;
    tw_model *m = residual_net();
    const twi_weight *mean = &twi_model_find(m, "bn")->weights[2];
    uint64_t version = mean->version;
    float before = mean->data[0];
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_training = true});
    twi_run_free(net_run(plan, 5));
    twi_plan_free(plan);
    assert_true(mean->data[0] != before);
    assert_true(mean->version > version);
    twi_model_free(m);
}

// Gradients of a plan with everything fused against those of the plain program.
static void compare_gradients(const tw_model *m, bool is_training)
{
    tw_err err = {0};
    twi_plan_options o = {.is_training = is_training, .wants_gradients = true};
    twi_plan *plan[2];
    twi_run *run[2];
    for (int i = 0; i < 2; i++) {
        o.is_reference = o.no_fusion = i;
        plan[i] = net_plan(m, o);
        run[i] = net_run(plan[i], 5);
        net_numbers(twi_run_grad_logits(run[i]), net_count(twi_plan_output(plan[i], 0)), 9);
        twi_run_backward(run[i], 1, 1, &err);
        expect_ok(err);
    }
    expect_same(twi_run_logits(run[0]), twi_run_logits(run[1]), net_count(twi_plan_output(plan[0], 0)), 1e-4);
    assert_int_equal(twi_plan_n_gradients(plan[0]), twi_plan_n_gradients(plan[1]));
    for (int i = 0; i < twi_plan_n_gradients(plan[0]); i++) {
        const twi_weight *w = twi_plan_gradient_weight(plan[1], i);
        assert_ptr_equal(w, twi_plan_gradient_weight(plan[0], i));
        const float *a = twi_run_gradient(run[0], i), *b = twi_run_gradient(run[1], i);
        twi_difference d = twi_compare(a, b, twi_shape_count(&w->shape));
        assert_true(d.std > 0);
        expect_near(d.max_abs, 0, 1e-3 * d.std + 1e-5);
    }
    for (int i = 0; i < 2; i++) {
        twi_run_free(run[i]);
        twi_plan_free(plan[i]);
    }
}

static void set_batch_norms_trainable(const tw_model *m, bool value)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (m->layers.at[i]->kind->flags & TWI_KIND_NORM)
            twi_layer_set_trainable(m->layers.at[i], value);
}

static void fused_plans_have_the_gradients_of_the_plain_program(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    compare_gradients(m, false);
    compare_gradients(m, true);
    set_batch_norms_trainable(m, false); // their scales ride on the trained kernels
    compare_gradients(m, false);
    compare_gradients(m, true);
    twi_layer_set_trainable(twi_model_find(m, "conv2"), false); // folded, and gradients pass
    compare_gradients(m, true);
    twi_model_free(m);
}

static void frozen_batch_norms_behind_trained_kernels_cost_nothing(void **state)
{
    (void)state;
    tw_model *m = net_classifier(3);
    set_batch_norms_trainable(m, false);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_training = true, .wants_gradients = true});
    assert_false(has_op(plan, "batch_norm"));
    assert_false(has_op(plan, "batch_norm backward"));
    assert_true(has_op(plan, "binary")); // on the kernel
    twi_plan_free(plan);
    twi_model_free(m);
}

// Each activation behind a batch_norm of its own, and one whose result goes into two ops.
static tw_model *norms_and_activations(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("joins", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 9, 9, 3)), skip;
    static const char *const activations[] = {"relu", "relu6", "swish", "hard_swish", "tanh"};
    char text[64];
    for (int i = 0; i < 5; i++) {
        x = net_layer(m, "Conv2D", NULL, x, "filters=5 kernel_size=3 padding=same use_bias=false");
        x = net_layer(m, "BatchNormalization", activations[i], x, "");
        snprintf(text, sizeof text, "activation=%s", activations[i]);
        x = net_layer(m, "Activation", NULL, x, text);
    }
    x = skip = net_layer(m, "BatchNormalization", "twice", x, "");
    x = net_join(m, "Add", NULL, net_layer(m, "Activation", NULL, x, "activation=swish"), skip);
    x = net_layer(m, "Dense", "out", net_layer(m, "GlobalAveragePooling2D", NULL, x, ""), "units=3");
    return net_done(m, x, 3);
}

static void expect_joined(const tw_model *m, twi_plan_options o, const char *const *joined)
{
    static const char *const layers[] = {"relu", "relu6", "swish", "hard_swish", "tanh", "twice"};
    tw_err err = {0};
    twi_plan *plan = net_plan(m, o);
    json_t *all = twi_plan_json(plan, &err), *one;
    size_t k;
    for (int i = 0; i < 6; i++) {
        int n = 0;
        json_array_foreach(json_object_get(all, "ops"), k, one)
        {
            if (strcmp(twi_json_string(one, "layer", ""), layers[i]) ||
                strcmp(twi_json_string(one, "op", ""), "batch_norm"))
                continue;
            assert_string_equal(twi_json_string(one, "fused", "?"), joined[i]);
            n++;
        }
        assert_int_equal(n, 1);
    }
    json_decref(all);
    twi_plan_free(plan);
}

// tanh has no loop of its own, and what goes into two ops stays.
static void activations_join_the_batch_norms_that_train(void **state)
{
    (void)state;
    static const char *const all[] = {"relu", "relu", "silu", "hard_silu", "", ""}, *const none[] = {"", "",
                                                                                                     "", "",
                                                                                                     "", ""};
    tw_model *m = norms_and_activations();
    expect_joined(m, (twi_plan_options){.is_training = true, .wants_gradients = true}, all);
    expect_joined(m, (twi_plan_options){.is_training = true}, all);
    expect_joined(m, (twi_plan_options){.is_training = true, .wants_gradients = true, .no_fusion = true},
                  none);
    expect_joined(m, (twi_plan_options){.is_training = true, .wants_gradients = true, .is_reference = true},
                  none);
    twi_plan *plan = net_plan(m, (twi_plan_options){.wants_gradients = true}); // by moving statistics
    assert_true(has_op(plan, "activation"));
    twi_plan_free(plan);
    compare_gradients(m, true);
    compare_gradients(m, false);
    twi_model_free(m);
}

// A batch_norm whose result the caller asks for keeps it.
static void a_batch_norm_that_is_a_result_joins_nothing(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("results", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 9, 9, 3)), z;
    z = net_layer(m, "BatchNormalization", "bn", net_layer(m, "Conv2D", NULL, x, "filters=5 kernel_size=3"),
                  "");
    x = net_layer(m, "GlobalAveragePooling2D", NULL, net_layer(m, "ReLU", NULL, z, ""), "");
    twi_model_output(m, net_layer(m, "Dense", "out", x, "units=3"));
    net_done(m, z, 3);
    twi_plan *plan = net_plan(m, (twi_plan_options){.is_training = true, .wants_gradients = true});
    assert_int_equal(twi_plan_n_outputs(plan), 2);
    assert_true(has_op(plan, "activation"));
    twi_plan_free(plan);
    twi_model_free(m);
}

// Between a convolution and the next one, only what they read is kept.
static void what_lies_before_a_joined_activation_takes_no_room(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("room", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 16, 16, 3));
    for (int i = 0; i < 8; i++) {
        x = net_layer(m, "Conv2D", NULL, x, "filters=16 kernel_size=3 padding=same use_bias=false");
        x = net_layer(m, "BatchNormalization", NULL, x, "");
        x = net_layer(m, "Activation", NULL, x, "activation=swish");
    }
    x = net_layer(m, "GlobalAveragePooling2D", NULL, x, "");
    net_done(m, net_layer(m, "Dense", "out", x, "units=3"), 3);
    twi_plan_options o = {.batch = 8, .is_training = true, .wants_gradients = true};
    twi_plan *joined = net_plan(m, o);
    o.no_fusion = true;
    twi_plan *apart = net_plan(m, o);
    int64_t saved = (int64_t)twi_plan_run_bytes(apart) - (int64_t)twi_plan_run_bytes(joined);
    assert_in_range(saved, 7 * 8 * 16 * 16 * 16 * 4, 9 * 8 * 16 * 16 * 16 * 4); // of eight layers, one each
    twi_plan_free(joined);
    twi_plan_free(apart);
    twi_model_free(m);
}

// Four results of 16 × 16 × 16 are read on the way back; of gradients there is one at a time.
static void a_gradient_takes_the_room_of_the_one_it_is_made_from(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("chain", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 16, 16, 1));
    x = net_layer(m, "Conv2D", NULL, x, "filters=16 kernel_size=1");
    for (int i = 0; i < 4; i++)
        x = net_layer(m, "Activation", NULL, x, "activation=tanh");
    x = net_layer(m, "GlobalAveragePooling2D", NULL, x, "");
    net_done(m, net_layer(m, "Dense", "out", x, "units=2"), 3);
    twi_plan *plan =
        net_plan(m, (twi_plan_options){.batch = 16, .is_training = true, .wants_gradients = true});
    const size_t one = 16 * 16 * 16 * 16 * sizeof(float);
    assert_in_range(twi_plan_run_bytes(plan), 5 * one, 5 * one + one / 2);
    twi_plan_free(plan);
    compare_gradients(m, true);
    twi_model_free(m);
}

static void a_padded_convolution_passes_gradients(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_model_new("pads", false, &err);
    twi_tensor x = twi_model_input(m, NULL, &TWI_SHAPE(-1, 9, 9, 3));
    x = net_layer(m, "Conv2D", "one", x, "filters=4 kernel_size=3 padding=same activation=tanh");
    x = net_layer(m, "Conv2D", "two", net_layer(m, "ZeroPadding2D", "pad", x, "padding=2"),
                  "filters=4 kernel_size=3 strides=2");
    x = net_layer(m, "Dense", "out", net_layer(m, "GlobalAveragePooling2D", "gap", x, ""), "units=3");
    net_done(m, x, 3);
    check_gradients(m, (twi_plan_options){.threads = 1}, 6);
    compare_gradients(m, true);
    twi_model_free(m);
}

static void backward_without_gradients_is_refused(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = residual_net();
    twi_plan *plan = net_plan(m, (twi_plan_options){.threads = 1});
    twi_run *run = net_run(plan, 5);
    assert_null(twi_run_grad_logits(run));
    twi_run_backward(run, 1, 1, &err);
    expect_error(err, TW_EINVAL, "without gradients");
    twi_run_free(run);
    twi_plan_free(plan);
    twi_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_finite_differences),
        cmocka_unit_test(frozen_layers_between_trained_ones_pass_gradients),
        cmocka_unit_test(a_layer_called_twice_adds_its_gradients),
        cmocka_unit_test(dropout_uses_one_mask_both_ways),
        cmocka_unit_test(nothing_goes_back_into_a_frozen_trunk),
        cmocka_unit_test(gradients_from_a_frontier_equal_those_of_the_whole),
        cmocka_unit_test(wide_weights_hand_their_gradients_over_in_pieces),
        cmocka_unit_test(a_weight_used_twice_keeps_its_gradient_whole),
        cmocka_unit_test(batch_statistics_move_and_say_so),
        cmocka_unit_test(fused_plans_have_the_gradients_of_the_plain_program),
        cmocka_unit_test(frozen_batch_norms_behind_trained_kernels_cost_nothing),
        cmocka_unit_test(activations_join_the_batch_norms_that_train),
        cmocka_unit_test(a_batch_norm_that_is_a_result_joins_nothing),
        cmocka_unit_test(what_lies_before_a_joined_activation_takes_no_room),
        cmocka_unit_test(a_gradient_takes_the_room_of_the_one_it_is_made_from),
        cmocka_unit_test(a_padded_convolution_passes_gradients),
        cmocka_unit_test(backward_without_gradients_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
