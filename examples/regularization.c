// What regularization does, seen: one small convolutional network, trained from nothing on few photos, five times.
//
//     regularization [PHOTOS [FILE.html]]      without photos (or ""): on pictures that are made up here
//
// PHOTOS may be a folder of photos, or of IDX files such as Fashion-MNIST's. The page (regularization.html) shows
//     the curves of the five runs, with the epoch that early stopping would keep
//     the weights of the dense layer as histograms, and how many of them are zero
//     L1 against L2: the loss over two real weights, and where each penalty pulls them
//     what dropout switched off in two steps, read from the weights that did not move
//     the learning rate of each epoch under a cosine schedule

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <topwork.h>

enum { SIDE = 28, EPOCHS = 40, RUNS = 5, UNITS = 64, BINS = 41, GRID = 61, LEVELS = 9 };

typedef struct run {
    const char *name, *regularizer;
    double dropout;
    bool proximal;
    int n_epochs, best;
    double loss[EPOCHS], val_loss[EPOCHS], rate[EPOCHS], val_accuracy;
    double zero, small, limit, seconds;
    int count[BINS];
} run;

static run runs[RUNS] = {{.name = "none"},
                         {.name = "L1", .regularizer = "l1:4e-3"},
                         {.name = "L1, proximal", .regularizer = "l1:4e-2", .proximal = true},
                         {.name = "L2", .regularizer = "l2:4e-2"},
                         {.name = "dropout 0.5", .dropout = 0.5}};

// --------------------------------------------------------------------------------------------------------------- data

enum { MADE = 120, MADE_VAL = 240 };
static float made[MADE + MADE_VAL][SIDE * SIDE];
static int32_t made_label[MADE + MADE_VAL];

static float uniform(void)
{
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 16777216.0f;
}

// Four kinds of stripes in much noise; one label in seven is wrong, as in real collections.
static void make_pictures(void)
{
    for (int i = 0; i < MADE + MADE_VAL; i++) {
        int kind = i % 4;
        double phase = 6.28 * uniform(), width = 0.7 + 0.3 * uniform();
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int along = kind == 0 ? x : kind == 1 ? y : kind == 2 ? x + y : x - y;
                made[i][y * SIDE + x] =
                    128 + 35 * (float)sin(phase + width * along) + 220 * (uniform() - 0.5f);
            }
        made_label[i] = uniform() < 0.2f ? (int)(4 * uniform()) : kind;
    }
}

typedef struct data {
    tw_dataset *train, *val;
    int channels;
    int64_t classes;
} data;

static data open_data(tw_context *tw, const char *folder, tw_err *err)
{
    data d = {0};
    if (folder) {
        tw_dataset *all = tw_dataset_photos(tw, folder, .per_class = 60, .val_split = 2.0 / 3,
                                            .preprocess = "raw", .err = err);
        d = (data){tw_dataset_part(all, TW_PART_TRAIN, err), tw_dataset_part(all, TW_PART_VALIDATION, err), 3,
                   tw_dataset_n_classes(all)};
        tw_dataset_free(all);
        return d;
    }
    make_pictures();
    d.channels = 1;
    d.classes = 4;
    d.train = tw_dataset_arrays(tw, MADE, made[0], TW_SHAPE(SIDE, SIDE, 1), made_label, 4, .err = err);
    d.val = tw_dataset_arrays(tw, MADE_VAL, made[MADE], TW_SHAPE(SIDE, SIDE, 1), made_label + MADE, 4,
                              .err = err);
    return d;
}

// --------------------------------------------------------------------------------------------------------------- runs

// Everything up to the last layer, as a model of its own: what it gives is looked at later.
static tw_model *network(tw_context *tw, const run *r, int channels, tw_err *err)
{
    tw_model *m = tw_sequential(tw, "network", .err = err);
    tw_input(m, TW_SHAPE(SIDE, SIDE, channels), NULL);
    tw_add(m, tw_rescaling({1 / 127.5}, .offset = {-1}));
    tw_add(m, tw_conv2d(8, {3}, "relu"));
    tw_add(m, tw_max_pooling2d());
    tw_add(m, tw_conv2d(16, {3}, "relu"));
    tw_add(m, tw_max_pooling2d());
    tw_add(m, tw_flatten());
    tw_add(m, tw_dense(UNITS, "relu", .kernel_regularizer = r->regularizer, .name = "hidden"));
    return m;
}

