// model.summary() as Keras 2 (TensorFlow 2.13 to 2.15) prints it.
//
// Columns end at fixed shares of the line. A cell that is too long goes on in the next line, cut anywhere; lists and tuples
// break after their members. Nests are boxed with | and ¯.
// Source   tf_keras.utils.layer_utils; interop d2.

#include "graph/summary_rows.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS_MAX = 5 };

typedef struct table {
    int n, stop[COLUMNS_MAX]; // where each column ends
    int line;
} table;

static void add_repeated(twi_str *s, const char *text, int n)
{
    for (; n > 0; n--)
        twi_str_add(s, text);
}

// "||      ||": `inside` across the line, between the bars of a nest.
static void add_bar(twi_str *s, const table *t, int bars, int level, const char *inside)
{
    add_repeated(s, "|", bars);
    add_repeated(s, inside, t->line - 2 * level);
    add_repeated(s, "|", bars);
    twi_str_add(s, "\n");
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// How much of a cell fits into its line: at most `cutoff`, and not past the end of a list's member.
static size_t fitting(const char *text, size_t cutoff)
{
    static const char *const ends[] = {"),", "},", "],", "',"};
    size_t n = least(strlen(text), cutoff), fits = n;
    for (int i = 0; i < 4; i++) {
        const char *at = strstr(text, ends[i]);
        if (at && (size_t)(at - text) + 2 <= n)
            fits = least(fits, (size_t)(at - text) + 2);
    }
    return fits;
}

static void add_row(twi_str *s, const table *t, const char *const *cells, int level)
{
    const char *left[COLUMNS_MAX];
    memcpy(left, cells, (size_t)t->n * sizeof *left);
    for (bool more = true; more;) {
        more = false;
        size_t start = s->n;
        for (int i = 0; i < t->n; i++) {
            bool is_last = i + 1 == t->n;
            // Two blanks part the columns, and every line begins with one.
            int cutoff = t->stop[i] - (i ? t->stop[i - 1] : 0) - (is_last ? 0 : 3) - (i ? 0 : level);
            size_t n = fitting(left[i], (size_t)(cutoff > 1 ? cutoff : 1));
            if (!i) {
                add_repeated(s, "|", level);
                twi_str_add(s, " ");
            }
            twi_str_add_n(s, left[i], n);
            left[i] += n;
            more = more || *left[i];
            twi_str_add(s, is_last ? "" : "  ");
            add_repeated(s, " ", t->stop[i] - (int)(s->n - start) - (is_last ? level : 0));
        }
        add_repeated(s, "|", level);
        twi_str_add(s, "\n");
    }
}

// "['a[0][0]', 'b[0][0]']"
static void add_connections(twi_str *s, const char *connections)
{
    twi_str_add(s, "[");
    for (const char *at = connections; *at;) {
        size_t n = strcspn(at, "\n");
        twi_str_add(s, at == connections ? "'" : ", '");
        twi_str_add_n(s, at, n);
        twi_str_add(s, "'");
        at += n + (at[n] == '\n');
    }
    twi_str_add(s, "]");
}

static void add_layer(twi_str *s, const table *t, const twi_summary_row *row, bool is_chain,
                      bool show_trainable)
{
    twi_str name = {0}, shape = {0}, connections = {0};
    char params[32];
    bool is_input = row->layer->kind->flags & TWI_KIND_INPUT;
    twi_str_printf(&name, "%s (%s)", row->layer->name, row->layer->kind->name);
    twi_str_printf(&shape, is_input ? "[%s]" : "%s", row->shape);
    snprintf(params, sizeof params, "%lld", (long long)row->params);
    add_connections(&connections, row->connections);
    s->failed = s->failed || name.failed || shape.failed || connections.failed;
    const char *cells[COLUMNS_MAX] = {name.text, shape.text, params};
    int n = 3;
    if (!is_chain)
        cells[n++] = connections.text;
    if (show_trainable)
        cells[n++] = row->layer->is_trainable ? "Y" : "N";
    if (!s->failed)
        add_row(s, t, cells, row->level);
    twi_str_clear(&name);
    twi_str_clear(&shape);
    twi_str_clear(&connections);
}

static void add_layers(twi_str *s, const table *t, const twi_summary_rows *rows, bool is_chain,
                       bool show_trainable)
{
    for (size_t i = 0; i < rows->n; i++) {
        int level = rows->at[i].level, next = i + 1 < rows->n ? rows->at[i + 1].level : 0;
        add_layer(s, t, &rows->at[i], is_chain, show_trainable);
        if (next > level)
            add_bar(s, t, level + 1, level + 1, "¯");
        else if (next == level)
            add_bar(s, t, level, level, " ");
        for (; level > next; level--)
            add_bar(s, t, level - 1, level - 1, "¯");
    }
}

static void add_total(twi_str *s, const char *what, int64_t params, int64_t bytes)
{
    static const char *const units[6] = {"Byte", "KB", "MB", "GB", "TB", "PB"};
    char size[32];
    twi_str_printf(s, "%s params: %lld (%s)\n", what, (long long)params,
                   twi_summary_size(size, bytes, units));
}

static table lay_out(bool is_chain, const twi_summary_options *o)
{
    static const double chain[] = {0.45, 0.85, 1.0}, graph[] = {0.3, 0.6, 0.70, 1.0};
    table t = {.n = is_chain ? 3 : 4};
    t.line = o->line_length ? o->line_length : is_chain ? 65 : 98;
    for (int i = 0; i < t.n; i++)
        t.stop[i] = (int)((is_chain ? chain[i] : graph[i]) * t.line);
    if (o->show_trainable) {
        t.line += 11;
        t.stop[t.n++] = t.line;
    }
    return t;
}

tw_status twi_summary_keras2(const tw_model *m, const twi_summary_options *o, twi_str *out, tw_err *err)
{
    static const char *const heads[2][COLUMNS_MAX] = {
        {"Layer (type)", "Output Shape", "Param #", "Connected to", "Trainable"},
        {"Layer (type)", "Output Shape", "Param #", "Trainable", NULL}};
    twi_summary_rows rows = {0};
    twi_summary_totals totals;
    bool is_chain = twi_summary_is_chain(m, err);
    table t = lay_out(is_chain, o);
    tw_status status = twi_summary_totals_of(&totals, m, err);
    if (!status)
        status = twi_summary_rows_of(&rows, m, o->expand_nested, true, 0, err);
    if (!status) {
        twi_str_printf(out, "Model: \"%s\"\n", m->name);
        add_bar(out, &t, 0, 0, "_");
        add_row(out, &t, heads[is_chain], 0);
        add_bar(out, &t, 0, 0, "=");
        add_layers(out, &t, &rows, is_chain, o->show_trainable);
        add_bar(out, &t, 0, 0, "=");
        add_total(out, "Total", totals.params[0] + totals.params[1], totals.bytes[0] + totals.bytes[1]);
        add_total(out, "Trainable", totals.params[1], totals.bytes[1]);
        add_total(out, "Non-trainable", totals.params[0], totals.bytes[0]);
        add_bar(out, &t, 0, 0, "_");
    }
    twi_summary_rows_clear(&rows);
    return status;
}
