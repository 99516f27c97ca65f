// From boxes to a drawing's structure: what follows each other, what runs side by side, and what is repeated.
//
// A unit through which every path goes ends a piece of a series. What lies between two of them falls apart into branches;
// each is such a series again. The skip of a residual block is a branch without units. Networks that do not fall apart so
// (NASNet: a cell reads the two cells in front of it) are cut wherever at most two values cross, and each piece becomes a
// card that lists its layers. Neighbours of one structure are drawn once.

#include "report/drawing_inside.h"

#include <stdlib.h>
#include <string.h>

enum { SINK = -1, ENTRY = -2 };

typedef struct tree {
    draw *d;
    int *set;  // [units] the list a unit is looked at in
    int *path; // [units] out edges within it
    int *root; // [units] union-find
    int n_sets;
    tw_err *err;
} tree;

typedef struct series {
    draw_item *first, *last;
    int n_units;
} series;

static tw_status arrange(tree *t, const int *list, int n, int exit, series *out);

static draw_item *new_item(tree *t, draw_item_type type, int unit)
{
    draw_item *item = twi_arena_new(&t->d->arena, 1, sizeof *item, t->err);
    if (item)
        *item = (draw_item){.type = type, .unit = unit, .times = 1};
    return item;
}

static tw_status append(series *s, draw_item *item)
{
    if (!item)
        return TW_ENOMEM;
    if (s->last)
        s->last->next = item;
    else
        s->first = item;
    for (s->last = item; s->last->next;)
        s->last = s->last->next;
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------ branches

static int root_of(tree *t, int unit)
{
    while (t->root[unit] != unit)
        unit = t->root[unit] = t->root[t->root[unit]];
    return unit;
}

// Which units of a segment hang together without what is in front and behind.
static void connect(tree *t, const int *list, int n)
{
    int id = ++t->n_sets;
    for (int i = 0; i < n; i++)
        t->set[list[i]] = id, t->root[list[i]] = list[i];
    for (int i = 0; i < n; i++) {
        const draw_unit *u = &t->d->units.at[list[i]];
        for (int j = 0; j < u->n_in; j++)
            if (t->set[u->in[j]] == id)
                t->root[root_of(t, list[i])] = root_of(t, u->in[j]);
    }
}

static int by_order(const draw_lane *a, const draw_lane *b, bool by_length)
{
    if (by_length && a->n_units != b->n_units)
        return b->n_units - a->n_units;
    return a->order - b->order;
}

static void insert_lane(draw_item *split, draw_lane *lane, bool by_length)
{
    draw_lane **at = &split->lanes;
    while (*at && by_order(*at, lane, by_length) <= 0)
        at = &(*at)->next;
    lane->next = *at;
    *at = lane;
}

static draw_lane *new_lane(tree *t, draw_item *split, const series *s, int order, bool by_length)
{
    draw_lane *lane = twi_arena_new(&t->d->arena, 1, sizeof *lane, t->err);
    if (lane) {
        *lane = (draw_lane){.first = s->first, .n_units = s->n_units, .order = order};
        insert_lane(split, lane, by_length);
    }
    return lane;
}

// Where a branch of the segment connected last arrives among the inputs of the join.
static int arrives(tree *t, int join, int root)
{
    const draw_unit *u = &t->d->units.at[join];
    for (int j = 0; join >= 0 && j < u->n_in; j++)
        if (t->set[u->in[j]] == t->n_sets && root_of(t, u->in[j]) == root)
            return j;
    return join < 0 ? root : TWI_LAYER_IN_MAX;
}

static bool has_skip(const tree *t, int join, int before)
{
    const draw_unit *u = &t->d->units.at[join];
    for (int j = 0; join >= 0 && j < u->n_in; j++)
        if (u->in[j] == before)
            return true;
    return false;
}

static bool joins_in_order(const tree *t, int join)
{
    return join < 0 ||
           strcmp(t->d->calls.at[t->d->units.at[join].first].layer->kind->name, "Concatenate") == 0;
}

typedef struct segment {
    const int *list;
    int n, before, join; // join: SINK for an open end
} segment;

// Each branch of a segment as a lane of the split.
static tw_status add_lanes(tree *t, const segment *s, draw_item *split, int exit)
{
    int *part = twi_new((size_t)s->n * 3, sizeof *part, "a drawing", t->err), *root = part + s->n,
        *order = part + 2 * s->n;
    tw_status status = part ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < s->n; i++) {
        root[i] = root_of(t, s->list[i]);
        order[i] = arrives(t, s->join, root[i]);
    }
    for (int i = 0; !status && i < s->n; i++) {
        int n = 0, r = root[i];
        series lane = {0};
        for (int k = i; r >= 0 && k < s->n; k++)
            if (root[k] == r)
                part[n++] = s->list[k], root[k] = -1;
        if (r < 0)
            continue;
        status = arrange(t, part, n, exit, &lane);
        if (!status && !new_lane(t, split, &lane, order[i], !joins_in_order(t, s->join)))
            status = TW_ENOMEM;
    }
    twi_free(part);
    return status;
}

