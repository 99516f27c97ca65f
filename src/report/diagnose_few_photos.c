// Too little data: few photos of a class to learn from, or to judge by.

#include "report/diagnose.h"

#include <math.h>

#define WIDTH 0.2 // of the 95 % interval of the accuracy
enum { TRAIN_MIN = 25 };

static bool few_photos(const twi_run_facts *f, twi_reading *out)
{
    int64_t fewest = f->n_train[0];
    for (int64_t c = 1; c < f->n_classes; c++)
        fewest = f->n_train[c] < fewest ? f->n_train[c] : fewest;
    double width = f->val->n ? f->val->high - f->val->low : 0;
    if (fewest >= TRAIN_MIN && width < WIDTH)
        return false;
    if (fewest < TRAIN_MIN)
        twi_str_printf(
            &out->text,
            "a class has only %lld training photos: more of them would probably help more than any setting",
            (long long)fewest);
    else
        twi_str_printf(
            &out->text,
            "%lld validation photos are few: the true accuracy may lie anywhere between %.0f and %.0f %%",
            (long long)f->val->n, 100 * f->val->low, 100 * f->val->high);
    if (fewest < TRAIN_MIN && !f->augment_copies)
        twi_str_add(&out->advice, "--augment-copies 4");
    else if (fewest >= TRAIN_MIN && f->val_split < 0.4)
        twi_str_add(&out->advice, "--val-split 0.4");
    return true;
}

const twi_rule twi_rule_few_photos = {
    .name = "few_photos", .doc = "too little to be sure", .read = few_photos};
