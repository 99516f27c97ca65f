// Muon: momentum whose step is made orthogonal, for matrices; everything else moves as with AdamW.
//
//   m = μ m + g   u = g + μ m (Nesterov) or m   x = u / (‖u‖ + 1e-7), on its side if it has more rows than columns
//   ns_steps times: A = x xᵀ, x = a x + (b A + c A A) x        w −= lr · rms_rate · √max(rows, columns) · x
// The iteration drives all singular values towards 1. Biases, gammas and kernels of convolutions take Adam's step with
// rate lr · adam_lr_ratio; their weights shrink by adam_weight_decay, matrices by weight_decay.
// Slots    momentum, and velocity where Adam's step is taken.
// Source   keras.optimizers.Muon, Keras 3.15; Jordan 2024; Liu et al., 2025.

#include "train/optimizer.h"

#include <math.h>
#include <string.h>

enum {
    LEARNING_RATE,
    BETA_1,
    BETA_2,
    ADAM_DECAY,
    EPSILON,
    MUON_A,
    MUON_B,
    MUON_C,
    RATIO,
    MOMENTUM,
    NS_STEPS,
    NESTEROV,
    RMS_RATE
}; // ORDER args below

static int muon_slots(const tw_setting *s)
{
    (void)s;
    return 2;
}

static bool is_matrix(const tw_shape *shape)
{
    return shape->rank == 2;
}

static bool muon_has_slot(const tw_setting *s, const tw_shape *shape, int j)
{
    (void)s;
    return j == 0 || !is_matrix(shape);
}

static double muon_decay(const tw_setting *s, const tw_shape *shape)
{
    return is_matrix(shape) ? twi_setting_arg(s, "weight_decay") : s->value[ADAM_DECAY];
}

// x [rows, columns], its product with its transpose, and two more of that size; x is the short way up.
static int64_t muon_scratch(const tw_shape *shape)
{
    if (!is_matrix(shape))
        return 0;
    int64_t rows = shape->dim[0] < shape->dim[1] ? shape->dim[0] : shape->dim[1];
    return 2 * twi_shape_count(shape) + 2 * rows * rows;
}

// out [n, n] = x xᵀ for x [n, k].
static void gram(const float *x, int64_t n, int64_t k, float *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            const float *a = x + i * k, *b = x + j * k;
            float sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += a[l] * b[l];
            out[i * n + j] = out[j * n + i] = sum;
        }
}

// out [n, k] = first · x + a [n, n] · x [n, k].
static void add_product(const float *a, const float *x, int64_t n, int64_t k, float first, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        float *row = out + i * k;
        for (int64_t l = 0; l < k; l++)
            row[l] = first * x[i * k + l];
        for (int64_t j = 0; j < n; j++) {
            float factor = a[i * n + j];
            const float *from = x + j * k;
            for (int64_t l = 0; l < k; l++)
                row[l] += factor * from[l];
        }
    }
}

// x [n, k], n ≤ k, becomes nearly orthogonal; room holds n k + 2 n n floats.
static void orthogonalise(const tw_setting *s, float *x, int64_t n, int64_t k, float *room)
{
    float *next = room, *square = room + n * k, *mixed = square + n * n;
    double norm = 0;
    for (int64_t i = 0; i < n * k; i++)
        norm += (double)x[i] * (double)x[i];
    float scale = (float)(1 / (sqrt(norm) + 1e-7));
    for (int64_t i = 0; i < n * k; i++)
        x[i] *= scale;
    for (int step = 0; step < (int)s->value[NS_STEPS]; step++) {
        gram(x, n, k, square);
        add_product(square, square, n, n, 0, mixed);
        for (int64_t i = 0; i < n * n; i++)
            mixed[i] = (float)s->value[MUON_B] * square[i] + (float)s->value[MUON_C] * mixed[i];
        add_product(mixed, x, n, k, (float)s->value[MUON_A], next);
        memcpy(x, next, (size_t)(n * k) * sizeof *x);
    }
}

