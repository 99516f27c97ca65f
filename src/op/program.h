// Programs: layers translated into a list of ops over numbered values. Plain data: printable, comparable.
//
// A program is emitted for one batch size (shapes are concrete) and one mode (inference or training). Ops are in
// execution order. The engine turns a program into a plan.
#ifndef TWI_OP_PROGRAM_H
#define TWI_OP_PROGRAM_H

#include "op/op.h"

typedef int32_t twi_value; // index into program->values
enum { TWI_NONE = -1 };    // no value: an optional input left out, or an emit that failed

typedef enum twi_value_kind {
    TWI_VALUE_INPUT,    // given at run time; index = which model input
    TWI_VALUE_WEIGHT,   // belongs to the model; `weight` lends its owner
    TWI_VALUE_CONSTANT, // fixed numbers, owned by the program
    TWI_VALUE_TEMP      // result of an op
} twi_value_kind;

struct twi_weight; // graph/model.h

typedef struct twi_value_info {
    twi_value_kind kind;
    tw_shape shape;
    int op;                    // TEMP: the op that makes it; else -1
    int slot;                  // TEMP: which of its outputs
    int index;                 // INPUT: which input
    struct twi_weight *weight; // WEIGHT: lent; the engine reads (and the optimizer writes) its data
    bool is_trainable;         // WEIGHT: gets a gradient
    const float *constant;     // CONSTANT: in the program's arena
} twi_value_info;

typedef struct twi_program_op {
    const twi_op_kind *kind;
    const void *params; // in the program's arena
    int n_in, n_out;
    twi_value in[TWI_OP_IN_MAX], out[TWI_OP_OUT_MAX];
    const char *label; // name of the layer it comes from, in the arena
    int node;          // model node it comes from (set by the walker), or -1
} twi_program_op;

typedef struct twi_program {
    twi_arena arena;
    twi_vec(twi_value_info) values;
    twi_vec(twi_program_op) ops;
} twi_program;

void twi_program_clear(twi_program *program);

// ------------------------------------------------------------------------------------------------------------ emitter
//
// What a layer's `emit` writes with. The first error stays in err; after it every emit returns TWI_NONE at once.

typedef struct twi_emitter {
    twi_program *program;
    tw_err *err;
    // Set by the walker for each layer call:
    const char *label; // the layer's name
    int node;
    const twi_value *weight; // the layer's weights as values, in the order its `weights` function listed them
    int n_weight;
    bool is_training;     // random layers drop, BatchNormalization may use batch statistics
    bool is_trainable;    // layer.trainable (BatchNormalization needs it)
    bool wants_penalties; // activity regularizers count
    uint32_t layer_id;    // stable number of the layer: names its random stream
} twi_emitter;

twi_value twi_emit_input(twi_emitter *e, const tw_shape *shape, int index);
twi_value twi_emit_weight(twi_emitter *e, struct twi_weight *weight, const tw_shape *shape,
                          bool is_trainable);
twi_value twi_emit_constant(twi_emitter *e, const tw_shape *shape, const float *data); // copies
// Any op: infers shapes, appends, returns out[0]. The wrappers below and in op_*.h read better.
twi_value twi_emit(twi_emitter *e, const twi_op_kind *kind, const void *params, int n_in,
                   const twi_value *in);
// Shape of a value (rank 0 for TWI_NONE).
tw_shape twi_value_shape(const twi_emitter *e, twi_value v);

#endif
