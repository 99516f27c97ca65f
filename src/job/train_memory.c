// Whether a training run fits into memory: all its phases, before the first begins. See training.h and memory.h.
//
// Workers that make features are fewer where not all fit: rows do not depend on how many there are.

#include "job/memory.h"
#include "job/training.h"

#include <string.h>

static const char *const phase_words[TWI_PHASES] = {"training the head", "fine-tuning"};

// What a phase takes at its worst moment, with this batch size.
static tw_status phase_need(training *t, twi_phase_number phase, int64_t batch_size, int *workers,
                            int64_t *most, tw_err *err)
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
    if (status)
        return status;
    int n = twi_memory_workers(&features, t->threads, t->memory);
    if (workers)
        *workers = n;
    *most = twi_memory_all(&features, n);
    if (twi_memory_all(&fit, t->threads) > *most)
        *most = twi_memory_all(&fit, t->threads);
    return TW_OK;
}

// The largest batch of half, a quarter … that fits, as advice.
static void advise(training *t, twi_phase_number phase, char *advice, size_t size)
{
    int64_t room = twi_memory_room(t->memory).bytes, used = twi_memory_room(t->memory).used, most = 0;
    const char *other = phase == TWI_HEAD
                            ? "a smaller --head, --model or --input-size"
                            : "a --fine-tune-from LAYER nearer to the output, or a smaller --input-size";
    char text[32];
    tw_err ignored = {0};
    for (int64_t batch = t->o->batch_size / 2; batch >= 1; batch /= 2) {
        if (phase_need(t, phase, batch, NULL, &most, &ignored))
            break;
        if (most > room)
            continue;
        snprintf(advice, size, "try  --batch-size %lld (about %s)\nor   %s", (long long)batch,
                 twi_bytes_text(text, sizeof text, used + most), other);
        return;
    }
    snprintf(advice, size, "try  %s", other);
}

static tw_status check_phase(training *t, twi_phase_number phase, tw_err *err)
{
    int64_t most = 0;
    char advice[256] = "", what[96];
    tw_status status = phase_need(t, phase, t->o->batch_size, &t->feature_workers[phase], &most, err);
    if (status)
        return status;
    twi_room room = twi_memory_room(t->memory);
    if (room.used + most > t->memory_estimate)
        t->memory_estimate = room.used + most;
    if (most > room.bytes)
        advise(t, phase, advice, sizeof advice);
    snprintf(what, sizeof what, "%s with --batch-size %lld", phase_words[phase], (long long)t->o->batch_size);
    return twi_memory_check(most, t->memory, what, advice, err);
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
