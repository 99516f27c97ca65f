// Taps: which samples of a source each sample of a resized axis sums, and with which weights. See taps.h.
//
//   antialias  triangle of half-width max(1, in/out) around (x + ½)·in/out, weights normalised
//   tf         two taps; the weight kept is t of lower + (upper − lower)·t, indices clamped
//   pil        the triangle as 22-bit integers
// Positions are computed in the precision of the original, so that weights agree to the last bits.
// Source   TensorFlow's resize_bilinear_op.cc, scale_and_translate_op.cc; Pillow's Resample.c; libjpeg's jdsample.c (halved).

#include "data/taps.h"

#include <math.h>
#include <string.h>

int64_t twi_taps_most(twi_filter filter, int64_t in, int64_t out)
{
    double wider = in > out ? (double)in / (double)out : 1;
    int64_t most = filter == TWI_FILTER_TF ? 2 : 2 * (int64_t)ceil(wider) + 3;
    return most < in + 1 ? most : in + 1;
}

static size_t align(size_t n)
{
    return (n + TWI_ALIGN - 1) & ~(size_t)(TWI_ALIGN - 1);
}

size_t twi_taps_place(twi_taps *t, int64_t out, char *base, size_t at)
{
    size_t n = (size_t)out, first = at, count = align(first + 4 * n), weights = align(count + 4 * n);
    if (base) {
        t->first = (int32_t *)(base + first);
        t->n = (int32_t *)(base + count);
        t->at.f32 = (float *)(base + weights);
    }
    return align(weights + 4 * n * (size_t)t->most);
}

void twi_taps_antialias(twi_taps *t, int64_t begin, int64_t in, int64_t out)
{
    float scale = (float)out / (float)in, inverse = (float)(1.0 / scale);
    float wider = inverse > 1 ? inverse : 1;
    for (int64_t x = 0; x < out; x++) {
        float centre = ((float)x + 0.5f) * inverse;
        int64_t from = (int64_t)ceilf(centre - wider - 0.5f), to = (int64_t)floorf(centre + wider - 0.5f) + 1;
        from = from < 0 ? 0 : from > in - 1 ? in - 1 : from;
        to = to < from + 1 ? from + 1 : to > in ? in : to;
        float *weight = t->at.f32 + x * t->most, sum = 0;
        int32_t n = 0;
        for (int64_t i = from; i < to && n < t->most; i++) {
            float distance = fabsf((float)i + 0.5f - centre) / wider;
            float w = distance < 1 ? 1 - distance : 0;
            if (w == 0 && n == 0 && i + 1 < to) {
                from++; // outside the triangle: an index the clamp let in
                continue;
            }
            weight[n++] = w;
            sum += w;
        }
        while (n > 1 && weight[n - 1] == 0)
            n--;
        float norm = sum > 0 ? 1 / sum : 0;
        for (int32_t i = 0; i < n; i++)
            weight[i] *= norm;
        memset(weight + n, 0, (size_t)(t->most - n) * sizeof *weight);
        t->first[x] = (int32_t)(begin + from);
        t->n[x] = n;
    }
}

void twi_taps_tf(twi_taps *t, int64_t begin, int64_t in, int64_t out)
{
    float scale = (float)in / (float)out;
    for (int64_t x = 0; x < out; x++) {
        float at = ((float)x + 0.5f) * scale - 0.5f, lower = floorf(at);
        int64_t first = lower > 0 ? (int64_t)lower : 0, second = (int64_t)lower + 1;
        first = first < in ? first : in - 1;
        second = second < in ? second : in - 1;
        t->first[x] = (int32_t)(begin + first);
        t->n[x] = (int32_t)(second - first); // 0 at the borders: upper is lower
        t->at.f32[x * t->most] = at - lower;
    }
}

void twi_taps_pil(twi_taps *t, int64_t begin, int64_t in, int64_t out, int64_t limit)
{
    double scale = (double)in / (double)out, wider = scale > 1 ? scale : 1;
    for (int64_t x = 0; x < out; x++) {
        double centre = (double)begin + ((double)x + 0.5) * scale, sum = 0, weight = 0;
        int64_t from = (int64_t)(centre - wider + 0.5), to = (int64_t)(centre + wider + 0.5);
        from = from < 0 ? 0 : from;
        to = to > limit ? limit : to;
        // Two rounds: the integers need the sum first.
        for (int round = 0; round < 2; round++)
            for (int64_t i = from; i < to; i++) {
                double distance = fabs(((double)(i - from) + (double)from - centre + 0.5) * (1.0 / wider));
                weight = distance < 1 ? 1 - distance : 0;
                if (round == 0)
                    sum += weight;
                else
                    t->at.i32[x * t->most + i - from] =
                        (int32_t)(0.5 + weight / (sum != 0 ? sum : 1) * (1 << TWI_PIL_BITS));
            }
        t->first[x] = (int32_t)from;
        t->n[x] = (int32_t)(to - from);
    }
}

static int64_t within(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

void twi_taps_halved(const twi_taps *fine, int64_t out, int64_t samples, twi_taps *coarse)
{
    for (int64_t x = 0; x < out; x++) {
        int64_t begin = fine->first[x], last = begin + fine->n[x] - 1;
        int64_t first = within((begin - 1) >> 1, samples), end = within((last + 1) >> 1, samples) + 1;
        float *weight = coarse->at.f32 + x * coarse->most;
        memset(weight, 0, (size_t)coarse->most * sizeof *weight);
        for (int64_t i = begin; i <= last; i++) {
            float w = fine->at.f32[x * fine->most + i - begin];
            weight[within(i >> 1, samples) - first] += 0.75f * w;
            weight[within(i & 1 ? (i >> 1) + 1 : (i >> 1) - 1, samples) - first] += 0.25f * w;
        }
        coarse->first[x] = (int32_t)first;
        coarse->n[x] = (int32_t)(end - first);
    }
}
