// plan.json: what a run ran with, and --plan FILE, which runs with the same. See training.h.
//
//   {batch, precision, threads, ops, totals          the whole model, as it answers: what `topwork plan` prints
//    "features": {"head": {…}, "fine_tune": {…}},    the frozen part in front, as each phase computed features with it
//    "recomputed": {"fine_tune": {ops, more_time}}}  phases that made activations a second time to take less memory
// Only the frozen part has choices to repeat: what learns is always computed directly.

#include "engine/choices.h"

#include "job/training.h"

#include <string.h>

static const char *const phase_names[TWI_PHASES] = {"head", "fine_tune"};

tw_status twi_training_read_plan(training *t, tw_err *err)
{
    if (!t->o->plan)
        return TW_OK;
    json_t *file = twi_json_read(t->o->plan, err);
    if (!file)
        return err->status;
    const json_t *features = json_object_get(file, "features");
    tw_status status = TW_OK;
    t->has_plan = true;
    if (!json_is_object(features))
        status = twi_fail(err, TW_EMALFORMED, "%s has no 'features': --plan takes the plan.json of a run",
                          t->o->plan);
    for (int i = 0; !status && i < TWI_PHASES; i++) {
        const json_t *plan = json_object_get(features, phase_names[i]);
        if (!plan)
            continue;
        status = twi_choices_read(plan, t->o->plan, &t->choices[i], err);
        if (!status && t->o->precision && t->precision != t->choices[i].precision)
            status = twi_fail(err, TW_EINVAL, "--precision %s does not go with %s, which was made with %s",
                              t->precision_text, t->o->plan, twi_precision_names[t->choices[i].precision]);
        if (!status) {
            t->precision = t->choices[i].precision;
            t->precision_text = twi_precision_names[t->precision];
        }
    }
    json_decref(file);
    return status;
}

tw_status twi_training_choices(const training *t, bool has_features, const twi_choices **choices, tw_err *err)
{
    const twi_choices *own = &t->choices[t->phase];
    *choices = NULL;
    if (!t->has_plan || (!own->source && !has_features))
        return TW_OK;
    if (own->source && has_features) {
        *choices = own;
        return TW_OK;
    }
    return twi_fail(
        err, TW_EUNUSABLE,
        has_features
            ? "%s has no plan for the features of phase '%s'"
            : "%s has a plan for the features of phase '%s', but here none are kept: it is of another "
              "run",
        t->o->plan, phase_names[t->phase]);
}

tw_status twi_training_write_plan(training *t, tw_err *err)
{
    twi_plan_options o = {.batch = 1, .precision = t->precision, .threads = 1};
    twi_plan *plan = twi_plan_new(t->classifier.model, &o, err);
    json_t *json = plan ? twi_plan_json(plan, err) : NULL, *features = json ? json_object() : NULL;
    for (int i = 0; features && i < TWI_PHASES; i++)
        if (t->feature_plan[i])
            json_object_set(features, phase_names[i], t->feature_plan[i]);
    if (features)
        json_object_set_new(json, "features", features);
    json_t *recomputed = json ? json_object() : NULL;
    for (int i = 0; recomputed && i < t->n_phases; i++)
        if (t->history[i].n_again)
            json_object_set_new(recomputed, phase_names[i],
                                json_pack("{si sf sI}", "ops", t->history[i].n_again, "more_time",
                                          t->history[i].more_time, "limit_bytes",
                                          (json_int_t)t->run_limit[i]));
    if (recomputed)
        json_object_set_new(json, "recomputed", recomputed);
    char *path = json ? twi_run_file(t->dir, "plan.json", err) : NULL;
    tw_status status = path ? twi_json_write(path, json, err) : TW_EFAILED;
    twi_free(path);
    json_decref(json);
    twi_plan_free(plan);
    return status;
}

void twi_training_clear_plan(training *t)
{
    for (int i = 0; i < TWI_PHASES; i++) {
        twi_choices_clear(&t->choices[i]);
        json_decref(t->feature_plan[i]);
    }
}
