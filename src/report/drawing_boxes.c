// Boxes, branches and cards as SVG, each at the middle of its column. Sizes come from drawing_place.c.

#include "report/html.h"

#include "report/drawing_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_class[DRAW_KINDS] = {"conv", "depthwise",  "dense",  "pool",  "join",
                                                   "norm", "activation", "random", "shape", "other"};

// ------------------------------------------------------------------------------------------------------------- layers

// Begins the element of a layer, with a line for it and for its twins in the block's repetitions.
static void open_layer(const draw *d, int unit, int place, const char *more, twi_str *out)
{
    int u = unit;
    for (int n = 0; u >= 0; u = d->units.at[u].twin, n++) {
        int i = d->units.at[u].first;
        for (int k = 0; k < place; k++)
            i = d->calls.at[i].next;
        const draw_call *call = &d->calls.at[i];
        int64_t yes, no;
        char shape[DRAW_TEXT], params[32];
        twi_layer_params(call->layer, &yes, &no);
        if (n == 0)
            twi_str_printf(out, "<g class=\"layer %s%s%s\"><title>", kind_class[draw_kind_of(call->layer)],
                           call->layer->is_trainable ? "" : " frozen", more);
        twi_html_printf(out, "%s%s (%s) · %s", n ? "\n" : "", call->layer->name, call->layer->kind->name,
                        draw_shape(&call->out, shape));
        if (yes + no)
            twi_str_printf(out, " · %s parameters", twi_str_thousands(params, sizeof params, yes + no));
        if (!call->is_first)
            twi_str_add(out, " · shared");
        if (!call->layer->is_trainable)
            twi_str_add(out, " · frozen");
    }
    twi_str_add(out, "</title>");
}

// Cuts a text to a width, with "…" at its end.
static const char *fit(const char *text, double size, double width, char *buf)
{
    size_t n = strlen(text);
    for (bool is_cut = false;; is_cut = true) {
        if (n < DRAW_TEXT - 4) {
            memcpy(buf, text, n);
            memcpy(buf + n, is_cut ? "…" : "", is_cut ? sizeof "…" : 1);
            if (n == 0 || twi_html_text_width(buf, size) <= width)
                return buf;
        }
        // One character less, not one byte.
        do
            n--;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80);
    }
}

// "36,928", or "4,160–16,640" where repetitions differ.
static void box_params(const draw *d, int unit, double width, char *buf)
{
    int64_t low = -1, high = -1;
    for (int u = unit; u >= 0; u = d->units.at[u].twin) {
        int64_t all = 0;
        for (int i = d->units.at[u].first; i >= 0; i = d->calls.at[i].next) {
            int64_t yes, no;
            twi_layer_params(d->calls.at[i].layer, &yes, &no);
            all += yes + no;
        }
        low = low < 0 || all < low ? all : low;
        high = all > high ? all : high;
    }
    char one[DRAW_TEXT], two[DRAW_TEXT];
    buf[0] = 0;
    if (high <= 0)
        return;
    if (low == high)
        twi_str_thousands(buf, DRAW_TEXT, high);
    if (low != high || twi_html_text_width(buf, 11) > width)
        snprintf(buf, DRAW_TEXT, low == high ? "%.40s" : "%.40s–%.40s", draw_count(low, one),
                 draw_count(high, two));
    if (low != high && twi_html_text_width(buf, 11) > width)
        snprintf(buf, DRAW_TEXT, "≤ %.40s", draw_count(high, two));
}

// ---------------------------------------------------------------------------------------------------------------- tags

typedef struct tag {
    int place;        // of the call in its unit
    const char *kind; // colour
    char text[DRAW_TEXT];
} tag;
enum { TAGS = 12 };

static void add_dot(const draw *d, int unit, const tag *t, double x, double y, twi_str *out)
{
    open_layer(d, unit, t->place, "", out);
    if (*t->text)
        twi_str_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"/>", x, y);
    twi_str_add(out, "</g>");
}

