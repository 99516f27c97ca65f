// MixUp and CutMix. See mix.h.

#include "train/mix.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { STREAM_PARTNERS = 0xffffff00 }; // samples of the stream: no photo has such a number

// Marsaglia and Tsang, 2000; for a < 1 by Gamma(a) = Gamma(a + 1) U^(1/a).
static double draw_gamma(twi_rng *r, double a)
{
    double boost = a < 1 ? pow(fmax((double)twi_rng_uniform(r), 1e-12), 1 / a) : 1,
           d = (a < 1 ? a + 1 : a) - 1.0 / 3;
    double c = 1 / sqrt(9 * d);
    for (;;) {
        double x = twi_rng_normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        double u = fmax((double)twi_rng_uniform(r), 1e-12);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v;
    }
}

double twi_draw_beta(twi_rng *r, double alpha)
{
    double a = draw_gamma(r, alpha), b = draw_gamma(r, alpha);
    return a + b > 0 ? a / (a + b) : 0.5;
}

static void mix_rows(float *x, const float *other, int64_t n, float share)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = share * x[i] + (1 - share) * other[i];
}

// The box of `other` in x [h, w, c]; returns the share of x that is left.
static double cut(twi_rng *r, float *x, const float *other, const tw_shape *s, double lambda)
{
    int64_t h = s->dim[1], w = s->dim[2], c = s->dim[3];
    double side = sqrt(1 - lambda), y = (double)twi_rng_uniform(r) * (double)h,
           z = (double)twi_rng_uniform(r) * (double)w;
    int64_t top = (int64_t)fmax(y - side * (double)h / 2, 0),
            left = (int64_t)fmax(z - side * (double)w / 2, 0);
    int64_t bottom = (int64_t)fmin(y + side * (double)h / 2, (double)h),
            right = (int64_t)fmin(z + side * (double)w / 2, (double)w);
    for (int64_t i = top; i < bottom; i++)
        memcpy(x + (i * w + left) * c, other + (i * w + left) * c, (size_t)((right - left) * c) * sizeof *x);
    return 1 - (double)((bottom - top) * (right - left)) / (double)(h * w);
}

typedef struct copies {
    float *input[8], *y;
} copies;

static tw_status copy_batch(const twi_mix *m, copies *old, tw_err *err)
{
    old->y = twi_new((size_t)(m->n * m->k), sizeof *old->y, "a batch", err);
    for (int j = 0; j < m->n_inputs; j++) {
        int64_t row = twi_shape_count(&m->shape[j]) / m->shape[j].dim[0];
        old->input[j] = twi_new((size_t)(m->n * row), sizeof *old->y, "a batch", err);
        if (!old->input[j])
            return TW_ENOMEM;
        memcpy(old->input[j], m->input[j], (size_t)(m->n * row) * sizeof *old->y);
    }
    if (old->y)
        memcpy(old->y, m->y, (size_t)(m->n * m->k) * sizeof *old->y);
    return old->y ? TW_OK : TW_ENOMEM;
}

tw_status twi_mix_batch(const twi_mix *m, uint64_t seed, uint64_t step, tw_err *err)
{
    twi_rng r = twi_rng_at(seed, TWI_RNG_AUGMENT, step, STREAM_PARTNERS);
    bool cuts = m->cutmix > 0 && (m->mixup <= 0 || twi_rng_uniform(&r) < 0.5f);
    uint32_t *partner = twi_new((size_t)m->n, sizeof *partner, "partners", err);
    copies old = {0};
    tw_status status = partner ? copy_batch(m, &old, err) : TW_ENOMEM;
    for (int64_t i = 0; !status && i < m->n; i++)
        partner[i] = (uint32_t)i;
    if (!status)
        twi_rng_shuffle(&r, partner, (uint32_t)m->n);
    for (int64_t i = 0; !status && i < m->n; i++) {
        double share = twi_draw_beta(&r, cuts ? m->cutmix : m->mixup);
        for (int j = 0; j < m->n_inputs; j++) {
            int64_t row = twi_shape_count(&m->shape[j]) / m->shape[j].dim[0];
            float *x = m->input[j] + i * row;
            const float *other = old.input[j] + partner[i] * row;
            if (cuts)
                share = cut(&r, x, other, &m->shape[j], share);
            else
                mix_rows(x, other, row, (float)share);
        }
        mix_rows(m->y + i * m->k, old.y + partner[i] * m->k, m->k, (float)share);
    }
    for (int j = 0; j < m->n_inputs; j++)
        twi_free(old.input[j]);
    twi_free(old.y);
    twi_free(partner);
    return status;
}
