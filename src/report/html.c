// report.html: what a run found out, for people. One file without scripts or anything from elsewhere; written from the
// run's files alone. See report.h.

#include "report/html.h"

#include "base/source.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MISTAKES = 12, THUMBNAIL = 160 };

typedef struct page {
    const char *dir;
    json_t *results;
    twi_csv history, predictions, skipped;
    twi_str out;
} page;

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#5b6675;--line:#dde2e8;--card:#fff;--back:#f5f7f9;--train:#8a94a3;"
    "--val:#0a7f5a;--bad:#c2410c;--accent:#0a7f5a}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--line:#2c3440;--card:#171c23;--"
    "back:#0f1318;"
    "--train:#7d8899;--val:#34c795;--bad:#fb923c;--accent:#34c795}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 "
    "system-ui,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}h1{font-size:30px;line-height:1.25;margin:0 "
    "0 6px}"
    "h2{font-size:18px;margin:36px 0 12px}p{margin:0 0 10px}.soft,figcaption,th{color:var(--soft)}"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:24px 0}"
    ".facts div,figure,.card{background:var(--card);border:1px solid "
    "var(--line);border-radius:10px;padding:14px 16px;margin:0}"
    ".facts b{display:block;font-size:22px;font-weight:600}.facts span{color:var(--soft);font-size:14px}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:16px}"
    "svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}"
    ".grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}polyline.train{stroke:var(--train)}polyline."
    "val{stroke:var(--val)}"
    "circle.train{fill:var(--train)}circle.val{fill:var(--val)}.best{stroke:var(--accent);stroke-dasharray:4 "
    "3}"
    ".pictures{grid-template-columns:repeat(auto-fit,minmax(420px,1fr))}.lines{white-space:pre-line}"
    ".phase{stroke:var(--soft);stroke-dasharray:2 "
    "4}.after{fill:var(--bad);opacity:.08}.bar{fill:var(--train)}"
    ".none{fill:var(--val)}.off{fill:var(--line)}.on{fill:var(--val)}"
    ".key{float:right}.key i{display:inline-block;width:14px;height:3px;vertical-align:middle;margin:0 5px 0 "
    "10px}"
    ".key i.train{background:var(--train)}.key i.val{background:var(--val)}"
    "table{border-collapse:collapse;width:100%}td,th{padding:6px 10px;text-align:right;font-weight:400;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}tr+tr td,tr+tr "
    "th{border-top:1px solid var(--line)}"
    ".confusion td{min-width:56px;text-align:center}.confusion th{text-align:center}.confusion "
    "th:first-child{text-align:left}"
    ".right{background:color-mix(in srgb,var(--accent) calc(var(--share)*45%),transparent)}"
    ".wrong{background:color-mix(in srgb,var(--bad) calc(var(--share)*90%),transparent)}"
    ".scroll{overflow-x:auto}.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));"
    "gap:14px}"
    ".photos "
    "img{display:block;width:100%;height:150px;object-fit:contain;background:var(--back);border-radius:6px}"
    ".photos div{font-size:13px;line-height:1.4;overflow-wrap:anywhere}.photos "
    ".card{padding:10px}.bad{color:var(--bad)}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px "
    "18px;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}";

// ------------------------------------------------------------------------------------------------------------ the result

static const json_t *main_scores(const page *p, const char **what)
{
    const json_t *test = json_object_get(p->results, "test"), *val = json_object_get(p->results, "val");
    *what = json_is_object(test) ? "test" : "validation";
    return json_is_object(test) ? test : val;
}

static void add_fact(page *p, const char *value, const char *name)
{
    twi_str_add(&p->out, "<div><b>");
    twi_html_text(&p->out, value);
    twi_str_add(&p->out, "</b><span>");
    twi_html_text(&p->out, name);
    twi_str_add(&p->out, "</span></div>");
}

// Share of the photos that are of the largest class: what an answer must beat to be worth anything.
static double largest_share(const json_t *scores)
{
    const json_t *one;
    size_t i;
    double largest = 0, all = 0;
    json_array_foreach(json_object_get(scores, "per_class"), i, one)
    {
        double n = twi_json_number(one, "photos", 0);
        all += n;
        largest = fmax(largest, n);
    }
    return all > 0 ? largest / all : 0;
}

