// What the files of this room share: a plan from the inside, and one while it is being built.
//
// twi_plan_new goes through these passes, one file each, always in this order:
//   emit, cut     plan.c       the model's program, started at `from`, ended at `to`
//   trace         trace.c      facts about values: what reaches them
//   prune         prune.c      ops nobody needs; ops on constants become derived constants
//   pad           padding.c    zeros around a picture go into the padding of the convolution behind them
//   fold          fold.c       scales and offsets go into the weights of the convolution before them
//   join          join.c       an activation becomes a part of the batch_norm before it, where that trains
//   gradient      gradient.c   which ops go backward, which values they read
//   choose        choose.c     kernels (find_kernel.c, trials.c), layouts, fused neighbours (fuse.c), reorders; backward.c:
//                              the way back
//   prepare       constant.c   derived constants are computed, constants laid out as kernels want them
//   recompute     recompute.c  where a run may take so much only: what is made again on the way back
//   place         place.c      liveness, one arena
// The result is a list of steps over refs; run.c walks it.
#ifndef TWI_ENGINE_INSIDE_H
#define TWI_ENGINE_INSIDE_H

#include "engine/plan.h"

// -------------------------------------------------------------------------------------------------------------- facts

// What is known of a value of a program.
enum {
    TWI_FACT_DATA = 1,     // an input of the program reaches it
    TWI_FACT_LIVE = 2,     // a trainable weight, a random op or batch statistics reach it: not frozen
    TWI_FACT_TRAINED = 4,  // a trainable weight reaches it
    TWI_FACT_CONSTANT = 8, // the same in every run of the plan
    TWI_FACT_DENSE = 16,   // a constant that some step reads as it is, dense
    TWI_FACT_GRAD = 32,    // a gradient passes through it
    TWI_FACT_KEPT = 64     // the way back reads it
};

// DATA, LIVE and TRAINED of every value. twi_free it. NULL with err.
uint8_t *twi_trace(const twi_program *program, tw_err *err);
bool twi_op_is(const twi_program_op *op, const char *kind);
// A batch_norm op that uses (and updates) statistics of the batch.
bool twi_op_uses_batch(const twi_program_op *op);
// Marks the ops that the given values need (keep[op]); *keep is zeroed by the caller.
void twi_trace_needed(const twi_program *program, int n, const twi_value *values, bool *keep,
                      bool *is_needed);

// The value of a place in a program, or TWI_NONE; and the place of a value.
twi_value twi_place_find(const twi_program *program, const twi_place *place);
twi_place twi_place_at(const twi_program *program, twi_value v);

// Hash of what makes the values: the ops marked in `keep`, their parameters, shapes and weights' values.
tw_status twi_prefix_key(const twi_program *program, const bool *keep, int n, const twi_value *values,
                         uint8_t key[16], tw_err *err);
// Whether the hash knows the members of this op's parameters (a test asks it for every op).
bool twi_key_knows(const twi_op_kind *kind);
// TW_EINVAL naming the first weight read by an op of the program (keep NULL: all) that has no values.
tw_status twi_check_weights(const tw_model *m, const twi_program *program, const bool *keep, tw_err *err);

// ---------------------------------------------------------------------------------------------------------- constants

enum { TWI_FOLDS_MAX = 8 };

// One scale-and-offset of channels that was folded: y = x · s + t.
typedef struct twi_affine {
    enum {
        TWI_AFFINE_NORM, // value: gamma, beta, mean, variance
        TWI_AFFINE_ADD,  // value[0] has one number, or one a channel; also of the following
        TWI_AFFINE_SUB,
        TWI_AFFINE_FROM, // value − x
        TWI_AFFINE_MUL,
        TWI_AFFINE_DIV
    } what;
    twi_value value[4];
    double epsilon;
} twi_affine;

// Constants that are computed from other constants when the plan is made or refreshed.
typedef struct twi_derived {
    bool is_fold;
    twi_program_op op; // !is_fold: its reference gives out[0 …]
    // is_fold: kernel' = kernel · s (last axis), bias' = bias · s + t; kernel TWI_NONE: s itself, of one number a channel
    twi_value kernel, bias;         // bias may be TWI_NONE
    twi_value result;               // of the op that is folded into
    twi_value new_kernel, new_bias; // new_kernel TWI_NONE: no scale among the folds
    int n_affine;
    twi_affine affine[TWI_FOLDS_MAX];
} twi_derived;