static void add_pill(const draw *d, int unit, const tag *t, double x, double y, double w, twi_str *out)
{
    if (t->place >= 0)
        open_layer(d, unit, t->place, "", out);
    else
        twi_str_printf(out, "<g class=\"activation%s\">",
                       draw_face(d, unit)->layer->is_trainable ? "" : " frozen");
    if (*t->text) {
        twi_str_printf(out,
                       "<rect class=\"tag\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"15\" rx=\"7.5\"/>",
                       x, y, w);
        draw_words(out, "word mid", 10, x + w / 2, y + 11, t->text);
    }
    twi_str_add(out, "</g>");
}

// The other layers of a box, and the activation of the layer itself (place -1). Returns how many.
static int find_tags(const draw *d, int unit, tag tags[TAGS])
{
    const draw_unit *u = &d->units.at[unit];
    const draw_call *face = draw_face(d, unit);
    int n = 0, place = 0;
    for (int i = u->first; i >= 0 && n < TAGS; i = d->calls.at[i].next, place++) {
        const draw_call *call = &d->calls.at[i];
        if (call != face) {
            tags[n].place = place;
            draw_tag(call->layer, tags[n].text);
            // Repetitions drop differently much.
            if (u->twin >= 0 && draw_kind_of(call->layer) == DRAW_RANDOM)
                tags[n].text[strcspn(tags[n].text, " ")] = 0;
            n++;
        } else if (*draw_activation(call->layer, tags[n].text) && n + 1 < TAGS &&
                   draw_kind_of(call->layer) != DRAW_ACTIVATION) {
            tags[n++].place = -1;
        }
    }
    return n;
}

static int place_of_face(const draw *d, int unit)
{
    int place = 0;
    const draw_call *face = draw_face(d, unit);
    for (int i = d->units.at[unit].first; &d->calls.at[i] != face; i = d->calls.at[i].next)
        place++;
    return place;
}

// Tags of a box from its right edge to the left; the room they took. Words that do not fit become dots.
static double add_tags(const draw *d, int unit, double right, double y, double room, twi_str *out)
{
    tag tags[TAGS];
    int n = find_tags(d, unit, tags);
    double all = 0, x = right;
    for (int i = 0; i < n; i++)
        all += *tags[i].text ? twi_html_text_width(tags[i].text, 10) + 15 : 0;
    bool are_dots = all > room;
    for (int i = n; i-- > 0;) {
        double w = !*tags[i].text ? 0 : are_dots ? 9 : twi_html_text_width(tags[i].text, 10) + 11;
        x -= w;
        if (!are_dots)
            add_pill(d, unit, &tags[i], x, y - 11, w, out);
        else if (tags[i].place >= 0)
            add_dot(d, unit, &tags[i], x + 5, y - 3.5, out);
        x -= w > 0 && !are_dots ? 4 : 0;
    }
    return right - x;
}

// --------------------------------------------------------------------------------------------------------------- boxes

static void add_join(const draw *d, int unit, double x, double y, twi_str *out)
{
    const draw_unit *u = &d->units.at[unit];
    const draw_call *face = draw_face(d, unit);
    char label[DRAW_TEXT];
    tag tags[TAGS];
    double left = x - u->w / 2, at = left + 11;
    draw_label(face->layer, true, label);
    open_layer(d, unit, place_of_face(d, unit), " face", out);
    twi_str_printf(out,
                   "<rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"12\"/>",
                   left, y, u->w, u->h);
    draw_words(out, "label", 13, at, y + 16.5, label);
    twi_str_add(out, "</g>");
    at += twi_html_text_width(label, 13) + 6;
    int n = find_tags(d, unit, tags);
    for (int i = 0; i < n; i++) {
        double w = *tags[i].text ? twi_html_text_width(tags[i].text, 10) + 11 : 0;
        add_pill(d, unit, &tags[i], at, y + 4.5, w, out);
        at += w > 0 ? w + 4 : 0;
    }
}

