// Learning from parts: what the objects of the public API do (tw_application, tw_compile, tw_fit …), on checked arguments.
#ifndef TWI_JOB_LEARN_H
#define TWI_JOB_LEARN_H

#include "job/context.h"
#include "job/open.h"
#include "train/dataset.h"
#include "train/evaluate.h"

// application.c
tw_model *twi_application(const tw_application_options *o, tw_err *err);

// compile.c: the settings as Keras's compile_config in m->compile, and back.
tw_status twi_compile(tw_model *m, const tw_compile_options *o, tw_err *err);
// TW_EINVAL: not compiled.
tw_status twi_compiled_optimizer(const tw_model *m, tw_setting *optimizer, tw_err *err);
// Not compiled: binary cross-entropy for k = 1 output, else categorical; k = 0: TW_EINVAL.
tw_status twi_compiled_loss(const tw_model *m, int64_t k, tw_setting *loss, tw_err *err);

// fit.c
struct tw_history {
    twi_vec(tw_epoch) epochs;
    int64_t best;
    bool is_stopped;
};
tw_history *twi_learn_fit(const tw_fit_options *o, tw_err *err);
void twi_learn_history_free(tw_history *history);

// use.c
tw_scores *twi_learn_evaluate(const tw_use_options *o, tw_err *err);
tw_predictions *twi_learn_predict(const tw_use_options *o, tw_err *err);
void twi_learn_scores_free(tw_scores *scores);
void twi_learn_predictions_free(tw_predictions *predictions);

// learn.c: what fit and use share.
// How this data's photos become this model's pixels: what the caller said, else what the model says (its info, or the
// network its input goes straight into), else 0…255. TW_EUNUSABLE: the model takes no pictures.
tw_status twi_learn_recipe(const tw_model *m, const tw_dataset *data, twi_recipe *r, tw_err *err);
// NULL: f32. TW_EINVAL naming what is known.
tw_status twi_learn_precision(const char *text, twi_precision *precision, tw_err *err);
// Verifies the model and draws the values its weights lack. seed 0: 1.
tw_status twi_learn_ready(tw_model *m, int64_t seed, tw_err *err);
// Whether the data's classes are the model's labels, in their order: TW_EUNUSABLE.
tw_status twi_learn_classes(const tw_model *m, const tw_dataset *data, tw_err *err);

#endif
