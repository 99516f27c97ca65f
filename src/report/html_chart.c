// Charts of report.html as SVG, drawn here: no scripts, so that the file shows the same everywhere. See html.h.

#include "report/html.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void twi_html_text(twi_str *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        if (entity)
            twi_str_add(out, entity);
        else
            twi_str_add_n(out, text, 1);
    }
}

void twi_html_printf(twi_str *out, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    twi_html_text(out, line);
}

// Widths of a common sans serif face, in parts of its size: close enough to fit words into boxes.
double twi_html_text_width(const char *text, double size)
{
    double width = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c & 0xc0) != 0x80)
            width += strchr("ijltfr.,'|/ ()-", *c) ? 0.32
                     : *c == 0xc2                  ? 0.32 // "·"
                     : *c >= 0x80                  ? 0.6
                     : strchr("mwMW", *c)          ? 0.86
                     : isupper(*c)                 ? 0.68
                                                   : 0.56;
    return width * size;
}

// -------------------------------------------------------------------------------------------------------------- curves

enum { WIDTH = 520, HEIGHT = 260, LEFT = 52, RIGHT = 14, TOP = 14, BOTTOM = 34 };

typedef struct axes {
    double low, high, step; // of the values
    int64_t n;
} axes;

static double x_of(const axes *a, int64_t epoch)
{
    return LEFT + (a->n > 1 ? (double)epoch / (double)(a->n - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const axes *a, double value)
{
    return HEIGHT - BOTTOM - (value - a->low) / (a->high - a->low) * (HEIGHT - TOP - BOTTOM);
}

// A round step (1, 2 or 5 times a power of ten) that gives about four lines.
static axes fit_axes(const twi_chart *c)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < c->n; i++) {
        const double values[] = {c->train[i], c->val[i]};
        for (int j = 0; j < 2; j++)
            if (isfinite(values[j])) {
                low = fmin(low, values[j]);
                high = fmax(high, values[j]);
            }
    }
    if (!(low <= high))
        low = 0, high = 1;
    if (!c->is_share)
        low = fmin(0, low);
    double span = fmax(high - low, 1e-6), raw = span / 4, power = pow(10, floor(log10(raw))),
           lead = raw / power;
    double step = power * (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1);
    axes a = {.low = floor(low / step) * step, .high = ceil(high / step) * step, .step = step, .n = c->n};
    if (c->is_share)
        a.high = fmin(a.high, 1);
    if (a.high <= a.low)
        a.high = a.low + step;
    return a;
}

