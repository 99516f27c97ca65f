// What a training run's curves say: facts for the rules, and the words. See report/diagnose.h.

#include "job/training.h"
#include "report/diagnose.h"

#include <math.h>
#include <string.h>

typedef struct gathered {
    int64_t *n_train; // [classes]
    float *answers;   // [n, k] of validation photos
    int32_t *labels;  // [n]
    int64_t n;
} gathered;

static tw_status gather(const training *t, int64_t k, gathered *g, tw_err *err)
{
    size_t n = t->photos.at.n;
    g->n_train = twi_new(t->photos.classes.n, sizeof *g->n_train, "counts", err);
    g->answers = twi_new(n * (size_t)k, sizeof *g->answers, "answers", err);
    g->labels = twi_new(n, sizeof *g->labels, "answers", err);
    if (!g->n_train || !g->answers || !g->labels)
        return TW_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const twi_photo *photo = &t->photos.at.at[i];
        if (photo->skipped || photo->label < 0)
            continue;
        if (photo->part == TWI_TRAIN)
            g->n_train[photo->label]++;
        if (photo->part != TWI_VAL || !t->val.n || !t->answers)
            continue;
        memcpy(g->answers + g->n * k, t->answers + (int64_t)i * k, (size_t)k * sizeof *g->answers);
        g->labels[g->n++] = photo->label;
    }
    return TW_OK;
}

// A word as a shell reads it.
static void add_word(twi_str *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        twi_str_add(out, word);
        return;
    }
    twi_str_add(out, "'");
    for (; *word; word++)
        twi_str_printf(out, *word == '\'' ? "'\\''" : "%c", *word);
    twi_str_add(out, "'");
}

// Where a run is kept and how fast it goes says nothing about what it learns.
static bool is_of_this_run(const char *key)
{
    static const char *const keys[] = {"photos", "output_dir", "force",  "resume",      "config", "format",
                                       "cache",  "threads",    "memory", "cache_limit", "plan"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool is_advised(const char *flag, const char *advice)
{
    size_t n = strlen(flag);
    for (const char *at = advice; (at = strstr(at, flag)); at += n)
        if (at[n] == ' ' || !at[n])
            return true;
    return false;
}

static void add_option(const char *key, const json_t *value, const char *advice, twi_str *out)
{
    char flag[80];
    snprintf(flag, sizeof flag, "--%s", key);
    for (char *c = flag; *c; c++)
        *c = *c == '_' ? '-' : *c;
    if (is_advised(flag, advice) || json_is_null(value))
        return;
    if (json_is_false(value)) {
        twi_str_printf(out, " --no-%s", flag + 2);
        return;
    }
    twi_str_printf(out, " %s", flag);
    if (json_is_string(value)) {
        twi_str_add(out, " ");
        add_word(out, json_string_value(value));
    } else if (json_is_number(value)) {
        twi_str_printf(out, " %.10g", json_number_value(value));
    }
}

// "topwork train photos/ --model vgg16 --dropout 0.5": a command to type, with what this run was given, and the advice.
static tw_status add_command(const training *t, const char *advice, twi_str *out, tw_err *err)
{
    tw_train_options plain = {0};
    twi_arena arena = {0};
    json_t *now = json_object(), *otherwise = json_object(), *value;
    const char *key;
    tw_status status = twi_fields_default(tw_train_fields, &plain, &arena, err);
    if (!status)
        status = twi_fields_write(tw_train_fields, t->o, now, err);
    if (!status)
        status = twi_fields_write(tw_train_fields, &plain, otherwise, err);
    twi_str_add(out, "topwork train ");
    add_word(out, t->o->photos);
    json_object_foreach(now, key, value)
    {
        if (!is_of_this_run(key) && !json_equal(value, json_object_get(otherwise, key)))
            add_option(key, value, advice, out);
    }
    twi_str_printf(out, " %s", advice);
    json_decref(now);
    json_decref(otherwise);
    twi_arena_clear(&arena);
    return status;
}

static tw_status keep(training *t, const twi_reading *r, tw_err *err)
{
    twi_str command = {0};
    tw_status status = r->advice.n ? add_command(t, r->advice.text, &command, err) : TW_OK;
    twi_str_printf(&t->reading, "%s%s%s%s", t->reading.n ? "\n" : "", r->text.text,
                   command.n ? "\ntry  " : "", command.n ? command.text : "");
    json_array_append_new(t->readings, json_pack("{ss ss ss}", "rule", r->rule, "text", r->text.text, "try",
                                                 command.n ? command.text : ""));
    twi_str_clear(&command);
    return status;
}

// Reads the phase whose weights were kept; the head's unless fine-tuning was better.
tw_status twi_training_read(training *t, tw_err *err)
{
    int phase = t->n_phases - 1;
    if (phase == TWI_FINE_TUNE && !twi_training_is_tuned(t))
        phase = TWI_HEAD;
    if (phase < 0 || (!t->history[phase].epochs.n && !t->is_diverged))
        return TW_OK;
    tw_shape out = twi_model_shape(t->classifier.model, t->classifier.model->outputs.at[0]);
    gathered g = {0};
    twi_readings readings = {0};
    tw_status status = gather(t, twi_shape_last(&out), &g, err);
    twi_run_facts facts = {.history = &t->history[phase],
                           .val = &t->val,
                           .n_train = g.n_train,
                           .n_classes = (int64_t)t->photos.classes.n,
                           .classes = (const char *const *)t->photos.classes.at,
                           .learning_rate = phase == TWI_FINE_TUNE ? twi_training_fine_rate(t) : t->lr,
                           .dropout = t->o->dropout,
                           .l2 = t->o->l2,
                           .augment_copies = t->o->augment_copies,
                           .val_split = t->photos.has_parts ? (double)NAN : t->o->val_split,
                           .has_rate_rule = t->o->callbacks || t->o->schedule,
                           .epochs = phase == TWI_HEAD ? t->o->epochs : t->o->fine_tune,
                           .fine_tune = t->o->fine_tune,
                           .is_fine_tuned = phase == TWI_FINE_TUNE,
                           .is_diverged = t->is_diverged,
                           .is_balanced = t->class_weight != NULL,
                           .answers = g.answers,
                           .labels = g.labels,
                           .n_answers = g.n,
                           .k = twi_shape_last(&out)};
    if (!status)
        status = twi_diagnose(&facts, &readings, err);
    if (!status && !(t->readings = json_array()))
        status = TW_ENOMEM;
    for (int i = 0; !status && i < readings.n; i++)
        status = keep(t, &readings.at[i], err);
    if (!status && t->reading.n)
        twi_say(t->tw, "reading", "%s", t->reading.text);
    twi_readings_clear(&readings);
    twi_free(g.n_train);
    twi_free(g.answers);
    twi_free(g.labels);
    return status;
}
