// Inside of the drawing: model → calls (nests opened) → units (boxes) → items (a tree of series and branches) → places → SVG.
#ifndef TWI_REPORT_DRAWING_INSIDE_H
#define TWI_REPORT_DRAWING_INSIDE_H

#include "report/drawing.h"

// What a layer is for, by which it is coloured.
typedef enum draw_kind {
    DRAW_CONV,
    DRAW_DEPTHWISE,
    DRAW_DENSE,
    DRAW_POOL,
    DRAW_JOIN,
    DRAW_NORM,
    DRAW_ACTIVATION,
    DRAW_RANDOM,
    DRAW_SHAPE, // changes no value: input, padding, flatten …
    DRAW_OTHER,
    DRAW_KINDS
} draw_kind;

typedef enum draw_region { DRAW_BODY, DRAW_BEFORE, DRAW_TRUNK, DRAW_HEAD } draw_region;

// One call of a layer.
typedef struct draw_call {
    const twi_layer *layer;
    tw_shape out;
    draw_region region;
    bool is_first; // of its layer
    int n_in, n_users, in[TWI_LAYER_IN_MAX];
    int unit, next; // the next call of the same unit, or -1
} draw_call;

// A box: a chain of calls around one that matters.
typedef struct draw_unit {
    int first, last, main; // calls; main -1: only small ones
    int n_in, in[TWI_LAYER_IN_MAX], n_out;
    bool is_output;
    int twin;         // its like in the next repetition of the block, or -1
    const char *skip; // beginning of names that the block says already, or NULL
    double w, h;
} draw_unit;

typedef enum draw_item_type { DRAW_UNIT, DRAW_SPLIT, DRAW_CARD } draw_item_type;

typedef struct draw_lane {
    struct draw_lane *next;
    struct draw_item *first; // NULL: the skip
    int order, n_units;
    double x, w, h;
} draw_lane;

// What follows each other in a series: a box, branches, or a card that lists what cannot be drawn as branches.
typedef struct draw_item {
    struct draw_item *next, *copy; // copy: the next repetition
    draw_item_type type;
    int unit; // box, join of a split, end of a card; -1: none
    draw_lane *lanes;
    int n_units, *units; // of a card, without its end
    int times;
    double w, h; // room it takes
} draw_item;

// A frame of items that work on pictures of one size.
typedef struct draw_stage {
    draw_item *first, *end;
    draw_region region;
    bool is_stem, is_rest, is_frozen,
        has_cut; // is_rest: goes on from the frame before; has_cut: the cut is above it
    int64_t params;
    int column;
    double x, y, w, h;
} draw_stage;

typedef struct draw {
    const tw_model *model;
    const twi_drawing_options *options;
    twi_arena arena;
    twi_vec(draw_call) calls;
    twi_vec(draw_unit) units;
    draw_item *first;
    twi_vec(draw_stage) stages;
    double width, height; // of all columns
} draw;

// Sizes, in pixels at 100 %.
enum {
    DRAW_MARGIN = 36,
    DRAW_TOP = 150,       // the first frame begins here
    DRAW_GUTTER = 48,     // between columns
    DRAW_STAGE_GAP = 34,  // between frames
    DRAW_CUT_GAP = 62,    // the same where the cut is
    DRAW_HEADING = 30,    // of a frame
    DRAW_PADDING = 14,    // inside a frame
    DRAW_GAP = 30,        // between items of a frame
    DRAW_STEP = 14,       // between boxes of a branch
    DRAW_FAN = 20,        // where branches part and meet
    DRAW_BLOCK_HEAD = 26, // name of a block
    DRAW_BLOCK_END = 10,  // below its join
    DRAW_LANE_GAP = 10,   // between branches
    DRAW_SKIP = 26,       // a skip's lane
    DRAW_SLIM = 96,       // boxes up to this width have no names
    DRAW_ROW = 19         // of a card
};

// drawing_units.c
tw_status draw_read(draw *d, tw_err *err);
// drawing_tree.c
tw_status draw_arrange(draw *d, tw_err *err);

// drawing_text.c
draw_kind draw_kind_of(const twi_layer *layer);
bool draw_is_small(const draw_call *call); // belongs to the layer in front or behind
// "3×3 conv · 64 /2"; is_short leaves out what the colour says. buf of DRAW_TEXT bytes.
enum { DRAW_TEXT = 96 };
const char *draw_label(const twi_layer *layer, bool is_short, char *buf);
const char *draw_tag(const twi_layer *layer, char *buf);        // "BN", "ReLU"; "" for what needs no word
const char *draw_activation(const twi_layer *layer, char *buf); // of the layer itself; "" for none
const char *draw_shape(const tw_shape *shape, char *buf);       // "56×56×64"
const char *draw_count(int64_t n, char *buf);                   // "36.9k"
// A line of text. With a size it takes the room that was measured for it, whatever face the viewer has: places are laid out by
// the widths of Helvetica, and the common DejaVu Sans is a sixth wider. size 0: nothing stands beside it.
void draw_words(twi_str *out, const char *class_name, double size, double x, double y, const char *text);
#define DRAW_STAGE_TEXT 14.5
// What a block or stage is called: the beginning that all its layers share, else the name of its last. buf of DRAW_TEXT.
const char *draw_common_name(const draw *d, const draw_item *first, const draw_item *end, char *buf);

// drawing_place.c: how large everything is, and where the frames stand.
tw_status draw_place(draw *d, tw_err *err);
const draw_call *draw_face(const draw *d, int unit);             // the call a box is named after
const draw_call *draw_end(const draw *d, const draw_item *item); // what an item hands on

// Rows of a card: calls of one label. Zero-initialise the array; drawing_place.c.
typedef struct draw_row {
    const twi_layer *layer; // of the first
    int n;
} draw_row;
enum { DRAW_ROWS = 24 };
int draw_card_rows(const draw *d, const draw_item *card, draw_row rows[DRAW_ROWS]);
bool draw_is_in_row(const draw_row *row, const twi_layer *layer);

// drawing_boxes.c
void draw_items(const draw *d, const draw_item *first, const draw_item *end, double x, double y,
                twi_str *out);

// "conv2_block2 – 3" of what the first and the last repetition are called.
const char *draw_range_name(const char *first, const char *last, char *buf);

// Calls visit(self, unit) for every unit of an item, in order; copies are not visited.
void draw_each(const draw_item *item, void (*visit)(void *self, int unit), void *self);
int64_t draw_params(const draw *d, const draw_item *item); // copies included

#endif
