// Resizing: three flavours of bilinear, each to the pixel of its model. See resize.h.
//
// All three are separable: a table of taps (first source index, weights) an axis, one pass an axis.
//   tf-antialias  triangle of half-width max(1, in/out) around (x + ½)·in/out, weights normalised; f32. Rows first, since that
//                 pass runs along memory; then columns, a pixel a vector.
//   tf            two taps, lower + (upper − lower)·t, indices clamped; f32. Columns first, as TensorFlow does.
//   pil           the triangle as 22-bit integers, 8-bit result rounded after each pass; columns first.
// Source   TensorFlow's resize_bilinear_op.cc, scale_and_translate_op.cc; Pillow's Resample.c.

#include "data/resize.h"

#include "base/vector.h"
#include "data/taps.h"

#include <math.h>
#include <string.h>

typedef float float4 __attribute__((vector_size(16)));
typedef float loose4 __attribute__((vector_size(16), aligned(4), may_alias)); // at any float

// ------------------------------------------------------------------------------------------------------- pixel values

twi_pixels twi_pixels_of(twi_pixel_mode mode)
{
    switch (mode) {
    case TWI_PIXELS_TF:
        return (twi_pixels){.divide = {127.5f, 127.5f, 127.5f, 1}, .minus = {1, 1, 1}, .divides = true};
    case TWI_PIXELS_TORCH:
        return (twi_pixels){.divide = {255, 255, 255, 1},
                            .minus = {0.485f, 0.456f, 0.406f},
                            .over = {0.229f, 0.224f, 0.225f, 1},
                            .divides = true,
                            .divides_again = true};
    case TWI_PIXELS_CAFFE:
        return (twi_pixels){.minus = {123.68f, 116.779f, 103.939f}, .is_bgr = true};
    case TWI_PIXELS_LITE:
        return (twi_pixels){.minus = {127, 127, 127}, .over = {128, 128, 128, 1}, .divides_again = true};
    case TWI_PIXELS_UNIT:
        return (twi_pixels){.divide = {255, 255, 255, 1}, .divides = true};
    case TWI_PIXELS_RAW:
        break;
    }
    return (twi_pixels){0};
}

static inline float4 load4(const float *from)
{
    return *(const loose4 *)from;
}

static inline float4 pixel4(const uint8_t *rgb)
{
    return (float4){rgb[0], rgb[1], rgb[2], 0};
}

static inline float4 value_of(const twi_pixels *p, float4 v)
{
    if (p->divides)
        v /= load4(p->divide);
    v -= load4(p->minus);
    if (p->divides_again)
        v /= load4(p->over);
    return p->is_bgr ? (float4){v[2], v[1], v[0], v[3]} : v;
}

// Stores three floats; the fourth lane never touches memory, since dst may end there.
static inline void store3(const twi_pixels *p, float4 v, float *out)
{
    v = value_of(p, v);
    out[0] = v[0];
    out[1] = v[1];
    out[2] = v[2];
}

// Stores a fourth, too: for a pixel that another follows.
static inline void store4(const twi_pixels *p, float4 v, float *out)
{
    *(loose4 *)out = value_of(p, v);
}

void twi_pixels_put(const twi_pixels *p, const float rgb[3], float out[3])
{
    store3(p, (float4){rgb[0], rgb[1], rgb[2], 0}, out);
}

// ------------------------------------------------------------------------------------------------------------ scratch

typedef struct layout {
    twi_taps x, y;
    void *rows;
    size_t bytes; // of everything
} layout;

static size_t align(size_t n)
{
    return (n + TWI_ALIGN - 1) & ~(size_t)(TWI_ALIGN - 1);
}

static size_t rows_bytes(const twi_resample *r)
{
    switch (r->filter) {
    case TWI_FILTER_TF_ANTIALIAS: // one row of the part, and pixels behind it that taps without weight read
        return ((size_t)(r->wide + twi_taps_most(r->filter, r->wide, r->out_width)) * 3 + 4) * sizeof(float);
    case TWI_FILTER_TF: // two rows of the result, a vector a pixel
        return (size_t)r->out_width * 2 * sizeof(float4);
    case TWI_FILTER_PIL: // all rows, as wide as the result
        return (size_t)r->out_width * (size_t)r->picture->height * 3;
    }
    return 0;
}

