// Ops: the closed vocabulary that layers are translated into, and that the engine runs.
//
// An op is a row (twi_op_kind): what shapes it gives, a plain C reference forward and backward, and a oneDNN entry
// that may prepare something faster. All tensors are f32, channels last, dense row-major, unless a kernel asked for a
// layout of its own. Letters: n batch, h w height and width, c channels, cin cout, kh kw window.
//
// Two ways to run an op:
//   reference   row->forward(params, call) on dense views: the oracle and the fallback
//   kernel      twi_kernel_new(request): prepared once for fixed shapes, then run many times without allocating
#ifndef TWI_OP_OP_H
#define TWI_OP_OP_H

#include "tensor/shape.h"

enum { TWI_OP_IN_MAX = 8, TWI_OP_OUT_MAX = 3, TWI_FUSION_MAX = 4 };

// ------------------------------------------------------------------------------------------------------------- rows

// One call of a reference function. Views are dense f32; data is NULL where something is absent or not wanted.
typedef struct twi_op_call {
    int n_in, n_out;
    twi_view in[TWI_OP_IN_MAX]; // forward inputs (in backward: only those the row reads)
    twi_view
        out[TWI_OP_OUT_MAX]; // written by forward; in backward: out[0] if the row reads it, out[1…] always
    twi_view grad_out;       // backward: dL/d out[0]
    twi_view grad_in[TWI_OP_IN_MAX]; // backward: receives dL/d in[i], overwritten; NULL data: not wanted
    uint64_t seed, step;             // random ops: the stream of this step (see base/rng.h)
} twi_op_call;

enum {
    TWI_READS_OUT = 1 << 8, // backward reads out[0]; TWI_READS_IN(i): reads in[i]
    TWI_OP_ALIAS = 1,       // flags: output is the first input's memory under another shape
    TWI_OP_IN_PLACE = 2,    //        out[0] may be the memory of in[0] where their shapes agree
    TWI_OP_RANDOM = 4,      //        result depends on seed and step
    TWI_OP_LOSS = 8, //        out[1] is a part of the loss, one number a sample: never left out, never frozen
    TWI_OP_GRAD_IN_PLACE = 16 //      backward: grad_in[0] may be the memory of grad_out
};
#define TWI_READS_IN(i) (1u << (i))

typedef struct twi_kernel twi_kernel;
typedef struct twi_kernel_request twi_kernel_request;

typedef struct twi_op_kind {
    const char *name;   // "conv"
    const char *doc;    // one line
    size_t params_size; // of the op's parameter struct (declared in its op_<name>.h)
    int in_min, in_max; // number of inputs; an optional input is TWI_NONE in a program, a NULL view in a call
    unsigned backward_reads;
    unsigned flags;
    // Output shapes from input shapes; checks everything the other functions rely on. TW_EINVAL.
    // An absent input has rank 0.
    tw_status (*infer)(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err);
    // Multiply-adds of one forward call, or NULL where they are not worth counting.
    int64_t (*macs)(const void *params, const tw_shape *in, const tw_shape *out);
    void (*forward)(const void *params, const twi_op_call *call);
    void (*backward)(const void *params, const twi_op_call *call); // NULL: has no gradient
    // Prepares a oneDNN kernel, or NULL: not applicable here (no error set) or failed (err set).
    twi_kernel *(*dnnl)(const twi_kernel_request *request, tw_err *err);
    // The same with a kernel of our own, where oneDNN's is known to be far from what the machine can do: asked second.
    twi_kernel *(*own)(const twi_kernel_request *request, tw_err *err);
} twi_op_kind;

// The rows, sorted by name, NULL-ended (from op/list.inc). TW_OP(conv) declares twi_op_conv.
extern const twi_op_kind *const twi_ops[];
#define TWI_OP(name) extern const twi_op_kind twi_op_##name;
#include "op/list.inc"
#undef TWI_OP

// ---------------------------------------------------------------------------------------------------------- kernels

typedef enum twi_direction { TWI_FORWARD, TWI_BACKWARD } twi_direction;
typedef enum twi_algorithm {
    TWI_DIRECT, // exact: one multiply-add after the other
    TWI_WINOGRAD, // fewer multiplications for 3×3, slightly different rounding; NULL kernel where not to be had
    TWI_REFERENCE // the plain C function
} twi_algorithm;

// How a tensor lies in memory. NULL is dense row-major f32. Made and lent by kernels; opaque outside op/onednn.
typedef struct twi_layout twi_layout;

