// Initializers: how a weight starts. Drawn from the stream (seed, INIT, index of the weight): no order of calls matters.
//
// Fans     [in, out] → in, out; [kh, kw, in, out] → kh·kw·in, kh·kw·out; [n] → n, n. A depthwise kernel [kh, kw, in, m] thus
//          has fan_in kh·kw·in.
// Scaling  variance = scale / (fan_in | fan_out | their mean). truncated_normal draws again beyond two deviations, and widens
//          the deviation by 1 / 0.8796… so that the variance holds; uniform: limit sqrt(3 · variance).
// Source   keras.initializers, Keras 3.15; Glorot & Bengio 2010, He et al. 2015, Saxe et al. 2013.

#include "layer/layer.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

typedef enum family {
    CONSTANT,
    NORMAL,
    TRUNCATED,
    UNIFORM,
    SCALING,
    FIXED_SCALING,
    ORTHOGONAL,
    IDENTITY
} family;
enum { FAN_IN, FAN_OUT, FAN_AVG };
enum { D_TRUNCATED, D_UNTRUNCATED, D_UNIFORM, D_NORMAL };

typedef struct initializer_row {
    family family;
    double scale; // FIXED_SCALING: the numbers that VarianceScaling takes as arguments; CONSTANT: the value
    int mode, distribution;
} initializer_row;

static const char *const modes[] = {"fan_in", "fan_out", "fan_avg", NULL};
static const char *const distributions[] = {"truncated_normal", "untruncated_normal", "uniform", "normal",
                                            NULL};

#define ANY      -1e30, 1e30, NULL, 0
#define POSITIVE 0, 1e30, NULL, 0

#define ROW(id, ...) static const initializer_row row_##id = {__VA_ARGS__};
ROW(zeros, CONSTANT, 0, 0, 0)
ROW(ones, CONSTANT, 1, 0, 0)
ROW(constant, CONSTANT, 0, 0, 0)
ROW(random_normal, NORMAL, 0, 0, 0)
ROW(random_uniform, UNIFORM, 0, 0, 0)
ROW(truncated_normal, TRUNCATED, 0, 0, 0)
ROW(variance_scaling, SCALING, 0, 0, 0)
ROW(glorot_normal, FIXED_SCALING, 1, FAN_AVG, D_TRUNCATED)
ROW(glorot_uniform, FIXED_SCALING, 1, FAN_AVG, D_UNIFORM)
ROW(he_normal, FIXED_SCALING, 2, FAN_IN, D_TRUNCATED)
ROW(he_uniform, FIXED_SCALING, 2, FAN_IN, D_UNIFORM)
ROW(lecun_normal, FIXED_SCALING, 1, FAN_IN, D_TRUNCATED)
ROW(lecun_uniform, FIXED_SCALING, 1, FAN_IN, D_UNIFORM)
ROW(orthogonal, ORTHOGONAL, 0, 0, 0)
ROW(identity, IDENTITY, 0, 0, 0)

static const tw_setting_kind zeros = {"Zeros", "zeros zero", "0", {{0}}, &row_zeros};
static const tw_setting_kind ones = {"Ones", "ones one", "1", {{0}}, &row_ones};
static const tw_setting_kind constant = {
    "Constant", "constant", "one number", {{"value", 0, ANY}}, &row_constant};
static const tw_setting_kind random_normal = {"RandomNormal",
                                              "random_normal normal",
                                              "normal distribution",
                                              {{"mean", 0, ANY}, {"stddev", 0.05, POSITIVE}},
                                              &row_random_normal};
static const tw_setting_kind random_uniform = {"RandomUniform",
                                               "random_uniform uniform",
                                               "uniform distribution",
                                               {{"minval", -0.05, ANY}, {"maxval", 0.05, ANY}},
                                               &row_random_uniform};
static const tw_setting_kind truncated_normal = {"TruncatedNormal",
                                                 "truncated_normal",
                                                 "normal distribution within two deviations",
                                                 {{"mean", 0, ANY}, {"stddev", 0.05, POSITIVE}},
                                                 &row_truncated_normal};
