// Reading the curves: what a run's numbers say, in words.
//
// One file per rule (diagnose_<name>.c) and one line in diagnose_list.inc, in the order of their weight. A rule looks at the
// facts and either says nothing or one hedged sentence with the numbers behind it, and one thing to try. They are rules of
// thumb: each names its thresholds at its top.
#ifndef TWI_REPORT_DIAGNOSE_H
#define TWI_REPORT_DIAGNOSE_H

#include "base/str.h"
#include "train/evaluate.h"
#include "train/fit.h"

typedef struct twi_run_facts {
    const twi_history *history; // of the phase that is read
    const twi_evaluation *val;  // n = 0: none
    const int64_t *n_train;     // [n_classes] training photos of each class
    int64_t n_classes;
    const char *const *classes;
    double learning_rate;
    int64_t epochs;     // asked for
    int64_t fine_tune;  // epochs of fine-tuning asked for; 0: none
    bool is_fine_tuned; // it helped: the history is of fine-tuning
    bool is_diverged;   // a loss was no number
    bool is_balanced;   // classes were weighted
    // What was tried already, so that it is not advised again.
    double dropout, l2; // dropout negative: as the head says
    int64_t augment_copies;
    double val_split;      // NaN: the folders decide which photos validate
    bool has_rate_rule;    // a schedule or a callback moves the rate
    const float *answers;  // [n_answers, k] of validation photos
    const int32_t *labels; // [n_answers]
    int64_t n_answers, k;
} twi_run_facts;

typedef struct twi_reading {
    const char *rule;
    twi_str text;   // a sentence
    twi_str advice; // flags to add: "--dropout 0.5 --l2 1e-4"; may be empty
} twi_reading;

typedef struct twi_rule {
    const char *name, *doc;
    const char *unless; // a weightier rule that would contradict it; NULL: none
    bool (*read)(const twi_run_facts *f, twi_reading *out); // false: nothing to say
} twi_rule;

enum { TWI_READINGS_MAX = 3 };
typedef struct twi_readings {
    int n;
    twi_reading at[TWI_READINGS_MAX];
} twi_readings;

// The weightiest readings; at least one ("healthy") where anything was trained. TW_ENOMEM.
tw_status twi_diagnose(const twi_run_facts *f, twi_readings *out, tw_err *err);
void twi_readings_clear(twi_readings *r);

// ---- for rules

// Value i of the training or validation loss; i < 0 counts from the end.
double twi_loss_at(const twi_run_facts *f, int64_t i);
double twi_val_loss_at(const twi_run_facts *f, int64_t i);
const twi_epoch *twi_epoch_at(const twi_run_facts *f, int64_t i);
int64_t twi_n_epochs(const twi_run_facts *f);
int64_t twi_n_training(const twi_run_facts *f); // photos
// "--fine-tune 3": what to try next in a run that has not, or has, been fine-tuned (then twice as long, or nothing where
// that did not help or the best epoch was not the last).
void twi_advise_fine_tuning(const twi_run_facts *f, int64_t epochs, twi_str *advice);
// "--lr 1e-4", or the flag of fine-tuning where that is read.
void twi_advise_rate(const twi_run_facts *f, double rate, twi_str *advice);
// Half the width of the 95 % interval of a share of n.
double twi_share_noise(double share, int64_t n);

#endif
