// dropout: y = x · mask / (1 − rate), where a number of the mask is 0 with probability `rate`, else 1.
//
// Mask     has one number per element of x; with keep_axes one per element of the marked axes, repeated along the others
//          (1: whole photos are dropped, as StochasticDepth does). keep_axes 0 means all axes.
// Stream   (seed, TWI_RNG_DROPOUT, step, layer_id); number k of the mask is uniform number k of the stream: kept if it is
//          at least `rate`. Any number is found without its predecessors, so the mask is never stored: backward draws it
//          again.
// Source   keras.layers.Dropout (noise_shape), Keras 3.15.

#include "op/row.h"

#include "base/rng.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_dropout_params *p = params;
    if (!(p->rate >= 0 && p->rate <= 1))
        return twi_fail(err, TW_EINVAL, "dropout: rate must be in 0..1, received %g", p->rate);
    if (twi_check_sizes("dropout", "input", &in[0], err))
        return TW_EINVAL;
    return twi_infer_one("dropout", in[0], out, n_out, err);
}

// Draws masks; the generator gives four numbers at a time.
typedef struct drawer {
    twi_rng stream;
    double rate;
    float kept; // what a kept number is multiplied with
    int64_t block;
    uint32_t number[4];
} drawer;

static float draw(drawer *d, int64_t k)
{
    if (k / 4 != d->block) {
        d->block = k / 4;
        twi_rng_block(&d->stream, (uint64_t)d->block, d->number);
    }
    return (double)(d->number[k % 4] >> 8) * 0x1p-24 >= d->rate ? d->kept : 0;
}

static void apply(const twi_dropout_params *p, const twi_op_call *call, const float *x, float *y,
                  const tw_shape *s)
{
    drawer d = {.stream = twi_rng_at(call->seed, TWI_RNG_DROPOUT, call->step, p->layer_id),
                .rate = p->rate,
                .kept = p->rate < 1 ? (float)(1 / (1 - p->rate)) : 0,
                .block = -1};
    int last = s->rank - 1;
    int64_t stride[TW_RANK_MAX], n_mask = 1; // of the mask: 0 along axes it does not vary on
    for (int i = last; i >= 0; i--) {
        bool varies = !p->keep_axes || p->keep_axes >> i & 1;
        stride[i] = varies ? n_mask : 0;
        n_mask *= varies ? s->dim[i] : 1;
    }
    int64_t rows = twi_rows(s), n = s->dim[last], at[TW_RANK_MAX] = {0}, mask = 0;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * draw(&d, mask + i * stride[last]);
        for (int axis = last - 1; axis >= 0; axis--) {
            mask += stride[axis];
            if (++at[axis] < s->dim[axis])
                break;
            mask -= stride[axis] * s->dim[axis];
            at[axis] = 0;
        }
    }
}

static void forward(const void *params, const twi_op_call *call)
{
    apply(params, call, call->in[0].data, call->out[0].data, &call->in[0].shape);
}

static void backward(const void *params, const twi_op_call *call)
{
    if (call->grad_in[0].data)
        apply(params, call, call->grad_out.data, call->grad_in[0].data, &call->in[0].shape);
}

twi_value twi_emit_dropout(twi_emitter *e, twi_value x, const twi_dropout_params *p)
{
    return twi_emit(e, &twi_op_dropout, p, 1, &x);
}

const twi_op_kind twi_op_dropout = {.name = "dropout",
                                    .doc = "sets numbers to zero at random",
                                    .params_size = sizeof(twi_dropout_params),
                                    .in_min = 1,
                                    .in_max = 1,
                                    .flags = TWI_OP_IN_PLACE | TWI_OP_RANDOM,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
