// Numbers that are none: found within a few steps, and said where they came from. See trainer.h.
//
//   photo   a sample's numbers are NaN or infinite (checked in every step, before it is learned from)
//   layer   a weight is (checked every second step and where an epoch ends: ReLU may hide it from the loss)
//   rate    everything is finite but the loss: weights have grown until the sums overflow
// A sum of x · 0 is 0 exactly where all x are finite, which is the quickest test there is.

#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

enum { EVERY = 2, MANY = 1 << 20 };

bool twi_all_finite(const float *x, int64_t n)
{
    float sum = 0;
#pragma omp parallel for simd reduction(+ : sum) if (n >= MANY)
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * 0;
    return sum == 0;
}

tw_status twi_check_finite(const tw_model *m, tw_status status, tw_err *err)
{
    twi_weights all = {0};
    tw_status found = twi_model_weights(m, &all, err);
    for (int i = 0; !found && i < all.n; i++)
        if (all.at[i]->data && !twi_all_finite(all.at[i]->data, twi_shape_count(&all.at[i]->shape)))
            found = twi_fail_at(
                err, status, all.path[i], -1,
                "weights of '%s' in model '%s' are NaN or infinite before anything was computed\n"
                "try  another file: this one is damaged, or was saved by a training that diverged",
                all.path[i], m->name);
    twi_weights_clear(&all);
    return found;
}

tw_status twi_check_samples(const twi_samples *s, const char *what, const uint32_t *index, int64_t count,
                            const twi_plan *plan, float *const *inputs, tw_err *err)
{
    for (int j = 0; j < twi_plan_n_inputs(plan); j++) {
        const tw_shape *shape = twi_plan_input(plan, j);
        int64_t size = twi_shape_count(shape) / shape->dim[0];
        if (twi_all_finite(inputs[j], count * size))
            continue;
        for (int64_t i = 0; i < count; i++) {
            if (twi_all_finite(inputs[j] + i * size, size))
                continue;
            const char *path = s->name ? s->name(s->self, index[i]) : NULL;
            char number[48];
            snprintf(number, sizeof number, "sample %u", index[i]);
            return twi_fail_at(err, TW_EDIVERGED, path, -1,
                               "%s: %s%s holds numbers that are NaN or infinite%s\n"
                               "try  leaving it out, and a look at the weights of what is frozen",
                               what, path ? "what the model gets of photo " : "", path ? path : number,
                               path ? "" : ", before anything was computed");
        }
    }
    return TW_OK;
}

static bool is_watched(const twi_trainer *t, int i)
{
    return t->state->weight_size && t->state->weight_size[i];
}

tw_status twi_trainer_check_weights(const twi_trainer *t, bool is_last, tw_err *err)
{
    if (!is_last && t->state->steps % EVERY)
        return TW_OK;
    for (int i = 0; i < t->all.n; i++)
        if (is_watched(t, i) && !twi_all_finite(t->all.at[i]->data, t->state->weight_size[i]))
            return twi_fail_at(
                err, TW_EDIVERGED, t->all.path[i], -1,
                "%s: weights of '%s' became NaN or infinite by step %llu, with learning rate %g; "
                "the best weights so far are kept\ntry  a smaller --lr, for example %g",
                t->o->phase, t->all.path[i], (unsigned long long)t->state->steps, t->lr, t->lr / 10);
    return TW_OK;
}

tw_status twi_trainer_diverged(const twi_trainer *t, double loss, tw_err *err)
{
    tw_status status = twi_trainer_check_weights(t, true, err);
    if (status)
        return status;
    int largest = -1;
    float size = -1;
    for (int i = 0; i < t->all.n; i++)
        for (int64_t j = 0; is_watched(t, i) && j < t->state->weight_size[i]; j++)
            if (fabsf(t->all.at[i]->data[j]) > size) {
                size = fabsf(t->all.at[i]->data[j]);
                largest = i;
            }
    return twi_fail_at(err, TW_EDIVERGED, largest < 0 ? NULL : t->all.path[largest], -1,
                       "%s: the loss became %s at step %llu with learning rate %g: weights have grown, the "
                       "largest (%.3g) is of "
                       "'%s'; the best weights so far are kept\ntry  a smaller --lr, for example %g",
                       t->o->phase, isnan(loss) ? "NaN" : "infinite", (unsigned long long)t->state->steps,
                       t->lr, (double)size, largest < 0 ? "" : t->all.path[largest], t->lr / 10);
}
