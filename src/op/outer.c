// The gradient of a matmul's weights in tiles. See outer.h.
//
// A tile is 6 lines of w and as many columns as let dy's part of them stay in the second-level cache; the tile itself stays in
// the first. Tiles go to threads by columns first: what a thread reads of dy it reads again for all its lines.

#include "op/outer.h"

#include "base/mem.h"
#include "op/row.h"

#include <string.h>

enum {
    LINES = TWI_OUTER_LINES,
    COLUMNS_MAX = 1024,
    CACHED = 32 << 10, // values of dy
    PACKED = 512       // rows of x packed at a time
};

// ----------------------------------------------------------------------------------------------------------------- tiles

// What the vector code leaves over: `lines` lines, columns from `first` on.
static void add_plain(const float *x, const float *dy, int64_t rows, int64_t cout, int lines, int64_t first,
                      int64_t columns, float *g)
{
    for (int l = 0; l < lines; l++)
        for (int64_t r = 0; r < rows; r++) {
            float factor = x[r * LINES + l];
            const float *from = dy + r * cout;
            float *to = g + l * COLUMNS_MAX;
            for (int64_t c = first; c < columns; c++)
                to[c] += factor * from[c];
        }
}

static void fill_tile(const twi_outer_call *o, int64_t line, int lines, int64_t column, int64_t columns,
                      float *g)
{
    float x[PACKED * LINES];
    bool is_fast = lines == LINES && twi_outer_avx2_runs_here();
    int64_t fast = is_fast ? columns / TWI_OUTER_COLUMNS * TWI_OUTER_COLUMNS : 0;
    memset(g, 0, (size_t)LINES * COLUMNS_MAX * sizeof *g);
    for (int64_t first = 0; first < o->rows; first += PACKED) {
        int64_t rows = twi_min(o->rows - first, PACKED);
        const float *dy = o->dy + first * o->cout + column;
        for (int64_t r = 0; r < rows; r++)
            for (int l = 0; l < LINES; l++)
                x[r * LINES + l] = l < lines ? o->x[(first + r) * o->cin + line + l] : 0;
        if (fast)
            twi_outer_avx2(x, dy, rows, o->cout, fast, COLUMNS_MAX, g);
        add_plain(x, dy, rows, o->cout, lines, fast, columns, g);
    }
}

static void use_tile(const twi_outer_call *o, int64_t line, int64_t column, int64_t columns)
{
    _Alignas(64) float g[LINES * COLUMNS_MAX];
    int lines = (int)twi_min(o->cin - line, LINES);
    fill_tile(o, line, lines, column, columns, g);
    for (int l = 0; l < lines; l++)
        o->take(o->self, (line + l) * o->cout + column, columns, g + l * COLUMNS_MAX);
}

// ------------------------------------------------------------------------------------------------------------------- run

void twi_outer_run(const twi_outer_call *o)
{
    int64_t wide = CACHED / o->rows / TWI_OUTER_COLUMNS * TWI_OUTER_COLUMNS;
    wide = twi_min(twi_max(wide, 4 * TWI_OUTER_COLUMNS), COLUMNS_MAX);
    if (o->bias)
        twi_sum_rows(o->dy, o->rows, o->cout, o->bias);
    int64_t n_columns = (o->cout + wide - 1) / wide, n_lines = (o->cin + LINES - 1) / LINES;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t c = 0; c < n_columns; c++)
        for (int64_t l = 0; l < n_lines; l++)
            use_tile(o, l * LINES, c * wide, twi_min(o->cout - c * wide, wide));
}
