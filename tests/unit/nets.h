// Small models for the engine's tests: a residual network with everything image networks have, and its parts.
#ifndef TW_TEST_NETS_H
#define TW_TEST_NETS_H

#include "testing.h"

#include "base/rng.h"
#include "engine/plan.h"
#include "layer/layer.h"

#include <math.h>

static inline twi_tensor net_layer(tw_model *m, const char *kind, const char *name, twi_tensor x,
                                   const char *config)
{
    return twi_model_layer(m, twi_layer_kind_find(kind), name, 1, &x, "%s", config);
}

static inline twi_tensor net_join(tw_model *m, const char *kind, const char *name, twi_tensor a, twi_tensor b)
{
    return twi_model_layer(m, twi_layer_kind_find(kind), name, 2, (twi_tensor[]){a, b}, "%s", "");
}

// Weights that let numbers through: kernels scaled by fan-in, gamma and variance near 1, small offsets.
static inline void net_fill(tw_model *m, uint64_t seed)
{
    tw_err err = {0};
    twi_weights all = {0};
    assert_int_equal(twi_model_weights(m, &all, &err), TW_OK);
    for (int i = 0; i < all.n; i++) {
        twi_weight *w = all.at[i];
        int64_t n = twi_shape_count(&w->shape), fan = n / twi_shape_last(&w->shape);
        twi_rng rng = twi_rng_at(seed, TWI_RNG_TEST, 0, (uint32_t)i);
        assert_int_equal(twi_weight_allocate(w, &err), TW_OK);
        for (int64_t k = 0; k < n; k++)
            w->data[k] = w->shape.rank > 1 ? (float)(twi_rng_normal(&rng) * sqrt(2.0 / (double)fan))
                         : strstr(w->name, "gamma") || strstr(w->name, "variance")
                             ? 0.5f + twi_rng_uniform(&rng)
                             : twi_rng_uniform(&rng) - 0.5f;
        w->is_set = true;
        w->version++;
    }
    twi_weights_clear(&all);
}

// conv → BN → ReLU6 → (conv → BN) + itself → ReLU → depthwise → BN → ReLU6 → pool. `prefix` goes before the layer names.
static inline twi_tensor net_blocks(tw_model *m, twi_tensor x, const char *prefix)
{
    char n[64];
#define NAMED(text) (snprintf(n, sizeof n, "%s%s", prefix, text), n)
    x = net_layer(m, "Conv2D", NAMED("conv1"), x, "filters=16 kernel_size=3 padding=same use_bias=false");
    x = net_layer(m, "BatchNormalization", NAMED("bn1"), x, "");
    twi_tensor skip = x = net_layer(m, "ReLU", NAMED("relu1"), x, "max_value=6");
    x = net_layer(m, "Conv2D", NAMED("conv2"), x, "filters=16 kernel_size=3 padding=same");
    x = net_layer(m, "BatchNormalization", NAMED("bn2"), x, "");
    x = net_join(m, "Add", NAMED("add"), x, skip);
    x = net_layer(m, "ReLU", NAMED("relu2"), x, "");
    x = net_layer(m, "DepthwiseConv2D", NAMED("depthwise"), x,
                  "kernel_size=3 strides=2 padding=same use_bias=false");
    x = net_layer(m, "BatchNormalization", NAMED("bn3"), x, "");
    x = net_layer(m, "ReLU", NAMED("relu3"), x, "max_value=6");
    return net_layer(m, "MaxPooling2D", NAMED("pool"), x, "pool_size=2");
#undef NAMED
}

static inline tw_model *net_done(tw_model *m, twi_tensor out, uint64_t seed)
{
    tw_err err = {0};
    twi_model_output(m, out);
    twi_model_verify(m, &err);
    expect_ok(err);
    if (seed)
        net_fill(m, seed);
    return m;
}

// The blocks as a model of their own: [12,12,3] → [3,3,16].
static inline tw_model *net_trunk(const char *prefix, uint64_t seed)
{
    tw_model *m = twi_model_new("trunk", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 12, 12, 3));
    return net_done(m, net_blocks(m, x, prefix), seed);
}

// Blocks, global pooling, dense softmax.
static inline tw_model *net_classifier(uint64_t seed)
{
    tw_model *m = twi_model_new("net", false, NULL);
    twi_tensor x = twi_model_input(m, "photo", &TWI_SHAPE(-1, 12, 12, 3));
    x = net_layer(m, "GlobalAveragePooling2D", "gap", net_blocks(m, x, ""), "");
    return net_done(m, net_layer(m, "Dense", "out", x, "units=5 activation=softmax"), seed);
}

// A frozen trunk as a nest under a trainable head. `between` is a weightless layer's kind before the head, or NULL.
static inline tw_model *net_transfer(bool is_inference, const char *between, const char *config)
{
    tw_err err = {0};
    tw_model *trunk = net_trunk("", 7), *m = twi_model_new("transfer", true, &err);
    twi_model_set_trainable(trunk, false);
    twi_layer *nest = twi_layer_nest(trunk, &err);
    nest->is_inference = is_inference;
    twi_model_add(m, nest);
    twi_layer_free(nest);
    twi_model_free(trunk);
    twi_tensor x = m->outputs.at[0];
    m->outputs.n = 0;
    x = net_layer(m, "GlobalAveragePooling2D", "gap", x, "");
    if (between)
        x = net_layer(m, between, NULL, x, config);
    x = net_layer(m, "Dense", "out", x, "units=3 activation=softmax");
    twi_model_output(m, x);
    twi_model_verify(m, &err);
    expect_ok(err);
    net_fill(m, 7);
    return m;
}

static inline void net_numbers(float *x, int64_t n, uint64_t seed)
{
    twi_rng rng = twi_rng_at(seed, TWI_RNG_TEST, 1, 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)twi_rng_normal(&rng);
}

static inline int64_t net_count(const tw_shape *s)
{
    return twi_shape_count(s);
}

static inline twi_plan *net_plan(const tw_model *m, twi_plan_options o)
{
    tw_err err = {0};
    o.batch = o.batch ? o.batch : 2;
    o.threads = o.threads ? o.threads : 1;
    twi_plan *plan = twi_plan_new(m, &o, &err);
    expect_ok(err);
    return plan;
}

// Fills the inputs with numbers and runs forward.
static inline twi_run *net_run(const twi_plan *plan, uint64_t seed)
{
    tw_err err = {0};
    twi_run *run = twi_run_new(plan, &err);
    expect_ok(err);
    for (int i = 0; i < twi_plan_n_inputs(plan); i++)
        net_numbers(twi_run_input(run, i), net_count(twi_plan_input(plan, i)), seed + (uint64_t)i);
    twi_run_forward(run, 1, 1, &err);
    expect_ok(err);
    return run;
}

// Outputs of two runs are the same up to `tolerance` standard deviations, and are no constants.
static inline void expect_same(const float *a, const float *b, int64_t n, double tolerance)
{
    twi_difference d = twi_compare(a, b, n);
    assert_false(d.has_nan);
    if (d.std < 1e-3)
        fail_msg("the numbers hardly vary: standard deviation %g", d.std);
    expect_near(d.max_abs, 0, tolerance * d.std);
}

#endif
