// What a training run's curves say: facts for the rules, and the words. See report/diagnose.h.

#include "job/training.h"
#include "report/diagnose.h"

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

// "topwork train photos/ --model vgg16 --dropout 0.5": a command to type.
static void add_command(const training *t, const twi_str *advice, twi_str *out)
{
    twi_str_printf(out, "topwork train %s", t->o->photos);
    if (strcmp(t->o->model, "efficientnet-lite0") != 0)
        twi_str_printf(out, " --model %s", t->o->model);
    if (strcmp(t->o->head, TWI_HEAD_DEFAULT) != 0)
        twi_str_printf(out, " --head \"%s\"", t->o->head);
    twi_str_printf(out, " %s", advice->text);
}

static void keep(training *t, const twi_reading *r)
{
    twi_str command = {0};
    if (r->advice.n)
        add_command(t, &r->advice, &command);
    twi_str_printf(&t->reading, "%s%s%s%s", t->reading.n ? "\n" : "", r->text.text,
                   command.n ? "\ntry  " : "", command.n ? command.text : "");
    json_array_append_new(t->readings, json_pack("{ss ss ss}", "rule", r->rule, "text", r->text.text, "try",
                                                 command.n ? command.text : ""));
    twi_str_clear(&command);
}

// Reads the phase whose weights were kept; the head's unless fine-tuning was better.
tw_status twi_training_read(training *t, tw_err *err)
{
    int phase = t->n_phases - 1;
    if (phase == TWI_FINE_TUNE && !(t->history[phase].best < t->history[TWI_HEAD].best))
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
                           .learning_rate = t->lr,
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
        keep(t, &readings.at[i]);
    if (!status && t->reading.n)
        twi_say(t->tw, "reading", "%s", t->reading.text);
    twi_readings_clear(&readings);
    twi_free(g.n_train);
    twi_free(g.answers);
    twi_free(g.labels);
    return status;
}
