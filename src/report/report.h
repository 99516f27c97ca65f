// Reports: what a finished run leaves in its directory for people and programs (architecture §4).
//
//   results.json, history.csv, predictions.csv, split.csv, skipped.csv   written from the run's facts
//   report.html                                                        written from those files alone, so that
//                                                                       `topwork report RUN` can write it again
#ifndef TWI_REPORT_REPORT_H
#define TWI_REPORT_REPORT_H

#include "data/photos.h"
#include "train/evaluate.h"

typedef struct twi_phase {
    const char *name; // "head", "fine_tune"
    const twi_history *history;
    double seconds;
    int64_t batch_size;
    bool is_kept;          // the model is of this phase
    const json_t *batches; // of --batch-size auto: [{"size", "photos_per_second"}]; NULL: not measured
} twi_phase;

// The facts of a run; everything is lent.
typedef struct twi_results {
    const tw_model *model;
    const char *architecture; // "efficientnet-lite0", or the file it came from
    const char *head;         // "gap → dropout 0.2 → dense 1", for people
    const twi_photos *photos;
    int64_t n_decoded;
    const float *answers; // [photos, k]: probabilities of validation and test photos; other rows are unset
    int64_t k;
    int n_phases;
    twi_phase phase[2];
    double total_seconds, features_seconds;
    twi_evaluation val, test; // n = 0: none
    const char *precision;    // "f32"
    const char *weights;      // where the trunk's came from
    const char *reading;      // what the curves say, in words; NULL: nothing
    const json_t *readings;   // the same, a list of {"rule", "text", "try"}; NULL: none
    const json_t *rates;      // of --lr auto: {"chosen", "rate": […], "loss": […]}; NULL: none
    const json_t *schedule; // rates of the steps: [{"phase", "step": […], "rate": […]}]; NULL: no schedule
    const json_t *dropped; // what dropout did: [{"layer", "rate", "units", "steps": [[0 or 1, …], …]}]; NULL
    uint64_t seed;
    int64_t memory_estimate; // bytes that were expected to be taken; 0: not estimated
    bool is_interrupted, is_diverged;
} twi_results;

// results.json, history.csv, predictions.csv, split.csv, skipped.csv. TW_EWRITE.
tw_status twi_results_write(const char *dir, const twi_results *r, tw_err *err);
// results.json as a value (yours to json_decref).
json_t *twi_results_json(const twi_results *r, tw_err *err);

// Of each kernel that was trained: {"weight", "values", "zero", "small", "histogram"}; see weights.c. NULL: TW_ENOMEM.
json_t *twi_weights_json(const tw_model *m, tw_err *err);

// Writes <dir>/report.html: one file, no scripts or fonts from elsewhere, photos as thumbnails inside. TW_EUNUSABLE where
// dir holds no results.json.
tw_status twi_report_html(const char *dir, tw_err *err);

// "0.1234", and for numbers that no longer are a loss "6.93e+46".
const char *twi_loss_text(char *buf, size_t size, double loss);
// "0.1234 (0.1200 of the photos, 0.0034 of regularizers)".
void twi_loss_add(twi_str *out, const twi_evaluation *e);
// An evaluation for `topwork evaluate`: the per-class table as text, and the JSON object of the contract.
tw_status twi_evaluation_text(const twi_evaluation *e, const char *const *classes, twi_str *out, tw_err *err);
json_t *twi_evaluation_json(const twi_evaluation *e, const char *const *classes, tw_err *err);

#endif
