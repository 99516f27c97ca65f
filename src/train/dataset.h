// Data sets: what the public API trains on: photos on disk, or numbers in memory. A tw_dataset is a view of a store.
#ifndef TWI_TRAIN_DATASET_H
#define TWI_TRAIN_DATASET_H

#include "data/photos.h"
#include "data/recipe.h"
#include "train/fit.h"

// What the caller said about how photos become numbers: an index of the names of data/recipe.h, or -1: nothing.
typedef struct twi_recipe_wishes {
    int pixels, fit, filter, alpha, exif, decode;
} twi_recipe_wishes;

// Samples, shared by their views.
typedef struct twi_store {
    int references;
    tw_context *tw; // lent
    bool has_photos;
    twi_photos photos;
    twi_recipe_wishes wishes;
    // in memory, lent
    int64_t n;
    const float *x; // [n, shape]
    tw_shape shape;
    const int32_t *label; // [n], or NULL
    int64_t n_classes;
} twi_store;

struct tw_dataset {
    twi_store *store;
    tw_part part;
    int64_t n;
    int64_t *index; // [n] into the photos; NULL for samples in memory
};

tw_dataset *twi_dataset_photos(const tw_photos_options *o, tw_err *err);
tw_dataset *twi_dataset_files(tw_context *tw, int64_t n, const char *const *paths, tw_err *err);
tw_dataset *twi_dataset_arrays(const tw_arrays_options *o, tw_err *err);
tw_dataset *twi_dataset_part(tw_dataset *data, tw_part part, tw_err *err);
void twi_dataset_free(tw_dataset *data);

int64_t twi_dataset_n_classes(const tw_dataset *data);
int64_t twi_dataset_label(const tw_dataset *data, int64_t i); // -1: not known
// The photo behind sample i; NULL in memory.
twi_photo *twi_dataset_photo(const tw_dataset *data, int64_t i);
// Lays what the caller said over *r.
void twi_dataset_wish(const tw_dataset *data, twi_recipe *r);

#endif
