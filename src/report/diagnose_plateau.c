// Plateau: for several epochs the loss has hardly changed, though it is not small.

#include "report/diagnose.h"

#include <math.h>

#define CHANGE 0.01 // of the loss, over EPOCHS
#define DONE   0.1
enum { EPOCHS = 4 };

static bool plateau(const twi_run_facts *f, twi_reading *out)
{
    int64_t n = twi_n_epochs(f);
    double last = twi_loss_at(f, -1), before = twi_loss_at(f, -1 - EPOCHS);
    if (n < EPOCHS + 2 || last < DONE || fabs(1 - last / before) > CHANGE || last > before * (1 + CHANGE))
        return false;
    twi_str_printf(&out->text,
                   "for %d epochs the loss has stayed near %.3g (%.3g before): it may have come to a plateau",
                   EPOCHS, last, before);
    if (!f->has_rate_rule)
        twi_str_add(&out->advice, "--callbacks reduce_lr_on_plateau:patience=2");
    return true;
}

const twi_rule twi_rule_plateau = {.name = "plateau", .doc = "nothing moves any more", .read = plateau};
