// The drawing of a network: frames in columns, what connects them, title and legend. See drawing.h.

#include "report/html.h"

#include "report/drawing_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char style[] =
    "text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;fill:#1c2430;font-size:11px}"
    ".title{font-size:28px;font-weight:700}.facts{font-size:14px;fill:#4a5564}"
    ".label{font-size:13px;font-weight:600}.name{font-size:10.5px;fill:#66717f}.soft{fill:#4a5564}"
    ".shape{fill:#4a5564;font-size:11px}.stage{font-size:14px;font-weight:700}.block{font-size:11.5px;font-"
    "weight:600}"
    ".word{font-size:10px}.legend{font-size:12px}.end{text-anchor:end}.mid{text-anchor:middle}.times{font-"
    "size:13px;font-weight:700}"
    "rect.page{fill:#fff}rect.stage{fill:#f3f5f8;stroke:#dfe4ea}rect.stage.ice{fill:#eaf3fc;stroke:#bcd8f2}"
    "rect.stage.new{fill:#fff5e8;stroke:#f0a04b;stroke-width:2}rect.block{fill:#fff;fill-opacity:.75;stroke:#"
    "cfd6de}"
    ".box{fill:#fff;stroke:#c3cbd5}.frozen .box,.frozen .tag{fill:#d5e8fa;stroke:#8dbfec}"
    ".tag{fill:#fff;stroke:#d3d9e0}.edge{fill:none;stroke:#8b97a6;stroke-width:1.5}.arrow{marker-end:url(#"
    "tip)}"
    ".skip{fill:none;stroke:#c2255c;stroke-width:2}.cut{stroke:#d9480f;stroke-width:2;stroke-dasharray:7 5}"
    "text.cut{fill:#d9480f;stroke:#fff;stroke-width:5;stroke-dasharray:none;paint-order:stroke;font-size:"
    "13px;"
    "font-weight:700}rect.badge{fill:#2b3440}"
    "text.badge{fill:#fff;font-size:12px;font-weight:700}.new-word{fill:#b45309}.flake{stroke:#2f7fc8;stroke-"
    "width:1.4;"
    "fill:none;stroke-linecap:round}.bar-ice{fill:#8dbfec}.bar-learns{fill:#f0a04b}.bar-plain{fill:#c3cbd5}"
    ".conv .strip,.conv .dot{fill:#2f5fd0}.depthwise .strip,.depthwise .dot{fill:#0c9aa8}"
    ".dense .strip,.dense .dot{fill:#7c3aed}.pool .strip,.pool .dot{fill:#e8590c}.join .strip,.join "
    ".dot{fill:#495057}"
    ".norm .strip,.norm .dot{fill:#b07cd8}.activation .strip,.activation .dot{fill:#e0a100}"
    ".random .strip,.random .dot{fill:#7d8899}.shape .strip,.shape .dot{fill:#aeb7c2}.other .strip,.other "
    ".dot{fill:#5c6773}"
    ".norm .tag{stroke:#b07cd8}.activation .tag{stroke:#e0a100}";

static void add_flake(twi_str *out, double x, double y)
{
    twi_str_printf(out, "<use href=\"#flake\" x=\"%.1f\" y=\"%.1f\"/>", x, y);
}

// --------------------------------------------------------------------------------------------------------------- stages

static void stage_name(const draw *d, const draw_stage *s, char *name, char *soft)
{
    const draw_call *end = draw_end(d, s->first);
    const draw_call *face = s->first->unit >= 0 ? draw_face(d, s->first->unit) : end;
    draw_common_name(d, s->first, s->end, soft);
    if (s->first->next == s->end || s->is_stem)
        *soft = 0;
    const char *more = s->is_rest ? " …" : "";
    if (s->region == DRAW_HEAD)
        snprintf(name, DRAW_TEXT, "new head");
    else if (s->region == DRAW_BEFORE)
        snprintf(name, DRAW_TEXT, "photo");
    else if (s->is_stem)
        snprintf(name, DRAW_TEXT, "stem");
    else if (face->out.rank == 4)
        snprintf(name, DRAW_TEXT, "%lld × %lld%s", (long long)face->out.dim[1], (long long)face->out.dim[2],
                 more);
    else
        snprintf(name, DRAW_TEXT, s->end ? "vectors" : "classifier");
}