static void look_at_weights(run *r, tw_layer *layer, tw_err *err)
{
    tw_weight *kernel = tw_layer_weight(layer, 0);
    tw_shape shape = tw_weight_shape(kernel);
    int64_t n = shape.dim[0] * shape.dim[1];
    float *w = malloc((size_t)n * sizeof *w);
    if (!w || tw_weight_get(kernel, w, n, err)) {
        free(w);
        return;
    }
    r->limit = 0.12; // the same for all, so that they can be compared
    for (int64_t i = 0; i < n; i++) {
        double at = (w[i] / r->limit + 1) / 2 * BINS;
        r->count[at < 0 ? 0 : at >= BINS ? BINS - 1 : (int)at]++;
        r->zero += w[i] == 0;
        r->small += fabsf(w[i]) < 1e-3f;
    }
    r->zero /= (double)n;
    r->small /= (double)n;
    free(w);
}

// Trains; gives the model back with the weights of its last epoch, so that the runs differ in nothing but the penalty.
static tw_model *train(tw_context *tw, run *r, const data *d, tw_model **body, tw_err *err)
{
    *body = network(tw, r, d->channels, err);
    tw_model *m = tw_sequential(tw, "classifier", .err = err);
    tw_add(m, tw_nest(*body));
    if (r->dropout > 0)
        tw_add(m, tw_dropout(r->dropout));
    tw_add(m, tw_dense(d->classes, "softmax", .name = "answer"));
    tw_compile(m, "sgd:momentum=0.9", .learning_rate = 0.01, .loss = "categorical_crossentropy",
               .schedule = "cosine_decay", .metrics = "categorical_crossentropy");
    tw_history *h = tw_fit(m, d->train, .validation = d->val, .epochs = EPOCHS, .batch_size = 20,
                           .keep_last = true, .proximal = r->proximal, .err = err);
    r->n_epochs = (int)tw_history_n_epochs(h);
    for (int i = 0; i < r->n_epochs; i++) {
        const tw_epoch *e = tw_history_epoch(h, i);
        // Without the penalties, so that the runs can be compared.
        r->loss[i] = tw_history_value(h, i, "categorical_crossentropy");
        r->val_loss[i] = tw_history_value(h, i, "val_categorical_crossentropy");
        r->best = r->val_loss[i] < r->val_loss[r->best] ? i : r->best;
        r->rate[i] = e->learning_rate;
        r->val_accuracy = e->val_accuracy;
        r->seconds += e->seconds;
    }
    if (!err->status)
        look_at_weights(r, tw_model_find_layer(*body, "hidden"), err);
    tw_history_free(h);
    return m;
}

// ---------------------------------------------------------------------------------------------------------------- SVG

static void begin(FILE *out, const char *title)
{
    fprintf(out, "<figure><figcaption>%s</figcaption><svg viewBox='0 0 340 220'>", title);
}

static void end(FILE *out)
{
    fputs("</svg></figure>\n", out);
}

static void line(FILE *out, const char *name, const double *v, int n, double high)
{
    fprintf(out, "<polyline class=%s points='", name);
    for (int i = 0; i < n; i++)
        fprintf(out, "%.1f,%.1f ", 34 + i * 296.0 / (EPOCHS - 1), 196 - 180 * fmin(v[i] / high, 1));
    fputs("'/>", out);
}

static void draw_epochs(FILE *out)
{
    for (int e = 1; e < EPOCHS - 4; e += e == 1 ? 9 : 10)
        fprintf(out, "<text x=%.1f y=212 text-anchor=middle>%d</text>", 34 + (e - 1) * 296.0 / (EPOCHS - 1),
                e);
    fprintf(out, "<text x=330 y=212 text-anchor=end>epoch %d</text>", EPOCHS);
}

