// Photos: which files there are, what they show, and which part of the work each is for (architecture §4).
#ifndef TWI_DATA_PHOTOS_H
#define TWI_DATA_PHOTOS_H

#include "base/mem.h"
#include "base/str.h"

typedef enum twi_part { TWI_TRAIN, TWI_VAL, TWI_TEST, TWI_PARTS } twi_part;

typedef struct twi_photo {
    char *path;    // as given, joined to the root with '/'
    int32_t label; // index of its class; -1: not known
    twi_part part;
    char *skipped; // why it cannot be used, or NULL (set while features are made; thread-safe by ownership)
} twi_photo;

typedef struct twi_photos {
    char *root;
    twi_vec(twi_photo) at;
    twi_vec(char *) classes;  // sorted by code point
    bool has_parts;           // the folders say which part a photo belongs to
    bool has_part[TWI_PARTS]; // and these parts have photos by that
    twi_str notes; // for the user ("ignored 3 files that are no pictures"), each line ended by '\n'
} twi_photos;

typedef struct twi_photos_options {
    const char *labels;         // CSV file: path,label
    const char *label_regex;    // class = first group of the file name
    const char *val, *test;     // further folders for these parts, laid out like the root
    const char *const *classes; // fixed class order (of a loaded model), NULL-ended; NULL: found and sorted
    bool needs_classes; // two or more classes, else TW_EUNUSABLE; false: any files, label -1 (predict)
} twi_photos_options;

// Looks through the folder; opens no photo. Nothing there, one class, mixed layout: TW_EUNUSABLE with advice. The layouts
// are rows of source_list.inc: folders (class folders, with or without train/val/test), idx (MNIST files), names (cat.0.jpg),
// table (CSV).
tw_status twi_photos_open(const char *root, const twi_photos_options *o, twi_photos *photos, tw_err *err);
void twi_photos_clear(twi_photos *photos);

// Stratified, seeded: of each class round(n · val) validate and round(n · test) test, at least one validates where a class has two or
// more and val > 0. Depends on the order of paths within the class and the seed only; the file-name layout gives the
// same split as folders where the names sort alike. Photos whose part the folders gave keep it (has_parts): only a part
// they left out is drawn from the training photos.
tw_status twi_photos_split(twi_photos *photos, double val, double test, uint64_t seed, tw_err *err);
// Keeps at most per_class photos of each class in each part, drawn from seed; 0: all. Before the split.
tw_status twi_photos_limit(twi_photos *photos, int64_t per_class, uint64_t seed, tw_err *err);
// How many photos of a part (label ≥ 0, not skipped).
int64_t twi_photos_count(const twi_photos *photos, twi_part part);

#endif
