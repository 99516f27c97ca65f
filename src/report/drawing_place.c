// Where everything of a drawing stands.
//
// Sizes go from the inside out: a branch is as wide as its widest item, a split as all its branches. Boxes are wide where a
// block has one branch, and slim where it has three or more. Frames stand in columns; the number of columns is the one that
// comes nearest to the proportions of a screen.

#include "report/html.h"

#include "report/drawing_inside.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define PROPORTION 1.7
enum { WIDE = 216, MIDDLE = 180, BLOCK_MIN = 236 };

// --------------------------------------------------------------------------------------------------------------- sizes

const draw_call *draw_face(const draw *d, int unit)
{
    const draw_unit *u = &d->units.at[unit];
    char tag[DRAW_TEXT];
    if (u->main >= 0)
        return &d->calls.at[u->main];
    for (int i = u->first; i >= 0; i = d->calls.at[i].next)
        if (*draw_tag(d->calls.at[i].layer, tag))
            return &d->calls.at[i];
    return &d->calls.at[u->first];
}

const draw_call *draw_end(const draw *d, const draw_item *item)
{
    while (item->copy)
        item = item->copy;
    if (item->unit >= 0)
        return &d->calls.at[d->units.at[item->unit].last];
    const draw_item *inner = item->lanes->first;
    while (inner && inner->next)
        inner = inner->next;
    return inner ? draw_end(d, inner) : NULL;
}

static int count_lanes(const draw_item *item)
{
    int all = 0;
    for (const draw_lane *lane = item->lanes; lane; lane = lane->next) {
        int most = 0;
        for (const draw_item *inner = lane->first; inner; inner = inner->next) {
            int n = count_lanes(inner);
            most = n > most ? n : most;
        }
        all += most;
    }
    return all ? all : 1;
}

static void measure_box(draw *d, int unit, double width)
{
    draw_unit *u = &d->units.at[unit];
    char label[DRAW_TEXT], tag[DRAW_TEXT];
    u->w = width;
    u->h = 42;
    if (draw_kind_of(draw_face(d, unit)->layer) != DRAW_JOIN)
        return;
    // A join is a pill with its words in one line.
    const draw_call *face = draw_face(d, unit);
    u->h = 24;
    u->w = 24 + twi_html_text_width(draw_label(face->layer, true, label), 13);
    for (int i = u->first; i >= 0; i = d->calls.at[i].next)
        if (&d->calls.at[i] != face && *draw_tag(d->calls.at[i].layer, tag))
            u->w += twi_html_text_width(tag, 10) + 15;
}

bool draw_is_in_row(const draw_row *row, const twi_layer *layer)
{
    char one[DRAW_TEXT], two[DRAW_TEXT];
    return draw_kind_of(row->layer) == draw_kind_of(layer) &&
           row->layer->is_trainable == layer->is_trainable &&
           !strcmp(draw_label(row->layer, false, one), draw_label(layer, false, two));
}

static void add_to_rows(const draw *d, int unit, draw_row *rows, int *n)
{
    for (int i = d->units.at[unit].first; i >= 0; i = d->calls.at[i].next) {
        const twi_layer *layer = d->calls.at[i].layer;
        int r = 0;
        while (r < *n && !draw_is_in_row(&rows[r], layer))
            r++;
        if (r == *n && r == DRAW_ROWS)
            r--; // more kinds than a card shows: the last row counts them too
        if (r == *n)
            rows[(*n)++].layer = layer;
        rows[r].n++;
    }
}

int draw_card_rows(const draw *d, const draw_item *card, draw_row rows[DRAW_ROWS])
{
    int n = 0;
    for (int i = 0; i < card->n_units; i++)
        add_to_rows(d, card->units[i], rows, &n);
    add_to_rows(d, card->unit, rows, &n);
    return n;
}

static void measure(draw *d, draw_item *item, double box, bool is_outer);

static void measure_lane(draw *d, draw_lane *lane, double box)
{
    lane->w = lane->first ? 0 : DRAW_SKIP;
    lane->h = 0;
    for (draw_item *item = lane->first; item; item = item->next) {
        measure(d, item, box, false);
        lane->w = fmax(lane->w, item->w);
        lane->h += item->h + (item->next ? DRAW_STEP : 0);
    }
}