static tw_status add_split(tree *t, const segment *s, int exit, series *out)
{
    connect(t, s->list, s->n);
    int end = s->join >= 0 ? s->join : exit;
    draw_item *split = new_item(t, DRAW_SPLIT, s->join);
    tw_status status = split ? add_lanes(t, s, split, end) : TW_ENOMEM;
    bool skips = has_skip(t, end, s->before);
    if (!status && skips && !new_lane(t, split, &(series){0}, TWI_LAYER_IN_MAX, true))
        status = TW_ENOMEM;
    if (status)
        return status;
    if (split->lanes->next)
        return append(out, split);
    // One branch and no skip: no split at all.
    if (split->lanes->first)
        status = append(out, split->lanes->first);
    return status || s->join < 0 ? status : append(out, new_item(t, DRAW_UNIT, s->join));
}

// --------------------------------------------------------------------------------------------------------------- cards

// How many values are still to be read after each unit of the list.
static int crossing(const tree *t, const int *list, int n, int at)
{
    int id = t->set[list[0]], count = 0;
    bool from_outside = false;
    for (int k = 0; k <= at; k++) {
        bool is_read = false;
        for (int i = at + 1; !is_read && i < n; i++) {
            const draw_unit *u = &t->d->units.at[list[i]];
            for (int j = 0; j < u->n_in; j++)
                is_read = is_read || u->in[j] == list[k];
        }
        count += is_read;
    }
    for (int i = at + 1; i < n; i++) {
        const draw_unit *u = &t->d->units.at[list[i]];
        for (int j = 0; j < u->n_in; j++)
            from_outside = from_outside || t->set[u->in[j]] != id;
    }
    return count + from_outside;
}

static tw_status add_card(tree *t, const int *list, int n, series *out)
{
    draw_item *card = new_item(t, DRAW_CARD, list[n - 1]);
    if (!card)
        return TW_ENOMEM;
    card->n_units = n - 1;
    card->units = twi_arena_new(&t->d->arena, (size_t)n, sizeof *card->units, t->err);
    if (!card->units)
        return TW_ENOMEM;
    memcpy(card->units, list, (size_t)(n - 1) * sizeof *list);
    return append(out, card);
}

static tw_status add_cards(tree *t, const int *list, int n, series *out)
{
    connect(t, list, n);
    int start = 0;
    tw_status status = TW_OK;
    for (int i = 0; !status && i < n; i++) {
        // Cells end with the concatenation of what they made.
        bool may_end =
            !strcmp(t->d->calls.at[t->d->units.at[list[i]].first].layer->kind->name, "Concatenate");
        if (i == n - 1 || (may_end && i - start > 8 && crossing(t, list, n, i) <= 2)) {
            status = add_card(t, list + start, i + 1 - start, out);
            start = i + 1;
        }
    }
    return status;
}

// -------------------------------------------------------------------------------------------------------------- series

// Marks the units all paths go through. Edges from outside come from one entry; edges out of the list go to the exit.
static void find_gates(tree *t, const int *list, int n, int exit, bool *is_gate)
{
    int id = ++t->n_sets, open = 0;
    for (int i = 0; i < n; i++)
        t->set[list[i]] = id, t->path[list[i]] = 0;
    for (int i = 0; i <= n; i++) {
        if (i == n && exit < 0)
            break;
        const draw_unit *u = &t->d->units.at[i < n ? list[i] : exit];
        for (int j = 0; j < u->n_in; j++)
            if (t->set[u->in[j]] == id)
                t->path[u->in[j]]++;
            else
                open += i < n;
        open += i < n && u->n_in == 0;
    }
    for (int i = 0; i < n; i++) {
        const draw_unit *u = &t->d->units.at[list[i]];
        open -= u->n_in ? u->n_in : 1;
        is_gate[i] = open == 0;
        open += t->path[list[i]] + ((u->is_output || u->n_out == 0) && exit < 0);
    }
}

// exit: the join the list leads to, or SINK.
static tw_status arrange(tree *t, const int *list, int n, int exit, series *out)
{
    bool *is_gate = twi_new((size_t)n, sizeof *is_gate, "a drawing", t->err);
    if (!is_gate)
        return TW_ENOMEM;
    out->n_units = n;
    find_gates(t, list, n, exit, is_gate);
    tw_status status = TW_OK;
    int start = 0, before = ENTRY;
    for (int i = 0; !status && i < n; i++) {
        if (!is_gate[i])
            continue;
        segment s = {list + start, i - start, before, list[i]};
        status = s.n ? add_split(t, &s, exit, out) : append(out, new_item(t, DRAW_UNIT, list[i]));
        start = i + 1;
        before = list[i];
    }
    if (!status && start < n) {
        segment s = {list + start, n - start, before, SINK};
        connect(t, s.list, s.n);
        bool is_one = true;
        for (int i = 1; i < s.n; i++)
            is_one = is_one && root_of(t, s.list[i]) == root_of(t, s.list[0]);
        status = is_one && start == 0 ? add_cards(t, list, n, out) : add_split(t, &s, exit, out);
    }
    twi_free(is_gate);
    return status;
}

