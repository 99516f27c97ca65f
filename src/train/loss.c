// Losses: the list, and the way from a loss to the gradient at the logits. See loss.h.

#include "train/loss.h"

#define TW_LOSS(name) extern const twi_loss_kind twi_loss_##name;
#include "train/loss_list.inc"
#undef TW_LOSS

static const tw_setting_kind *const settings[] = {
#define TW_LOSS(name) &twi_loss_##name.setting,
#include "train/loss_list.inc"
#undef TW_LOSS
    NULL};

const tw_setting_kind *twi_loss_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_loss_names(void)
{
    static const char *const names[] = {
#define TW_LOSS(name) #name,
#include "train/loss_list.inc"
#undef TW_LOSS
        NULL};
    return names;
}

// dL/dz from dL/dp through p = sigmoid(z) or p = softmax(z), in place.
static void through_final(twi_final final, int64_t n, int64_t k, const float *p, float *grad)
{
    for (int64_t i = 0; i < n; i++, p += k, grad += k) {
        double dot = 0;
        for (int64_t j = 0; final == TWI_FINAL_SOFTMAX && j < k; j++)
            dot += (double)grad[j] * p[j];
        for (int64_t j = 0; j < k; j++)
            grad[j] =
                final == TWI_FINAL_SOFTMAX ? (float)((grad[j] - dot) * p[j]) : grad[j] * p[j] * (1 - p[j]);
    }
}

double twi_loss_batch(const tw_setting *loss, twi_final final, const float *logits, const float *output,
                      twi_loss_call *call)
{
    const twi_loss_kind *kind = loss->kind->row;
    if (kind->on_logits && kind->final == final && final != TWI_FINAL_NONE) {
        call->value = logits;
        return kind->on_logits(loss, call);
    }
    call->value = output;
    double sum = kind->on_output(loss, call);
    if (call->grad && final != TWI_FINAL_NONE)
        through_final(final, call->n, call->k, output, call->grad);
    return sum;
}
