// Dropout: in training each number is dropped with probability `rate`, the others grow by 1 / (1 − rate).
//
// noise_shape names the axes along which the mask varies: (None, 1, 1, 1) drops whole samples (EfficientNet's drop path).
// Keras keeps it active in training whether or not the layer is trainable.
// Source   keras.layers.Dropout, Keras 3.15; Srivastava et al., JMLR 2014.

#include "layer/layer.h"

typedef struct dropout {
    double rate;
    tw_shape noise_shape; // rank 0: as the input
} dropout;

static const tw_field dropout_fields[] = {
    {TWI_FLOAT("rate", "share of numbers that are dropped", dropout, rate, 0, 0.999999),
     .flags = TW_FIELD_REQUIRED},
    TWI_IGNORED("seed"), // streams are ours: (seed, step, layer)
    {TWI_FIELD("noise_shape", "axes along which the mask varies", TW_FIELD_SHAPE, dropout, noise_shape),
     .flags = TW_FIELD_NULLABLE},
    {0}};

static tw_status dropout_infer(const dropout *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    const tw_shape *noise = &c->noise_shape;
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    bool fits = noise->rank == 0 || noise->rank == in->rank;
    for (int i = 0; fits && i < noise->rank; i++)
        fits = noise->dim[i] == -1 || noise->dim[i] == 1 || noise->dim[i] == in->dim[i];
    if (!fits)
        return twi_fail(err, TW_EINVAL, "noise_shape %s does not fit the input %s", twi_shape_text(noise, a),
                        twi_shape_text(in, b));
    return twi_same_shape(in, out);
}

static void dropout_emit(twi_emitter *e, const dropout *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    if (!e->is_training || c->rate == 0)
        return;
    twi_dropout_params p = {.rate = c->rate, .layer_id = e->layer_id};
    tw_shape x = twi_value_shape(e, in[0]);
    for (int i = 0; i < x.rank; i++)
        if (!c->noise_shape.rank || c->noise_shape.dim[i] != 1)
            p.keep_axes |= 1u << i;
    out[0] = twi_emit_dropout(e, in[0], &p);
}

TWI_THUNK_INFER(dropout)
TWI_THUNK_EMIT(dropout)

static const char *const dropout_quick[] = {"rate", NULL};

const tw_layer_kind twi_layer_dropout = {.name = "Dropout",
                                         .aliases = "drop",
                                         .doc = "drops numbers at random while training",
                                         .flags = TWI_KIND_RANDOM | TWI_KIND_LINEAR,
                                         .size = sizeof(dropout),
                                         .fields = dropout_fields,
                                         .quick = dropout_quick,
                                         .infer = dropout_infer_thunk,
                                         .emit = dropout_emit_thunk};
