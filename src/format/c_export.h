// Writing a model as C: what its three files share. See c_source.c.
#ifndef TWI_FORMAT_C_EXPORT_H
#define TWI_FORMAT_C_EXPORT_H

#include "format/export.h"

// The functions a written file may need, in the order they are written in (c_text.c).
typedef enum twi_c_function {
    TWI_C_CONV,
    TWI_C_DEPTHWISE,
    TWI_C_CONV_TRANSPOSE,
    TWI_C_DENSE,
    TWI_C_LARGEST,
    TWI_C_MEAN,
    TWI_C_LARGEST_OF_ALL,
    TWI_C_MEAN_OF_ALL,
    TWI_C_SOFTMAX,
    TWI_C_LOG_SOFTMAX,
    TWI_C_LAYER_NORM,
    TWI_C_PAD,
    TWI_C_PART,
    TWI_C_TURN,
    TWI_C_NEAREST,
    TWI_C_BILINEAR,
    TWI_C_BINARY,                                  // one for each of twi_binary follows
    TWI_C_ACTIVATION = TWI_C_BINARY + TWI_MIN + 1, // and one for each of twi_activation
    TWI_C_FUNCTIONS = TWI_C_ACTIVATION + TWI_ACTIVATIONS
} twi_c_function;

// Its name in C, and its text.
const char *twi_c_name(int function);
void twi_c_text(twi_stream *s, int function);
// Whether an activation's function takes one number beside x.
bool twi_c_takes_alpha(int activation);

// Where results lie in memory: c_place.c.
typedef struct twi_c_place {
    int64_t *at;   // of each value: floats from the start of the memory; -1: it has none
    int64_t total; // floats
} twi_c_place;
// Zero-initialise; free `at` with twi_free.
tw_status twi_c_place_all(const twi_export *x, twi_c_place *place, tw_err *err);

// One model being written.
typedef struct twi_c_writer {
    const twi_export *x;
    twi_c_place place;
    twi_stream *s;   // NULL: nothing is written yet, only is_used is marked
    char file[128];  // "my cats", the file without its ending
    char name[128];  // "my_cats": before every public name
    char **constant; // of each value: the name of its numbers, or NULL
    bool is_used[TWI_C_FUNCTIONS];
} twi_c_writer;

// The call of one op (c_ops.c).
tw_status twi_c_call(twi_c_writer *w, const twi_program_op *op, tw_err *err);
// A number as C reads it back to the same bits: "0.1f", "INFINITY".
void twi_c_number(float v, char *buf, size_t size);
// Text for a comment: one line, nothing that would end or continue it.
const char *twi_c_comment(const char *text, char *buf, size_t size);

#endif
