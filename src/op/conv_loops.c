// The loops of convolutions. See conv_loops.h.
//
// Work is cut into tiles of TILE pixels by TWI_BLOCK channels whose sums stay in the nearest cache, so that a row of the
// kernel is read once for TILE pixels, and the innermost loop runs over neighbouring channels.

#include "op/conv_loops.h"

#include <string.h>

enum { TILE = 8 };

typedef struct tile {
    double sum[TILE][TWI_BLOCK];
} tile;

static void tile_start(tile *t, int64_t pixels, int64_t channels, const float *bias)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++)
            t->sum[p][c] = bias ? bias[c] : 0;
}

static void tile_store(const tile *t, int64_t pixels, int64_t channels, float *to, int64_t stride)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++)
            to[p * stride + c] = (float)t->sum[p][c];
}

// sum[p, o] += from[p][i] · kernel[i, o]; pixels that lie in the padding are NULL.
static void tile_multiply(tile *t, int64_t pixels, const float *const *from, int64_t n_i, int64_t n_o,
                          const float *kernel, int64_t stride)
{
    for (int64_t i = 0; i < n_i; i++, kernel += stride)
        for (int64_t p = 0; p < pixels; p++) {
            if (!from[p])
                continue;
            double v = from[p][i];
            for (int64_t o = 0; o < n_o; o++)
                t->sum[p][o] += v * kernel[o];
        }
}

// Output pixels (n, oh, ow … ow + pixels), channels `at` … `at + n_o` of group g.
static void forward_tile(const twi_conv_sizes *s, const float *x, const float *kernel, const float *bias,
                         float *y, const int64_t place[3], int64_t pixels, int64_t g, int64_t at, int64_t n_o)
{
    int64_t per_group = s->cin / s->groups;
    tile t;
    tile_start(&t, pixels, n_o, bias ? bias + at : NULL);
    for (int64_t kh = 0; kh < s->kh; kh++) {
        int64_t h = place[1] * s->stride[0] - s->pad[0] + kh * s->dilation[0];
        if (h < 0 || h >= s->h)
            continue;
        const float *row = x + (place[0] * s->h + h) * s->w * s->cin + g * per_group;
        for (int64_t kw = 0; kw < s->kw; kw++) {
            const float *from[TILE];
            for (int64_t p = 0; p < pixels; p++) {
                int64_t w = (place[2] + p) * s->stride[1] - s->pad[1] + kw * s->dilation[1];
                from[p] = w < 0 || w >= s->w ? NULL : row + w * s->cin;
            }
            tile_multiply(&t, pixels, from, per_group, n_o,
                          kernel + (kh * s->kw + kw) * per_group * s->cout + at, s->cout);
        }
    }
    tile_store(&t, pixels, n_o, y + ((place[0] * s->oh + place[1]) * s->ow + place[2]) * s->cout + at,
               s->cout);
}

// One output pixel of a convolution that keeps channels apart: here the channels are the innermost loop.
static void depthwise_pixel(const twi_conv_sizes *s, const float *x, const float *kernel, const float *bias,
                            float *y, const int64_t place[3])
{
    for (int64_t at = 0; at < s->cin; at += TWI_BLOCK) {
        int64_t channels = twi_min(TWI_BLOCK, s->cin - at);
        tile t;
        tile_start(&t, 1, channels, bias ? bias + at : NULL);
        for (int64_t kh = 0; kh < s->kh; kh++)
            for (int64_t kw = 0; kw < s->kw; kw++) {
                int64_t h = place[1] * s->stride[0] - s->pad[0] + kh * s->dilation[0];
                int64_t w = place[2] * s->stride[1] - s->pad[1] + kw * s->dilation[1];
                if (h < 0 || h >= s->h || w < 0 || w >= s->w)
                    continue;
                const float *from = x + ((place[0] * s->h + h) * s->w + w) * s->cin + at;
                const float *k = kernel + (kh * s->kw + kw) * s->cin + at;
                for (int64_t c = 0; c < channels; c++)
                    t.sum[0][c] += (double)from[c] * k[c];
            }
        tile_store(&t, 1, channels, y + ((place[0] * s->oh + place[1]) * s->ow + place[2]) * s->cout + at, 0);
    }
}

void twi_conv_forward(const twi_conv_sizes *s, const float *x, const float *kernel, const float *bias,
                      float *y)
{
    int64_t out_group = s->cout / s->groups;
    bool is_depthwise = s->groups == s->cin && s->cout == s->cin;
    int64_t step = is_depthwise ? 1 : TILE;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oh = 0; oh < s->oh; oh++)
            for (int64_t ow = 0; ow < s->ow; ow += step) {
                int64_t place[3] = {n, oh, ow}, pixels = twi_min(TILE, s->ow - ow);
                if (is_depthwise) {
                    depthwise_pixel(s, x, kernel, bias, y, place);
                    continue;
                }
                for (int64_t g = 0; g < s->groups; g++)
                    for (int64_t o = 0; o < out_group; o += TWI_BLOCK)
                        forward_tile(s, x, kernel, bias, y, place, pixels, g, g * out_group + o,
                                     twi_min(TWI_BLOCK, out_group - o));
            }
}

