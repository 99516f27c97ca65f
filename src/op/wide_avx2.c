// Six lines of wide.c for AVX2 and FMA.

#include "op/wide.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

enum { LINES = TWI_WIDE_LINES };

bool twi_wide_avx2_runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// Two rows at a time: each number of w is loaded once for both.
__attribute__((target("avx2,fma"))) static inline __attribute__((always_inline)) void
add_rows(int rows, const float *x, int64_t cin, const float *w, int64_t columns, int64_t pitch, float *y)
{
    __m256 factor[2][LINES];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
        for (int l = 0; l < LINES; l++)
            factor[r][l] = _mm256_broadcast_ss(x + r * cin + l);
    for (int64_t c = 0; c < columns; c += 8) {
        __m256 sum[2], line = _mm256_load_ps(w + c);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
            sum[r] = _mm256_mul_ps(factor[r][0], line);
#pragma GCC unroll 6
        for (int l = 1; l < LINES; l++) {
            line = _mm256_load_ps(w + l * pitch + c);
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++)
                sum[r] = _mm256_fmadd_ps(factor[r][l], line, sum[r]);
        }
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
            _mm256_store_ps(y + r * pitch + c, _mm256_add_ps(_mm256_load_ps(y + r * pitch + c), sum[r]));
    }
}

__attribute__((target("avx2,fma"))) void twi_wide_avx2(const float *x, int64_t cin, const float *w,
                                                       int64_t rows, int64_t columns, int64_t pitch, float *y)
{
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2)
        add_rows(2, x + r * cin, cin, w, columns, pitch, y + r * pitch);
    if (r < rows)
        add_rows(1, x + r * cin, cin, w, columns, pitch, y + r * pitch);
}

#else

bool twi_wide_avx2_runs_here(void)
{
    return false;
}

void twi_wide_avx2(const float *x, int64_t cin, const float *w, int64_t rows, int64_t columns, int64_t pitch,
                   float *y)
{
    (void)x, (void)cin, (void)w, (void)rows, (void)columns, (void)pitch, (void)y;
}

#endif
