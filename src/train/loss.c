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

const char *const twi_loss_reductions[] = {"sum_over_batch_size", "sum", "mean_with_sample_weight", "mean",
                                           NULL};

double twi_loss_elementwise(const tw_setting *s, const twi_loss_call *c,
                            twi_loss_point (*point)(const tw_setting *s, double y, double p))
{
    double sum = 0, per_output = 1.0 / (double)c->k, per_photo = 1.0 / (double)c->n;
    for (int64_t i = 0; i < c->n * c->k; i++) {
        double weight = c->weight ? c->weight[i / c->k] : 1;
        twi_loss_point at = point(s, (double)c->y[i], (double)c->value[i]);
        sum += weight * per_output * at.value;
        if (c->grad)
            c->grad[i] = (float)(weight * per_output * per_photo * at.slope);
    }
    return sum;
}

double twi_loss_rowwise(const tw_setting *s, const twi_loss_call *c,
                        double (*row)(const tw_setting *s, int64_t k, const float *y, const float *p,
                                      double *slope))
{
    double sum = 0, *slope = c->grad ? twi_new((size_t)c->k, sizeof *slope, "a loss", NULL) : NULL;
    if (c->grad && !slope)
        return NAN;
    for (int64_t i = 0; i < c->n; i++) {
        double weight = c->weight ? c->weight[i] : 1;
        sum += weight * row(s, c->k, c->y + i * c->k, c->value + i * c->k, slope);
        for (int64_t j = 0; c->grad && j < c->k; j++)
            c->grad[i * c->k + j] = (float)(weight / (double)c->n * slope[j]);
    }
    twi_free(slope);
    return sum;
}

// The sum over photos becomes the batch's loss times n.
static double reduce(const tw_setting *loss, const twi_loss_call *call, double sum)
{
    enum { SUM = 1, WEIGHTED = 2 };
    double factor = 1, weights = (double)call->n;
    int reduction = (int)twi_setting_or(loss, "reduction", 0);
    if (reduction == WEIGHTED && call->weight) {
        weights = 0;
        for (int64_t i = 0; i < call->n; i++)
            weights += (double)call->weight[i];
        factor = weights > 0 ? (double)call->n / weights : 0;
    } else if (reduction == SUM) {
        factor = (double)call->n;
    }
    for (int64_t i = 0; call->grad && factor != 1 && i < call->n * call->k; i++)
        call->grad[i] *= (float)factor;
    return sum * factor;
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

// A loss without a form for logits, told that outputs are logits: through the function it expects.
static double from_logits(const tw_setting *loss, const twi_loss_kind *kind, const float *z,
                          twi_loss_call *call)
{
    int64_t n = call->n, k = call->k;
    float *p = twi_new((size_t)(n * k), sizeof *p, "a loss", NULL);
    if (!p)
        return NAN;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0, largest = (double)z[i * k];
        for (int64_t j = 1; j < k; j++)
            largest = fmax(largest, (double)z[i * k + j]);
        for (int64_t j = 0; j < k; j++)
            sum += exp((double)z[i * k + j] - largest);
        for (int64_t j = 0; j < k; j++) {
            double x = (double)z[i * k + j];
            p[i * k + j] =
                (float)(kind->final == TWI_FINAL_SOFTMAX ? exp(x - largest) / sum : 1 / (1 + exp(-x)));
        }
    }
    call->value = p;
    double value = kind->on_output(loss, call);
    if (call->grad)
        through_final(kind->final, n, k, p, call->grad);
    call->value = z;
    twi_free(p);
    return value;
}

double twi_loss_batch(const tw_setting *loss, twi_final final, const float *logits, const float *output,
                      twi_loss_call *call)
{
    const twi_loss_kind *kind = loss->kind->row;
    // from_logits: the caller says that outputs are logits, whatever made them.
    bool says_logits = twi_setting_or(loss, "from_logits", 0) == 1;
    if (!says_logits && kind->on_logits && kind->final == final && final != TWI_FINAL_NONE) {
        call->value = logits;
        return reduce(loss, call, kind->on_logits(loss, call));
    }
    call->value = output;
    double sum = !says_logits      ? kind->on_output(loss, call)
                 : kind->on_logits ? kind->on_logits(loss, call)
                                   : from_logits(loss, kind, output, call);
    if (call->grad && final != TWI_FINAL_NONE)
        through_final(final, call->n, call->k, output, call->grad);
    return reduce(loss, call, sum);
}
