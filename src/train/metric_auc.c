// AUC: area under a curve of all thresholds, from counts in num_thresholds bins.
//
// Thresholds stand at −ε, 1/(T−1) … (T−2)/(T−1), 1 + ε; a prediction falls into bin ceil(p (T − 1)) − 1. curve ROC: true
// against false positives; PR: precision against recall. interpolation joins points by lines (ROC) or by Davis and
// Goadrich's curve (PR); minoring and majoring take the lower or higher of two heights. Several outputs count as one.
// Source   keras.metrics.AUC, Keras 3.15.

#include "train/metric.h"

enum { THRESHOLDS, CURVE, SUMMATION, FROM_LOGITS }; // ORDER args below
enum { ROC, PR };
enum { INTERPOLATION, MINORING, MAJORING };

static const char *const curves[] = {"ROC", "PR", NULL};
static const char *const summations[] = {"interpolation", "minoring", "majoring", NULL};

static size_t auc_room(const tw_setting *s, int64_t k)
{
    (void)k;
    return 2 * (size_t)s->value[THRESHOLDS];
}

// sum holds positives of each bin, then negatives.
static void auc_add(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p)
{
    int64_t bins = (int64_t)s->value[THRESHOLDS];
    for (int64_t i = 0; i < n * k; i++) {
        double value = (double)p[i];
        if (s->value[FROM_LOGITS] != 0)
            value = 1 / (1 + exp(-value));
        int64_t bin = (int64_t)ceil(fmin(fmax(value, 0), 1) * (double)(bins - 1)) - 1;
        sum[(y[i] > 0.5f ? 0 : bins) + (bin > 0 ? bin : 0)]++;
    }
}

static double share(double a, double b)
{
    return b != 0 ? a / b : 0;
}

// What lies above threshold i: true and false positives, summed from the top.
static double height(int curve, double tp, double fp, double positives)
{
    return curve == ROC ? share(tp, positives) : share(tp, tp + fp);
}

static double auc_result(const tw_setting *s, const double *sum, int64_t k)
{
    (void)k;
    int64_t bins = (int64_t)s->value[THRESHOLDS];
    int curve = (int)s->value[CURVE], summation = (int)s->value[SUMMATION];
    double positives = 0, negatives = 0, area = 0;
    for (int64_t i = 0; i < bins; i++)
        positives += sum[i], negatives += sum[bins + i];
    // From the highest threshold, above which nothing lies, down to the lowest.
    double tp = sum[bins - 1], fp = sum[2 * bins - 1];
    for (int64_t i = bins - 2; i >= 0; i--) {
        double more_tp = tp + sum[i], more_fp = fp + sum[bins + i];
        if (curve == PR && summation == INTERPOLATION) {
            double slope = share(more_tp - tp, more_tp + more_fp - tp - fp), cut = tp - slope * (tp + fp);
            double ratio = tp + fp > 0 && more_tp + more_fp > 0 ? (more_tp + more_fp) / (tp + fp) : 1;
            area += share(slope * (more_tp - tp + cut * log(ratio)), positives);
        } else {
            double a = height(curve, tp, fp, positives), b = height(curve, more_tp, more_fp, positives);
            double width = curve == ROC ? share(more_fp - fp, negatives) : share(more_tp - tp, positives);
            area += width * (summation == INTERPOLATION ? (a + b) / 2
                             : summation == MINORING    ? fmin(a, b)
                                                        : fmax(a, b));
        }
        tp = more_tp, fp = more_fp;
    }
    return area;
}

const twi_metric_kind twi_metric_auc = {
    .setting =
        {.name = "AUC",
         .aliases = "auc",
         .doc = "area under the ROC or precision-recall curve",
         .args = {{.key = "num_thresholds", .otherwise = 200, .low = 2, .high = 1e6, .flags = TW_ARG_WHOLE},
                  {.key = "curve", .low = 0, .high = 1, .choices = curves},
                  {.key = "summation_method", .low = 0, .high = 2, .choices = summations},
                  TWI_ARG_FLAG("from_logits", 0)},
         .row = &twi_metric_auc},
    .room = auc_room,
    .add = auc_add,
    .result = auc_result};
