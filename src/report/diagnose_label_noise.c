// Label noise: photos that are answered wrongly, but with great certainty.

#include "report/diagnose.h"

#include <math.h>

#define SURE  0.95 // probability of a wrong answer
#define SHARE 0.4  // of the wrong answers
#define RIGHT 0.8  // training accuracy: a model that knows the classes
#define LOST  1.0  // validation loss of a model that is certain of everything
enum { SURE_MIN = 4 };

static bool label_noise(const twi_run_facts *f, twi_reading *out)
{
    int64_t wrong = 0, sure = 0;
    for (int64_t i = 0; i < f->n_answers; i++) {
        const float *row = f->answers + i * f->k;
        int32_t answer = twi_answer_class(row, f->k);
        if (answer == f->labels[i])
            continue;
        wrong++;
        sure += twi_answer_probability(row, f->k, answer) > SURE;
    }
    const twi_epoch *best = twi_epoch_at(f, f->history->best_epoch);
    if (!best || sure < SURE_MIN || (double)sure < SHARE * (double)wrong || best->accuracy < RIGHT ||
        best->val_loss > LOST)
        return false;
    twi_str_printf(
        &out->text,
        "%lld of the %lld wrong answers are given with more than %.0f %% certainty: some of those photos may "
        "carry the wrong label; predictions.csv and the report show them",
        (long long)sure, (long long)wrong, 100 * SURE);
    return true;
}

const twi_rule twi_rule_label_noise = {
    .name = "label_noise", .doc = "some labels may be wrong", .read = label_noise};
