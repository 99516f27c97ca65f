// Reading the curves: the list of rules, and what they are written with. See diagnose.h.

#include "report/diagnose.h"

#include <math.h>
#include <string.h>

#define TW_RULE(name) extern const twi_rule twi_rule_##name;
#include "report/diagnose_list.inc"
#undef TW_RULE

static const twi_rule *const rules[] = {
#define TW_RULE(name) &twi_rule_##name,
#include "report/diagnose_list.inc"
#undef TW_RULE
    NULL};

int64_t twi_n_epochs(const twi_run_facts *f)
{
    return (int64_t)f->history->epochs.n;
}

const twi_epoch *twi_epoch_at(const twi_run_facts *f, int64_t i)
{
    int64_t n = twi_n_epochs(f);
    i = i < 0 ? i + n : i;
    return i >= 0 && i < n ? &f->history->epochs.at[i] : NULL;
}

double twi_loss_at(const twi_run_facts *f, int64_t i)
{
    const twi_epoch *e = twi_epoch_at(f, i);
    return e ? e->loss : (double)NAN;
}

double twi_val_loss_at(const twi_run_facts *f, int64_t i)
{
    const twi_epoch *e = twi_epoch_at(f, i);
    return e ? e->val_loss : (double)NAN;
}

int64_t twi_n_training(const twi_run_facts *f)
{
    int64_t n = 0;
    for (int64_t c = 0; c < f->n_classes; c++)
        n += f->n_train[c];
    return n;
}

void twi_advise_fine_tuning(const twi_run_facts *f, int64_t epochs, twi_str *advice)
{
    bool still_falls = f->is_fine_tuned && f->history->best_epoch == twi_n_epochs(f) - 1;
    if (f->fine_tune == 0 || still_falls)
        twi_str_printf(advice, "--fine-tune %lld", (long long)(f->fine_tune ? 2 * f->fine_tune : epochs));
}

void twi_advise_rate(const twi_run_facts *f, double rate, twi_str *advice)
{
    twi_str_printf(advice, "--%s %.2g", f->is_fine_tuned ? "fine-tune-lr" : "lr", rate);
}

double twi_share_noise(double share, int64_t n)
{
    return n > 0 ? 1.96 * sqrt(fmax(share * (1 - share), 0.25 / (double)n) / (double)n) : 1;
}

static bool has_said(const twi_readings *r, const char *rule)
{
    for (int i = 0; rule && i < r->n; i++)
        if (strcmp(r->at[i].rule, rule) == 0)
            return true;
    return false;
}

tw_status twi_diagnose(const twi_run_facts *f, twi_readings *out, tw_err *err)
{
    *out = (twi_readings){0};
    for (int i = 0; rules[i] && out->n < TWI_READINGS_MAX; i++) {
        twi_reading *reading = &out->at[out->n];
        // The last rule says that nothing was found.
        bool is_last = rules[i + 1] == NULL;
        *reading = (twi_reading){.rule = rules[i]->name};
        bool is_silent = (is_last && out->n) || has_said(out, rules[i]->unless);
        if (is_silent || !rules[i]->read(f, reading)) {
            twi_str_clear(&reading->text);
            twi_str_clear(&reading->advice);
            continue;
        }
        out->n++;
        if (reading->text.failed || reading->advice.failed)
            return twi_fail_memory(err, 0, "a reading");
    }
    return TW_OK;
}

void twi_readings_clear(twi_readings *r)
{
    for (int i = 0; i < r->n; i++) {
        twi_str_clear(&r->at[i].text);
        twi_str_clear(&r->at[i].advice);
    }
    *r = (twi_readings){0};
}