static void draw_curves(FILE *out, const run *r, double high)
{
    char title[160];
    snprintf(title, sizeof title, "%s: validation loss %.2f at best (epoch %d), %.2f at the end", r->name,
             r->val_loss[r->best], r->best + 1, r->val_loss[r->n_epochs - 1]);
    begin(out, title);
    for (int i = 0; i <= 4; i++)
        fprintf(out,
                "<line class=grid x1=34 x2=330 y1=%d y2=%d /><text x=30 y=%d text-anchor=end>%.1f</text>",
                196 - 45 * i, 196 - 45 * i, 200 - 45 * i, high * i / 4);
    double x = 34 + r->best * 296.0 / (EPOCHS - 1);
    fprintf(out, "<rect class=after x=%.1f y=16 width=%.1f height=180 />", x, 330 - x);
    fprintf(out, "<line class=best x1=%.1f x2=%.1f y1=16 y2=196 />", x, x);
    fprintf(out, "<text x=%.1f y=26 text-anchor=%s>early stopping keeps this</text>", x + (x > 180 ? -4 : 4),
            x > 180 ? "end" : "start");
    line(out, "train", r->loss, r->n_epochs, high);
    line(out, "val", r->val_loss, r->n_epochs, high);
    draw_epochs(out);
    end(out);
}

static void draw_histogram(FILE *out, const run *r)
{
    char title[160];
    int most = 1;
    snprintf(title, sizeof title, "%s: %.1f %% are exactly zero, %.1f %% below 0.001", r->name, 100 * r->zero,
             100 * r->small);
    begin(out, title);
    for (int i = 0; i < BINS; i++)
        most = r->count[i] > most ? r->count[i] : most;
    for (int i = 0; i < BINS; i++)
        fprintf(out, "<rect class=%s x=%.1f y=%.1f width=6.6 height=%.1f />", i == BINS / 2 ? "zero" : "bar",
                30 + 7.3 * i, 196 - 180.0 * r->count[i] / most, 180.0 * r->count[i] / most);
    fprintf(out,
            "<text x=30 y=212>%.2f and below</text><text x=180 y=212 text-anchor=middle>0</text>"
            "<text x=330 y=212 text-anchor=end>%.2f and above</text>",
            -r->limit, r->limit);
    end(out);
}

// ----------------------------------------------------------------------------------------------------------- two weights

// The loss of the last layer while two of its weights move and all others stay.
typedef struct plane {
    const tw_predictions *features, *answers;
    tw_dataset *data;
    int64_t unit[2];
    int answer;
    double weight[2], from, to;
    double loss[GRID][GRID];
} plane;

static double loss_at(const plane *p, double a, double b)
{
    double sum = 0;
    int64_t k = p->answers->k;
    for (int64_t i = 0; i < p->answers->n; i++) {
        const float *x = p->features->at + i * p->features->k, *q = p->answers->at + i * k;
        double more = (a - p->weight[0]) * x[p->unit[0]] + (b - p->weight[1]) * x[p->unit[1]];
        double own = log(fmax(q[p->answer], 1e-12)) + more, all = 0;
        for (int64_t j = 0; j < k; j++)
            all += j == p->answer ? exp(own) : q[j];
        int64_t label = tw_dataset_label(p->data, i);
        sum -= (label == p->answer ? own : log(fmax(q[label], 1e-12))) - log(all);
    }
    return sum / (double)p->answers->n;
}

static double place(const plane *p, int i)
{
    return p->from + i * (p->to - p->from) / (GRID - 1);
}

// The point of the plane where loss and penalty are smallest together.
static void lowest(const plane *p, double l1, double l2, double *a, double *b)
{
    double best = INFINITY;
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            double x = place(p, i), y = place(p, j);
            double sum = p->loss[i][j] + l1 * (fabs(x) + fabs(y)) + l2 * (x * x + y * y);
            if (sum < best)
                best = sum, *a = x, *b = y;
        }
}

