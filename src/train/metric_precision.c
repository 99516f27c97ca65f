// Precision, Recall and F1Score, from true and false positives and negatives.
//
// Precision TP / (TP + FP), Recall TP / (TP + FN); 0 where there is nothing to divide by. An output is positive above the
// threshold, or with top_k among the k largest of its photo; all outputs count together, or those of class_id alone.
// F1Score 2 P R / (P + R) of each class; the answer is the largest output, or with a threshold every output above it;
// classes are averaged (macro where Keras would give one number for each: average=None).
// Of one output the largest is always that one, so without a threshold the half counts (Keras answers "yes" to everything).
// Source   keras.metrics, Keras 3.15.

#include "train/metric.h"

enum { THRESHOLD, TOP_K, CLASS_ID }; // ORDER args of Precision and Recall
enum { TP, FP, FN, COUNTS };

#define F1_EPSILON 1e-7

static size_t three(const tw_setting *s, int64_t k)
{
    (void)s, (void)k;
    return COUNTS;
}

static bool is_positive(const tw_setting *s, const float *row, int64_t k, int64_t j)
{
    double threshold = isnan(s->value[THRESHOLD]) ? 0.5 : s->value[THRESHOLD];
    if (isnan(s->value[TOP_K]))
        return (double)row[j] > threshold;
    int64_t above = 0;
    for (int64_t i = 0; i < k; i++)
        above += row[i] > row[j] || (row[i] == row[j] && i < j);
    return (double)above < s->value[TOP_K] && (isnan(s->value[THRESHOLD]) || (double)row[j] > threshold);
}

static void add_counts(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            if (!isnan(s->value[CLASS_ID]) && (double)j != s->value[CLASS_ID])
                continue;
            bool truth = y[i * k + j] > 0.5f, answer = is_positive(s, p + i * k, k, j);
            sum[TP] += truth && answer;
            sum[FP] += !truth && answer;
            sum[FN] += truth && !answer;
        }
}

static double precision(const tw_setting *s, const double *sum, int64_t k)
{
    (void)s, (void)k;
    return sum[TP] + sum[FP] > 0 ? sum[TP] / (sum[TP] + sum[FP]) : 0;
}

static double recall(const tw_setting *s, const double *sum, int64_t k)
{
    (void)s, (void)k;
    return sum[TP] + sum[FN] > 0 ? sum[TP] / (sum[TP] + sum[FN]) : 0;
}

// ------------------------------------------------------------------------------------------------------------ F1Score

enum { AVERAGE, F1_THRESHOLD }; // ORDER args of F1Score
enum { MACRO, MICRO, WEIGHTED };

static const char *const averages[] = {"macro", "micro", "weighted", NULL};

static size_t of_classes(const tw_setting *s, int64_t k)
{
    (void)s;
    return COUNTS * (size_t)k;
}

static void add_f1(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p)
{
    double threshold = k == 1 && isnan(s->value[F1_THRESHOLD]) ? 0.5 : s->value[F1_THRESHOLD];
    for (int64_t i = 0; i < n; i++) {
        const float *row = p + i * k;
        float largest = row[0];
        for (int64_t j = 1; j < k; j++)
            largest = fmaxf(largest, row[j]);
        for (int64_t j = 0; j < k; j++) {
            bool answer =
                isnan(threshold) ? row[j] >= largest && fabsf(row[j]) > 1e-9f : (double)row[j] > threshold;
            bool truth = y[i * k + j] > 0.5f;
            sum[j * COUNTS + TP] += truth && answer;
            sum[j * COUNTS + FP] += !truth && answer;
            sum[j * COUNTS + FN] += truth && !answer;
        }
    }
}

static double f1_of(double tp, double fp, double fn)
{
    double p = tp / (tp + fp + F1_EPSILON), r = tp / (tp + fn + F1_EPSILON);
    return 2 * p * r / (p + r + F1_EPSILON);
}

static double f1(const tw_setting *s, const double *sum, int64_t k)
{
    double all[COUNTS] = {0}, mean = 0, weighted = 0;
    for (int64_t j = 0; j < k; j++) {
        const double *c = sum + j * COUNTS;
        double score = f1_of(c[TP], c[FP], c[FN]);
        for (int i = 0; i < COUNTS; i++)
            all[i] += c[i];
        mean += score / (double)k;
        weighted += score * (c[TP] + c[FN]);
    }
    if ((int)s->value[AVERAGE] == MICRO)
        return f1_of(all[TP], all[FP], all[FN]);
    return (int)s->value[AVERAGE] == MACRO ? mean : weighted / (all[TP] + all[FN] + F1_EPSILON);
}

#define COUNT_ARGS                                                                              \
    {                                                                                           \
        TWI_ARG_OR_NONE("thresholds", 0, 1, 0), TWI_ARG_OR_NONE("top_k", 1, 1e6, TW_ARG_WHOLE), \
            TWI_ARG_OR_NONE("class_id", 0, 1e6, TW_ARG_WHOLE)                                   \
    }

const twi_metric_kind twi_metric_precision = {.setting = {.name = "Precision",
                                                          .aliases = "precision",
                                                          .doc = "share of positive answers that are right",
                                                          .args = COUNT_ARGS,
                                                          .row = &twi_metric_precision},
                                              .room = three,
                                              .add = add_counts,
                                              .result = precision};
const twi_metric_kind twi_metric_recall = {.setting = {.name = "Recall",
                                                       .aliases = "recall",
                                                       .doc = "share of positives that are found",
                                                       .args = COUNT_ARGS,
                                                       .row = &twi_metric_recall},
                                           .room = three,
                                           .add = add_counts,
                                           .result = recall};
const twi_metric_kind twi_metric_f1_score = {
    .setting = {.name = "F1Score",
                .aliases = "f1_score f1",
                .doc = "precision and recall in one number",
                .args = {{.key = "average", .low = 0, .high = 2, .choices = averages},
                         TWI_ARG_OR_NONE("threshold", 0, 1, 0)},
                .row = &twi_metric_f1_score},
    .room = of_classes,
    .add = add_f1,
    .result = f1};
