// Layer specs: layers written as short text, the head language of `--head`.
//
//   "flatten, dense:4096:relu, dropout:0.5"    layers joined by commas or blanks, arguments by colons
//   "dense:64:activation=relu:use_bias=false"  arguments without a name fill the kind's `quick` keys in order
#ifndef TWI_LAYER_SPEC_H
#define TWI_LAYER_SPEC_H

#include "layer/layer.h"

// One layer, "dense:64:relu". Its name is chosen when it is called. NULL with TW_EINVAL naming the nearest kind or key.
twi_layer *twi_layer_parse(const char *text, tw_err *err);
// All layers of a head in order. Zero-initialise; twi_layers_clear.
typedef struct twi_layers_parsed {
    twi_vec(twi_layer *) at;
} twi_layers_parsed;
tw_status twi_layers_parse(const char *text, twi_layers_parsed *out, tw_err *err);
void twi_layers_clear(twi_layers_parsed *layers);

#endif
