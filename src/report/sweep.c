// What a sweep found. See sweep.h.

#include "report/sweep.h"

#include "base/mem.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------------------------------------------------------- order

// Runs from before results.json told the two apart have only the whole.
static double loss_of(const json_t *row)
{
    double whole = twi_json_number(row, "val_loss", INFINITY);
    return twi_json_number(row, "val_data_loss", whole);
}

typedef struct place {
    double loss;
    size_t index;
} place;

static int best_first(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->loss != y->loss ? (x->loss > y->loss) - (x->loss < y->loss)
                              : (x->index > y->index) - (x->index < y->index);
}

json_t *twi_sweep_sort(const json_t *rows, tw_err *err)
{
    size_t n = json_array_size(rows);
    place *at = twi_new(n, sizeof *at, "a table", err);
    json_t *out = at ? json_array() : NULL;
    for (size_t i = 0; out && i < n; i++)
        at[i] = (place){loss_of(json_array_get(rows, i)), i};
    if (out)
        qsort(at, n, sizeof *at, best_first);
    for (size_t i = 0; out && i < n; i++)
        json_array_append(out, json_array_get(rows, at[i].index));
    twi_free(at);
    return out;
}

static bool has_penalties(const json_t *runs)
{
    const json_t *row;
    size_t i;
    json_array_foreach(runs, i, row) if (twi_json_number(row, "val_penalty", 0) != 0) return true;
    return false;
}

// ----------------------------------------------------------------------------------------------------------------- text

static int width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

// A column is as wide as its widest value.
static int column_width(const char *key, const json_t *values)
{
    const json_t *value;
    size_t i;
    int widest = width(key);
    json_array_foreach(values, i, value)
    {
        int w = width(json_string_value(value));
        widest = w > widest ? w : widest;
    }
    return widest;
}

static void cell(twi_str *out, const char *text, int columns)
{
    twi_str_printf(out, "%s%*s", text, columns > width(text) ? columns - width(text) : 0, "");
}

static const char *number(char text[32], double value, bool is_share)
{
    if (!isfinite(value))
        return "–";
    snprintf(text, 32, is_share ? "%.1f %%" : "%.4f", is_share ? 100 * value : value);
    return text;
}

static void right_cell(twi_str *out, const char *text, int columns)
{
    twi_str_printf(out, "%*s%s", columns > width(text) ? columns - width(text) : 0, "", text);
}

static void text_row(const json_t *all, const json_t *row, bool with_penalty, twi_str *out)
{
    const char *key, *error = twi_json_string(row, "error", NULL);
    json_t *values;
    char text[32];
    json_object_foreach(json_object_get(all, "values"), key, values)
    {
        cell(out, twi_json_string(json_object_get(row, "settings"), key, ""), column_width(key, values) + 2);
    }
    right_cell(out, number(text, loss_of(row), false), 10);
    if (with_penalty)
        right_cell(out, number(text, twi_json_number(row, "val_penalty", NAN), false), 10);
    right_cell(out, number(text, twi_json_number(row, "val_accuracy", NAN), true), 10);
    if (json_is_integer(json_object_get(row, "epochs")))
        twi_str_printf(out, "%8lld%9.2f", (long long)twi_json_int(row, "epochs", 0),
                       twi_json_number(row, "seconds", 0));
    else
        twi_str_add(out, "       –        –");
    twi_str_printf(out, "  %s", twi_json_string(row, "run", ""));
    if (error)
        twi_str_printf(out, "   %.*s", (int)strcspn(error, "\n"), error);
    twi_str_add(out, "\n");
}

void twi_sweep_text(const json_t *all, twi_str *out)
{
    const json_t *runs = json_object_get(all, "runs"), *row;
    const char *key;
    json_t *values;
    size_t i;
    bool with_penalty = has_penalties(runs);
    json_object_foreach(json_object_get(all, "values"), key, values)
    {
        cell(out, key, column_width(key, values) + 2);
    }
    twi_str_printf(out, "%10s%s%10s%8s%9s  %s\n", "val loss", with_penalty ? "   penalty" : "", "accuracy",
                   "epochs", "seconds", "run");
    json_array_foreach(runs, i, row) text_row(all, row, with_penalty, out);
    if (with_penalty)
        twi_str_add(out, "val loss is that of the photos; what regularizers add differs from run to run and "
                         "stands beside it\n");
}

// ------------------------------------------------------------------------------------------------------------- pictures

enum { WIDTH = 520, HEIGHT = 260, LEFT = 58, RIGHT = 20, TOP = 14, BOTTOM = 40 };

typedef struct range {
    double low, high, step;
} range;

