// Opening models the way the verbs' MODEL argument means: a model file, a run directory, or the name of an architecture.
#ifndef TWI_JOB_OPEN_H
#define TWI_JOB_OPEN_H

#include "data/recipe.h"
#include "format/format.h"

// A model file, or a run directory's model.keras. Weights are loaded.
tw_model *twi_open_file(const char *path, const twi_load_options *o, twi_load_report *report, tw_err *err);
// Whether a name is no file and names an architecture.
bool twi_is_architecture(const char *name);

// An architecture with weights: "imagenet", "none" (drawn from seed) or a file. *source (may be NULL, twi_free) says where
// they came from, *report (may be NULL) what did not fit by name. TW_EUNUSABLE with advice where they are not found.
tw_model *twi_open_architecture(const char *name, const twi_zoo_options *o, const char *weights,
                                const twi_load_options *loading, uint64_t seed, char **source,
                                twi_load_report *report, tw_err *err);

// Settles the size of the pictures m takes: `size` by `size` where that is not 0; else, where m leaves it open, what is known of
// `whole`, the model it came from (or m itself). TW_EUNUSABLE asking for --input-size where nothing is.
// TW_EINVAL where a layer or a weight does not go with that size.
tw_status twi_open_size(tw_model *m, const tw_model *whole, int64_t size, tw_err *err);
// The shapes it would give the inputs: shape[TWI_LAYER_IN_MAX].
tw_status twi_open_shapes(const tw_model *m, const tw_model *whole, int64_t size, tw_shape *shape,
                          tw_err *err);

// How photos become this model's pixels: what the model's info says; `preprocess` (may be NULL) overrides the pixel mode.
// TW_EUNUSABLE asking for --preprocess where nothing says so.
tw_status twi_open_recipe(const tw_model *m, const char *preprocess, bool exact_decode, twi_recipe *r,
                          tw_err *err);

// The folder of weights and features: $TOPWORK_HOME, or $XDG_CACHE_HOME/topwork, or ~/.cache/topwork; joined with `below`.
// NULL with err. twi_free it.
char *twi_home(const char *below, tw_err *err);

#endif
