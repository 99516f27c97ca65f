// Parameters of each op, and the emit wrapper of each: what layers write.
//
// Letters: x [n, h, w, c] unless said otherwise; sizes in pixels; pads are top, bottom, left, right.
#ifndef TWI_OP_PARAMS_H
#define TWI_OP_PARAMS_H

#include "op/program.h"

// conv: y[n,oh,ow,cout] = x[n,h,w,cin] ∗ kernel[kh,kw,cin/groups,cout] (+ bias[cout]). Depthwise: groups = cin, and Keras's
// kernel (kh,kw,cin,mult) is the same memory as (kh,kw,1,cin·mult). Inputs: x, kernel, bias or TWI_NONE.
typedef struct twi_conv_params {
    int64_t stride[2], dilation[2], pad[4], groups;
} twi_conv_params;
twi_value twi_emit_conv(twi_emitter *e, twi_value x, twi_value kernel, twi_value bias,
                        const twi_conv_params *p);

// conv_transpose: gradient of conv with respect to its input, as a layer (Conv2DTranspose); kernel [kh,kw,cout,cin].
// Pads are those of the conv from y to x. Inputs: x, kernel, bias or TWI_NONE.
typedef struct twi_conv_transpose_params {
    int64_t stride[2], dilation[2], pad[4], out[2]; // out: height and width of y
} twi_conv_transpose_params;
twi_value twi_emit_conv_transpose(twi_emitter *e, twi_value x, twi_value kernel, twi_value bias,
                                  const twi_conv_transpose_params *p);

// matmul: y[…,cout] = x[…,cin] · w[cin,cout] (+ bias[cout]).
twi_value twi_emit_matmul(twi_emitter *e, twi_value x, twi_value w, twi_value bias);

// pool: largest or mean of each window; padding never counts (as Keras).
typedef struct twi_pool_params {
    bool is_mean;
    int64_t window[2], stride[2], pad[4];
} twi_pool_params;
twi_value twi_emit_pool(twi_emitter *e, twi_value x, const twi_pool_params *p);

// reduce: mean or largest over h and w: [n,h,w,c] → [n,c], or [n,1,1,c] with keep_dims.
typedef struct twi_reduce_params {
    bool is_max, keep_dims;
} twi_reduce_params;
twi_value twi_emit_reduce(twi_emitter *e, twi_value x, const twi_reduce_params *p);

// activation: y = f(x), elementwise.
typedef enum twi_activation {
    TWI_LINEAR, // x (emits nothing)
    TWI_RELU, // x > threshold ? min(x, alpha) : beta · (x − threshold): alpha = max_value (∞: none), beta = negative slope
    TWI_SIGMOID,
    TWI_TANH,
    TWI_SILU, // x · sigmoid(x)
    TWI_ELU,  // x > 0 ? x : alpha (eˣ − 1)
    TWI_SELU,
    TWI_SOFTPLUS,
    TWI_SOFTSIGN,
    TWI_EXPONENTIAL,
    TWI_HARD_SIGMOID, // relu6(x + 3) / 6
    TWI_HARD_SILU,    // x · hard_sigmoid(x)
    TWI_GELU,         // exact, with erf
    TWI_GELU_TANH,    // approximate
    TWI_MISH,
    TWI_SQRT,
    TWI_LOG_SIGMOID,
    TWI_SQUAREPLUS,     // (x + √(x² + alpha)) / 2
    TWI_SPARSE_PLUS,    // 0 up to −1, (x + 1)² / 4, x from 1
    TWI_SPARSE_SIGMOID, // 0 up to −1, (x + 1) / 2, 1 from 1
    TWI_SOFT_SHRINK,    // nearer to 0 by alpha, but not past it
    TWI_HARD_SHRINK,    // |x| > alpha ? x : 0
    TWI_TANH_SHRINK,    // x − tanh(x)
    TWI_HARD_TANH,      // x within −1..1
    TWI_THRESHOLD,      // x > threshold ? x : beta
    TWI_ACTIVATIONS     // how many
} twi_activation;
typedef struct twi_activation_params {
    twi_activation function;
    double alpha, beta, threshold;
} twi_activation_params;
twi_value twi_emit_activation(twi_emitter *e, twi_value x, const twi_activation_params *p);

