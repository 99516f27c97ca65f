// HDF5: a strict reader of what h5py writes (every Keras weights file), and a writer.
//
// The reader is our own because these files come from strangers: it understands superblocks 0, 2 and 3, old and new
// style groups, contiguous and chunked-deflated datasets, fixed and variable-length strings, and nothing that leaves
// the file (links, external or virtual data are TW_EMALFORMED, the item named). It reads by offset, so a weights file
// never has to fit into memory. The writer goes through the HDF5 library.
// Source   HDF5 File Format Specification 3.0; interop a1 for the dialect.
#ifndef TWI_CODEC_HDF5_H
#define TWI_CODEC_HDF5_H

#include "base/mem.h"
#include "base/source.h"
#include "base/str.h"
#include "tensor/shape.h"

// ----------------------------------------------------------------------------------------------------------- reading

typedef struct twi_hdf5 twi_hdf5;
typedef uint64_t twi_hdf5_object; // address of an object's header; 0: none

// Lends the source, which must stay open. TW_EMALFORMED when it is no HDF5 file or damaged.
twi_hdf5 *twi_hdf5_open(twi_source *source, tw_err *err);
void twi_hdf5_close(twi_hdf5 *file);
bool twi_hdf5_is(const twi_source *source); // by its first bytes
twi_hdf5_object twi_hdf5_root(const twi_hdf5 *file);

// Follows a path ("layers/dense/vars/0") from an object. *found is 0 where a part is absent (no error).
tw_status twi_hdf5_find(twi_hdf5 *file, twi_hdf5_object from, const char *path, twi_hdf5_object *found,
                        tw_err *err);
// Names of a group's members in the file's order (twi_hdf5_texts_clear them).
typedef struct twi_hdf5_texts {
    size_t n;
    char **at; // owned
} twi_hdf5_texts;
tw_status twi_hdf5_members(twi_hdf5 *file, twi_hdf5_object group, twi_hdf5_texts *out, tw_err *err);
void twi_hdf5_texts_clear(twi_hdf5_texts *texts);
bool twi_hdf5_is_group(twi_hdf5 *file, twi_hdf5_object object);

// Attributes. Absent: *out is NULL or n = 0 without error. Lists split into name0, name1 … are joined (interop a1).
tw_status twi_hdf5_text(twi_hdf5 *file, twi_hdf5_object object, const char *name, char **out, tw_err *err);
tw_status twi_hdf5_texts_of(twi_hdf5 *file, twi_hdf5_object object, const char *name, twi_hdf5_texts *out,
                            tw_err *err);

// Datasets.
typedef struct twi_hdf5_data {
    tw_shape shape;
    twi_dtype dtype;
    uint64_t bytes; // of all values, as stored when uncompressed
} twi_hdf5_data;
tw_status twi_hdf5_data_of(twi_hdf5 *file, twi_hdf5_object dataset, twi_hdf5_data *out, tw_err *err);
// All values as f32 into dst (twi_shape_count(shape) numbers). Integers are converted.
tw_status twi_hdf5_read_f32(twi_hdf5 *file, twi_hdf5_object dataset, float *dst, tw_err *err);

// ----------------------------------------------------------------------------------------------------------- writing

typedef struct twi_hdf5_writer twi_hdf5_writer;
// Creates (truncates) the file at path. TW_EWRITE.
twi_hdf5_writer *twi_hdf5_create(const char *path, tw_err *err);
// Makes a group and its parents; existing is fine.
tw_status twi_hdf5_put_group(twi_hdf5_writer *w, const char *path, tw_err *err);
// Attributes of an existing object ("/" is the root). Lists over 64,512 bytes are split as h5py's users do.
tw_status twi_hdf5_put_text(twi_hdf5_writer *w, const char *object, const char *name, const char *text,
                            tw_err *err);
tw_status twi_hdf5_put_texts(twi_hdf5_writer *w, const char *object, const char *name, size_t n,
                             const char *const *texts, tw_err *err);
// A dataset (parents are made): dense values of `dtype` F32 or I64. Contiguous.
tw_status twi_hdf5_put_data(twi_hdf5_writer *w, const char *path, twi_dtype dtype, const tw_shape *shape,
                            const void *data, tw_err *err);
// Flushes and closes; NULL is fine. The first failure of any put is reported here too.
tw_status twi_hdf5_finish(twi_hdf5_writer *w, tw_err *err);

#endif