static void add_cut(const draw *d, const draw_stage *s, const draw_call *last, twi_str *out)
{
    char text[DRAW_TEXT + 40];
    double y = s->y - 24;
    twi_str_printf(out, "<path class=\"cut\" d=\"M%.1f %.1fH%.1f\"/>", s->x - 12, y, s->x + s->w + 12);
    snprintf(text, sizeof text, "cut after %.80s", last->layer->name);
    draw_words(out, "cut", 13, s->x, y - 8, text);
    (void)d;
}

static void add_stage(const draw *d, const draw_stage *s, twi_str *out)
{
    char name[DRAW_TEXT], soft[DRAW_TEXT], params[32];
    twi_str_printf(out,
                   "<rect class=\"stage%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"12\"/>",
                   s->region == DRAW_HEAD ? " new"
                   : s->is_frozen         ? " ice"
                                          : "",
                   s->x, s->y, s->w, s->h);
    stage_name(d, s, name, soft);
    draw_words(out, s->region == DRAW_HEAD ? "stage new-word" : "stage", DRAW_STAGE_TEXT, s->x + 14,
               s->y + 21, name);
    double right = s->x + s->w - 14;
    if (s->is_frozen) {
        add_flake(out, right - 7, s->y + 16);
        right -= 20;
    }
    if (s->params) {
        draw_words(out, "soft end", 11, right, s->y + 20,
                   twi_str_thousands(params, sizeof params, s->params));
        right -= twi_html_text_width(params, 11) + 8;
    }
    double room = s->w / 2 - 28 - twi_html_text_width(name, DRAW_STAGE_TEXT);
    if (*soft && twi_html_text_width(soft, 11) < room)
        draw_words(out, "soft", 11, s->x + 22 + twi_html_text_width(name, DRAW_STAGE_TEXT), s->y + 20, soft);
    double x = s->x + s->w / 2;
    if (s != d->stages.at)
        twi_str_printf(out, "<path class=\"edge arrow\" d=\"M%.1f %.1fV%.1f\"/>", x, s->y + 4,
                       s->y + DRAW_HEADING);
    draw_items(d, s->first, s->end, x, s->y + DRAW_HEADING, out);
}

static const draw_call *last_of(const draw *d, const draw_stage *s)
{
    const draw_item *last = s->first;
    while (last->next && last->next != s->end)
        last = last->next;
    return draw_end(d, last);
}

// The bottom of a stage's last item.
static double bottom_of(const draw_stage *s)
{
    return s->y + s->h - DRAW_PADDING;
}

// From the end of one frame to the beginning of the next, which may stand at the top of the next column.
static void add_way(const draw *d, const draw_stage *a, const draw_stage *b, twi_str *out)
{
    char shape[DRAW_TEXT];
    const draw_call *last = last_of(d, a);
    double x = a->x + a->w / 2, y = a->y + a->h, to = b->x + b->w / 2;
    if (last)
        draw_words(out, "shape", 11, x + 8, y + 15, draw_shape(&last->out, shape));
    if (a->column == b->column) {
        twi_str_printf(out, "<path class=\"edge\" d=\"M%.1f %.1fV%.1f\"/>", x, bottom_of(a), b->y + 5);
        return;
    }
    double side = b->x - DRAW_GUTTER / 2.0, top = DRAW_TOP - 20, low = y + 22, r = 10;
    twi_str_printf(
        out,
        "<path class=\"edge\" d=\"M%.1f %.1fV%.1fq0 %g %g %gH%.1fq%g 0 %g -%gV%.1fq0 -%g %g -%gH%.1fq%g 0 %g "
        "%gV%.1f\"/>",
        x, bottom_of(a), low - r, r, r, r, side - r, r, r, r, top + r, r, r, r, to - r, r, r, r, b->y + 5);
}

// --------------------------------------------------------------------------------------------------- title and legend

static int count_layers(const tw_model *m)
{
    int n = 0;
    for (size_t i = 0; i < m->layers.n; i++)
        n += m->layers.at[i]->nested ? count_layers(m->layers.at[i]->nested) : 1;
    return n;
}