// batch_norm over the last axis. Inputs: x, gamma|NONE, beta|NONE, mean, variance (each [c]).
// Inference: y = gamma (x − mean) / sqrt(variance + epsilon) + beta.
// is_training: statistics of the batch (biased variance); out[1] = batch mean, out[2] = batch variance, and the moving
// statistics are updated in place by forward: moving = moving · momentum + batch · (1 − momentum).
// activation: what is done to y before it is stored (TWI_LINEAR: nothing). Layers leave it out; the engine joins what follows.
typedef struct twi_batch_norm_params {
    double epsilon, momentum;
    bool is_training;
    twi_activation_params activation;
} twi_batch_norm_params;
twi_value twi_emit_batch_norm(twi_emitter *e, twi_value x, twi_value gamma, twi_value beta, twi_value mean,
                              twi_value variance, const twi_batch_norm_params *p);

// layer_norm over the last axis: inputs x, gamma|NONE, beta|NONE. Same formula with each row's own mean and variance.
typedef struct twi_layer_norm_params {
    double epsilon;
} twi_layer_norm_params;
twi_value twi_emit_layer_norm(twi_emitter *e, twi_value x, twi_value gamma, twi_value beta,
                              const twi_layer_norm_params *p);

// Over the last axis: softmax and its logarithm.
twi_value twi_emit_softmax(twi_emitter *e, twi_value x);
twi_value twi_emit_log_softmax(twi_emitter *e, twi_value x);
// As Keras computes it, which is not what the paper has; see op_sparsemax.c.
twi_value twi_emit_sparsemax(twi_emitter *e, twi_value x);

// binary: y = a ∘ b with NumPy's broadcasting; either side may be a constant or weight.
typedef enum twi_binary { TWI_ADD, TWI_SUB, TWI_MUL, TWI_DIV, TWI_MAX, TWI_MIN } twi_binary;
typedef struct twi_binary_params {
    twi_binary function;
} twi_binary_params;
twi_value twi_emit_binary(twi_emitter *e, twi_value a, twi_value b, twi_binary function);

// concat along an axis (negative counts from the end); up to TWI_OP_IN_MAX inputs.
typedef struct twi_concat_params {
    int axis;
} twi_concat_params;
twi_value twi_emit_concat(twi_emitter *e, int n, const twi_value *x, int axis);

// pad: zeros around h and w; negative numbers crop.
typedef struct twi_pad_params {
    int64_t pad[4];
} twi_pad_params;
twi_value twi_emit_pad(twi_emitter *e, twi_value x, const int64_t pad[4]);

// reshape: same memory, another shape (TWI_OP_ALIAS). The batch axis is kept by the caller.
typedef struct twi_reshape_params {
    tw_shape shape;
} twi_reshape_params;
twi_value twi_emit_reshape(twi_emitter *e, twi_value x, const tw_shape *shape);

// penalty: y = x, and out[1][n]: what each sample adds to the loss (times the batch), as regularizers have it; see op/penalty.h.
// Emitted only where the emitter wants penalties.
typedef struct twi_penalty_params {
    double l1, l2, orthogonal;
    bool is_columns; // of the orthogonal part
} twi_penalty_params;
twi_value twi_emit_penalty(twi_emitter *e, twi_value x, const twi_penalty_params *p);

// permute axes: y.dim[i] = x.dim[order[i]]; flip reverses an axis.
typedef struct twi_permute_params {
    int order[TW_RANK_MAX];
} twi_permute_params;
twi_value twi_emit_permute(twi_emitter *e, twi_value x, const int *order);
typedef struct twi_flip_params {
    int axis;
} twi_flip_params;
twi_value twi_emit_flip(twi_emitter *e, twi_value x, int axis);

// dropout: y = x · mask / (1 − rate); one mask bit per element, or per element of the axes marked in `keep_axes`
// (bit i: the mask varies along axis i). Stream: (seed, DROPOUT, step, layer_id); element k uses the k-th number.
typedef struct twi_dropout_params {
    double rate;
    unsigned keep_axes;
    uint32_t layer_id;
} twi_dropout_params;
twi_value twi_emit_dropout(twi_emitter *e, twi_value x, const twi_dropout_params *p);

// noise: y = x · (1 + stddev · z) with is_factor, else y = x + stddev · z; z normal, of the stream (seed, DROPOUT, step, layer_id).
typedef struct twi_noise_params {
    double stddev;
    bool is_factor;
    uint32_t layer_id;
} twi_noise_params;
twi_value twi_emit_noise(twi_emitter *e, twi_value x, const twi_noise_params *p);

// resample h and w to out[0] × out[1]: nearest or bilinear (half-pixel centres), as Keras's UpSampling2D and Resizing.
typedef struct twi_resample_params {
    bool is_bilinear;
    int64_t out[2];
} twi_resample_params;
twi_value twi_emit_resample(twi_emitter *e, twi_value x, const twi_resample_params *p);

#endif
