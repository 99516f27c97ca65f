// The state of a fit: what is kept after each epoch, and how an earlier fit is taken up. See trainer.h.
//
// A state belongs to a model by the order of its weights. Between two calls layers may have been frozen or freed (a
// callback did): a weight that trains on keeps its slots, one that is new begins with fresh ones.

#include "train/trainer.h"

#include <string.h>

static float *copy_of(const float *data, int64_t n, tw_err *err)
{
    float *copy = twi_new_aligned((size_t)n, sizeof *copy, "a copy of a weight", err);
    if (copy && data)
        memcpy(copy, data, (size_t)n * sizeof *copy);
    return copy;
}

// Weights that training can change: trained ones, and the moving statistics of trainable BatchNormalization.
static bool is_changed_by_training(const twi_trainer *t, int i)
{
    return t->all.at[i]->is_trainable || (t->all.at[i]->is_state && t->all.layer[i]->is_trainable);
}

// ---------------------------------------------------------------------------------------------------------------- slots

static int index_of(const twi_trainer *t, const twi_weight *w)
{
    for (int i = 0; i < t->all.n; i++)
        if (t->all.at[i] == w)
            return i;
    return -1;
}

static tw_status list_trained(const twi_trainer *t, int **trained, tw_err *err)
{
    *trained = twi_new((size_t)t->n_trained, sizeof **trained, "training state", err);
    for (int i = 0; *trained && i < t->n_trained; i++)
        (*trained)[i] = index_of(t, t->weight[i]);
    return *trained ? TW_OK : TW_ENOMEM;
}

static int64_t slot_size(const twi_trainer *t, int i)
{
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    return twi_update_slot_size(&t->o->optimizer, &t->weight[i / per_weight]->shape, i % per_weight);
}

static float *new_slot(const twi_trainer *t, int i, tw_err *err)
{
    int64_t n = slot_size(t, i);
    float start = twi_update_slot_start(&t->o->optimizer, i % twi_update_per_weight(&t->o->optimizer));
    float *slot = copy_of(NULL, n, err);
    for (int64_t j = 0; slot && j < n; j++)
        slot[j] = start;
    return slot;
}

// Slots for what is trained now, taking over those of weights that were trained before.
static tw_status make_slots(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state, old = *s;
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    s->n_trained = t->n_trained;
    s->n_slots = t->n_trained * per_weight;
    s->slot = twi_new((size_t)s->n_slots, sizeof *s->slot, "training state", err);
    s->slot_size = twi_new((size_t)s->n_slots, sizeof *s->slot_size, "training state", err);
    tw_status status = list_trained(t, &s->trained, err);
    for (int i = 0; s->slot && s->slot_size && !status && i < s->n_slots; i++) {
        s->slot_size[i] = slot_size(t, i);
        for (int j = 0; j < old.n_trained && !s->slot[i]; j++) {
            int from = j * per_weight + i % per_weight;
            if (old.trained[j] == s->trained[i / per_weight] && old.slot[from]) {
                s->slot[i] = old.slot[from];
                old.slot[from] = NULL;
            }
        }
        if (!s->slot[i] && s->slot_size[i] && !(s->slot[i] = new_slot(t, i, err)))
            status = TW_ENOMEM;
    }
    for (int i = 0; i < old.n_slots; i++)
        twi_free(old.slot[i]);
    twi_free(old.slot);
    twi_free(old.slot_size);
    twi_free(old.trained);
    if (!s->slot || !s->slot_size) // what is freed must not be counted
        s->n_slots = 0;
    return s->slot && s->slot_size ? status : TW_ENOMEM;
}

// --------------------------------------------------------------------------------------------------------------- states

