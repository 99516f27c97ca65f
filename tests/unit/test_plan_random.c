// Random models: for each of many small graphs, every way of running it gives the numbers of the plain program.
//
// A model is drawn from its seed (printed on failure): convolutions, normalizations, activations, pools, joins, squeeze and
// excite, dropout; some layers frozen. TW_SEED picks one seed, TW_RUNS how many.

#include "unit/nets.h"

enum { TENSORS_MAX = 64, RUNS = 40 };

typedef struct drawing {
    twi_rng rng;
    tw_model *m;
    int n;
    twi_tensor at[TENSORS_MAX]; // pictures so far
} drawing;

static int below(drawing *d, int n)
{
    return (int)twi_rng_below(&d->rng, (uint32_t)n);
}

static const char *pick(drawing *d, int n, const char *const *texts)
{
    return texts[below(d, n)];
}

static const char *const activations[] = {"linear", "relu", "relu6", "tanh", "swish", "sigmoid"};

static twi_tensor layer(drawing *d, const char *kind, twi_tensor x, const char *config)
{
    return net_layer(d->m, kind, NULL, x, config);
}

static twi_tensor draw_conv(drawing *d, twi_tensor x)
{
    char config[256];
    int size = below(d, 3) ? 3 : 1;
    bool is_depthwise = below(d, 3) == 0;
    char filters[32] = "";
    if (!is_depthwise)
        snprintf(filters, sizeof filters, "filters=%d", below(d, 2) ? 8 : 16);
    snprintf(config, sizeof config, "%s kernel_size=%d strides=%d padding=same use_bias=%s activation=%s",
             filters, size, below(d, 4) ? 1 : 2, below(d, 2) ? "true" : "false", pick(d, 6, activations));
    return layer(d, is_depthwise ? "DepthwiseConv2D" : "Conv2D", x, config);
}

static twi_tensor draw_squeeze(drawing *d, twi_tensor x)
{
    tw_shape s = twi_model_shape(d->m, x);
    char config[64];
    twi_tensor y = layer(d, "GlobalAveragePooling2D", x, "keepdims=true");
    y = layer(d, "Conv2D", y, "filters=4 kernel_size=1 activation=swish");
    snprintf(config, sizeof config, "filters=%d kernel_size=1 activation=sigmoid", (int)s.dim[3]);
    return net_join(d->m, "Multiply", NULL, x, layer(d, "Conv2D", y, config));
}

// A tensor that can be joined with x; x itself if there is no other.
static twi_tensor partner(drawing *d, twi_tensor x, bool same_channels)
{
    tw_shape s = twi_model_shape(d->m, x);
    for (int i = 0, first = below(d, d->n); i < d->n; i++) {
        twi_tensor y = d->at[(first + i) % d->n];
        tw_shape t = twi_model_shape(d->m, y);
        if (y.node != x.node && s.dim[1] == t.dim[1] && s.dim[2] == t.dim[2] &&
            (!same_channels || s.dim[3] == t.dim[3]))
            return y;
    }
    return x;
}

static twi_tensor draw_step(drawing *d, twi_tensor x)
{
    static const char *const joins[] = {"Add", "Add", "Multiply", "Minimum", "Average", "Maximum"};
    tw_shape s = twi_model_shape(d->m, x);
    switch (below(d, 12)) {
    case 0:
    case 1:
        return layer(d, "BatchNormalization", x, "");
    case 2:
    case 3:
        return net_join(d->m, pick(d, 6, joins), NULL, x, partner(d, x, true));
    case 4:
        return s.dim[3] > 24 ? x : net_join(d->m, "Concatenate", NULL, x, partner(d, x, false));
    case 5:
        return draw_squeeze(d, x);
    case 6:
        return s.dim[1] < 4 ? x
                            : layer(d, below(d, 2) ? "MaxPooling2D" : "AveragePooling2D", x, "pool_size=2");
    case 7:
        return s.dim[1] > 12 ? x : layer(d, "ZeroPadding2D", x, "padding=1");
    case 8:
        return below(d, 2) ? layer(d, "Dropout", x, "rate=0.4") : layer(d, "ReLU", x, "negative_slope=0.1");
    case 9:
        return layer(d, "Rescaling", x, "scale=0.7 offset=0.1");
    default:
        return draw_conv(d, x);
    }
}

