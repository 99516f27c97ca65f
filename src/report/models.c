// The chart of all networks. See models.h.
//
// One chart a kind of cost. Both axes are logarithmic, the accuracy's in its errors: networks differ a thousandfold in cost,
// and from 80 to 84 % a fifth of the errors goes.
// The line joins networks than which no cheaper one is better. Names are put where they cover neither a point nor another
// name, those on the line first; what finds no place is named in the table, and by the browser under the pointer.

#include "report/models.h"

#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1100, HEIGHT = 620, LEFT = 56, RIGHT = 20, TOP = 16, BOTTOM = 46, RADIUS = 5, FAMILIES = 24 };

typedef struct point {
    const char *name, *family;
    double cost, top1, x, y;
    int colour;
    bool is_best; // on the line
    char tip[160];
} point;

typedef struct box {
    double x, y, w, h;
} box;

typedef struct chart {
    const char *key, *title, *unit;
    double scale; // shown = value × scale; 0: 1000 / value
    point *at;    // by cost
    int n;
    double low, high, floor, roof; // of the axes: log10 of costs, accuracies
    const char *families[FAMILIES];
    int n_families;
    box *labels;
    int n_labels;
} chart;

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#5b6675;--line:#dde2e8;--card:#fff;--back:#f5f7f9;--best:#0a7f5a}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--line:#2c3440;--card:#171c23;--"
    "back:#0f1318;"
    "--best:#34c795}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 "
    "system-ui,sans-serif}"
    "main{max-width:1180px;margin:0 auto;padding:32px 20px 64px}h1{font-size:30px;line-height:1.25;margin:0 "
    "0 6px}"
    "p{margin:0 0 10px;max-width:70em}.soft,figcaption,th{color:var(--soft)}figcaption b{color:var(--ink)}"
    "figure{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px "
    "16px;margin:20px 0}"
    "svg{width:100%;height:auto;display:block}svg "
    "text{fill:var(--soft);font-size:12px;font-family:Helvetica,Arial,sans-serif}.name{font-size:11px;paint-"
    "order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}"
    "svg "
    ".best{fill:var(--ink);font-weight:600}.grid{stroke:var(--line)}.front{fill:none;stroke:var(--best);"
    "stroke-width:2;"
    "stroke-dasharray:6 "
    "4}circle{stroke:var(--card);stroke-width:1.2}.kin{fill:none;stroke-width:1.2;opacity:.55}"
    ".legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft)}.legend "
    "i{display:inline-block;"
    "width:10px;height:10px;border-radius:5px;margin-right:6px}.scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:14px}td,th{padding:5px "
    "10px;text-align:right;font-weight:400;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}td:first-child,th:first-child{text-align:left}"
    "tr+tr td{border-top:1px solid var(--line)}";

// Colours that are told apart on light and dark, one a family.
static const char *const colours[] = {"#2f6fde", "#e8590c", "#0ca678", "#c2255c", "#7c3aed", "#b7791f",
                                      "#0891b2", "#d6336c", "#4d7c0f", "#9333ea", "#dc2626", "#0d9488",
                                      "#6366f1", "#a16207", "#db2777", "#475569"};
enum { COLOURS = sizeof colours / sizeof *colours };

// --------------------------------------------------------------------------------------------------------------- points

static int by_cost(const void *a, const void *b)
{
    const point *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->top1 != y->top1 ? (x->top1 > y->top1 ? -1 : 1) : strcmp(x->name, y->name);
}

static int family_number(chart *c, const char *family)
{
    for (int i = 0; i < c->n_families; i++)
        if (strcmp(c->families[i], family) == 0)
            return i;
    if (c->n_families < FAMILIES)
        c->families[c->n_families++] = family;
    return c->n_families - 1;
}

static void add_point(chart *c, const json_t *one)
{
    double value = twi_json_number(one, c->key, 0), top1 = twi_json_number(one, "top1", 0);
    if (!(value > 0) || !(top1 > 0))
        return;
    point p = {.name = twi_json_string(one, "name", ""),
               .family = twi_json_string(one, "family", ""),
               .top1 = 100 * top1};
    p.cost = c->scale > 0 ? value * c->scale : 1000 / value;
    p.colour = family_number(c, p.family) % COLOURS;
    snprintf(p.tip, sizeof p.tip, "%.80s: %.1f %%, %.3g %s", p.name, p.top1, p.cost, c->unit);
    c->at[c->n++] = p;
}