static void turn(const float *x, int64_t rows, int64_t columns, float *out)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            out[j * rows + i] = x[i * columns + j];
}

static void muon_whole(const tw_setting *s, const tw_shape *shape, twi_optimizer_step *o)
{
    if (!is_matrix(shape))
        return;
    float mu = (float)s->value[MOMENTUM], *m = o->slot[0], *x = o->update, *room = o->update + o->n;
    int64_t rows = shape->dim[0], columns = shape->dim[1];
    bool is_turned = rows > columns;
    float *u = is_turned ? room : x;
    for (int64_t i = 0; i < o->n; i++) {
        m[i] += o->g[i] + m[i] * (mu - 1);
        u[i] = s->value[NESTEROV] != 0 ? o->g[i] + mu * m[i] : m[i];
    }
    if (is_turned)
        turn(u, rows, columns, x);
    orthogonalise(s, x, is_turned ? columns : rows, is_turned ? rows : columns, room);
    if (is_turned) {
        memcpy(room, x, (size_t)o->n * sizeof *x);
        turn(room, columns, rows, x);
    }
    double longest = (double)(is_turned ? rows : columns);
    o->number[0] = isnan(s->value[RMS_RATE]) ? 1 : s->value[RMS_RATE] * sqrt(longest);
}

static void muon_step(const tw_setting *s, const twi_optimizer_step *o)
{
    if (!o->slot[1]) {
        float rate = (float)(o->lr * o->number[0]);
        for (int64_t i = 0; i < o->n; i++)
            o->w[i] -= rate * o->update[i];
        return;
    }
    double b1 = s->value[BETA_1], b2 = s->value[BETA_2], t = (double)o->t;
    float a = (float)(o->lr * s->value[RATIO] * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t)));
    float keep1 = (float)(1 - b1), keep2 = (float)(1 - b2), epsilon = (float)s->value[EPSILON];
    for (int64_t i = 0; i < o->n; i++) {
        float g = o->g[i], *m = &o->slot[0][i], *v = &o->slot[1][i];
        *m += (g - *m) * keep1;
        *v += (g * g - *v) * keep2;
        o->w[i] -= a * *m / (sqrtf(*v) + epsilon);
    }
}

const twi_optimizer_kind twi_optimizer_muon =
    {.setting =
         {.name = "Muon",
          .aliases = "muon",
          .doc = "orthogonal steps for matrices, AdamW for the rest",
          .args = {TWI_LEARNING_RATE(1e-3),
                   TWI_ARG("adam_beta_1", 0.9, 0, 1),
                   TWI_ARG("adam_beta_2", 0.999, 0, 1),
                   TWI_ARG("adam_weight_decay", 4e-3, 0, 1e3),
                   TWI_ARG("epsilon", 1e-7, 0, 1),
                   TWI_ARG("muon_a", 3.4445, -1e3, 1e3),
                   TWI_ARG("muon_b", -4.775, -1e3, 1e3),
                   TWI_ARG("muon_c", 2.0315, -1e3, 1e3),
                   TWI_ARG("adam_lr_ratio", 1, 0, 1e3),
                   TWI_ARG("momentum", 0.95, 0, 1),
                   {.key = "ns_steps", .otherwise = 5, .low = 0, .high = 100, .flags = TW_ARG_WHOLE},
                   TWI_ARG_FLAG("nesterov", 1),
                   {.key = "rms_rate", .otherwise = 0.2, .low = 0, .high = 1e3, .flags = TW_ARG_NULLABLE},
                   TWI_ARG_FLAG("exclude_embeddings", 1),
                   TWI_ARG("weight_decay", 4e-3, 0, 1e3),
                   TWI_OPTIMIZER_TAIL},
          .row = &twi_optimizer_muon},
     .n_slots = muon_slots,
     .has_slot = muon_has_slot,
     .decay = muon_decay,
     .whole = muon_whole,
     .scratch = muon_scratch,
     .step = muon_step};