static tw_model *draw_model(uint64_t seed)
{
    tw_err err = {0};
    drawing d = {.rng = twi_rng_at(seed, TWI_RNG_TEST, 2, 0), .m = twi_model_new("random", false, &err)};
    twi_tensor x = d.at[d.n++] = twi_model_input(d.m, NULL, &TWI_SHAPE(-1, 8, 8, 3));
    for (int steps = 4 + below(&d, 9); steps > 0 && d.n < TENSORS_MAX; steps--) {
        x = draw_step(&d, below(&d, 4) ? x : d.at[below(&d, d.n)]);
        if (below(&d, 8) == 0)
            x = layer(&d, "Dropout", x, "rate=0.3");
        d.at[d.n++] = x;
    }
    x = layer(&d, below(&d, 2) ? "GlobalAveragePooling2D" : "Flatten", x, "");
    if (below(&d, 2))
        x = layer(&d, "Dense", x, "units=6 activation=tanh");
    static const char *const ends[] = {"units=4 activation=softmax", "units=4 activation=sigmoid", "units=4"};
    x = layer(&d, "Dense", x, pick(&d, 3, ends));
    net_done(d.m, x, seed + 1);
    int mode = below(&d, 3); // everything trained, some layers frozen, the first ones frozen
    for (size_t i = 0; i + 1 < d.m->layers.n; i++)
        if (mode == 1 ? below(&d, 2) == 0 : mode == 2 && i < d.m->layers.n / 2)
            twi_layer_set_trainable(d.m->layers.at[i], false);
    return d.m;
}

static void check_near(const float *a, const float *b, int64_t n, double tolerance, const char *what,
                       uint64_t seed)
{
    twi_difference d = twi_compare(a, b, n);
    double scale = 1e-6;
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(b[i]));
    if (d.has_nan || d.max_abs > tolerance * scale)
        fail_msg("seed %llu: %s differs by %g, largest number %g", (unsigned long long)seed, what, d.max_abs,
                 scale);
}

static void check_backward(const twi_plan *plan, twi_run *run, const twi_plan *plain, twi_run *expected,
                           uint64_t seed)
{
    tw_err err = {0};
    int64_t n = net_count(twi_plan_output(plan, 0));
    net_numbers(twi_run_grad_logits(run), n, seed);
    net_numbers(twi_run_grad_logits(expected), n, seed);
    twi_run_backward(run, 1, 1, &err);
    twi_run_backward(expected, 1, 1, &err);
    expect_ok(err);
    assert_int_equal(twi_plan_n_gradients(plan), twi_plan_n_gradients(plain));
    // Gradients that are zero but for rounding (a bias before batch statistics) are measured by the largest of all.
    double largest = 0;
    for (int i = 0; i < twi_plan_n_gradients(plain); i++)
        for (int64_t k = 0; k < twi_shape_count(&twi_plan_gradient_weight(plain, i)->shape); k++)
            largest = fmax(largest, fabs(twi_run_gradient(expected, i)[k]));
    for (int i = 0; i < twi_plan_n_gradients(plain); i++) {
        const twi_weight *w = twi_plan_gradient_weight(plain, i);
        assert_ptr_equal(w, twi_plan_gradient_weight(plan, i));
        twi_difference d =
            twi_compare(twi_run_gradient(run, i), twi_run_gradient(expected, i), twi_shape_count(&w->shape));
        if (d.has_nan || d.max_abs > 1e-3 * largest + 1e-6)
            fail_msg("seed %llu: gradient of %s differs by %g, largest gradient %g", (unsigned long long)seed,
                     w->name, d.max_abs, largest);
    }
}