static double x_of(const chart *c, double cost)
{
    return LEFT + (log10(cost) - c->low) / (c->high - c->low) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const chart *c, double top1)
{
    double share = log10((100 - c->floor) / (100 - top1)) / log10((100 - c->floor) / (100 - c->roof));
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static void place_points(chart *c)
{
    qsort(c->at, (size_t)c->n, sizeof *c->at, by_cost);
    double best = -1, least = 100, most = 0;
    for (int i = 0; i < c->n; i++) {
        point *p = &c->at[i];
        p->is_best = p->top1 > best;
        best = fmax(best, p->top1);
        least = fmin(least, p->top1);
        most = fmax(most, p->top1);
    }
    double low = log10(c->at[0].cost), high = log10(c->at[c->n - 1].cost),
           edge = fmax(0.08 * (high - low), 0.1);
    c->low = low - edge;
    c->high = high + edge;
    c->floor = floor((least - 1) / 5) * 5;
    c->roof = fmin(ceil(most + 0.5), 99);
    for (int i = 0; i < c->n; i++) {
        c->at[i].x = x_of(c, c->at[i].cost);
        c->at[i].y = y_of(c, c->at[i].top1);
    }
}

// --------------------------------------------------------------------------------------------------------------- names

static bool overlap(const box *a, const box *b)
{
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static bool is_free(const chart *c, const box *at, const point *own)
{
    if (at->x < LEFT || at->x + at->w > WIDTH - RIGHT || at->y < TOP || at->y + at->h > HEIGHT - BOTTOM)
        return false;
    for (int i = 0; i < c->n_labels; i++)
        if (overlap(at, &c->labels[i]))
            return false;
    for (int i = 0; i < c->n; i++) {
        const point *p = &c->at[i];
        box dot = {p->x - RADIUS, p->y - RADIUS, 2 * RADIUS, 2 * RADIUS};
        if (p != own && overlap(at, &dot))
            return false;
    }
    return true;
}

static void add_name(chart *c, const point *p, twi_str *out)
{
    // Beside, above, below, then the corners.
    static const double places[][3] = {{9, 4, 0},  {-9, 4, 1}, {0, -10, .5}, {0, 18, .5},
                                       {8, -6, 0}, {8, 14, 0}, {-8, -6, 1},  {-8, 14, 1}};
    double w = twi_html_text_width(p->name, p->is_best ? 12 : 11);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        double x = p->x + places[i][0] - w * places[i][2], y = p->y + places[i][1];
        box at = {x - 2, y - 10, w + 4, 13};
        if (!is_free(c, &at, p))
            continue;
        c->labels[c->n_labels++] = at;
        // Held to the width it was placed by: in a wider face it would run over its point.
        twi_str_printf(out,
                       "<text class=\"name%s\" x=\"%.1f\" y=\"%.1f\" textLength=\"%.1f\" "
                       "lengthAdjust=spacingAndGlyphs>",
                       p->is_best ? " best" : "", x, y, w);
        twi_html_text(out, p->name);
        twi_str_add(out, "</text>");
        return;
    }
}

// --------------------------------------------------------------------------------------------------------------- chart

static void add_axes(const chart *c, twi_str *out)
{
    for (double top1 = c->floor; top1 <= c->roof; top1 += top1 < 70 ? 5 : top1 < 80 ? 2 : 1) {
        double y = y_of(c, top1);
        twi_str_printf(out, "<line class=grid x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                       WIDTH - RIGHT, y, y);
        twi_str_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=end>%.0f %%</text>", LEFT - 8, y + 4,
                       top1);
    }
    for (int power = (int)floor(c->low); power <= c->high; power++)
        for (int lead = 1; lead <= 5; lead += lead == 1 ? 1 : 3) {
            double cost = lead * pow(10, power), x = x_of(c, cost);
            if (x < LEFT || x > WIDTH - RIGHT)
                continue;
            twi_str_printf(out, "<line class=grid x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x, TOP,
                           HEIGHT - BOTTOM);
            twi_str_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=middle>%g</text>", x,
                           HEIGHT - BOTTOM + 18, cost);
        }
    twi_str_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=end>%s →</text>", WIDTH - RIGHT, HEIGHT - 6,
                   c->unit);
}

static void add_lines(const chart *c, twi_str *out)
{
    for (int f = 0; f < c->n_families; f++) {
        twi_str_printf(out, "<polyline class=kin stroke=\"%s\" points=\"", colours[f % COLOURS]);
        for (int i = 0; i < c->n; i++)
            if (strcmp(c->at[i].family, c->families[f]) == 0)
                twi_str_printf(out, "%.1f,%.1f ", c->at[i].x, c->at[i].y);
        twi_str_add(out, "\"/>");
    }
    twi_str_add(out, "<polyline class=front points=\"");
    for (int i = 0; i < c->n; i++)
        if (c->at[i].is_best)
            twi_str_printf(out, "%.1f,%.1f ", c->at[i].x, c->at[i].y);
    twi_str_add(out, "\"/>");
}

