// The own matmul of wide weights. See wide.h.
//
// Columns are cut into strips, whose results of all rows stay in the second-level cache. Six lines of w at a time are copied
// side by side (lines a power of two apart would push each other out of the first-level cache) and used for all rows.
// Rounding: sums of six, added up in order.

#include "op/wide.h"

#include "op/row.h"

#include <omp.h>
#include <string.h>

enum {
    LINES = TWI_WIDE_LINES,
    ROWS_MAX = 64,
    STRIP = 512,        // columns
    WIDE = 1 << 20,     // values from which on w is in no cache
    COLUMNS_MIN = 2 * 8 // less is not worth its strips
};

bool twi_wide_takes(const twi_kernel_request *r)
{
    for (int i = 0; i < r->n_fusion; i++)
        if (r->fusion[i].what != TWI_FUSE_ACTIVATION)
            return false;
    return r->direction == TWI_FORWARD && r->algorithm == TWI_DIRECT && r->dtype == TWI_F32 &&
           !r->is_constant[1] && twi_rows(&r->in[0]) <= ROWS_MAX && r->in[1].dim[1] >= COLUMNS_MIN &&
           twi_shape_count(&r->in[1]) >= WIDE && twi_wide_avx2_runs_here();
}

typedef struct strip {
    const float *x, *w; // w at the strip's first column
    int64_t rows, cin, cout, columns;
} strip;

static void add_plain(const strip *s, int64_t line, int64_t lines, int64_t first, float *y)
{
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t l = line; l < line + lines; l++)
            for (int64_t c = first; c < s->columns; c++)
                y[r * STRIP + c] += s->x[r * s->cin + l] * s->w[l * s->cout + c];
}

static void multiply(const strip *s, float *y)
{
    _Alignas(64) float w[LINES * STRIP];
    int64_t vector = s->columns / 8 * 8, line = 0;
    for (; line + LINES <= s->cin; line += LINES) {
        for (int l = 0; l < LINES; l++)
            memcpy(w + l * STRIP, s->w + (line + l) * s->cout, (size_t)vector * sizeof *w);
        twi_wide_avx2(s->x + line, s->cin, w, s->rows, vector, STRIP, y);
        if (vector < s->columns)
            add_plain(s, line, LINES, vector, y);
    }
    add_plain(s, line, s->cin - line, 0, y);
}

static void run_strip(const strip *s, const twi_kernel_request *request, const float *bias, float *out)
{
    _Alignas(64) float y[ROWS_MAX * STRIP];
    memset(y, 0, (size_t)(s->rows * STRIP) * sizeof *y);
    multiply(s, y);
    for (int64_t r = 0; r < s->rows; r++) {
        for (int64_t c = 0; c < s->columns; c++)
            out[r * s->cout + c] = y[r * STRIP + c] + (bias ? bias[c] : 0);
        for (int i = 0; i < request->n_fusion; i++) {
            const twi_fusion *f = &request->fusion[i];
            twi_activation_params p = {(twi_activation)f->activation, f->alpha, f->beta, 0};
            twi_activation_run(&p, out + r * s->cout, out + r * s->cout, s->columns);
        }
    }
}

static tw_status wide_run(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_kernel_request *r = &kernel->request;
    int64_t cin = r->in[1].dim[0], cout = r->in[1].dim[1], rows = twi_rows(&r->in[0]),
            threads = omp_get_max_threads();
    const float *x = args->in[0], *w = args->in[1],
                *bias = r->n_in > 2 && !r->is_absent[2] ? args->in[2] : NULL;
    int64_t share = (cout + threads - 1) / threads, wide = twi_min(STRIP, (share + 7) / 8 * 8);
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < cout; at += wide) {
        strip s = {x, w + at, rows, cin, cout, twi_min(wide, cout - at)};
        run_strip(&s, r, bias ? bias + at : NULL, (float *)args->out[0] + at);
    }
    return TW_OK;
}

twi_kernel *twi_wide_matmul(const twi_kernel_request *r, tw_err *err)
{
    if (!twi_wide_takes(r))
        return NULL;
    twi_kernel *kernel = twi_new(1, sizeof *kernel, "a kernel", err);
    if (kernel)
        *kernel = (twi_kernel){.impl = "wide avx2", .run = wide_run};
    return kernel;
}
