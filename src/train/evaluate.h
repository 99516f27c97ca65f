// Evaluation: predictions for photos, and how good predictions are.
#ifndef TWI_TRAIN_EVALUATE_H
#define TWI_TRAIN_EVALUATE_H

#include "train/memory.h"
#include "train/pipeline.h"

typedef struct twi_predict_options {
    const twi_recipe *recipe;
    twi_precision precision;
    int workers;
    int64_t at_once; // photos that all workers together compute at most; 0: as many as suit their caches
    // [n] or NULL: what activities of each photo add to the loss; not for penalties that look at a batch.
    float *penalty;
    void *self; // given to the following; each may be NULL
    void (*on_progress)(void *self, int64_t done, int64_t total);
    bool (*is_cancelled)(void *self);
} twi_predict_options;

// A model made ready to answer for photos.
typedef struct twi_predictor twi_predictor;
// TW_EUNUSABLE unless the model has one picture input and one output row [n, k] (one output of rank 2). Lends model and recipe.
twi_predictor *twi_predictor_new(const tw_model *m, const twi_predict_options *o, tw_err *err);
int64_t twi_predictor_outputs(const twi_predictor *p); // k
// What a run will take beyond what the predictor holds already, and how many workers run it (as the options say, or fewer).
twi_need twi_predictor_need(const twi_predictor *p);
void twi_predictor_set_workers(twi_predictor *p, int workers);
// Answers for n photos: p [n, k]. reason[i] (NULL-initialised, twi_free) tells why photo i could not be read.
tw_status twi_predictor_run(twi_predictor *p, int64_t n, const char *const *paths, float *answers,
                            char **reason, tw_err *err);
void twi_predictor_free(twi_predictor *p);

// Class of a row: k = 1: 1 where above one half; else the first largest.
int32_t twi_answer_class(const float *row, int64_t k);
// Probability of class c in a row (k = 1: c 1 is the value itself, c 0 its complement).
double twi_answer_probability(const float *row, int64_t k, int64_t c);

// How good answers are. Zero-initialise; twi_evaluation_clear.
typedef struct twi_evaluation {
    int64_t n, n_right, n_classes;
    double loss, accuracy; // NaN without photos
    double penalty;        // part of the loss: what regularizers add; 0: nothing
    int64_t *confusion;    // [n_classes, n_classes]: row = true class, column = answer
    double low, high;      // 95 % interval of the accuracy (Wilson)
} twi_evaluation;
// Counts n rows of k numbers against their labels. The loss is the given one, from probabilities; penalties are added to it.
tw_status twi_evaluate(const float *answers, int64_t k, const int32_t *label, int64_t n, int64_t n_classes,
                       const tw_setting *loss, double penalty, twi_evaluation *e, tw_err *err);
void twi_evaluation_clear(twi_evaluation *e);
// Of one class: photos, and shares right among them (recall) and among the answers (precision); NaN where there are none.
void twi_evaluation_class(const twi_evaluation *e, int64_t c, int64_t *n, double *recall, double *precision);

#endif
