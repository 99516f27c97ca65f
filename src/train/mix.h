// MixUp and CutMix: training on pairs of samples.
//
// MixUp   x = λ x + (1 − λ) x', y likewise; λ ~ Beta(α, α) for each sample, x' a sample of the same batch
// CutMix  a box of x' replaces that of x; its sides are √(1 − λ) of the picture's, around a point drawn evenly, cut off at the
//         rim; y is mixed by the area the box really has
// Of feature rows MixUp mixes the features; CutMix needs pictures.
// Source   keras.layers.MixUp, CutMix, Keras 3.15; Zhang et al., 2018; Yun et al., 2019.
#ifndef TWI_TRAIN_MIX_H
#define TWI_TRAIN_MIX_H

#include "base/rng.h"
#include "tensor/shape.h"

typedef struct twi_mix {
    double mixup, cutmix; // α; 0: none. With both, each batch draws one of them
    int n_inputs;
    float *const *input;   // [n_inputs] dense, changed in place
    const tw_shape *shape; // [n_inputs] of one batch
    int64_t n, k;          // samples, outputs
    float *y;              // [n, k], changed in place
} twi_mix;

// Draws from the stream (seed, AUGMENT, step). TW_ENOMEM.
tw_status twi_mix_batch(const twi_mix *m, uint64_t seed, uint64_t step, tw_err *err);
// Beta(α, α).
double twi_draw_beta(twi_rng *r, double alpha);

#endif