static tw_status new_state(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    s->weight = twi_new((size_t)t->all.n, sizeof *s->weight, "training state", err);
    s->best = twi_new((size_t)t->all.n, sizeof *s->best, "training state", err);
    s->weight_size = twi_new((size_t)t->all.n, sizeof *s->weight_size, "training state", err);
    if (!s->weight || !s->best || !s->weight_size)
        return TW_ENOMEM;
    s->n_weights = t->all.n;
    for (int i = 0; i < s->n_weights; i++)
        s->weight_size[i] = is_changed_by_training(t, i) ? twi_shape_count(&t->all.at[i]->shape) : 0;
    s->learning_rate = t->lr;
    s->history.best_epoch = -1;
    s->history.best = INFINITY;
    return make_slots(t, err);
}

// Layers were frozen or freed since. A weight that is new was the same in the best epoch, and one that is frozen now is
// still restored to it.
static tw_status change_state(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    for (int i = 0; i < s->n_weights; i++) {
        if (s->weight_size[i] || !is_changed_by_training(t, i))
            continue;
        s->weight_size[i] = twi_shape_count(&t->all.at[i]->shape);
        if (s->history.best_epoch >= 0 && !(s->best[i] = copy_of(t->all.at[i]->data, s->weight_size[i], err)))
            return TW_ENOMEM;
    }
    return make_slots(t, err);
}

// A state from an earlier run: its weights go into the model. Sizes must agree with this model.
static tw_status take_state(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    int per_weight = twi_update_per_weight(&t->o->optimizer);
    bool fits = s->n_weights == t->all.n && s->n_slots == t->n_trained * per_weight;
    for (int i = 0; fits && i < s->n_weights; i++)
        fits =
            s->weight_size[i] == (is_changed_by_training(t, i) ? twi_shape_count(&t->all.at[i]->shape) : 0);
    for (int i = 0; fits && i < s->n_slots; i++)
        fits = s->slot_size[i] == slot_size(t, i);
    if (!fits)
        return twi_fail(err, TW_EUNUSABLE, "the checkpoint belongs to another model or optimizer");
    for (int i = 0; i < s->n_weights; i++)
        if (s->weight_size[i] && s->weight[i]) {
            memcpy(t->all.at[i]->data, s->weight[i], (size_t)s->weight_size[i] * sizeof(float));
            t->all.at[i]->version++;
        }
    s->n_trained = t->n_trained;
    return list_trained(t, &s->trained, err);
}

tw_status twi_trainer_state(twi_trainer *t, tw_err *err)
{
    twi_fit_state *s = t->state;
    if (s->n_weights && s->trained && s->n_weights == t->all.n)
        return change_state(t, err);
    return s->next_epoch > 0 ? take_state(t, err) : new_state(t, err);
}

// -------------------------------------------------------------------------------------------------------- best weights

tw_status twi_trainer_keep(twi_trainer *t, float **into, tw_err *err)
{
    for (int i = 0; i < t->all.n; i++) {
        int64_t n = t->state->weight_size[i];
        if (!n)
            continue;
        if (!into[i] && !(into[i] = copy_of(NULL, n, err)))
            return TW_ENOMEM;
        memcpy(into[i], t->all.at[i]->data, (size_t)n * sizeof(float));
    }
    return TW_OK;
}

void twi_trainer_restore_best(twi_trainer *t)
{
    for (int i = 0; i < t->all.n; i++)
        if (t->state->best && t->state->best[i]) {
            memcpy(t->all.at[i]->data, t->state->best[i], (size_t)t->state->weight_size[i] * sizeof(float));
            t->all.at[i]->version++;
        }
}

void twi_fit_state_clear(twi_fit_state *s)
{
    for (int i = 0; i < s->n_weights; i++) {
        if (s->weight)
            twi_free(s->weight[i]);
        if (s->best)
            twi_free(s->best[i]);
    }
    for (int i = 0; s->slot && i < s->n_slots; i++)
        twi_free(s->slot[i]);
    twi_free(s->weight);
    twi_free(s->best);
    twi_free(s->slot);
    twi_free(s->weight_size);
    twi_free(s->slot_size);
    twi_free(s->trained);
    twi_history_clear(&s->history);
    *s = (twi_fit_state){0};
}