// Where a level crosses the edges of each square of the grid.
static void draw_level(FILE *out, const plane *p, double level)
{
    double unit = 190.0 / (GRID - 1);
    fputs("<path class=level d='", out);
    for (int i = 0; i + 1 < GRID; i++)
        for (int j = 0; j + 1 < GRID; j++) {
            const int corner[5][2] = {{i, j}, {i + 1, j}, {i + 1, j + 1}, {i, j + 1}, {i, j}};
            int found = 0;
            for (int e = 0; e < 4; e++) {
                const int *f = corner[e], *t = corner[e + 1];
                double v = p->loss[f[0]][f[1]] - level, w = p->loss[t[0]][t[1]] - level;
                if ((v < 0) == (w < 0))
                    continue;
                double s = v / (v - w), x = f[0] + s * (t[0] - f[0]), y = f[1] + s * (t[1] - f[1]);
                fprintf(out, "%c%.1f %.1f", found++ % 2 ? 'L' : 'M', 75 + unit * x, 205 - unit * y);
            }
        }
    fputs("'/>", out);
}

static void draw_plane(FILE *out, const plane *p, bool is_l1)
{
    double a = 0, b = 0, unit = 190 / (p->to - p->from), x0 = 75 - unit * p->from, y0 = 205 + unit * p->from;
    double low = INFINITY, high = 0;
    char title[200];
    lowest(p, is_l1 ? 0.05 : 0, is_l1 ? 0 : 0.05, &a, &b);
    snprintf(title, sizeof title,
             "%s pulls the two weights to (%.2f, %.2f)%s; without a penalty they are (%.2f, %.2f)",
             is_l1 ? "L1" : "L2", a, b,
             fabs(a) < 1e-9 || fabs(b) < 1e-9 ? ": on an axis, one weight is exactly zero" : "", p->weight[0],
             p->weight[1]);
    begin(out, title);
    for (int i = 0; i < GRID * GRID; i++) {
        low = fmin(low, p->loss[i / GRID][i % GRID]);
        high = fmax(high, p->loss[i / GRID][i % GRID]);
    }
    for (int i = 1; i <= LEVELS; i++)
        draw_level(out, p, low + (high - low) * pow((double)i / (LEVELS + 1), 2));
    fprintf(
        out,
        "<line class=grid x1=75 x2=265 y1=%.1f y2=%.1f /><line class=grid x1=%.1f x2=%.1f y1=15 y2=205 />",
        y0, y0, x0, x0);
    double size = unit * (is_l1 ? fabs(a) + fabs(b) : sqrt(a * a + b * b));
    if (is_l1)
        fprintf(out, "<path class=ball d='M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ'/>", x0 - size, y0, x0,
                y0 - size, x0 + size, y0, x0, y0 + size);
    else
        fprintf(out, "<circle class=ball cx=%.1f cy=%.1f r=%.1f />", x0, y0, size);
    fprintf(out, "<circle class=point cx=%.1f cy=%.1f r=4 /><circle class=free cx=%.1f cy=%.1f r=4 />",
            x0 + unit * a, y0 - unit * b, x0 + unit * p->weight[0], y0 - unit * p->weight[1]);
    end(out);
}

// The two largest weights of the answer's kernel: of the first class, of different units.
static tw_status choose_weights(plane *p, tw_layer *answer, tw_err *err)
{
    tw_weight *kernel = tw_layer_weight(answer, 0);
    tw_shape s = tw_weight_shape(kernel);
    float *w = malloc((size_t)(s.dim[0] * s.dim[1]) * sizeof *w);
    tw_status status = w ? tw_weight_get(kernel, w, s.dim[0] * s.dim[1], err) : TW_ENOMEM;
    for (int which = 0; !status && which < 2; which++)
        for (int64_t u = 0; u < s.dim[0]; u++) {
            double v = w[u * s.dim[1] + p->answer];
            if (fabs(v) > fabs(p->weight[which]) && (!which || u != p->unit[0]))
                p->weight[which] = v, p->unit[which] = u;
        }
    double most = fmax(fabs(p->weight[0]), fabs(p->weight[1]));
    p->from = -1.5 * most;
    p->to = 1.5 * most;
    free(w);
    return status;
}

