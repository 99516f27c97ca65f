// Shapes and views. See shape.h.

#include "tensor/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t twi_shape_count(const tw_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || !twi_mul(n, s->dim[i], &n))
            return -1;
    return n;
}

bool twi_shape_same(const tw_shape *a, const tw_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

int64_t twi_shape_last(const tw_shape *s)
{
    return s->rank ? s->dim[s->rank - 1] : 1;
}

const char *twi_shape_text(const tw_shape *s, char buf[TWI_SHAPE_TEXT])
{
    int at = snprintf(buf, TWI_SHAPE_TEXT, "(");
    for (int i = 0; i < s->rank; i++) {
        const char *after = i + 1 < s->rank ? ", " : s->rank == 1 ? "," : "";
        if (s->dim[i] < 0)
            at += snprintf(buf + at, (size_t)(TWI_SHAPE_TEXT - at), "None%s", after);
        else
            at += snprintf(buf + at, (size_t)(TWI_SHAPE_TEXT - at), "%lld%s", (long long)s->dim[i], after);
    }
    snprintf(buf + at, (size_t)(TWI_SHAPE_TEXT - at), ")");
    return buf;
}

tw_shape twi_shape_batch(const tw_shape *s, int64_t n)
{
    tw_shape out = *s;
    if (out.rank)
        out.dim[0] = n;
    return out;
}

static const struct {
    size_t size;
    const char *text;
} dtypes[] = {
    [TWI_F32] = {4, "float32"}, [TWI_BF16] = {2, "bfloat16"}, [TWI_F16] = {2, "float16"},
    [TWI_F64] = {8, "float64"}, [TWI_I64] = {8, "int64"},     [TWI_I32] = {4, "int32"},
    [TWI_U8] = {1, "uint8"},
};

size_t twi_dtype_size(twi_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *twi_dtype_text(twi_dtype dtype)
{
    return dtypes[dtype].text;
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f;
    return sign ? -tiny : tiny;
}

static uint16_t bf16_of(float f)
{
    uint32_t bits = to_bits(f);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 64); // a NaN stays one
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Reads the i-th number without assuming alignment: file data may start anywhere.
#define EACH(type, expression)                                  \
    for (size_t i = 0; i < n; i++) {                            \
        type v;                                                 \
        memcpy(&v, (const char *)src + i * sizeof v, sizeof v); \
        dst[i] = (expression);                                  \
    }                                                           \
    return

void twi_to_f32(twi_dtype dtype, const void *src, float *dst, size_t n)
{
    switch (dtype) {
    case TWI_F32:
        memcpy(dst, src, n * sizeof *dst);
        return;
    case TWI_BF16:
        EACH(uint16_t, from_bits((uint32_t)v << 16));
    case TWI_F16:
        EACH(uint16_t, half_to_float(v));
    case TWI_F64:
        EACH(double, (float)v);
    case TWI_I64:
        EACH(int64_t, (float)v);
    case TWI_I32:
        EACH(int32_t, (float)v);
    case TWI_U8:
        EACH(uint8_t, (float)v);
    }
    TWI_BUG("unknown dtype");
}

void twi_from_f32(const float *src, twi_dtype dtype, void *dst, size_t n)
{
    if (dtype == TWI_F32) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    if (dtype != TWI_BF16)
        TWI_BUG("only f32 and bf16 are written");
    uint16_t *half = dst;
    for (size_t i = 0; i < n; i++)
        half[i] = bf16_of(src[i]);
}

twi_difference twi_compare(const float *a, const float *b, int64_t n)
{
    twi_difference d = {0};
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        double gap = fabs((double)a[i] - b[i]);
        d.has_nan |= !isfinite(a[i]) || !isfinite(b[i]);
        if (gap > d.max_abs)
            d.max_abs = gap, d.at = i;
        sum += b[i], square += (double)b[i] * b[i];
    }
    double mean = n ? sum / (double)n : 0, variance = n ? square / (double)n - mean * mean : 0;
    d.std = variance > 0 ? sqrt(variance) : 0;
    return d;
}
