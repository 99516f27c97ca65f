// The own batch_norm of training. See batch_norm_train.h; the formulas stand in op_batch_norm.c.
//
// Forward   two passes: statistics; normalization and activation.
// Backward  two passes over x and dL/dy: sums; gradient. What went into the activation is computed again from x, with the same
//           rounding as forward, so it need not be kept. Behind a silu the first pass leaves dL/dz for the second one.
//
// Rows are cut into chunks that depend on the shape only, and what a chunk gives is joined in order, in double: any number of
// threads gives the same bits.
// Statistics: of four rows at a time the mean and the squares about it are taken in registers and joined to those before
// (Chan's formula), all counted from the chunk's first row. So a mean far larger than the deviation costs no digits.
// Source    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

#include "op/batch_norm_train.h"

#include "base/vector.h"
#include "op/row.h"
#include "op/silu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { X, GAMMA, BETA, MEAN, VARIANCE };
enum { ROWS = 4, CHUNK_MIN = 32, CHUNK_MAX = 512, CHUNKS = 32, PARALLEL = 1 << 15 };

// Rows of a chunk: enough chunks for the threads of any processor, and not so many that joining them counts.
static int64_t chunk_rows(int64_t rows)
{
    int64_t wanted = (rows / CHUNKS + ROWS - 1) / ROWS * ROWS;
    return twi_max(CHUNK_MIN, twi_min(CHUNK_MAX, wanted));
}

// One run. Vectors have one number a channel.
typedef struct work {
    int64_t rows, c, chunk, chunks;
    twi_activation_params activation;
    const float *x, *dy;
    float *y, *dx;
    float *sums;                   // [chunks][2][c] of each chunk
    float *mean, *factor, *offset; // z = (x − mean) · factor + offset
    float *steady, *along;         // dL/dx = dL/dz · factor − steady − (x − mean) · along
} work;

enum { VECTORS = 5 };

static work open_work(const twi_kernel *kernel, const twi_kernel_args *args)
{
    const twi_kernel_request *r = &kernel->request;
    const twi_batch_norm_params *p = kernel->params;
    work w = {.rows = twi_rows(&r->in[X]),
              .c = twi_shape_last(&r->in[X]),
              .activation = p->activation,
              .x = args->in[X],
              .mean = args->scratch};
    w.chunk = chunk_rows(w.rows);
    w.chunks = (w.rows + w.chunk - 1) / w.chunk;
    w.factor = w.mean + w.c;
    w.offset = w.factor + w.c;
    w.steady = w.offset + w.c;
    w.along = w.steady + w.c;
    w.sums = w.along + w.c;
    return w;
}

// -------------------------------------------------------------------------------------------------------- the activations

#define INLINE static inline __attribute__((always_inline))

typedef union bits {
    float number;
    uint32_t bits;
} bits;

// What a pass is compiled for.
typedef struct how {
    twi_activation function;
    bool is_fused;
} how;

// a · b + c, in one step where `fused` (on processors that have one).
INLINE float add_product(bool fused, float a, float b, float c)
{
    return fused ? __builtin_fmaf(a, b, c) : a * b + c;
}

// e^z as in silu_avx2.c. z is kept within ±87 as an integer: of a comparison of floats the compiler makes branches, of which
// vectors take both.
INLINE float exponential(bool fused, float z)
{
    const float to_integer =
        12582912; // 1.5 · 2²³: what is added to it is rounded to an integer in its last bits
    const bits most = {.number = 87};
    bits near = {.number = z}, n, power;
    uint32_t size = near.bits & 0x7fffffff, sign = near.bits ^ size;
    near.bits = (size < most.bits ? size : most.bits) | sign;
    n.number = add_product(fused, near.number, 1.44269504f, to_integer);
    float k = n.number - to_integer, r = add_product(fused, k, -0.693359375f, near.number);
    r = add_product(fused, k, 2.12194440e-4f, r);
    float r2 = r * r; // pairs, so that few steps wait for each other
    float p = add_product(fused, 1.9875691500e-4f, r, 1.3981999507e-3f);
    p = add_product(fused, p, r2, add_product(fused, 8.3334519073e-3f, r, 4.1665795894e-2f));
    p = add_product(fused, p, r2, add_product(fused, 1.6666665459e-1f, r, 5.0000001201e-1f));
    power.bits = (n.bits + 127) << 23;
    return add_product(fused, p, r2, r + 1) * power.number;
}

INLINE float clip(float z, float low, float high)
{
    z = z > high ? high : z;
    return z < low ? low : z;
}

INLINE float value(how f, float z, float alpha, float beta)
{
    switch (f.function) {
    case TWI_RELU:
        return z > 0 ? (z < alpha ? z : alpha) : beta * z;
    case TWI_SILU:
        return z / (1 + exponential(f.is_fused, -z));
    case TWI_HARD_SILU:
        return z * (clip(z + 3, 0, 6) * (1.0f / 6));
    default:
        return z;
    }
}

