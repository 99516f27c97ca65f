// Regularizers: penalties added to the loss: on a weight's size while the weight trains, or on what a layer gives.
//
// L1          l1 · Σ|w|                    gradient l1 · sign(w)
// L2          l2 · Σw²                     gradient 2 · l2 · w        (no ½: Keras's convention)
// L1L2        both
// Orthogonal  factor · ½ · Σ over i ≠ j of |(R Rᵀ)ij| / (n (n − 1) / 2), R the n rows (or columns) of w scaled to length 1
// Activity    the same of the layer's output, divided by the batch; frozen layers count, too (op/op_penalty.c)
// Source      keras.regularizers, Keras 3.15 (interop e9).

#include "layer/layer.h"
#include "op/penalty.h"

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

bool twi_regularizer_is_elementwise(const tw_setting *regularizer)
{
    return !regularizer->kind || ((const regularizer_row *)regularizer->kind->row)->family == NORMS;
}

static twi_penalty_params params_of(const tw_setting *r)
{
    const regularizer_row *row = r->kind->row;
    if (row->family == ORTHOGONAL)
        return (twi_penalty_params){.orthogonal = r->value[0], .is_columns = r->value[1] == 1};
    return (twi_penalty_params){.l1 = factor_of(r, row->l1), .l2 = factor_of(r, row->l2)};
}

double twi_regularizer_loss(const tw_setting *regularizer, const float *w, const tw_shape *shape)
{
    if (!regularizer->kind)
        return 0;
    twi_penalty_params p = params_of(regularizer);
    return twi_penalty_value(&p, w, shape);
}

void twi_regularizer_add_gradient(const tw_setting *regularizer, const float *w, const tw_shape *shape,
                                  float *grad)
{
    if (!regularizer->kind)
        return;
    twi_penalty_params p = params_of(regularizer);
    twi_penalty_add_gradient(&p, w, shape, 1, grad);
}

tw_status twi_regularizer_check(const tw_setting *regularizer, const char *key, const tw_shape *shape,
                                tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (twi_regularizer_is_elementwise(regularizer) || shape->rank == 2)
        return TW_OK;
    return twi_fail(err, TW_EINVAL, "%s: orthogonal_regularizer takes what has two axes, received shape %s",
                    key, twi_shape_text(shape, text));
}

// ---------------------------------------------------------------------------------------------------------- activities

tw_status twi_check_activity(const tw_setting *regularizer, const tw_shape *out, tw_err *err)
{
    return twi_regularizer_check(regularizer, "activity_regularizer", out, err);
}

twi_value twi_emit_activity(twi_emitter *e, twi_value y, const tw_setting *regularizer)
{
    if (!e->wants_penalties || !regularizer->kind)
        return y;
    twi_penalty_params p = params_of(regularizer);
    return twi_emit_penalty(e, y, &p);
}
