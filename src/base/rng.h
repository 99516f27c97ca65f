// Random numbers: counter-based (Philox4x32-10), so that there is no hidden state.
//
// A stream is named by (seed, purpose, epoch, sample); its k-th number depends on nothing else. Resuming, sharding and
// threads therefore cannot change what is drawn.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#ifndef TWI_BASE_RNG_H
#define TWI_BASE_RNG_H

#include "base/error.h"

// What the numbers are for: streams of different purposes never meet. Values are part of the determinism promise.
typedef enum twi_rng_purpose {
    TWI_RNG_SPLIT = 1,   // which photos validate
    TWI_RNG_SHUFFLE = 2, // order of an epoch
    TWI_RNG_INIT = 3,    // initial weights; `epoch` is the weight's index
    TWI_RNG_DROPOUT = 4, // masks; `epoch` is the step, `sample` the layer
    TWI_RNG_AUGMENT = 5,
    TWI_RNG_TEST = 99
} twi_rng_purpose;

typedef struct twi_rng {
    uint32_t key[2], counter[4];
    uint32_t block[4]; // the current four outputs
    int used;          // how many of them are taken
} twi_rng;

twi_rng twi_rng_at(uint64_t seed, twi_rng_purpose purpose, uint64_t epoch, uint32_t sample);
uint32_t twi_rng_u32(twi_rng *r);
uint32_t twi_rng_below(twi_rng *r, uint32_t n);                // 0 … n-1, unbiased; n > 0
float twi_rng_uniform(twi_rng *r);                             // [0, 1), 24 bits
double twi_rng_normal(twi_rng *r);                             // mean 0, deviation 1 (Box–Muller)
void twi_rng_shuffle(twi_rng *r, uint32_t *order, uint32_t n); // Fisher–Yates

// Random access without a stream: the four outputs of counter `index` under the stream's key (for dropout masks).
void twi_rng_block(const twi_rng *stream, uint64_t index, uint32_t out[4]);

#endif
