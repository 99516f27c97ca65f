// Overfitting: the training loss goes on falling while the validation loss rises, or is far below it.

#include "report/diagnose.h"

#include <math.h>

#define TURN    1.1  // last validation loss over the best
#define APART   2.0  // validation loss over training loss
#define GAP     0.04 // of the accuracies
#define DROPOUT 0.5  // that is advised
enum { EPOCHS_MIN = 3 };

static bool overfitting(const twi_run_facts *f, twi_reading *out)
{
    int64_t best = f->history->best_epoch, n = twi_n_epochs(f);
    if (best < 0 || n < EPOCHS_MIN || isnan(twi_val_loss_at(f, -1)))
        return false;
    const twi_epoch *kept = twi_epoch_at(f, best), *last = twi_epoch_at(f, -1);
    bool has_turned = n - 1 - best >= 2 && last->val_loss > TURN * kept->val_loss && last->loss < kept->loss;
    double gap = last->accuracy - last->val_accuracy;
    bool is_apart = last->val_loss > APART * last->loss &&
                    gap > fmax(GAP, twi_share_noise(last->val_accuracy, f->val->n));
    if (!has_turned && !is_apart)
        return false;
    if (has_turned)
        twi_str_printf(&out->text,
                       "it seems to overfit: after epoch %lld the validation loss rose from %.3g to %.3g "
                       "while the training "
                       "loss fell from %.3g to %.3g",
                       (long long)best + 1, kept->val_loss, last->val_loss, kept->loss, last->loss);
    else
        twi_str_printf(&out->text,
                       "it seems to overfit: %.1f %% of the training photos are right and %.1f %% of the "
                       "validation photos "
                       "(loss %.3g and %.3g)",
                       100 * last->accuracy, 100 * last->val_accuracy, last->loss, last->val_loss);
    if (f->dropout < DROPOUT)
        twi_str_printf(&out->advice, "--dropout %g%s", DROPOUT, f->l2 > 0 ? "" : " ");
    if (f->l2 <= 0)
        twi_str_add(&out->advice, "--l2 1e-4");
    if (!out->advice.n && !f->augment_copies)
        twi_str_add(&out->advice, "--augment-copies 4");
    if (!out->advice.n)
        twi_str_printf(&out->advice, "--l2 %.2g", 10 * f->l2);
    return true;
}

const twi_rule twi_rule_overfitting = {
    .name = "overfitting", .doc = "it learns the photos by heart", .read = overfitting};
