// What the files of this folder share: layouts with their descriptors inside, and the builder of kernels.
//
// A kernel here is a list of steps (a primitive, or a small loop of ours), each argument of which is bound to a slot:
// an argument of run, or a place in its scratch. An entry says for each tensor how it is held and how the primitive
// wants it; the builder puts reorders before and after where the two differ. So every family file reads the same:
//
//     twi_builder b;
//     if (!twi_build(&b, request, "pooling", 0, err)) return NULL;
//     describe the tensors           twi_dense, twi_any, twi_hinted
//     prepare the primitive          twi_pd(&b, dnnl_…_primitive_desc_create(twi_pd_at(&b), …))
//     bind its arguments             twi_bind_in, twi_bind_out, twi_bind_grad_out, twi_bind_grad_in
//     add it                         twi_add_step
//     return twi_built(&b);
//
// After a failure, or once something turned out not to be had, every call does nothing and twi_built returns NULL.
#ifndef TWI_OP_ONEDNN_DNNL_H
#define TWI_OP_ONEDNN_DNNL_H

#include "op/onednn/compat.h"
#include "op/onednn/entries.h"
#include "op/params.h"

// ---------------------------------------------------------------------------------------------------------- layouts

// How the axes of an op's shape become the axes of a descriptor (the library's names: n batch, o out, i in, g groups).
// Strides say where the numbers are, so dense memory needs no copy to be seen so.
typedef enum twi_axes {
    TWI_AXES_PLAIN,      // the same axes in the same order: vectors, rows
    TWI_AXES_IMAGE,      // [n,h,w,c]      → (n,c,h,w); other ranks: plain
    TWI_AXES_KERNEL,     // [kh,kw,i,o]    → (o,i,kh,kw), or with groups (g,o/g,i,kh,kw)
    TWI_AXES_TRANSPOSED, // [kh,kw,o,i]    → (o,i,kh,kw): kernel of a transposed convolution
    TWI_AXES_MATRIX,     // [i,o]          → (o,i)
} twi_axes;

enum { TWI_LAYOUT_TEXT = 48 };
struct twi_layout {
    twi_axes axes;
    int64_t groups;
    twi_md md; // owned; NULL: not the library's, but written by `write` from dense numbers
    char text[TWI_LAYOUT_TEXT];
    size_t bytes;
    void (*write)(const tw_shape *shape, const float *dense, void *to);
};

// Descriptor of dense memory of this op-level shape (any: of a layout left to the primitive). TW_ENOMEM, TW_EFAILED.
tw_status twi_md_dense(twi_md *out, const tw_shape *shape, twi_axes axes, int64_t groups,
                       dnnl_data_type_t type, tw_err *err);
tw_status twi_md_any(twi_md *out, const tw_shape *shape, twi_axes axes, int64_t groups, dnnl_data_type_t type,
                     tw_err *err);
dnnl_data_type_t twi_md_type(twi_lent_md md);
// The same bytes mean the same numbers: equal, or different only in axes of size 1; where the number of axes differs,
// one is taken for the other's dense memory seen as rows.
bool twi_md_same(twi_lent_md a, twi_lent_md b);
// A layout of that descriptor; *out is NULL where it is the same as dense f32 of the shape.
tw_status twi_layout_new(twi_layout **out, const tw_shape *shape, twi_axes axes, int64_t groups,
                         twi_lent_md md, tw_err *err);

// ----------------------------------------------------------------------------------------------------------- engine

// The CPU engine, made once per process and never destroyed; NULL with an error. Asked for by all that makes something of
// the library, so it sees to it that there is room for that.
dnnl_engine_t twi_engine(tw_err *err);
// TW_ENOMEM "for `what`" where the library would not find the memory for one more thing: it does not check all of its small
// allocations, nor the memory that it generates code into, and would end the program. Costs two system calls.
tw_status twi_dnnl_room(const char *what, tw_err *err);
// The processor (within ONEDNN_MAX_CPU_ISA) multiplies bf16 numbers.
bool twi_has_bf16(void);
// Puts a failure of the library into words; out of memory keeps its class.
tw_status twi_dnnl_fail(dnnl_status_t status, const char *what, tw_err *err);

// ------------------------------------------------------------------------------------------------------------ kernels