static void add_headline(page *p)
{
    const char *what, *model = twi_json_string(p->results, "model", "");
    const json_t *scores = main_scores(p, &what), *interval = json_object_get(scores, "interval");
    if (!json_is_object(scores)) {
        twi_html_printf(&p->out, "A classifier on %s, not measured: there were no validation photos", model);
        return;
    }
    double n = twi_json_number(scores, "photos", 0), accuracy = twi_json_number(scores, "accuracy", 0);
    twi_str_add(&p->out, "<h1>");
    twi_html_printf(&p->out, "%.1f %% of %.0f %s photos right", 100 * accuracy, n, what);
    twi_str_add(&p->out, "</h1><p class=soft>");
    twi_html_printf(&p->out,
                    "With this many photos the true share lies between %.1f and %.1f %% (95 %% interval). ",
                    100 * json_number_value(json_array_get(interval, 0)),
                    100 * json_number_value(json_array_get(interval, 1)));
    twi_html_printf(&p->out, "Always answering with the largest class would get %.1f %%.",
                    100 * largest_share(scores));
    twi_str_add(&p->out, "</p>");
}

static void add_facts(page *p)
{
    char text[64], number[32];
    const char *what;
    const json_t *scores = main_scores(p, &what), *photos = json_object_get(p->results, "photos"),
                 *seconds = json_object_get(p->results, "seconds"),
                 *params = json_object_get(p->results, "params");
    twi_str_add(&p->out, "<section class=facts>");
    if (json_is_object(scores)) {
        twi_loss_text(text, sizeof text, twi_json_number(scores, "loss", NAN));
        double penalty = twi_json_number(scores, "penalty", 0);
        add_fact(p, text, penalty != 0 ? "loss, regularizers included" : "loss");
        twi_loss_text(text, sizeof text, twi_json_number(scores, "data_loss", NAN));
        if (penalty != 0)
            add_fact(p, text, "loss of the photos alone");
    }
    int64_t n = twi_json_int(photos, "train", 0);
    add_fact(p, twi_str_thousands(number, sizeof number, n), "training photos");
    add_fact(p, twi_str_thousands(number, sizeof number, twi_json_int(params, "trainable", 0)),
             "weights trained");
    add_fact(p, twi_str_thousands(number, sizeof number, twi_json_int(params, "total", 0)), "weights in all");
    snprintf(text, sizeof text, "%.1f s", twi_json_number(seconds, "total", 0));
    add_fact(p, text, "from photos to result");
    twi_str_add(&p->out, "</section>");
    const char *reading = twi_json_string(p->results, "reading", NULL);
    if (reading) {
        twi_str_add(&p->out, "<p class=\"card lines\">");
        twi_html_text(&p->out, reading);
        twi_str_add(&p->out, "</p>");
    }
}

// -------------------------------------------------------------------------------------------------------------- curves

static double *column(const twi_csv *csv, const char *name, tw_err *err)
{
    int64_t c = twi_csv_column(csv, name), n = (int64_t)csv->rows.n - 1;
    double *values = twi_new((size_t)(n > 0 ? n : 1), sizeof *values, "a column", err);
    for (int64_t i = 0; values && i < n; i++) {
        char *end;
        const char *text = c >= 0 ? csv->rows.at[i + 1][c] : "";
        values[i] = strtod(text, &end);
        if (end == text)
            values[i] = NAN;
    }
    return values;
}

// Epoch, counted over all phases, whose weights were kept. Runs from before results.json said which phase it was: the best of the
// one with the lower validation loss.
static int64_t kept_epoch(const page *p, const double *val_loss, const double *loss, int64_t n,
                          int64_t *second)
{
    const json_t *phases = json_object_get(p->results, "phases"), *phase;
    size_t i;
    int64_t first = 0, kept = -1;
    *second = -1;
    json_array_foreach(phases, i, phase)
    {
        int64_t best = first + twi_json_int(phase, "best_epoch", 0) - 1;
        if (i == 1)
            *second = first;
        first += twi_json_int(phase, "epochs", 0);
        if (best < 0 || best >= n)
            continue;
        const double *by = isnan(val_loss[best]) ? loss : val_loss;
        const json_t *is_kept = json_object_get(phase, "kept");
        if (is_kept ? json_is_true(is_kept) : kept < 0 || by[best] < by[kept])
            kept = best;
    }
    return kept;
}

