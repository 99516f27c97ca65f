// Every kind of layer computes what Keras computes: config, weights and numbers of tests/golden/layer (tools/golden_layer.py),
// emitted and run with the reference of each op.

#include "testing.h"

#include "layer/layer.h"

typedef struct array {
    tw_shape shape;
    float *data;
} array;

static array array_of(const json_t *json)
{
    array a = {0};
    json_t *shape = json_object_get(json, "shape"), *data = json_object_get(json, "data");
    a.shape.rank = (int32_t)json_array_size(shape);
    for (int i = 0; i < a.shape.rank; i++)
        a.shape.dim[i] = json_integer_value(json_array_get(shape, (size_t)i));
    a.data = twi_new(json_array_size(data), sizeof *a.data, "test", NULL);
    for (size_t i = 0; i < json_array_size(data); i++)
        a.data[i] = (float)json_number_value(json_array_get(data, i));
    assert_int_equal(twi_shape_count(&a.shape), (int64_t)json_array_size(data));
    return a;
}

// A model of one layer on inputs of the case's shapes, with the case's config and weights.
static tw_model *model_of(const char *name, const tw_layer_kind *kind, const json_t *c)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("m", false, &err);
    twi_layer *layer = twi_layer_new(kind, NULL, &err);
    twi_layer_read(layer, json_object_get(c, "config"), &err);
    json_t *args = json_object_get(c, "args"), *inputs = json_object_get(c, "inputs"), *value;
    size_t i;
    json_array_foreach(args, i, value) if (!json_is_null(value))
        twi_layer_set_argument(layer, (int)i, value, &err);
    twi_tensor in[TWI_LAYER_IN_MAX];
    json_array_foreach(inputs, i, value)
    {
        array a = array_of(value);
        in[i] = twi_model_input(m, NULL, &a.shape);
        twi_free(a.data);
    }
    twi_model_output(m, twi_model_call(m, layer, (int)i, in));
    twi_model_verify(m, &err);
    if (err.status)
        fail_msg("%s: %s", name, err.msg);
    json_t *weights = json_object_get(c, "weights");
    assert_int_equal(layer->n_weights, json_array_size(weights));
    json_array_foreach(weights, i, value)
    {
        array a = array_of(value);
        assert_true(twi_shape_same(&a.shape, &layer->weights[i].shape));
        layer->weights[i].data = a.data;
        layer->weights[i].is_set = true;
    }
    twi_layer_free(layer);
    return m;
}

// Runs a program with the reference of each op. Memory of the values is in `data`, owned for temporaries.
static void run(const twi_program *p, float **data)
{
    for (size_t i = 0; i < p->ops.n; i++) {
        const twi_program_op *op = &p->ops.at[i];
        twi_op_call call = {.n_in = op->n_in, .n_out = op->n_out, .seed = 1};
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] != TWI_NONE)
                call.in[j] = (twi_view){TWI_F32, p->values.at[op->in[j]].shape, data[op->in[j]]};
        for (int j = 0; j < op->n_out; j++) {
            const tw_shape *shape = &p->values.at[op->out[j]].shape;
            data[op->out[j]] = twi_new((size_t)twi_shape_count(shape), sizeof(float), "test", NULL);
            call.out[j] = (twi_view){TWI_F32, *shape, data[op->out[j]]};
        }
        op->kind->forward(op->params, &call);
    }
}

static void expect_array(const char *name, const char *what, const float *got, const json_t *json)
{
    array a = array_of(json);
    int64_t n = twi_shape_count(&a.shape);
    twi_difference d = twi_compare(got, a.data, n);
    // Powers and exponentials of Keras's back end are themselves only good to a few f32 steps.
    if (d.has_nan || d.max_abs > 2e-5 * (d.std > 1 ? d.std : 1))
        fail_msg("%s: %s differs by %g at %lld (received %g, expected %g)", name, what, d.max_abs,
                 (long long)d.at, (double)got[d.at], (double)a.data[d.at]);
    twi_free(a.data);
}

