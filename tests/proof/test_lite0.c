// EfficientNet-Lite0 with its published weights gives what PyTorch gives: every block's output, the features, the logits
// and the probabilities of four pictures. The golden is written by tools/golden_lite0.py, which has the same pictures.
// Skipped (77) where the weights are not in the cache: tools/assets.sh weights.

#include "testing.h"

#include "base/json.h"
#include "engine/plan.h"
#include "job/open.h"

#define N_PICTURES 4
#define SIZE       224
#define N_FEATURES 1280
#define N_CLASSES  1000

static const double layer_tolerance = 1e-4;       // max |d| / std of the layer
static const double probability_tolerance = 1e-5; // max |d|

static json_t *golden;

// ------------------------------------------------------------------------------------------------------------ pictures

static int mixed(int x, int y, int c)
{
    uint32_t h = (uint32_t)x * 73856093u ^ (uint32_t)y * 19349663u ^ (uint32_t)c * 83492791u;
    h = (h ^ h >> 15) * 2246822519u;
    return (int)((h ^ h >> 13) & 255);
}

static int pixel(int picture, int x, int y, int c)
{
    static const int disc[] = {230, 60, 40}, dark[] = {40, 90, 160}, light[] = {200, 210, 190};
    int v;
    switch (picture) {
    case 0: // gradients
        return c == 0 ? x * 255 / 223 : c == 1 ? y * 255 / 223 : (x + y) * 255 / 446;
    case 1: // a disc on a chequered ground
        if ((x - 130) * (x - 130) + (y - 100) * (y - 100) < 60 * 60)
            return disc[c];
        return (x / 16 + y / 16) % 2 ? dark[c] : light[c];
    case 2: // rings, narrower towards the rim
        v = ((x - 112) * (x - 112) + (y - 112) * (y - 112)) / (20 + 15 * c) % 256;
        return v < 128 ? 2 * v : 2 * (255 - v);
    default: // noise of three grains
        return (4 * mixed(x / 32, y / 32, c) + 2 * mixed(x / 8, y / 8, c) + mixed(x, y, c)) / 7;
    }
}

// All pictures, prepared as the model's recipe says.
static void prepare(const tw_model *m, const char *preprocess, float *dst)
{
    tw_err err = {0};
    twi_recipe recipe;
    twi_recipe_work work = {0};
    twi_picture picture = {0};
    twi_open_recipe(m, preprocess, false, &recipe, &err);
    twi_picture_reserve(&picture, SIZE, SIZE, &err);
    expect_ok(err);
    for (int p = 0; p < N_PICTURES; p++) {
        for (int i = 0; i < SIZE * SIZE * 3; i++)
            picture.rgb[i] = (uint8_t)pixel(p, i / 3 % SIZE, i / 3 / SIZE, i % 3);
        twi_recipe_apply(&recipe, &picture, &work, dst + p * SIZE * SIZE * 3, &err);
        expect_ok(err);
    }
    twi_picture_clear(&picture);
    twi_recipe_work_clear(&work);
}

// --------------------------------------------------------------------------------------------------------------- model

static tw_model *lite0(void)
{
    tw_err err = {0};
    tw_model *m = twi_open_architecture("efficientnet-lite0", &(twi_zoo_options){.has_top = true}, "imagenet",
                                        NULL, 1, NULL, NULL, &err);
    expect_ok(err);
    return m;
}

static twi_tensor output_of(const tw_model *m, const char *layer)
{
    for (size_t i = 0; i < m->nodes.n; i++)
        if (strcmp(m->layers.at[m->nodes.at[i].layer]->name, layer) == 0)
            return (twi_tensor){(int)i, 0};
    return (twi_tensor){-1, 0};
}

// The golden's name of a block → where its result is: behind the addition, or the projection where there is none.
static twi_tensor block_output(const tw_model *m, const char *name)
{
    char layer[64];
    bool is_block = strncmp(name, "block", 5) == 0;
    snprintf(layer, sizeof layer, "%s_%s", name, is_block ? "add" : "activation");
    twi_tensor t = output_of(m, layer);
    if (t.node < 0) {
        snprintf(layer, sizeof layer, "%s_project_bn", name);
        t = output_of(m, layer);
    }
    if (t.node < 0)
        fail_msg("no layer %s", layer);
    return t;
}

// Keeps the plan's parts together.
typedef struct pass {
    twi_plan *plan;
    twi_run *run;
} pass;

static pass pass_of(const tw_model *m, const char *preprocess, bool is_training)
{
    tw_err err = {0};
    pass p = {.plan = twi_plan_new(m,
                                   &(twi_plan_options){.batch = N_PICTURES,
                                                       .threads = 1,
                                                       .precision = TWI_EXACT,
                                                       .wants_gradients = is_training},
                                   &err)};
    p.run = p.plan ? twi_run_new(p.plan, &err) : NULL;
    expect_ok(err);
    prepare(m, preprocess, twi_run_input(p.run, 0));
    twi_run_forward(p.run, 1, 0, &err);
    expect_ok(err);
    return p;
}

