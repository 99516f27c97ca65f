// StochasticDepth: in training whole samples are dropped with probability drop_path_rate, the others grow by 1 / (1 − rate).
//
// Source   keras.applications.convnext, Keras 3.15; Huang et al. 2016.

#include "layer/layer.h"

typedef struct stochastic_depth {
    double rate;
} stochastic_depth;

static const tw_field stochastic_depth_fields[] = {
    {TWI_FLOAT("drop_path_rate", "share of samples that are dropped", stochastic_depth, rate, 0, 0.999999),
     .flags = TW_FIELD_REQUIRED},
    {0}};

static tw_status stochastic_depth_infer(const stochastic_depth *c, int n_in, const tw_shape *in,
                                        tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void stochastic_depth_emit(twi_emitter *e, const stochastic_depth *c, int n_in, const twi_value *in,
                                  twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    if (e->is_training && c->rate > 0) // the mask varies along the batch only
        out[0] = twi_emit_dropout(
            e, in[0], &(twi_dropout_params){.rate = c->rate, .keep_axes = 1, .layer_id = e->layer_id});
}

TWI_THUNK_INFER(stochastic_depth)
TWI_THUNK_EMIT(stochastic_depth)

const tw_layer_kind twi_layer_stochastic_depth = {.name = "StochasticDepth",
                                                  .module = "keras.src.applications.convnext",
                                                  .doc = "drops samples at random while training",
                                                  .flags = TWI_KIND_RANDOM | TWI_KIND_LINEAR,
                                                  .size = sizeof(stochastic_depth),
                                                  .fields = stochastic_depth_fields,
                                                  .infer = stochastic_depth_infer_thunk,
                                                  .emit = stochastic_depth_emit_thunk};