static void add_grid(twi_str *out, const twi_chart *c, const axes *a)
{
    int lines = (int)lround((a->high - a->low) / a->step);
    for (int i = 0; i <= lines; i++) {
        double value = a->low + i * a->step, y = y_of(a, value);
        twi_str_printf(out, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f />", LEFT, WIDTH - RIGHT, y, y);
        if (c->is_share)
            twi_str_printf(out, "<text x=%d y=%.1f text-anchor=end>%.4g %%</text>", LEFT - 6, y + 4,
                           100 * value);
        else
            twi_str_printf(out, "<text x=%d y=%.1f text-anchor=end>%.3g</text>", LEFT - 6, y + 4, value);
    }
    int64_t every = (a->n + 9) / 10;
    for (int64_t e = 0; e < a->n; e += every)
        twi_str_printf(out, "<text x=%.1f y=%d text-anchor=middle>%lld</text>", x_of(a, e),
                       HEIGHT - BOTTOM + 16, (long long)e + 1);
    twi_str_printf(out, "<text x=%d y=%d text-anchor=end>epoch</text>", WIDTH - RIGHT, HEIGHT - 4);
}

static void add_curve(twi_str *out, const axes *a, const double *value, const char *name)
{
    twi_str_printf(out, "<polyline class=%s points=\"", name);
    for (int64_t i = 0; i < a->n; i++)
        if (isfinite(value[i]))
            twi_str_printf(out, "%.1f,%.1f ", x_of(a, i), y_of(a, value[i]));
    twi_str_add(out, "\" />");
    for (int64_t i = 0; i < a->n && a->n <= 40; i++)
        if (isfinite(value[i]))
            twi_str_printf(out,
                           "<circle class=%s cx=%.1f cy=%.1f r=2.5><title>epoch %lld: %.4f</title></circle>",
                           name, x_of(a, i), y_of(a, value[i]), (long long)i + 1, value[i]);
}

// Named at the end of the line that the curves stay away from: losses fall, accuracies rise.
static void add_mark(twi_str *out, const twi_chart *c, double x, const char *class_name, const char *text)
{
    bool is_right = x > WIDTH - RIGHT - 90;
    twi_str_printf(out, "<line class=%s x1=%.1f x2=%.1f y1=%d y2=%d />", class_name, x, x, TOP,
                   HEIGHT - BOTTOM);
    twi_str_printf(out, "<text x=%.1f y=%d text-anchor=%s>%s</text>", is_right ? x - 4 : x + 4,
                   c->is_share ? HEIGHT - BOTTOM - 6 : TOP + 10, is_right ? "end" : "start", text);
}

// Before the best epoch it still learns what holds for other photos too; after it, what holds for these photos alone.
static void add_sides(twi_str *out, const twi_chart *c, const axes *a)
{
    double x = x_of(a, c->best), end = x_of(a, c->n - 1);
    if (c->second_phase > 0 || c->best < 0 || end - x < 60)
        return;
    twi_str_printf(out, "<rect class=after x=%.1f y=%d width=%.1f height=%d />", x, TOP, end - x,
                   HEIGHT - TOP - BOTTOM);
    twi_str_printf(out, "<text x=%.1f y=%d text-anchor=end>%s</text>", end - 4, HEIGHT - BOTTOM - 6,
                   end - x > 220 ? "from here on it only learns the photos by heart" : "no better");
}

void twi_html_chart(twi_str *out, const twi_chart *c)
{
    axes a = fit_axes(c);
    twi_str_add(out, "<figure><figcaption>");
    twi_html_text(out, c->title);
    if (c->stopped)
        twi_html_printf(out, " · stopped early after %lld epochs, epoch %lld kept", (long long)c->stopped,
                        (long long)c->best + 1);
    twi_str_add(
        out, " <span class=key><i class=train></i>training <i class=val></i>validation</span></figcaption>");
    twi_str_printf(out, "<svg viewBox=\"0 0 %d %d\" role=img>", WIDTH, HEIGHT);
    if (!c->is_share && isfinite(c->val[0]))
        add_sides(out, c, &a);
    add_grid(out, c, &a);
    if (c->second_phase > 0)
        add_mark(out, c, (x_of(&a, c->second_phase) + x_of(&a, c->second_phase - 1)) / 2, "phase",
                 "fine-tuning");
    if (c->best >= 0 && c->best < c->n)
        add_mark(out, c, x_of(&a, c->best), "best", "kept");
    add_curve(out, &a, c->train, "train");
    add_curve(out, &a, c->val, "val");
    twi_str_add(out, "</svg></figure>");
}

// ----------------------------------------------------------------------------------------------------------- confusion

void twi_html_confusion(twi_str *out, const json_t *scores)
{
    const json_t *classes = json_object_get(scores, "per_class"),
                 *rows = json_object_get(scores, "confusion");
    size_t n = json_array_size(classes);
    twi_str_add(out, "<table class=confusion><tr><th>is ↓ &nbsp; answered →</th>");
    for (size_t c = 0; c < n; c++) {
        twi_str_add(out, "<th scope=col>");
        twi_html_text(out, twi_json_string(json_array_get(classes, c), "label", ""));
        twi_str_add(out, "</th>");
    }
    twi_str_add(out, "</tr>");
    for (size_t r = 0; r < n; r++) {
        const json_t *row = json_array_get(rows, r);
        double all = 0;
        for (size_t c = 0; c < n; c++)
            all += json_number_value(json_array_get(row, c));
        twi_str_add(out, "<tr><th scope=row>");
        twi_html_text(out, twi_json_string(json_array_get(classes, r), "label", ""));
        twi_str_add(out, "</th>");
        for (size_t c = 0; c < n; c++) {
            double count = json_number_value(json_array_get(row, c)), share = all > 0 ? count / all : 0;
            twi_str_printf(out, "<td class=%s style=\"--share:%.3f\">%.0f</td>", r == c ? "right" : "wrong",
                           share, count);
        }
        twi_str_add(out, "</tr>");
    }
    twi_str_add(out, "</table>");
}
