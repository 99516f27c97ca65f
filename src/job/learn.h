// Learning from parts: what the objects of the public API do (tw_application, tw_compile, tw_fit …), on checked arguments.
#ifndef TWI_JOB_LEARN_H
#define TWI_JOB_LEARN_H

#include "codec/tfevents.h"
#include "job/context.h"
#include "job/open.h"
#include "train/dataset.h"
#include "train/evaluate.h"

// application.c
tw_model *twi_application(const tw_application_options *o, tw_err *err);

// compile.c: the settings as Keras's compile_config in m->compile, and back.
typedef struct twi_compiled {
    tw_setting optimizer, loss, schedule; // schedule.kind NULL: none
    twi_metrics metrics;
} twi_compiled;
tw_status twi_compile(tw_model *m, const tw_compile_options *o, tw_err *err);
tw_status twi_compile_store(tw_model *m, const twi_compiled *c, tw_err *err);
// Keeps which weights learn now; *is_changed: they are others than when this was called last. TW_ENOMEM.
tw_status twi_compile_learning(tw_model *m, bool *is_changed, tw_err *err);
// TW_EINVAL: not compiled.
tw_status twi_compile_read(const tw_model *m, twi_compiled *c, tw_err *err);
// Not compiled: what `topwork train --loss` left in the model, else binary cross-entropy for k = 1 output, else categorical; k = 0:
// TW_EINVAL.
tw_status twi_compiled_loss(const tw_model *m, int64_t k, tw_setting *loss, tw_err *err);

// fit.c
struct tw_history {
    twi_vec(tw_epoch) epochs;
    twi_history all;
    int64_t best;
    bool is_stopped;
};
struct tw_training {
    tw_model *m;
    twi_watch *watch;
    int n_metrics;
    char metric[TWI_METRICS_MAX][TWI_METRIC_LABEL];
};
tw_history *twi_learn_fit(const tw_fit_options *o, tw_err *err);
void twi_learn_history_free(tw_history *history);

// fit_files.c: what tw_fit writes after each epoch: csv_log, checkpoint, tensorboard.
typedef struct twi_fit_files {
    const tw_fit_options *o;
    const tw_model *m;
    const struct tw_training *training; // names of metrics
    twi_tfevents *events;
    bool has_header; // of the csv_log
} twi_fit_files;
tw_status twi_fit_files_open(twi_fit_files *f, tw_err *err);
tw_status twi_fit_files_epoch(twi_fit_files *f, const twi_epoch *e, tw_err *err);
void twi_fit_files_close(twi_fit_files *f);

// use.c
tw_scores *twi_learn_evaluate(const tw_use_options *o, tw_err *err);
tw_predictions *twi_learn_predict(const tw_use_options *o, tw_err *err);
void twi_learn_scores_free(tw_scores *scores);
void twi_learn_predictions_free(tw_predictions *predictions);

// learn.c: what fit and use share.
// Settles sizes that the model leaves open: those of the arrays, or what is known (twi_open_size).
tw_status twi_learn_size(tw_model *m, const tw_dataset *data, tw_err *err);
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
