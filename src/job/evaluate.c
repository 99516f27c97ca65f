// topwork evaluate: how good a model is on photos whose classes are known.

#include "job/job.h"
#include "job/learn.h"
#include "job/memory.h"
#include "job/open.h"
#include "job/penalties.h"
#include "report/report.h"

#include <ctype.h>
#include <string.h>

typedef struct evaluation {
    tw_context *tw;
    const tw_evaluate_options *o;
    tw_model *model;
    twi_recipe recipe;
    twi_photos photos;
    twi_vec(const char *) labels; // the model's, in its order; NULL-ended for matching
    twi_progress stage;
    int64_t n_bad;
    float *share;    // [photos] what activities add to the loss, or NULL: not to be told photo by photo
    double penalty;  // what all regularizers add
    tw_setting loss; // the model's
} evaluation;

// ---------------------------------------------------------------------------------------------------------------- names

// "Class 1" and "class-1", "cat" and "cats": one class. Case, '-', '_', blanks and a plural s do not matter.
static bool is_same_class(const char *a, const char *b)
{
    char plain[2][256];
    for (int i = 0; i < 2; i++) {
        const char *from = i ? b : a;
        size_t n = 0;
        for (; *from && n < sizeof plain[i] - 1; from++)
            if (!strchr("-_ ", *from))
                plain[i][n++] = (char)tolower((unsigned char)*from);
        if (n > 1 && plain[i][n - 1] == 's')
            n--;
        plain[i][n] = 0;
    }
    return strcmp(plain[0], plain[1]) == 0;
}

// Turns the folder's classes into the model's: by name where each has a partner, else by sorted order with a notice.
static tw_status match_classes(evaluation *e, tw_err *err)
{
    size_t n = e->photos.classes.n, n_model = e->labels.n;
    int32_t *to = twi_new(n, sizeof *to, "classes", err);
    if (!to)
        return TW_ENOMEM;
    size_t matched = 0;
    for (size_t c = 0; c < n; c++) {
        to[c] = -1;
        for (size_t m = 0; m < n_model; m++)
            if (to[c] < 0 && is_same_class(e->photos.classes.at[c], e->labels.at[m]))
                to[c] = (int32_t)m;
        matched += to[c] >= 0;
    }
    tw_status status = TW_OK;
    if (matched < n && n != n_model) {
        size_t c = 0;
        while (to[c] >= 0)
            c++;
        status = twi_fail(err, TW_EUNUSABLE,
                          "the model does not know class '%s' of the photos (%zu classes, the model has %zu)",
                          e->photos.classes.at[c], n, n_model);
    } else if (matched < n) {
        twi_str text = {0};
        for (size_t c = 0; c < n; c++) {
            to[c] = (int32_t)c;
            twi_str_printf(&text, "%s%s = %s", c ? ", " : "", e->photos.classes.at[c], e->labels.at[c]);
        }
        twi_note(e->tw, "class names differ, so they are matched by order: %s", text.text ? text.text : "");
        twi_str_clear(&text);
    }
    for (size_t i = 0; !status && i < e->photos.at.n; i++)
        e->photos.at.at[i].label = to[e->photos.at.at[i].label];
    twi_free(to);
    return status;
}

// ------------------------------------------------------------------------------------------------------------------ run

static void on_progress(void *self, int64_t done, int64_t total)
{
    evaluation *e = self;
    twi_progress_set(&e->stage, done, total, NULL);
}

static bool is_cancelled(void *self)
{
    const evaluation *e = self;
    return twi_is_cancelled(e->tw);
}

// Answers of all photos; unreadable ones are left out, with a warning each. *n counts what remains.
static tw_status answer(evaluation *e, twi_predictor *p, float *answers, int32_t *label, int64_t *n,
                        tw_err *err)
{
    size_t all = e->photos.at.n;
    int64_t k = twi_predictor_outputs(p);
    const char **paths = twi_new(all, sizeof *paths, "paths", err);
    char **reason = twi_new(all, sizeof *reason, "reasons", err);
    tw_status status = paths && reason ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < all; i++)
        paths[i] = e->photos.at.at[i].path;
    if (!status)
        status = twi_predictor_run(p, (int64_t)all, paths, answers, reason, err);
    if (!status && !e->share)
        status = twi_penalties_of_photos(e->model, &e->recipe, (int64_t)all, paths, reason, e->o->batch_size,
                                         twi_threads(e->tw, e->o->threads), &e->penalty, err);
    *n = 0;
    for (size_t i = 0; !status && i < all; i++) {
        if (reason[i]) {
            twi_warn(e->tw, "%s: %s", paths[i], reason[i]);
            e->n_bad++;
            continue;
        }
        if (e->share)
            e->share[*n] = e->share[i];
        memmove(answers + *n * k, answers + (int64_t)i * k, (size_t)k * sizeof *answers);
        label[(*n)++] = e->photos.at.at[i].label;
    }
    for (size_t i = 0; reason && i < all; i++)
        twi_free(reason[i]);
    twi_free(reason);
    twi_free(paths);
    return status;
}

static tw_status print(evaluation *e, const twi_evaluation *result, tw_err *err)
{
    if (e->o->format == TW_FORMAT_JSON) {
        json_t *json = twi_evaluation_json(result, e->labels.at, err);
        char *text = json ? twi_json_text(json, 2, err) : NULL;
        if (text)
            twi_print(e->tw, "%s\n", text);
        twi_free(text);
        json_decref(json);
        return text ? TW_OK : TW_ENOMEM;
    }
    twi_str text = {0};
    tw_status status = twi_evaluation_text(result, e->labels.at, &text, err);
    if (!status)
        twi_write(e->tw, text.text ? text.text : "", text.n);
    twi_str_clear(&text);
    return status;
}