static void measure(draw *d, draw_item *item, double box, bool is_outer)
{
    item->w = item->h = 0;
    if (item->unit >= 0) {
        measure_box(d, item->unit, box);
        item->w = d->units.at[item->unit].w;
        item->h = d->units.at[item->unit].h;
    }
    if (item->type == DRAW_CARD) {
        draw_row rows[DRAW_ROWS] = {{0}};
        item->w = WIDE;
        item->h = draw_card_rows(d, item, rows) * DRAW_ROW;
    }
    double w = 0, h = 0;
    for (draw_lane *lane = item->lanes; lane; lane = lane->next) {
        measure_lane(d, lane, box);
        w += lane->w + (lane->next ? DRAW_LANE_GAP : 0);
        h = fmax(h, lane->h);
    }
    if (item->lanes) {
        item->w = fmax(item->w, w);
        item->h += h + DRAW_FAN * (item->unit >= 0 ? 2 : 1);
    }
    if (is_outer && item->type != DRAW_UNIT) {
        item->w = fmax(item->w + 2 * DRAW_PADDING, BLOCK_MIN);
        item->h += DRAW_BLOCK_HEAD + DRAW_BLOCK_END;
    }
}

// -------------------------------------------------------------------------------------------------------------- stages

// Where a later layer of the same prefix ("block1_pool" after "block1_conv2") belongs.
static bool shares_prefix(const char *a, const char *b)
{
    size_t n = strcspn(a, "_");
    return n && a[n] == '_' && isdigit((unsigned char)a[n - 1]) && strncmp(a, b, n + 1) == 0;
}

static bool has_blocks(const draw *d)
{
    for (const draw_item *item = d->first; item; item = item->next)
        if (item->type != DRAW_UNIT)
            return true;
    return false;
}

// What an item is known by: its box, its join, or what it hands on.
static const draw_call *face_of(const draw *d, const draw_item *item)
{
    return item->unit >= 0 ? draw_face(d, item->unit) : draw_end(d, item);
}

static bool begins_stage(const draw *d, const draw_stage *stage, const draw_item *last, const draw_item *item)
{
    const draw_call *begin = face_of(d, stage->first), *a = face_of(d, last), *b = face_of(d, item);
    if (a->region != b->region)
        return true;
    if (b->region == DRAW_HEAD || b->region == DRAW_BEFORE)
        return false;
    if (stage->is_stem)
        return item->type != DRAW_UNIT || b->out.rank != 4;
    if (a->out.rank != b->out.rank || b->out.rank != 4)
        return a->out.rank != b->out.rank;
    bool is_like = b->out.dim[1] == begin->out.dim[1] && b->out.dim[2] == begin->out.dim[2];
    bool ends = item->type == DRAW_UNIT && draw_kind_of(b->layer) == DRAW_POOL &&
                shares_prefix(b->layer->name, a->layer->name);
    return !is_like && !ends;
}

// Boxes of a block leave out of their names what its title says.
typedef struct naming {
    draw *d;
    const char *prefix;
} naming;

static void shorten(void *self, int unit)
{
    naming *n = self;
    n->d->units.at[unit].skip = n->prefix;
}

static void name_block(draw *d, const draw_item *item, tw_err *err)
{
    char name[DRAW_TEXT];
    if (item->type == DRAW_UNIT)
        return;
    draw_common_name(d, item, item->next, name);
    draw_each(item, shorten, &(naming){d, twi_arena_strdup(&d->arena, name, err)});
}

typedef struct learning {
    const draw *d;
    bool any_frozen, any_trained;
} learning;

static void look(void *self, int unit)
{
    learning *l = self;
    for (int i = l->d->units.at[unit].first; i >= 0; i = l->d->calls.at[i].next) {
        const twi_layer *layer = l->d->calls.at[i].layer;
        l->any_frozen = l->any_frozen || (layer->n_weights && !layer->is_trainable);
        l->any_trained = l->any_trained || (layer->n_weights && layer->is_trainable);
    }
}

static void finish_stage(draw *d, draw_stage *s, tw_err *err)
{
    learning l = {.d = d};
    s->w = BLOCK_MIN;
    s->h = DRAW_HEADING;
    s->params = 0;
    for (draw_item *item = s->first; item != s->end; item = item->next) {
        measure(d, item, count_lanes(item) > 2 ? DRAW_SLIM : count_lanes(item) == 2 ? MIDDLE : WIDE, true);
        name_block(d, item, err);
        s->w = fmax(s->w, item->w);
        s->h += item->h + (item->next != s->end ? DRAW_GAP : 0);
        s->params += draw_params(d, item);
        draw_each(item, look, &l);
    }
    s->w += 2 * DRAW_PADDING;
    s->h += DRAW_PADDING;
    s->is_frozen = l.any_frozen && !l.any_trained;
}

