// Shapes and views: what a block of numbers looks like. Dense, row-major, channels last.
#ifndef TWI_TENSOR_SHAPE_H
#define TWI_TENSOR_SHAPE_H

#include "base/mem.h"

typedef enum twi_dtype {
    TWI_F32,
    TWI_BF16,
    TWI_F16,
    TWI_F64,
    TWI_I64,
    TWI_I32,
    TWI_U8,
} twi_dtype;

#define TWI_SHAPE(...) \
    ((tw_shape){.rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})

// Product of all sizes (1 for rank 0); -1 when a size is unknown or negative, or the product overflows.
int64_t twi_shape_count(const tw_shape *s);
bool twi_shape_same(const tw_shape *a, const tw_shape *b);
// Last size (channels), or 1 for rank 0.
int64_t twi_shape_last(const tw_shape *s);
// "(None, 224, 224, 3)", as Python prints it; rank 1 is "(5,)". buf of TWI_SHAPE_TEXT bytes; returns buf.
#define TWI_SHAPE_TEXT 128
const char *twi_shape_text(const tw_shape *s, char buf[TWI_SHAPE_TEXT]);
// The same shape with its first size replaced (the batch).
tw_shape twi_shape_batch(const tw_shape *s, int64_t n);

size_t twi_dtype_size(twi_dtype dtype);
const char *twi_dtype_text(twi_dtype dtype); // "float32"

// A block of numbers: lends its data.
typedef struct twi_view {
    twi_dtype dtype;
    tw_shape shape;
    void *data; // NULL: not there
} twi_view;

// Conversions to f32 and back, n numbers; round to nearest even.
void twi_to_f32(twi_dtype dtype, const void *src, float *dst, size_t n);
void twi_from_f32(const float *src, twi_dtype dtype, void *dst, size_t n);

// How far two blocks are from each other.
typedef struct twi_difference {
    double max_abs; // largest |a - b|
    double std;     // standard deviation of b
    int64_t at;     // index of the largest
    bool has_nan;   // NaN or Inf on either side
} twi_difference;
twi_difference twi_compare(const float *a, const float *b, int64_t n);

#endif