// Keras's meaning: the loss the model was compiled with. One that is not known here does not keep anybody from the rest.
static tw_status choose_loss(evaluation *e, int64_t k, tw_err *err)
{
    tw_err own = {0};
    if (!twi_compiled_loss(e->model, k, &e->loss, &own))
        return TW_OK;
    e->loss = (tw_setting){.kind = NULL};
    twi_note(e->tw, "%s: the loss shown is cross-entropy instead", own.msg);
    const tw_field field = {
        .key = "loss", .type = TW_FIELD_SETTING, .find = twi_loss_find, .names = twi_loss_names};
    return twi_setting_text(&e->loss, k == 1 ? "binary_crossentropy" : "categorical_crossentropy", &field,
                            "loss", err);
}

static tw_status measure(evaluation *e, twi_predictor *p, tw_err *err)
{
    int64_t k = twi_predictor_outputs(p), n = 0, n_classes = k == 1 ? 2 : k;
    float *answers = twi_new(e->photos.at.n * (size_t)k, sizeof *answers, "answers", err);
    int32_t *label = twi_new(e->photos.at.n, sizeof *label, "labels", err);
    twi_evaluation result = {0};
    tw_status status = answers && label ? answer(e, p, answers, label, &n, err) : TW_ENOMEM;
    if (!status && !n)
        status = twi_fail(err, TW_EUNUSABLE, "none of the photos could be read");
    if (!status && e->share)
        e->penalty = twi_penalties_sum(e->model, n, e->share, err);
    if (!status)
        status = twi_evaluate(answers, k, label, n, n_classes, &e->loss, e->penalty, &result, err);
    if (!status)
        status = print(e, &result, err);
    twi_evaluation_clear(&result);
    twi_free(label);
    twi_free(answers);
    return status;
}

// The model's class names; numbers where it has none.
static tw_status collect_labels(evaluation *e, int64_t n_classes, tw_err *err)
{
    if (twi_info_n_labels(e->model) != n_classes) {
        twi_note(e->tw, "the model names no classes: the photos' own names are used in their order");
        if ((int64_t)e->photos.classes.n != n_classes)
            return twi_fail(err, TW_EUNUSABLE, "the photos have %zu classes, the model has %lld",
                            e->photos.classes.n, (long long)n_classes);
    }
    for (int64_t c = 0; c < n_classes; c++) {
        const char *name = twi_info_n_labels(e->model) == n_classes ? twi_info_label(e->model, (int)c)
                                                                    : e->photos.classes.at[c];
        if (!twi_vec_push(&e->labels, name, err))
            return TW_ENOMEM;
    }
    return TW_OK;
}

static tw_status run(evaluation *e, tw_err *err)
{
    const tw_evaluate_options *o = e->o;
    twi_load_options loading = {0};
    twi_load_report report = {0};
    twi_photos_options photos = {.labels = o->labels, .label_regex = o->label_regex, .needs_classes = true};
    tw_status status = twi_photos_open(o->photos, &photos, &e->photos, err);
    e->model = status ? NULL : twi_open_file(o->model, &loading, &report, err);
    twi_load_report_clear(&report);
    if (!e->model || twi_open_size(e->model, e->model, o->input_size, err))
        return err->status;
    status = twi_open_recipe(e->model, o->preprocess, o->exact_decode, &e->recipe, err);
    if (status)
        return status;
    bool is_joint = false;
    status = twi_penalties_are_joint(e->model, &is_joint, err);
    if (!status && !is_joint && !(e->share = twi_new(e->photos.at.n, sizeof *e->share, "penalties", err)))
        status = TW_ENOMEM;
    if (status)
        return status;
    twi_predict_options predict = {.penalty = e->share,
                                   .recipe = &e->recipe,
                                   .precision = o->precision == 1   ? TWI_EXACT
                                                : o->precision == 3 ? TWI_BRAIN
                                                                    : TWI_PRECISE,
                                   .workers = twi_threads(e->tw, o->threads),
                                   .self = e,
                                   .on_progress = on_progress,
                                   .is_cancelled = is_cancelled};
    twi_predictor *p = twi_predictor_new(e->model, &predict, err);
    if (!p || twi_memory_fit_predictor(p, predict.workers, err)) {
        twi_predictor_free(p);
        return err->status;
    }
    int64_t k = twi_predictor_outputs(p);
    status = collect_labels(e, k == 1 ? 2 : k, err);
    if (!status)
        status = choose_loss(e, k, err);
    if (!status)
        status = match_classes(e, err);
    if (!status) {
        twi_progress_begin(&e->stage, e->tw, "evaluate", (int64_t)e->photos.at.n, "photos", NULL);
        status = measure(e, p, err);
    }
    twi_predictor_free(p);
    return status;
}

tw_status twi_job_evaluate(tw_context *tw, const tw_evaluate_options *o, tw_err *err)
{
    evaluation e = {.tw = tw, .o = o};
    tw_err own = {0};
    run(&e, &own);
    twi_free(e.share);
    twi_vec_clear(&e.labels);
    twi_photos_clear(&e.photos);
    twi_model_free(e.model);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
