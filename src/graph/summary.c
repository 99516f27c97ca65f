// model.summary() as Keras 3 prints it, and as JSON. What both styles show of a model is gathered here; the Keras 2 text is
// in summary_keras2.c.
//
// The Keras 3 table is drawn by the Python library rich. Its arithmetic: columns end at fixed shares of the line; borders
// and padding take 3n + 1 columns, shared out among the n columns by rounding; a cell breaks at blanks, and a word that is
// wider than its cell is cut to "…". Lines are never cut to the terminal here.
// Source   keras.utils.summary_utils, Keras 3.15; interop d1.

#include "graph/summary.h"

#include "graph/summary_rows.h"

#include <stdio.h>
#include <string.h>

// ---------------------------------------------------------------------------------------------------------------- rows

// "(None, 8, 8, 4)", or "[(None, 4), (None, 2)]" for several outputs.
static tw_status add_shape(twi_str *s, const twi_node *node)
{
    char text[TWI_SHAPE_TEXT];
    twi_str_add(s, node->n_out > 1 ? "[" : "");
    for (int i = 0; i < node->n_out; i++)
        twi_str_printf(s, "%s%s", i ? ", " : "", twi_shape_text(&node->out[i], text));
    twi_str_add(s, node->n_out > 1 ? "]" : "");
    return s->failed ? TW_ENOMEM : TW_OK;
}

static bool has_weights(const twi_layer *layer)
{
    bool any = layer->n_weights > 0;
    for (size_t i = 0; layer->nested && !any && i < layer->nested->layers.n; i++)
        any = has_weights(layer->nested->layers.at[i]);
    return any;
}

// Nodes that lead to an output.
static void mark(const tw_model *m, int node, char *seen)
{
    if (seen[node])
        return;
    seen[node] = 1;
    for (int i = 0; i < m->nodes.at[node].n_in; i++)
        mark(m, m->nodes.at[node].in[i].node, seen);
}

static tw_status add_row(twi_summary_rows *rows, const tw_model *m, int layer, int level, const char *seen,
                         tw_err *err)
{
    twi_summary_row row = {.layer = m->layers.at[layer], .level = level};
    int64_t yes, no;
    twi_layer_params(row.layer, &yes, &no);
    row.params = yes + no;
    row.has_weights = has_weights(row.layer);
    twi_str shape = {0}, connections = {0};
    for (size_t i = 0; i < m->nodes.n; i++) {
        const twi_node *node = &m->nodes.at[i];
        if (node->layer != layer)
            continue;
        // Keras shows the shape of the last call.
        shape.n = 0;
        add_shape(&shape, node);
        // Connections are those of the outer model only: inside a nest there are none.
        for (int j = 0; !level && seen[i] && j < node->n_in; j++) {
            const twi_node *from = &m->nodes.at[node->in[j].node];
            twi_str_printf(&connections, "%s%s[%d][%d]", connections.n ? "\n" : "",
                           m->layers.at[from->layer]->name, from->call, node->in[j].slot);
        }
    }
    row.shape = twi_str_take(&shape, err);
    row.connections = twi_str_take(&connections, err);
    if (row.shape && row.connections && twi_vec_push(rows, row, err))
        return TW_OK;
    twi_free(row.shape);
    twi_free(row.connections);
    return TW_ENOMEM;
}

tw_status twi_summary_rows_of(twi_summary_rows *rows, const tw_model *m, bool expand_nested, bool ops,
                              int level, tw_err *err)
{
    int n = 0, *order = twi_model_order(m, ops, &n, err);
    char *seen = twi_new(m->nodes.n, 1, "a summary", err);
    tw_status status = order && seen ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < m->outputs.n; i++)
        mark(m, m->outputs.at[i].node, seen);
    for (int i = 0; !status && i < n; i++) {
        status = add_row(rows, m, order[i], level, seen, err);
        const tw_model *nested = m->layers.at[order[i]]->nested;
        // Keras lists the operations of the outer model, but only the layers of nested ones.
        if (!status && expand_nested && nested)
            status = twi_summary_rows_of(rows, nested, true, false, level + 1, err);
    }
    twi_free(order);
    twi_free(seen);
    return status;
}

void twi_summary_rows_clear(twi_summary_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        twi_free(rows->at[i].shape);
        twi_free(rows->at[i].connections);
    }
    twi_vec_clear(rows);
}

// ---------------------------------------------------------------------------------------------------------- whole model