static void pass_end(pass *p)
{
    twi_run_free(p->run);
    twi_plan_free(p->plan);
}

// ------------------------------------------------------------------------------------------------------------- judging

static double larger(double worst, double d)
{
    return d > worst || isnan(d) ? d : worst; // NaN stays
}

// max |d| / std of row against golden numbers i, i + step, …
static double distance(const float *row, int64_t step, const json_t *numbers, double std)
{
    double worst = 0;
    for (size_t i = 0; i < json_array_size(numbers); i++)
        worst =
            larger(worst, fabs(row[(int64_t)i * step] - json_number_value(json_array_get(numbers, i))) / std);
    return worst;
}

static double std_of(const float *x, int64_t n, double *mean)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - sum / (double)n) * (x[i] - sum / (double)n);
    *mean = sum / (double)n;
    return sqrt(squares / (double)n);
}

static double number(const json_t *layer, const char *key, int picture)
{
    return json_number_value(json_array_get(json_object_get(layer, key), (size_t)picture));
}

// One layer's output for all pictures, in std of the golden's.
static double layer_distance(const json_t *layer, const float *out, int64_t count)
{
    double worst = 0;
    assert_int_equal(count, twi_json_int(layer, "count", 0));
    for (int p = 0; p < N_PICTURES; p++) {
        const json_t *values = json_array_get(json_object_get(layer, "values"), (size_t)p);
        double std = number(layer, "std", p), mean, own = std_of(out + p * count, count, &mean);
        worst =
            larger(worst, distance(out + p * count, count / (int64_t)json_array_size(values), values, std));
        worst = larger(worst, fabs(own - std) / std);
        worst = larger(worst, fabs(mean - number(layer, "mean", p)) / std);
    }
    return worst;
}

// The worst of all blocks; NULL names: no printing.
static double blocks_distance(tw_model *m, const char *preprocess, bool is_shown)
{
    json_t *layers = json_object_get(golden, "layers");
    size_t n_own = m->outputs.n, i;
    const json_t *layer;
    double worst = 0;
    json_array_foreach(layers, i, layer)
        twi_model_output(m, block_output(m, twi_json_string(layer, "name", "")));
    pass p = pass_of(m, preprocess, false);
    json_array_foreach(layers, i, layer)
    {
        int at = (int)(n_own + i);
        int64_t count = twi_shape_count(twi_plan_output(p.plan, at)) / N_PICTURES;
        double d = layer_distance(layer, twi_run_output(p.run, at), count);
        if (is_shown)
            print_message("%-8s max|d|/std %.1e\n", twi_json_string(layer, "name", ""), d);
        worst = larger(worst, d);
    }
    m->outputs.n = n_own;
    pass_end(&p);
    return worst;
}

static void softmax_of(const json_t *logits, double *p)
{
    double sum = 0, top = -INFINITY;
    for (size_t i = 0; i < N_CLASSES; i++)
        top = fmax(top, p[i] = json_number_value(json_array_get(logits, i)));
    for (size_t i = 0; i < N_CLASSES; i++)
        sum += p[i] = exp(p[i] - top);
    for (size_t i = 0; i < N_CLASSES; i++)
        p[i] /= sum;
}

static double probability_distance(const float *out)
{
    double worst = 0, p[N_CLASSES];
    for (size_t k = 0; k < N_PICTURES; k++) {
        softmax_of(json_array_get(json_object_get(golden, "logits"), k), p);
        for (size_t i = 0; i < N_CLASSES; i++)
            worst = larger(worst, fabs(out[k * N_CLASSES + i] - p[i]));
    }
    return worst;
}

static double rows_distance(const char *key, const float *out, int64_t count)
{
    double worst = 0;
    for (int p = 0; p < N_PICTURES; p++) {
        double mean, std = std_of(out + p * count, count, &mean);
        const json_t *row = json_array_get(json_object_get(golden, key), (size_t)p);
        assert_int_equal(json_array_size(row), count);
        worst = larger(worst, distance(out + p * count, 1, row, std));
    }
    return worst;
}

// --------------------------------------------------------------------------------------------------------------- tests

static void blocks_are_pytorchs(void **state)
{
    (void)state;
    tw_model *m = lite0();
    double worst = blocks_distance(m, NULL, true);
    if (!(worst <= layer_tolerance))
        fail_msg("a block is %.2g std from PyTorch's", worst);
    twi_model_free(m);
}

