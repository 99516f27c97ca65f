// Model files: loading and saving models and weights. One file per format; the content of a file decides, not its
// suffix. A format is a row (twi_format) in list.inc (sorted).
#ifndef TWI_FORMAT_FORMAT_H
#define TWI_FORMAT_FORMAT_H

#include "codec/hdf5.h"
#include "codec/zip.h"
#include "graph/info.h"
#include "zoo/zoo.h"

typedef struct twi_load_options {
    bool skip_mismatch; // Keras: arrays of another shape are left alone
    bool by_name;       // legacy files: match layers by name
    const twi_zoo_variant
        *variant; // weights of an architecture (torch names, preprocessing); NULL: not known
} twi_load_options;

// What loading did, for messages ("loaded 105 of 107 layers; left over: …"). Zero-initialise; twi_load_report_clear.
typedef struct twi_load_report {
    int64_t n_loaded; // arrays
    twi_str
        skipped; // names of what the model has and the file has not (or with another shape), joined by ", "
    twi_str left_over; // names of what the file has and the model has not
} twi_load_report;
void twi_load_report_clear(twi_load_report *report);

// Called for each array of a file of weights, in the file's order; name and shape are lent.
typedef tw_status (*twi_array_visitor)(void *self, const char *name, const tw_shape *shape, tw_err *err);

typedef struct twi_format {
    const char *name, *doc; // "keras", "Keras 3 archive"
    const char *suffix;     // chosen for writing by this ending (".keras", ".weights.h5"); longest match wins
    const char *beside;     // ending of a further file that writing makes, in place of `suffix`; or NULL
    bool (*is)(const twi_source *source); // by content; NULL: written only
    // Each may be NULL: the format cannot.
    tw_model *(*read_model)(twi_source *source, const twi_load_options *o, twi_load_report *report,
                            tw_err *err);
    tw_status (*read_weights)(tw_model *m, twi_source *source, const twi_load_options *o,
                              twi_load_report *report, tw_err *err);
    tw_status (*list)(twi_source *source, twi_array_visitor visit, void *self,
                      tw_err *err); // of weights only
    tw_status (*write_model)(const tw_model *m, const char *path, tw_err *err);
    tw_status (*write_weights)(const tw_model *m, const char *path, tw_err *err);
} twi_format;

extern const twi_format *const twi_formats[]; // NULL-ended
// By content (TW_EMALFORMED naming what is known), or by the path's suffix (TW_EINVAL).
const twi_format *twi_format_of(const twi_source *source, tw_err *err);
const twi_format *twi_format_for(const char *path, tw_err *err);

// A model from a file, with its weights. TW_EUNUSABLE for a file that holds weights only (says which verb wants it).
// A sibling labels.txt is read where the file has no labels (architecture §4).
tw_model *twi_model_load(const char *path, const twi_load_options *o, twi_load_report *report, tw_err *err);
// Weights of a file into m. All or nothing: on failure no weight of m is changed. TW_EUNUSABLE where they do not fit,
// naming file, layer, expected and found.
tw_status twi_weights_load(tw_model *m, const char *path, const twi_load_options *o, twi_load_report *report,
                           tw_err *err);
// Writes by suffix: model (.keras, .h5) or weights (.weights.h5). Atomic. TW_EWRITE.
tw_status twi_model_save(const tw_model *m, const char *path, tw_err *err);
tw_status twi_weights_save(const tw_model *m, const char *path, tw_err *err);
// The same as shards of at most `limit` bytes of values beside an index, path, that ends in .weights.json. TW_EINVAL: one
// array alone is larger.
#define TWI_SHARD_BYTES ((int64_t)5 << 30) // Keras's
tw_status twi_shards_write(const tw_model *m, const char *path, int64_t limit, tw_err *err);

// A file of published weights or of class names in these places, or NULL without an error. twi_free it.
char *twi_weights_place(const char *file, tw_err *err);

// Class names from a file with one a line (a leading index is stripped). TW_EUNUSABLE: not as many as the model has classes.
tw_status twi_labels_load(tw_model *m, const char *path, tw_err *err);
// Those of ImageNet, where a network of the zoo with its classifier has none. *is_missing: the file of names is not here.
tw_status twi_imagenet_labels(tw_model *m, bool *is_missing, tw_err *err);

// The network of the zoo that a model is or is built on, by what loading it found or by its layers; NULL: none.
const twi_zoo_variant *twi_model_known_trunk(const tw_model *m);
// The height and width that a model of open size is known to want: what a Resizing at its beginning gives, else those its trunk
// was published at. false: nothing says so.
bool twi_model_known_size(const tw_model *m, int64_t size[2]);

// Where published weights of a variant are (architecture §4: $TOPWORK_HOME/weights, $XDG_CACHE_HOME/topwork/weights,
// $KERAS_HOME/models, ~/.keras/models). NULL with TW_EUNUSABLE: file, places, and how to get it. twi_free it.
char *twi_weights_find(const twi_zoo_variant *variant, bool has_top, tw_err *err);

// A Keras "object" of a layer or model as JSON, and back (interop c2, c3): what config.json of a .keras holds.
json_t *twi_keras_config(const tw_model *m, tw_err *err);
tw_model *twi_keras_build(const json_t *object, const char *where, tw_err *err);
// A model like m with layers and weights of its own: flags, values, info and compile record; no optimizer variables.
tw_model *twi_model_copy(tw_model *m, tw_err *err);

#endif
