// Whether a training run fits into memory: all its phases, before the first begins. See training.h and memory.h.
//
// Workers that make features are fewer where not all fit: rows do not depend on how many there are. A step that would take
// too much keeps fewer activations and makes the others again (engine/recompute.c), before a smaller batch is advised.

#include "job/memory.h"
#include "job/training.h"

#include <string.h>

enum { SMALLEST = 8 }; // of --batch-size auto

static const char *const phase_words[TWI_PHASES] = {"training the head", "fine-tuning"};

// What a phase takes at its worst moment, and how.
typedef struct phase_need {
    int workers; // that make features
    int64_t most;
    int64_t run_limit; // of a step; 0: everything is kept
    double more_time;  // what that costs, as a part of a step
} phase_need;

// With this batch size.
static tw_status find_need(training *t, twi_phase_number phase, int64_t batch_size, bool may_recompute,
                           phase_need *need, tw_err *err)
{
    const tw_model *m = t->classifier.model;
    twi_frontier from = {0};
    tw_status status = twi_training_frontier(t, phase, &from, err);
    bool has_rows = !status && twi_training_keeps_rows(&from),
         is_online = twi_training_is_online(t, has_rows);
    twi_fit_size size = {.n_train = twi_photos_count(&t->photos, TWI_TRAIN),
                         .n_validation = twi_photos_count(&t->photos, TWI_VAL),
                         .has_pixels = !has_rows || is_online};
    twi_fit_options o = {.batch_size = batch_size,
                         .optimizer = t->optimizer,
                         .from = has_rows && !is_online ? &from : NULL,
                         .threads = t->threads};
    twi_need features = {0}, fit = {0};
    if (!status && has_rows)
        status = twi_need_pipeline(m, &from, t->precision, &features, err);
    if (!status && !from.is_all) // which is an error of its own
        status = twi_need_fit(m, &size, &o, &fit, err);
    if (!status && may_recompute && twi_memory_all(&fit, t->threads) > twi_memory_room(t->memory).bytes)
        status = twi_memory_lower(m, &size, &o, t->memory, &fit, err);
    if (status)
        return status;
    *need = (phase_need){.workers = twi_memory_workers(&features, t->threads, t->memory),
                         .run_limit = o.run_limit,
                         .more_time = fit.more_time};
    need->most = twi_memory_all(&features, need->workers);
    if (twi_memory_all(&fit, t->threads) > need->most)
        need->most = twi_memory_all(&fit, t->threads);
    return TW_OK;
}

tw_status twi_training_need(training *t, twi_phase_number phase, int64_t batch_size, int64_t *most,
                            tw_err *err)
{
    phase_need need = {0};
    tw_status status = find_need(t, phase, batch_size, false, &need, err);
    *most = need.most;
    return status;
}

// The largest batch of half, a quarter … that fits, as advice.
static void advise(training *t, twi_phase_number phase, char *advice, size_t size)
{
    int64_t room = twi_memory_room(t->memory).bytes, used = twi_memory_room(t->memory).used;
    const char *other = phase == TWI_HEAD
                            ? "a smaller --head, --model or --input-size"
                            : "a --fine-tune-from LAYER nearer to the output, or a smaller --input-size";
    char text[32];
    tw_err ignored = {0};
    for (int64_t batch = t->o->batch_size / 2; batch >= 1; batch /= 2) {
        phase_need need;
        if (find_need(t, phase, batch, true, &need, &ignored))
            break;
        if (need.most > room - room / 64)
            continue;
        snprintf(advice, size, "try  --batch-size %lld (about %s)\nor   %s", (long long)batch,
                 twi_bytes_text(text, sizeof text, used + need.most), other);
        return;
    }
    snprintf(advice, size, "try  %s", other);
}

static tw_status check_phase(training *t, twi_phase_number phase, tw_err *err)
{
    phase_need need;
    char advice[256] = "", what[96];
    int64_t batch = t->o->batch_size > 0 ? t->o->batch_size : SMALLEST;
    tw_status status = find_need(t, phase, batch, true, &need, err);
    if (status)
        return status;
    t->feature_workers[phase] = need.workers;
    t->run_limit[phase] = need.run_limit;
    twi_room room = twi_memory_room(t->memory);
    if (room.used + need.most > t->memory_estimate)
        t->memory_estimate = room.used + need.most;
    if (need.most > room.bytes)
        advise(t, phase, advice, sizeof advice);
    else if (need.run_limit)
        twi_memory_say_lowered(t->tw, phase_words[phase], t->memory, need.more_time);
    snprintf(what, sizeof what, "%s with --batch-size %lld", phase_words[phase], (long long)batch);
    return twi_memory_check(need.most, t->memory, what, advice, err);
}

// ------------------------------------------------------------------------------------------------------- fine-tuning

// What unfreezing changes, in the order of a walk through the model.
typedef struct flags {
    twi_vec(bool) at;
    size_t next; // when they are put back
} flags;

static bool one_flag(flags *f, bool *flag, bool puts_back, tw_err *err)
{
    if (!puts_back)
        return twi_vec_push(&f->at, *flag, err);
    *flag = f->at.at[f->next++];
    return true;
}

static bool walk_flags(flags *f, tw_model *m, bool puts_back, tw_err *err)
{
    bool ok = one_flag(f, &m->is_trainable, puts_back, err);
    for (size_t i = 0; ok && i < m->layers.n; i++) {
        twi_layer *layer = m->layers.at[i];
        ok = one_flag(f, &layer->is_trainable, puts_back, err) &&
             one_flag(f, &layer->is_inference, puts_back, err);
        for (int j = 0; ok && j < layer->n_weights; j++)
            ok = one_flag(f, &layer->weights[j].is_trainable, puts_back, err);
        if (ok && layer->nested)
            ok = walk_flags(f, layer->nested, puts_back, err);
    }
    return ok;
}

static tw_status check_fine_tuning(training *t, tw_err *err)
{
    flags before = {0};
    tw_status status = walk_flags(&before, t->classifier.model, false, err) ? TW_OK : TW_ENOMEM;
    if (!status) {
        status = twi_training_unfreeze(t, err);
        if (!status)
            status = check_phase(t, TWI_FINE_TUNE, err);
        walk_flags(&before, t->classifier.model, true, err);
    }
    twi_vec_clear(&before.at);
    return status;
}

tw_status twi_training_check_memory(training *t, tw_err *err)
{
    tw_status status = t->o->memory ? twi_bytes_read(t->o->memory, "--memory", &t->memory, err) : TW_OK;
    if (!status)
        status = check_phase(t, TWI_HEAD, err);
    return status || t->o->fine_tune <= 0 ? status : check_fine_tuning(t, err);
}
