// The gradient of a matmul's weights in tiles. See outer.h.
//
// dy is packed into panels of 16 columns first: lines a power of two apart would push each other out of the caches. A tile is 6
// lines of w and as many panels as stay in the second-level cache; the tile itself stays in the first. Tiles go to threads by
// columns first: what a thread reads of dy it reads again for all its lines.

#include "op/outer.h"

#include "op/row.h"

#include <string.h>

enum {
    LINES = TWI_OUTER_LINES,
    WIDE = TWI_OUTER_COLUMNS,
    PANELS_MAX = 64,
    PITCH = PANELS_MAX * WIDE + WIDE, // not a power of two
    CACHED = 32 << 10,                // numbers of dy in a tile
    PACKED = 512                      // rows of x packed at a time
};

int64_t twi_outer_packed(int64_t rows, int64_t cout)
{
    return twi_product(3, (int64_t[]){(cout + WIDE - 1) / WIDE, rows, WIDE});
}

// [rows, cout] → [panel][row][16], the last panel filled up with zeros
static void pack(const twi_outer_call *o)
{
    int64_t panels = (o->cout + WIDE - 1) / WIDE;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < panels; p++) {
        int64_t n = twi_min(o->cout - p * WIDE, WIDE);
        for (int64_t r = 0; r < o->rows; r++) {
            float *to = o->packed + (p * o->rows + r) * WIDE;
            memcpy(to, o->dy + r * o->cout + p * WIDE, (size_t)n * sizeof *to);
            memset(to + n, 0, (size_t)(WIDE - n) * sizeof *to);
        }
    }
}

// ----------------------------------------------------------------------------------------------------------------- tiles

static void add_plain(const float *x, const float *dy, int64_t rows, float *g)
{
    for (int l = 0; l < LINES; l++)
        for (int64_t r = 0; r < rows; r++)
            for (int c = 0; c < WIDE; c++)
                g[l * PITCH + c] += x[r * LINES + l] * dy[r * WIDE + c];
}

static void fill_tile(const twi_outer_call *o, int64_t line, int lines, int64_t panel, int64_t panels,
                      float *g)
{
    float x[PACKED * LINES];
    bool is_fast = twi_outer_avx2_runs_here();
    memset(g, 0, (size_t)LINES * PITCH * sizeof *g);
    for (int64_t first = 0; first < o->rows; first += PACKED) {
        int64_t rows = twi_min(o->rows - first, PACKED);
        for (int64_t r = 0; r < rows; r++)
            for (int l = 0; l < LINES; l++)
                x[r * LINES + l] = l < lines ? o->x[(first + r) * o->cin + line + l] : 0;
        for (int64_t p = 0; p < panels; p++) {
            const float *dy = o->packed + ((panel + p) * o->rows + first) * WIDE;
            if (is_fast)
                twi_outer_avx2(x, dy, rows, PITCH, g + p * WIDE);
            else
                add_plain(x, dy, rows, g + p * WIDE);
        }
    }
}

static void use_tile(const twi_outer_call *o, int64_t line, int64_t panel, int64_t panels)
{
    _Alignas(64) float g[LINES * PITCH];
    int lines = (int)twi_min(o->cin - line, LINES);
    int64_t column = panel * WIDE;
    fill_tile(o, line, lines, panel, panels, g);
    for (int l = 0; l < lines; l++)
        o->take(o->self, (line + l) * o->cout + column, twi_min(panels * WIDE, o->cout - column),
                g + l * PITCH);
}

// ------------------------------------------------------------------------------------------------------------------- run

void twi_outer_run(const twi_outer_call *o)
{
    if (o->bias)
        twi_sum_rows(o->dy, o->rows, o->cout, o->bias);
    pack(o);
    int64_t panels = (o->cout + WIDE - 1) / WIDE;
    int64_t wide = twi_min(twi_max(CACHED / o->rows / WIDE, 4), PANELS_MAX);
    int64_t n_columns = (panels + wide - 1) / wide, n_lines = (o->cin + LINES - 1) / LINES;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t c = 0; c < n_columns; c++)
        for (int64_t l = 0; l < n_lines; l++)
            use_tile(o, l * LINES, c * wide, twi_min(panels - c * wide, wide));
}
