// The vector code of Winograd's convolution for AVX2 and FMA. See winograd.c for what is computed.
//
// Three passes over one block of tiles: pixels into 36 points (v), a matrix product for each point (m), points into pixels
// with bias, addition and activation. Vectors run along the channels, which are next to each other in memory. The functions are
// compiled for AVX2 whatever the rest of the library is compiled for, and called only where twi_winograd_runs_here.

#include "op/winograd.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define VECTOR __attribute__((target("avx2,fma")))
#define INLINE VECTOR static inline __attribute__((always_inline))

bool twi_winograd_runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// --------------------------------------------------------------------------------------------------------- transforms

// One column of BᵀdB (winograd.c has the matrices): six numbers of the picture into six points.
INLINE void points_of(const __m256 d[6], __m256 p[6])
{
    const __m256 four = _mm256_set1_ps(4), five = _mm256_set1_ps(5), two = _mm256_set1_ps(2);
    __m256 even = _mm256_fnmadd_ps(four, d[2], d[4]), odd = _mm256_fnmadd_ps(four, d[1], d[3]);
    __m256 far = _mm256_sub_ps(d[4], d[2]), near = _mm256_mul_ps(two, _mm256_sub_ps(d[3], d[1]));
    p[0] = _mm256_fmadd_ps(four, d[0], _mm256_fnmadd_ps(five, d[2], d[4]));
    p[1] = _mm256_add_ps(even, odd);
    p[2] = _mm256_sub_ps(even, odd);
    p[3] = _mm256_add_ps(far, near);
    p[4] = _mm256_sub_ps(far, near);
    p[5] = _mm256_fmadd_ps(four, d[1], _mm256_fnmadd_ps(five, d[3], d[5]));
}

// One column of AᵀmA: six points into four pixels.
INLINE void pixels_of(const __m256 p[6], __m256 y[4])
{
    __m256 a = _mm256_add_ps(p[1], p[2]), b = _mm256_sub_ps(p[1], p[2]);
    __m256 c = _mm256_add_ps(p[3], p[4]), d = _mm256_sub_ps(p[3], p[4]);
    y[0] = _mm256_add_ps(_mm256_add_ps(p[0], a), c);
    y[1] = _mm256_fmadd_ps(_mm256_set1_ps(2), d, b);
    y[2] = _mm256_fmadd_ps(_mm256_set1_ps(4), c, a);
    y[3] = _mm256_add_ps(_mm256_fmadd_ps(_mm256_set1_ps(8), d, b), p[5]);
}

typedef struct tile {
    int64_t picture, y, x; // of its first result
} tile;

static tile tile_at(const twi_winograd *p, int64_t index)
{
    int64_t each = p->tiles_x * p->tiles_y, inside = index % each;
    return (tile){index / each, inside / p->tiles_x * TWI_TILE_OUT, inside % p->tiles_x * TWI_TILE_OUT};
}

// Addresses of the tile's 36 pixels; those outside the picture are read from zeros with a step of 0.
VECTOR static void transform_tile(const twi_winograd *p, const float *x, int64_t index, float *v)
{
    static const float zeros[8];
    tile t = tile_at(p, index);
    const float *at[TWI_TILE_POINTS];
    int64_t step[TWI_TILE_POINTS];
    for (int i = 0; i < TWI_TILE_IN; i++)
        for (int j = 0; j < TWI_TILE_IN; j++) {
            int64_t row = t.y - p->top + i, column = t.x - p->left + j;
            bool is_inside = row >= 0 && row < p->h && column >= 0 && column < p->w;
            at[6 * i + j] = is_inside ? x + ((t.picture * p->h + row) * p->w + column) * p->cin : zeros;
            step[6 * i + j] = is_inside;
        }
    for (int64_t c = 0; c < p->cin; c += 8) {
        __m256 half[TWI_TILE_POINTS]; // [column][point of the column]
        for (int j = 0; j < 6; j++) {
            __m256 d[6];
            for (int i = 0; i < 6; i++)
                d[i] = _mm256_loadu_ps(at[6 * i + j] + c * step[6 * i + j]);
            points_of(d, half + 6 * j);
        }
        for (int i = 0; i < 6; i++) {
            __m256 d[6], point[6];
            for (int j = 0; j < 6; j++)
                d[j] = half[6 * j + i];
            points_of(d, point);
            for (int j = 0; j < 6; j++)
                _mm256_storeu_ps(v + (6 * i + j) * p->in_point + c, point[j]);
        }
    }
}

INLINE __m256 finished(const twi_winograd *p, __m256 y)
{
    if (p->has_slope) // y < 0 ? slope · y : y
        y = _mm256_blendv_ps(y, _mm256_mul_ps(y, _mm256_set1_ps(p->slope)), y);
    if (p->has_clip)
        y = _mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(p->floor)), _mm256_set1_ps(p->ceil));
    return y;
}

