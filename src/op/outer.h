// The gradient of a matmul's weights, made in tiles that are used up at once: a large one never goes to memory.
//
//   dL/dw[i, o] = Σ over rows r of x[r, i] · dy[r, o]
// The head of a lesson's VGG16 has 103 million weights in one layer; writing their gradient and reading it again would cost
// as much as a third of Adam's step.
#ifndef TWI_OP_OUTER_H
#define TWI_OP_OUTER_H

#include "op/op.h"

typedef struct twi_outer_call {
    const float *x, *dy; // [rows, cin], [rows, cout], dense
    int64_t rows, cin, cout;
    // Called once for each piece of a line of w: its gradient is g[0 … n - 1], for values at, at + 1, …; `take` may
    // change them. Several threads call it at once, for different values.
    void (*take)(void *self, int64_t at, int64_t n, float *g);
    void *self;
    float *packed; // twi_outer_packed(rows, cout) numbers to work in, aligned to TWI_ALIGN
    float *bias;   // [cout] receives Σ over rows of dy; NULL: not wanted
} twi_outer_call;

int64_t twi_outer_packed(int64_t rows, int64_t cout);
// On the threads of the running thread's OpenMP setting; sums run over rows in order, whatever their number.
void twi_outer_run(const twi_outer_call *outer);

// ---- outer_avx2.c

enum { TWI_OUTER_LINES = 6, TWI_OUTER_COLUMNS = 16 }; // of the block that stays in registers

bool twi_outer_avx2_runs_here(void);
// g[l · pitch + c] += Σ over rows of x[row, l] · dy[row, c], for 6 lines and 16 columns; x and dy packed.
void twi_outer_avx2(const float *x, const float *dy, int64_t rows, int64_t pitch, float *g);

#endif
