// Comparing models by their answers. See verify.h.
//
// Numbers decide, not files: what a conversion must keep is what the model says. Pictures come from the counter-based
// generator, so the same model gives the same figures everywhere.

#include "job/verify.h"

#include "base/rng.h"
#include "engine/plan.h"
#include "format/export.h"

#include <math.h>
#include <string.h>

void twi_verify_fill(const tw_model *m, int input, const tw_shape *shape, float *x)
{
    int64_t n = shape->dim[0], size = twi_shape_count(shape) / n, c = twi_shape_last(shape);
    double low, high;
    twi_export_range(m, &low, &high);
    for (int64_t i = 0; i < n; i++) {
        twi_rng rng = twi_rng_at(1, TWI_RNG_TEST, (uint64_t)input, (uint32_t)i);
        float slope = twi_rng_uniform(&rng) - 0.5f, grain = 0.05f + 0.4f * twi_rng_uniform(&rng);
        float colour[4];
        for (int k = 0; k < 4; k++)
            colour[k] = 0.2f + 0.6f * twi_rng_uniform(&rng);
        for (int64_t j = 0; j < size; j++) {
            float v = colour[j % c % 4] + slope * ((float)j / (float)size - 0.5f) +
                      grain * (twi_rng_uniform(&rng) - 0.5f);
            v = v < 0 ? 0 : v > 1 ? 1 : v;
            x[i * size + j] = high > 1 ? roundf(255 * v) : 2 * v - 1;
        }
    }
}

static tw_status check(const tw_model *m, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (!all.at[i]->is_set)
            status = twi_fail(err, TW_EUNUSABLE, "'%s' has no values", all.path[i]);
    twi_weights_clear(&all);
    for (size_t i = 0; !status && i < m->inputs.n; i++) {
        char text[TWI_SHAPE_TEXT];
        tw_shape shape = twi_model_shape(m, m->inputs.at[i]), one = twi_shape_batch(&shape, 1);
        if (twi_shape_count(&one) < 0)
            status = twi_fail(err, TW_EUNUSABLE, "model '%s' takes inputs of open size: %s", m->name,
                              twi_shape_text(&shape, text));
    }
    return status;
}

static tw_status collect(const twi_plan *plan, const twi_run *run, twi_verify_answers *out, tw_err *err)
{
    out->n = 0;
    for (int i = 0; i < twi_plan_n_outputs(plan); i++)
        out->n += twi_shape_count(twi_plan_output(plan, i));
    out->at = twi_new((size_t)out->n, sizeof *out->at, "answers", err);
    float *to = out->at;
    for (int i = 0; to && i < twi_plan_n_outputs(plan); i++) {
        int64_t n = twi_shape_count(twi_plan_output(plan, i));
        memcpy(to, twi_run_output(run, i), (size_t)n * sizeof *to);
        to += n;
    }
    return to ? TW_OK : TW_ENOMEM;
}

tw_status twi_verify_answer(const tw_model *m, int threads, twi_verify_answers *out, tw_err *err)
{
    tw_status status = check(m, err);
    if (status)
        return status;
    twi_plan_options options = {.batch = TWI_VERIFY_PICTURES, .precision = TWI_EXACT, .threads = threads};
    tw_err own = {0};
    twi_plan *plan = twi_plan_new(m, &options, &own);
    twi_run *run = plan ? twi_run_new(plan, &own) : NULL;
    for (int i = 0; run && i < twi_plan_n_inputs(plan); i++)
        twi_verify_fill(m, i, twi_plan_input(plan, i), twi_run_input(run, i));
    if (run && !twi_run_forward(run, 0, 0, &own))
        collect(plan, run, out, &own);
    twi_run_free(run);
    twi_plan_free(plan);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}

static tw_status run_exported(const twi_export *x, twi_verify_answers *out, tw_err *err)
{
    float *in = twi_new((size_t)twi_export_inputs_size(x), sizeof *in, "pictures", err), *at = in;
    out->n = twi_export_outputs_size(x);
    out->at = twi_new((size_t)out->n, sizeof *out->at, "answers", err);
    for (size_t i = 0; in && i < x->model->inputs.n; i++) {
        tw_shape shape = twi_model_shape(x->model, x->model->inputs.at[i]);
        shape = twi_shape_batch(&shape, TWI_VERIFY_PICTURES);
        twi_verify_fill(x->model, (int)i, &shape, at);
        at += twi_shape_count(&shape);
    }
    tw_status status = in && out->at ? twi_export_run(x, in, out->at, err) : TW_ENOMEM;
    twi_free(in);
    return status;
}

tw_status twi_verify_exported(const tw_model *m, twi_verify_answers *out, tw_err *err)
{
    twi_export x = {0};
    tw_status status = twi_export_new(m, TWI_VERIFY_PICTURES, &x, err);
    if (!status)
        status = run_exported(&x, out, err);
    twi_export_clear(&x);
    return status;
}

double twi_verify_difference(const twi_verify_answers *a, const twi_verify_answers *b)
{
    if (a->n != b->n)
        return INFINITY;
    double scale = 1;
    for (int64_t i = 0; i < b->n; i++)
        scale = fmax(scale, fabs((double)b->at[i]));
    twi_difference d = twi_compare(a->at, b->at, a->n);
    return d.has_nan ? INFINITY : d.max_abs / scale;
}
