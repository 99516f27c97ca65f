// Fit: the training loop, with Keras's semantics (interop e2, e3).
//
// Trains every trainable weight that the plan reaches, on samples that are either photos or cached features of the
// frozen prefix. Deterministic: same seed, samples, plan and thread count give the same weights, resumed or not.
#ifndef TWI_TRAIN_FIT_H
#define TWI_TRAIN_FIT_H

#include "train/callback.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

// Where samples come from. Rows are given by index; a reader may fetch ahead on threads of its own.
typedef struct twi_samples {
    int64_t n;
    const int32_t *label; // [n] class of each
    int64_t n_classes;
    // Fills dst[i] (dense [count, …], one per plan input) with samples index[0 … count-1]. `next` (n_next indices, may be
    // NULL) will be asked for in the following call: a hint for fetching ahead.
    tw_status (*read)(void *self, const uint32_t *index, int64_t count, const uint32_t *next, int64_t n_next,
                      float *const dst[], tw_err *err);
    void (*begin_epoch)(void *self, int64_t epoch); // NULL: every epoch reads the same
    const char *(*name)(void *self, int64_t i);     // of sample i, for messages; NULL: they have none
    void *self;
} twi_samples;

// Progress within an epoch, at most a few times a second by the listener's own choice.
typedef struct twi_fit_progress {
    const char *phase;
    int64_t epoch, epochs, step, steps;
    double loss, accuracy; // running means of this epoch
} twi_fit_progress;

typedef struct twi_history {
    twi_vec(twi_epoch) epochs;
    int n_metrics;
    char metric[TWI_METRICS_MAX][TWI_METRIC_LABEL]; // their names
    int64_t best_epoch;                             // 0-based; -1: none
    double best; // its monitored value (val_loss, or loss without validation)
    bool is_stopped_early, is_cancelled;
    bool is_changed; // layers were frozen or freed by a callback: to be called again with the same state
    int64_t n_train_values; // values of the trained weights
    double step_seconds;    // mean seconds of a training step
    int n_again;            // steps of the plan that are made again to take less memory, and what they cost,
    double more_time;       // as a part of a step's time (estimated)
} twi_history;

// What an interrupted fit needs to go on as if nothing had happened. Zero-initialise; twi_fit_state_clear frees.
typedef struct twi_fit_state {
    int64_t next_epoch;
    uint64_t steps;                                             // batches done
    double learning_rate;                                       // as callbacks left it
    double number[TWI_CALLBACKS_MAX + 1][TWI_CALLBACK_NUMBERS]; // of early stopping, then of each callback
    bool is_over;                                               // nothing is left to train
    bool has_begun; // callbacks have seen the beginning of training and of epoch next_epoch
    int n_weights;  // trained weights and states, in model order
    float **weight; // [n_weights] copies at the end of the last epoch
    float **best;   // [n_weights] copies at the best epoch, or NULL
    int n_slots;    // slots of all trained weights, weight by weight
    float **slot;
    int64_t *weight_size, *slot_size;
    int n_trained; // as of the last epoch; not in checkpoints
    int *trained;  // [n_trained] indices of weights
    twi_history history;
} twi_fit_state;

// What a program of ours hears while a fit goes on, in this order: the beginning of training, of each epoch and batch, their
// ends (an epoch ends after its validation), the end of training.
typedef enum twi_moment {
    TWI_TRAIN_BEGIN,
    TWI_EPOCH_BEGIN,
    TWI_BATCH_BEGIN,
    TWI_BATCH_END,
    TWI_EPOCH_END,
    TWI_TRAIN_END
} twi_moment;