static void count_params(const draw *d, int64_t *trained, int64_t *frozen)
{
    *trained = *frozen = 0;
    for (size_t i = 0; i < d->calls.n; i++) {
        int64_t yes, no;
        if (!d->calls.at[i].is_first)
            continue;
        twi_layer_params(d->calls.at[i].layer, &yes, &no);
        *trained += yes;
        *frozen += no;
    }
}

static void add_title(const draw *d, twi_str *out)
{
    int64_t trained, frozen;
    char all[32], yes[32], no[32], in[DRAW_TEXT] = "", answer[DRAW_TEXT] = "", line[512];
    const tw_model *m = d->model;
    count_params(d, &trained, &frozen);
    tw_shape first = twi_model_shape(m, m->inputs.at[0]), last = twi_model_shape(m, m->outputs.at[0]);
    draw_words(out, "title", 0, DRAW_MARGIN, 52, d->options->title ? d->options->title : m->name);
    snprintf(line, sizeof line, "%s → %s  ·  %d layers  ·  %s parameters: %s trainable, %s not",
             draw_shape(&first, in), draw_shape(&last, answer), count_layers(m),
             twi_str_thousands(all, sizeof all, trained + frozen),
             twi_str_thousands(yes, sizeof yes, trained), twi_str_thousands(no, sizeof no, frozen));
    draw_words(out, "facts", 0, DRAW_MARGIN, 78, line);
    double width = 380, share = trained + frozen ? (double)frozen / (double)(trained + frozen) : 0;
    twi_str_printf(out,
                   "<rect class=\"bar-ice\" x=\"%d\" y=\"90\" width=\"%.1f\" height=\"7\"/><rect "
                   "class=\"bar-learns\" x=\"%.1f\" y=\"90\" width=\"%.1f\" height=\"7\"/>",
                   DRAW_MARGIN, width * share, DRAW_MARGIN + width * share, width * (1 - share));
}

typedef struct legend {
    twi_str *out;
    double x, y, width;
} legend;

// Room for an entry of the legend, on the next line where this one is full.
static double entry(legend *l, const char *text, double mark)
{
    double w = mark + 8 + twi_html_text_width(text, 12) + 22;
    if (l->x + w > l->width) {
        l->x = DRAW_MARGIN;
        l->y += 24;
    }
    draw_words(l->out, "legend", 12, l->x + mark + 8, l->y + 4, text);
    double x = l->x;
    l->x += w;
    return x;
}

static void add_legend(const draw *d, twi_str *out, double y, double width, double *end)
{
    static const struct {
        const char *kind, *text;
    } kinds[DRAW_KINDS] = {{"conv", "convolution"},
                           {"depthwise", "depthwise, separable"},
                           {"dense", "dense"},
                           {"pool", "pooling"},
                           {"join", "join"},
                           {"norm", "normalization"},
                           {"activation", "activation"},
                           {"random", "dropout"},
                           {"shape", "shape only"},
                           {"other", "other"}};
    bool has[DRAW_KINDS] = {false}, has_frozen = false, has_head = false;
    for (size_t i = 0; i < d->calls.n; i++) {
        has[draw_kind_of(d->calls.at[i].layer)] = true;
        has_frozen = has_frozen || !d->calls.at[i].layer->is_trainable;
        has_head = has_head || d->calls.at[i].region == DRAW_HEAD;
    }
    legend l = {out, DRAW_MARGIN, y, width - DRAW_MARGIN};
    for (int k = 0; k < DRAW_KINDS; k++)
        if (has[k] && k != DRAW_JOIN)
            twi_str_printf(out, "<g class=\"%s\"><circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/></g>",
                           kinds[k].kind, entry(&l, kinds[k].text, 10) + 5, l.y);
    if (strstr(out->text, "class=\"skip\"")) {
        double x = entry(&l, "skip connection", 26);
        twi_str_printf(out, "<path class=\"skip\" d=\"M%.1f %.1fh26\"/>", x, l.y);
    }
    if (strstr(out->text, " /2<"))
        entry(&l, "/2  every second pixel", -8);
    if (strstr(out->text, "class=\"badge\"")) {
        double x = entry(&l, "drawn once, there N times in a row", 28);
        twi_str_printf(out,
                       "<rect class=\"badge\" x=\"%.1f\" y=\"%.1f\" width=\"28\" height=\"18\" rx=\"9\"/>", x,
                       l.y - 9);
        draw_words(out, "badge mid", 12, x + 14, l.y + 4, "×N");
    }
    if (has_frozen) {
        double x = entry(&l, "frozen: keeps what it has learned", 26);
        twi_str_printf(
            out,
            "<g class=\"frozen\"><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"26\" height=\"16\" "
            "rx=\"4\"/></g>",
            x, l.y - 8);
        add_flake(out, x + 13, l.y);
    }
    if (has_head) {
        double x = entry(&l, "new head", 26);
        twi_str_printf(
            out, "<rect class=\"stage new\" x=\"%.1f\" y=\"%.1f\" width=\"26\" height=\"16\" rx=\"4\"/>", x,
            l.y - 8);
    }
    *end = l.y + 30;
}

