// Dense: y = activation(x · kernel + bias), the fully connected layer.
//
// Shapes   x [n, …, cin] → y [n, …, units]; kernel [cin, units]; bias [units]. Leading axes are kept (Keras applies it to the
//          last axis).
// Weights  kernel, bias: Keras's order, in every file format.
// Source   keras.layers.Dense, Keras 3.15.
//
// Dense emits a matmul and then its activation as an op of its own: only the engine fuses, and only where nobody needs the
// value in between (backward, and losses that want logits, do).
//
// This file is the annotated example of the room. Every kind has these parts, in this order.

#include "layer/layer.h"

// 1. The config: one member per Keras argument. All bytes zero must be harmless; defaults come from the rows below.
typedef struct dense {
    int64_t units;
    tw_setting activation; // kind NULL or linear: none
    bool no_bias;
    tw_setting kernel_init, bias_init;
    tw_setting kernel_reg, bias_reg; // their penalty counts only while the weight trains
    tw_setting activity_reg;         // of the output
} dense;

// 2. Its rows, in the order and with the keys of Keras's get_config. They read and write Keras JSON, read the command
// line's text, check ranges and fill defaults. TWI_LATER rows: Keras has the key, only null is served. TWI_IGNORED rows:
// keys without meaning here, read and forgotten.
static const tw_field dense_fields[] = {
    {TWI_INT("units", "number of outputs", dense, units, 1, TW_DIM_MAX), .flags = TW_FIELD_REQUIRED},
    {TWI_ACTIVATION("activation", dense, activation)},
    {TWI_USE_BIAS(dense, no_bias)},
    {TWI_INITIALIZER("kernel_initializer", dense, kernel_init, "glorot_uniform")},
    {TWI_INITIALIZER("bias_initializer", dense, bias_init, "zeros")},
    {TWI_REGULARIZER("kernel_regularizer", dense, kernel_reg)},
    {TWI_REGULARIZER("bias_regularizer", dense, bias_reg)},
    {TWI_REGULARIZER("activity_regularizer", dense, activity_reg), .flags = TW_FIELD_RARE},
    TWI_LATER("kernel_constraint"),
    TWI_LATER("bias_constraint"),
    TWI_LATER("lora_rank"),
    TWI_LATER("quantization_config"),
    {0}};

// 3. The shape it gives, and what is wrong with the config as a whole. Messages get "Dense 'fc1': " in front.
static tw_status dense_infer(const dense *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in;
    if (c->units < 1)
        return twi_fail(err, TW_EINVAL, "units is missing");
    if (twi_need_rank(in, 2, err))
        return TW_EINVAL;
    *out = *in;
    out->dim[in->rank - 1] = c->units;
    tw_status status = twi_activation_shape(&c->activation, out, err);
    return status ? status : twi_check_activity(&c->activity_reg, out, err);
}

// 4. The weights it asks for, in Keras's order: what is created trainable first.
static void dense_weights(const dense *c, const tw_shape *in, twi_weight_list *list)
{
    tw_shape kernel = TWI_SHAPE(twi_shape_last(in), c->units), bias = TWI_SHAPE(c->units);
    twi_weight_ask(list, "kernel", kernel, &c->kernel_init, &c->kernel_reg);
    if (!c->no_bias)
        twi_weight_ask(list, "bias", bias, &c->bias_init, &c->bias_reg);
}

// 5. The ops it becomes. e->weight[i] are the weights in the order above. Errors stay in the emitter.
static void dense_emit(twi_emitter *e, const dense *c, int n_in, const twi_value *in, twi_value *out)
{
    (void)n_in;
    twi_value y = twi_emit_matmul(e, in[0], e->weight[0], twi_weight_value(e, 1, !c->no_bias));
    out[0] = twi_emit_activity(e, twi_emit_activation_setting(e, y, &c->activation), &c->activity_reg);
}

// 6. Typed functions become the row's const void * ones without a cast.
TWI_THUNK_INFER(dense)
TWI_THUNK_WEIGHTS(dense)
TWI_THUNK_EMIT(dense)

// 7. What positional arguments of the head language fill: dense:4096:relu.
static const char *const dense_quick[] = {"units", "activation", NULL};

// 8. The row itself, found through one line in list.inc: TW_LAYER(dense).
const tw_layer_kind twi_layer_dense = {.name = "Dense",
                                       .aliases = "fc",
                                       .doc = "fully connected layer",
                                       .size = sizeof(dense),
                                       .fields = dense_fields,
                                       .quick = dense_quick,
                                       .infer = dense_infer_thunk,
                                       .weights = dense_weights_thunk,
                                       .emit = dense_emit_thunk};
