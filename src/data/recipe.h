// Recipes: how a photo file becomes the numbers a model takes. One recipe serves training and prediction: it is stored
// in the model ("preprocessing" of graph/info.h), so both see the same pixels.
#ifndef TWI_DATA_RECIPE_H
#define TWI_DATA_RECIPE_H

#include "codec/idx.h"
#include "codec/picture.h"
#include "graph/info.h"

typedef enum twi_filter {
    TWI_FILTER_TF_ANTIALIAS, // tf.image.resize(…, antialias=True): triangle widened by the reduction
    TWI_FILTER_TF,           // tf.image.resize: two taps
    TWI_FILTER_PIL,          // Pillow's bilinear: 8-bit fixed point, rounded after each pass
} twi_filter;
typedef enum twi_fit_mode { TWI_RESIZE_STRETCH, TWI_RESIZE_CROP, TWI_RESIZE_PAD } twi_fit_mode;
typedef enum twi_pixel_mode { // of 0…255 RGB
    TWI_PIXELS_RAW,
    TWI_PIXELS_TF,    // x / 127.5 − 1
    TWI_PIXELS_TORCH, // (x / 255 − mean) / std
    TWI_PIXELS_CAFFE, // BGR − (103.939, 116.779, 123.68)
    TWI_PIXELS_LITE,  // (x − 127) / 128
    TWI_PIXELS_UNIT   // x / 255
} twi_pixel_mode;

extern const char *const twi_filter_names[];     // NULL-ended, in enum order: "tf-antialias", "tf", "pil"
extern const char *const twi_fit_mode_names[];   // "stretch", "crop", "pad"
extern const char *const twi_pixel_mode_names[]; // "raw", "tf", "torch", "caffe", "lite", "unit"
extern const char *const twi_alpha_names[];      // "white", "drop"
extern const char *const twi_exif_names[];       // "apply", "ignore"

typedef struct twi_recipe {
    int64_t height, width;
    twi_filter filter;
    twi_fit_mode fit;
    twi_pixel_mode pixels;
    twi_photo_alpha alpha;
    bool ignore_exif;
    bool exact_decode;
} twi_recipe;

// Memory a worker keeps between photos. Zero-initialise; twi_recipe_work_clear.
typedef struct twi_recipe_work {
    uint8_t *bytes; // of the file read last: n of them
    size_t n, room;
    twi_picture picture;
    float *rows;      // scratch of the resize
    size_t rows_room; // bytes
    // IDX files read last, since photos of training and test may take turns.
    twi_idx idx[2];
    char *idx_path[2];
    int idx_next; // to be given up
} twi_recipe_work;
void twi_recipe_work_clear(twi_recipe_work *work);

// A photo is a file, or FILE#N: picture N of an IDX file.
//
// File → dst [height, width, 3] f32. hash (may be NULL) receives XXH128 of the file's bytes: the photo's name in the
// feature cache, before decoding. TW_EMALFORMED: unreadable picture, the reason in err.
tw_status twi_recipe_read(const char *path, twi_recipe_work *work, uint8_t hash[16],
                          tw_err *err); // bytes into work
tw_status twi_recipe_decode(const twi_recipe *r, const char *path, twi_recipe_work *work, float *dst,
                            tw_err *err);
// Resizing and pixel values of an already decoded picture.
tw_status twi_recipe_apply(const twi_recipe *r, const twi_picture *picture, twi_recipe_work *work, float *dst,
                           tw_err *err);
// Everything that changes dst, as text (for cache keys): recipe and codec versions.
tw_status twi_recipe_key(const twi_recipe *r, twi_str *out);

// In and out of a model's info: "preprocessing.filter" …; sizes come from the model's input. Missing keys keep *r.
void twi_recipe_load(const tw_model *m, twi_recipe *r);
tw_status twi_recipe_store(tw_model *m, const twi_recipe *r, tw_err *err);

#endif
