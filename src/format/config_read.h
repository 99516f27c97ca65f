// Reading Keras configs: what config_read.c (objects, layers, Sequential) and config_graph.c (Functional) share.
#ifndef TWI_FORMAT_CONFIG_READ_H
#define TWI_FORMAT_CONFIG_READ_H

#include "format/parts.h"

// Shapes of the tensors a model is called on, where its own inputs leave sizes open.
typedef struct twi_hints {
    int n;
    const tw_shape *at;
} twi_hints;

typedef struct twi_config_reader {
    const char *where; // the file
    int depth;         // nests around the current model
    json_t *left_out;  // names of augmentation layers, which pass pictures through here
    tw_err *err;
} twi_config_reader;

enum { TWI_LAYERS_MAX = 4096 }; // of one model; the largest known has 1,041

// A layer, or a model as a layer, from a Keras object. NULL with err.
twi_layer *twi_config_layer(twi_config_reader *r, const json_t *object, twi_hints hints);
// An InputLayer; open sizes are taken from the hint (may be NULL).
twi_layer *twi_config_input(twi_config_reader *r, const json_t *object, const tw_shape *hint);
// Fills a fresh Functional model from its config.
tw_status twi_config_functional(twi_config_reader *r, tw_model *m, const json_t *config, twi_hints hints);
// The kind an object names, or NULL: not known here.
const tw_layer_kind *twi_config_kind(const json_t *object);
// Whether an object is an InputLayer, and whether it is a model.
bool twi_config_is_input(const json_t *object);
bool twi_config_is_model(const json_t *object);
// Moves a building error into r->err: what a caller got wrong is a malformed file here.
tw_status twi_config_adopt(twi_config_reader *r, const tw_err *err);

#endif