// Which output lies over input position `at` at kernel position `k`, or -1.
static int64_t output_over(const twi_conv_sizes *s, int axis, int64_t at, int64_t k, int64_t outputs)
{
    int64_t shifted = at + s->pad[axis] - k * s->dilation[axis];
    if (shifted < 0 || shifted % s->stride[axis] || shifted / s->stride[axis] >= outputs)
        return -1;
    return shifted / s->stride[axis];
}

// Input pixels (n, h, w … w + pixels), channels `at` … `at + n_i` of group g's inputs.
static void backward_tile(const twi_conv_sizes *s, const float *y, const float *kernel, const float *bias,
                          float *x, const int64_t place[3], int64_t pixels, int64_t g, int64_t at,
                          int64_t n_i)
{
    int64_t in_group = s->cin / s->groups, out_group = s->cout / s->groups, first = g * in_group + at;
    tile t;
    tile_start(&t, pixels, n_i, bias ? bias + first : NULL);
    for (int64_t kh = 0; kh < s->kh; kh++) {
        int64_t oh = output_over(s, 0, place[1], kh, s->oh);
        if (oh < 0)
            continue;
        for (int64_t kw = 0; kw < s->kw; kw++) {
            const float *from[TILE];
            for (int64_t p = 0; p < pixels; p++) {
                int64_t ow = output_over(s, 1, place[2] + p, kw, s->ow);
                from[p] =
                    ow < 0 ? NULL : y + ((place[0] * s->oh + oh) * s->ow + ow) * s->cout + g * out_group;
            }
            const float *k = kernel + ((kh * s->kw + kw) * in_group + at) * s->cout + g * out_group;
            for (int64_t i = 0; i < n_i; i++, k += s->cout)
                for (int64_t p = 0; p < pixels; p++)
                    if (from[p])
                        t.sum[p][i] += twi_dot(from[p], k, out_group);
        }
    }
    tile_store(&t, pixels, n_i, x + ((place[0] * s->h + place[1]) * s->w + place[2]) * s->cin + first,
               s->cin);
}

void twi_conv_backward(const twi_conv_sizes *s, const float *y, const float *kernel, const float *bias,
                       float *x)
{
    int64_t in_group = s->cin / s->groups;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t h = 0; h < s->h; h++)
            for (int64_t w = 0; w < s->w; w += TILE) {
                int64_t place[3] = {n, h, w}, pixels = twi_min(TILE, s->w - w);
                for (int64_t g = 0; g < s->groups; g++)
                    for (int64_t i = 0; i < in_group; i += TWI_BLOCK)
                        backward_tile(s, y, kernel, bias, x, place, pixels, g, i,
                                      twi_min(TWI_BLOCK, in_group - i));
            }
}

// Adds what image row (n, oh) says about kernel position (kh, kw): sum[i, o] += x[…, i] · y[…, o].
static void gradient_row(const twi_conv_sizes *s, const float *x, const float *y, const int64_t place[4],
                         tile *t, int64_t n_i, int64_t n_o)
{
    int64_t h = place[1] * s->stride[0] - s->pad[0] + place[2] * s->dilation[0];
    if (h < 0 || h >= s->h)
        return;
    for (int64_t ow = 0; ow < s->ow; ow++) {
        int64_t w = ow * s->stride[1] - s->pad[1] + place[3] * s->dilation[1];
        if (w < 0 || w >= s->w)
            continue;
        const float *from = x + ((place[0] * s->h + h) * s->w + w) * s->cin;
        const float *grad = y + ((place[0] * s->oh + place[1]) * s->ow + ow) * s->cout;
        for (int64_t i = 0; i < n_i; i++) {
            double v = from[i];
            for (int64_t o = 0; o < n_o; o++)
                t->sum[i][o] += v * grad[o];
        }
    }
}

// All of kernel position (kh, kw), group g.
static void gradient_position(const twi_conv_sizes *s, const float *x, const float *y, float *kernel,
                              const int64_t position[2], int64_t g)
{
    int64_t in_group = s->cin / s->groups, out_group = s->cout / s->groups;
    float *to = kernel + (position[0] * s->kw + position[1]) * in_group * s->cout + g * out_group;
    for (int64_t i = 0; i < in_group; i += TILE)
        for (int64_t o = 0; o < out_group; o += TWI_BLOCK) {
            int64_t n_i = twi_min(TILE, in_group - i), n_o = twi_min(TWI_BLOCK, out_group - o);
            tile t;
            tile_start(&t, n_i, n_o, NULL);
            for (int64_t n = 0; n < s->n; n++)
                for (int64_t oh = 0; oh < s->oh; oh++) {
                    int64_t place[4] = {n, oh, position[0], position[1]};
                    gradient_row(s, x + g * in_group + i, y + g * out_group + o, place, &t, n_i, n_o);
                }
            tile_store(&t, n_i, n_o, to + i * s->cout + o, s->cout);
        }
}

void twi_conv_gradient(const twi_conv_sizes *s, const float *x, const float *y, float *kernel)
{
    for (int64_t kh = 0; kh < s->kh; kh++)
        for (int64_t kw = 0; kw < s->kw; kw++)
            for (int64_t g = 0; g < s->groups; g++) {
                int64_t position[2] = {kh, kw};
                gradient_position(s, x, y, kernel, position, g);
            }
}
