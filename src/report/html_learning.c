// Pictures of what learning did to rates and weights, as SVG, from results.json alone. See html.h.

#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 520, HEIGHT = 220, LEFT = 60, RIGHT = 14, TOP = 14, BOTTOM = 34, KERNELS = 8 };

typedef struct frame { // ranges of a drawing
    double x_low, x_high, y_low, y_high;
} frame;

static double x_of(const frame *f, double x)
{
    double span = f->x_high - f->x_low;
    return LEFT + (span > 0 ? (x - f->x_low) / span : 0.5) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const frame *f, double y)
{
    double span = f->y_high - f->y_low;
    return HEIGHT - BOTTOM - (span > 0 ? (y - f->y_low) / span : 0.5) * (HEIGHT - TOP - BOTTOM);
}

static void begin(twi_str *out, const char *title, const char *what)
{
    twi_str_add(out, "<figure><figcaption>");
    twi_html_text(out, title);
    twi_str_printf(out, "</figcaption><svg viewBox=\"0 0 %d %d\" role=img aria-label=\"", WIDTH, HEIGHT);
    twi_html_text(out, what);
    twi_str_add(out, "\">");
}

static void end(twi_str *out)
{
    twi_str_add(out, "</svg></figure>");
}

static void add_label(twi_str *out, double x, double y, const char *anchor, const char *text)
{
    twi_str_printf(out, "<text x=%.1f y=%.1f text-anchor=%s>%s</text>", x, y, anchor, text);
}

// Lines at the lowest and highest value and between them, with their numbers.
static void add_heights(twi_str *out, const frame *f)
{
    char text[32];
    for (int i = 0; i <= 4; i++) {
        double value = f->y_low + i * (f->y_high - f->y_low) / 4, y = y_of(f, value);
        twi_str_printf(out, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f />", LEFT, WIDTH - RIGHT, y, y);
        snprintf(text, sizeof text, "%.3g", value);
        add_label(out, LEFT - 6, y + 4, "end", text);
    }
}

static double number(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

// ------------------------------------------------------------------------------------------------------- finding a rate

static frame around(const json_t *y, double x_low, double x_high)
{
    frame f = {x_low, x_high, INFINITY, -INFINITY};
    for (size_t i = 0; i < json_array_size(y); i++)
        if (isfinite(number(y, i))) {
            f.y_low = fmin(f.y_low, number(y, i));
            f.y_high = fmax(f.y_high, number(y, i));
        }
    if (!(f.y_low <= f.y_high))
        f.y_low = 0, f.y_high = 1;
    return f;
}

// Losses far above the first one are cut off: what matters is where it falls.
static void add_search(twi_str *out, const json_t *results)
{
    const json_t *found = json_object_get(results, "learning_rates"), *rate = json_object_get(found, "rate"),
                 *loss = json_object_get(found, "loss");
    size_t n = json_array_size(rate);
    if (n < 2)
        return;
    double chosen = twi_json_number(found, "chosen", 0);
    frame f = around(loss, log10(number(rate, 0)), log10(number(rate, n - 1)));
    f.y_high = fmin(f.y_high, f.y_low + 2 * (number(loss, 0) - f.y_low) + 1e-9);
    char title[128], text[32];
    snprintf(title, sizeof title, "learning rate: %g, a tenth of where the loss was lowest", chosen);
    begin(out, title, "loss against learning rate");
    add_heights(out, &f);
    for (int power = (int)ceil(f.x_low); power <= (int)floor(f.x_high); power++) {
        snprintf(text, sizeof text, "1e%d", power);
        add_label(out, x_of(&f, power), HEIGHT - BOTTOM + 16, "middle", text);
    }
    add_label(out, WIDTH - RIGHT, HEIGHT - 4, "end", "rate of the step");
    twi_str_add(out, "<polyline class=val points=\"");
    for (size_t i = 0; i < n; i++)
        if (isfinite(number(loss, i)))
            twi_str_printf(out, "%.1f,%.1f ", x_of(&f, log10(number(rate, i))),
                           y_of(&f, fmin(number(loss, i), f.y_high)));
    twi_str_add(out, "\" />");
    if (chosen > 0) {
        double x = x_of(&f, log10(chosen));
        twi_str_printf(out, "<line class=best x1=%.1f x2=%.1f y1=%d y2=%d />", x, x, TOP, HEIGHT - BOTTOM);
        add_label(out, x + 4, TOP + 10, "start", "taken");
    }
    end(out);
}

// -------------------------------------------------------------------------------------------------------------- schedule

static void add_schedule(twi_str *out, const json_t *phase)
{
    const json_t *step = json_object_get(phase, "step"), *rate = json_object_get(phase, "rate");
    size_t n = json_array_size(step);
    if (n < 2)
        return;
    frame f = around(rate, number(step, 0), number(step, n - 1));
    f.y_low = 0;
    char title[96], text[32];
    snprintf(title, sizeof title, "learning rate of each step (%s)",
             strcmp(twi_json_string(phase, "phase", ""), "head") == 0 ? "head" : "fine-tuning");
    begin(out, title, "learning rate against steps");
    add_heights(out, &f);
    for (int i = 0; i <= 4; i++) {
        double at = f.x_low + i * (f.x_high - f.x_low) / 4;
        snprintf(text, sizeof text, "%.0f", at);
        add_label(out, x_of(&f, at), HEIGHT - BOTTOM + 16, "middle", text);
    }
    add_label(out, WIDTH - RIGHT, HEIGHT - 4, "end", "step");
    twi_str_add(out, "<polyline class=val points=\"");
    for (size_t i = 0; i < n; i++)
        twi_str_printf(out, "%.1f,%.1f ", x_of(&f, number(step, i)), y_of(&f, number(rate, i)));
    twi_str_add(out, "\" />");
    end(out);
}

// --------------------------------------------------------------------------------------------------------------- weights

// One kernel. The middle bar holds what is at or next to zero.
static void add_kernel(twi_str *out, const json_t *one)
{
    const json_t *h = json_object_get(one, "histogram"), *count = json_object_get(h, "count");
    size_t n = json_array_size(count);
    double most = 0, limit = twi_json_number(h, "limit", 0);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, number(count, i));
    if (!n || !(most > 0))
        return;
    frame f = {-limit, limit, 0, most};
    char title[256], size[32], text[32];
    const char *path = twi_json_string(one, "weight", "");
    snprintf(title, sizeof title, "%.100s: %s weights, %.1f %% are zero, %.1f %% below 0.001", path,
             twi_str_thousands(size, sizeof size, twi_json_int(one, "values", 0)),
             100 * twi_json_number(one, "zero", 0), 100 * twi_json_number(one, "small", 0));
    begin(out, title, "histogram of weights");
    double width = (double)(WIDTH - LEFT - RIGHT) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double y = y_of(&f, number(count, i));
        twi_str_printf(out, "<rect class=%s x=%.1f y=%.1f width=%.1f height=%.1f />",
                       i == n / 2 ? "none" : "bar", LEFT + (double)i * width, y, width - 1,
                       HEIGHT - BOTTOM - y);
    }
    for (int i = -1; i <= 1; i++) {
        snprintf(text, sizeof text, "%.3g", i * limit);
        add_label(out, x_of(&f, i * limit), HEIGHT - BOTTOM + 16,
                  i < 0   ? "start"
                  : i > 0 ? "end"
                          : "middle",
                  text);
    }
    end(out);
}

