// Rate too high: the training loss rises again and again instead of falling.

#include "report/diagnose.h"

#include <math.h>

#define RISE  0.05 // of the loss: less is noise
#define SHARE 0.3  // of the epochs
enum { EPOCHS_MIN = 4 };

static bool rate_high(const twi_run_facts *f, twi_reading *out)
{
    int64_t n = twi_n_epochs(f), rises = 0;
    for (int64_t i = 1; i < n; i++)
        rises += twi_loss_at(f, i) > twi_loss_at(f, i - 1) * (1 + RISE);
    if (n < EPOCHS_MIN || f->is_diverged || (double)rises < SHARE * (double)(n - 1))
        return false;
    twi_str_printf(&out->text,
                   "the training loss rose in %lld of %lld epochs: the learning rate %g may be too high",
                   (long long)rises, (long long)(n - 1), f->learning_rate);
    twi_advise_rate(f, f->learning_rate / 5, &out->advice);
    return true;
}

const twi_rule twi_rule_rate_high = {
    .name = "rate_high", .doc = "the loss jumps up and down", .read = rate_high};
