// Layers from option structs: what stands behind the constructors of topwork_layers.h.
//
// A constructor writes the members that are not zero as "key=value" lines into a tw_layer_spec; where the layer is made,
// each line goes through the kind's own field row. So ranges, names and defaults are those of JSON and the head language.
#ifndef TWI_LAYER_OPTIONS_H
#define TWI_LAYER_OPTIONS_H

#include "layer/layer.h"

// Which member of an options struct holds which field. The field's type says what the member is:
//   int64_t, double, int64_t[2] (PAIR), int64_t[4] (PADS), int64_t[TW_RANK_MAX] (SHAPE), double[TWI_OPTION_FLOATS]
//   (FLOATS), bool (BOOL and NOT), const char * (the rest). TW_ZERO stands for zero.
typedef struct twi_option_row {
    const char *key; // NULL ends the table
    size_t offset;
} twi_option_row;
enum { TWI_OPTION_FLOATS = 4 };

// Whether a bool member switches off what is on by default ("no_bias").
bool twi_option_is_negative(const tw_field *f);

// A spec of a kind from its options struct. name may be NULL.
tw_layer_spec twi_spec_write(const char *class_name, const twi_option_row *rows, const void *options,
                             const char *name, bool frozen);
// The layer a spec describes; NULL with TW_EINVAL naming kind, key, expected and received.
twi_layer *twi_spec_layer(const tw_layer_spec *spec, tw_err *err);

#endif