static bool has_histogram(const json_t *one)
{
    return json_array_size(json_object_get(json_object_get(one, "histogram"), "count")) > 0;
}

// The last kernels: those of the head come last.
static void add_kernels(twi_str *out, const json_t *results)
{
    const json_t *kernels = json_object_get(results, "sparsity"), *one;
    size_t i, n = json_array_size(kernels);
    json_array_foreach(kernels, i, one)
    {
        if (i + KERNELS >= n && has_histogram(one))
            add_kernel(out, one);
    }
}

// --------------------------------------------------------------------------------------------------------------- dropout

// The units of a layer for one photo in one step, as dots in rows.
static void add_units(twi_str *out, const json_t *mask, double left)
{
    size_t n = json_array_size(mask), columns = (size_t)ceil(sqrt((double)n)), shown = n;
    double pitch = 230.0 / (double)(columns ? columns : 1);
    for (size_t i = 0; i < shown; i++)
        twi_str_printf(out, "<circle class=%s cx=%.1f cy=%.1f r=%.1f />", number(mask, i) > 0 ? "on" : "off",
                       left + ((double)(i % columns) + 0.5) * pitch,
                       24 + ((double)(i / columns) + 0.5) * pitch, fmax(0.42 * pitch, 1));
}

static void add_dropout(twi_str *out, const json_t *layer)
{
    const json_t *steps = json_object_get(layer, "steps"), *mask;
    size_t i;
    char text[64];
    twi_str_add(out, "<figure><figcaption>");
    twi_html_printf(out, "%s: what was switched off (grey) for one photo in two steps, at a rate of %g",
                    twi_json_string(layer, "layer", ""), twi_json_number(layer, "rate", 0));
    if (twi_json_int(layer, "units", 0) > (int64_t)json_array_size(json_array_get(steps, 0)))
        twi_html_printf(out, "; the first %zu of %lld units", json_array_size(json_array_get(steps, 0)),
                        (long long)twi_json_int(layer, "units", 0));
    twi_str_printf(out, "</figcaption><svg viewBox=\"0 0 %d 262\" role=img aria-label=\"dropout masks\">",
                   WIDTH);
    json_array_foreach(steps, i, mask)
    {
        double left = 10 + 260 * (double)i;
        size_t off = 0;
        for (size_t j = 0; j < json_array_size(mask); j++)
            off += number(mask, j) == 0;
        snprintf(text, sizeof text, "step %zu: %zu of %zu off", i + 1, off, json_array_size(mask));
        add_label(out, left, 14, "start", text);
        add_units(out, mask, left);
    }
    end(out);
}

void twi_html_learning(twi_str *out, const json_t *results)
{
    const json_t *phases = json_object_get(results, "schedule"),
                 *layers = json_object_get(results, "dropout"), *one;
    twi_str pictures = {0};
    size_t i;
    add_search(&pictures, results);
    json_array_foreach(phases, i, one) add_schedule(&pictures, one);
    add_kernels(&pictures, results);
    json_array_foreach(layers, i, one) add_dropout(&pictures, one);
    if (pictures.n) {
        twi_str_add(out, "<h2>What it did to rates and weights</h2><section class=\"two pictures\">");
        twi_str_add_n(out, pictures.text, pictures.n);
        twi_str_add(out, "</section>");
    }
    out->failed = out->failed || pictures.failed;
    twi_str_clear(&pictures);
}