// From the lowest loss to the highest, or to three times the median where a few runs are far off: those stand at the rim.
static range range_of(const json_t *runs)
{
    size_t n = json_array_size(runs), known = 0;
    double low = INFINITY, high = 0;
    while (known < n && isfinite(loss_of(json_array_get(runs, known)))) // they are sorted
        known++;
    if (known) {
        low = loss_of(json_array_get(runs, 0));
        high = fmin(loss_of(json_array_get(runs, known - 1)), 3 * loss_of(json_array_get(runs, known / 2)));
    }
    if (!(high > low))
        high = isfinite(low) && low > 0 ? low * 1.1 : 1, low = isfinite(low) ? low * 0.9 : 0;
    double raw = (high - low) / 4, power = pow(10, floor(log10(raw))), lead = raw / power;
    double step = power * (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1);
    return (range){floor(low / step) * step, ceil(high / step) * step, step};
}

static double y_of(const range *r, double loss)
{
    double share = (loss - r->low) / (r->high - r->low);
    return HEIGHT - BOTTOM - fmin(share, 1) * (HEIGHT - TOP - BOTTOM);
}

static double x_of(size_t value, size_t n)
{
    return LEFT + (n > 1 ? ((double)value + 0.5) / (double)n : 0.5) * (WIDTH - LEFT - RIGHT);
}

// As much of a value as there is room for.
static void value_label(twi_str *out, const char *value, double x, double room)
{
    char text[64];
    size_t n = strlen(value);
    snprintf(text, sizeof text, "%.60s", value);
    while (n > 4 && twi_html_text_width(text, 11) > room) {
        n = n > 60 ? 60 : n - 1;
        while (n > 1 && ((unsigned char)value[n] & 0xC0) == 0x80)
            n--;
        snprintf(text, sizeof text, "%.*s…", (int)n, value);
    }
    twi_str_printf(out, "<text x=%.1f y=%d text-anchor=middle>", x, HEIGHT - BOTTOM + 16);
    twi_html_text(out, text);
    twi_str_add(out, "</text>");
}

// All runs with one value of the key above it, and the mean of those that have a loss.
static void picture(const json_t *all, const char *key, const json_t *values, const range *r, twi_str *out)
{
    const json_t *runs = json_object_get(all, "runs"), *row;
    size_t n = json_array_size(values), i, v;
    twi_str line = {0};
    twi_str_add(out, "<figure><figcaption>");
    twi_html_text(out, key);
    twi_str_printf(out,
                   " <span class=key><i class=train></i>a run <i class=val></i>mean</span></figcaption>");
    twi_str_printf(out, "<svg viewBox=\"0 0 %d %d\" role=img>", WIDTH, HEIGHT);
    for (double at = r->low; at <= r->high + r->step / 2; at += r->step)
        twi_str_printf(out,
                       "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f "
                       "text-anchor=end>%.4g</text>",
                       LEFT, WIDTH - RIGHT, y_of(r, at), y_of(r, at), LEFT - 6, y_of(r, at) + 4, at);
    for (v = 0; v < n; v++) {
        const char *value = json_string_value(json_array_get(values, v));
        double sum = 0, x = x_of(v, n);
        int count = 0;
        json_array_foreach(runs, i, row)
        {
            if (strcmp(twi_json_string(json_object_get(row, "settings"), key, ""), value) != 0 ||
                !isfinite(loss_of(row)))
                continue;
            sum += loss_of(row);
            count++;
            twi_str_printf(out, "<circle class=train cx=%.1f cy=%.1f r=3><title>%s: %.4f</title></circle>", x,
                           y_of(r, loss_of(row)), twi_base_name(twi_json_string(row, "run", "")),
                           loss_of(row));
        }
        if (count) {
            twi_str_printf(&line, "%.1f,%.1f ", x, y_of(r, sum / count));
            twi_str_printf(out, "<circle class=val cx=%.1f cy=%.1f r=4.5><title>mean %.4f</title></circle>",
                           x, y_of(r, sum / count), sum / count);
        }
        value_label(out, value, x, (WIDTH - LEFT - RIGHT) / (double)n - 8);
    }
    twi_str_printf(out, "<polyline class=val points=\"%s\" />", line.text ? line.text : "");
    twi_str_printf(out, "<text x=%d y=%d text-anchor=end>", WIDTH - RIGHT, HEIGHT - 6);
    twi_html_text(out, key);
    twi_str_add(out, "</text></svg></figure>");
    twi_str_clear(&line);
}

