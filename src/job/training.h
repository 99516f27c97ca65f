// A training run in progress: what the steps of `topwork train` hand to each other. See train.c for their order.
#ifndef TWI_JOB_TRAINING_H
#define TWI_JOB_TRAINING_H

#include "engine/choices.h"
#include "job/classifier.h"
#include "job/context.h"
#include "job/learn.h"
#include "job/run_dir.h"
#include "report/report.h"
#include "train/checkpoint.h"
#include "train/features.h"

typedef enum twi_phase_number { TWI_HEAD, TWI_FINE_TUNE, TWI_PHASES } twi_phase_number;

enum { TWI_FIRST_STEPS = 20 };

// Of fine-tuning (train_tune.c).
typedef struct twi_tuning {
    twi_vec(twi_layer *) layers; // of the trunk that learn in the end, from the stem on; lent
    int parts;                   // in which they are freed
    size_t first;                // of the layers, that learns now
    int64_t step;                // done
    double rate, head_loss;      // head_loss: training loss of the head's best epoch
    double loss[TWI_FIRST_STEPS];
    int n_losses;
    bool is_destroyed; // the loss rose: stopped
} twi_tuning;

typedef struct training {
    tw_context *tw;
    const tw_train_options *o;
    int threads;
    double began;
    char *dir;           // run directory
    char *cache_dir;     // NULL: no cache
    int64_t cache_limit; // 0: the default
    twi_photos photos;
    twi_classifier classifier;
    tw_setting optimizer, loss, schedule, early_stopping;
    twi_metrics metrics;
    twi_callbacks callbacks;
    twi_augment augment;
    double lr;
    int64_t batch_size[TWI_PHASES];
    json_t *batches[TWI_PHASES]; // what was measured for --batch-size auto, or NULL
    twi_tuning tuning;
    json_t *rates;          // what was measured for --lr auto, or NULL
    json_t *schedule_drawn; // rates of the steps, phase by phase, or NULL
    json_t *dropped;        // what dropout switched off in the head, or NULL
    twi_precision precision;
    const char *precision_text;
    bool has_plan;                    // --plan was given
    twi_choices choices[TWI_PHASES];  // what it says
    json_t *feature_plan[TWI_PHASES]; // what the features of each phase were made with, printed, or NULL
    double *class_weight;             // [classes], or NULL
    twi_history history[TWI_PHASES];
    double seconds[TWI_PHASES];
    int n_phases; // begun
    double features_seconds;
    int64_t n_decoded;
    bool is_interrupted, is_diverged;
    int64_t memory;                  // --memory in bytes; 0: no limit
    int64_t memory_estimate;         // bytes the run will take at its worst moment
    int feature_workers[TWI_PHASES]; // of the threads, as many as fit into memory
    int64_t run_limit[TWI_PHASES];   // bytes of a step, beyond which activations are made again; 0: they fit
    twi_str reading;                 // what the curves say
    json_t *readings;                // the same for programs: a list of {"rule", "text", "try"}
    twi_tfevents *events;            // of --tensorboard
    bool has_warned;                 // that it cannot be written
    float *answers;                  // [photos, k]
    twi_evaluation val, test;
    // of the phase that is running
    twi_phase_number phase;
    twi_frontier frontier;
    bool is_online;                 // training photos are changed anew in each epoch, so they come as pixels
    twi_features features, *copies; // copies [augment_copies] of the training photos, or NULL
    twi_part_samples part[TWI_PARTS];
    double last_checkpoint;
} training;

// train_memory.c: refuses what will not fit, fine-tuning included, before anything is begun. TW_ENOMEM with advice. Where
// keeping fewer activations is enough, that is chosen, and said.
tw_status twi_training_check_memory(training *t, tw_err *err);

// What a phase would take with this batch size and every activation kept.
tw_status twi_training_need(training *t, twi_phase_number phase, int64_t batch_size, int64_t *most,
                            tw_err *err);

// train_batch.c: o->batch_size, as asked or measured.
tw_status twi_training_batch(training *t, const char *stage, twi_fit_options *o, tw_err *err);

// train_tune.c. Open when everything that will learn in the end is free.
tw_status twi_tuning_open(training *t, tw_err *err);
void twi_tuning_close(twi_tuning *u);
double twi_tuning_factor(void *self, const twi_weight *w); // of the rate; self: the training
void twi_tuning_unfreeze(training *t, int64_t epoch);
void twi_tuning_moment(training *t, twi_moment moment, int64_t epoch, twi_watch *w);

// train_phase.c: where a phase's trainable part starts, and whether rows of that are kept, or photos decoded each time.
tw_status twi_training_frontier(training *t, twi_phase_number phase, twi_frontier *frontier, tw_err *err);
bool twi_training_keeps_rows(const twi_frontier *frontier);
// Whether training photos are changed anew in each epoch, so that only validation goes by kept rows.
bool twi_training_is_online(const training *t, bool keeps_rows);
// The trunk becomes trainable, as --fine-tune-from, --freeze and --bn say.
tw_status twi_training_unfreeze(training *t, tw_err *err);
// Samples for the phase's frontier, then fit; weights are the best ones afterwards.
tw_status twi_training_phase(training *t, twi_phase_number phase, tw_err *err);
// Whether fine-tuning gave the better model, by what early stopping monitors, and what that is called.
bool twi_training_is_tuned(const training *t);
const char *twi_training_monitor(const training *t);
double twi_training_fine_rate(const training *t); // of fine-tuning
// Answers of the finished model for all validation and test photos, through the phase's samples.
tw_status twi_training_evaluate(training *t, tw_err *err);
void twi_training_close_phase(training *t);

// train_plan.c: --plan FILE into t->choices and t->precision. TW_EINVAL, TW_EMALFORMED.
tw_status twi_training_read_plan(training *t, tw_err *err);
// The choices for this phase's features, or NULL. TW_EUNUSABLE: the file is of another kind of run.
tw_status twi_training_choices(const training *t, bool has_features, const twi_choices **choices,
                               tw_err *err);
tw_status twi_training_write_plan(training *t, tw_err *err); // plan.json
void twi_training_clear_plan(training *t);
// train_pictures.c: what a report draws besides curves; yours. NULL: nothing to draw (or err).
json_t *twi_training_schedule(const training *t, const char *phase, double rate, int64_t steps);
json_t *twi_training_dropped(const training *t, uint64_t seed, tw_err *err);

// train_reading.c: what the curves say, into t->reading and to the listener.
tw_status twi_training_read(training *t, tw_err *err);

// train_finish.c: model.keras, labels.txt, results, report; says the result.
tw_status twi_training_finish(training *t, tw_err *err);

#endif
