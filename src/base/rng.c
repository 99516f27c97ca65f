// Random numbers: Philox4x32-10. See rng.h.

#include "base/rng.h"

#include <math.h>

static void philox(const uint32_t key_in[2], const uint32_t in[4], uint32_t out[4])
{
    uint32_t k0 = key_in[0], k1 = key_in[1];
    uint32_t x0 = in[0], x1 = in[1], x2 = in[2], x3 = in[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;
        uint32_t y0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x1 = (uint32_t)p1, x3 = (uint32_t)p0, x0 = y0, x2 = y2;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

twi_rng twi_rng_at(uint64_t seed, twi_rng_purpose purpose, uint64_t epoch, uint32_t sample)
{
    // The name of the stream is hashed into key and upper counter by the generator itself.
    twi_rng r = {.used = 4};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, mixed[4];
    uint32_t name[4] = {(uint32_t)purpose, (uint32_t)epoch, (uint32_t)(epoch >> 32), sample};
    philox(key, name, mixed);
    r.key[0] = mixed[0], r.key[1] = mixed[1];
    r.counter[2] = mixed[2], r.counter[3] = mixed[3];
    return r;
}

void twi_rng_block(const twi_rng *stream, uint64_t index, uint32_t out[4])
{
    uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), stream->counter[2], stream->counter[3]};
    philox(stream->key, counter, out);
}

uint32_t twi_rng_u32(twi_rng *r)
{
    if (r->used == 4) {
        philox(r->key, r->counter, r->block);
        if (++r->counter[0] == 0)
            r->counter[1]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint32_t twi_rng_below(twi_rng *r, uint32_t n)
{
    uint32_t rejected = -n % n; // 2^32 mod n: below it the residues would be uneven
    for (;;) {
        uint64_t product = (uint64_t)twi_rng_u32(r) * n;
        if ((uint32_t)product >= rejected)
            return (uint32_t)(product >> 32);
    }
}

float twi_rng_uniform(twi_rng *r)
{
    return (float)(twi_rng_u32(r) >> 8) * 0x1p-24f;
}

double twi_rng_normal(twi_rng *r)
{
    double u = ((double)twi_rng_u32(r) + 1.0) * 0x1p-32, v = (double)twi_rng_u32(r) * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void twi_rng_shuffle(twi_rng *r, uint32_t *order, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = twi_rng_below(r, i), kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}
