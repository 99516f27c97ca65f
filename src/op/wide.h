// The own matmul of wide weights that change from run to run: a few rows times a matrix that no cache holds.
//
// oneDNN's product first copies the matrix into blocks, which costs several times the one reading that is needed.
#ifndef TWI_OP_WIDE_H
#define TWI_OP_WIDE_H

#include "op/op.h"

bool twi_wide_takes(const twi_kernel_request *request);
// A kernel where it takes the request; NULL: not applicable, or failed (err set).
twi_kernel *twi_wide_matmul(const twi_kernel_request *request, tw_err *err);

// ---- wide_avx2.c

enum { TWI_WIDE_LINES = 6 }; // lines of the matrix multiplied at a time

bool twi_wide_avx2_runs_here(void);
// y[r, c] += Σ over 6 lines of x[r, line] · w[line, c], for so many columns, a multiple of 8; w and y have `pitch` numbers a line.
void twi_wide_avx2(const float *x, int64_t cin, const float *w, int64_t rows, int64_t columns, int64_t pitch,
                   float *y);

#endif
