// An evaluation as text and as JSON, for `topwork evaluate` and results.json. See report.h.

#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Characters (not bytes) of UTF-8 text: what a column is as wide as.
static int width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static void pad(twi_str *out, const char *text, int to)
{
    twi_str_printf(out, "%s%*s", text, to > width(text) ? to - width(text) : 0, "");
}

static void share(twi_str *out, double value)
{
    if (isnan(value))
        twi_str_add(out, "        –");
    else
        twi_str_printf(out, "%7.1f %%", 100 * value);
}

static void add_table(const twi_evaluation *e, const char *const *classes, int column, twi_str *out)
{
    pad(out, "class", column);
    twi_str_add(out, "   photos     right   precision\n");
    for (int64_t c = 0; c < e->n_classes; c++) {
        int64_t n;
        double recall, precision;
        twi_evaluation_class(e, c, &n, &recall, &precision);
        pad(out, classes[c], column);
        twi_str_printf(out, " %8lld ", (long long)n);
        share(out, recall);
        twi_str_add(out, "   ");
        share(out, precision);
        twi_str_add(out, "\n");
    }
}

// Rows are true classes, columns answers. Left out where it would not fit a terminal.
static void add_confusion(const twi_evaluation *e, const char *const *classes, int column, twi_str *out)
{
    if (e->n_classes > 10)
        return;
    twi_str_add(out, "\n");
    pad(out, "is \\ answered", column);
    for (int64_t c = 0; c < e->n_classes; c++)
        twi_str_printf(out, " %10.10s", classes[c]);
    twi_str_add(out, "\n");
    for (int64_t r = 0; r < e->n_classes; r++) {
        pad(out, classes[r], column);
        for (int64_t c = 0; c < e->n_classes; c++)
            twi_str_printf(out, " %10lld", (long long)e->confusion[r * e->n_classes + c]);
        twi_str_add(out, "\n");
    }
}

const char *twi_loss_text(char *buf, size_t size, double loss)
{
    snprintf(buf, size, fabs(loss) < 1e5 ? "%.4f" : "%.3g", loss);
    return buf;
}

void twi_loss_add(twi_str *out, const twi_evaluation *e)
{
    char all[32], photos[32], penalty[32];
    twi_str_add(out, twi_loss_text(all, sizeof all, e->loss));
    if (e->penalty != 0)
        twi_str_printf(out, " (%s of the photos, %s of regularizers)",
                       twi_loss_text(photos, sizeof photos, e->loss - e->penalty),
                       twi_loss_text(penalty, sizeof penalty, e->penalty));
}

tw_status twi_evaluation_text(const twi_evaluation *e, const char *const *classes, twi_str *out, tw_err *err)
{
    int column = width("is \\ answered");
    for (int64_t c = 0; c < e->n_classes; c++)
        column = width(classes[c]) > column ? width(classes[c]) : column;
    twi_str_printf(out, "%.1f %% of %lld photos right (95 %% interval %.1f–%.1f)   loss ", 100 * e->accuracy,
                   (long long)e->n, 100 * e->low, 100 * e->high);
    twi_loss_add(out, e);
    twi_str_add(out, "\n\n");
    add_table(e, classes, column, out);
    add_confusion(e, classes, column, out);
    return out->failed ? twi_fail_memory(err, 0, "a table") : TW_OK;
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *twi_evaluation_json(const twi_evaluation *e, const char *const *classes, tw_err *err)
{
    json_t *per_class = json_array(), *confusion = json_array();
    for (int64_t c = 0; c < e->n_classes; c++) {
        int64_t n;
        double recall, precision;
        twi_evaluation_class(e, c, &n, &recall, &precision);
        json_t *row = json_array();
        for (int64_t d = 0; d < e->n_classes; d++)
            json_array_append_new(row, json_integer((json_int_t)e->confusion[c * e->n_classes + d]));
        json_array_append_new(confusion, row);
        json_array_append_new(per_class,
                              json_pack("{ss sI so so}", "label", classes[c], "photos", (json_int_t)n,
                                        "recall", number(recall), "precision", number(precision)));
    }
    json_t *all = json_pack("{so so so so sI so so so}", "loss", number(e->loss), "data_loss",
                            number(e->loss - e->penalty), "penalty", number(e->penalty), "accuracy",
                            number(e->accuracy), "photos", (json_int_t)e->n, "interval",
                            json_pack("[o,o]", number(e->low), number(e->high)), "per_class", per_class,
                            "confusion", confusion);
    if (!all)
        twi_fail_memory(err, 0, "scores");
    return all;
}