static void draw_two_weights(FILE *out, tw_model *m, tw_model *body, tw_dataset *train_data, tw_err *err)
{
    static plane p;
    tw_predictions *features = tw_model_predict(body, train_data, .err = err),
                   *answers = tw_model_predict(m, train_data, .err = err);
    p = (plane){.features = features, .answers = answers, .data = train_data};
    if (features && answers && !choose_weights(&p, tw_model_find_layer(m, "answer"), err)) {
        for (int i = 0; i < GRID; i++)
            for (int j = 0; j < GRID; j++)
                p.loss[i][j] = loss_at(&p, place(&p, i), place(&p, j));
        fputs("<h2>L1 against L2, over two real weights of the last layer</h2><section>", out);
        draw_plane(out, &p, true);
        draw_plane(out, &p, false);
        fputs("</section>", out);
    }
    tw_predictions_free(features);
    tw_predictions_free(answers);
}

// -------------------------------------------------------------------------------------------------------------- dropout

// One sample a step: a weight behind a unit that was switched off gets no gradient, and plain SGD leaves it as it was.
typedef struct watch {
    tw_layer *layer;
    float before[UNITS];
    bool on[2][UNITS];
    int step;
} watch;

static void before_step(void *arg, tw_training *training, int64_t batch)
{
    watch *w = arg;
    (void)training, (void)batch;
    tw_weight_get(tw_layer_weight(w->layer, 0), w->before, UNITS, NULL);
}

static void after_step(void *arg, tw_training *training, int64_t batch)
{
    watch *w = arg;
    float now[UNITS];
    (void)training, (void)batch;
    if (w->step < 2 && !tw_weight_get(tw_layer_weight(w->layer, 0), now, UNITS, NULL))
        for (int i = 0; i < UNITS; i++)
            w->on[w->step][i] = now[i] != w->before[i];
    w->step++;
}

static void draw_dropout(FILE *out, tw_context *tw, tw_err *err)
{
    float x[2][UNITS];
    const int32_t label[2] = {0, 1};
    for (int i = 0; i < 2 * UNITS; i++)
        x[i / UNITS][i % UNITS] = 0.5f + uniform();
    tw_dataset *two = tw_dataset_arrays(tw, 2, x[0], TW_SHAPE(UNITS), label, .err = err);
    tw_model *m = tw_sequential(tw, "dropped", .err = err);
    tw_input(m, TW_SHAPE(UNITS), NULL);
    tw_add(m, tw_dropout(0.5));
    tw_add(m, tw_dense(1, "sigmoid", .name = "after"));
    tw_compile(m, "sgd", .learning_rate = 0.1, .loss = "binary_crossentropy", .err = err);
    watch w = {.layer = tw_model_find_layer(m, "after")};
    tw_callback callback = {.arg = &w, .on_batch_begin = before_step, .on_batch_end = after_step};
    tw_history_free(tw_fit(m, two, .batch_size = 1, .callback = &callback, .n_callbacks = 1, .err = err));
    fputs("<h2>What dropout 0.5 switched off (grey) in two steps</h2><section>", out);
    for (int s = 0; s < 2; s++) {
        int off = 0;
        for (int i = 0; i < UNITS; i++)
            off += !w.on[s][i];
        char title[80];
        snprintf(title, sizeof title, "step %d: %d of %d units off, their weights did not move", s + 1, off,
                 UNITS);
        begin(out, title);
        for (int i = 0; i < UNITS; i++)
            fprintf(out, "<circle class=%s cx=%d cy=%d r=10 />", w.on[s][i] ? "on" : "off", 84 + i % 8 * 25,
                    20 + i / 8 * 25);
        end(out);
    }
    fputs("</section>", out);
    tw_dataset_free(two);
    tw_model_free(m);
}

// ----------------------------------------------------------------------------------------------------------------- page