static layout lay_out(const twi_resample *r, char *base)
{
    layout l = {0};
    l.x.most = twi_taps_most(r->filter, r->wide, r->out_width);
    l.y.most = twi_taps_most(r->filter, r->high, r->out_height);
    size_t at = twi_taps_place(&l.x, r->out_width, base, 0);
    at = twi_taps_place(&l.y, r->out_height, base, at);
    l.rows = base ? base + at : NULL;
    l.bytes = at + align(rows_bytes(r));
    return l;
}

size_t twi_resample_scratch(const twi_resample *r)
{
    return lay_out(r, NULL).bytes;
}

// ------------------------------------------------------------------------------------------------------ the flavours

// row (+)= Σ of `few` rows. Inlined where few is known.
static inline void add_rows(const uint8_t *from, int64_t stride, const float *w, int few, bool is_first,
                            int64_t n, float *restrict row)
{
    const uint8_t *a = from, *b = from + stride, *c = from + 2 * stride, *d = from + 3 * stride;
    for (int64_t i = 0; i < n; i++) {
        float sum = w[0] * (float)a[i];
        if (few > 1)
            sum += w[1] * (float)b[i];
        if (few > 2) {
            float more = w[2] * (float)c[i];
            if (few > 3)
                more += w[3] * (float)d[i];
            sum += more;
        }
        row[i] = is_first ? sum : row[i] + sum;
    }
}

#define ADD_ROWS(few)                                       \
    if (is_first)                                           \
        add_rows(from, stride, weight, few, true, n, row);  \
    else                                                    \
        add_rows(from, stride, weight, few, false, n, row); \
    break

// Up to four rows at a time.
TWI_VECTOR static void sum_rows(const uint8_t *from, int64_t stride, const float *weight, int32_t count,
                                int64_t n, float *restrict row)
{
    for (bool is_first = true; count > 0; is_first = false) {
        switch (count) {
        case 1:
            ADD_ROWS(1);
        case 2:
            ADD_ROWS(2);
        case 3:
            ADD_ROWS(3);
        default:
            ADD_ROWS(4);
        }
        from += 4 * stride, weight += 4, count -= 4;
    }
}

void twi_resample_rows(const uint8_t *from, int64_t stride, const float *weight, int32_t count, int64_t n,
                       float *restrict row)
{
    sum_rows(from, stride, weight, count, n, row); // whose clones would be exported
}

// One result of `count` taps. Inlined where count is known.
static inline float4 sum_taps(const float *weight, const float *at, int32_t count)
{
    float4 sum = {0};
    for (int32_t k = 0; k < count; k++)
        sum += weight[k] * load4(at + 3 * k);
    return sum;
}

// A row of the result. All its sums have the same number of taps, so there is no branch to guess; those beyond a result's own
// weigh nothing.
#define SUM_COLUMNS(count)                                                                    \
    for (int64_t x = 0; x + 1 < n; x++, out += 3)                                             \
        store4(pixels, sum_taps(t->at.f32 + x * t->most, row + t->first[x] * 3, count), out); \
    break

TWI_VECTOR static void sum_columns(const twi_taps *t, int32_t most, const float *row, int64_t n,
                                   const twi_pixels *pixels, float *out)
{
    switch (most) {
    case 2:
        SUM_COLUMNS(2);
    case 3:
        SUM_COLUMNS(3);
    case 4:
        SUM_COLUMNS(4);
    case 5:
        SUM_COLUMNS(5);
    default:
        SUM_COLUMNS(most);
    }
    store3(pixels, sum_taps(t->at.f32 + (n - 1) * t->most, row + t->first[n - 1] * 3, most), out);
}

static void run_antialias(const twi_resample *r, const twi_pixels *pixels, const layout *l, float *dst,
                          int64_t stride)
{
    float *row = l->rows;
    int64_t source = r->picture->width * 3, n = r->wide * 3;
    int32_t most = 0;
    for (int64_t x = 0; x < r->out_width; x++)
        most = l->x.n[x] > most ? l->x.n[x] : most;
    memset(row + n, 0, (size_t)(3 * l->x.most + 4) * sizeof *row);
    for (int64_t y = 0; y < r->out_height; y++) {
        const uint8_t *from = r->picture->rgb + l->y.first[y] * source + r->left * 3;
        sum_rows(from, source, l->y.at.f32 + y * l->y.most, l->y.n[y], n, row);
        sum_columns(&l->x, most, row, r->out_width, pixels, dst + y * stride);
    }
}

static void lerp_row(const twi_resample *r, const twi_taps *t, int64_t y, float4 *row)
{
    const uint8_t *from = r->picture->rgb + y * r->picture->width * 3;
    for (int64_t x = 0; x < r->out_width; x++) {
        const uint8_t *at = from + t->first[x] * 3;
        float4 lower = pixel4(at), upper = pixel4(at + 3 * t->n[x]);
        row[x] = lower + (upper - lower) * t->at.f32[x * t->most];
    }
}