// ---------------------------------------------------------------------------------------------------------------- all

static void add_end(const draw *d, twi_str *out)
{
    const draw_stage *last = &d->stages.at[d->stages.n - 1];
    char shape[DRAW_TEXT], text[2 * DRAW_TEXT];
    const draw_call *call = last_of(d, last);
    double x = last->x + last->w / 2, y = last->y + last->h;
    twi_str_printf(out, "<path class=\"edge arrow\" d=\"M%.1f %.1fV%.1f\"/>", x, bottom_of(last), y + 22);
    if (call)
        draw_words(out, "shape", 11, x + 8, y + 16, draw_shape(&call->out, shape));
    if (!d->options->cut)
        return;
    twi_str_printf(out, "<path class=\"cut\" d=\"M%.1f %.1fH%.1f\"/>", last->x - 12, y + 32,
                   last->x + last->w + 12);
    snprintf(text, sizeof text, "cut after %.90s: %d %s left out", d->options->cut, d->options->n_dropped,
             d->options->n_dropped == 1 ? "layer" : "layers");
    draw_words(out, "cut", 13, last->x, y + 50, text);
}

static void write_body(const draw *d, twi_str *out)
{
    for (size_t i = 0; i < d->stages.n; i++) {
        const draw_stage *s = &d->stages.at[i];
        add_stage(d, s, out);
    }
    for (size_t i = 1; i < d->stages.n; i++) {
        const draw_stage *a = &d->stages.at[i - 1], *b = &d->stages.at[i];
        add_way(d, a, b, out);
        if (b->has_cut)
            add_cut(d, b, last_of(d, a), out);
    }
    add_end(d, out);
}

static void write_svg(const draw *d, twi_str *out)
{
    twi_str body = {0}, foot = {0};
    double end = 0, width = fmax(d->width, 900);
    add_title(d, &body);
    write_body(d, &body);
    if (!body.failed)
        add_legend(d, &body, d->height + 84, width, &end);
    twi_str_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
                   "height=\"%.0f\" role=\"img\">\n<title>",
                   width, end, width, end);
    twi_html_text(out, d->options->title ? d->options->title : d->model->name);
    twi_str_printf(
        out,
        "</title><style>%s</style><defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
        "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
        "fill=\"#8b97a6\"/></marker><g id=\"flake\"><path class=\"flake\" "
        "d=\"M0-7V7M-6-3.5L6 3.5M-6 3.5L6-3.5M-2-6L0-4L2-6M-2 6L0 4L2 6\"/></g></defs>\n<rect "
        "class=\"page\" width=\"%.0f\" height=\"%.0f\"/>\n",
        style, width, end);
    twi_str_add_n(out, body.text ? body.text : "", body.n);
    twi_str_add(out, "\n</svg>\n");
    out->failed = out->failed || body.failed;
    twi_str_clear(&body);
    twi_str_clear(&foot);
}

tw_status twi_drawing_write(const tw_model *m, const twi_drawing_options *o, twi_str *out, tw_err *err)
{
    draw d = {.model = m, .options = o};
    tw_status status = draw_read(&d, err);
    if (!status)
        status = draw_arrange(&d, err);
    if (!status)
        status = draw_place(&d, err);
    if (!status)
        write_svg(&d, out);
    twi_vec_clear(&d.stages);
    twi_vec_clear(&d.units);
    twi_vec_clear(&d.calls);
    twi_arena_clear(&d.arena);
    return status ? status : out->failed ? twi_fail_memory(err, 0, "a drawing") : TW_OK;
}
