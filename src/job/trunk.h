// The trunk: the pretrained part of a classifier, from an architecture or a model file, cut where the head begins.
#ifndef TWI_JOB_TRUNK_H
#define TWI_JOB_TRUNK_H

#include "job/classifier.h"
#include "layer/spec.h"

// A functional model that gives the features the head starts from. Outputs as twi_classifier.
tw_model *twi_trunk_open(const twi_classifier_options *o, char **source, char **dropped,
                         twi_load_report *report, tw_err *err);
// BatchNormalization everywhere below: frozen, so that it runs in inference mode (as Keras does where trainable is False).
void twi_trunk_freeze_norms(tw_model *trunk);
// Freezes all layers before the named one, in model.layers order.
tw_status twi_trunk_freeze_before(tw_model *trunk, const char *layer, tw_err *err);
// A head from JSON: a list of Keras layer objects, or a Sequential's config.
tw_status twi_head_read(const char *path, twi_layers_parsed *head, tw_err *err);

#endif
