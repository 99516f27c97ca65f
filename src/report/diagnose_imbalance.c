// Imbalance: one class has far fewer photos than another, and is found less often.

#include "report/diagnose.h"

#include <math.h>

#define GAP 0.1     // of the shares found
enum { RATIO = 3 }; // of the photos

static bool imbalance(const twi_run_facts *f, twi_reading *out)
{
    int64_t rare = 0, common = 0;
    for (int64_t c = 1; c < f->n_classes; c++) {
        rare = f->n_train[c] < f->n_train[rare] ? c : rare;
        common = f->n_train[c] > f->n_train[common] ? c : common;
    }
    if (!f->val->n || f->is_balanced || f->n_train[common] < RATIO * f->n_train[rare])
        return false;
    int64_t n_rare, n_common;
    double found_rare, found_common, ignored;
    twi_evaluation_class(f->val, rare, &n_rare, &found_rare, &ignored);
    twi_evaluation_class(f->val, common, &n_common, &found_common, &ignored);
    if (!n_rare || !n_common || found_common - found_rare < fmax(GAP, twi_share_noise(found_rare, n_rare)))
        return false;
    twi_str_printf(
        &out->text,
        "'%s' has %lld training photos, '%s' %lld; of the first %.0f %% are found, of the second %.0f %%: "
        "the rare class seems to lose",
        f->classes[rare], (long long)f->n_train[rare], f->classes[common], (long long)f->n_train[common],
        100 * found_rare, 100 * found_common);
    twi_str_add(&out->advice, "--class-weight balanced");
    return true;
}

const twi_rule twi_rule_imbalance = {.name = "imbalance", .doc = "a rare class is missed", .read = imbalance};
