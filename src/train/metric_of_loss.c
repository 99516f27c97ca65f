// Losses as metrics: the mean over samples of mean squared error, mean absolute error and the cross-entropies.
//
// Predictions are probabilities here, so the cross-entropies clip them as Keras's metrics do.
// Source   keras.metrics, Keras 3.15.

#include "train/metric.h"

#include "train/loss.h"

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

// The loss with the metric's arguments.
static tw_setting loss_of(const tw_setting *metric, const tw_setting_kind *kind)
{
    tw_setting loss = {.kind = kind};
    for (int i = 0; i < TW_SETTING_ARGS && kind->args[i].key; i++)
        loss.value[i] = twi_setting_or(metric, kind->args[i].key, kind->args[i].otherwise);
    return loss;
}

static void add_loss(const tw_setting *s, const char *name, double *sum, int64_t n, int64_t k, const float *y,
                     const float *p)
{
    const tw_setting loss = loss_of(s, twi_loss_find(name));
    twi_loss_call call = {.n = n, .k = k, .y = y};
    sum[0] += twi_loss_batch(&loss, TWI_FINAL_NONE, NULL, p, &call);
    sum[1] += (double)n;
}

#define NO_ARGS \
    {           \
        {       \
            0   \
        }       \
    }
#define OF_PROBABILITIES                    \
    {                                       \
        TWI_LOSS_SMOOTHING, TWI_LOSS_LOGITS \
    }
#define OF_LOSS(id, class, alias, about, ...)                                                    \
    static void add_##id(const tw_setting *s, double *sum, int64_t n, int64_t k, const float *y, \
                         const float *p)                                                         \
    {                                                                                            \
        add_loss(s, #id, sum, n, k, y, p);                                                       \
    }                                                                                            \
    const twi_metric_kind twi_metric_##id = {.setting = {.name = class,                          \
                                                         .aliases = alias,                       \
                                                         .doc = about,                           \
                                                         .args = __VA_ARGS__,                    \
                                                         .row = &twi_metric_##id},               \
                                             .is_down = true,                                    \
                                             .room = two,                                        \
                                             .add = add_##id,                                    \
                                             .result = mean}

OF_LOSS(binary_crossentropy, "BinaryCrossentropy", "binary_crossentropy", "surprise at yes or no",
        OF_PROBABILITIES);
OF_LOSS(categorical_crossentropy, "CategoricalCrossentropy", "categorical_crossentropy",
        "surprise at the class", OF_PROBABILITIES);
OF_LOSS(mean_absolute_error, "MeanAbsoluteError", "mean_absolute_error mae", "distance to the target",
        NO_ARGS);
OF_LOSS(mean_squared_error, "MeanSquaredError", "mean_squared_error mse", "squared distance to the target",
        NO_ARGS);