// Epochs of a run of one phase that early stopping ended; else 0.
static int64_t stopped_after(const page *p)
{
    const json_t *phases = json_object_get(p->results, "phases"), *phase = json_array_get(phases, 0);
    bool is_stopped = json_array_size(phases) == 1 && twi_json_bool(phase, "stopped_early", false);
    return is_stopped ? twi_json_int(phase, "epochs", 0) : 0;
}

static tw_status add_curves(page *p, tw_err *err)
{
    int64_t n = (int64_t)p->history.rows.n - 1, second;
    if (n < 1)
        return TW_OK;
    double *loss = column(&p->history, "loss", err), *val_loss = column(&p->history, "val_loss", err);
    double *accuracy = column(&p->history, "accuracy", err),
           *val_accuracy = column(&p->history, "val_accuracy", err);
    bool ok = loss && val_loss && accuracy && val_accuracy;
    if (ok) {
        int64_t best = kept_epoch(p, val_loss, loss, n, &second);
        twi_chart chart = {
            .title = "loss", .train = loss, .val = val_loss, .n = n, .best = best, .second_phase = second};
        chart.stopped = stopped_after(p);
        twi_str_add(&p->out, "<h2>How it learned</h2><section class=two>");
        twi_html_chart(&p->out, &chart);
        chart.title = "accuracy";
        chart.train = accuracy;
        chart.val = val_accuracy;
        chart.is_share = true;
        twi_html_chart(&p->out, &chart);
        twi_str_add(&p->out, "</section>");
    }
    twi_free(loss);
    twi_free(val_loss);
    twi_free(accuracy);
    twi_free(val_accuracy);
    return ok ? TW_OK : TW_ENOMEM;
}

// -------------------------------------------------------------------------------------------------------------- classes

static void add_share(twi_str *out, double value)
{
    if (isnan(value))
        twi_str_add(out, "<td>–</td>");
    else
        twi_str_printf(out, "<td>%.1f %%</td>", 100 * value);
}

static void add_classes(page *p)
{
    const char *what;
    const json_t *scores = main_scores(p, &what), *classes = json_object_get(scores, "per_class"), *one;
    size_t i;
    if (!json_is_object(scores))
        return;
    twi_str_add(&p->out, "<h2>Class by class</h2><section class=two><div class=\"card "
                         "scroll\"><table><tr><th>class</th><th>photos</th>"
                         "<th>found</th><th>right when answered</th></tr>");
    json_array_foreach(classes, i, one)
    {
        twi_str_add(&p->out, "<tr><td>");
        twi_html_text(&p->out, twi_json_string(one, "label", ""));
        twi_str_printf(&p->out, "</td><td>%lld</td>", (long long)twi_json_int(one, "photos", 0));
        add_share(&p->out, twi_json_number(one, "recall", NAN));
        add_share(&p->out, twi_json_number(one, "precision", NAN));
        twi_str_add(&p->out, "</tr>");
    }
    twi_str_add(&p->out, "</table></div><div class=\"card scroll\">");
    twi_html_confusion(&p->out, scores);
    twi_str_add(&p->out, "</div></section>");
}

// -------------------------------------------------------------------------------------------------------------- mistakes

typedef struct mistake {
    size_t row;
    double sure;
} mistake;

static int surest_first(const void *a, const void *b)
{
    const mistake *x = a, *y = b;
    return x->sure != y->sure ? (x->sure < y->sure) - (x->sure > y->sure)
                              : (x->row > y->row) - (x->row < y->row);
}

