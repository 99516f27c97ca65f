// Resizing a JPEG's planes: brightness and colour each from its own grid, RGB only at the size of the result.
//
//   Y, Cb, Cr → each summed by its taps → R = Y + 1.402 Cr, G = Y − 0.344136 Cb − 0.714136 Cr, B = Y + 1.772 Cb → 0…255 → values
//
// The filter is tf-antialias. Resizing and conversion are linear and may change places: what the JPEG library would do for every
// pixel of the photo (interpolate colour, convert, write) is done for those of the result. Nothing is rounded to 8 bits or cut at
// 0 and 255 between, so results differ by a fraction of a level from those of the same photo read as RGB.
//
// Eight rows at a time: rows are summed along memory, then stood upright, so that a vector holds one column of the eight and
// columns are summed as rows were.
// Source   JFIF 1.02; libjpeg's jdcolor.c.

#include "data/resize.h"

#include "base/vector.h"
#include "data/taps.h"

#include <string.h>

enum { ROWS = 8, PLANES = 3 };

typedef float float4 __attribute__((vector_size(16)));
typedef float loose4 __attribute__((vector_size(16), aligned(4), may_alias)); // at any float
typedef float float8 __attribute__((vector_size(32)));
typedef float loose8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t int8 __attribute__((vector_size(32)));

typedef struct grid { // of a plane, or of two that are alike
    twi_taps x, y;
    int64_t left, wide; // the samples that x needs
    int32_t most;       // taps that an output has
} grid;

typedef struct layout {
    twi_taps fine_x, fine_y; // of the whole picture's pixels
    grid luma, chroma;
    float *rows;            // [ROWS, stride]
    float *columns[PLANES]; // [wide, ROWS], and columns behind them that taps without weight read
    int64_t stride;
    size_t bytes; // of everything
} layout;

// ------------------------------------------------------------------------------------------------------------ scratch

static size_t place_floats(float **at, size_t n, char *base, size_t offset)
{
    *at = base ? (float *)(base + offset) : NULL;
    return (offset + n * sizeof **at + TWI_ALIGN - 1) & ~(size_t)(TWI_ALIGN - 1);
}

static layout lay_out(const twi_resample *r, char *base)
{
    layout l = {.stride = (r->picture->plane[0].width + 7) / 8 * 8};
    int64_t most_x = twi_taps_most(r->filter, r->wide, r->out_width);
    int64_t most_y = twi_taps_most(r->filter, r->high, r->out_height);
    l.fine_x.most = l.luma.x.most = most_x, l.fine_y.most = l.luma.y.most = most_y;
    l.chroma.x.most = most_x + 3, l.chroma.y.most = most_y + 3;
    twi_taps *across[] = {&l.fine_x, &l.chroma.x}, *down[] = {&l.fine_y, &l.chroma.y};
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        at = twi_taps_place(across[i], r->out_width, base, at);
        at = twi_taps_place(down[i], r->out_height, base, at);
    }
    at = place_floats(&l.rows, (size_t)l.stride * ROWS, base, at);
    for (int i = 0; i < PLANES; i++)
        at = place_floats(&l.columns[i], (size_t)(l.stride + l.chroma.x.most) * ROWS, base, at);
    l.bytes = at;
    return l;
}

size_t twi_resample_planes_scratch(const twi_resample *r)
{
    return lay_out(r, NULL).bytes;
}

static void find_grid(const twi_resample *r, const layout *l, const twi_plane *plane, grid *g)
{
    if (plane->is_half_wide)
        twi_taps_halved(&l->fine_x, r->out_width, plane->width, &g->x);
    else
        g->x = l->fine_x;
    if (plane->is_half_high)
        twi_taps_halved(&l->fine_y, r->out_height, plane->height, &g->y);
    else
        g->y = l->fine_y;
    int64_t last = r->out_width - 1;
    g->left = g->x.first[0];
    g->wide = g->x.first[last] + g->x.n[last] - g->left;
    for (int64_t x = 0; x < r->out_width; x++)
        g->most = g->x.n[x] > g->most ? g->x.n[x] : g->most;
}

// ------------------------------------------------------------------------------------------------------------ summing

// Four vectors become their transpose.
static inline void transpose4(float4 v[4])
{
    float4 a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5),
           b = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
    float4 c = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7),
           d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// columns[i][row] = rows[row][i]
TWI_VECTOR static void stand_up(const float *rows, int64_t stride, int64_t n, float *columns)
{
    for (int64_t i = 0; i < n; i += 4)
        for (int half = 0; half < ROWS; half += 4) {
            float4 v[4];
            for (int row = 0; row < 4; row++)
                v[row] = *(const loose4 *)(rows + (half + row) * stride + i);
            transpose4(v);
            for (int j = 0; j < 4; j++)
                *(loose4 *)(columns + (i + j) * ROWS + half) = v[j];
        }
}