static const char head[] =
    "<!doctype html><meta charset=utf-8><title>what regularization does</title><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:24px auto;padding:0 20px;color:#1c2430}"
    "section{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:16px}figure{margin:0;"
    "border:1px "
    "solid #dde2e8;border-radius:10px;padding:12px}figcaption{color:#5b6675;font-size:14px}svg{width:100%}"
    "text{fill:#5b6675;font-size:10px}.grid{stroke:#dde2e8}polyline,path{fill:none;stroke-width:2}.train{"
    "stroke:#8a94a3}"
    ".val{stroke:#0a7f5a}.best{stroke:#0a7f5a;stroke-dasharray:4 "
    "3}.after{fill:#c2410c;opacity:.07}.bar{fill:#8a94a3}"
    ".zero,.on,.point{fill:#0a7f5a}.off{fill:#dde2e8}.free{fill:#8a94a3}.level{stroke:#b8c0cb;stroke-width:1}"
    ".ball{fill:none;stroke:#c2410c;stroke-width:2}</style><h1>What regularization does</h1>";

static void draw_runs(FILE *out)
{
    double high = 0;
    for (int i = 0; i < RUNS; i++)
        high = fmax(high, fmax(runs[i].val_loss[runs[i].n_epochs - 1], runs[i].val_loss[0]));
    fputs("<h2>Loss in training (grey) and validation (green), without the penalties</h2><section>", out);
    for (int i = 0; i < RUNS; i++)
        draw_curves(out, &runs[i], 1.1 * high);
    begin(out, "learning rate of each epoch (cosine decay)");
    line(out, "val", runs[0].rate, runs[0].n_epochs, runs[0].rate[0]);
    fprintf(out,
            "<line class=grid x1=34 x2=330 y1=196 y2=196 /><text x=30 y=20 text-anchor=end>%g</text>"
            "<text x=30 y=200 text-anchor=end>0</text>",
            runs[0].rate[0]);
    draw_epochs(out);
    end(out);
    fputs("</section><h2>The weights of the dense layer afterwards</h2><section>", out);
    for (int i = 0; i < RUNS; i++)
        draw_histogram(out, &runs[i]);
    fputs("</section>", out);
}

int main(int argc, char **argv)
{
    tw_err err = {0};
    tw_context *tw = tw_open(NULL, &err);
    data d = open_data(tw, argc > 1 && argv[1][0] ? argv[1] : NULL, &err);
    const char *path = argc > 2 ? argv[2] : "regularization.html";
    tw_model *kept = NULL, *kept_body = NULL;
    for (int i = 0; i < RUNS && !err.status; i++) {
        tw_model *body, *m = train(tw, &runs[i], &d, &body, &err);
        const run *r = &runs[i];
        if (!err.status)
            printf("%-14s val loss %.3f (best %.3f, epoch %2d), val accuracy %.3f, zero %4.1f %%, |w| < "
                   "0.001 %4.1f %%, "
                   "%.2f s an epoch\n",
                   r->name, r->val_loss[r->n_epochs - 1], r->val_loss[r->best], r->best + 1, r->val_accuracy,
                   100 * r->zero, 100 * r->small, r->seconds / r->n_epochs);
        tw_model_free(i ? m : NULL);
        tw_model_free(i ? body : NULL);
        if (i == 0)
            kept = m, kept_body = body;
    }
    FILE *out = err.status ? NULL : fopen(path, "w");
    if (out) {
        fputs(head, out);
        draw_runs(out);
        draw_two_weights(out, kept, kept_body, d.train, &err);
        draw_dropout(out, tw, &err);
        if (fclose(out) != 0)
            err.status = TW_EWRITE;
        printf("pictures: %s\n", path);
    } else if (!err.status) {
        fprintf(stderr, "regularization: cannot write %s\n", path);
        err.status = TW_EWRITE;
    }
    if (err.msg[0])
        fprintf(stderr, "regularization: %s\n", err.msg);
    tw_model_free(kept);
    tw_model_free(kept_body);
    tw_dataset_free(d.train);
    tw_dataset_free(d.val);
    tw_close(tw);
    return tw_status_exit(err.status);
}