static void add_box(const draw *d, int unit, double x, double y, twi_str *out)
{
    const draw_unit *u = &d->units.at[unit];
    const draw_call *face = draw_face(d, unit);
    if (draw_kind_of(face->layer) == DRAW_JOIN) {
        add_join(d, unit, x, y, out);
        return;
    }
    bool is_slim = u->w <= DRAW_SLIM;
    char label[DRAW_TEXT], params[DRAW_TEXT], name[DRAW_TEXT];
    double left = x - u->w / 2, right = left + u->w - 8;
    draw_label(face->layer, is_slim, label);
    double room = u->w - 32 - twi_html_text_width(label, 13);
    box_params(d, unit, is_slim ? u->w - 44 : room, params);
    open_layer(d, unit, place_of_face(d, unit), " face", out);
    twi_str_printf(out, "<rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\"/>",
                   left, y, u->w, u->h);
    twi_str_printf(out, "<rect class=\"strip\" x=\"%.1f\" y=\"%.1f\" width=\"4\" height=\"%.1f\" rx=\"2\"/>",
                   left + 3, y + 4, u->h - 8);
    draw_words(out, "label", 13, left + 13, y + 17, label);
    if (is_slim)
        draw_words(out, "soft", 11, left + 13, y + 33, params);
    else if (*params)
        draw_words(out, "soft end", 11, right, y + 17, params);
    twi_str_add(out, "</g>");
    double taken = add_tags(d, unit, right, y + 34, is_slim ? 0 : u->w - 70, out);
    const char *full = face->layer->name;
    size_t skip = u->skip && twi_str_starts(full, u->skip) ? strlen(u->skip) : 0;
    if (full[skip] == '_' && full[skip + 1])
        full += skip + 1;
    if (!is_slim)
        draw_words(out, "name", 10.5, left + 13, y + 34, fit(full, 10.5, u->w - 26 - taken, name));
}

// --------------------------------------------------------------------------------------------------------------- lines

static void add_line(twi_str *out, double x, double from, double to)
{
    twi_str_printf(out, "<path class=\"edge\" d=\"M%.1f %.1fV%.1f\"/>", x, from, to);
}

static void add_curve(twi_str *out, double x1, double y1, double x2, double y2)
{
    if (fabs(x1 - x2) < 0.5) {
        add_line(out, x1, y1, y2);
        return;
    }
    double middle = (y1 + y2) / 2;
    twi_str_printf(out, "<path class=\"edge\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>", x1, y1, x1,
                   middle, x2, middle, x2, y2);
}

// --------------------------------------------------------------------------------------------------------------- items

static void add_item(const draw *d, const draw_item *item, double x, double y, twi_str *out);

static double lanes_width(const draw_item *split)
{
    double w = 0;
    for (const draw_lane *lane = split->lanes; lane; lane = lane->next)
        w += lane->w + (lane->next ? DRAW_LANE_GAP : 0);
    return w;
}

static double lanes_height(const draw_item *split)
{
    double h = 0;
    for (const draw_lane *lane = split->lanes; lane; lane = lane->next)
        h = fmax(h, lane->h);
    return h;
}

// From the split at (x, top) along the lane to (x2, end): sideways into a join, or straight down where the end is open.
static void add_skip(const draw *d, const draw_item *split, double x, double top, double lane, double bottom,
                     twi_str *out)
{
    twi_str_printf(out, "<path class=\"skip\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x, top,
                   (x + lane) / 2, top, lane, top + 4, lane, top + DRAW_FAN + 8);
    if (split->unit < 0) {
        twi_str_printf(out, "V%.1f\"/>", bottom);
        return;
    }
    const draw_unit *u = &d->units.at[split->unit];
    double side = x + (lane > x ? u->w / 2 : -u->w / 2), end = bottom + DRAW_FAN + u->h / 2;
    twi_str_printf(out, "V%.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>", end - 22, lane, end - 6, (side + lane) / 2,
                   end, side, end);
}