bool twi_summary_is_chain(const tw_model *m, tw_err *err)
{
    if (m->is_sequential)
        return true;
    size_t n = m->nodes.n;
    int *depth = twi_new(2 * n + m->layers.n, sizeof *depth, "a summary", err);
    char *seen = twi_new(n, 1, "a summary", err);
    bool is_chain = depth && seen;
    for (size_t i = 0; is_chain && i < m->outputs.n; i++)
        mark(m, m->outputs.at[i].node, seen);
    int *at_depth = depth ? depth + n : NULL, *calls = depth ? depth + 2 * n : NULL;
    for (size_t i = n; is_chain && i-- > 0;) {
        const twi_node *node = &m->nodes.at[i];
        if (!seen[i])
            continue;
        for (int j = 0; j < node->n_in; j++)
            if (depth[node->in[j].node] < depth[i] + 1)
                depth[node->in[j].node] = depth[i] + 1;
        is_chain = node->n_in <= 1 && ++at_depth[depth[i]] == 1 && ++calls[node->layer] == 1;
    }
    twi_free(depth);
    twi_free(seen);
    return is_chain;
}

tw_status twi_summary_totals_of(twi_summary_totals *t, const tw_model *m, tw_err *err)
{
    twi_weights all;
    *t = (twi_summary_totals){0};
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++) {
        const twi_weight *w = all.at[i];
        // A frozen model has no trainable weights, whatever its layers say.
        bool trains = w->is_trainable && m->is_trainable;
        int64_t count = twi_shape_count(&w->shape);
        t->params[trains] += count;
        t->weights[trains]++;
        // The one kind of scalar is Normalization's count, an int64.
        t->bytes[trains] += count * (w->shape.rank ? 4 : 8);
    }
    if (!status)
        twi_weights_clear(&all);
    return status;
}

const char *twi_summary_size(char buf[32], int64_t bytes, const char *const units[6])
{
    double value = (double)bytes;
    int unit = 0;
    for (; value / 1024 >= 1 && unit < 5; unit++)
        value /= 1024;
    snprintf(buf, 32, "%.2f %s", value, units[unit]);
    return buf;
}

// --------------------------------------------------------------------------------------------------------------- cells

enum { COLUMNS_MAX = 5 };
typedef enum align { LEFT, RIGHT, CENTER } align;

typedef struct table {
    int n, width[COLUMNS_MAX]; // of the text in each column
    align align[COLUMNS_MAX];
} table;