// Work done on out[0] before it is stored, in order.
typedef struct twi_fusion {
    enum { TWI_FUSE_ACTIVATION, TWI_FUSE_ADD } what;
    int activation;     // twi_activation (op_activation.h)
    double alpha, beta; // its parameters
    int input;          // TWI_FUSE_ADD: index of the further input that is added (same shape as out[0])
} twi_fusion;

struct twi_kernel_request {
    const twi_op_kind *kind;
    const void *params;
    twi_direction direction;
    twi_algorithm algorithm;
    int n_in, n_out;
    tw_shape in[TWI_OP_IN_MAX],
        out[TWI_OP_OUT_MAX];         // concrete sizes, batch included; rank 0 with absent: see is_absent
    bool is_absent[TWI_OP_IN_MAX];   // optional inputs that are not given
    bool is_constant[TWI_OP_IN_MAX]; // forward: same data in every run: may be laid out once, beforehand
    const twi_layout *in_layout[TWI_OP_IN_MAX]; // how producers store them now (a hint)
    unsigned grads_wanted;                      // backward: bit i = dL/d in[i]
    twi_fusion fusion[TWI_FUSION_MAX];          // forward only
    int n_fusion;
    bool is_layout_free; // the kernel may ask for any layouts; false: dense for everything but constants
    bool is_liked;       // the library's favourite layout, even where an input lies in another that would do
    twi_dtype dtype;     // TWI_F32, or TWI_BF16 to compute and store in bf16 where a layout is free
    bool is_estimate;    // only its layouts and sizes are asked for: it will not be run
};

typedef struct twi_kernel_args {
    const void *in[TWI_OP_IN_MAX];
    void *out[TWI_OP_OUT_MAX];
    const void *grad_out;
    void *grad_in[TWI_OP_IN_MAX];
    void *scratch; // kernel->scratch_bytes, aligned to TWI_ALIGN
    uint64_t seed, step;
} twi_kernel_args;

// A prepared op. Immutable; run may be called from several threads with different args.
//
// An entry allocates the struct (twi_new) and fills everything above the line; twi_kernel_new fills the copies below it
// before the first run. twi_kernel_free calls `free` for state and layouts, then frees params and the struct itself.
struct twi_kernel {
    char impl[96]; // "reference", "dnnl jit:avx512_core" …, for the plan printer
    const twi_layout *in_layout[TWI_OP_IN_MAX]; // what run expects (the engine reorders where it differs)
    const twi_layout *out_layout;               // how out[0] is left
    size_t scratch_bytes;
    tw_status (*run)(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err);
    void (*free)(twi_kernel *kernel); // NULL: nothing but the struct
    void *state;
    // ------------------------------
    twi_kernel_request request; // copy, without the layout hints
    void *params;               // copy
};

// Prepares the best kernel for the request: oneDNN's if it has one, else the reference (always possible while n_fusion
// is 0 and algorithm is not TWI_WINOGRAD). NULL without error: this combination is not to be had (ask for less).
// TWI_REFERENCE serves every request, fusions too. Inputs that only fusions add come after the op's own.
twi_kernel *twi_kernel_new(const twi_kernel_request *request, tw_err *err);
void twi_kernel_free(twi_kernel *kernel);

// Bytes a tensor of this shape takes in a layout (NULL: dense f32).
size_t twi_layout_bytes(const twi_layout *layout, const tw_shape *shape);
bool twi_layout_same(const twi_layout *a, const twi_layout *b);
const char *twi_layout_text(const twi_layout *layout); // "nhwc", "nChw16c bf16" …, for the plan printer
void twi_layout_free(twi_layout *layout);
twi_layout *twi_layout_copy(const twi_layout *layout, tw_err *err); // copy of NULL is NULL
// A layout of an own kernel, for constants: `write` makes it from dense numbers. There is no way back.
twi_layout *twi_layout_own(const char *text, size_t bytes,
                           void (*write)(const tw_shape *shape, const float *dense, void *to), tw_err *err);
// A kernel that copies in[0] from one layout into out[0] in another.
twi_kernel *twi_reorder_new(const tw_shape *shape, const twi_layout *from, const twi_layout *to, tw_err *err);

// Frees process-wide caches of the compute library (none needed between runs; for leak checks).
void twi_ops_versions(char *buf, size_t size); // "oneDNN 2.6.3 (avx512_core_bf16), winograd 1, silu 1"

#endif
