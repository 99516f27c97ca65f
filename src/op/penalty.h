// Penalties: what regularizers add to a loss, for weights (layer/regularizer.h) and for activations (op_penalty.c).
//
//   l1 · Σ|x| + l2 · Σx²  +  orthogonal · ½ · Σ over i ≠ j of |(R Rᵀ)ij| / (n (n − 1) / 2)
//
// R: the n rows (or columns) of a matrix x, scaled to length 1. Source: keras.regularizers, Keras 3.15 (interop e9).
#ifndef TWI_OP_PENALTY_H
#define TWI_OP_PENALTY_H

#include "op/params.h"

// The last part needs a matrix of two rows or more (columns, if they are meant); otherwise it is 0.
double twi_penalty_value(const twi_penalty_params *p, const float *x, const tw_shape *shape);
// Adds `factor` times its gradient to grad.
void twi_penalty_add_gradient(const twi_penalty_params *p, const float *x, const tw_shape *shape,
                              double factor, float *grad);

#endif