static void add_mistake(page *p, const char *const *row, int64_t path, int64_t label, int64_t answer,
                        double sure)
{
    twi_str picture = {0};
    twi_str_add(&p->out, "<div class=card>");
    if (twi_html_thumbnail(&picture, row[path], THUMBNAIL))
        twi_str_printf(&p->out, "<img alt=\"\" src=\"%s\">", picture.text ? picture.text : "");
    else
        twi_str_add(&p->out, "<p class=soft>(the photo is not there any more)</p>");
    twi_str_clear(&picture);
    const char *slash = strrchr(row[path], '/');
    twi_str_add(&p->out, "<span class=bad>");
    twi_html_printf(&p->out, "%s %.0f %%", row[answer], 100 * sure);
    twi_str_add(&p->out, "</span><br>");
    twi_html_printf(&p->out, "is %s", row[label]);
    twi_str_add(&p->out, "<br><span class=soft title=\"");
    twi_html_text(&p->out, row[path]);
    twi_str_add(&p->out, "\">");
    twi_html_text(&p->out, slash ? slash + 1 : row[path]);
    twi_str_add(&p->out, "</span></div>");
}

static tw_status add_mistakes(page *p, tw_err *err)
{
    const twi_csv *csv = &p->predictions;
    int64_t path = twi_csv_column(csv, "path"), label = twi_csv_column(csv, "label"),
            answer = twi_csv_column(csv, "predicted"), sure = twi_csv_column(csv, "probability");
    twi_vec(mistake) found = {0};
    if (path < 0 || label < 0 || answer < 0 || sure < 0)
        return TW_OK;
    for (size_t i = 1; i < csv->rows.n; i++)
        if (strcmp(csv->rows.at[i][label], csv->rows.at[i][answer]) != 0) {
            mistake one = {i, strtod(csv->rows.at[i][sure], NULL)};
            if (!twi_vec_push(&found, one, err))
                return TW_ENOMEM;
        }
    twi_str_add(&p->out, "<h2>Mistakes it was surest of</h2>");
    if (!found.n)
        twi_str_add(&p->out, "<p>None: every answer was right.</p>");
    else
        qsort(found.at, found.n, sizeof *found.at, surest_first);
    if (found.n)
        twi_str_add(&p->out, "<section class=photos>");
    for (size_t i = 0; i < found.n && i < MISTAKES; i++)
        add_mistake(p, csv->rows.at[found.at[i].row], path, label, answer, found.at[i].sure);
    if (found.n)
        twi_str_add(&p->out, "</section>");
    if (found.n > MISTAKES)
        twi_str_printf(&p->out, "<p class=soft>%d of %zu mistakes; all are in predictions.csv.</p>",
                       (int)MISTAKES, found.n);
    twi_vec_clear(&found);
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- facts

static void add_entry(page *p, const char *name, const char *value)
{
    twi_str_add(&p->out, "<dt>");
    twi_html_text(&p->out, name);
    twi_str_add(&p->out, "</dt><dd>");
    twi_html_text(&p->out, value);
    twi_str_add(&p->out, "</dd>");
}

static void add_how(page *p)
{
    const json_t *r = p->results, *versions = json_object_get(r, "versions"),
                 *seconds = json_object_get(r, "seconds"), *photos = json_object_get(r, "photos");
    char text[256];
    twi_str_add(&p->out, "<h2>How it was made</h2><dl class=card>");
    add_entry(p, "network", twi_json_string(r, "model", ""));
    add_entry(p, "weights", twi_json_string(r, "weights", ""));
    add_entry(p, "new head", twi_json_string(r, "head", ""));
    snprintf(text, sizeof text, "%lld train · %lld validation · %lld test · %lld unreadable",
             (long long)twi_json_int(photos, "train", 0), (long long)twi_json_int(photos, "val", 0),
             (long long)twi_json_int(photos, "test", 0), (long long)twi_json_int(photos, "skipped", 0));
    add_entry(p, "photos", text);
    snprintf(text, sizeof text, "features %.1f s · head %.1f s · fine-tuning %.1f s",
             twi_json_number(seconds, "features", 0), twi_json_number(seconds, "head", 0),
             twi_json_number(seconds, "fine_tune", 0));
    add_entry(p, "time", text);
    snprintf(text, sizeof text, "%.0f MB", (double)twi_json_int(r, "peak_rss_bytes", 0) / 1e6);
    add_entry(p, "memory", text);
    add_entry(p, "arithmetic", twi_json_string(r, "precision", ""));
    snprintf(text, sizeof text, "%lld", (long long)twi_json_int(r, "seed", 0));
    add_entry(p, "seed", text);
    snprintf(text, sizeof text, "topwork %s · %s", twi_json_string(versions, "topwork", ""),
             twi_json_string(versions, "compute", ""));
    add_entry(p, "made with", text);
    twi_str_add(&p->out, "</dl>");
}

static void add_skipped(page *p)
{
    int64_t path = twi_csv_column(&p->skipped, "path"), reason = twi_csv_column(&p->skipped, "reason");
    if (p->skipped.rows.n < 2 || path < 0 || reason < 0)
        return;
    twi_str_add(&p->out, "<h2>Photos that could not be read</h2><dl class=card>");
    for (size_t i = 1; i < p->skipped.rows.n && i <= 50; i++)
        add_entry(p, p->skipped.rows.at[i][path], p->skipped.rows.at[i][reason]);
    twi_str_add(&p->out, "</dl>");
}

void twi_html_open(twi_str *out, const char *dir)
{
    twi_str_add(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                     "content=\"width=device-width,initial-scale=1\"><title>");
    twi_html_printf(out, "topwork · %s", dir);
    twi_str_add(out, "</title><style>");
    twi_str_add(out, style);
    twi_str_add(out, "</style><main><p class=soft>");
    twi_html_text(out, dir);
    twi_str_add(out, "</p>");
}

void twi_html_close(twi_str *out)
{
    twi_str_add(out, "</main></html>\n");
}

static tw_status build(page *p, tw_err *err)
{
    twi_html_open(&p->out, p->dir);
    if (twi_json_bool(p->results, "interrupted", false))
        twi_str_add(&p->out, "<p class=\"card bad\">This run was stopped before its end.</p>");
    add_headline(p);
    add_facts(p);
    tw_status status = add_curves(p, err);
    if (!status) {
        add_classes(p);
        status = add_mistakes(p, err);
    }
    if (status)
        return status;
    twi_html_learning(&p->out, p->results);
    add_skipped(p);
    add_how(p);
    twi_html_close(&p->out);
    return p->out.failed ? twi_fail_memory(err, p->out.n, "the report") : TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- reading

static char *file_of(const page *p, const char *name, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", p->dir, name);
    return twi_str_take(&path, err);
}

static tw_status read_csv(page *p, twi_csv *csv, const char *name, tw_err *err)
{
    char *path = file_of(p, name, err);
    tw_status status = !path ? TW_ENOMEM : twi_file_exists(path) ? twi_csv_read(csv, path, err) : TW_OK;
    twi_free(path);
    return status;
}

static tw_status read_files(page *p, tw_err *err)
{
    char *path = file_of(p, "results.json", err);
    if (!path)
        return TW_ENOMEM;
    tw_status status =
        twi_file_exists(path)
            ? TW_OK
            : twi_fail(err, TW_EUNUSABLE, "'%s' is no run directory: it holds no results.json", p->dir);
    if (!status)
        p->results = twi_json_read(path, err);
    twi_free(path);
    if (status || !p->results)
        return status ? status : TW_EMALFORMED;
    status = read_csv(p, &p->history, "history.csv", err);
    if (!status)
        status = read_csv(p, &p->predictions, "predictions.csv", err);
    return status ? status : read_csv(p, &p->skipped, "skipped.csv", err);
}

tw_status twi_report_html(const char *dir, tw_err *err)
{
    page p = {.dir = dir};
    tw_status status = read_files(&p, err);
    if (!status)
        status = build(&p, err);
    char *path = status ? NULL : file_of(&p, "report.html", err);
    if (!status)
        status = path ? twi_file_write(path, p.out.text, p.out.n, err) : TW_ENOMEM;
    twi_free(path);
    twi_str_clear(&p.out);
    twi_csv_clear(&p.history);
    twi_csv_clear(&p.predictions);
    twi_csv_clear(&p.skipped);
    json_decref(p.results);
    return status;
}
