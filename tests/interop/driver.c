// Drives the library from the interop tests: driver COMMAND key=value …
//
// Arrays are raw little-endian f32 files; several are separated by commas. A model comes from
//     model=FILE                                   any model file
//     zoo=NAME [top=1] [input=H,W,C] [classes=N] [pooling=avg] [activation=F] [random=1]
//     head=N [dropout=R]                           puts the model as frozen trunk under a small head of N classes
//     trunk_weights=FILE                           read before the head is put on
// and then size=H,W (the pictures', where the file leaves it open), weights=FILE [by_name=1] [skip_mismatch=1], freeze=SPEC, seed=N (initial values of what has none).
// What a command gives goes to the files it is told and to stdout as JSON; errors go to stderr, the exit status is theirs.

#include "data/augment.h"
#include "format/format.h"
#include "job/learn.h"
#include "job/open.h"
#include "train/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// -------------------------------------------------------------------------------------------------------------- options

typedef struct options {
    int n;
    char **at; // key=value
} options;

static const char *get(const options *o, const char *key, const char *otherwise)
{
    size_t n = strlen(key);
    for (int i = 0; i < o->n; i++)
        if (strncmp(o->at[i], key, n) == 0 && o->at[i][n] == '=')
            return o->at[i] + n + 1;
    return otherwise;
}

static double number(const options *o, const char *key, double otherwise)
{
    const char *text = get(o, key, NULL);
    return text ? strtod(text, NULL) : otherwise;
}

// --------------------------------------------------------------------------------------------------------------- arrays

static float *read_array(const char *path, size_t n, size_t *total, tw_err *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        twi_fail_errno(err, TW_EUNUSABLE, "open '%s'", path);
        return NULL;
    }
    fseek(f, 0, SEEK_END);
    *total = (size_t)ftell(f) / sizeof(float);
    rewind(f);
    float *data = twi_new(*total, sizeof *data, "an array", err);
    if (data && (fread(data, sizeof *data, *total, f) != *total || (n && *total % n)))
        twi_fail(err, TW_EUNUSABLE, "'%s' holds %zu numbers, expected a multiple of %zu", path, *total, n);
    fclose(f);
    return data;
}

static void write_array(const char *path, const float *data, size_t n, tw_err *err)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(data, sizeof *data, n, f) == n;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (!ok)
        twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
}

