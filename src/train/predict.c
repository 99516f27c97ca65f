// Prediction: the whole model over photos, through the pipeline. See evaluate.h.

#include "train/evaluate.h"

#include <string.h>

enum { MICRO_BATCH = 4 };

struct twi_predictor {
    twi_predict_options o;
    twi_plan *plan;
    int64_t k;
    // of the present run
    float *answers;
    char **reason;
};

static tw_status check_model(const tw_model *m, tw_err *err)
{
    if (m->inputs.n != 1 || m->outputs.n != 1)
        return twi_fail(err, TW_EUNUSABLE,
                        "model '%s' has %zu inputs and %zu outputs, expected one picture and one answer",
                        m->name, m->inputs.n, m->outputs.n);
    tw_shape in = twi_model_shape(m, m->inputs.at[0]), out = twi_model_shape(m, m->outputs.at[0]);
    char text[TWI_SHAPE_TEXT];
    if (in.rank != 4 || in.dim[3] != 3)
        return twi_fail(err, TW_EUNUSABLE, "model '%s' takes %s, expected a picture (None, height, width, 3)",
                        m->name, twi_shape_text(&in, text));
    if (out.rank != 2)
        return twi_fail(err, TW_EUNUSABLE,
                        "model '%s' gives %s, expected one row of classes a photo (None, classes)", m->name,
                        twi_shape_text(&out, text));
    return TW_OK;
}

static tw_status check_penalties(const twi_plan *plan, tw_err *err)
{
    return twi_plan_n_outputs(plan) > TWI_FRONTIER_MAX
               ? twi_fail(err, TW_EUNSUPPORTED,
                          "not supported yet: evaluating more than %d activity regularizers",
                          TWI_FRONTIER_MAX - 1)
               : TW_OK;
}

twi_predictor *twi_predictor_new(const tw_model *m, const twi_predict_options *o, tw_err *err)
{
    if (!m || check_model(m, err) || twi_check_finite(m, TW_EUNUSABLE, err))
        return NULL;
    twi_predictor *p = twi_new(1, sizeof *p, "a predictor", err);
    if (!p)
        return NULL;
    p->o = *o;
    int64_t batch = MICRO_BATCH;
    if (o->at_once) { // fewer workers, then fewer photos for each
        int64_t workers = o->workers < 1 ? 1 : o->workers < o->at_once ? o->workers : o->at_once;
        batch = o->at_once / workers < batch ? o->at_once / workers : batch;
        p->o.workers = (int)workers;
    }
    twi_plan_options options = {
        .batch = batch, .wants_penalties = o->penalty, .precision = o->precision, .threads = 1};
    p->plan = twi_plan_new(m, &options, err);
    if (!p->plan || check_penalties(p->plan, err)) {
        twi_predictor_free(p);
        return NULL;
    }
    p->k = twi_shape_last(twi_plan_output(p->plan, 0));
    return p;
}

int64_t twi_predictor_outputs(const twi_predictor *p)
{
    return p->k;
}

twi_need twi_predictor_need(const twi_predictor *p)
{
    return (twi_need){.per_worker = twi_need_worker(p->plan)};
}

void twi_predictor_set_workers(twi_predictor *p, int workers)
{
    p->o.workers = p->o.at_once && workers > p->o.at_once ? (int)p->o.at_once : workers;
}

static tw_status on_row(void *self, int64_t photo, const uint8_t hash[16], const float *const outputs[],
                        tw_err *err)
{
    (void)hash, (void)err;
    twi_predictor *p = self;
    memcpy(p->answers + photo * p->k, outputs[0], (size_t)p->k * sizeof(float));
    for (int i = 1; p->o.penalty && i < twi_plan_n_outputs(p->plan); i++)
        p->o.penalty[photo] += outputs[i][0];
    return TW_OK;
}

static tw_status on_bad(void *self, int64_t photo, const uint8_t hash[16], const char *reason, tw_err *err)
{
    (void)hash;
    twi_predictor *p = self;
    p->reason[photo] = twi_strdup(reason, err);
    return p->reason[photo] ? TW_OK : TW_ENOMEM;
}

static void on_progress(void *self, int64_t done, int64_t total)
{
    twi_predictor *p = self;
    if (p->o.on_progress)
        p->o.on_progress(p->o.self, done, total);
}

static bool is_cancelled(void *self)
{
    twi_predictor *p = self;
    return p->o.is_cancelled && p->o.is_cancelled(p->o.self);
}

tw_status twi_predictor_run(twi_predictor *p, int64_t n, const char *const *paths, float *answers,
                            char **reason, tw_err *err)
{
    if (!p)
        return err && err->status ? err->status : TW_EINVAL;
    p->answers = answers;
    p->reason = reason;
    twi_pipeline_options o = {.plan = p->plan,
                              .recipe = p->o.recipe,
                              .workers = p->o.workers,
                              .self = p,
                              .on_row = on_row,
                              .on_bad = on_bad,
                              .on_progress = on_progress,
                              .is_cancelled = is_cancelled};
    return twi_pipeline_run(&o, n, paths, NULL, err);
}

void twi_predictor_free(twi_predictor *p)
{
    if (!p)
        return;
    twi_plan_free(p->plan);
    twi_free(p);
}
