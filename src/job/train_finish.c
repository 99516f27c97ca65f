// The end of a training run: what is written, and what is said. See training.h.

#include "job/training.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---------------------------------------------------------------------------------------------------------------- files

static tw_status write_labels(training *t, tw_err *err)
{
    twi_str text = {0};
    for (size_t i = 0; i < t->photos.classes.n; i++)
        twi_str_printf(&text, "%s\n", t->photos.classes.at[i]);
    char *path = twi_run_file(t->dir, "labels.txt", err);
    tw_status status =
        path && !text.failed ? twi_file_write(path, text.text ? text.text : "", text.n, err) : TW_ENOMEM;
    twi_free(path);
    twi_str_clear(&text);
    return status;
}

static void remove_checkpoints(training *t)
{
    static const char *const names[] = {"checkpoint.tw", "checkpoint-fine-tune.tw"};
    for (int i = 0; i < 2; i++) {
        char *path = twi_run_file(t->dir, names[i], NULL);
        if (path)
            unlink(path);
        twi_free(path);
    }
}

static tw_status write_results(training *t, tw_err *err)
{
    static const char *const phase_names[TWI_PHASES] = {"head", "fine_tune"};
    tw_shape out = twi_model_shape(t->classifier.model, t->classifier.model->outputs.at[0]);
    twi_results r = {.model = t->classifier.model,
                     .architecture = t->o->model,
                     .head = t->classifier.head,
                     .photos = &t->photos,
                     .n_decoded = t->n_decoded,
                     .answers = t->answers,
                     .k = twi_shape_last(&out),
                     .n_phases = t->n_phases,
                     .total_seconds = twi_seconds() - t->began,
                     .features_seconds = t->features_seconds,
                     .val = t->val,
                     .test = t->test,
                     .precision = t->precision_text,
                     .weights = t->classifier.weights_source ? t->classifier.weights_source : "none",
                     .seed = (uint64_t)t->o->seed,
                     .memory_estimate = t->memory_estimate,
                     .rates = t->rates,
                     .schedule = t->schedule_drawn,
                     .dropped = t->dropped,
                     .reading = t->reading.n ? t->reading.text : NULL,
                     .readings = t->readings,
                     .is_interrupted = t->is_interrupted,
                     .is_diverged = t->is_diverged};
    for (int i = 0; i < t->n_phases; i++)
        r.phase[i] = (twi_phase){.name = phase_names[i],
                                 .history = &t->history[i],
                                 .seconds = t->seconds[i],
                                 .batch_size = t->batch_size[i],
                                 .is_kept = (i == TWI_FINE_TUNE) == twi_training_is_tuned(t),
                                 .batches = t->batches[i]};
    return twi_results_write(t->dir, &r, err);
}

// ---------------------------------------------------------------------------------------------------------------- words

static void say_result(training *t, const char *what, const twi_evaluation *e)
{
    if (!e->n)
        return;
    twi_str text = {0};
    char n[32];
    twi_str_printf(&text, "%.1f %% of %s %s photos right (95 %% interval %.1f–%.1f)", 100 * e->accuracy,
                   twi_str_thousands(n, sizeof n, e->n), what, 100 * e->low, 100 * e->high);
    if (e->n_classes <= 8) {
        twi_str_add(&text, "\n");
        for (int64_t c = 0; c < e->n_classes; c++) {
            int64_t n_class;
            double recall, precision;
            twi_evaluation_class(e, c, &n_class, &recall, &precision);
            if (n_class)
                twi_str_printf(&text, "%s %.1f %%   ", t->photos.classes.at[c], 100 * recall);
        }
        twi_str_add(&text, "loss ");
        twi_loss_add(&text, e);
    }
    twi_say(t->tw, "result", "%s", text.text ? text.text : "");
    twi_str_clear(&text);
}

static void say_skipped(training *t)
{
    int64_t n = 0;
    for (size_t i = 0; i < t->photos.at.n; i++)
        n += t->photos.at.at[i].skipped != NULL;
    if (n)
        twi_note(t->tw, "%lld %s could not be read: see %s/skipped.csv", (long long)n,
                 n == 1 ? "photo" : "photos", t->dir);
}

static void say_written(training *t)
{
    struct stat info;
    char *path = twi_run_file(t->dir, "model.keras", NULL);
    double megabytes = path && stat(path, &info) == 0 ? (double)info.st_size / 1e6 : 0;
    twi_free(path);
    twi_say(t->tw, "written", "%s/   model.keras %.1f MB · report.html · results.json        total %.1f s",
            t->dir, megabytes, twi_seconds() - t->began);
}

tw_status twi_training_finish(training *t, tw_err *err)
{
    tw_status status = write_labels(t, err);
    if (!status)
        status = twi_training_write_plan(t, err);
    say_skipped(t);
    say_result(t, "validation", &t->val);
    say_result(t, "test", &t->test);
    if (!status)
        status = twi_training_read(t, err);
    if (!status)
        status = write_results(t, err);
    if (!status)
        status = twi_report_html(t->dir, err);
    if (status)
        return status;
    if (!t->is_interrupted)
        remove_checkpoints(t);
    say_written(t);
    return TW_OK;
}
