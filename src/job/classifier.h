// The classifier `topwork train` grows: preprocessing → trunk (one nest) → head → output layer.
#ifndef TWI_JOB_CLASSIFIER_H
#define TWI_JOB_CLASSIFIER_H

#include "job/open.h"

// The head where none is chosen; without its mean on a trunk that ends in numbers (--cut fc1).
#define TWI_HEAD_DEFAULT "gap, dropout:0.2"

typedef struct twi_classifier_options {
    const char *model, *weights; // architecture or file; "imagenet", "none" or a file
    bool top;
    int64_t input_size;       // 0: the model's
    const char *cut;          // layer, or NULL
    const char *head;         // spec, FILE.json or "output"
    const char *freeze;       // all | none | …
    double l1, l2;            // of the kernels of all new layers
    double dropout;           // negative: as the head says
    bool trains_norm;         // --bn train: BatchNormalization of the trunk is as trainable as its neighbours
    const char *preprocess;   // NULL: the model's
    const twi_recipe *recipe; // filter, fit, alpha, exif, decode: stored in the model
    twi_load_options loading;
    uint64_t seed;
    int64_t n_classes;
    const char *const *classes;
} twi_classifier_options;

// Zero-initialise; twi_classifier_clear.
typedef struct twi_classifier {
    tw_model *model;
    twi_layer *trunk;       // the nest; lent by model
    twi_recipe recipe;      // pixels as the model takes them (raw: preprocessing is inside)
    char *weights_source;   // path, or NULL for random weights
    char *dropped;          // layers a cut left out, joined by ", "; NULL: none
    twi_load_report loaded; // what of the weights' file and of the trunk did not meet
    char *head;             // "gap → dropout 0.2 → dense 1", for people
    int64_t trunk_params;
} twi_classifier;

tw_status twi_classifier_build(const twi_classifier_options *o, twi_classifier *c, tw_err *err);
// Makes the trunk trainable for fine-tuning: everything from layer `from` (NULL: the first) on, BatchNormalization only with
// trains_norm, and not what `freeze` named one by one.
tw_status twi_classifier_unfreeze(twi_classifier *c, const char *from, const char *freeze, bool trains_norm,
                                  tw_err *err);
// Layers frozen one by one stay frozen in fine-tuning; a region (all, none, first:N, until:NAME) held for the head's phase only.
bool twi_classifier_keeps_frozen(const char *freeze);
void twi_classifier_clear(twi_classifier *c);

#endif
