// Winograd's minimal filtering F(4×4, 3×3), inside: shapes of one kernel and the vector code that it calls.
#ifndef TWI_OP_WINOGRAD_H
#define TWI_OP_WINOGRAD_H

#include "op/op.h"

enum { TWI_TILE_IN = 6, TWI_TILE_OUT = 4, TWI_TILE_POINTS = 36, TWI_TILE_ROWS = 6, TWI_TILE_PANEL = 16 };

typedef struct twi_winograd {
    int64_t n, h, w, cin, oh, ow, cout, top, left;
    int64_t tiles_x, tiles_y, tiles; // of all pictures
    int64_t block;                   // tiles done at a time, a multiple of TWI_TILE_ROWS
    int64_t in_row, out_row;         // numbers from one tile to the next in the transformed blocks
    int64_t in_point, out_point;     // … and from one of the 36 points to the next
    int threads;
    size_t bytes;             // scratch of one thread
    float floor, ceil, slope; // y < 0 ? slope · y : y, then between floor and ceil
    bool has_slope, has_clip;
    bool has_bias;
    int added; // index of the input that is added, or 0
} twi_winograd;

// One block: `count` tiles from tile `first` on. v and m are its scratch; u the transformed kernel; bias and added may be NULL.
typedef struct twi_winograd_call {
    const float *x, *u, *bias, *added;
    float *y, *v, *m;
    int64_t first, count;
} twi_winograd_call;

bool twi_winograd_runs_here(void); // the processor has AVX2 and FMA
void twi_winograd_block(const twi_winograd *p, const twi_winograd_call *call);
// An own kernel for a convolution where algorithm is TWI_WINOGRAD; NULL: not applicable, or failed (err set).
twi_kernel *twi_winograd_conv(const twi_kernel_request *request, tw_err *err);

#endif
