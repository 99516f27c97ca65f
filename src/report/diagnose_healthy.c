// Healthy: nothing stands out.

#include "report/diagnose.h"

#include <math.h>

static bool healthy(const twi_run_facts *f, twi_reading *out)
{
    int64_t best = f->history->best_epoch;
    const twi_epoch *kept = twi_epoch_at(f, best);
    if (!kept)
        return false;
    if (isnan(kept->val_loss))
        twi_str_printf(&out->text,
                       "the training loss fell to %.3g; without validation photos nothing more can be said",
                       kept->loss);
    else
        twi_str_printf(&out->text,
                       "looks healthy: training and validation loss fell together (%.3g and %.3g)",
                       kept->loss, kept->val_loss);
    twi_advise_fine_tuning(f, 3, &out->advice);
    return true;
}

const twi_rule twi_rule_healthy = {.name = "healthy", .doc = "nothing stands out", .read = healthy};
