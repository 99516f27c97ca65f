// Taps: a resized axis as a sparse matrix. Internal to this room.
#ifndef TWI_DATA_TAPS_H
#define TWI_DATA_TAPS_H

#include "data/recipe.h"

enum { TWI_PIL_BITS = 22 };

// Output i sums n[i] sources from first[i] on, with weights at[i · most …] (of the flavour's type); the rest of its weights is 0.
typedef struct twi_taps {
    int32_t *first, *n;
    union {
        float *f32;
        int32_t *i32;
    } at;
    int64_t most; // weights kept for each output
} twi_taps;

// The most taps an output of this flavour has.
int64_t twi_taps_most(twi_filter filter, int64_t in, int64_t out);
// Lays `out` outputs of t->most taps into memory from base + at on (base NULL: only counts); the offset behind them, in bytes.
size_t twi_taps_place(twi_taps *t, int64_t out, char *base, size_t at);

// Fill placed taps for the `in` sources from `begin` on.
void twi_taps_antialias(twi_taps *t, int64_t begin, int64_t in, int64_t out);
void twi_taps_tf(twi_taps *t, int64_t begin, int64_t in, int64_t out);
// Taps may reach over the edge of the part, up to the edge of the picture (`limit`), as Pillow's box does.
void twi_taps_pil(twi_taps *t, int64_t begin, int64_t in, int64_t out, int64_t limit);

// The same outputs from `samples` sources that are half as dense: fine's taps, each of whose sources is ¾ of the sample it lies
// in and ¼ of the nearer neighbour (libjpeg's fancy upsampling). Needs fine->most / 2 + 3 taps.
void twi_taps_halved(const twi_taps *fine, int64_t out, int64_t samples, twi_taps *coarse);

#endif