// The i-th of names separated by commas, into buf.
static const char *part(const char *list, int i, char *buf, size_t size)
{
    for (; list && i > 0; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    snprintf(buf, size, "%.*s", list ? (int)strcspn(list, ",") : 0, list ? list : "");
    return buf;
}

// --------------------------------------------------------------------------------------------------------------- models

static tw_model *from_zoo(const options *o, tw_err *err)
{
    twi_zoo_options z = {.has_top = number(o, "top", 0) != 0,
                         .pooling = get(o, "pooling", NULL),
                         .classes = (int64_t)number(o, "classes", 0),
                         .is_random = number(o, "random", 0) != 0,
                         .classifier_activation = get(o, "activation", NULL)};
    const char *input = get(o, "input", NULL);
    long long h, w, c;
    if (input && sscanf(input, "%lld,%lld,%lld", &h, &w, &c) == 3)
        z.input = TWI_SHAPE(h, w, c);
    return twi_zoo_build(get(o, "zoo", NULL), &z, err);
}

static void add(tw_model *m, const char *kind, const char *config)
{
    const tw_layer_kind *k = twi_layer_kind_find(kind);
    twi_layer *layer = k ? twi_layer_new(k, NULL, &m->err) : NULL;
    if (layer && !twi_layer_set(layer, config, &m->err))
        twi_model_add(m, layer);
    twi_layer_free(layer);
}

// The pattern of transfer learning: a frozen trunk as one layer, a small head.
static tw_model *under_head(tw_model *trunk, int classes, double dropout, tw_err *err)
{
    tw_model *m = twi_model_new("classifier", true, err);
    tw_shape input = twi_model_shape(trunk, trunk->inputs.at[0]);
    char dense[96], rate[32];
    snprintf(rate, sizeof rate, "rate=%g", dropout);
    snprintf(dense, sizeof dense, "units=%d activation=%s", classes, classes == 1 ? "sigmoid" : "softmax");
    twi_model_set_trainable(trunk, false);
    twi_model_input(m, NULL, &input);
    add(m, "Rescaling", "scale=0.00784313725490196 offset=-1");
    twi_layer *nest = twi_layer_nest(trunk, err);
    twi_model_add(m, nest);
    twi_layer_free(nest);
    add(m, "GlobalAveragePooling2D", "");
    add(m, "Dropout", rate);
    add(m, "Dense", dense);
    if (twi_model_verify(m, err)) {
        twi_model_free(m);
        return NULL;
    }
    return m;
}

static tw_model *make_model(const options *o, tw_err *err)
{
    const char *file = get(o, "model", NULL), *weights = get(o, "weights", NULL),
               *freeze = get(o, "freeze", NULL);
    twi_load_options load = {.by_name = number(o, "by_name", 0) != 0,
                             .skip_mismatch = number(o, "skip_mismatch", 0) != 0};
    const char *trunk = get(o, "trunk_weights", NULL);
    tw_model *m = file ? twi_model_load(file, &load, NULL, err) : from_zoo(o, err);
    if (m && trunk)
        twi_weights_load(m, trunk, &load, NULL, err);
    if (m && get(o, "head", NULL)) {
        tw_model *whole = under_head(m, (int)number(o, "head", 1), number(o, "dropout", 0.2), err);
        twi_model_free(m);
        m = whole;
    }
    long long h, w;
    if (m && sscanf(get(o, "size", ""), "%lld,%lld", &h, &w) == 2)
        twi_model_resize(m, 1, &TWI_SHAPE(-1, h, w, 3), err);
    if (m && weights)
        twi_weights_load(m, weights, &load, NULL, err);
    if (m && !err->status)
        twi_model_initialize(m, (uint64_t)number(o, "seed", 1), twi_initializer_fill, err);
    if (m && !err->status && freeze)
        twi_model_freeze(m, freeze, err);
    if (m && err->status) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

// -------------------------------------------------------------------------------------------------------------- running

// Runs the model on x (one batch) and gives every output to `take`.
typedef void (*taker)(void *self, int i, const float *y, const tw_shape *shape, tw_err *err);

static void run_model(const tw_model *m, const options *o, taker take, void *self, tw_err *err)
{
    char path[4096];
    tw_shape in = twi_model_shape(m, m->inputs.at[0]);
    in = twi_shape_batch(&in, 1);
    size_t row = (size_t)twi_shape_count(&in), total = 0;
    float *x = read_array(part(get(o, "x", ""), 0, path, sizeof path), row, &total, err);
    twi_plan_options p = {.batch = x ? (int64_t)(total / row) : 1,
                          .is_training = number(o, "training", 0) != 0,
                          .threads = 1,
                          .no_fusion = number(o, "fusion", 1) == 0,
                          .is_reference = strcmp(get(o, "kernels", "exact"), "reference") == 0};
    twi_plan *plan = err->status ? NULL : twi_plan_new(m, &p, err);
    twi_run *run = plan ? twi_run_new(plan, err) : NULL;
    for (int i = 0; run && i < twi_plan_n_inputs(plan) && !err->status; i++) {
        size_t n = (size_t)twi_shape_count(twi_plan_input(plan, i)), given = n;
        float *more = i ? read_array(part(get(o, "x", ""), i, path, sizeof path), 0, &given, err) : x;
        if (given != n)
            twi_fail(err, TW_EUNUSABLE, "input %d has %zu numbers, expected %zu", i, given, n);
        else if (more)
            memcpy(twi_run_input(run, i), more, n * sizeof *more);
        if (i)
            twi_free(more);
    }
    if (run && !err->status && !twi_run_forward(run, (uint64_t)number(o, "seed", 1), 0, err))
        for (int i = 0; i < twi_plan_n_outputs(plan); i++)
            take(self, i, twi_run_output(run, i), twi_plan_output(plan, i), err);
    twi_run_free(run);
    twi_plan_free(plan);
    twi_free(x);
}

static void take_output(void *self, int i, const float *y, const tw_shape *shape, tw_err *err)
{
    char path[4096], text[TWI_SHAPE_TEXT];
    const options *o = self;
    write_array(part(get(o, "y", ""), i, path, sizeof path), y, (size_t)twi_shape_count(shape), err);
    printf("{\"output\": %d, \"shape\": \"%s\"}\n", i, twi_shape_text(shape, text));
}

static void cmd_predict(tw_model *m, options *o, tw_err *err)
{
    run_model(m, o, take_output, o, err);
}

// Every layer's output as y/NAME.f32, by cutting the model there.
typedef struct layer_output {
    const options *o;
    const char *name;
    const tw_model *m;
    int first; // of the outputs that are wanted
    FILE *file;
} layer_output;

static void take_layer(void *self, int i, const float *y, const tw_shape *shape, tw_err *err)
{
    const layer_output *l = self;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.f32", get(l->o, "y", "."), l->name);
    if (i == 0)
        write_array(path, y, (size_t)twi_shape_count(shape), err);
}

static void cmd_layers(tw_model *m, options *o, tw_err *err)
{
    int n = 0;
    int *order = twi_model_order(m, true, &n, err);
    for (int i = 0; order && i < n && !err->status; i++) {
        layer_output l = {.o = o, .name = m->layers.at[order[i]]->name};
        if (m->layers.at[order[i]]->kind->flags & TWI_KIND_INPUT)
            continue;
        tw_model *cut = twi_model_cut(m, l.name, NULL, err);
        if (cut)
            run_model(cut, o, take_layer, &l, err);
        twi_model_free(cut);
        printf("{\"layer\": \"%s\"}\n", l.name);
    }
    twi_free(order);
}

// The outputs of all layers of one run, one after the other in y; says names and shapes.
static void take_next(void *self, int i, const float *y, const tw_shape *shape, tw_err *err)
{
    const layer_output *all = self;
    const tw_model *m = all->m;
    if (i < all->first)
        return;
    printf("{\"layer\": \"%s\", \"shape\": [", m->layers.at[m->nodes.at[m->outputs.at[i].node].layer]->name);
    for (int j = 0; j < shape->rank; j++)
        printf("%s%lld", j ? ", " : "", (long long)shape->dim[j]);
    puts("]}");
    size_t n = (size_t)twi_shape_count(shape);
    if (fwrite(y, sizeof *y, n, all->file) != n)
        twi_fail_errno(err, TW_EWRITE, "write '%s'", get(all->o, "y", ""));
}

static void cmd_outputs(tw_model *m, options *o, tw_err *err)
{
    layer_output all = {.o = o, .m = m, .first = (int)m->outputs.n, .file = fopen(get(o, "y", ""), "wb")};
    for (size_t i = 0; i < m->nodes.n; i++)
        if (!(m->layers.at[m->nodes.at[i].layer]->kind->flags & TWI_KIND_INPUT))
            twi_model_output(m, (twi_tensor){(int)i, 0});
    if (all.file)
        run_model(m, o, take_next, &all, err);
    if (!all.file || fclose(all.file))
        twi_fail_errno(err, TW_EWRITE, "write '%s'", get(o, "y", ""));
}

// Names in the order of Keras's model.layers, nests included.
static void print_order(const tw_model *m, tw_err *err)
{
    int n = 0;
    int *order = twi_model_order(m, false, &n, err);
    for (int i = 0; order && i < n; i++) {
        printf("{\"layer\": \"%s\"}\n", m->layers.at[order[i]]->name);
        if (m->layers.at[order[i]]->nested)
            print_order(m->layers.at[order[i]]->nested, err);
    }
    twi_free(order);
}

static void cmd_order(tw_model *m, options *o, tw_err *err)
{
    (void)o;
    print_order(m, err);
}

static void cmd_config(tw_model *m, options *o, tw_err *err)
{
    (void)o;
    json_t *config = twi_keras_config(m, err);
    if (config) {
        json_dumpf(config, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
        putchar('\n');
    }
    json_decref(config);
}

static void cmd_save(tw_model *m, options *o, tw_err *err)
{
    twi_model_save(m, get(o, "to", ""), err);
}

static void cmd_save_weights(tw_model *m, options *o, tw_err *err)
{
    twi_weights_save(m, get(o, "to", ""), err);
}

// The pixels that topwork predict gives the model for photos (photos=A,B,…), all in y.
static void cmd_pixels(tw_model *m, options *o, tw_err *err)
{
    twi_recipe recipe = {0};
    twi_recipe_work work = {0};
    char photo[4096];
    if (twi_open_recipe(m, NULL, false, &recipe, err))
        return;
    FILE *f = fopen(get(o, "y", ""), "wb");
    size_t n = (size_t)(recipe.height * recipe.width * 3);
    float *x = f ? twi_new(n, sizeof *x, "pixels", err) : NULL;
    for (int i = 0; x && !err->status && *part(get(o, "photos", ""), i, photo, sizeof photo); i++)
        if (!twi_recipe_read(photo, &work, NULL, err) && !twi_recipe_decode(&recipe, photo, &work, x, err) &&
            fwrite(x, sizeof *x, n, f) != n)
            twi_fail(err, TW_EWRITE, "cannot write the pixels of '%s'", photo);
    printf("{\"height\": %lld, \"width\": %lld}\n", (long long)recipe.height, (long long)recipe.width);
    if (!f || fclose(f))
        twi_fail_errno(err, TW_EWRITE, "write '%s'", get(o, "y", ""));
    twi_free(x);
    twi_recipe_work_clear(&work);
}

static void cmd_info(tw_model *m, options *o, tw_err *err)
{
    (void)o;
    char *text = twi_json_text(m->info, 0, err);
    puts(text ? text : "");
    twi_free(text);
}

// ------------------------------------------------------------------------------------------------------------- training

typedef struct memory_samples {
    const float *x;
    size_t row;
} memory_samples;

static tw_status read_samples(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                              int64_t n_next, float *const dst[], tw_err *err)
{
    const memory_samples *s = self;
    (void)next, (void)n_next, (void)err;
    for (int64_t i = 0; i < count; i++)
        memcpy(dst[0] + (size_t)i * s->row, s->x + index[i] * s->row, s->row * sizeof *s->x);
    return TW_OK;
}

// One setting from text: "adam:learning_rate=1e-3".
static tw_setting setting(const char *text, const tw_setting_kind *(*find)(const char *), tw_err *err)
{
    tw_setting s = {0};
    const tw_field field = {.key = "setting", .type = TW_FIELD_SETTING, .find = find};
    twi_setting_text(&s, text, &field, "driver", err);
    return s;
}

// Full-batch steps, so that the order of samples says nothing: prints the loss before each.
static void cmd_train(tw_model *m, options *o, tw_err *err)
{
    tw_shape in = twi_model_shape(m, m->inputs.at[0]), out = twi_model_shape(m, m->outputs.at[0]);
    in = twi_shape_batch(&in, 1);
    memory_samples s = {.row = (size_t)twi_shape_count(&in)};
    size_t total = 0, n = 0;
    float *x = read_array(get(o, "x", ""), s.row, &total, err);
    float *t = read_array(get(o, "t", ""), 1, &n, err);
    int32_t *label = twi_new(n, sizeof *label, "labels", err);
    for (size_t i = 0; t && label && i < n; i++)
        label[i] = (int32_t)t[i];
    s.x = x;
    int64_t k = twi_shape_last(&out);
    twi_samples samples = {
        .n = (int64_t)n, .label = label, .n_classes = k == 1 ? 2 : k, .read = read_samples, .self = &s};
    twi_fit_options fit = {.phase = "train",
                           .epochs = (int64_t)number(o, "steps", 1),
                           .batch_size = (int64_t)n,
                           .optimizer = setting(get(o, "optimizer", "adam"), twi_optimizer_find, err),
                           .loss = setting(get(o, "loss", "categorical_crossentropy"), twi_loss_find, err),
                           .learning_rate = number(o, "lr", 1e-3),
                           .seed = (uint64_t)number(o, "seed", 1),
                           .threads = 1,
                           .is_reference = strcmp(get(o, "kernels", "exact"), "reference") == 0};
    twi_history history = {0};
    if (!err->status)
        twi_fit(m, &samples, &fit, &history, err);
    for (size_t i = 0; i < history.epochs.n; i++)
        printf("{\"step\": %zu, \"loss\": %.9g, \"accuracy\": %.9g}\n", i, history.epochs.at[i].loss,
               history.epochs.at[i].accuracy);
    twi_history_clear(&history);
    twi_free(x);
    twi_free(t);
    twi_free(label);
}

// A whole fit as the model is compiled: x, t, val_x, val_t, epochs, batch, class_weight=A,B,… keep=best|last; prints each
// epoch, and saves the model with its optimizer to save=FILE.
typedef struct data_set {
    memory_samples memory;
    twi_samples samples;
    float *x;
    int32_t *label;
} data_set;

static void read_set(const options *o, const char *x_key, const char *t_key, const tw_model *m, data_set *d,
                     tw_err *err)
{
    tw_shape in = twi_model_shape(m, m->inputs.at[0]), out = twi_model_shape(m, m->outputs.at[0]);
    in = twi_shape_batch(&in, 1);
    size_t total = 0, n = 0;
    int64_t k = twi_shape_last(&out);
    d->memory.row = (size_t)twi_shape_count(&in);
    d->memory.x = d->x = read_array(get(o, x_key, ""), d->memory.row, &total, err);
    float *t = read_array(get(o, t_key, ""), 1, &n, err);
    d->label = twi_new(n, sizeof *d->label, "labels", err);
    for (size_t i = 0; t && d->label && i < n; i++)
        d->label[i] = (int32_t)t[i];
    d->samples = (twi_samples){.n = (int64_t)n,
                               .label = d->label,
                               .n_classes = k == 1 ? 2 : k,
                               .read = read_samples,
                               .self = &d->memory};
    twi_free(t);
}

static const twi_metrics *epoch_metrics;

static void print_epoch(void *self, const twi_epoch *e)
{
    (void)self;
    char name[TWI_METRIC_LABEL];
    printf("{\"epoch\": %lld, \"loss\": %.9g, \"accuracy\": %.9g", (long long)e->epoch, e->loss, e->accuracy);
    if (!isnan(e->val_loss))
        printf(", \"val_loss\": %.9g, \"val_accuracy\": %.9g", e->val_loss, e->val_accuracy);
    for (int i = 0; i < epoch_metrics->n; i++) {
        twi_metric_label(&epoch_metrics->at[i], name, sizeof name);
        printf(", \"%s\": %.9g", name, e->metric[i]);
        if (!isnan(e->val_loss))
            printf(", \"val_%s\": %.9g", name, e->val_metric[i]);
    }
    printf(", \"learning_rate\": %.9g, \"is_best\": %s}\n", e->learning_rate, e->is_best ? "true" : "false");
}

static void cmd_fit(tw_model *m, options *o, tw_err *err)
{
    data_set train = {0}, validation = {0};
    char word[64];
    double class_weight[64];
    int n_weights = 0;
    while (n_weights < 64 && *part(get(o, "class_weight", ""), n_weights, word, sizeof word))
        class_weight[n_weights++] = strtod(word, NULL);
    read_set(o, "x", "t", m, &train, err);
    if (get(o, "val_x", NULL))
        read_set(o, "val_x", "val_t", m, &validation, err);
    twi_fit_options fit = {.phase = "fit",
                           .epochs = (int64_t)number(o, "epochs", 1),
                           .batch_size = (int64_t)number(o, "batch", 32),
                           .seed = (uint64_t)number(o, "seed", 1),
                           .validation = validation.samples.n ? &validation.samples : NULL,
                           .patience = (int64_t)number(o, "patience", 0),
                           .is_proximal = number(o, "proximal", 0) != 0,
                           .class_weight = n_weights ? class_weight : NULL,
                           .threads = 1,
                           .no_shuffle = true,
                           .keeps_slots = true,
                           .keeps_last = strcmp(get(o, "keep", "last"), "last") == 0,
                           .on_epoch = print_epoch};
    twi_history history = {0};
    twi_compiled compiled;
    size_t n_sample_weights = 0;
    float *sample_weight = get(o, "sample_weight", NULL)
                               ? read_array(get(o, "sample_weight", ""), 1, &n_sample_weights, err)
                               : NULL;
    fit.sample_weight = sample_weight;
    if (!err->status && !twi_compile_read(m, &compiled, err) &&
        !twi_callbacks_text(&fit.callbacks, get(o, "callbacks", ""), "callbacks", err)) {
        twi_callbacks_split(&fit.callbacks, &fit.early_stopping);
        fit.optimizer = compiled.optimizer;
        fit.loss = compiled.loss;
        fit.schedule = compiled.schedule;
        fit.metrics = compiled.metrics;
        epoch_metrics = &compiled.metrics;
        twi_fit(m, &train.samples, &fit, &history, err);
        printf("{\"best\": %lld, \"stopped\": %s}\n", (long long)history.best_epoch,
               history.is_stopped_early ? "true" : "false");
    }
    twi_free(sample_weight);
    if (!err->status && get(o, "save", NULL))
        twi_model_save(m, get(o, "save", NULL), err);
    twi_history_clear(&history);
    twi_free(train.x);
    twi_free(train.label);
    twi_free(validation.x);
    twi_free(validation.label);
}

// What backward starts from: dL/d output as given (dy), or that of a cross-entropy at the logits, (p - y) / n, for labels t.
static void start_backward(const options *o, twi_run *run, int64_t n, int64_t k, const float *t, tw_err *err)
{
    float *grad = twi_run_grad_logits(run);
    const char *file = get(o, "dy", NULL);
    size_t total = 0;
    float *dy = file ? read_array(file, (size_t)(n * k), &total, err) : NULL;
    for (int64_t i = 0; i < n * k && !err->status; i++) {
        float y = dy ? 0 : k == 1 ? t[i] : (float)((int64_t)t[i / k] == i % k);
        grad[i] = dy ? dy[i] : (twi_run_output(run, 0)[i] - y) / (float)n;
    }
    twi_free(dy);
}

static void write_gradients(const options *o, const tw_model *m, const twi_plan *plan, twi_run *run,
                            tw_err *err)
{
    twi_weights all = {0};
    twi_model_weights(m, &all, err);
    for (int i = 0; i < twi_plan_n_gradients(plan) && !err->status; i++) {
        const twi_weight *w = twi_plan_gradient_weight(plan, i);
        for (int j = 0; j < all.n; j++) {
            char path[4096], name[512];
            if (all.at[j] != w)
                continue;
            snprintf(name, sizeof name, "%s", all.path[j]);
            for (char *c = name; *c; c++)
                *c = *c == '/' ? '.' : *c;
            snprintf(path, sizeof path, "%s/%s.f32", get(o, "y", "."), name);
            write_array(path, twi_run_gradient(run, i), (size_t)twi_shape_count(&w->shape), err);
            printf("{\"gradient\": \"%s\"}\n", name);
        }
    }
    twi_weights_clear(&all);
}

// Gradients of one step at the inputs x, y/LAYER.WEIGHT.f32 each.
static void cmd_gradients(tw_model *m, options *o, tw_err *err)
{
    char path[4096];
    tw_shape out = twi_model_shape(m, m->outputs.at[0]), in = twi_model_shape(m, m->inputs.at[0]);
    in = twi_shape_batch(&in, 1);
    size_t row = (size_t)twi_shape_count(&in), total = 0, n_labels = 0;
    float *x = read_array(part(get(o, "x", ""), 0, path, sizeof path), row, &total, err);
    float *t = get(o, "t", NULL) ? read_array(get(o, "t", ""), 1, &n_labels, err) : NULL;
    int64_t n = (int64_t)(total / row);
    out = twi_shape_batch(&out, 1);
    twi_plan_options p = {.batch = n,
                          .is_training = number(o, "training", 1) != 0,
                          .wants_gradients = true,
                          .threads = 1,
                          .is_reference = strcmp(get(o, "kernels", "exact"), "reference") == 0};
    twi_plan *plan = err->status ? NULL : twi_plan_new(m, &p, err);
    twi_run *run = plan ? twi_run_new(plan, err) : NULL;
    for (int i = 0; run && i < twi_plan_n_inputs(plan) && !err->status; i++) {
        size_t given;
        float *more = read_array(part(get(o, "x", ""), i, path, sizeof path), 0, &given, err);
        if (more)
            memcpy(twi_run_input(run, i), more, given * sizeof *more);
        twi_free(more);
    }
    if (run && !err->status && !twi_run_forward(run, 1, 0, err)) {
        start_backward(o, run, n, twi_shape_count(&out), t, err);
        twi_run_backward(run, 1, 0, err);
        write_gradients(o, m, plan, run, err);
    }
    twi_run_free(run);
    twi_plan_free(plan);
    twi_free(x);
    twi_free(t);
}

// The names of all registered layer kinds, as in src/layer/list.inc.
static void print_kinds(void)
{
#define TW_LAYER(name) puts("{\"kind\": \"" #name "\"}");
#include "layer/list.inc"
#undef TW_LAYER
}

// Changes pictures x [n, H, W, 3] with given draws in place of random ones: augment SPEC size=H,W draws=A,B,… y=FILE.
static void augment(const options *o, tw_err *err)
{
    twi_augment changes;
    long long h = 0, w = 0;
    size_t total = 0;
    char word[64];
    double draw[TWI_DRAWS_MAX] = {0};
    for (int i = 0; i < TWI_DRAWS_MAX && *part(get(o, "draws", ""), i, word, sizeof word); i++)
        draw[i] = strtod(word, NULL);
    if (twi_augment_text(&changes, get(o, "spec", ""), "spec", err) || changes.n != 1 ||
        sscanf(get(o, "size", ""), "%lld,%lld", &h, &w) != 2)
        return;
    float *x = read_array(get(o, "x", ""), (size_t)(h * w * 3), &total, err);
    float *y = twi_new(total, sizeof *y, "pictures", err);
    for (size_t at = 0; x && y && at < total; at += (size_t)(h * w * 3)) {
        twi_augment_call call = {.h = h, .w = w, .c = 3, .in = x + at, .out = y + at, .low = 0, .high = 255};
        ((const twi_augment_kind *)changes.at[0].kind->row)->apply(&changes.at[0], draw, &call);
    }
    if (y)
        write_array(get(o, "y", ""), y, total, err);
    twi_free(x);
    twi_free(y);
}

// ------------------------------------------------------------------------------------------------------------------ main

static const struct {
    const char *name;
    void (*run)(tw_model *m, options *o, tw_err *err);
} commands[] = {
    {"config", cmd_config},
    {"fit", cmd_fit},
    {"gradients", cmd_gradients},
    {"info", cmd_info},
    {"layers", cmd_layers},
    {"order", cmd_order},
    {"outputs", cmd_outputs},
    {"pixels", cmd_pixels},
    {"predict", cmd_predict},
    {"save", cmd_save},
    {"save_weights", cmd_save_weights},
    {"train", cmd_train},
};

int main(int argc, char **argv)
{
    options o = {argc - 2, argv + 2};
    tw_err err = {0};
    if (argc > 1 && strcmp(argv[1], "augment") == 0) {
        augment(&o, &err);
        if (err.status)
            fprintf(stderr, "%s\n", err.msg);
        return tw_status_exit(err.status);
    }
    if (argc > 1 && strcmp(argv[1], "kinds") == 0) {
        print_kinds();
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, argv[1]) != 0)
            continue;
        tw_model *m = make_model(&o, &err);
        if (m)
            commands[i].run(m, &o, &err);
        twi_model_free(m);
        if (err.status)
            fprintf(stderr, "%s\n", err.msg);
        return tw_status_exit(err.status);
    }
    fprintf(stderr, "driver: no command '%s'\n", argc > 1 ? argv[1] : "");
    return 2;
}