static void run_case(const char *name, const tw_layer_kind *kind, const json_t *c)
{
    tw_err err = {0};
    tw_model *m = model_of(name, kind, c);
    json_t *inputs = json_object_get(c, "inputs"), *output = json_object_get(c, "output");
    array first = array_of(json_array_get(inputs, 0));
    twi_emit_options o = {.batch = first.shape.dim[0], .is_training = twi_json_bool(c, "training", false)};
    twi_free(first.data);
    twi_program p = {0};
    twi_value out;
    twi_model_emit(m, &o, &p, &out, &err);
    if (err.status)
        fail_msg("%s: %s", name, err.msg);
    float **data = twi_new(p.values.n, sizeof *data, "test", NULL);
    for (size_t i = 0; i < p.values.n; i++) {
        const twi_value_info *v = &p.values.at[i];
        if (v->kind == TWI_VALUE_INPUT)
            data[i] = array_of(json_array_get(inputs, (size_t)v->index)).data;
        else if (v->kind == TWI_VALUE_WEIGHT)
            data[i] = v->weight->data;
        else if (v->kind == TWI_VALUE_CONSTANT)
            data[i] = (float *)(uintptr_t)v->constant;
    }
    run(&p, data);
    array expected = array_of(output);
    assert_true(twi_shape_same(&expected.shape, &p.values.at[out].shape));
    twi_free(expected.data);
    expect_array(name, "output", data[out], output);
    const twi_layer *layer = m->layers.at[m->nodes.at[m->outputs.at[0].node].layer];
    json_t *after = json_object_get(c, "after"), *value;
    size_t i;
    json_array_foreach(after, i, value)
        expect_array(name, layer->weights[i].name, layer->weights[i].data, value);
    for (size_t j = 0; j < p.values.n; j++)
        if (p.values.at[j].kind == TWI_VALUE_INPUT || p.values.at[j].kind == TWI_VALUE_TEMP)
            twi_free(data[j]);
    twi_free(data);
    twi_program_clear(&p);
    twi_model_free(m);
}

// What is written is read back as the same config, and has no key that Keras did not write itself.
static void expect_config_survives(const char *name, const tw_layer_kind *kind, const json_t *config)
{
    tw_err err = {0};
    twi_layer *a = twi_layer_new(kind, NULL, &err), *b = twi_layer_new(kind, NULL, &err);
    twi_layer_read(a, config, &err);
    json_t *written = twi_layer_write(a, &err), *value, *again;
    const char *key;
    json_object_foreach(written, key, value) if (!json_object_get(config, key))
        fail_msg("%s: key '%s' is written, but Keras has no such key", name, key);
    twi_layer_read(b, written, &err);
    again = twi_layer_write(b, &err);
    expect_ok(err);
    assert_true(json_equal(written, again));
    json_decref(written);
    json_decref(again);
    twi_layer_free(a);
    twi_layer_free(b);
}

// The name of a kind's row in list.inc, which names its golden file.
static const struct {
    const char *name;
    const tw_layer_kind *kind;
} rows[] = {
#define TW_LAYER(name) {#name, &twi_layer_##name},
#include "layer/list.inc"
#undef TW_LAYER
};

static void every_kind_computes_what_keras_computes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tw_err err = {0};
        char path[128];
        snprintf(path, sizeof path, "tests/golden/layer/%s.json", rows[i].name);
        json_t *file = twi_json_read(test_path(path), &err);
        expect_ok(err);
        json_t *cases = json_object_get(file, "cases"), *c;
        size_t j;
        // Files find the kind the same way.
        const tw_layer_kind *kind =
            twi_layer_kind_of(twi_json_string(file, "module", NULL), twi_json_string(file, "class_name", ""));
        assert_ptr_equal(kind, rows[i].kind);
        assert_string_equal(kind->module ? kind->module : "keras.layers",
                            twi_json_string(file, "module", ""));
        json_array_foreach(cases, j, c)
        {
            char name[64];
            snprintf(name, sizeof name, "%s case %zu", rows[i].name, j);
            run_case(name, kind, c);
            expect_config_survives(name, kind, json_object_get(c, "config"));
        }
        assert_true(j > 0);
        json_decref(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_kind_computes_what_keras_computes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