static const tw_setting_kind variance_scaling = {"VarianceScaling",
                                                 "variance_scaling",
                                                 "variance by the number of inputs or outputs",
                                                 {{"scale", 1, 1e-30, 1e30, NULL, 0},
                                                  {"mode", FAN_IN, 0, 2, modes, 0},
                                                  {"distribution", D_TRUNCATED, 0, 3, distributions, 0}},
                                                 &row_variance_scaling};
static const tw_setting_kind glorot_normal = {
    "GlorotNormal", "glorot_normal xavier_normal", "variance 2 / (in + out)", {{0}}, &row_glorot_normal};
static const tw_setting_kind glorot_uniform = {
    "GlorotUniform", "glorot_uniform xavier_uniform", "variance 2 / (in + out)", {{0}}, &row_glorot_uniform};
static const tw_setting_kind he_normal = {"HeNormal", "he_normal", "variance 2 / in", {{0}}, &row_he_normal};
static const tw_setting_kind he_uniform = {
    "HeUniform", "he_uniform", "variance 2 / in", {{0}}, &row_he_uniform};
static const tw_setting_kind lecun_normal = {
    "LecunNormal", "lecun_normal", "variance 1 / in", {{0}}, &row_lecun_normal};
static const tw_setting_kind lecun_uniform = {
    "LecunUniform", "lecun_uniform", "variance 1 / in", {{0}}, &row_lecun_uniform};
static const tw_setting_kind orthogonal = {"Orthogonal",
                                           "orthogonal OrthogonalInitializer",
                                           "orthogonal rows or columns",
                                           {{"gain", 1, ANY}},
                                           &row_orthogonal};
static const tw_setting_kind identity = {
    "Identity", "identity IdentityInitializer", "ones on the diagonal", {{"gain", 1, ANY}}, &row_identity};

static const tw_setting_kind *const kinds[] = {&zeros,
                                               &ones,
                                               &constant,
                                               &random_normal,
                                               &random_uniform,
                                               &truncated_normal,
                                               &glorot_normal,
                                               &he_normal,
                                               &lecun_normal,
                                               &glorot_uniform,
                                               &he_uniform,
                                               &lecun_uniform,
                                               &orthogonal,
                                               &identity,
                                               &variance_scaling,
                                               NULL};
static const char *const names[] = {"zeros",
                                    "ones",
                                    "constant",
                                    "random_normal",
                                    "random_uniform",
                                    "truncated_normal",
                                    "glorot_normal",
                                    "he_normal",
                                    "lecun_normal",
                                    "glorot_uniform",
                                    "he_uniform",
                                    "lecun_uniform",
                                    "orthogonal",
                                    "identity",
                                    "variance_scaling",
                                    NULL};

const tw_setting_kind *twi_initializer_find(const char *name)
{
    return twi_setting_find(kinds, name);
}

const char *const *twi_initializer_names(void)
{
    return names;
}

// ------------------------------------------------------------------------------------------------------------- drawing

static void fill_normal(twi_rng *r, double mean, double deviation, bool is_truncated, float *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double z = twi_rng_normal(r);
        while (is_truncated && fabs(z) > 2)
            z = twi_rng_normal(r);
        data[i] = (float)(mean + deviation * z);
    }
}

static void fill_uniform(twi_rng *r, double low, double high, float *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(low + (high - low) * (double)twi_rng_uniform(r));
}

static double fan_of(const tw_shape *s, int mode)
{
    double field = 1, in = 1, out = 1;
    for (int i = 0; i < s->rank - 2; i++)
        field *= (double)s->dim[i];
    if (s->rank >= 1)
        in = out = (double)s->dim[s->rank - 1];
    if (s->rank >= 2)
        in = (double)s->dim[s->rank - 2];
    in *= field, out *= field;
    double fan = mode == FAN_IN ? in : mode == FAN_OUT ? out : (in + out) / 2;
    return fmax(fan, 1);
}