// Characters of UTF-8 text; each is taken to be one column wide.
static int length_of(const char *text, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static size_t bytes_of(const char *text, size_t bytes, int characters)
{
    size_t at = 0;
    while (at < bytes && (characters > 0 || ((unsigned char)text[at] & 0xC0) == 0x80)) {
        characters -= ((unsigned char)text[at] & 0xC0) != 0x80;
        if (characters < 0)
            break;
        at++;
    }
    return at;
}

// The next line of a cell: words as long as they fit. Returns its bytes and moves *text past it.
static size_t take_line(const char **text, int width)
{
    const char *start = *text, *at = start;
    int used = 0;
    while (*at) {
        const char *word = at;
        at += strspn(at, " ");
        at += strcspn(at, " ");
        int length = length_of(word, (size_t)(at - word));
        if (word != start && used + length > width) {
            at = word;
            break;
        }
        at += strspn(at, " ");
        used += length_of(word, (size_t)(at - word));
    }
    *text = at;
    return (size_t)(at - start);
}

static void add_repeated(twi_str *s, const char *text, int n)
{
    for (; n > 0; n--)
        twi_str_add(s, text);
}

static void add_cell(twi_str *s, const char *text, size_t bytes, int width, align side)
{
    while (bytes && text[bytes - 1] == ' ' && (side != LEFT || length_of(text, bytes) > width))
        bytes--;
    bool is_cut = length_of(text, bytes) > width;
    if (is_cut)
        bytes = bytes_of(text, bytes, width - 1);
    int rest = width - length_of(text, bytes) - is_cut;
    int before = side == RIGHT ? rest : side == CENTER ? rest / 2 : 0;
    add_repeated(s, " ", before);
    twi_str_add_n(s, text, bytes);
    twi_str_add(s, is_cut ? "…" : "");
    add_repeated(s, " ", rest - before);
}

static int lines_of(const char *text, int width)
{
    int n = 0;
    do {
        take_line(&text, width);
        n++;
    } while (*text);
    return n;
}

// One row of the table, as many lines as its tallest cell; shorter cells stand at the top, in the header at the bottom.
static void add_cells(twi_str *s, const table *t, const char *const *cells, bool is_header)
{
    const char *left[COLUMNS_MAX], *bar = is_header ? "┃" : "│";
    int lines = 1, skip[COLUMNS_MAX];
    memcpy(left, cells, (size_t)t->n * sizeof *left);
    for (int i = 0; i < t->n; i++) {
        skip[i] = lines_of(cells[i], t->width[i]);
        lines = skip[i] > lines ? skip[i] : lines;
    }
    for (int line = 0; line < lines; line++) {
        twi_str_add(s, bar);
        for (int i = 0; i < t->n; i++) {
            const char *text = left[i];
            bool is_above = is_header && line < lines - skip[i];
            size_t bytes = is_above ? 0 : take_line(&left[i], t->width[i]);
            twi_str_add(s, " ");
            add_cell(s, text, bytes, t->width[i], t->align[i]);
            twi_str_printf(s, " %s", bar);
        }
        twi_str_add(s, "\n");
    }
}

static void add_rule(twi_str *s, const table *t, const char *first, const char *line, const char *middle,
                     const char *last)
{
    for (int i = 0; i < t->n; i++) {
        twi_str_add(s, i ? middle : first);
        add_repeated(s, line, t->width[i] + 2);
    }
    twi_str_printf(s, "%s\n", last);
}

// ----------------------------------------------------------------------------------------------------------- the table

// Column widths: see the head of this file.
static tw_status lay_out(table *t, bool is_chain, const twi_summary_options *o, tw_err *err)
{
    static const double chain[] = {0.45, 0.80, 1.0}, graph[] = {0.3, 0.56, 0.74, 1.0};
    int line = o->line_length ? o->line_length : 76; // 80 columns, less 4
    t->n = (is_chain ? 3 : 4) + o->show_trainable;
    int columns = t->n, excess = 3 * columns + 1, before = 0;
    for (int i = 0; i < t->n; i++) {
        double share = (is_chain ? chain : graph)[i < (is_chain ? 3 : 4) ? i : 0];
        if (o->show_trainable)
            share = i + 1 == t->n ? 1 : share * 0.90;
        int width = (int)(share * line) - before;
        // Python's round: to even.
        int parts = columns - i, less = (2 * excess + parts) / (2 * parts);
        if ((2 * excess + parts) % (2 * parts) == 0 && less % 2)
            less--;
        if (width < 4 || width - less < 1)
            return twi_fail(err, TW_EINVAL, "a line of %d columns is too short for a summary", line);
        t->width[i] = width - less;
        t->align[i] = i == 2 ? RIGHT : o->show_trainable && i + 1 == t->n ? CENTER : LEFT;
        before += width;
        excess -= less;
    }
    return TW_OK;
}

static void add_layer(twi_str *s, const table *t, const twi_summary_row *row, bool is_chain,
                      bool show_trainable)
{
    twi_str name = {0}, connections = {0};
    add_repeated(&name, "   ", row->level);
    twi_str_printf(&name, "%s%s (%s)", row->level ? "└ " : "", row->layer->name, row->layer->kind->name);
    char params[32];
    twi_str_thousands(params, sizeof params, row->params);
    for (const char *c = row->connections; *c; c++)
        twi_str_add_n(&connections, *c == '\n' ? ", " : c, *c == '\n' ? 2 : 1);
    const char *cells[COLUMNS_MAX] = {name.text ? name.text : "", row->shape, params};
    int n = 3;
    if (!is_chain)
        cells[n++] = connections.text ? connections.text : "-";
    if (show_trainable)
        cells[n++] = !row->has_weights ? "-" : row->layer->is_trainable ? "Y" : "N";
    add_cells(s, t, cells, false);
    s->failed = s->failed || name.failed || connections.failed;
    twi_str_clear(&name);
    twi_str_clear(&connections);
}

static void add_total(twi_str *s, const char *what, int64_t params, int64_t bytes)
{
    static const char *const units[6] = {"B", "KB", "MB", "GB", "TB", "PB"};
    char count[32], size[32];
    twi_str_printf(s, " %s: %s (%s)\n", what, twi_str_thousands(count, sizeof count, params),
                   twi_summary_size(size, bytes, units));
}

// Keras counts the optimizer's variables into the total as soon as it has any.
static void add_totals(twi_str *s, const twi_summary_totals *t, const tw_model *m)
{
    int64_t n = 0, bytes = 0;
    for (size_t i = 0; i < m->slots.n; i++) {
        int64_t count = twi_shape_count(&m->slots.at[i].shape);
        n += count;
        bytes += count * (int64_t)twi_dtype_size(m->slots.at[i].dtype);
    }
    add_total(s, "Total params", t->params[0] + t->params[1] + n, t->bytes[0] + t->bytes[1] + bytes);
    add_total(s, "Trainable params", t->params[1], t->bytes[1]);
    add_total(s, "Non-trainable params", t->params[0], t->bytes[0]);
    if (n)
        add_total(s, "Optimizer params", n, bytes);
}

// "Model: "NAME"" in lines of the console's 80 columns: a long name begins one of its own and is cut to pieces.
static void add_title(twi_str *s, const char *name)
{
    enum { CONSOLE = 80 };
    twi_str title = {0};
    twi_str_printf(&title, "\"%s\"", name);
    twi_str_add(s, "Model: ");
    size_t room = CONSOLE - strlen("Model: "), n = title.failed ? 0 : title.n, at = 0;
    if (n > room && !strchr(name, ' ')) {
        twi_str_add(s, "\n");
        for (; n - at > CONSOLE; at += CONSOLE) {
            twi_str_add_n(s, title.text + at, CONSOLE);
            twi_str_add(s, "\n");
        }
    }
    twi_str_add_n(s, title.failed ? "" : title.text + at, n - at);
    twi_str_add(s, "\n");
    s->failed = s->failed || title.failed;
    twi_str_clear(&title);
}

static tw_status print_keras3(const tw_model *m, const twi_summary_options *o, twi_str *out, tw_err *err)
{
    static const char *const heads[2][COLUMNS_MAX] = {
        {"Layer (type)", "Output Shape", "Param #", "Connected to", "Trainable"},
        {"Layer (type)", "Output Shape", "Param #", "Trainable", NULL}};
    twi_summary_rows rows = {0};
    twi_summary_totals totals;
    table t;
    bool is_chain = twi_summary_is_chain(m, err);
    tw_status status = lay_out(&t, is_chain, o, err);
    if (!status)
        status = twi_summary_totals_of(&totals, m, err);
    if (!status)
        status = twi_summary_rows_of(&rows, m, o->expand_nested, true, 0, err);
    if (!status) {
        add_title(out, m->name);
        add_rule(out, &t, "┏", "━", "┳", "┓");
        add_cells(out, &t, heads[is_chain], true);
        add_rule(out, &t, "┡", "━", "╇", "┩");
        for (size_t i = 0; i < rows.n; i++) {
            if (i)
                add_rule(out, &t, "├", "─", "┼", "┤");
            add_layer(out, &t, &rows.at[i], is_chain, o->show_trainable);
        }
        add_rule(out, &t, "└", "─", "┴", "┘");
        add_totals(out, &totals, m);
    }
    twi_summary_rows_clear(&rows);
    return status;
}

tw_status twi_summary_text(const tw_model *m, const twi_summary_options *o, twi_str *out, tw_err *err)
{
    tw_status status = o->is_keras2 ? twi_summary_keras2(m, o, out, err) : print_keras3(m, o, out, err);
    if (!status && out->failed)
        status = twi_fail_memory(err, out->n, "a summary");
    return status;
}

// ---------------------------------------------------------------------------------------------------------------- JSON

static json_t *shape_json(const tw_model *m, int layer)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->nodes.n; i++) {
        if (m->nodes.at[i].layer != layer)
            continue;
        json_array_clear(list);
        const tw_shape *shape = &m->nodes.at[i].out[0];
        for (int j = 0; j < shape->rank; j++)
            json_array_append_new(list, shape->dim[j] < 0 ? json_null() : json_integer(shape->dim[j]));
    }
    return list;
}

