// Underfitting: even the training photos are often wrong, and the loss has stopped falling.

#include "report/diagnose.h"

#include <math.h>

#define LEARNED 0.6 // of the way from guessing to everything right
#define DROP    0.03
#define GAP     0.1
enum { EPOCHS_MIN = 3 };

static bool underfitting(const twi_run_facts *f, twi_reading *out)
{
    const twi_epoch *last = twi_epoch_at(f, -1);
    int64_t n = twi_n_epochs(f);
    double chance = 1 / (double)f->n_classes;
    if (n < EPOCHS_MIN || last->accuracy > chance + LEARNED * (1 - chance))
        return false;
    double drop = 1 - last->loss / twi_loss_at(f, -3);
    if (drop > DROP || last->accuracy - last->val_accuracy > GAP)
        return false;
    twi_str_printf(
        &out->text,
        "it seems to underfit: only %.1f %% of the training photos are right (guessing gives %.1f %%) and "
        "the loss no "
        "longer falls: the head may be too small, or the features too far from these photos",
        100 * last->accuracy, 100 * chance);
    twi_advise_fine_tuning(f, 5, &out->advice);
    return true;
}

const twi_rule twi_rule_underfitting = {
    .name = "underfitting", .doc = "it cannot learn this", .unless = "overfitting", .read = underfitting};
