// The accuracies: BinaryAccuracy, CategoricalAccuracy, TopKCategoricalAccuracy, and their sparse names.
//
// BinaryAccuracy        mean over all outputs of whether p > threshold agrees with y; 0.5 itself counts as 0
// CategoricalAccuracy   the first largest output is the class
// TopK                  the class is among the k largest; of equals it counts as the larger
// Sparse… say the same of classes given by number, which is how they come here in any case.
// Source   keras.metrics, Keras 3.15.

#include "train/metric.h"

static size_t two(const tw_setting *s, int64_t k)
{
    (void)s, (void)k;
    return 2;
}

static double mean(const tw_setting *s, const double *sum, int64_t k)
{
    (void)s, (void)k;
    return sum[1] > 0 ? sum[0] / sum[1] : 0;
}

static void add_binary(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p)
{
    for (int64_t i = 0; i < n * k; i++)
        sum[0] += ((double)p[i] > s->value[0]) == (y[i] > 0.5f);
    sum[1] += (double)(n * k);
}

static int64_t truth_of(const float *y, int64_t k)
{
    int64_t best = 0;
    for (int64_t j = 1; j < k; j++)
        best = y[j] > y[best] ? j : best;
    return best;
}

static void add_largest(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y,
                        const float *p)
{
    (void)s;
    for (int64_t i = 0; i < n; i++)
        sum[0] += truth_of(y + i * k, k) == truth_of(p + i * k, k);
    sum[1] += (double)n;
}

static void add_top(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, const float *p)
{
    for (int64_t i = 0; i < n; i++) {
        const float *row = p + i * k;
        int64_t truth = truth_of(y + i * k, k), above = 0;
        for (int64_t j = 0; j < k; j++)
            above += row[j] > row[truth];
        sum[0] += (double)above < s->value[0];
    }
    sum[1] += (double)n;
}

#define ACCURACY(id, class, alias, about, adds, ...)                               \
    const twi_metric_kind twi_metric_##id = {.setting = {.name = class,            \
                                                         .aliases = alias,         \
                                                         .doc = about,             \
                                                         .args = __VA_ARGS__,      \
                                                         .row = &twi_metric_##id}, \
                                             .room = two,                          \
                                             .add = adds,                          \
                                             .result = mean}
#define NO_ARGS \
    {           \
        {       \
            0   \
        }       \
    }
#define THRESHOLD                       \
    {                                   \
        TWI_ARG("threshold", 0.5, 0, 1) \
    }
#define TOP                                                                          \
    {                                                                                \
        {                                                                            \
            .key = "k", .otherwise = 5, .low = 1, .high = 1e6, .flags = TW_ARG_WHOLE \
        }                                                                            \
    }

ACCURACY(binary_accuracy, "BinaryAccuracy", "binary_accuracy", "share of outputs on the right side",
         add_binary, THRESHOLD);
ACCURACY(categorical_accuracy, "CategoricalAccuracy", "categorical_accuracy", "share of right answers",
         add_largest, NO_ARGS);
ACCURACY(sparse_categorical_accuracy, "SparseCategoricalAccuracy", "sparse_categorical_accuracy",
         "share of right answers", add_largest, NO_ARGS);
ACCURACY(sparse_top_k_categorical_accuracy, "SparseTopKCategoricalAccuracy",
         "sparse_top_k_categorical_accuracy", "share with the class among the k best", add_top, TOP);
ACCURACY(top_k_categorical_accuracy, "TopKCategoricalAccuracy", "top_k_categorical_accuracy top_k",
         "share with the class among the k best", add_top, TOP);
