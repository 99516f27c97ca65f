// Samples in memory. See arrays.h.

#include "train/arrays.h"

#include <string.h>

tw_status twi_arrays_check(const tw_model *m, const tw_dataset *d, tw_err *err)
{
    char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    if (m->inputs.n != 1 || m->outputs.n != 1)
        return twi_fail(
            err, TW_EUNSUPPORTED,
            "not supported yet: data for model '%s' with %zu inputs and %zu outputs (one of each is)",
            m->name, m->inputs.n, m->outputs.n);
    tw_shape in = twi_model_shape(m, m->inputs.at[0]),
             given = {.rank = d->store->shape.rank + 1, .dim = {-1}};
    for (int i = 0; i < d->store->shape.rank; i++)
        given.dim[i + 1] = d->store->shape.dim[i];
    if (twi_shape_same(&in, &given))
        return TW_OK;
    return twi_fail(err, TW_EUNUSABLE, "model '%s' takes %s, the data set has %s", m->name,
                    twi_shape_text(&in, a), twi_shape_text(&given, b));
}

static int64_t row_size(const tw_shape *with_batch)
{
    tw_shape one = twi_shape_batch(with_batch, 1);
    return twi_shape_count(&one);
}

// Every sample through a plan, batch by batch; the last one is filled up with its first sample. out[i]: [n, size of output i].
static tw_status run_all(const twi_plan *plan, const tw_dataset *d, const twi_array_run *o,
                         float *const out[], tw_err *err)
{
    twi_run *run = twi_run_new(plan, err);
    tw_status status = run ? TW_OK : TW_ENOMEM;
    int64_t batch = twi_plan_input(plan, 0)->dim[0], in = row_size(twi_plan_input(plan, 0));
    for (int64_t at = 0; !status && at < d->n; at += batch) {
        int64_t count = d->n - at < batch ? d->n - at : batch;
        float *x = twi_run_input(run, 0);
        if (o->is_cancelled && o->is_cancelled(o->self))
            status = twi_fail(err, TW_ECANCELLED, "cancelled");
        memcpy(x, d->store->x + at * in, (size_t)(count * in) * sizeof *x);
        for (int64_t i = count; i < batch; i++)
            memcpy(x + i * in, x, (size_t)in * sizeof *x);
        if (!status)
            status = twi_run_forward(run, 0, 0, err);
        for (int i = 0; !status && i < twi_plan_n_outputs(plan) && out[i]; i++) {
            int64_t size = row_size(twi_plan_output(plan, i));
            memcpy(out[i] + at * size, twi_run_output(run, i), (size_t)(count * size) * sizeof(float));
        }
        for (int i = twi_plan_n_outputs(plan) - twi_plan_n_penalties(plan);
             !status && o->penalty && i < twi_plan_n_outputs(plan); i++)
            for (int64_t j = 0; j < count; j++)
                o->penalty[at + j] += twi_run_output(run, i)[j];
    }
    twi_run_free(run);
    return status;
}

static twi_plan *plan_for(const tw_model *m, const tw_dataset *d, const twi_frontier *to,
                          const twi_array_run *o, tw_err *err)
{
    twi_plan_options options = {.batch = d->n < o->batch ? (d->n ? d->n : 1) : o->batch,
                                .to = to,
                                .wants_penalties = o->penalty,
                                .precision = o->precision,
                                .threads = o->threads};
    return twi_plan_new(m, &options, err);
}

tw_status twi_arrays_answer(const tw_model *m, const tw_dataset *d, const twi_array_run *o, float *answers,
                            tw_err *err)
{
    tw_status status = twi_arrays_check(m, d, err);
    twi_plan *plan = status ? NULL : plan_for(m, d, NULL, o, err);
    if (!plan)
        return err && err->status ? err->status : TW_ENOMEM;
    float *out[] = {answers, NULL};
    status = run_all(plan, d, o, out, err);
    twi_plan_free(plan);
    return status;
}

// -------------------------------------------------------------------------------------------------------------- samples

static tw_status read_samples(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                              int64_t n_next, float *const dst[], tw_err *err)
{
    (void)next, (void)n_next, (void)err;
    const twi_array_samples *s = self;
    for (int j = 0; j < s->n_values; j++)
        for (int64_t i = 0; i < count; i++)
            memcpy(dst[j] + i * s->size[j], s->at[j] + (int64_t)index[i] * s->size[j],
                   (size_t)s->size[j] * sizeof(float));
    return TW_OK;
}

static tw_status make_rows(const tw_model *m, const tw_dataset *d, const twi_frontier *frontier,
                           const twi_array_run *o, twi_array_samples *s, tw_err *err)
{
    s->n_values = frontier->n;
    for (int i = 0; i < s->n_values; i++) {
        s->size[i] = row_size(&frontier->at[i].shape);
        s->owned[i] = twi_new_aligned((size_t)(d->n * s->size[i]), sizeof(float), "features", err);
        if (!s->owned[i])
            return TW_ENOMEM;
        s->at[i] = s->owned[i];
    }
    twi_plan *plan = plan_for(m, d, frontier, o, err);
    tw_status status = plan ? run_all(plan, d, o, s->owned, err) : TW_EFAILED;
    twi_plan_free(plan);
    return status;
}

tw_status twi_array_samples_make(const tw_model *m, const tw_dataset *d, const twi_frontier *frontier,
                                 const twi_array_run *o, twi_array_samples *s, tw_err *err)
{
    s->samples = (twi_samples){.n = d->n,
                               .label = d->store->label,
                               .n_classes = d->store->n_classes,
                               .read = read_samples,
                               .self = s};
    if (frontier->n)
        return make_rows(m, d, frontier, o, s, err);
    s->n_values = 1;
    s->size[0] = twi_shape_count(&d->store->shape);
    s->at[0] = d->store->x;
    return TW_OK;
}

void twi_array_samples_clear(twi_array_samples *s)
{
    for (int i = 0; i < TWI_FRONTIER_MAX; i++)
        twi_free(s->owned[i]);
    *s = (twi_array_samples){0};
}
