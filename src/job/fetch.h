// What `topwork fetch` can get: weights of the zoo, and a few sets by name.
#ifndef TWI_JOB_FETCH_H
#define TWI_JOB_FETCH_H

#include "job/job.h"
#include "job/open.h"

typedef struct twi_fetch_set {
    const char *name, *doc;
    const char *file, *url; // the file's name, and the folder at its publisher
    const char *hash;
    double megabytes;
    // How an archive of photos is unpacked (unpack.c), or NULL: a file as it is.
    tw_status (*unpack)(const char *archive, const char *folder, tw_err *err);
} twi_fetch_set;

extern const twi_fetch_set twi_fetch_sets[]; // NULL-name-ended

// Photos of an archive into folder/<class>/. TW_EMALFORMED, TW_EWRITE.
tw_status twi_unpack_cats_dogs(const char *archive, const char *folder,
                               tw_err *err); // zip: PetImages/Cat/0.jpg
tw_status twi_unpack_pets(const char *archive, const char *folder,
                          tw_err *err); // tar.gz: images/british_shorthair_1.jpg

#endif