// A constant laid out as a kernel wants it.
typedef struct twi_prepared {
    twi_value value;
    const twi_layout *layout; // lent by the kernel that asked
    twi_kernel *reorder;
    void *data;
    size_t bytes;
} twi_prepared;

// -------------------------------------------------------------------------------------------------------------- steps

// Where a step finds a tensor.
typedef struct twi_ref {
    enum {
        TWI_REF_NONE,
        TWI_REF_BUFFER,  // index into buffers
        TWI_REF_VALUE,   // dense data of a weight or constant: index is its value
        TWI_REF_PREPARED // index into prepared
    } kind;
    int index;
} twi_ref;

enum { TWI_FOREVER = INT32_MAX };

// A piece of the arena, and the steps during which it is taken.
typedef struct twi_buffer {
    int64_t bytes;
    int first,
        last; // first step that writes it (-1: the caller), last that reads it (TWI_FOREVER: the caller)
    int into; // takes the memory of this buffer; -1: has its own
    int64_t offset;
} twi_buffer;

typedef struct twi_plan_step {
    // ADD: out[0] += in[0]; COPY: = in[0]; f32. HAND_OVER: the gradient of a matmul's weights, in pieces.
    enum { TWI_STEP_KERNEL, TWI_STEP_ADD, TWI_STEP_COPY, TWI_STEP_HAND_OVER } what;
    twi_kernel *kernel;
    int op;                   // op of the program; -1: a reorder
    const twi_layout *layout; // of out[0]
    twi_value value;          // what out[0] (or a gradient) is about
    twi_ref in[TWI_OP_IN_MAX], out[TWI_OP_OUT_MAX], grad_out, grad_in[TWI_OP_IN_MAX];
    int scratch;   // buffer, or -1
    bool is_again; // a forward step repeated on the way back; its kernel belongs to the first time
    int64_t count, macs, bytes;
    int gradient; // HAND_OVER: which of the plan's
    char fused[96];
    json_t *tried; // ways that a trial compared (trials.h), or NULL
} twi_plan_step;

typedef struct twi_gradient {
    twi_weight *weight;
    twi_value value;
    int buffer; // -1: handed over in pieces
} twi_gradient;

struct twi_plan {
    twi_plan_options o; // from and to are NULL here
    bool ends_early;    // outputs are a frontier's values
    twi_program program;
    twi_vec(uint8_t) facts;   // [values]
    twi_vec(twi_value) alias; // [values] the value whose memory it is; itself if its own
    twi_vec(float *) dense;   // [values] derived constants' numbers, owned; else NULL
    twi_vec(twi_derived) derived;
    twi_vec(twi_prepared) prepared;
    twi_vec(twi_value) inputs, outputs;
    int n_penalties; // the last outputs: out[1] of ops that are part of the loss
    twi_value logits;
    twi_final final;
    twi_vec(twi_plan_step) steps;
    int n_forward; // steps before this one are the forward run
    twi_vec(twi_buffer) buffers;
    int64_t arena_bytes;
    int n_again;      // steps that are repeated
    double more_time; // what they cost, as a part of a step forward and backward
    twi_vec(twi_ref) input_refs, output_refs;
    twi_ref logits_ref;
    int grad_logits; // buffer, or -1 without gradients
    twi_vec(twi_gradient) gradients;
    twi_vec(twi_weight *) states; // changed by each forward run: moving statistics
    double *seconds;              // [steps] the least of the profiled runs
    int64_t *n_timed;             // [2] forward, backward runs measured
};

// ----------------------------------------------------------------------------------------------------------- building

// Where a value lies, in one of its layouts.
typedef struct twi_store {
    twi_value value;
    const twi_layout *layout;
    twi_ref ref;
} twi_store;