static void expect_answers(const tw_model *m, bool is_training)
{
    pass p = pass_of(m, NULL, is_training);
    double logits = rows_distance("logits", twi_run_logits(p.run), N_CLASSES);
    double probabilities = probability_distance(twi_run_output(p.run, 0));
    print_message("logits max|d|/std %.1e, probabilities max|d| %.1e\n", logits, probabilities);
    if (!(logits <= layer_tolerance) || !(probabilities <= probability_tolerance))
        fail_msg("answers are not PyTorch's");
    pass_end(&p);
}

// As predict runs it (folded, fused), and as fine-tuning does (nothing folded where a weight is trained).
static void answers_are_pytorchs(void **state)
{
    (void)state;
    tw_model *m = lite0();
    expect_answers(m, false);
    expect_answers(m, true);
    twi_model_free(m);
}

// As training's features are made: the trunk without its top, pooled.
static void features_are_pytorchs(void **state)
{
    (void)state;
    tw_err err = {0};
    tw_model *m = twi_open_architecture("efficientnet-lite0", &(twi_zoo_options){.pooling = "avg"},
                                        "imagenet", NULL, 1, NULL, NULL, &err);
    expect_ok(err);
    twi_model_set_trainable(m, false);
    pass p = pass_of(m, NULL, false);
    double d = rows_distance("features", twi_run_output(p.run, 0), N_FEATURES);
    print_message("features max|d|/std %.1e\n", d);
    if (!(d <= layer_tolerance))
        fail_msg("features are %.2g std from PyTorch's", d);
    pass_end(&p);
    twi_model_free(m);
}

// A test that cannot fail proves nothing: pictures differ, and small mistakes are seen.
static void pictures_have_answers_of_their_own(void **state)
{
    (void)state;
    for (size_t a = 0; a < N_PICTURES; a++)
        for (size_t b = 0; b < a; b++) {
            const json_t *row[2] = {json_array_get(json_object_get(golden, "logits"), a),
                                    json_array_get(json_object_get(golden, "logits"), b)};
            double most = 0;
            for (size_t i = 0; i < N_CLASSES; i++)
                most = fmax(most, fabs(json_number_value(json_array_get(row[0], i)) -
                                       json_number_value(json_array_get(row[1], i))));
            assert_true(most > 1);
        }
}

static twi_weight *weight_of(tw_model *m, const char *layer, int i)
{
    twi_layer *l = twi_model_find(m, layer);
    assert_non_null(l);
    l->weights[i].version++;
    return &l->weights[i];
}

static void swap_channels(tw_model *m, const char *layer)
{
    twi_weight *kernel = weight_of(m, layer, 0);
    int64_t cout = twi_shape_last(&kernel->shape), n = twi_shape_count(&kernel->shape);
    for (int64_t i = 0; i < n; i += cout) {
        float first = kernel->data[i];
        kernel->data[i] = kernel->data[i + 1];
        kernel->data[i + 1] = first;
    }
}

static void drop_norm(tw_model *m, const char *layer)
{
    for (int i = 0; i < 4; i++) { // gamma, beta, mean, variance
        twi_weight *w = weight_of(m, layer, i);
        for (int64_t k = 0; k < twi_shape_count(&w->shape); k++)
            w->data[k] = i == 0 || i == 3;
    }
}

static void expect_seen(tw_model *m, const char *what, const char *preprocess)
{
    double blocks = blocks_distance(m, preprocess, false);
    pass p = pass_of(m, preprocess, false);
    double probabilities = probability_distance(twi_run_output(p.run, 0));
    pass_end(&p);
    print_message("%-32s max|d|/std %.1e, probabilities %.1e\n", what, blocks, probabilities);
    if (blocks <= 10 * layer_tolerance || probabilities <= 10 * probability_tolerance)
        fail_msg("%s went unseen", what);
    twi_model_free(m);
}

static void mistakes_are_seen(void **state)
{
    (void)state;
    tw_model *m = lite0();
    swap_channels(m, "block6c_project_conv");
    expect_seen(m, "two channels swapped", NULL);
    m = lite0();
    drop_norm(m, "block3a_bn");
    expect_seen(m, "a normalization dropped", NULL);
    expect_seen(lite0(), "pictures prepared otherwise", "tf");
}

static int load(void **state)
{
    (void)state;
    tw_err err = {0};
    golden = twi_json_read(test_path("tests/golden/lite0/lite0.json"), &err);
    return golden ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

int main(void)
{
    tw_err err = {0};
    const twi_zoo_family *family;
    const twi_zoo_variant *variant = twi_zoo_find("efficientnet-lite0", &family, &err);
    char *path = variant ? twi_weights_find(variant, true, &err) : NULL;
    if (!path) {
        printf("skipped: %s\n", err.msg);
        return 77;
    }
    twi_free(path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_pytorchs),   cmocka_unit_test(answers_are_pytorchs),
        cmocka_unit_test(features_are_pytorchs), cmocka_unit_test(pictures_have_answers_of_their_own),
        cmocka_unit_test(mistakes_are_seen),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
