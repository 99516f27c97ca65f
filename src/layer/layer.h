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

// By Keras class name or alias ("Dense", "dense"; case, '-' and '_' do not matter), or NULL. Never a bare operation.
const tw_layer_kind *twi_layer_kind_find(const char *name);
// As files name it: bare operations by module keras.src.ops…, anything else by class name. module may be NULL.
const tw_layer_kind *twi_layer_kind_of(const char *module, const char *class_name);
// Whether two names are the same but for case, '-' and '_' (which may also be missing).
bool twi_layer_name_is(const char *a, const char *b);

// ------------------------------------------------------------------------------------------------- lists of settings

// Activations: rows of layer/activation.c. As a field: {TWI_ACTIVATION("activation", dense, activation)}.
const tw_setting_kind *twi_activation_find(const char *name);
const char *const *twi_activation_names(void);
// Emits it: activation or softmax op; none and linear give x back.
// What is left of a shape: glu halves its channels (TW_EINVAL: an odd number of them).
tw_status twi_activation_shape(const tw_setting *activation, tw_shape *shape, tw_err *err);
twi_value twi_emit_glu(twi_emitter *e, twi_value x);
twi_value twi_emit_activation_setting(twi_emitter *e, twi_value x, const tw_setting *activation);

// Initializers: layer/initializer.c. `twi_initializer_fill` draws a weight's first values (TWI_RNG_INIT, index = stream).
const tw_setting_kind *twi_initializer_find(const char *name);
const char *const *twi_initializer_names(void);
tw_status twi_initializer_fill(const twi_weight *w, uint64_t seed, uint32_t index, float *data, tw_err *err);

// Regularizers: layer/regularizer.c. Penalty of n values, and its gradient added to grad.
const tw_setting_kind *twi_regularizer_find(const char *name);
const char *const *twi_regularizer_names(void);
// Takes the L1 part away: for those who treat it otherwise.
void twi_regularizer_without_l1(tw_setting *regularizer);
// Whether the gradient of each value depends on that value only: then it can be added to a part of a weight.
bool twi_regularizer_is_elementwise(const tw_setting *regularizer);
double twi_regularizer_loss(const tw_setting *regularizer, const float *w, const tw_shape *shape);
void twi_regularizer_add_gradient(const tw_setting *regularizer, const float *w, const tw_shape *shape,
                                  float *grad);
// TW_EINVAL naming `key`: this one is not defined for values of this shape.
tw_status twi_regularizer_check(const tw_setting *regularizer, const char *key, const tw_shape *shape,
                                tw_err *err);
// Activity regularizers: in `infer`, whether this one is defined for the output; in `emit`, last: gives y back, or y through
// a penalty op where penalties are wanted.
tw_status twi_check_activity(const tw_setting *regularizer, const tw_shape *out, tw_err *err);
twi_value twi_emit_activity(twi_emitter *e, twi_value y, const tw_setting *regularizer);

// ------------------------------------------------------------------------------------------------------ shared pieces

extern const char *const twi_paddings[];     // "valid", "same"
extern const char *const twi_data_formats[]; // "channels_last", "channels_first"
enum { TWI_VALID, TWI_SAME };

// A window that slides over a picture: convolution or pooling.
typedef struct twi_window {
    const int64_t *size, *stride;
    const int64_t *dilation; // NULL: 1
    int padding;             // TWI_VALID or TWI_SAME
} twi_window;
// Height and width of what it gives, into *out (batch and channels are the input's). TW_EINVAL: no window fits.
tw_status twi_window_infer(const twi_window *w, const tw_shape *in, tw_shape *out, tw_err *err);
// Zeros around the picture (top, bottom, left, right): none for valid; same puts the odd one at the bottom right.
void twi_window_pads(const twi_window *w, const tw_shape *in, int64_t pad[4]);

// Checks for `infer`: a rank of at least `rank`; rank 4 and channels last.
tw_status twi_need_rank(const tw_shape *in, int rank, tw_err *err);
tw_status twi_need_picture(const tw_shape *in, int data_format, tw_err *err);
// An axis as Keras counts it (negative: from the end), as an index into in->dim; -1: there is no such axis.
int twi_axis(const tw_shape *in, int64_t axis);
// For layers that change no shape.
tw_status twi_same_shape(const tw_shape *in, tw_shape *out);
// The layer's weight `i`, or TWI_NONE where the layer has no such weight.
twi_value twi_weight_value(const twi_emitter *e, int i, bool has_it);
// A constant of n numbers, shape (n).
twi_value twi_emit_numbers(twi_emitter *e, int64_t n, const double *numbers);
// NumPy's broadcasting of two shapes; false: they do not fit. out may be a.
bool twi_broadcast(const tw_shape *a, const tw_shape *b, tw_shape *out);

// Fields that several layers share, as rows.
#define TWI_PADDING(s, m)                                                                                   \
    TWI_CHOICE("padding", "valid: whole windows only; same: zeros around the picture", s, m, twi_paddings), \
        .otherwise = "valid"
#define TWI_DATA_FORMAT(s, m)                                                               \
    TWI_CHOICE("data_format", "order of the axes (channels last)", s, m, twi_data_formats), \
        .otherwise = "channels_last"
#define TWI_USE_BIAS(s, m) \
    TWI_FIELD("use_bias", "add a learned offset", TW_FIELD_NOT, s, m), .otherwise = "true"
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
