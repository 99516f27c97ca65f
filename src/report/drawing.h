// The drawing of a network: an SVG of its blocks, for slides, reports and the eye.
//
//   stages    frames, one for each size of the picture on its way, in columns from left to right
//   boxes     a layer that computes, with what belongs to it (padding in front; normalisation, activation … behind)
//   blocks    side-by-side branches between a split and a join, a skip as an arc; drawn once if it comes N times in a row
// What is frozen is tinted, and the cut between a pretrained trunk and its new head is marked. Every layer has its line in
// the <title> (shown by browsers under the pointer) of exactly one element of class "layer".
#ifndef TWI_REPORT_DRAWING_H
#define TWI_REPORT_DRAWING_H

#include "base/str.h"
#include "graph/model.h"

typedef struct twi_drawing_options {
    const char *title; // NULL: the model's name
    const char *cut;   // the layer after which the network was cut, or NULL
    int n_dropped;     // layers the cut left out
} twi_drawing_options;

// Appends the SVG. The same model gives the same bytes. TW_ENOMEM.
tw_status twi_drawing_write(const tw_model *m, const twi_drawing_options *o, twi_str *out, tw_err *err);

#endif
