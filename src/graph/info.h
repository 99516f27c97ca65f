// What a model knows beside its graph: class names, how pictures become its input, where it comes from.
//
// Kept as JSON in model->info and stored in .keras files as assets/topwork/model.json:
//   {"labels": ["cats", "dogs"], "preprocessing": {"inside": true, "resize": "stretch", "filter": "tf-antialias",
//    "exif": "apply", "alpha": "white", "mode": "raw"}, "trunk": "efficientnet-lite0", "weights": "imagenet"}
#ifndef TWI_GRAPH_INFO_H
#define TWI_GRAPH_INFO_H

#include "graph/model.h"

int twi_info_n_labels(const tw_model *m);             // 0: none
const char *twi_info_label(const tw_model *m, int i); // lent
tw_status twi_info_set_labels(tw_model *m, int n, const char *const *labels, tw_err *err);
// Texts by key ("trunk", "preprocessing.filter"), or `otherwise`.
const char *twi_info_text(const tw_model *m, const char *key, const char *otherwise);
tw_status twi_info_set_text(tw_model *m, const char *key, const char *text, tw_err *err);

#endif