// A frame that is taller than a screen's proportions want goes on in the next column.
static tw_status split_stages(draw *d, tw_err *err)
{
    double area = 0;
    for (size_t i = 0; i < d->stages.n; i++)
        area += (d->stages.at[i].w + DRAW_GUTTER) * (d->stages.at[i].h + DRAW_STAGE_GAP);
    double tall = fmax(1.25 * sqrt(area / PROPORTION), 500);
    for (size_t i = 0; i < d->stages.n; i++) {
        draw_stage whole = d->stages.at[i], *s;
        double h = 0, part = whole.h / ceil(whole.h / tall);
        for (draw_item *item = whole.first; item != whole.end; item = item->next) {
            if (h > 0 && h + item->h / 2 > part) {
                draw_stage rest = {.first = item, .end = whole.end, .region = whole.region, .is_rest = true};
                d->stages.at[i].end = item;
                i++;
                if (!twi_vec_push(&d->stages, rest, err))
                    return TW_ENOMEM;
                s = d->stages.at;
                memmove(s + i + 1, s + i, (d->stages.n - 1 - i) * sizeof *s);
                s[i] = rest;
                h = 0;
            }
            h += item->h + DRAW_GAP;
        }
    }
    for (size_t i = 0; i < d->stages.n; i++)
        finish_stage(d, &d->stages.at[i], err);
    return err->status;
}

static tw_status find_stages(draw *d, tw_err *err)
{
    draw_item *last = NULL;
    for (draw_item *item = d->first; item; last = item, item = item->next) {
        draw_stage *open = d->stages.n ? &d->stages.at[d->stages.n - 1] : NULL;
        if (open && !begins_stage(d, open, last, item))
            continue;
        draw_stage stage = {.first = item, .region = face_of(d, item)->region};
        stage.has_cut = stage.region == DRAW_HEAD && open && open->region != DRAW_HEAD;
        // What stands in front of the first block.
        stage.is_stem = item->type == DRAW_UNIT && has_blocks(d) && stage.region != DRAW_HEAD &&
                        stage.region != DRAW_BEFORE && (!open || open->region == DRAW_BEFORE);
        if (open)
            open->end = item;
        if (!twi_vec_push(&d->stages, stage, err))
            return TW_ENOMEM;
    }
    for (size_t i = 0; i < d->stages.n; i++)
        finish_stage(d, &d->stages.at[i], err);
    return split_stages(d, err);
}

// ------------------------------------------------------------------------------------------------------------- columns

static double gap_above(const draw_stage *s, bool is_top)
{
    return s->has_cut ? DRAW_CUT_GAP : is_top ? 0 : DRAW_STAGE_GAP;
}

// Places the frames in columns of at most `limit` pixels; gives the drawing's size.
static void fill_columns(draw *d, double limit)
{
    double x = DRAW_MARGIN, y = 0, width = 0;
    int column = 0;
    d->height = 0;
    for (size_t i = 0; i < d->stages.n; i++) {
        draw_stage *s = &d->stages.at[i];
        if (y > 0 && y + gap_above(s, false) + s->h > limit) {
            x += width + DRAW_GUTTER;
            y = width = 0;
            column++;
        }
        y += gap_above(s, y == 0);
        s->column = column;
        s->x = x;
        s->y = DRAW_TOP + y;
        y += s->h;
        width = fmax(width, s->w);
        d->height = fmax(d->height, DRAW_TOP + y);
    }
    d->width = x + width + DRAW_MARGIN;
    // Frames of a column are equally wide.
    for (size_t i = 0; i < d->stages.n; i++)
        for (size_t k = 0; k < d->stages.n; k++)
            if (d->stages.at[k].column == d->stages.at[i].column)
                d->stages.at[i].w = fmax(d->stages.at[i].w, d->stages.at[k].w);
}

tw_status draw_place(draw *d, tw_err *err)
{
    tw_status status = find_stages(d, err);
    double *widths = status ? NULL : twi_new(d->stages.n, sizeof *widths, "a drawing", err);
    if (!widths)
        return TW_ENOMEM;
    double total = 0, tallest = 0, best = INFINITY, limit = 0;
    for (size_t i = 0; i < d->stages.n; i++) {
        widths[i] = d->stages.at[i].w;
        total += d->stages.at[i].h + DRAW_CUT_GAP;
        tallest = fmax(tallest, d->stages.at[i].h);
    }
    enum { TRIES = 48 };
    for (int t = 0; t <= TRIES + 1; t++) {
        double tried = t > TRIES ? limit : tallest + DRAW_CUT_GAP + (total - tallest) * t / TRIES;
        for (size_t i = 0; i < d->stages.n; i++)
            d->stages.at[i].w = widths[i];
        fill_columns(d, tried);
        double miss = fabs(log(d->width / d->height / PROPORTION));
        if (t <= TRIES && miss < best - 1e-9) {
            best = miss;
            limit = tried;
        }
    }
    twi_free(widths);
    return TW_OK;
}
