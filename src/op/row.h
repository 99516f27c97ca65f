// What the op files share: shape checks for `infer`, and the few loops that several references need.
//
// References take no memory of their own. Where sums must be exact they run over a block of channels at a time, with one
// double per channel on the stack.
#ifndef TWI_OP_ROW_H
#define TWI_OP_ROW_H

#include "op/onednn/entries.h"
#include "op/params.h"

enum { TWI_BLOCK = 64 }; // channels summed at a time

static inline int64_t twi_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t twi_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// ---------------------------------------------------------------------------------------------------- for infer
//
// Messages start with the op's name; twi_emit puts the layer in front. An absent optional input has rank 0.

// Input `what` has this rank and no size below 1.
tw_status twi_check_rank(const char *op, const char *what, const tw_shape *s, int rank, tw_err *err);
// Input `what` has at least rank 1 and no size below 1.
tw_status twi_check_sizes(const char *op, const char *what, const tw_shape *s, tw_err *err);
// Input `what` is absent or has exactly n numbers in one axis.
tw_status twi_check_vector(const char *op, const char *what, const tw_shape *s, int64_t n, tw_err *err);
// Stride, dilation and the like: both are in 1 … TW_DIM_MAX.
tw_status twi_check_pair(const char *op, const char *what, const int64_t pair[2], tw_err *err);
// Pads: all are in 0 … TW_DIM_MAX.
tw_status twi_check_pads(const char *op, const int64_t pad[4], tw_err *err);
// *out = { shape }, if it has only sizes of 1 or more and a size in bytes.
tw_status twi_infer_one(const char *op, tw_shape shape, tw_shape *out, int *n_out, tw_err *err);
// How many windows fit, 0 if none.
int64_t twi_windows(int64_t size, int64_t window, int64_t stride, int64_t dilation, int64_t before,
                    int64_t after);

// Product of n factors for macs; INT64_MAX where it does not fit.
int64_t twi_product(int n, const int64_t *factors);

// ----------------------------------------------------------------------------------------------- for references

// Numbers in front of the last axis, and in front of and after any axis.
int64_t twi_rows(const tw_shape *s);
int64_t twi_outer(const tw_shape *s, int axis);
int64_t twi_inner(const tw_shape *s, int axis);

// Sum of a[i]·b[i].
double twi_dot(const float *a, const float *b, int64_t n);
// sum[c] = sum of a[r, c] over all rows.
void twi_sum_rows(const float *a, int64_t rows, int64_t cols, float *sum);

// y = f(x) for n numbers; x may be y (op_activation.c; kernels use it for fused activations).
void twi_activation_run(const twi_activation_params *p, const float *x, float *y, int64_t n);
// to = grad · f'(x) for n numbers; to may be grad.
void twi_activation_back(const twi_activation_params *p, const float *x, const float *grad, float *to,
                         int64_t n);

#endif