VECTOR static void finish_tile(const twi_winograd *p, const twi_winograd_call *call, int64_t index,
                               const float *m)
{
    tile t = tile_at(p, index);
    int64_t rows = p->oh - t.y < TWI_TILE_OUT ? p->oh - t.y : TWI_TILE_OUT,
            columns = p->ow - t.x < TWI_TILE_OUT ? p->ow - t.x : TWI_TILE_OUT;
    int64_t first = ((t.picture * p->oh + t.y) * p->ow + t.x) * p->cout;
    for (int64_t c = 0; c < p->cout; c += 8) {
        __m256 half[6 * TWI_TILE_OUT]; // [column][pixel of the column]
        for (int j = 0; j < 6; j++) {
            __m256 point[6];
            for (int i = 0; i < 6; i++)
                point[i] = _mm256_loadu_ps(m + (6 * i + j) * p->out_point + c);
            pixels_of(point, half + TWI_TILE_OUT * j);
        }
        __m256 bias = call->bias ? _mm256_loadu_ps(call->bias + c) : _mm256_setzero_ps();
        for (int64_t i = 0; i < rows; i++) {
            __m256 point[6], y[TWI_TILE_OUT];
            for (int j = 0; j < 6; j++)
                point[j] = half[TWI_TILE_OUT * j + i];
            pixels_of(point, y);
            int64_t at = first + i * p->ow * p->cout + c;
            for (int64_t j = 0; j < columns; j++, at += p->cout) {
                __m256 value = _mm256_add_ps(y[j], bias);
                if (call->added)
                    value = _mm256_add_ps(value, _mm256_loadu_ps(call->added + at));
                _mm256_storeu_ps(call->y + at, finished(p, value));
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------------ matrix product

enum { DEPTH = 256 }; // channels summed at a time: a panel of the kernel stays in the first cache

// c[6, 8·wide] (+)= a[6, depth] · b[depth, 8·wide], all of it in registers.
INLINE void multiply(int wide, bool adds, int64_t depth, const float *a, int64_t a_row, const float *b,
                     float *c, int64_t c_row)
{
    __m256 sum[TWI_TILE_ROWS][2];
    for (int i = 0; i < TWI_TILE_ROWS; i++)
        for (int j = 0; j < wide; j++)
            sum[i][j] = adds ? _mm256_loadu_ps(c + i * c_row + 8 * j) : _mm256_setzero_ps();
    for (int64_t k = 0; k < depth; k++, b += 8 * wide) {
        __m256 right[2];
        for (int j = 0; j < wide; j++)
            right[j] = _mm256_loadu_ps(b + 8 * j);
        for (int i = 0; i < TWI_TILE_ROWS; i++) {
            __m256 left = _mm256_broadcast_ss(a + i * a_row + k);
            for (int j = 0; j < wide; j++)
                sum[i][j] = _mm256_fmadd_ps(left, right[j], sum[i][j]);
        }
    }
    for (int i = 0; i < TWI_TILE_ROWS; i++)
        for (int j = 0; j < wide; j++)
            _mm256_storeu_ps(c + i * c_row + 8 * j, sum[i][j]);
}

// One panel of the kernel against all tiles of the block.
INLINE void multiply_panel(const twi_winograd *p, int wide, int64_t rows, int64_t k, const float *v,
                           const float *u, float *m)
{
    int64_t depth = p->cin - k < DEPTH ? p->cin - k : DEPTH;
    for (int64_t row = 0; row < rows; row += TWI_TILE_ROWS) {
        const float *a = v + row * p->in_row + k;
        float *c = m + row * p->out_row;
        if (k)
            multiply(wide, true, depth, a, p->in_row, u, c, p->out_row);
        else
            multiply(wide, false, depth, a, p->in_row, u, c, p->out_row);
    }
}

// m[rows, cout] = v[rows, cin] · u[cin, cout] of one point; u lies in panels of 16 columns, the last may have 8.
VECTOR static void multiply_point(const twi_winograd *p, int64_t rows, const float *v, const float *u,
                                  float *m)
{
    for (int64_t k = 0; k < p->cin; k += DEPTH)
        for (int64_t c = 0; c < p->cout; c += TWI_TILE_PANEL) {
            if (p->cout - c >= TWI_TILE_PANEL)
                multiply_panel(p, 2, rows, k, v, u + c * p->cin + k * 16, m + c);
            else
                multiply_panel(p, 1, rows, k, v, u + c * p->cin + k * 8, m + c);
        }
}

void twi_winograd_block(const twi_winograd *p, const twi_winograd_call *call)
{
    int64_t rows = (call->count + TWI_TILE_ROWS - 1) / TWI_TILE_ROWS * TWI_TILE_ROWS;
    for (int64_t i = 0; i < call->count; i++)
        transform_tile(p, call->x, call->first + i, call->v + i * p->in_row);
    for (int64_t i = call->count; i < rows;
         i++) // rows nobody reads, but they must not hold NaN traps or denormals
        for (int point = 0; point < TWI_TILE_POINTS; point++)
            memset(call->v + point * p->in_point + i * p->in_row, 0, (size_t)p->cin * sizeof(float));
    for (int point = 0; point < TWI_TILE_POINTS; point++)
        multiply_point(p, rows, call->v + point * p->in_point, call->u + point * p->cin * p->cout,
                       call->m + point * p->out_point);
    for (int64_t i = 0; i < call->count; i++)
        finish_tile(p, call, call->first + i, call->m + i * p->out_row);
}

#else

bool twi_winograd_runs_here(void)
{
    return false;
}

void twi_winograd_block(const twi_winograd *p, const twi_winograd_call *call)
{
    (void)p, (void)call;
    TWI_BUG("a Winograd kernel was made where none runs");
}

#endif
