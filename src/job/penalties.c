// Penalties of an evaluation. See penalties.h.

#include "job/penalties.h"

#include "train/arrays.h"
#include "train/features.h"

tw_status twi_penalties_are_joint(const tw_model *m, bool *are, tw_err *err)
{
    twi_plan_options o = {.batch = 1, .wants_penalties = true, .is_estimate = true, .threads = 1};
    twi_plan *plan = twi_plan_new(m, &o, err);
    if (!plan)
        return err && err->status ? err->status : TW_ENOMEM;
    *are = twi_plan_has_joint_penalty(plan);
    twi_plan_free(plan);
    return TW_OK;
}

// The loss is of no matter here, but scoring has one.
static tw_status score(const tw_model *m, const twi_samples *samples, int64_t batch, int threads,
                       double *penalty, tw_err *err)
{
    tw_setting loss = {.kind = twi_loss_find("mean_squared_error")};
    twi_scores scores = {0};
    tw_status status = twi_score(m, samples, &loss, NULL, batch, threads, NULL, &scores, err);
    *penalty = scores.penalty;
    return status;
}

tw_status twi_penalties_of_photos(const tw_model *m, const twi_recipe *recipe, int64_t n,
                                  const char *const *paths, char *const *reason, int64_t batch, int threads,
                                  double *penalty, tw_err *err)
{
    twi_photos photos = {0};
    twi_part_samples samples = {0};
    tw_status status = TW_OK;
    for (int64_t i = 0; !status && i < n; i++) {
        twi_photo one = {.path = (char *)paths[i], .part = TWI_VAL};
        if (!reason[i] && !twi_vec_push(&photos.at, one, err))
            status = TW_ENOMEM;
    }
    photos.classes.n = 1;
    if (!status)
        status = twi_pixel_samples(&photos, TWI_VAL, recipe, threads, &samples, err);
    if (!status)
        status = score(m, &samples.samples, batch, threads, penalty, err);
    twi_part_samples_clear(&samples);
    twi_vec_clear(&photos.at); // paths are lent
    return status;
}

tw_status twi_penalties_of_arrays(const tw_model *m, const tw_dataset *data, int64_t batch, int threads,
                                  double *penalty, tw_err *err)
{
    static const twi_frontier none;
    twi_array_run run = {.batch = batch, .threads = threads};
    twi_array_samples samples = {0};
    tw_status status = twi_array_samples_make(m, data, &none, &run, &samples, err);
    if (!status)
        status = score(m, &samples.samples, batch, threads, penalty, err);
    twi_array_samples_clear(&samples);
    return status;
}

double twi_penalties_sum(const tw_model *m, int64_t n, const float *share, tw_err *err)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)share[i];
    return sum / (double)n + twi_regularization(m, err);
}
