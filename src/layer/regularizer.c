// Regularizers: penalties on a weight's size, added to the loss while the weight trains.
//
// L1          l1 · Σ|w|                    gradient l1 · sign(w)
// L2          l2 · Σw²                     gradient 2 · l2 · w        (no ½: Keras's convention)
// L1L2        both
// Orthogonal  factor · ½ · Σ over i ≠ j of |(R Rᵀ)ij| / (n (n − 1) / 2), R the n rows (or columns) of w scaled to length 1
// Source      keras.regularizers, Keras 3.15 (interop e9).

#include "layer/layer.h"

#include <math.h>

typedef enum family { NORMS, ORTHOGONAL } family;
typedef struct regularizer_row {
    family family;
    int l1, l2; // which argument holds it; -1: none
} regularizer_row;

static const char *const modes[] = {"rows", "columns", NULL};

static const regularizer_row row_l1 = {NORMS, 0, -1}, row_l2 = {NORMS, -1, 0}, row_l1l2 = {NORMS, 0, 1},
                             row_orthogonal = {ORTHOGONAL, -1, -1};

#define FACTOR 0, 1e30, NULL, 0
static const tw_setting_kind l1 = {"L1", "l1", "sum of absolute values", {{"l1", 0.01, FACTOR}}, &row_l1};
static const tw_setting_kind l2 = {"L2", "l2", "sum of squares", {{"l2", 0.01, FACTOR}}, &row_l2};
static const tw_setting_kind l1l2 = {
    "L1L2", "l1l2 l1_l2", "both", {{"l1", 0, FACTOR}, {"l2", 0, FACTOR}}, &row_l1l2};
static const tw_setting_kind orthogonal = {"OrthogonalRegularizer",
                                           "orthogonal_regularizer",
                                           "makes rows or columns orthogonal",
                                           {{"factor", 0.01, FACTOR}, {"mode", 0, 0, 1, modes, 0}},
                                           &row_orthogonal};

static const tw_setting_kind *const kinds[] = {&l1, &l2, &l1l2, &orthogonal, NULL};
static const char *const names[] = {"l1", "l2", "l1l2", "orthogonal_regularizer", NULL};

const tw_setting_kind *twi_regularizer_find(const char *name)
{
    return twi_setting_find(kinds, name);
}

const char *const *twi_regularizer_names(void)
{
    return names;
}

// --------------------------------------------------------------------------------------------------------- orthogonal

// A matrix seen as n vectors of `length`; element k of vector i lies at i · step + k · stride.
typedef struct vectors {
    int64_t n, length, step, stride;
    double scale; // factor · ½ / (n (n − 1) / 2)
} vectors;

static bool vectors_of(const tw_setting *r, const tw_shape *shape, vectors *v)
{
    if (shape->rank != 2)
        return false;
    int64_t rows = shape->dim[0], columns = shape->dim[1];
    bool is_columns = r->value[1] == 1;
    *v = is_columns ? (vectors){columns, rows, 1, columns, 0} : (vectors){rows, columns, columns, 1, 0};
    v->scale = v->n > 1 ? r->value[0] * 0.5 / ((double)v->n * ((double)v->n - 1) / 2) : 0;
    return v->n > 1;
}

static double dot(const vectors *v, const float *w, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t k = 0; k < v->length; k++)
        sum += (double)w[i * v->step + k * v->stride] * (double)w[j * v->step + k * v->stride];
    return sum;
}

// Keras divides by max(length, 1e-12)
static double length_of(const vectors *v, const float *w, int64_t i)
{
    return fmax(sqrt(dot(v, w, i, i)), 1e-12);
}

static double orthogonal_loss(const vectors *v, const float *w)
{
    double sum = 0;
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < i; j++)
            sum += 2 * fabs(dot(v, w, i, j)) / (length_of(v, w, i) * length_of(v, w, j));
    return v->scale * sum;
}

// d|cos(a, b)| / da = sign(cos) (b/|b| − cos · a/|a|) / |a|; every pair counts twice.
static void orthogonal_gradient(const vectors *v, const float *w, float *grad)
{
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < v->n; j++) {
            if (i == j)
                continue;
            double a = length_of(v, w, i), b = length_of(v, w, j), cosine = dot(v, w, i, j) / (a * b);
            double factor = 2 * v->scale * (cosine > 0 ? 1 : cosine < 0 ? -1 : 0) / a;
            for (int64_t k = 0; k < v->length; k++) {
                int64_t own = i * v->step + k * v->stride, other = j * v->step + k * v->stride;
                grad[own] += (float)(factor * ((double)w[other] / b - cosine * (double)w[own] / a));
            }
        }
}

// --------------------------------------------------------------------------------------------------------------- sums

static double factor_of(const tw_setting *r, int arg)
{
    return arg < 0 ? 0 : r->value[arg];
}

void twi_regularizer_without_l1(tw_setting *regularizer)
{
    const regularizer_row *row = regularizer->kind ? regularizer->kind->row : NULL;
    if (row && row->l1 >= 0)
        regularizer->value[row->l1] = 0;
}

double twi_regularizer_loss(const tw_setting *regularizer, const float *w, const tw_shape *shape)
{
    if (!regularizer->kind)
        return 0;
    const regularizer_row *row = regularizer->kind->row;
    vectors v;
    if (row->family == ORTHOGONAL)
        return vectors_of(regularizer, shape, &v) ? orthogonal_loss(&v, w) : 0;
    double sum1 = 0, sum2 = 0;
    int64_t n = twi_shape_count(shape);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)w[i];
        sum1 += fabs(x), sum2 += x * x;
    }
    return factor_of(regularizer, row->l1) * sum1 + factor_of(regularizer, row->l2) * sum2;
}

void twi_regularizer_add_gradient(const tw_setting *regularizer, const float *w, const tw_shape *shape,
                                  float *grad)
{
    if (!regularizer->kind)
        return;
    const regularizer_row *row = regularizer->kind->row;
    vectors v;
    if (row->family == ORTHOGONAL) {
        if (vectors_of(regularizer, shape, &v))
            orthogonal_gradient(&v, w, grad);
        return;
    }
    double first = factor_of(regularizer, row->l1), second = 2 * factor_of(regularizer, row->l2);
    int64_t n = twi_shape_count(shape);
    for (int64_t i = 0; i < n; i++)
        grad[i] += (float)(first * (w[i] > 0 ? 1 : w[i] < 0 ? -1 : 0) + second * (double)w[i]);
}
