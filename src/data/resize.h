// Resizing: 8-bit RGB → f32 pixels of a model's input, in one of three flavours. Internal to this room.
#ifndef TWI_DATA_RESIZE_H
#define TWI_DATA_RESIZE_H

#include "data/recipe.h"

// What happens to a value after resizing: (v / divide − minus) / over by channel, then perhaps BGR. Keras's own order of
// operations, so that its floats come out. A division by nothing is left out: divisions are what this costs.
typedef struct twi_pixels {
    float divide[4], minus[4], over[4]; // of R, G, B; the fourth is padding
    bool divides, divides_again, is_bgr;
} twi_pixels;
twi_pixels twi_pixels_of(twi_pixel_mode mode);
void twi_pixels_put(const twi_pixels *p, const float rgb[3], float out[3]);

// The part [left, left + wide) × [top, top + high) of a picture, resized to out_width × out_height.
typedef struct twi_resample {
    const twi_picture *picture;
    int64_t left, top, wide, high;
    int64_t out_width, out_height;
    twi_filter filter;
} twi_resample;

// Bytes of scratch twi_resample_run needs; 0: too large a picture to count.
size_t twi_resample_scratch(const twi_resample *r);
// Writes out_height rows of out_width pixels, `stride` floats apart. `scratch` is TWI_ALIGN-ed.
void twi_resample_run(const twi_resample *r, const twi_pixels *pixels, void *scratch, float *dst,
                      int64_t stride);
// The same of a picture that came as planes; the filter is TWI_FILTER_TF_ANTIALIAS.
size_t twi_resample_planes_scratch(const twi_resample *r);
void twi_resample_planes_run(const twi_resample *r, const twi_pixels *pixels, void *scratch, float *dst,
                             int64_t stride);

// Shared with resize_planes.c: row = Σ weight · source row over n values, `count` rows that lie `stride` bytes apart.
void twi_resample_rows(const uint8_t *from, int64_t stride, const float *weight, int32_t count, int64_t n,
                       float *restrict row);

#endif