static void pictures(const json_t *all, twi_str *out)
{
    const char *key;
    json_t *values;
    range r = range_of(json_object_get(all, "runs"));
    twi_str_add(out, "<h2>Validation loss by each setting</h2><section class=two>");
    json_object_foreach(json_object_get(all, "values"), key, values)
    {
        if (json_array_size(values) > 1)
            picture(all, key, values, &r, out);
    }
    twi_str_add(out, "</section>");
}

// ----------------------------------------------------------------------------------------------------------------- page

static void settings_text(const json_t *row, twi_str *out)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    json_object_foreach(json_object_get(row, "settings"), key, value)
    {
        twi_str_printf(out, "%s%s = %s", is_first ? "" : " · ", key, json_string_value(value));
        is_first = false;
    }
}

static void headline(const json_t *all, twi_str *out)
{
    const json_t *runs = json_object_get(all, "runs"), *best = json_array_get(runs, 0),
                 *interval = json_object_get(best, "val_interval");
    if (!best || !isfinite(loss_of(best))) {
        twi_str_printf(out, "<h1>%zu runs, none with a validation loss</h1>", json_array_size(runs));
        return;
    }
    twi_str text = {0};
    settings_text(best, &text);
    twi_str_add(out, "<h1>Best: ");
    twi_html_text(out, text.text ? text.text : "");
    twi_str_printf(out,
                   "</h1><p class=soft>The lowest validation loss of %zu runs, %.4f; %.1f %% of the "
                   "validation photos right.",
                   json_array_size(runs), loss_of(best), 100 * twi_json_number(best, "val_accuracy", NAN));
    if (json_array_size(interval) == 2)
        twi_str_printf(
            out,
            " With this many photos the true share lies between %.1f and %.1f %% (95 %% interval): runs "
            "within it cannot be told apart by accuracy, and the best of many is a little better by luck. "
            "Photos that took part in no choice (--test-split) tell how good it is.",
            100 * json_number_value(json_array_get(interval, 0)),
            100 * json_number_value(json_array_get(interval, 1)));
    twi_str_add(out, "</p>");
    twi_str_clear(&text);
}

static void table_row(const json_t *all, const json_t *row, bool with_penalty, twi_str *out)
{
    const char *key, *name = twi_base_name(twi_json_string(row, "run", "")),
                     *error = twi_json_string(row, "error", NULL);
    json_t *values;
    char text[32];
    twi_str_printf(out, "<tr><td><a href=\"%s/report.html\">%s</a></td>", name, name);
    json_object_foreach(json_object_get(all, "values"), key, values)
    {
        twi_str_add(out, "<td>");
        twi_html_text(out, twi_json_string(json_object_get(row, "settings"), key, ""));
        twi_str_add(out, "</td>");
    }
    twi_str_printf(out, "<td>%s</td>", number(text, loss_of(row), false));
    if (with_penalty)
        twi_str_printf(out, "<td>%s</td>", number(text, twi_json_number(row, "val_penalty", NAN), false));
    twi_str_printf(out, "<td>%s</td>", number(text, twi_json_number(row, "val_accuracy", NAN), true));
    twi_str_printf(out, "<td>%lld</td><td>%.2f</td></tr>", (long long)twi_json_int(row, "epochs", 0),
                   twi_json_number(row, "seconds", 0));
    if (error) {
        twi_str_add(out, "<tr><td></td><td colspan=20 class=bad style=\"text-align:left\">");
        twi_html_text(out, error);
        twi_str_add(out, "</td></tr>");
    }
}

static void table(const json_t *all, twi_str *out)
{
    const json_t *runs = json_object_get(all, "runs"), *row;
    const char *key;
    json_t *values;
    size_t i;
    bool with_penalty = has_penalties(runs);
    twi_str_add(out, "<h2>All runs, the best first</h2><div class=\"card scroll\"><table><tr><th>run</th>");
    json_object_foreach(json_object_get(all, "values"), key, values)
    {
        twi_str_add(out, "<th>");
        twi_html_text(out, key);
        twi_str_add(out, "</th>");
    }
    twi_str_printf(out, "<th>val loss</th>%s<th>accuracy</th><th>epochs</th><th>seconds</th></tr>",
                   with_penalty ? "<th>penalty</th>" : "");
    json_array_foreach(runs, i, row) table_row(all, row, with_penalty, out);
    twi_str_add(out, "</table></div>");
    if (with_penalty)
        twi_str_add(out, "<p class=soft>The loss is that of the photos; what regularizers add to it differs "
                         "from run to run "
                         "and stands beside it.</p>");
}

void twi_sweep_html(const json_t *all, const char *dir, twi_str *out)
{
    twi_html_open(out, dir);
    headline(all, out);
    pictures(all, out);
    table(all, out);
    twi_html_close(out);
}
