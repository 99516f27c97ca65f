// Divergence: a loss that is no number, or one that ended far above where it began.

#include "report/diagnose.h"

#include <math.h>

#define GROWN 2.0 // last loss over first

static bool divergence(const twi_run_facts *f, twi_reading *out)
{
    double first = twi_loss_at(f, 0), last = twi_loss_at(f, -1);
    bool has_grown = twi_n_epochs(f) > 1 && last > GROWN * first;
    if (!f->is_diverged && !has_grown)
        return false;
    if (f->is_diverged)
        twi_str_printf(&out->text, "training diverged: the loss was no number any more at learning rate %g",
                       f->learning_rate);
    else
        twi_str_printf(&out->text, "training diverged: the loss rose from %.3g to %.3g at learning rate %g",
                       first, last, f->learning_rate);
    twi_advise_rate(f, f->learning_rate / 10, &out->advice);
    return true;
}

const twi_rule twi_rule_divergence = {
    .name = "divergence", .doc = "the loss left all bounds", .read = divergence};
