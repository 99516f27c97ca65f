// Fine-tuning with care: what keeps a pretrained network from being destroyed before it learns. See training.h.
//
//   layer-wise rates     the first layer learns with a share of the rate, the head with all of it, geometric between
//   gradual unfreezing   the layers in equal parts, the last one first, a further part each so many epochs
//   warm-up              the rate grows over the first steps, while the optimizer's averages are still poor
//   a watch              over the first steps: a loss that rises ends the phase
// Source   Howard and Ruder, "Universal language model fine-tuning for text classification", 2018, for the first two.

#include "job/training.h"

#include <math.h>
#include <string.h>

// ---------------------------------------------------------------------------------------------------------------- layers

static bool learns(const twi_layer *layer)
{
    for (int i = 0; i < layer->n_weights; i++)
        if (layer->weights[i].is_trainable)
            return true;
    return false;
}

static tw_status list_layers(twi_tuning *u, tw_model *m, tw_err *err)
{
    int n = 0;
    int *order = twi_model_order(m, false, &n, err);
    tw_status status = order ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < n; i++) {
        twi_layer *layer = m->layers.at[order[i]];
        if (layer->nested)
            status = list_layers(u, layer->nested, err);
        else if (learns(layer) && !twi_vec_push(&u->layers, layer, err))
            status = TW_ENOMEM;
    }
    twi_free(order);
    return status;
}

tw_status twi_tuning_open(training *t, tw_err *err)
{
    twi_tuning *u = &t->tuning;
    if (t->o->fine_tune_warmup && t->schedule.kind)
        return twi_fail(err, TW_EINVAL,
                        "--fine-tune-warmup and --schedule both decide the rate\n"
                        "try  --schedule cosine_decay:warmup_steps=%lld:warmup_target=%g",
                        (long long)t->o->fine_tune_warmup, t->o->fine_tune_lr);
    tw_status status = list_layers(u, t->classifier.trunk->nested, err);
    int64_t every = t->o->unfreeze_every;
    u->parts = every > 0 ? (int)((t->o->fine_tune + every - 1) / every) : 1;
    if (u->parts > (int)u->layers.n)
        u->parts = u->layers.n ? (int)u->layers.n : 1;
    u->first = u->layers.n;
    u->step = 0;
    u->n_losses = 0;
    return status;
}

void twi_tuning_close(twi_tuning *u)
{
    twi_vec_clear(&u->layers);
    *u = (twi_tuning){0};
}

double twi_tuning_factor(void *self, const twi_weight *w)
{
    const training *t = self;
    const twi_tuning *u = &t->tuning;
    double stem = t->o->fine_tune_stem;
    if (!(stem > 0) || stem == 1)
        return 1;
    for (size_t i = 0; i < u->layers.n; i++) {
        const twi_layer *layer = u->layers.at[i];
        if (w >= layer->weights && w < layer->weights + layer->n_weights)
            return pow(stem, 1 - (double)i / (double)u->layers.n);
    }
    return 1; // of the head
}

// ------------------------------------------------------------------------------------------------------------ unfreezing

// How many parts are free in an epoch: one, and one more each so many epochs.
static int parts_at(const training *t, int64_t epoch)
{
    int64_t every = t->o->unfreeze_every;
    int64_t free = every > 0 ? epoch / every + 1 : t->tuning.parts;
    return free < t->tuning.parts ? (int)free : t->tuning.parts;
}

void twi_tuning_unfreeze(training *t, int64_t epoch)
{
    twi_tuning *u = &t->tuning;
    size_t n = u->layers.n, first = n - n * (size_t)parts_at(t, epoch) / (size_t)u->parts;
    if (u->parts < 2)
        return;
    for (size_t i = 0; i < n; i++)
        twi_layer_set_trainable(u->layers.at[i], i >= first);
    if (first < n && u->first != first)
        twi_say(t->tw, "fine-tune", "from epoch %lld on: %zu of %zu layers learn, from %s",
                (long long)epoch + 1, n - first, n, u->layers.at[first]->name);
    u->first = first;
}

// ----------------------------------------------------------------------------------------------------------------- watch

// Batches differ, so the mean of the later steps has to be above the loss before the first step by half of it, and by more
// than their own spread explains.
#define RISE   1.5
#define SPREAD 2.0
#define LEAST  0.05

static void judge(training *t, twi_watch *w)
{
    twi_tuning *u = &t->tuning;
    enum { HALF = TWI_FIRST_STEPS / 2 };
    double mean = 0, square = 0;
    for (int i = HALF; i < TWI_FIRST_STEPS; i++)
        mean += u->loss[i] / HALF;
    for (int i = HALF; i < TWI_FIRST_STEPS; i++)
        square += (u->loss[i] - mean) * (u->loss[i] - mean) / (HALF - 1);
    double before = fmax(u->loss[0], u->head_loss);
    if (mean < RISE * before + SPREAD * sqrt(square / HALF) || mean < before + LEAST)
        return;
    u->is_destroyed = true;
    w->wants_stop = true;
    twi_warn(
        t->tw,
        "the learning rate %g destroys what the network knew: in the first %d steps of fine-tuning the loss "
        "rose from %.3g to %.3g; stopped\ntry  --fine-tune-lr %g",
        u->rate, (int)TWI_FIRST_STEPS, before, mean, u->rate / 10);
}

void twi_tuning_moment(training *t, twi_moment moment, int64_t epoch, twi_watch *w)
{
    twi_tuning *u = &t->tuning;
    int64_t warmup = t->o->fine_tune_warmup;
    if (moment == TWI_EPOCH_BEGIN)
        twi_tuning_unfreeze(t, epoch);
    if (moment == TWI_BATCH_BEGIN && w->learning_rate && u->step < warmup)
        *w->learning_rate = u->rate * (double)(u->step + 1) / (double)warmup;
    if (moment != TWI_BATCH_END)
        return;
    if (u->n_losses == u->step && u->step < TWI_FIRST_STEPS)
        u->loss[u->n_losses++] = w->batch_loss;
    if (++u->step == TWI_FIRST_STEPS && u->n_losses == TWI_FIRST_STEPS)
        judge(t, w);
}
