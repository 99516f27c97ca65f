// AdamW: Adam with decoupled weight decay: w −= w · weight_decay · lr before the step, for every trainable weight.
//
// The shrinking is every optimizer's weight_decay, done in update.c; here it has a default.
// Slots    momentum, velocity[, velocity_hat].
// Source   keras.optimizers.AdamW, Keras 3.15; Loshchilov and Hutter, 2019.

#include "train/optimizer.h"

extern const twi_optimizer_kind twi_optimizer_adam;

static int adamw_slots(const tw_setting *s)
{
    return twi_setting_arg(s, "amsgrad") != 0 ? 3 : 2;
}

TWI_VECTOR static void adamw_step(const tw_setting *s, const twi_optimizer_step *o)
{
    // The arguments of the step stand in Adam's order.
    twi_optimizer_adam.step(s, o);
}

const twi_optimizer_kind twi_optimizer_adamw = {
    .setting = {.name = "AdamW",
                .aliases = "adamw",
                .doc = "Adam that also shrinks the weights",
                .args = {TWI_LEARNING_RATE(1e-3), TWI_ARG("beta_1", 0.9, 0, TWI_BELOW_ONE),
                         TWI_ARG("beta_2", 0.999, 0, TWI_BELOW_ONE), TWI_ARG("epsilon", 1e-7, 0, 1),
                         TWI_ARG_FLAG("amsgrad", 0), TWI_ARG("weight_decay", 4e-3, 0, 1e3),
                         TWI_OPTIMIZER_TAIL},
                .row = &twi_optimizer_adamw},
    .n_slots = adamw_slots,
    .groups = 1u << 2,
    .step = adamw_step};
