// A training run in progress: what the steps of `topwork train` hand to each other. See train.c for their order.
#ifndef TWI_JOB_TRAINING_H
#define TWI_JOB_TRAINING_H

#include "job/classifier.h"
#include "job/context.h"
#include "job/learn.h"
#include "job/run_dir.h"
#include "report/report.h"
#include "train/checkpoint.h"
#include "train/features.h"

typedef enum twi_phase_number { TWI_HEAD, TWI_FINE_TUNE, TWI_PHASES } twi_phase_number;

typedef struct training {
    tw_context *tw;
    const tw_train_options *o;
    int threads;
    double began;
    char *dir;       // run directory
    char *cache_dir; // NULL: no cache
    twi_photos photos;
    twi_classifier classifier;
    tw_setting optimizer, loss, schedule, early_stopping;
    twi_metrics metrics;
    twi_callbacks callbacks;
    twi_augment augment;
    double lr;
    json_t *rates; // what was measured for --lr auto, or NULL
    twi_precision precision;
    const char *precision_text;
    double *class_weight; // [classes], or NULL
    twi_history history[TWI_PHASES];
    double seconds[TWI_PHASES];
    int n_phases; // begun
    double features_seconds;
    int64_t n_decoded;
    bool is_interrupted, is_diverged;
    int64_t memory;                  // --memory in bytes; 0: no limit
    int64_t memory_estimate;         // bytes the run will take at its worst moment
    int feature_workers[TWI_PHASES]; // of the threads, as many as fit into memory
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

// train_memory.c: refuses what will not fit, fine-tuning included, before anything is begun. TW_ENOMEM with advice.
tw_status twi_training_check_memory(training *t, tw_err *err);

// train_phase.c: where a phase's trainable part starts, and whether rows of that are kept, or photos decoded each time.
tw_status twi_training_frontier(training *t, twi_phase_number phase, twi_frontier *frontier, tw_err *err);
bool twi_training_keeps_rows(const twi_frontier *frontier);
// Whether training photos are changed anew in each epoch, so that only validation goes by kept rows.
bool twi_training_is_online(const training *t, bool keeps_rows);
// The trunk becomes trainable, as --fine-tune-from, --freeze and --bn say.
tw_status twi_training_unfreeze(training *t, tw_err *err);
// Samples for the phase's frontier, then fit; weights are the best ones afterwards.
tw_status twi_training_phase(training *t, twi_phase_number phase, tw_err *err);
// Answers of the finished model for all validation and test photos, through the phase's samples.
tw_status twi_training_evaluate(training *t, tw_err *err);
void twi_training_close_phase(training *t);

// train_reading.c: what the curves say, into t->reading and to the listener.
tw_status twi_training_read(training *t, tw_err *err);

// train_finish.c: model.keras, labels.txt, results, report; says the result.
tw_status twi_training_finish(training *t, tw_err *err);

#endif
