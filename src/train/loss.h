// Losses: how wrong a prediction is, and where its gradient comes from.
//
// One file per loss (loss_<name>.c) and one line in loss_list.inc. Every loss works on rows: n photos, k outputs.
// y [n,k] are the targets (one-hot, or one column of 0 and 1), p [n,k] the predictions, z [n,k] the logits.
#ifndef TWI_TRAIN_LOSS_H
#define TWI_TRAIN_LOSS_H

#include "engine/plan.h"

#include <math.h>

typedef struct twi_loss_call {
    int64_t n, k;
    const float *y;      // targets [n,k]
    const float *value;  // predictions or logits [n,k]
    const float *weight; // [n] sample weights, or NULL: all 1
    float *grad;         // dL/d value [n,k], overwritten; NULL: not wanted
} twi_loss_call;

typedef struct twi_loss_kind {
    tw_setting_kind setting; // name, aliases, arguments (label_smoothing …, TWI_LOSS_REDUCTION)
    // Sum over photos of weight · loss. The gradient is that of (sum / n). Keras: sum_over_batch_size.
    double (*on_output)(const tw_setting *s, const twi_loss_call *call); // value = predictions
    // The same from logits, exact where predictions saturate, for a model that ends in `final` (Keras does this too:
    // interop trap 10). NULL: the loss has no such form.
    double (*on_logits)(const tw_setting *s, const twi_loss_call *call);
    twi_final final;
    bool is_sparse; // Keras wants class numbers, not one-hot rows (matters for files only)
} twi_loss_kind;

// ---- what losses are written with

#define TWI_LOSS_EPSILON 1e-7 // keras.config.epsilon()

// How a batch becomes one number; every loss ends its arguments with it. Where predictions may be logits, the two rows
// before it say so.
extern const char *const twi_loss_reductions[];
#define TWI_LOSS_REDUCTION                                                                      \
    {                                                                                           \
        .key = "reduction", .otherwise = 0, .low = 0, .high = 3, .choices = twi_loss_reductions \
    }
#define TWI_LOSS_LOGITS                                                                \
    {.key = "from_logits", .otherwise = 0, .low = 0, .high = 1, .flags = TW_ARG_FLAG}, \
    {                                                                                  \
        .key = "axis", .otherwise = -1, .low = -1, .high = -1, .flags = TW_ARG_WHOLE   \
    }
#define TWI_LOSS_SMOOTHING                                            \
    {                                                                 \
        .key = "label_smoothing", .otherwise = 0, .low = 0, .high = 1 \
    }

// A loss that is the mean over the outputs of a photo of some function of target and prediction.
typedef struct twi_loss_point {
    double value, slope; // of one output; d value / d p
} twi_loss_point;
double twi_loss_elementwise(const tw_setting *s, const twi_loss_call *call,
                            twi_loss_point (*point)(const tw_setting *s, double y, double p));
// A loss of a photo's outputs together: returns its value for targets y and predictions p [k], slope[j] = d value / d p[j]
// (NULL: not wanted).
double twi_loss_rowwise(const tw_setting *s, const twi_loss_call *call,
                        double (*row)(const tw_setting *s, int64_t k, const float *y, const float *p,
                                      double *slope));

const tw_setting_kind *twi_loss_find(const char *name);
const char *const *twi_loss_names(void);

// The loss of a batch times its n, with dL/d logits in call->grad. `logits` and `output` are the model's; call->value is
// ignored. Chooses on_logits where it fits, else goes through the derivative of the final function. NaN when out of memory.
double twi_loss_batch(const tw_setting *loss, twi_final final, const float *logits, const float *output,
                      twi_loss_call *call);

#endif
