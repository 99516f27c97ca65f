// --batch-size auto: each phase's batch size, by measuring. See train/find_batch.h.
//
// A measured choice would differ from one time to the next, so the run directory keeps it: choices.json is what --resume
// goes by.

#include "job/memory.h"
#include "job/training.h"
#include "train/find_batch.h"

#include <string.h>

static bool fits(void *self, int64_t batch)
{
    training *t = self;
    tw_err ignored = {0};
    int64_t most = 0;
    return !twi_training_need(t, t->phase, batch, &most, &ignored) &&
           most <= twi_memory_room(t->memory).bytes;
}

static tw_status keep_choice(training *t, const char *phase, int64_t batch, tw_err *err)
{
    char *path = twi_run_file(t->dir, "choices.json", err);
    if (!path)
        return TW_ENOMEM;
    json_t *all = twi_file_exists(path) ? twi_json_read(path, NULL) : NULL;
    json_t *choices = json_is_object(all) ? json_incref(all) : json_object(),
           *sizes = json_object_get(choices, "batch_size");
    if (!json_is_object(sizes)) {
        sizes = json_object();
        json_object_set_new(choices, "batch_size", sizes);
    }
    json_object_set_new(sizes, phase, json_integer((json_int_t)batch));
    tw_status status = twi_json_write(path, choices, err);
    json_decref(choices);
    json_decref(all);
    twi_free(path);
    return status;
}

// What an earlier part of this run chose; 0: nothing.
static int64_t choice_of(const training *t, const char *phase)
{
    char *path = t->o->resume ? twi_run_file(t->dir, "choices.json", NULL) : NULL;
    json_t *choices = path && twi_file_exists(path) ? twi_json_read(path, NULL) : NULL;
    int64_t batch = twi_json_int(json_object_get(choices, "batch_size"), phase, 0);
    json_decref(choices);
    twi_free(path);
    return batch >= 1 && batch <= 65536 ? batch : 0;
}

static void say_choice(training *t, const char *stage, const twi_batches *b)
{
    twi_str text = {0};
    for (int i = 0; i < b->n; i++)
        twi_str_printf(&text, "%s%lld: %.0f", i ? " · " : "", (long long)b->size[i], b->photos_per_second[i]);
    twi_say(t->tw, stage, "batch size %lld, measured (photos a second: %s)", (long long)b->chosen,
            text.text ? text.text : "");
    twi_str_clear(&text);
}

tw_status twi_training_batch(training *t, const char *stage, twi_fit_options *o, tw_err *err)
{
    if (t->o->batch_size > 0) {
        o->batch_size = t->batch_size[t->phase] = t->o->batch_size;
        return TW_OK;
    }
    o->batch_size = t->batch_size[t->phase] = choice_of(t, o->phase);
    if (o->batch_size)
        return TW_OK;
    twi_batches b;
    twi_fit_options trial = *o;
    if (!(trial.learning_rate > 0)) // --lr auto comes afterwards
        trial.learning_rate = 1e-6;
    tw_status status =
        twi_find_batch(t->classifier.model, &t->part[TWI_TRAIN].samples, &trial, fits, &b, err);
    if (status)
        return status;
    o->batch_size = t->batch_size[t->phase] = b.chosen;
    if (!b.n) // stopped before anything was measured: the fit will see that too
        return TW_OK;
    json_t *list = json_array();
    for (int i = 0; i < b.n; i++)
        json_array_append_new(list, json_pack("{sI sf}", "size", (json_int_t)b.size[i], "photos_per_second",
                                              b.photos_per_second[i]));
    json_decref(t->batches[t->phase]);
    t->batches[t->phase] = list;
    say_choice(t, stage, &b);
    return keep_choice(t, o->phase, b.chosen, err);
}
