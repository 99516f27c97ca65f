// A model as a short list of ops for writers of other languages (C, ONNX): inference, with everything known beforehand
// computed beforehand.
//
//   emit → fold constants → fold BatchNormalization into the weights before it, else into a factor and an offset → prune
// What is left is in order of execution; every input of an op is an input of the model, a result, or numbers.
#ifndef TWI_FORMAT_EXPORT_H
#define TWI_FORMAT_EXPORT_H

#include "format/parts.h"

typedef struct twi_export {
    const tw_model *model;
    twi_program program;
    int n_out;
    twi_value *out; // the model's outputs
    int *uses;      // of each value: how many ops and outputs read it
} twi_export;

// Zero-initialise; twi_export_clear. TW_EUNUSABLE: inputs of open size, weights without values.
tw_status twi_export_new(const tw_model *m, int64_t batch, twi_export *x, tw_err *err);
void twi_export_clear(twi_export *x);

const tw_shape *twi_export_shape(const twi_export *x, twi_value v);
// The numbers of a value that has them beforehand, or NULL.
const float *twi_export_numbers(const twi_export *x, twi_value v);
// Numbers of all inputs, or of all outputs.
int64_t twi_export_inputs_size(const twi_export *x);
int64_t twi_export_outputs_size(const twi_export *x);
// Runs the ops as they are: inputs one after the other, outputs likewise.
tw_status twi_export_run(const twi_export *x, const float *inputs, float *outputs, tw_err *err);

// What a model says about its pictures, in a sentence: "0..255, red green blue".
const char *twi_export_pixels(const tw_model *m);
// Range of numbers its inputs hold, for trying it out.
void twi_export_range(const tw_model *m, double *low, double *high);
// "not supported yet: writing op 'flip' of layer 'x' as C".
tw_status twi_export_refuse(const twi_program_op *op, const char *language, tw_err *err);

#endif
