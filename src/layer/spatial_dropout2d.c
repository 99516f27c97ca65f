// SpatialDropout2D: in training whole channels are dropped with probability `rate`, the others grow by 1 / (1 − rate).
//
// Source   keras.layers.SpatialDropout2D, Keras 3.15; Tompson et al. 2015.

#include "layer/layer.h"

typedef struct spatial_dropout2d {
    double rate;
    int data_format;
} spatial_dropout2d;

static const tw_field spatial_dropout2d_fields[] = {
    {TWI_FLOAT("rate", "share of channels that are dropped", spatial_dropout2d, rate, 0, 0.999999),
     .flags = TW_FIELD_REQUIRED},
    {TWI_DATA_FORMAT(spatial_dropout2d, data_format)},
    TWI_IGNORED("seed"),
    TWI_LATER("noise_shape"),
    {0}};

static tw_status spatial_dropout2d_infer(const spatial_dropout2d *c, int n_in, const tw_shape *in,
                                         tw_shape *out, tw_err *err)
{
    (void)n_in;
    tw_status status = twi_need_picture(in, c->data_format, err);
    return status ? status : twi_same_shape(in, out);
}

static void spatial_dropout2d_emit(twi_emitter *e, const spatial_dropout2d *c, int n_in, const twi_value *in,
                                   twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    // The mask varies along the batch (axis 0) and the channels (axis 3).
    twi_dropout_params p = {.rate = c->rate, .keep_axes = 1u << 0 | 1u << 3, .layer_id = e->layer_id};
    if (e->is_training && c->rate > 0)
        out[0] = twi_emit_dropout(e, in[0], &p);
}

TWI_THUNK_INFER(spatial_dropout2d)
TWI_THUNK_EMIT(spatial_dropout2d)

static const char *const spatial_dropout2d_quick[] = {"rate", NULL};

const tw_layer_kind twi_layer_spatial_dropout2d = {.name = "SpatialDropout2D",
                                                   .doc = "drops channels at random while training",
                                                   .flags = TWI_KIND_RANDOM | TWI_KIND_LINEAR | TWI_KIND_BARE,
                                                   .size = sizeof(spatial_dropout2d),
                                                   .fields = spatial_dropout2d_fields,
                                                   .quick = spatial_dropout2d_quick,
                                                   .infer = spatial_dropout2d_infer_thunk,
                                                   .emit = spatial_dropout2d_emit_thunk};