json_t *twi_summary_json(const tw_model *m, tw_err *err)
{
    twi_summary_totals t;
    int n, *order = twi_summary_totals_of(&t, m, err) ? NULL : twi_model_order(m, false, &n, err);
    if (!order)
        return NULL;
    json_t *layers = json_array();
    for (int i = 0; i < n; i++) {
        const twi_layer *layer = m->layers.at[order[i]];
        int64_t yes, no;
        twi_layer_params(layer, &yes, &no);
        json_array_append_new(layers,
                              json_pack("{ss ss so sI sb}", "name", layer->name, "class", layer->kind->name,
                                        "output_shape", shape_json(m, order[i]), "params",
                                        (json_int_t)(yes + no), "trainable", (int)layer->is_trainable));
    }
    twi_free(order);
    json_t *json =
        json_pack("{ss so s{sI sI sI} s{si si si}}", "name", m->name, "layers", layers, "params", "total",
                  (json_int_t)(t.params[0] + t.params[1]), "trainable", (json_int_t)t.params[1],
                  "non_trainable", (json_int_t)t.params[0], "weights", "all", t.weights[0] + t.weights[1],
                  "trainable", t.weights[1], "non_trainable", t.weights[0]);
    if (!json)
        twi_fail_memory(err, 0, "a summary");
    return json;
}
