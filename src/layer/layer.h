// The layer room: one file per Keras layer (or tight family), and the lists they choose from.
//
// A file here is found by its line in layer/list.inc (sorted): TW_LAYER(dense) declares twi_layer_dense.
#ifndef TWI_LAYER_LAYER_H
#define TWI_LAYER_LAYER_H

#include "graph/model.h"

extern const tw_layer_kind *const twi_layers[]; // NULL-ended, in list order
#define TW_LAYER(name) extern const tw_layer_kind twi_layer_##name;
#include "layer/list.inc"
#undef TW_LAYER

// By Keras class name or alias ("Dense", "dense"; case, '-' and '_' do not matter), or NULL.
const tw_layer_kind *twi_layer_kind_find(const char *name);

// ------------------------------------------------------------------------------------------------- lists of settings

// Activations: rows of layer/activation.c. As a field: {TWI_ACTIVATION("activation", dense, activation)}.
const tw_setting_kind *twi_activation_find(const char *name);
const char *const *twi_activation_names(void);
// Emits it: activation or softmax op; none and linear give x back.
twi_value twi_emit_activation_setting(twi_emitter *e, twi_value x, const tw_setting *activation);

// Initializers: layer/initializer.c. `twi_initializer_fill` draws a weight's first values (TWI_RNG_INIT, index = stream).
const tw_setting_kind *twi_initializer_find(const char *name);
const char *const *twi_initializer_names(void);
tw_status twi_initializer_fill(const twi_weight *w, uint64_t seed, uint32_t index, float *data, tw_err *err);

// Regularizers: layer/regularizer.c. Penalty of n values, and its gradient added to grad.
const tw_setting_kind *twi_regularizer_find(const char *name);
const char *const *twi_regularizer_names(void);
double twi_regularizer_loss(const tw_setting *regularizer, const float *w, const tw_shape *shape);
void twi_regularizer_add_gradient(const tw_setting *regularizer, const float *w, const tw_shape *shape,
                                  float *grad);

// Fields that several layers share, as rows.
#define TWI_ACTIVATION(key_, s, m)                                             \
    TWI_FIELD(key_, "function applied to the output", TW_FIELD_SETTING, s, m), \
        .otherwise = "linear", .find = twi_activation_find, .names = twi_activation_names
#define TWI_INITIALIZER(key_, s, m, otherwise_)               \
    TWI_FIELD(key_, "how it starts", TW_FIELD_SETTING, s, m), \
        .otherwise = otherwise_, .find = twi_initializer_find, .names = twi_initializer_names
#define TWI_REGULARIZER(key_, s, m)                                                                     \
    TWI_FIELD(key_, "penalty added to the loss", TW_FIELD_SETTING, s, m), .find = twi_regularizer_find, \
                                                                          .names = twi_regularizer_names

#endif