typedef enum twi_place_of {
    TWI_SLOT_IN,       // args->in[index]
    TWI_SLOT_OUT,      // args->out[index]
    TWI_SLOT_GRAD_OUT, // args->grad_out
    TWI_SLOT_GRAD_IN,  // args->grad_in[index]
    TWI_SLOT_SCRATCH,  // args->scratch + offset
    TWI_SLOT_PAD       // the primitive's own scratchpad: one place shared by all steps
} twi_place_of;

typedef struct twi_slot {
    twi_place_of place;
    int index;
    size_t offset; // bytes from there
} twi_slot;

#define TWI_IN(i)      ((twi_slot){TWI_SLOT_IN, i, 0})
#define TWI_OUT(i)     ((twi_slot){TWI_SLOT_OUT, i, 0})
#define TWI_GRAD_OUT   ((twi_slot){TWI_SLOT_GRAD_OUT, 0, 0})
#define TWI_GRAD_IN(i) ((twi_slot){TWI_SLOT_GRAD_IN, i, 0})

void *twi_slot_data(const twi_kernel *kernel, const twi_kernel_args *args, twi_slot slot);

enum { TWI_STEP_ARGS = 12 };

typedef struct twi_step {
    dnnl_primitive_t primitive;                                          // or NULL:
    void (*work)(const twi_kernel *kernel, const twi_kernel_args *args); // a loop of ours
    int n, repeat; // arguments; how many times the primitive runs
    int arg[TWI_STEP_ARGS];
    twi_slot slot[TWI_STEP_ARGS];
    size_t stride[TWI_STEP_ARGS]; // bytes each argument moves on from one repetition to the next
    twi_md md[TWI_STEP_ARGS];     // owned
} twi_step;

enum { TWI_BENCHES = 16 };
struct twi_bench; // run.c: what one running thread needs

// twi_kernel.state of every kernel made here.
typedef struct twi_steps {
    twi_vec(twi_step) steps;
    size_t pad_offset;                                 // of the scratchpad in scratch
    twi_layout *in_layout[TWI_OP_IN_MAX], *out_layout; // owned; the kernel lends them
    char name[32];                                     // "convolution", for messages
    struct twi_bench *_Atomic idle[TWI_BENCHES];
} twi_steps;

tw_status twi_steps_run(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err);
void twi_steps_free(twi_kernel *kernel);

// ------------------------------------------------------------------------------------------------------------ builder

enum { TWI_BUILDER_OWNS = 64, TWI_BUILDER_PDS = 40, TWI_BUILDER_ATTRS = 8 };

// A reorder of a result, after its step.
typedef struct twi_after {
    twi_slot from, to;
    twi_lent_md from_md, to_md;
} twi_after;

typedef struct twi_builder {
    const twi_kernel_request *request;
    tw_err *err;
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; // the caller gives the scratchpad; no post-ops
    twi_kernel *kernel;
    twi_steps *steps;
    bool is_over; // failed (err is set), or not to be had
    size_t scratch, pad;
    // Freed at the end.
    int n_md, n_pd, n_attr;
    twi_md md[TWI_BUILDER_OWNS];
    dnnl_primitive_desc_t pd[TWI_BUILDER_PDS];
    dnnl_primitive_attr_t attrs[TWI_BUILDER_ATTRS];
    // The step being bound: its arguments, and the reorders of results that follow it.
    twi_step step;
    int n_after;
    twi_after after[TWI_STEP_ARGS];
} twi_builder;

// What an entry can serve beyond a plain direct f32 or bf16 op.
enum { TWI_CAN_FUSE = 1, TWI_CAN_WINOGRAD = 2 };

bool twi_build(twi_builder *b, const twi_kernel_request *request, const char *name, unsigned abilities,
               tw_err *err);
twi_kernel *twi_built(twi_builder *b);
// Not to be had: the reference runs.
void twi_give_up(twi_builder *b);

dnnl_data_type_t twi_type(const twi_kernel_request *request);
twi_lent_md twi_dense(twi_builder *b, const tw_shape *shape, twi_axes axes, int64_t groups,
                      dnnl_data_type_t type);
twi_lent_md twi_any(twi_builder *b, const tw_shape *shape, twi_axes axes, int64_t groups,
                    dnnl_data_type_t type);
