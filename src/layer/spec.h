// Layer specs: layers written as short text, the head language of `--head`.
//
//   "flatten, dense:4096:relu, dropout:0.5"    layers joined by commas or blanks, arguments by colons
//   "dense:64:activation=relu:use_bias=false"  arguments without a name fill the kind's `quick` keys in order
//   "dense:64:relu:activity_regularizer=l2(1e-4)"   a value's own arguments in parentheses: l1l2(l1=1e-5:l2=1e-4)
#ifndef TWI_LAYER_SPEC_H
#define TWI_LAYER_SPEC_H

#include "layer/layer.h"

// One layer, "dense:64:relu". Its name is chosen when it is called. NULL with TW_EINVAL naming the nearest kind or key.
twi_layer *twi_layer_parse(const char *text, tw_err *err);
// TW_EINVAL: there is no such kind of layer; names the nearest.
tw_status twi_layer_unknown(const char *name, tw_err *err);
// All layers of a head in order. Zero-initialise; twi_layers_clear.
typedef struct twi_layers_parsed {
    twi_vec(twi_layer *) at;
} twi_layers_parsed;
tw_status twi_layers_parse(const char *text, twi_layers_parsed *out, tw_err *err);
void twi_layers_clear(twi_layers_parsed *layers);

#endif