static void run_tf(const twi_resample *r, const twi_pixels *pixels, const layout *l, float *dst,
                   int64_t stride)
{
    float4 *rows[2] = {l->rows, (float4 *)l->rows + r->out_width};
    int64_t held[2] = {-1, -1}; // which source row each of them is
    for (int64_t y = 0; y < r->out_height; y++) {
        int64_t wanted[2] = {l->y.first[y], l->y.first[y] + l->y.n[y]};
        if (held[1] == wanted[0]) { // the last upper row is often the next lower one
            float4 *kept = rows[0];
            rows[0] = rows[1], rows[1] = kept;
            held[1] = held[0], held[0] = wanted[0];
        }
        for (int i = 0; i < 2; i++)
            if (held[i] != wanted[i]) {
                lerp_row(r, &l->x, wanted[i], rows[i]);
                held[i] = wanted[i];
            }
        float t = l->y.at.f32[y * l->y.most];
        for (int64_t x = 0; x < r->out_width; x++)
            store3(pixels, rows[0][x] + (rows[1][x] - rows[0][x]) * t, dst + y * stride + 3 * x);
    }
}

static inline int32_t rounded(int32_t sum)
{
    int32_t v = sum >> TWI_PIL_BITS;
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void run_pil(const twi_resample *r, const twi_pixels *pixels, const layout *l, float *dst,
                    int64_t stride)
{
    uint8_t *rows = l->rows;
    int64_t source = r->picture->width * 3, row = r->out_width * 3;
    int64_t begin = l->y.first[0], end = l->y.first[r->out_height - 1] + l->y.n[r->out_height - 1];
    for (int64_t y = begin; y < end; y++)
        for (int64_t x = 0; x < r->out_width; x++) {
            const uint8_t *at = r->picture->rgb + y * source + l->x.first[x] * 3;
            const int32_t *weight = l->x.at.i32 + x * l->x.most;
            int32_t sum[3] = {1 << (TWI_PIL_BITS - 1), 1 << (TWI_PIL_BITS - 1), 1 << (TWI_PIL_BITS - 1)};
            for (int32_t k = 0; k < l->x.n[x]; k++, at += 3)
                for (int c = 0; c < 3; c++)
                    sum[c] += at[c] * weight[k];
            for (int c = 0; c < 3; c++)
                rows[y * row + 3 * x + c] = (uint8_t)rounded(sum[c]);
        }
    for (int64_t y = 0; y < r->out_height; y++)
        for (int64_t x = 0; x < r->out_width; x++) {
            const uint8_t *at = rows + l->y.first[y] * row + 3 * x;
            const int32_t *weight = l->y.at.i32 + y * l->y.most;
            int32_t sum[3] = {1 << (TWI_PIL_BITS - 1), 1 << (TWI_PIL_BITS - 1), 1 << (TWI_PIL_BITS - 1)};
            for (int32_t k = 0; k < l->y.n[y]; k++, at += row)
                for (int c = 0; c < 3; c++)
                    sum[c] += at[c] * weight[k];
            store3(pixels,
                   (float4){(float)rounded(sum[0]), (float)rounded(sum[1]), (float)rounded(sum[2]), 0},
                   dst + y * stride + 3 * x);
        }
}

void twi_resample_run(const twi_resample *r, const twi_pixels *pixels, void *scratch, float *dst,
                      int64_t stride)
{
    layout l = lay_out(r, scratch);
    switch (r->filter) {
    case TWI_FILTER_TF_ANTIALIAS:
        // relative to the part: its rows are summed from their own left edge
        twi_taps_antialias(&l.x, 0, r->wide, r->out_width);
        twi_taps_antialias(&l.y, r->top, r->high, r->out_height);
        run_antialias(r, pixels, &l, dst, stride);
        return;
    case TWI_FILTER_TF:
        twi_taps_tf(&l.x, r->left, r->wide, r->out_width);
        twi_taps_tf(&l.y, r->top, r->high, r->out_height);
        run_tf(r, pixels, &l, dst, stride);
        return;
    case TWI_FILTER_PIL:
        twi_taps_pil(&l.x, r->left, r->wide, r->out_width, r->picture->width);
        twi_taps_pil(&l.y, r->top, r->high, r->out_height, r->picture->height);
        run_pil(r, pixels, &l, dst, stride);
        return;
    }
}