typedef struct twi_fit_options {
    const char *phase; // "head", "fine_tune": for progress and messages
    int64_t epochs, batch_size;
    tw_setting optimizer, loss;
    tw_setting schedule;  // kind NULL: none
    double learning_rate; // > 0: overrides the optimizer's own
    // Factor of the rate for a weight (of self); NULL: 1 for all.
    double (*rate_factor)(void *self, const twi_weight *w);
    uint64_t seed;
    const twi_samples *validation;       // NULL: none
    const twi_frontier *from;            // samples are rows of this frontier; NULL: model inputs
    const twi_frontier *validation_from; // the same for validation samples; NULL: as `from`
    tw_setting early_stopping;           // kind NULL: val_loss, with `patience`
    int64_t patience;                    // stop after so many epochs without a better val_loss; 0: never
    twi_callbacks callbacks;             // further ones
    twi_metrics metrics;                 // besides loss and accuracy
    const double *class_weight;          // [n_classes], or NULL
    const float *sample_weight;          // [n], or NULL
    double mixup, cutmix;                // alpha; 0: none (train/mix.h)
    bool is_proximal;  // L1 penalties as thresholds after each step instead of gradients: exact zeros
    int64_t run_limit; // bytes of a step's activations and gradients (engine/plan.h); 0: no such limit
    int threads;
    bool is_reference; // reference kernels (tests)
    bool keeps_last;   // the model ends with the weights of the last epoch, not of the best
    bool no_shuffle;   // samples in their order in every epoch
    bool keeps_slots;  // the optimizer goes on from m->slots where they fit, and leaves its state there
    // State: filled from an earlier run to resume (next_epoch > 0), and kept up to date after each epoch.
    twi_fit_state *state; // may be NULL
    void *self;           // given to the following; each may be NULL
    void (*on_progress)(void *self, const twi_fit_progress *p);
    void (*on_epoch)(void *self, const twi_epoch *e); // after state is up to date
    tw_status (*on_state)(void *self, const twi_fit_state *state,
                          tw_err *err); // may write a checkpoint; failure stops
    // step: of the epoch, at batches. May freeze or free layers at the beginning and end of an epoch, change the learning
    // rate and ask to stop through *w.
    void (*on_moment)(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w);
    bool (*is_cancelled)(void *self); // asked before each step
} twi_fit_options;

// Trains. The model ends with the weights of its best epoch (lowest val_loss; loss without validation), whatever ended
// the run, unless keeps_last. TW_EDIVERGED when a loss is NaN or Inf (best weights restored); cancelled: TW_OK with is_cancelled, best
// weights restored. *history is filled in every case.
tw_status twi_fit(tw_model *m, const twi_samples *train, const twi_fit_options *o, twi_history *history,
                  tw_err *err);
void twi_fit_state_clear(twi_fit_state *state);
void twi_history_clear(twi_history *history);

typedef struct twi_scores {
    double loss, accuracy;
    double penalty; // part of the loss: of weights and activities
    double metric[TWI_METRICS_MAX];
} twi_scores;
// Inference over samples, ready to be done again after each epoch: the plan is made once. Lends model, samples and loss.
typedef struct twi_scorer twi_scorer;
// metrics may be NULL.
twi_scorer *twi_scorer_new(const tw_model *m, const twi_samples *samples, const tw_setting *loss,
                           const twi_metrics *metrics, const twi_frontier *from, int64_t batch_size,
                           int threads, tw_err *err);
// With the weights as they are now: predictions [n, k] into `output` (may be NULL), mean loss with regularization, accuracy.
tw_status twi_scorer_run(twi_scorer *scorer, float *output, twi_scores *scores, tw_err *err);
void twi_scorer_free(twi_scorer *scorer);
// All three at once.
tw_status twi_score(const tw_model *m, const twi_samples *samples, const tw_setting *loss,
                    const twi_frontier *from, int64_t batch_size, int threads, float *output,
                    twi_scores *scores, tw_err *err);

bool twi_all_finite(const float *x, int64_t n);
// Whether every weight that has values has finite ones. What a file holds is not seen otherwise: max(NaN, 0) may be 0. `status`,
// naming the first that has not.
tw_status twi_check_finite(const tw_model *m, tw_status status, tw_err *err);
// TW_EDIVERGED naming the first of `count` samples whose numbers (inputs of the plan) are not all finite.
tw_status twi_check_samples(const twi_samples *s, const char *what, const uint32_t *index, int64_t count,
                            const twi_plan *plan, float *const *inputs, tw_err *err);

// Targets of `count` samples as rows of k numbers: one column of 0/1 for k = 1, else one-hot.
void twi_targets(const twi_samples *s, const uint32_t *index, int64_t count, int64_t k, float *y);
// How many of n rows are right: p > 0.5 for k = 1, else first largest column (Keras's binary and categorical accuracy).
int64_t twi_count_right(const float *p, const float *y, int64_t n, int64_t k);
// Sum of regularization penalties of trainable weights (Keras: frozen layers add none).
double twi_regularization(const tw_model *m, tw_err *err);
#endif
