// The block of outer.c for AVX2 and FMA: 6 lines and 16 columns in twelve registers, summed over the rows.

#include "op/outer.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

enum { LINES = TWI_OUTER_LINES, COLUMNS = TWI_OUTER_COLUMNS };

bool twi_outer_avx2_runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

__attribute__((target("avx2,fma"))) void twi_outer_avx2(const float *x, const float *dy, int64_t rows,
                                                        int64_t pitch, float *g)
{
    __m256 sum[LINES][2];
#pragma GCC unroll 6
    for (int l = 0; l < LINES; l++) {
        sum[l][0] = _mm256_load_ps(g + l * pitch);
        sum[l][1] = _mm256_load_ps(g + l * pitch + 8);
    }
    for (int64_t r = 0; r < rows; r++) {
        __m256 low = _mm256_load_ps(dy + r * COLUMNS), high = _mm256_load_ps(dy + r * COLUMNS + 8);
#pragma GCC unroll 6
        for (int l = 0; l < LINES; l++) {
            __m256 factor = _mm256_broadcast_ss(x + r * LINES + l);
            sum[l][0] = _mm256_fmadd_ps(factor, low, sum[l][0]);
            sum[l][1] = _mm256_fmadd_ps(factor, high, sum[l][1]);
        }
    }
#pragma GCC unroll 6
    for (int l = 0; l < LINES; l++) {
        _mm256_store_ps(g + l * pitch, sum[l][0]);
        _mm256_store_ps(g + l * pitch + 8, sum[l][1]);
    }
}

#else

bool twi_outer_avx2_runs_here(void)
{
    return false;
}

void twi_outer_avx2(const float *x, const float *dy, int64_t rows, int64_t pitch, float *g)
{
    (void)x, (void)dy, (void)rows, (void)pitch, (void)g;
}

#endif
