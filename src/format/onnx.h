// Writing a model as ONNX: what its two files share. See onnx.c.
#ifndef TWI_FORMAT_ONNX_H
#define TWI_FORMAT_ONNX_H

#include "codec/protobuf_writer.h"
#include "format/export.h"

// ONNX computes pictures with channels first, topwork with channels last. A result of four axes is kept as its op made it, and
// turned (once) where another op wants it otherwise.
typedef enum twi_onnx_layout { TWI_ONNX_LAST, TWI_ONNX_FIRST } twi_onnx_layout;

// Numbers of the file: an initializer. Values are turned when they are written.
typedef struct twi_onnx_tensor {
    const char *name;
    tw_shape shape, from; // as written; as `numbers` lie
    const float *numbers; // NULL: `ints` are it
    int order[4];         // written axis i is axis order[i] of `from` (four axes only)
    bool is_turned;
    int64_t ints[8];
} twi_onnx_tensor;

typedef struct twi_onnx {
    const twi_export *x;
    twi_str nodes; // encoded
    twi_vec(twi_onnx_tensor) tensors;
    const char *(*name)[2]; // of each value, by layout; NULL: not there (yet)
    int n_names;
    twi_arena texts;
    tw_err err; // the first failure
} twi_onnx;

// A node that grows; twi_onnx_node_end puts it into the graph.
typedef struct twi_onnx_node {
    twi_str text;
} twi_onnx_node;
twi_onnx_node twi_onnx_node_of(const char *op, const char *in); // in: its first input, or NULL
void twi_onnx_node_in(twi_onnx_node *n, const char *in);        // NULL: one left out
void twi_onnx_node_int(twi_onnx_node *n, const char *name, int64_t v);
void twi_onnx_node_float(twi_onnx_node *n, const char *name, double v);
void twi_onnx_node_text(twi_onnx_node *n, const char *name, const char *v);
void twi_onnx_node_ints(twi_onnx_node *n, const char *name, int count, const int64_t *v);
// Its result's name: `out`, or a new one after `label`.
const char *twi_onnx_node_end(twi_onnx *o, twi_onnx_node *n, const char *label, const char *out);

// Writes one op's nodes (onnx_ops.c).
void twi_onnx_op(twi_onnx *o, const twi_program_op *op);
// The name of a value in a layout (four axes; else only one is there), turning it if needed.
const char *twi_onnx_name(twi_onnx *o, twi_value v, twi_onnx_layout layout);
// "label/3": a name nothing else has.
const char *twi_onnx_new_name(twi_onnx *o, const char *label);
// Whole numbers as an initializer, n ≤ 8.
const char *twi_onnx_ints(twi_onnx *o, const char *label, int n, const int64_t *v);
const char *twi_onnx_scalar(twi_onnx *o, const char *label, double v);
void twi_onnx_push(twi_onnx *o, const twi_onnx_tensor *t);
// An activation of x (onnx_activation.c); NULL: there is none like it.
const char *twi_onnx_activation(twi_onnx *o, const char *label, const twi_activation_params *p,
                                const char *x);
// A copy of a value under a name of its own: an output of the graph.
void twi_onnx_identity(twi_onnx *o, const char *from, const char *to);

#endif