static void fill_scaling(twi_rng *r, const tw_shape *shape, double scale, int mode, int distribution,
                         float *data, int64_t n)
{
    double variance = scale / fan_of(shape, mode), limit = sqrt(3 * variance);
    if (distribution == D_UNIFORM)
        fill_uniform(r, -limit, limit, data, n);
    else if (distribution == D_UNTRUNCATED)
        fill_normal(r, 0, sqrt(variance), false, data, n);
    else // the deviation of a standard normal cut off at two
        fill_normal(r, 0, sqrt(variance) / 0.87962566103423978, true, data, n);
}

// Gram–Schmidt, twice for accuracy, on the shorter axis: the Q of a QR whose R has a positive diagonal.
static void orthogonalise(double *v, int64_t vectors, int64_t length)
{
    for (int64_t i = 0; i < vectors; i++) {
        double *a = v + i * length, norm = 0;
        for (int64_t j = 0; j < 2 * i; j++) {
            const double *b = v + (j % i) * length;
            double dot = 0;
            for (int64_t k = 0; k < length; k++)
                dot += a[k] * b[k];
            for (int64_t k = 0; k < length; k++)
                a[k] -= dot * b[k];
        }
        for (int64_t k = 0; k < length; k++)
            norm += a[k] * a[k];
        for (int64_t k = 0; k < length; k++)
            a[k] /= sqrt(norm);
    }
}

static tw_status fill_orthogonal(twi_rng *r, const tw_shape *s, double gain, float *data, int64_t n,
                                 tw_err *err)
{
    if (s->rank < 2)
        return twi_fail(err, TW_EINVAL, "orthogonal needs a weight of rank 2 or more");
    int64_t columns = s->dim[s->rank - 1], rows = n / columns;
    bool is_wide = rows < columns;
    int64_t vectors = is_wide ? rows : columns, length = is_wide ? columns : rows;
    double *v = twi_new((size_t)n, sizeof *v, "an orthogonal matrix", err);
    if (!v)
        return TW_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        v[i] = twi_rng_normal(r);
    orthogonalise(v, vectors, length);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            data[i * columns + j] = (float)(gain * (is_wide ? v[i * length + j] : v[j * length + i]));
    twi_free(v);
    return TW_OK;
}

static tw_status fill_identity(const tw_shape *s, double gain, float *data, int64_t n, tw_err *err)
{
    if (s->rank != 2)
        return twi_fail(err, TW_EINVAL, "identity needs a weight of rank 2, received rank %d", s->rank);
    memset(data, 0, (size_t)n * sizeof *data);
    for (int64_t i = 0; i < s->dim[0] && i < s->dim[1]; i++)
        data[i * s->dim[1] + i] = (float)gain;
    return TW_OK;
}

tw_status twi_initializer_fill(const twi_weight *w, uint64_t seed, uint32_t index, float *data, tw_err *err)
{
    const tw_setting *init = &w->init;
    const initializer_row *row = init->kind ? init->kind->row : &row_zeros;
    int64_t n = twi_shape_count(&w->shape);
    twi_rng r = twi_rng_at(seed, TWI_RNG_INIT, index, 0);
    const double *arg = init->value;
    tw_status status = TW_OK;
    switch (row->family) {
    case CONSTANT:
        for (int64_t i = 0; i < n; i++)
            data[i] = (float)(row == &row_constant ? arg[0] : row->scale);
        break;
    case NORMAL:
    case TRUNCATED:
        fill_normal(&r, arg[0], arg[1], row->family == TRUNCATED, data, n);
        break;
    case UNIFORM:
        fill_uniform(&r, arg[0], arg[1], data, n);
        break;
    case SCALING:
        fill_scaling(&r, &w->shape, arg[0], (int)arg[1], (int)arg[2], data, n);
        break;
    case FIXED_SCALING:
        fill_scaling(&r, &w->shape, row->scale, row->mode, row->distribution, data, n);
        break;
    case ORTHOGONAL:
        status = fill_orthogonal(&r, &w->shape, arg[0], data, n, err);
        break;
    case IDENTITY:
        status = fill_identity(&w->shape, arg[0], data, n, err);
        break;
    }
    if (status)
        twi_err_context(err, "weight '%s'", w->name);
    return status;
}
