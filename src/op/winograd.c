// Winograd's minimal filtering F(4×4, 3×3): a 3×3 convolution with a quarter of the multiplications.
//
//   y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A      for each tile: d 6×6 pixels, g the 3×3 kernel, y 4×4 results
//        ⎡4  0 −5  0 1 0⎤        ⎡ 1/4    0     0 ⎤
//        ⎢0 −4 −4  1 1 0⎥        ⎢−1/6 −1/6  −1/6⎥        ⎡1 1  1 1  1 0⎤
//   Bᵀ = ⎢0  4 −4 −1 1 0⎥    G = ⎢−1/6  1/6  −1/6⎥   Aᵀ = ⎢0 1 −1 2 −2 0⎥
//        ⎢0 −2 −1  2 1 0⎥        ⎢1/24 1/12   1/6⎥        ⎢0 1  1 4  4 0⎥
//        ⎢0  2 −1 −2 1 0⎥        ⎢1/24 −1/12  1/6⎥        ⎣0 1 −1 8 −8 1⎦
//        ⎣0  4  0 −5 0 1⎦        ⎣   0    0     1⎦
//
// The product ⊙, summed over input channels, is a matrix product for each of the 36 points: [tiles, cin] · [cin, cout].
// Why own   oneDNN has it for AVX-512 up to version 2 only. Where it has it, it is asked first.
// Rounding  about ten times that of the direct sum: frozen parts at precision f32 only, never at `exact`.
// Layout    pictures dense; the kernel, a constant, transformed beforehand: [36][cout / 16][cin][16].
// Source    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.

#include "op/winograd.h"

#include "op/row.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// Fewer channels, and moving numbers to and fro costs more than the multiplications that fall away.
enum { CHANNELS_MIN = 32, BLOCK_MAX = 96, SCRATCH_MAX = 4 << 20 };

// ---------------------------------------------------------------------------------------------------- the kernel's layout

