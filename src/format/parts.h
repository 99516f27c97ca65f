// What the files of this room share: staging of weights, the two HDF5 layouts, Keras configs, files written whole.
#ifndef TWI_FORMAT_PARTS_H
#define TWI_FORMAT_PARTS_H

#include "format/format.h"

#include <stdio.h>

// -------------------------------------------------------------------------------------------------- staging (stage.c)
//
// Loading is all or nothing: arrays are read into buffers of their own and given to the model only when everything
// fitted. What does not fit is collected, so that one message names it all.

typedef struct twi_staged {
    twi_weight *weight;
    float *data;
} twi_staged;

typedef struct twi_stage {
    const char *file; // base name, for messages
    const twi_load_options *o;
    twi_load_report *report;
    twi_vec(twi_staged) arrays;
    twi_str failures; // "; "-joined
    int n_failures;
} twi_stage;

// `o` and `report` may be NULL.
void twi_stage_begin(twi_stage *s, const char *path, const twi_load_options *o, twi_load_report *report);
// Reads one array for a weight. A wrong shape is noted (skip_mismatch: reported as skipped), not returned: TW_OK.
tw_status twi_stage_read(twi_stage *s, const twi_layer *layer, twi_weight *w, twi_hdf5 *file,
                         twi_hdf5_object dataset, tw_err *err);
// The same from an f32 array in memory, in the weight's own order.
tw_status twi_stage_copy(twi_stage *s, const twi_layer *layer, twi_weight *w, const tw_shape *shape,
                         const float *data, tw_err *err);
// Notes something that does not fit. skip_mismatch turns it into a skip of `name`.
void twi_stage_note(twi_stage *s, const char *name, const char *fmt, ...) TWI_PRINTF(3, 4);
bool twi_stage_has(const twi_stage *s, const twi_weight *w);
// Gives everything to the model, or nothing: TW_EUNUSABLE naming what did not fit. Frees in every case; `status` is
// what reading returned.
tw_status twi_stage_finish(twi_stage *s, tw_status status, tw_err *err);

// Appends to a ", "-joined list.
void twi_list_add(twi_str *list, const char *name);
// "conv2d 'block1_conv1'" into buf; returns buf.
const char *twi_layer_title(const twi_layer *layer, char *buf, size_t size);
// Own weights, or a nested model's.
bool twi_layer_has_weights(const twi_layer *layer);

// ------------------------------------------------------------------------------------------------- configs (config_*.c)

// Keras 3 objects, or the form without modules that legacy files hold.
typedef enum twi_dialect { TWI_KERAS3, TWI_LEGACY } twi_dialect;
json_t *twi_keras_write(const tw_model *m, twi_dialect dialect, tw_err *err);
// Keras's snake_case of a class name: Conv2D → conv2d, ReLU → re_lu.
void twi_snake_case(const char *class_name, char *out, size_t size);

// ------------------------------------------------------------------------------------- weight layouts inside HDF5 files

// Keras 3's tree (keras_weights.c). `wants_slots`: the optimizer's variables are read into m->slots where they fit.
tw_status twi_keras_tree_read(tw_model *m, twi_hdf5 *file, const char *path, bool wants_slots,
                              const twi_load_options *o, twi_load_report *report, tw_err *err);
// Calls `visit` for every layer's group ("/layers/functional/layers/conv2d"), in the order Keras stores them.
typedef tw_status (*twi_group_visitor)(void *self, const twi_layer *layer, const char *group, tw_err *err);
tw_status twi_keras_groups(const tw_model *m, twi_group_visitor visit, void *self, tw_err *err);
tw_status twi_keras_tree_write(const tw_model *m, twi_hdf5_writer *w, tw_err *err);
// The legacy layout (legacy_weights.c) at the root, or in /model_weights where the root has no layer_names.
tw_status twi_legacy_read(tw_model *m, twi_hdf5 *file, const char *path, const twi_load_options *o,
                          twi_load_report *report, tw_err *err);
// `at`: "" or "/model_weights".
tw_status twi_legacy_write(const tw_model *m, twi_hdf5_writer *w, const char *at, tw_err *err);

// A format's `list` for HDF5: every dataset under its path (stage.c).
tw_status twi_hdf5_list(twi_source *source, twi_array_visitor visit, void *self, tw_err *err);

// The optimizer's variables (slots.c), in their order; 0 among `data`: one is missing. They fill m->slots, or nothing does.
tw_status twi_slots_read(tw_model *m, twi_hdf5 *file, size_t n, const twi_hdf5_object *data, tw_err *err);
tw_status twi_slot_write(const twi_view *slot, twi_hdf5_writer *w, const char *path, tw_err *err);

// -------------------------------------------------------------------------------------------------------------- files

// A temporary sibling of path (twi_free it), and its renaming to path once it is whole. TW_EWRITE.
char *twi_part_path(const char *path, tw_err *err);
tw_status twi_part_commit(const char *part, const char *path, tw_err *err);
tw_status twi_part_drop(const char *part, tw_status status); // removes it; returns status
// Writes a HDF5 file whole: `fill` puts the contents.
tw_status twi_hdf5_write(const tw_model *m, const char *path,
                         tw_status (*fill)(const tw_model *m, twi_hdf5_writer *w, tw_err *err), tw_err *err);

// A file written piece by piece into a temporary sibling (stream.c). The first failure stays; twi_stream_finish tells it.
typedef struct twi_stream {
    const char *path;
    char *part;
    FILE *file;
    uint64_t n; // bytes so far
    tw_err err;
} twi_stream;
void twi_stream_open(twi_stream *s, const char *path);
void twi_stream_put(twi_stream *s, const void *bytes, size_t n);
void twi_stream_printf(twi_stream *s, const char *fmt, ...) TWI_PRINTF(2, 3);
// Renames the file to its path if `status` and all writing went well, else removes it.
tw_status twi_stream_finish(twi_stream *s, tw_status status, tw_err *err);

// The members of an archive before and after model.weights.h5, handed to `put` one by one (keras.c).
typedef tw_status (*twi_member_writer)(void *self, const char *member, const void *bytes, size_t n,
                                       tw_err *err);
tw_status twi_keras_head(const tw_model *m, twi_member_writer put, void *self, tw_err *err);
tw_status twi_keras_tail(const tw_model *m, twi_member_writer put, void *self, tw_err *err);
// A model from an unzipped archive: a folder with config.json and model.weights.h5 (keras.c).
tw_model *twi_keras_folder(const char *folder, const twi_load_options *o, twi_load_report *report,
                           tw_err *err);

// What a model from elsewhere says about its pictures (preprocess.c): Rescaling inside, a known trunk, labels.txt.
// Models from here, which carry it, are left alone.
tw_status twi_recognise(tw_model *m, const char *path, const twi_load_options *o, tw_err *err);

#endif
