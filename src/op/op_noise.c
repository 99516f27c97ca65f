// noise: y = x · (1 + s z) with is_factor, else y = x + s z, where z is a standard normal number for each element.
//
// Stream   (seed, TWI_RNG_DROPOUT, step, layer_id); element k uses the pair of its uniform numbers 2k and 2k + 1 (Box–Muller),
//          so that backward draws the same again and nothing is stored.
// Source   keras.layers.GaussianDropout and GaussianNoise, Keras 3.15.

#include "op/row.h"

#include "base/rng.h"

#include <math.h>

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_noise_params *p = params;
    if (!(p->stddev >= 0 && isfinite(p->stddev)))
        return twi_fail(err, TW_EINVAL, "noise: standard deviation must be 0 or more, received %g",
                        p->stddev);
    if (twi_check_sizes("noise", "input", &in[0], err))
        return TW_EINVAL;
    return twi_infer_one("noise", in[0], out, n_out, err);
}

typedef struct drawer {
    twi_rng stream;
    int64_t block;
    uint32_t number[4];
} drawer;

// A block of four numbers serves two elements.
static double normal(drawer *d, int64_t k)
{
    if (k / 2 != d->block) {
        d->block = k / 2;
        twi_rng_block(&d->stream, (uint64_t)d->block, d->number);
    }
    const uint32_t *pair = d->number + k % 2 * 2;
    double u = ((double)(pair[0] >> 8) + 0.5) * 0x1p-24, v = (double)(pair[1] >> 8) * 0x1p-24;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void apply(const twi_noise_params *p, const twi_op_call *call, const float *x, float *y, int64_t n,
                  bool is_gradient)
{
    drawer d = {.stream = twi_rng_at(call->seed, TWI_RNG_DROPOUT, call->step, p->layer_id), .block = -1};
    for (int64_t k = 0; k < n; k++) {
        double z = is_gradient && !p->is_factor ? 0 : p->stddev * normal(&d, k);
        y[k] = p->is_factor ? x[k] * (float)(1 + z) : x[k] + (float)z;
    }
}

static void forward(const void *params, const twi_op_call *call)
{
    apply(params, call, call->in[0].data, call->out[0].data, twi_shape_count(&call->in[0].shape), false);
}

static void backward(const void *params, const twi_op_call *call)
{
    if (call->grad_in[0].data)
        apply(params, call, call->grad_out.data, call->grad_in[0].data, twi_shape_count(&call->in[0].shape),
              true);
}

twi_value twi_emit_noise(twi_emitter *e, twi_value x, const twi_noise_params *p)
{
    return twi_emit(e, &twi_op_noise, p, 1, &x);
}

const twi_op_kind twi_op_noise = {.name = "noise",
                                  .doc = "normal noise, added or as a factor",
                                  .params_size = sizeof(twi_noise_params),
                                  .in_min = 1,
                                  .in_max = 1,
                                  .flags = TWI_OP_IN_PLACE | TWI_OP_RANDOM,
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward};