static const double G[6][3] = {{1.0 / 4, 0, 0},
                               {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                               {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                               {1.0 / 24, 1.0 / 12, 1.0 / 6},
                               {1.0 / 24, -1.0 / 12, 1.0 / 6},
                               {0, 0, 1}};

// dense [3, 3, cin, cout] → [36][panel][cin][columns of the panel]
static void transform_kernel(const tw_shape *shape, const float *dense, void *to)
{
    int64_t cin = shape->dim[2], cout = shape->dim[3];
    float *u = to;
    for (int64_t i = 0; i < cin; i++)
        for (int64_t o = 0; o < cout; o++) {
            double half[6][3];
            for (int p = 0; p < 6; p++)
                for (int b = 0; b < 3; b++) {
                    half[p][b] = 0;
                    for (int a = 0; a < 3; a++)
                        half[p][b] += G[p][a] * (double)dense[((a * 3 + b) * cin + i) * cout + o];
                }
            int64_t panel = o / TWI_TILE_PANEL * TWI_TILE_PANEL, wide = twi_min(cout - panel, TWI_TILE_PANEL);
            float *at = u + panel * cin + i * wide + (o - panel);
            for (int p = 0; p < 6; p++)
                for (int q = 0; q < 6; q++)
                    at[(6 * p + q) * cin * cout] =
                        (float)(half[p][0] * G[q][0] + half[p][1] * G[q][1] + half[p][2] * G[q][2]);
        }
}

// ----------------------------------------------------------------------------------------------------------------- run

static tw_status winograd_run(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    (void)err;
    const twi_winograd *p = kernel->state;
    int64_t blocks = (p->tiles + p->block - 1) / p->block;
    int threads = (int)twi_min(twi_min(p->threads, omp_get_max_threads()), blocks);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < blocks; i++) {
        float *scratch = (float *)((char *)args->scratch + p->bytes * (size_t)omp_get_thread_num());
        twi_winograd_call call = {.x = args->in[0],
                                  .u = args->in[1],
                                  .bias = p->has_bias ? args->in[2] : NULL,
                                  .added = p->added ? args->in[p->added] : NULL,
                                  .y = args->out[0],
                                  .v = scratch,
                                  .m = scratch + TWI_TILE_POINTS * p->in_point,
                                  .first = i * p->block,
                                  .count = twi_min(p->block, p->tiles - i * p->block)};
        twi_winograd_block(p, &call);
    }
    return TW_OK;
}

static void winograd_free(twi_kernel *kernel)
{
    twi_layout_free((twi_layout *)kernel->in_layout[1]);
    twi_free(kernel->state);
}

// ------------------------------------------------------------------------------------------------------------ the entry

static bool is_applicable(const twi_kernel_request *r)
{
    const twi_conv_params *p = r->params;
    int64_t cin = r->in[0].dim[3], cout = r->out[0].dim[3];
    return r->algorithm == TWI_WINOGRAD && r->direction == TWI_FORWARD && r->dtype == TWI_F32 &&
           r->is_layout_free && r->is_constant[1] && r->in[1].dim[0] == 3 && r->in[1].dim[1] == 3 &&
           p->stride[0] == 1 && p->stride[1] == 1 && p->dilation[0] == 1 && p->dilation[1] == 1 &&
           p->groups == 1 && cin >= CHANNELS_MIN && cout >= CHANNELS_MIN && cin % 8 == 0 && cout % 8 == 0 &&
           twi_winograd_runs_here();
}

// An addition, then a ReLU with or without slope and ceiling; anything else is left to a kernel of its own.
static bool take_fusions(const twi_kernel_request *r, twi_winograd *p)
{
    for (int i = 0; i < r->n_fusion; i++) {
        const twi_fusion *f = &r->fusion[i];
        if (p->has_slope || p->has_clip)
            return false;
        if (f->what == TWI_FUSE_ADD && !p->added) {
            p->added = f->input;
            continue;
        }
        if (f->what != TWI_FUSE_ACTIVATION || f->activation != TWI_RELU)
            return false;
        p->has_slope = f->beta != 0;
        p->slope = (float)f->beta;
        p->has_clip = f->beta == 0 || !isinf(f->alpha);
        p->floor = f->beta == 0 ? 0 : -INFINITY;
        p->ceil = (float)f->alpha;
    }
    return true;
}

// Rows and points are set apart by odd numbers of cache lines, or all 36 points of a channel would share one set of the cache.
static int64_t apart(int64_t numbers)
{
    return (numbers + 1023) / 1024 * 1024 + 112;
}

static void lay_out_block(twi_winograd *p)
{
    p->in_row = p->cin + 16;
    p->out_row = p->cout + 16;
    int64_t each = TWI_TILE_POINTS * (p->in_row + p->out_row) * (int64_t)sizeof(float);
    int64_t fits = twi_max(SCRATCH_MAX / each, 4 * TWI_TILE_ROWS);
    int64_t even = (p->tiles + p->threads - 1) / p->threads; // a block for each thread at least
    int64_t most = twi_min(twi_min(fits, BLOCK_MAX), even);
    int64_t blocks = (p->tiles + most - 1) / most;
    p->block = (p->tiles + blocks - 1) / blocks;
    p->block = (p->block + TWI_TILE_ROWS - 1) / TWI_TILE_ROWS * TWI_TILE_ROWS;
    p->in_point = apart(p->block * p->in_row);
    p->out_point = apart(p->block * p->out_row);
    p->bytes = (size_t)(TWI_TILE_POINTS * (p->in_point + p->out_point)) * sizeof(float);
}

twi_kernel *twi_winograd_conv(const twi_kernel_request *r, tw_err *err)
{
    if (!is_applicable(r))
        return NULL;
    const twi_conv_params *c = r->params;
    twi_winograd p = {.n = r->in[0].dim[0],
                      .h = r->in[0].dim[1],
                      .w = r->in[0].dim[2],
                      .cin = r->in[0].dim[3],
                      .oh = r->out[0].dim[1],
                      .ow = r->out[0].dim[2],
                      .cout = r->out[0].dim[3],
                      .top = c->pad[0],
                      .left = c->pad[2],
                      .threads = omp_get_max_threads()};
    if (!take_fusions(r, &p))
        return NULL;
    p.has_bias = r->n_in > 2 && !r->is_absent[2] && p.added != 2;
    p.tiles_x = (p.ow + TWI_TILE_OUT - 1) / TWI_TILE_OUT;
    p.tiles_y = (p.oh + TWI_TILE_OUT - 1) / TWI_TILE_OUT;
    p.tiles = p.n * p.tiles_x * p.tiles_y;
    lay_out_block(&p);
    twi_kernel *kernel = twi_new(1, sizeof *kernel, "a kernel", err);
    twi_winograd *state = twi_new(1, sizeof *state, "a kernel", err);
    twi_layout *layout = twi_layout_own(
        "winograd 4×4", (size_t)(TWI_TILE_POINTS * p.cin * p.cout) * sizeof(float), transform_kernel, err);
    if (!kernel || !state || !layout) {
        twi_free(kernel);
        twi_free(state);
        twi_layout_free(layout);
        return NULL;
    }
    *state = p;
    *kernel = (twi_kernel){.impl = "winograd avx2",
                           .in_layout[1] = layout,
                           .scratch_bytes = p.bytes * (size_t)p.threads,
                           .run = winograd_run,
                           .free = winograd_free,
                           .state = state};
    return kernel;
}