INLINE float slope(how f, float z, float alpha, float beta)
{
    float s;
    switch (f.function) {
    case TWI_RELU:
        s = z < alpha ? 1 : 0;
        return z > 0 ? s : beta;
    case TWI_SILU:
        s = 1 / (1 + exponential(f.is_fused, -z));
        return s * (1 + z * (1 - s));
    case TWI_HARD_SILU:
        s = z > 3 ? 1 : (2 * z + 3) * (1.0f / 6);
        return z > -3 ? s : 0;
    default:
        return 1;
    }
}

bool twi_batch_norm_joins(const twi_activation_params *a)
{
    return a->function == TWI_LINEAR || a->function == TWI_SILU || a->function == TWI_HARD_SILU ||
           (a->function == TWI_RELU && a->threshold == 0);
}

// ---------------------------------------------------------------------------------------------------------------- passes
//
// Each over the rows [first, end) of one chunk, some rows at a time.

// Mean (less the first row) and sum of squares about it.
TWI_VECTOR static void take_statistics(const work *w, int64_t chunk)
{
    const int64_t c = w->c, first = chunk * w->chunk, end = twi_min(w->rows, first + w->chunk);
    const float *start = w->x + first * c;
    float *mean = w->sums + 2 * chunk * c, *squares = mean + c;
    memset(mean, 0, 2 * (size_t)c * sizeof *mean);
    int64_t r = first;
    for (; r + ROWS <= end; r += ROWS) {
        const float *x = w->x + r * c;
        float before = (float)(r - first), part = ROWS / (before + ROWS), weight = before * part;
#pragma omp simd
        for (int64_t i = 0; i < c; i++) {
            float s = start[i], a = x[i] - s, b = x[i + c] - s, d = x[i + 2 * c] - s, e = x[i + 3 * c] - s;
            float m = ((a + b) + (d + e)) * (1.0f / ROWS), away = m - mean[i];
            a -= m, b -= m, d -= m, e -= m;
            mean[i] += away * part;
            squares[i] += ((a * a + b * b) + (d * d + e * e)) + away * away * weight;
        }
    }
    for (; r < end; r++) {
        const float *x = w->x + r * c;
        float before = (float)(r - first), part = 1 / (before + 1), weight = before * part;
#pragma omp simd
        for (int64_t i = 0; i < c; i++) {
            float away = (x[i] - start[i]) - mean[i];
            mean[i] += away * part;
            squares[i] += away * away * weight;
        }
    }
}

INLINE void normalize(how f, const work *w, int64_t chunk)
{
    const int64_t c = w->c, first = chunk * w->chunk, end = twi_min(w->rows, first + w->chunk);
    const float *mean = w->mean, *factor = w->factor, *offset = w->offset;
    const float alpha = (float)w->activation.alpha, beta = (float)w->activation.beta;
    for (int64_t r = first; r < end; r++) {
        const float *x = w->x + r * c;
        float *y = w->y + r * c;
#pragma omp simd
        for (int64_t i = 0; i < c; i++)
            y[i] = value(f, (x[i] - mean[i]) * factor[i] + offset[i], alpha, beta);
    }
}

// Σ dL/dz and Σ dL/dz · (x − mean). keeps: dL/dz is left in dx.
INLINE void take_sums(how f, bool keeps, const work *w, int64_t chunk)
{
    const int64_t c = w->c, first = chunk * w->chunk, end = twi_min(w->rows, first + w->chunk);
    const float *mean = w->mean, *factor = w->factor, *offset = w->offset;
    const float alpha = (float)w->activation.alpha, beta = (float)w->activation.beta;
    float *sum = w->sums + 2 * chunk * c, *along = sum + c, *dx = w->dx;
    memset(sum, 0, 2 * (size_t)c * sizeof *sum);
    int64_t r = first;
    for (; r + ROWS <= end; r += ROWS) {
        const float *x = w->x + r * c, *dy = w->dy + r * c;
#pragma omp simd
        for (int64_t i = 0; i < c; i++) {
            float g[ROWS], d[ROWS];
#pragma GCC unroll 4
            for (int k = 0; k < ROWS; k++) {
                d[k] = x[i + k * c] - mean[i];
                g[k] = dy[i + k * c] * slope(f, d[k] * factor[i] + offset[i], alpha, beta);
                if (keeps)
                    dx[(r + k) * c + i] = g[k];
            }
            sum[i] += (g[0] + g[1]) + (g[2] + g[3]);
            along[i] += (g[0] * d[0] + g[1] * d[1]) + (g[2] * d[2] + g[3] * d[3]);
        }
    }
    for (; r < end; r++) {
        const float *x = w->x + r * c, *dy = w->dy + r * c;
#pragma omp simd
        for (int64_t i = 0; i < c; i++) {
            float d = x[i] - mean[i], g = dy[i] * slope(f, d * factor[i] + offset[i], alpha, beta);
            sum[i] += g;
            along[i] += g * d;
            if (keeps)
                dx[r * c + i] = g;
        }
    }
}