// ---------------------------------------------------------------------------------------------------------- repetition

static bool same_call(const draw_call *a, const draw_call *b)
{
    char one[DRAW_TEXT], two[DRAW_TEXT];
    bool is_picture = a->out.rank == 4 && b->out.rank == 4;
    return a->layer->kind == b->layer->kind && a->layer->is_trainable == b->layer->is_trainable &&
           a->region == b->region && a->out.rank == b->out.rank &&
           (!is_picture || (a->out.dim[1] == b->out.dim[1] && a->out.dim[2] == b->out.dim[2])) &&
           (draw_is_small(a) ||
            !strcmp(draw_label(a->layer, false, one), draw_label(b->layer, false, two))) &&
           (draw_kind_of(a->layer) == DRAW_RANDOM || // deeper blocks drop more
            !strcmp(draw_tag(a->layer, one), draw_tag(b->layer, two)));
}

static bool same_unit(const draw *d, int a, int b)
{
    if (a < 0 || b < 0)
        return a == b;
    int i = d->units.at[a].first, k = d->units.at[b].first;
    for (; i >= 0 && k >= 0; i = d->calls.at[i].next, k = d->calls.at[k].next)
        if (!same_call(&d->calls.at[i], &d->calls.at[k]))
            return false;
    return i == k;
}

static bool same_item(const draw *d, const draw_item *a, const draw_item *b);

static bool same_series(const draw *d, const draw_item *a, const draw_item *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!same_item(d, a, b))
            return false;
    return a == b;
}

static bool same_item(const draw *d, const draw_item *a, const draw_item *b)
{
    if (a->type != b->type || a->times != b->times || a->n_units != b->n_units ||
        !same_unit(d, a->unit, b->unit))
        return false;
    for (int i = 0; i < a->n_units; i++)
        if (!same_unit(d, a->units[i], b->units[i]))
            return false;
    const draw_lane *x = a->lanes, *y = b->lanes;
    for (; x && y; x = x->next, y = y->next)
        if (!same_series(d, x->first, y->first))
            return false;
    return x == y;
}

// Both walk over the same structure, so their units meet in the same order.
typedef struct walk {
    int *unit;
    int n;
} walk;

static void note_unit(void *self, int unit)
{
    walk *w = self;
    w->unit[w->n++] = unit;
}

static tw_status link_twins(tree *t, draw_item *a, draw_item *b)
{
    walk x = {.unit = twi_new(2 * t->d->units.n, sizeof *x.unit, "a drawing", t->err)};
    if (!x.unit)
        return TW_ENOMEM;
    walk y = {.unit = x.unit + t->d->units.n};
    draw_each(a, note_unit, &x);
    draw_each(b, note_unit, &y);
    for (int i = 0; i < x.n; i++) {
        int last = x.unit[i];
        while (t->d->units.at[last].twin >= 0)
            last = t->d->units.at[last].twin;
        t->d->units.at[last].twin = y.unit[i];
    }
    twi_free(x.unit);
    return TW_OK;
}

static tw_status merge(tree *t, draw_item *first)
{
    tw_status status = TW_OK;
    for (draw_item *item = first; !status && item; item = item->next) {
        for (draw_lane *lane = item->lanes; !status && lane; lane = lane->next)
            status = merge(t, lane->first);
    }
    for (draw_item *item = first; !status && item; item = item->next) {
        draw_item *end = item;
        while (!status && item->type != DRAW_UNIT && item->unit >= 0 && item->next &&
               same_item(t->d, item->copy ? item->copy : item, item->next)) {
            status = link_twins(t, item, item->next);
            end = end->copy = item->next;
            item->next = end->next;
            item->times++;
        }
        for (draw_item *copy = item->copy; copy; copy = copy->copy)
            copy->next = NULL;
    }
    return status;
}

tw_status draw_arrange(draw *d, tw_err *err)
{
    size_t n = d->units.n;
    int *memory = twi_new(4 * n + 1, sizeof *memory, "a drawing", err);
    if (!memory)
        return TW_ENOMEM;
    tree t = {.d = d, .set = memory, .path = memory + n, .root = memory + 2 * n, .err = err};
    int *list = memory + 3 * n;
    for (size_t i = 0; i < n; i++)
        list[i] = (int)i, t.root[i] = -1;
    series all = {0};
    tw_status status = arrange(&t, list, (int)n, SINK, &all);
    d->first = all.first;
    if (!status)
        status = merge(&t, d->first);
    twi_free(memory);
    return status;
}

// ----------------------------------------------------------------------------------------------------------- walking

void draw_each(const draw_item *item, void (*visit)(void *self, int unit), void *self)
{
    for (const draw_lane *lane = item->lanes; lane; lane = lane->next)
        for (const draw_item *inner = lane->first; inner; inner = inner->next)
            draw_each(inner, visit, self);
    for (int i = 0; i < item->n_units; i++)
        visit(self, item->units[i]);
    if (item->unit >= 0)
        visit(self, item->unit);
}