// What reaches the bottom of a lane: its end, or all ends of a split that stays open.
static void add_ends(const draw_lane *lane, double x, double y, double low, double to_x, double to_y,
                     twi_str *out)
{
    const draw_item *last = lane->first;
    double bottom = y;
    for (; last && last->next; last = last->next)
        bottom += last->h + DRAW_STEP;
    if (!last)
        return;
    if (last->unit >= 0 || !last->lanes) {
        // Down beside the longer branches first.
        if (low > bottom + last->h + 0.5)
            add_line(out, x, bottom + last->h, low);
        add_curve(out, x, low, to_x, to_y);
        return;
    }
    double at = x - lanes_width(last) / 2;
    for (const draw_lane *inner = last->lanes; inner; inner = inner->next) {
        add_ends(inner, at + inner->w / 2, bottom + DRAW_FAN, low, to_x, to_y, out);
        at += inner->w + DRAW_LANE_GAP;
    }
}

static void add_times(const draw_item *item, double x, double y, twi_str *out)
{
    char times[32];
    snprintf(times, sizeof times, "×%d", item->times);
    draw_words(out, "times end", 13, x - 34, y + item->h - 7, times);
}

static void add_split(const draw *d, const draw_item *split, double x, double y, twi_str *out)
{
    double at = x - lanes_width(split) / 2, top = y + DRAW_FAN, bottom = top + lanes_height(split);
    // A box with a skip beside it stays in the middle.
    if (split->lanes->next && !split->lanes->next->first && !split->lanes->next->next)
        at = x - split->lanes->w / 2;
    for (const draw_lane *lane = split->lanes; lane; lane = lane->next) {
        double middle = at + lane->w / 2, below = top;
        if (!lane->first)
            add_skip(d, split, x, y, middle, bottom, out);
        else
            add_curve(out, x, y, middle, top);
        for (const draw_item *item = lane->first; item; item = item->next) {
            add_item(d, item, middle, below, out);
            if (item->times > 1)
                add_times(item, middle, below, out);
            if (item->next)
                add_line(out, middle, below + item->h, below + item->h + DRAW_STEP);
            below += item->h + DRAW_STEP;
        }
        if (split->unit >= 0)
            add_ends(lane, middle, top, bottom, x, bottom + DRAW_FAN, out);
        at += lane->w + DRAW_LANE_GAP;
    }
    if (split->unit >= 0)
        add_box(d, split->unit, x, bottom + DRAW_FAN, out);
}

// ---------------------------------------------------------------------------------------------------------------- cards

// A row counts calls; its element names all of them.
typedef struct card_row {
    const draw *d;
    const draw_row *row;
    bool is_last;
    twi_str *out;
    int n;
    const draw_row *rows;
} card_row;

static bool is_in(const card_row *c, const twi_layer *layer)
{
    for (const draw_row *r = c->rows; r < c->row; r++)
        if (draw_is_in_row(r, layer))
            return false;
    return c->is_last || draw_is_in_row(c->row, layer);
}

static void name_calls(void *self, int unit)
{
    card_row *c = self;
    for (int u = unit; u >= 0; u = c->d->units.at[u].twin)
        for (int i = c->d->units.at[u].first; i >= 0; i = c->d->calls.at[i].next) {
            const draw_call *call = &c->d->calls.at[i];
            char shape[DRAW_TEXT];
            if (!is_in(c, call->layer))
                continue;
            twi_html_printf(c->out, "%s%s (%s) · %s%s", c->n++ ? "\n" : "", call->layer->name,
                            call->layer->kind->name, draw_shape(&call->out, shape),
                            call->layer->is_trainable ? "" : " · frozen");
        }
}

static void add_card(const draw *d, const draw_item *card, double x, double y, twi_str *out)
{
    draw_row rows[DRAW_ROWS] = {{0}};
    int n = draw_card_rows(d, card, rows);
    double left = x - DRAW_SLIM;
    for (int r = 0; r < n; r++, y += DRAW_ROW) {
        const twi_layer *layer = rows[r].layer;
        char label[DRAW_TEXT], line[DRAW_TEXT * 2];
        snprintf(line, sizeof line, "%d × %s", rows[r].n,
                 *draw_label(layer, false, label) ? label : layer->kind->name);
        twi_str_printf(out, "<g class=\"layer %s%s\"><title>", kind_class[draw_kind_of(layer)],
                       layer->is_trainable ? "" : " frozen");
        card_row c = {.d = d, .row = &rows[r], .is_last = r == DRAW_ROWS - 1, .out = out, .rows = rows};
        draw_each(card, name_calls, &c);
        twi_str_printf(out,
                       "</title><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/><rect "
                       "class=\"strip\" x=\"%.1f\" y=\"%.1f\" width=\"4\" height=\"%d\"/>",
                       left, y, 2 * DRAW_SLIM, DRAW_ROW, left + 3, y + 3, DRAW_ROW - 6);
        draw_words(out, "word", 10, left + 14, y + 13.5, line);
        twi_str_add(out, "</g>");
    }
}