typedef struct twi_plan_builder {
    twi_plan *plan;
    const tw_model *model;
    int *n_users, *user; // [values] ops that use it, outputs and logits counted too; the last such op, or -1
    bool *goes_back;     // [ops] has a backward step
    bool *is_absorbed;   // [ops] done by the kernel of an earlier op
    twi_vec(twi_store) stores; // first of a value: as its producer leaves it
    int *grad;                 // [values] buffer of its gradient, -1: none yet; weights: see is_written
    bool *is_written;          // [values] the gradient has its first contribution
} twi_plan_builder;

// One op, what may join it, and the kernel found for them.
typedef struct twi_candidate {
    int op, n_chain;
    twi_fusion fusion[TWI_FUSION_MAX];
    int from[TWI_FUSION_MAX];          // ops that join
    twi_value further[TWI_FUSION_MAX]; // further inputs, or TWI_NONE
    bool is_liked;                     // twi_kernel_request
    twi_kernel *kernel;
    int n_fused; // how many of the chain the kernel does
    json_t *tried;
} twi_candidate;

// The passes. See the head of this file.
tw_status twi_plan_prune_dead(twi_plan *plan, tw_err *err);
tw_status twi_plan_prune_constants(twi_plan *plan, tw_err *err);
void twi_plan_prune_ops(twi_program *program, const bool *keep);
tw_status twi_plan_take_padding(twi_plan *plan, tw_err *err);
tw_status twi_plan_fold(twi_plan_builder *b, tw_err *err);
tw_status twi_plan_join(twi_plan_builder *b, tw_err *err);
tw_status twi_plan_gradients(twi_plan_builder *b, tw_err *err);
tw_status twi_plan_choose(twi_plan_builder *b, tw_err *err);
tw_status twi_plan_choose_backward(twi_plan_builder *b, tw_err *err);
tw_status twi_plan_prepare(twi_plan *plan, tw_err *err);
tw_status twi_plan_recompute(twi_plan *plan, tw_err *err);
tw_status twi_plan_place(twi_plan *plan, tw_err *err);

// Pieces of them.
// What the backward kernel of an op gets as in[i] and out[i] of the forward run, or TWI_NONE: what the row reads, less what
// these parameters leave out.
twi_value twi_plan_backward_in(const twi_plan *plan, const twi_program_op *op, int i);
twi_value twi_plan_backward_out(const twi_program_op *op, int i);
// Index of the gradient that this op hands over in pieces, or -1.
int twi_plan_handed(const twi_plan *plan, const twi_program_op *op);
tw_status twi_plan_count_users(twi_plan_builder *b, tw_err *err);
// A value more, with facts, its own memory.
twi_value twi_plan_value(twi_plan *plan, const twi_value_info *info, uint8_t facts, tw_err *err);
twi_value twi_plan_root(const twi_plan *plan, twi_value v);
// c->op is given; the rest is found.
tw_status twi_plan_find_kernel(const twi_plan_builder *b, twi_candidate *c, tw_err *err);
// How a value lies now; NULL: dense.
const twi_layout *twi_plan_layout_now(const twi_plan_builder *b, twi_value v);
// Neighbours that could be done by op's kernel: fusions in order, the ops they come from, and the further inputs.
// Returns how many.
int twi_plan_fuse(const twi_plan_builder *b, int op, twi_fusion *fusion, int *from, twi_value *further);
bool twi_plan_is_stored(const twi_plan_builder *b, twi_value v);
tw_status twi_plan_ref(twi_plan_builder *b, twi_value v, const twi_layout *layout, twi_ref *ref, tw_err *err);
int twi_plan_buffer(twi_plan *plan, int64_t bytes, tw_err *err); // -1 when memory is out
// Appends a step; its buffers live at least from and until it.
tw_status twi_plan_add_step(twi_plan *plan, const twi_plan_step *step, tw_err *err);
// Buffers of step `at` live then.
void twi_plan_note_lives(twi_plan *plan, int at);
// Dense numbers of a weight or constant.
const float *twi_plan_data(const twi_plan *plan, twi_value v);
tw_shape twi_plan_shape(const twi_plan *plan, twi_value v);
// Multiply-adds of one forward run of an op, by its row.
int64_t twi_plan_op_macs(const twi_plan *plan, const twi_program_op *op);

#endif