// The rows from `top` on of the result's height, at the plane's own width.
static void sum_plane(const twi_resample *r, const layout *l, const grid *g, const twi_plane *plane,
                      int64_t top, float *columns)
{
    for (int row = 0; row < ROWS; row++) {
        int64_t y = top + row < r->out_height ? top + row : r->out_height - 1;
        const uint8_t *from = plane->at + g->y.first[y] * plane->stride + g->left;
        twi_resample_rows(from, plane->stride, g->y.at.f32 + y * g->y.most, g->y.n[y], g->wide,
                          l->rows + row * l->stride);
    }
    stand_up(l->rows, l->stride, g->wide, columns);
    memset(columns + g->wide * ROWS, 0, (size_t)g->most * ROWS * sizeof *columns);
}

static inline void sum_column(const grid *g, int64_t x, const float *columns, float8 *sum)
{
    const float *weight = g->x.at.f32 + x * g->x.most, *at = columns + (g->x.first[x] - g->left) * ROWS;
    *sum = (float8){0};
    for (int32_t k = 0; k < g->most; k++)
        *sum += weight[k] * *(const loose8 *)(at + k * ROWS);
}

// ------------------------------------------------------------------------------------------------------------ colours

// y, cb, cr (128: none) → red, green, blue.
static inline void colour(float8 v[3])
{
    float8 y = v[0], cb = v[1] - 128, cr = v[2] - 128;
    v[0] = y + 1.402f * cr;
    v[1] = y - 0.344136286f * cb - 0.714136286f * cr;
    v[2] = y + 1.772f * cb;
    for (int c = 0; c < 3; c++) {
        v[c] = (float8)((int8)v[c] & (v[c] > 0));
        int8 is_over = v[c] > 255;
        v[c] = (float8)(((int8)v[c] & ~is_over) | ((int8)((float8){0} + 255) & is_over));
    }
}

static inline void to_values(const twi_pixels *p, float8 v[3])
{
    for (int c = 0; c < 3; c++) {
        if (p->divides)
            v[c] /= p->divide[c];
        v[c] -= p->minus[c];
        if (p->divides_again)
            v[c] /= p->over[c];
    }
    if (p->is_bgr) {
        float8 red = v[0];
        v[0] = v[2], v[2] = red;
    }
}

// A column of the result. A fourth float is written behind each pixel, except behind a row's last.
static inline void store_column(const float8 v[3], int64_t rows, bool is_last, float *dst, int64_t stride)
{
    float at[3][ROWS];
    memcpy(at, v, sizeof at);
    if (is_last)
        for (int64_t row = 0; row < rows; row++)
            for (int c = 0; c < 3; c++)
                dst[row * stride + c] = at[c][row];
    else
        for (int64_t half = 0; half < ROWS; half += 4) {
            float4 pixel[4] = {*(loose4 *)(at[0] + half), *(loose4 *)(at[1] + half),
                               *(loose4 *)(at[2] + half)};
            transpose4(pixel);
            for (int64_t row = half; row < half + 4 && row < rows; row++)
                *(loose4 *)(dst + row * stride) = pixel[row - half];
        }
}

TWI_VECTOR static void put_columns(const twi_resample *r, const layout *l, const twi_pixels *pixels,
                                   int64_t rows, float *dst, int64_t stride)
{
    for (int64_t x = 0; x < r->out_width; x++) {
        float8 v[PLANES];
        sum_column(&l->luma, x, l->columns[0], &v[0]);
        if (r->picture->planes == PLANES) {
            sum_column(&l->chroma, x, l->columns[1], &v[1]);
            sum_column(&l->chroma, x, l->columns[2], &v[2]);
            colour(v);
        } else {
            v[1] = v[2] = v[0];
        }
        to_values(pixels, v);
        store_column(v, rows, x + 1 == r->out_width, dst + 3 * x, stride);
    }
}

void twi_resample_planes_run(const twi_resample *r, const twi_pixels *pixels, void *scratch, float *dst,
                             int64_t stride)
{
    layout l = lay_out(r, scratch);
    twi_taps_antialias(&l.fine_x, r->left, r->wide, r->out_width);
    twi_taps_antialias(&l.fine_y, r->top, r->high, r->out_height);
    find_grid(r, &l, &r->picture->plane[0], &l.luma);
    find_grid(r, &l, &r->picture->plane[1], &l.chroma);
    for (int64_t top = 0; top < r->out_height; top += ROWS) {
        for (int i = 0; i < r->picture->planes; i++)
            sum_plane(r, &l, i ? &l.chroma : &l.luma, &r->picture->plane[i], top, l.columns[i]);
        int64_t rows = r->out_height - top < ROWS ? r->out_height - top : ROWS;
        put_columns(r, &l, pixels, rows, dst + top * stride, stride);
    }
}
