// Layouts: the ways a folder says what its photos show. Internal to this room; rows in source_list.inc.
//
// A layout looks at a listing (every picture below a root) and gives each photo to twi_gather_add with its class.
#ifndef TWI_DATA_LAYOUT_H
#define TWI_DATA_LAYOUT_H

#include "data/photos.h"

// What lies below a root: paths relative to it, sorted by code point.
typedef struct twi_listing {
    twi_vec(char *) files;   // pictures
    twi_vec(char *) folders; // all that were entered
    size_t n_other;          // files that are no pictures
    char *other;             // the first of them
    size_t n_linked;         // links to folders, which are not followed
} twi_listing;

// Looks through the tree. Hidden and system names are passed over, symlinked folders too. TW_EUNUSABLE: no such folder.
tw_status twi_listing_read(const char *root, twi_listing *listing, twi_str *notes, tw_err *err);
void twi_listing_clear(twi_listing *listing);

// Class names, owned; NULL: none.
typedef struct twi_names {
    size_t n, cap;
    char **at;
} twi_names;

// One look through (a part of) a root.
typedef struct twi_gather {
    const char *root, *under; // photos are those whose relative path begins with `under` ("" or "train/")
    const twi_listing *listing;
    const char *labels, *label_regex;
    twi_part part;
    twi_photos *photos;
    twi_names *names; // of the classes of photos->at, one a photo
} twi_gather;

typedef struct twi_layout {
    const char *name, *doc;
    bool (*fits)(const twi_gather *g);
    tw_status (*read)(twi_gather *g, tw_err *err);
} twi_layout;

// Walks the files of a gather: the path behind `under`, or NULL after the last. Begin with *i = 0.
const char *twi_gather_next(const twi_gather *g, size_t *i);
// Is there a class folder, that is, a picture in a folder below `under`?
bool twi_gather_has_folders(const twi_gather *g);
// Adds a photo by its path behind root and `under`; n bytes of class name (NULL: not known).
tw_status twi_gather_add(twi_gather *g, const char *path, const char *class_name, size_t n, tw_err *err);
// The same by the path it is opened with.
tw_status twi_gather_add_file(twi_gather *g, const char *path, const char *class_name, size_t n, tw_err *err);
// Sorts and numbers the classes of all photos: fills photos->classes and labels. `classes` (a model's, NULL-ended, or NULL) fixes
// names and order; TW_EUNUSABLE for a name that is none of them.
tw_status twi_classes_number(twi_photos *photos, const twi_names *names, const char *const *classes,
                             tw_err *err);

#endif