INLINE void take_gradient(how f, const work *w, int64_t chunk)
{
    const int64_t c = w->c, first = chunk * w->chunk, end = twi_min(w->rows, first + w->chunk);
    const float *mean = w->mean, *factor = w->factor, *offset = w->offset, *steady = w->steady,
                *along = w->along;
    const float alpha = (float)w->activation.alpha, beta = (float)w->activation.beta;
    for (int64_t r = first; r < end; r++) {
        const float *x = w->x + r * c, *dy = w->dy + r * c;
        float *dx = w->dx + r * c;
#pragma omp simd
        for (int64_t i = 0; i < c; i++) {
            float d = x[i] - mean[i], g = dy[i] * slope(f, d * factor[i] + offset[i], alpha, beta);
            dx[i] = g * factor[i] - steady[i] - d * along[i];
        }
    }
}

typedef void pass(const work *w, int64_t chunk);
typedef struct passes {
    pass *normalize, *take_sums, *take_gradient;
    pass *
        keep_sums; // or NULL: computing dL/dz again costs less than keeping it; then take_gradient reads what was kept
} passes;

#define PASS(where, name, ...)                           \
    where static void name(const work *w, int64_t chunk) \
    {                                                    \
        __VA_ARGS__;                                     \
    }
#define PASSES(name, f)                                                         \
    PASS(TWI_VECTOR, normalize_##name, normalize((how){f, false}, w, chunk))    \
    PASS(TWI_VECTOR, sums_##name, take_sums((how){f, false}, false, w, chunk))  \
    PASS(TWI_VECTOR, gradient_##name, take_gradient((how){f, false}, w, chunk)) \
    static const passes passes_##name = {normalize_##name, sums_##name, gradient_##name, NULL};
#define SILU_PASSES(where, name, is_fused)                                          \
    PASS(where, normalize_##name, normalize((how){TWI_SILU, is_fused}, w, chunk))   \
    PASS(where, sums_##name, take_sums((how){TWI_SILU, is_fused}, false, w, chunk)) \
    PASS(where, kept_##name, take_sums((how){TWI_SILU, is_fused}, true, w, chunk))  \
    static const passes passes_##name = {normalize_##name, sums_##name, gradient_linear, kept_##name};

PASSES(linear, TWI_LINEAR)
PASSES(relu, TWI_RELU)
PASSES(hard_silu, TWI_HARD_SILU)
SILU_PASSES(TWI_VECTOR, silu, false)
#if defined(__x86_64__) && defined(__GNUC__)
SILU_PASSES(__attribute__((target("avx2,fma"))), silu_fused, true)
#else
#define passes_silu_fused passes_silu
#endif

static const passes *passes_of(twi_activation f)
{
    switch (f) {
    case TWI_RELU:
        return &passes_relu;
    case TWI_HARD_SILU:
        return &passes_hard_silu;
    case TWI_SILU:
        return twi_silu_runs_here() ? &passes_silu_fused : &passes_silu;
    default:
        return &passes_linear;
    }
}

// The second pass goes backwards, so that it meets first what the first one left in the cache.
static void each_chunk(const work *w, pass *run, bool is_second)
{
#pragma omp parallel for schedule(static) if (w->rows * w->c > PARALLEL)
    for (int64_t i = 0; i < w->chunks; i++)
        run(w, is_second ? w->chunks - 1 - i : i);
}

// --------------------------------------------------------------------------------------------------------------- forward

// Mean and variance of n channels from `at`, of all chunks.
TWI_VECTOR static void join_statistics(const work *w, int64_t at, int64_t n, double *mean, double *variance)
{
    for (int64_t i = 0; i < n; i++)
        mean[i] = variance[i] = 0;
    for (int64_t k = 0; k < w->chunks; k++) {
        int64_t first = k * w->chunk, rows = twi_min(w->rows - first, w->chunk);
        const float *start = w->x + first * w->c + at, *part = w->sums + 2 * k * w->c + at;
        double share = (double)rows / (double)(first + rows);
        for (int64_t i = 0; i < n; i++) {
            double away = (double)start[i] + (double)part[i] - mean[i];
            mean[i] += away * share;
            variance[i] += (double)part[i + w->c] + away * away * share * (double)first;
        }
    }
    for (int64_t i = 0; i < n; i++)
        variance[i] /= (double)w->rows;
}

// The rounded statistics are what backward will read: both sides compute the same z.
static void set_vectors(const work *w, const twi_kernel *kernel, const twi_kernel_args *args,
                        const float *mean, const float *variance)
{
    const twi_batch_norm_params *p = kernel->params;
    const float *gamma = args->in[GAMMA], *beta = args->in[BETA];
    for (int64_t i = 0; i < w->c; i++) {
        w->mean[i] = mean[i];
        w->factor[i] = (float)((gamma ? (double)gamma[i] : 1) / sqrt((double)variance[i] + p->epsilon));
        w->offset[i] = beta ? beta[i] : 0;
    }
}

static tw_status forward(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_batch_norm_params *p = kernel->params;
    float *moving_mean = (float *)args->in[MEAN], *moving_variance = (float *)args->in[VARIANCE],
          *batch_mean = args->out[1], *batch_variance = args->out[2];
    work w = open_work(kernel, args);
    w.y = args->out[0];
    each_chunk(&w, take_statistics, false);
    for (int64_t at = 0; at < w.c; at += TWI_BLOCK) {
        double mean[TWI_BLOCK], variance[TWI_BLOCK];
        int64_t n = twi_min(TWI_BLOCK, w.c - at);
        join_statistics(&w, at, n, mean, variance);
        for (int64_t k = 0; k < n; k++) {
            int64_t i = at + k;
            batch_mean[i] = (float)mean[k];
            batch_variance[i] = (float)variance[k];
            moving_mean[i] = (float)(moving_mean[i] * p->momentum + mean[k] * (1 - p->momentum));
            moving_variance[i] = (float)(moving_variance[i] * p->momentum + variance[k] * (1 - p->momentum));
        }
    }
    set_vectors(&w, kernel, args, batch_mean, batch_variance);
    each_chunk(&w, passes_of(p->activation.function)->normalize, true);
    return TW_OK;
}

// -------------------------------------------------------------------------------------------------------------- backward

TWI_VECTOR static void join_sums(const work *w, int64_t at, int64_t n, double *sum, double *along)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] = along[i] = 0;
    for (int64_t k = 0; k < w->chunks; k++) {
        const float *part = w->sums + 2 * k * w->c + at;
        for (int64_t i = 0; i < n; i++) {
            sum[i] += (double)part[i];
            along[i] += (double)part[i + w->c];
        }
    }
}

static tw_status backward(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_batch_norm_params *p = kernel->params;
    const float *gamma = args->in[GAMMA], *variance = args->out[2];
    float *to_gamma = args->grad_in[GAMMA], *to_beta = args->grad_in[BETA];
    work w = open_work(kernel, args);
    const passes *run = passes_of(p->activation.function);
    w.dy = args->grad_out;
    w.dx = args->grad_in[X];
    set_vectors(&w, kernel, args, args->out[1], variance);
    bool keeps = run->keep_sums && w.dx;
    each_chunk(&w, keeps ? run->keep_sums : run->take_sums, false);
    for (int64_t at = 0; at < w.c; at += TWI_BLOCK) {
        double sum[TWI_BLOCK], along[TWI_BLOCK];
        int64_t n = twi_min(TWI_BLOCK, w.c - at);
        join_sums(&w, at, n, sum, along);
        for (int64_t k = 0; k < n; k++) {
            int64_t i = at + k;
            double scale = 1 / sqrt((double)variance[i] + p->epsilon);
            double share = scale * (gamma ? (double)gamma[i] : 1) / (double)w.rows;
            if (to_gamma)
                to_gamma[i] = (float)(along[k] * scale);
            if (to_beta)
                to_beta[i] = (float)sum[k];
            w.steady[i] = (float)(share * sum[k]);
            w.along[i] = (float)(share * along[k] * scale * scale);
        }
    }
    if (keeps)
        w.dy = w.dx;
    if (w.dx)
        each_chunk(&w, run->take_gradient, true);
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------------------- the row

twi_kernel *twi_batch_norm_train(const twi_kernel_request *r, tw_err *err)
{
    const twi_batch_norm_params *p = r->params;
    if (!p->is_training || r->algorithm != TWI_DIRECT || r->dtype != TWI_F32 || r->n_fusion ||
        r->grads_wanted >> MEAN || !twi_batch_norm_joins(&p->activation))
        return NULL;
    twi_kernel *kernel = twi_new(1, sizeof *kernel, "a kernel", err);
    if (!kernel)
        return NULL;
    int64_t rows = twi_rows(&r->in[X]), chunk = chunk_rows(rows), chunks = (rows + chunk - 1) / chunk;
    size_t vectors = VECTORS + 2 * (size_t)chunks;
    *kernel = (twi_kernel){.run = r->direction == TWI_FORWARD ? forward : backward,
                           .scratch_bytes = vectors * (size_t)twi_shape_last(&r->in[X]) * sizeof(float)};
    snprintf(kernel->impl, sizeof kernel->impl, "two passes");
    return kernel;
}