// --------------------------------------------------------------------------------------------------------------- series

static void add_item(const draw *d, const draw_item *item, double x, double y, twi_str *out)
{
    if (item->type == DRAW_SPLIT)
        add_split(d, item, x, y, out);
    else if (item->type == DRAW_CARD)
        add_card(d, item, x, y, out);
    else
        add_box(d, item->unit, x, y, out);
}

// A block: its frame, with its name, parameters and how often it is repeated.
static void add_block(const draw *d, const draw_item *item, double x, double y, twi_str *out)
{
    double left = x - item->w / 2, right = left + item->w;
    char name[DRAW_TEXT], last[DRAW_TEXT], title[DRAW_TEXT], short_title[DRAW_TEXT], params[DRAW_TEXT];
    for (int i = item->times > 2 ? 2 : item->times - 1; i > 0; i--)
        twi_str_printf(
            out, "<rect class=\"block\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"8\"/>",
            left + 4 * i, y + 4 * i, item->w, item->h);
    twi_str_printf(out,
                   "<rect class=\"block\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"8\"/>",
                   left, y, item->w, item->h);
    const draw_item *end = item;
    while (end->copy)
        end = end->copy;
    draw_common_name(d, item, item->next, name);
    draw_common_name(d, end, end->next, last);
    draw_range_name(name, last, title);
    double middle = x;
    if (item->times > 1) {
        char times[32];
        snprintf(times, sizeof times, "×%d", item->times);
        double w = twi_html_text_width(times, 12) + 14;
        twi_str_printf(out,
                       "<rect class=\"badge\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\" rx=\"9\"/>",
                       right - w - 6, y + 5, w);
        draw_words(out, "badge mid", 12, right - 6 - w / 2, y + 18, times);
        right -= w + 4;
    }
    draw_count(draw_params(d, item), params);
    draw_words(out, "soft end", 11, right - 9, y + 18, params);
    double room = right - left - 34 - twi_html_text_width(params, 11);
    bool is_card = item->type == DRAW_CARD;
    if (!is_card && room > middle - left - 24)
        room = middle - left - 24;
    draw_words(out, "block", 11.5, left + 11, y + 18, fit(title, 11.5, room, short_title));
    if (!is_card)
        add_line(out, x, y, y + DRAW_BLOCK_HEAD);
    add_item(d, item, x, y + DRAW_BLOCK_HEAD, out);
    add_line(out, x, y + item->h - DRAW_BLOCK_END, y + item->h);
}

void draw_items(const draw *d, const draw_item *first, const draw_item *end, double x, double y, twi_str *out)
{
    for (const draw_item *item = first; item && item != end; item = item->next) {
        if (item->type == DRAW_UNIT)
            add_box(d, item->unit, x, y, out);
        else
            add_block(d, item, x, y, out);
        const draw_call *hands_on = draw_end(d, item);
        if (item->next && item->next != end) {
            char shape[DRAW_TEXT];
            twi_str_printf(out, "<path class=\"edge arrow\" d=\"M%.1f %.1fV%.1f\"/>", x, y + item->h,
                           y + item->h + DRAW_GAP);
            if (hands_on)
                draw_words(out, "shape", 11, x + 8, y + item->h + DRAW_GAP / 2.0 + 4,
                           draw_shape(&hands_on->out, shape));
        }
        y += item->h + DRAW_GAP;
    }
}
