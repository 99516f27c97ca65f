// Rate too low, or too few epochs: at the end everything was still getting better.

#include "report/diagnose.h"

#include <math.h>

#define DROP    0.05 // of the loss in each of the last two epochs
#define DONE    0.05 // a loss this small has nothing left to lose
#define CREEP   0.03 // of the loss in an epoch
#define LEARNED 0.6  // of the way from guessing to everything right
enum { EPOCHS_MIN = 3 };

// Falls in every epoch, but hardly: at this pace it never arrives.
static bool creeps(const twi_run_facts *f)
{
    int64_t n = twi_n_epochs(f);
    double chance = 1 / (double)f->n_classes;
    for (int64_t i = 1; i < n; i++)
        if (twi_loss_at(f, i) >= twi_loss_at(f, i - 1))
            return false;
    return 1 - twi_loss_at(f, -1) / twi_loss_at(f, 0) < CREEP * (double)(n - 1) &&
           twi_epoch_at(f, -1)->accuracy < chance + LEARNED * (1 - chance);
}

static bool rate_low(const twi_run_facts *f, twi_reading *out)
{
    int64_t n = twi_n_epochs(f);
    if (n < EPOCHS_MIN || n < f->epochs || f->history->best_epoch != n - 1 || twi_loss_at(f, -1) < DONE)
        return false;
    if (creeps(f)) {
        twi_str_printf(
            &out->text,
            "the learning rate %g may be too low: the loss fell in every epoch, but only from %.3g to %.3g",
            f->learning_rate, twi_loss_at(f, 0), twi_loss_at(f, -1));
        twi_advise_rate(f, f->learning_rate * 10, &out->advice);
        return true;
    }
    double drop = 1 - twi_loss_at(f, -1) / twi_loss_at(f, -2);
    if (drop < DROP || 1 - twi_loss_at(f, -2) / twi_loss_at(f, -3) < DROP)
        return false;
    twi_str_printf(
        &out->text,
        "it may not have finished learning: in the last epoch the loss still fell by %.0f %% to %.3g, and "
        "that epoch was the best",
        100 * drop, twi_loss_at(f, -1));
    twi_str_printf(&out->advice, "--%s %lld", f->is_fine_tuned ? "fine-tune" : "epochs", (long long)(3 * n));
    return true;
}

const twi_rule twi_rule_rate_low = {.name = "rate_low", .doc = "it has not finished", .read = rate_low};
