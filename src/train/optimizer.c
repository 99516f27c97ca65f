// Optimizers: the list. See optimizer.h.

#include "train/optimizer.h"

#define TW_OPTIMIZER(name) extern const twi_optimizer_kind twi_optimizer_##name;
#include "train/optimizer_list.inc"
#undef TW_OPTIMIZER

static const tw_setting_kind *const settings[] = {
#define TW_OPTIMIZER(name) &twi_optimizer_##name.setting,
#include "train/optimizer_list.inc"
#undef TW_OPTIMIZER
    NULL};

const tw_setting_kind *twi_optimizer_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_optimizer_names(void)
{
    static const char *const names[] = {
#define TW_OPTIMIZER(name) #name,
#include "train/optimizer_list.inc"
#undef TW_OPTIMIZER
        NULL};
    return names;
}

tw_status twi_optimizer_check(const tw_setting *optimizer, const char *where, tw_err *err)
{
    static const char *const clips[] = {"clipnorm", "global_clipnorm", "clipvalue"};
    const char *first = NULL;
    for (int i = 0; i < 3; i++) {
        if (isnan(twi_setting_or(optimizer, clips[i], (double)NAN)))
            continue;
        if (first)
            return twi_fail_at(err, TW_EINVAL, where, -1, "%s: only one of %s and %s may be given", where,
                               first, clips[i]);
        first = clips[i];
    }
    return TW_OK;
}
