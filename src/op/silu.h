// The own silu of processors with AVX2: oneDNN's takes a quarter of EfficientNet's time there.
#ifndef TWI_OP_SILU_H
#define TWI_OP_SILU_H

#include "op/op.h"

bool twi_silu_runs_here(void);
// y = silu(x) for n numbers; x may be y. Parts of it run on several threads where there are many.
void twi_silu_run(const float *x, float *y, int64_t n);

#endif