// A part of a tensor, in logical axes.
twi_lent_md twi_part(twi_builder *b, twi_lent_md whole, const int64_t *dims, const int64_t *offsets);
// How the producer of input i stores it, where layouts are free; else dense. For ops that take what comes.
twi_lent_md twi_hinted(twi_builder *b, int i, twi_axes axes);

// Where a new primitive descriptor goes, and what became of it: false where it is not to be had (nothing is over yet:
// try another, or give up) or failed.
dnnl_primitive_desc_t *twi_pd_at(twi_builder *b);
bool twi_pd(twi_builder *b, dnnl_status_t status);
dnnl_primitive_desc_t twi_pd_last(twi_builder *b);
const char *twi_pd_text(dnnl_primitive_desc_t pd); // "jit:avx2"
bool twi_pd_is_slow(dnnl_primitive_desc_t pd);     // the library's own reference
twi_lent_md twi_pd_md(dnnl_primitive_desc_t pd, dnnl_query_t what, int index);

// Attributes with the request's fusions as post-ops. `added`: layout of what TWI_FUSE_ADD adds. NULL: over.
dnnl_primitive_attr_t twi_fused(twi_builder *b, twi_lent_md added);
dnnl_primitive_attr_t twi_attr(twi_builder *b, dnnl_post_ops_t ops);
bool twi_fusion_adds(const twi_kernel_request *request, int *input);
void twi_bind_fused(twi_builder *b, twi_axes axes, twi_lent_md added);

// The library's function for an activation; false where it has none that is exact.
typedef struct twi_eltwise {
    dnnl_alg_kind_t kind;
    float alpha, beta;
} twi_eltwise;
enum { TWI_ELTWISE_MAX = 2 };
// Whether this activation is better left to a kernel of its own than fused.
bool twi_own_silu(int activation);
// As a chain of post-ops (returns how many, 0 for linear, -1: none).
int twi_eltwise_chain(int activation, double alpha, double beta, double threshold,
                      twi_eltwise chain[TWI_ELTWISE_MAX]);

// A new place in scratch for a tensor.
twi_slot twi_scratch_for(twi_builder *b, twi_lent_md md);
// Binds an argument of the next step to a slot that has the layout the primitive wants.
void twi_bind(twi_builder *b, int arg, twi_slot slot, twi_lent_md md);
// The same for what is held otherwise: reorders before (in) or after the step (out).
void twi_bind_from(twi_builder *b, int arg, twi_slot slot, twi_lent_md held, twi_lent_md wanted);
void twi_bind_to(twi_builder *b, int arg, twi_slot slot, twi_lent_md held, twi_lent_md wanted);
// States how the kernel expects input i, and leaves its result; false where that is not free to choose (must be dense).
bool twi_ask_in(twi_builder *b, int i, twi_axes axes, int64_t groups, twi_lent_md wanted);
bool twi_leave_out(twi_builder *b, twi_axes axes, twi_lent_md as);
// Tensors of the request: where the layout is free (constants always), the kernel asks for `wanted`; else it is held
// dense and reordered.
void twi_bind_in(twi_builder *b, int arg, int i, twi_axes axes, int64_t groups, twi_lent_md wanted);
void twi_bind_out(twi_builder *b, int arg, twi_axes axes, twi_lent_md wanted);
void twi_bind_grad_out(twi_builder *b, int arg, twi_axes axes, twi_lent_md wanted);
void twi_bind_grad_in(twi_builder *b, int arg, int i, twi_axes axes, int64_t groups, twi_lent_md wanted);
// Adds the step; the first one that is no reorder names the kernel.
void twi_add_step(twi_builder *b, dnnl_primitive_desc_t pd);
// The same, run `repeat` times; argument i moves on by stride[i] bytes each time (in the order they were bound).
void twi_add_repeated(twi_builder *b, dnnl_primitive_desc_t pd, int repeat, const size_t *stride);
void twi_add_work(twi_builder *b, void (*work)(const twi_kernel *, const twi_kernel_args *));
void twi_add_copy(twi_builder *b, twi_slot from, twi_lent_md from_md, twi_slot to, twi_lent_md to_md);

#endif