static void check_mode(const tw_model *m, twi_plan_options o, uint64_t seed)
{
    twi_plan *plan = net_plan(m, o);
    o.is_reference = o.no_fusion = true;
    o.precision = TWI_EXACT;
    twi_plan *plain = net_plan(m, o);
    twi_run *run = net_run(plan, seed), *expected = net_run(plain, seed);
    int64_t n = net_count(twi_plan_output(plan, 0));
    double tolerance =
        o.is_training ? 1e-3 : 1e-4; // batch statistics of nearly constant channels amplify rounding
    check_near(twi_run_output(run, 0), twi_run_output(expected, 0), n, tolerance, "the output", seed);
    check_near(twi_run_logits(run), twi_run_logits(expected), n, tolerance, "the logits", seed);
    if (o.wants_gradients)
        check_backward(plan, run, plain, expected, seed);
    twi_run_free(run);
    twi_run_free(expected);
    twi_plan_free(plan);
    twi_plan_free(plain);
}

static void check_parts(const tw_model *m, uint64_t seed)
{
    tw_err err = {0};
    twi_frontier f;
    twi_frontier_find(m, 0, &f, &err);
    expect_ok(err);
    if (!f.n)
        return;
    twi_plan *whole = net_plan(m, (twi_plan_options){.is_reference = true, .no_fusion = true});
    twi_plan *prefix = net_plan(m, (twi_plan_options){.to = &f}),
             *rest = net_plan(m, (twi_plan_options){.from = &f});
    twi_run *a = net_run(whole, seed), *b = net_run(prefix, seed), *c = twi_run_new(rest, &err);
    for (int i = 0; i < f.n; i++)
        memcpy(twi_run_input(c, i), twi_run_output(b, i),
               (size_t)net_count(twi_plan_input(rest, i)) * sizeof(float));
    twi_run_forward(c, 1, 1, &err);
    expect_ok(err);
    check_near(twi_run_output(c, 0), twi_run_output(a, 0), net_count(twi_plan_output(whole, 0)), 1e-4,
               "the sum of parts", seed);
    twi_run_free(a);
    twi_run_free(b);
    twi_run_free(c);
    twi_plan_free(whole);
    twi_plan_free(prefix);
    twi_plan_free(rest);
}

// Gradients of a plan that keeps as little as it can are those of one that keeps everything, bit by bit.
static void check_recomputed(const tw_model *m, uint64_t seed)
{
    tw_err err = {0};
    twi_plan_options o = {.batch = 4, .is_training = true, .wants_gradients = true};
    twi_plan *plan[2];
    twi_run *run[2];
    for (int i = 0; i < 2; i++) {
        o.run_limit = i;
        plan[i] = net_plan(m, o);
        run[i] = net_run(plan[i], seed);
        net_numbers(twi_run_grad_logits(run[i]), net_count(twi_plan_output(plan[i], 0)), seed);
        twi_run_backward(run[i], 1, 1, &err);
        expect_ok(err);
    }
    if (twi_plan_run_bytes(plan[1]) > twi_plan_run_bytes(plan[0]))
        fail_msg("seed %llu: keeping less takes more", (unsigned long long)seed);
    for (int i = 0; i < twi_plan_n_gradients(plan[0]); i++) {
        const twi_weight *w = twi_plan_gradient_weight(plan[0], i);
        size_t bytes = (size_t)twi_shape_count(&w->shape) * sizeof(float);
        if (memcmp(twi_run_gradient(run[0], i), twi_run_gradient(run[1], i), bytes) != 0)
            fail_msg("seed %llu: recomputing changes the gradient of %s", (unsigned long long)seed, w->name);
    }
    for (int i = 0; i < 2; i++) {
        twi_run_free(run[i]);
        twi_plan_free(plan[i]);
    }
}

static void every_way_of_running_a_random_model_agrees(void **state)
{
    (void)state;
    const char *one = getenv("TW_SEED"), *runs = getenv("TW_RUNS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1, n = one ? 1 : runs ? strtoull(runs, NULL, 10) : RUNS;
    for (uint64_t seed = first; seed < first + n; seed++) {
        tw_model *m = draw_model(seed);
        check_mode(m, (twi_plan_options){.batch = 3}, seed);
        check_mode(m, (twi_plan_options){.is_reference = true}, seed);
        check_mode(m, (twi_plan_options){.wants_gradients = true}, seed);
        check_parts(m, seed);
        check_mode(m, (twi_plan_options){.batch = 4, .is_training = true, .wants_gradients = true}, seed);
        check_recomputed(m, seed);
        twi_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_way_of_running_a_random_model_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
