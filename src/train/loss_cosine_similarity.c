// CosineSimilarity: −Σ y p / (‖y‖ ‖p‖).
// Source   keras.losses.CosineSimilarity, Keras 3.15.

#include "train/loss.h"

static double row(const tw_setting *s, int64_t k, const float *y, const float *p, double *slope)
{
    (void)s;
    double dot = 0, yy = 0, pp = 0;
    for (int64_t j = 0; j < k; j++) {
        dot += (double)y[j] * (double)p[j];
        yy += (double)y[j] * (double)y[j];
        pp += (double)p[j] * (double)p[j];
    }
    double of_y = fmax(sqrt(yy), 1e-12), of_p = fmax(sqrt(pp), 1e-12), cosine = dot / (of_y * of_p);
    for (int64_t j = 0; slope && j < k; j++)
        slope[j] = -((double)y[j] / of_y - cosine * (double)p[j] / of_p) / of_p;
    return -cosine;
}

static double on_output(const tw_setting *s, const twi_loss_call *call)
{
    return twi_loss_rowwise(s, call, row);
}

const twi_loss_kind twi_loss_cosine_similarity = {.setting = {.name = "CosineSimilarity",
                                                              .aliases = "cosine_similarity",
                                                              .doc = "angle between outputs and target",
                                                              .args = {TWI_LOSS_REDUCTION},
                                                              .row = &twi_loss_cosine_similarity},
                                                  .on_output = on_output};
