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
