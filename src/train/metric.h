// Metrics: what is measured besides the loss.
//
// One row per metric (in files metric_*.c) and one line in metric_list.inc. A metric adds up batches of targets y [n, k]
// (one-hot, or one column of 0 and 1) and predictions p [n, k] in a few numbers, and says what they come to; Keras's
// names and defaults. Sample weights do not count in metrics, as in Keras.
#ifndef TWI_TRAIN_METRIC_H
#define TWI_TRAIN_METRIC_H

#include "base/field.h"
#include "train/optimizer.h" // rows of arguments

enum { TWI_METRICS_MAX = 8, TWI_METRIC_LABEL = 48 };

typedef struct twi_metric_kind {
    tw_setting_kind setting;                        // the first alias is its name in histories, "auc"
    bool is_down;                                   // smaller is better
    size_t (*room)(const tw_setting *s, int64_t k); // numbers it adds up in, zero at first
    void (*add)(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p);
    double (*result)(const tw_setting *s, const double *sum, int64_t k);
} twi_metric_kind;

const tw_setting_kind *twi_metric_find(const char *name);
const char *const *twi_metric_names(void);
// "auc", "top_k_categorical_accuracy": as histories call it. Written into buf; returns buf.
const char *twi_metric_label(const tw_setting *metric, char *buf, size_t size);

// Several metrics read from text: "auc, precision:0.7, f1_score:average=macro". accuracy is left out: it is always there.
typedef struct twi_metrics {
    int n;
    tw_setting at[TWI_METRICS_MAX];
} twi_metrics;
tw_status twi_metrics_text(twi_metrics *metrics, const char *text, const char *where, tw_err *err);
// compile_config's list, and back. Metrics we do not have are left out when reading.
json_t *twi_metrics_write(const twi_metrics *metrics);
void twi_metrics_read(twi_metrics *metrics, const json_t *list);

// Metrics under way. Lends `metrics`.
typedef struct twi_meters {
    const twi_metrics *metrics;
    int64_t k;
    double *sum[TWI_METRICS_MAX];
} twi_meters;
tw_status twi_meters_open(twi_meters *m, const twi_metrics *metrics, int64_t k, tw_err *err);
void twi_meters_reset(twi_meters *m);
void twi_meters_add(twi_meters *m, int64_t n, const float *y, const float *p);
void twi_meters_result(const twi_meters *m, double *value); // [metrics->n]
void twi_meters_close(twi_meters *m);

#endif
