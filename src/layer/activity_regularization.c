// ActivityRegularization: y = x, and its size is added to the loss, divided by the batch.
//
// Source   keras.layers.ActivityRegularization, Keras 3.15: l1 Σ|x| + l2 Σx².

#include "layer/layer.h"

typedef struct activity_regularization {
    double l1, l2;
} activity_regularization;

static const tw_field activity_regularization_fields[] = {
    {TWI_FLOAT("l1", "factor of the sum of absolute values", activity_regularization, l1, 0, 1e30)},
    {TWI_FLOAT("l2", "factor of the sum of squares", activity_regularization, l2, 0, 1e30)},
    {0}};

static tw_status activity_regularization_infer(const activity_regularization *c, int n_in, const tw_shape *in,
                                               tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in, (void)err;
    return twi_same_shape(in, out);
}

static void activity_regularization_emit(twi_emitter *e, const activity_regularization *c, int n_in,
                                         const twi_value *in, twi_value *out)
{
    (void)n_in;
    out[0] = in[0];
    twi_penalty_params p = {.l1 = c->l1, .l2 = c->l2};
    if (e->wants_penalties && (p.l1 > 0 || p.l2 > 0))
        out[0] = twi_emit_penalty(e, in[0], &p);
}

TWI_THUNK_INFER(activity_regularization)
TWI_THUNK_EMIT(activity_regularization)

static const char *const activity_regularization_quick[] = {"l1", "l2", NULL};

const tw_layer_kind twi_layer_activity_regularization = {.name = "ActivityRegularization",
                                                         .doc =
                                                             "adds the size of what goes through to the loss",
                                                         .size = sizeof(activity_regularization),
                                                         .fields = activity_regularization_fields,
                                                         .quick = activity_regularization_quick,
                                                         .infer = activity_regularization_infer_thunk,
                                                         .emit = activity_regularization_emit_thunk};
