// HDF5 writing, shared between what is put (hdf5_writer.c) and how it is laid out (hdf5_emit.c).
#ifndef TWI_CODEC_HDF5_WRITER_H
#define TWI_CODEC_HDF5_WRITER_H

#include "codec/hdf5.h"

typedef struct twi_hdf5_word { // a text and, once placed, where the global heap has it
    const char *text;
    uint64_t collection;
    uint32_t index;
} twi_hdf5_word;

typedef struct twi_hdf5_note { // an attribute
    struct twi_hdf5_note *next;
    const char *name;
    bool is_list; // one axis; else a single text
    size_t n;
    twi_hdf5_word *words;
    size_t width; // of fixed-length texts; 0: variable length
} twi_hdf5_note;

typedef struct twi_hdf5_item { // a group or dataset
    struct twi_hdf5_item *next, *children;
    const char *name;
    twi_hdf5_note *notes;
    bool is_data;
    twi_dtype dtype;
    tw_shape shape;
    uint64_t data, n_data; // where its values are, in bytes
} twi_hdf5_item;

// Appends everything but the values to `out`, which will stand at byte `base` of the file: texts, headers, groups.
// The superblock goes to `head` (TWI_HDF5_HEAD bytes). TW_ENOMEM; out->failed is left to the caller.
enum { TWI_HDF5_HEAD = 96 };
tw_status twi_hdf5_emit(twi_hdf5_item *root, uint64_t base, twi_str *out, twi_str *head, tw_err *err);

#endif