static void add_chart(chart *c, twi_str *out)
{
    twi_str_add(out, "<figure><figcaption><b>");
    twi_html_text(out, c->title);
    twi_str_printf(
        out,
        "</b> · top-1 accuracy on ImageNet as published</figcaption><svg viewBox=\"0 0 %d %d\" role=img>",
        WIDTH, HEIGHT);
    add_axes(c, out);
    add_lines(c, out);
    for (int i = 0; i < c->n; i++) {
        const point *p = &c->at[i];
        twi_str_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"><title>", p->x, p->y,
                       RADIUS, colours[p->colour]);
        twi_html_text(out, p->tip);
        twi_str_add(out, "</title></circle>");
    }
    for (int best = 1; best >= 0; best--)
        for (int i = c->n; i-- > 0;)
            if (c->at[i].is_best == best)
                add_name(c, &c->at[i], out);
    twi_str_add(out, "</svg><div class=legend>");
    for (int f = 0; f < c->n_families; f++) {
        twi_str_printf(out, "<span><i style=\"background:%s\"></i>", colours[f % COLOURS]);
        twi_html_text(out, c->families[f]);
        twi_str_add(out, "</span>");
    }
    twi_str_add(out, "</div></figure>");
}

static tw_status add_cost(const json_t *models, chart c, twi_str *out, tw_err *err)
{
    size_t i, n = json_array_size(models);
    const json_t *one;
    c.at = twi_new(n, sizeof *c.at, "a chart", err);
    c.labels = twi_new(n, sizeof *c.labels, "a chart", err);
    if (c.at && c.labels) {
        json_array_foreach(models, i, one) add_point(&c, one);
        if (c.n > 0) {
            place_points(&c);
            add_chart(&c, out);
        }
    }
    tw_status status = c.at && c.labels ? TW_OK : TW_ENOMEM;
    twi_free(c.at);
    twi_free(c.labels);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- table

static void add_table(const json_t *models, bool is_measured, twi_str *out)
{
    size_t i;
    const json_t *one;
    twi_str_printf(
        out,
        "<div class=scroll><table><tr><th>--model<th>top-1<th>parameters<th>without top<th>billion "
        "multiply-adds<th>MB<th>input%s<th>weights</tr>",
        is_measured ? "<th>photos/s" : "");
    json_array_foreach(models, i, one)
    {
        char params[32], trunk[32];
        double top1 = twi_json_number(one, "top1", 0), rate = twi_json_number(one, "photos_per_second", 0);
        twi_str_add(out, "<tr><td>");
        twi_html_text(out, twi_json_string(one, "name", ""));
        if (top1 > 0)
            twi_str_printf(out, "<td>%.1f %%", 100 * top1);
        else
            twi_str_add(out, "<td>–");
        twi_str_printf(out, "<td>%s<td>%s<td>%.2f<td>%.0f<td>%lld",
                       twi_str_thousands(params, sizeof params, twi_json_int(one, "params", 0)),
                       twi_str_thousands(trunk, sizeof trunk, twi_json_int(one, "params_no_top", 0)),
                       (double)twi_json_int(one, "macs", 0) / 1e9,
                       (double)twi_json_int(one, "params", 0) * 4 / 1e6,
                       (long long)twi_json_int(one, "input_size", 0));
        if (is_measured)
            twi_str_printf(out, "<td>%.1f", rate);
        twi_str_add(out, twi_json_bool(json_object_get(one, "weights"), "found", false) ? "<td>here</tr>"
                                                                                        : "<td>–</tr>");
    }
    twi_str_add(out, "</table></div>");
}

tw_status twi_models_html(const json_t *models, twi_str *out, tw_err *err)
{
    bool is_measured = twi_json_number(json_array_get(models, 0), "photos_per_second", 0) > 0;
    twi_str_add(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                     "content=\"width=device-width\"><title>Networks: accuracy against cost</title><style>");
    twi_str_add(out, style);
    twi_str_add(
        out,
        "</style><main><h1>Networks: accuracy against cost</h1><p class=soft>Up and to the left is better. "
        "The "
        "dashed line joins the networks than which no cheaper one is more accurate. Accuracy on ImageNet "
        "says "
        "how much a network has learned to see; which one suits your photos only a training tells. Costs are "
        "those of one photo at the network’s own input size.</p>");
    tw_status status = TW_OK;
    if (is_measured)
        status =
            add_cost(models,
                     (chart){.key = "photos_per_second",
                             .title = "Measured here: time of a photo’s features, without the classifier",
                             .unit = "milliseconds a photo"},
                     out, err);
    if (!status)
        status = add_cost(
            models,
            (chart){.key = "macs", .title = "Computation", .unit = "billion multiply-adds", .scale = 1e-9},
            out, err);
    if (!status)
        status = add_cost(
            models, (chart){.key = "params", .title = "Size", .unit = "million parameters", .scale = 1e-6},
            out, err);
    if (!status)
        add_table(models, is_measured, out);
    twi_str_add(out, "</main></html>\n");
    return status ? status : out->failed ? twi_fail_memory(err, 0, "a chart") : TW_OK;
}
