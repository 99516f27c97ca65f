// Training and using models in public. See topwork.h.
//
// The work keeps its first error in an err of its own, since steps look at it; it is given to the caller at the end.

#include "job/learn.h"

static void give(const tw_err *own, tw_err *err)
{
    if (own->status && err && !err->status)
        *err = *own;
}

tw_status tw_compile_(const tw_compile_options *o)
{
    if (!o || !o->model)
        return o && o->err && o->err->status ? o->err->status : TW_EINVAL;
    tw_err own = {0};
    if (!twi_model_verify(o->model, &own))
        twi_compile(o->model, o, &own);
    // Without an err of its own the call is part of the chain: tw_fit will tell.
    give(&own, o->err ? o->err : &o->model->err);
    return own.status;
}

static bool may_use(tw_model *m, const tw_dataset *data, const tw_err *err)
{
    return m && data && !(err && err->status);
}

tw_history *tw_fit_(const tw_fit_options *o)
{
    if (!o || !may_use(o->model, o->data, o->err))
        return NULL;
    tw_err own = {0};
    tw_history *history = twi_learn_fit(o, &own);
    give(&own, o->err);
    return history;
}

tw_scores *tw_model_evaluate_(const tw_use_options *o)
{
    if (!o || !may_use(o->model, o->data, o->err))
        return NULL;
    tw_err own = {0};
    tw_scores *scores = twi_learn_evaluate(o, &own);
    give(&own, o->err);
    return scores;
}

tw_predictions *tw_model_predict_(const tw_use_options *o)
{
    if (!o || !may_use(o->model, o->data, o->err))
        return NULL;
    tw_err own = {0};
    tw_predictions *predictions = twi_learn_predict(o, &own);
    give(&own, o->err);
    return predictions;
}

// ------------------------------------------------------------------------------------------------------------- history

int64_t tw_history_n_epochs(const tw_history *history)
{
    return history ? (int64_t)history->epochs.n : 0;
}

const tw_epoch *tw_history_epoch(const tw_history *history, int64_t i)
{
    int64_t n = tw_history_n_epochs(history);
    if (i < 0)
        i += n;
    return i >= 0 && i < n ? &history->epochs.at[i] : NULL;
}

double tw_history_value(const tw_history *history, int64_t i, const char *name)
{
    const twi_history *all = history ? &history->all : NULL;
    int64_t n = all ? (int64_t)all->epochs.n : 0;
    if (i < 0)
        i += n;
    if (!name || i < 0 || i >= n)
        return (double)NAN;
    return twi_epoch_value(&all->epochs.at[i], all->n_metrics, all->metric, name);
}

int64_t tw_history_best(const tw_history *history)
{
    return history ? history->best : -1;
}

bool tw_history_is_stopped(const tw_history *history)
{
    return history && history->is_stopped;
}

void tw_history_free(tw_history *history)
{
    twi_learn_history_free(history);
}

// ------------------------------------------------------------------------------------------------------------ callbacks

tw_model *tw_training_model(tw_training *training)
{
    return training ? training->m : NULL;
}

double tw_training_learning_rate(const tw_training *training)
{
    return training && training->watch->learning_rate ? *training->watch->learning_rate : (double)NAN;
}

tw_status tw_training_set_learning_rate(tw_training *training, double rate)
{
    if (!training || !training->watch->learning_rate || !(rate >= 0))
        return TW_EINVAL;
    *training->watch->learning_rate = rate;
    return TW_OK;
}

void tw_training_stop(tw_training *training)
{
    if (training)
        training->watch->wants_stop = true;
}

double tw_training_value(const tw_training *training, const char *name)
{
    if (!training || !name || !training->watch->epoch)
        return (double)NAN;
    return twi_epoch_value(training->watch->epoch, training->n_metrics, training->metric, name);
}

// -------------------------------------------------------------------------------------------------------------- answers

void tw_scores_free(tw_scores *scores)
{
    twi_learn_scores_free(scores);
}

int64_t tw_predictions_class(const tw_predictions *p, int64_t i, double *probability)
{
    if (!p || i < 0 || i >= p->n)
        return -1;
    const float *row = p->at + i * p->k;
    int64_t c = twi_answer_class(row, p->k);
    if (probability)
        *probability = twi_answer_probability(row, p->k, c);
    return c;
}

void tw_predictions_free(tw_predictions *predictions)
{
    twi_learn_predictions_free(predictions);
}
