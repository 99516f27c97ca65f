// topwork predict: classes and probabilities of photos, one line each, in the order given.
//
// Photos are answered in groups, so that the first lines appear early and memory stays the same for any number.

#include "job/job.h"
#include "job/memory.h"
#include "job/open.h"
#include "report/csv.h"
#include "train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { GROUP = 64 };
#define UNSURE 0.6 // an answer below this is marked

typedef struct prediction {
    tw_context *tw;
    const tw_predict_options *o;
    tw_model *model;
    twi_recipe recipe;
    twi_predictor *predictor;
    int64_t k, n_classes;
    twi_vec(char *) paths;
    size_t longest; // path, for the column of the text format
    int64_t n_read, n_bad;
} prediction;

// ---------------------------------------------------------------------------------------------------------------- paths

static tw_status add_path(prediction *p, const char *path, tw_err *err)
{
    char *copy = twi_strdup(path, err);
    if (!copy || !twi_vec_push(&p->paths, copy, err)) {
        twi_free(copy);
        return TW_ENOMEM;
    }
    size_t n = strlen(path);
    p->longest = n > p->longest ? n : p->longest;
    return TW_OK;
}

static tw_status add_folder(prediction *p, const char *path, tw_err *err)
{
    twi_photos photos = {0};
    twi_photos_options o = {.needs_classes = false};
    tw_status status = twi_photos_open(path, &o, &photos, err);
    for (size_t i = 0; !status && i < photos.at.n; i++)
        status = add_path(p, photos.at.at[i].path, err);
    twi_photos_clear(&photos);
    return status;
}

static tw_status add_list(prediction *p, tw_err *err)
{
    char line[4096];
    tw_status status = TW_OK;
    while (!status && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line)
            status = add_path(p, line, err);
    }
    return status;
}

static tw_status collect(prediction *p, tw_err *err)
{
    tw_status status = TW_OK;
    for (int64_t i = 0; !status && i < p->o->photos.n; i++) {
        const char *path = p->o->photos.at[i];
        struct stat info;
        if (strcmp(path, "-") == 0)
            status = add_list(p, err);
        else if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            status = add_folder(p, path, err);
        else
            status = add_path(p, path, err);
    }
    if (!status && !p->paths.n)
        status = twi_fail(err, TW_EUNUSABLE, "there are no photos to answer for");
    return status;
}

// --------------------------------------------------------------------------------------------------------------- answers

static const char *label(const prediction *p, int64_t c, char buf[32])
{
    const char *name = c < twi_info_n_labels(p->model) ? twi_info_label(p->model, (int)c) : NULL;
    if (name)
        return name;
    snprintf(buf, 32, "class %lld", (long long)c);
    return buf;
}

// The c-th best class of a row (0: the best). Ties go to the smaller class.
static int64_t ranked(const prediction *p, const float *row, int64_t rank)
{
    for (int64_t c = 0; c < p->n_classes; c++) {
        double mine = twi_answer_probability(row, p->k, c);
        int64_t better = 0;
        for (int64_t d = 0; d < p->n_classes; d++) {
            double other = twi_answer_probability(row, p->k, d);
            better += other > mine || (other == mine && d < c);
        }
        if (better == rank)
            return c;
    }
    return 0;
}

static int64_t shown(const prediction *p)
{
    return p->o->topk < p->n_classes ? p->o->topk : p->n_classes;
}

static void print_text(prediction *p, const char *path, const float *row)
{
    char buf[32];
    twi_str line = {0};
    twi_str_printf(&line, "%-*s", (int)(p->longest < 120 ? p->longest : 120), path);
    for (int64_t i = 0; i < shown(p); i++) {
        int64_t c = ranked(p, row, i);
        twi_str_printf(&line, "   %s  %.3f", label(p, c, buf), twi_answer_probability(row, p->k, c));
    }
    if (twi_answer_probability(row, p->k, ranked(p, row, 0)) < UNSURE)
        twi_str_add(&line, "   unsure");
    twi_str_add(&line, "\n");
    twi_write(p->tw, line.text ? line.text : "", line.n);
    twi_str_clear(&line);
}

static void print_json(prediction *p, const char *path, const float *row, const char *reason)
{
    char buf[32];
    json_t *name = json_string(path);
    json_t *line = json_pack("{so}", "path", name ? name : json_string("(name is not UTF-8)"));
    if (reason) {
        json_object_set_new(line, "error", json_string(reason));
    } else {
        json_t *top = json_array();
        for (int64_t i = 0; i < shown(p); i++) {
            int64_t c = ranked(p, row, i);
            json_array_append_new(top, json_pack("{ss sf}", "label", label(p, c, buf), "probability",
                                                 twi_answer_probability(row, p->k, c)));
        }
        json_object_set_new(line, "top", top);
    }
    char *text = twi_json_text(line, 0, NULL);
    if (text)
        twi_print(p->tw, "%s\n", text);
    twi_free(text);
    json_decref(line);
}

static void print_csv(prediction *p, const char *path, const float *row)
{
    char buf[32];
    twi_str line = {0};
    twi_csv_add(&line, path);
    for (int64_t i = 0; i < shown(p); i++) {
        int64_t c = ranked(p, row, i);
        twi_str_add(&line, ",");
        twi_csv_add(&line, label(p, c, buf));
        twi_str_printf(&line, ",%.6f", twi_answer_probability(row, p->k, c));
    }
    twi_str_add(&line, "\n");
    twi_write(p->tw, line.text ? line.text : "", line.n);
    twi_str_clear(&line);
}

static void print_csv_head(prediction *p)
{
    twi_str line = {0};
    twi_str_add(&line, "path");
    for (int64_t i = 1; i <= shown(p); i++)
        twi_str_printf(&line, ",label_%lld,probability_%lld", (long long)i, (long long)i);
    twi_str_add(&line, "\n");
    twi_write(p->tw, line.text ? line.text : "", line.n);
    twi_str_clear(&line);
}

static void print_one(prediction *p, const char *path, const float *row, const char *reason)
{
    p->n_read += reason == NULL;
    p->n_bad += reason != NULL;
    if (p->o->format == TW_FORMAT_JSON)
        print_json(p, path, row, reason);
    else if (reason)
        twi_warn(p->tw, "%s: %s", path, reason);
    else if (p->o->format == TW_FORMAT_CSV)
        print_csv(p, path, row);
    else
        print_text(p, path, row);
}

static tw_status answer_group(prediction *p, size_t first, size_t n, float *answers, tw_err *err)
{
    char *reason[GROUP] = {0};
    tw_status status = twi_predictor_run(p->predictor, (int64_t)n, (const char *const *)p->paths.at + first,
                                         answers, reason, err);
    for (size_t i = 0; i < n; i++) {
        if (!status)
            print_one(p, p->paths.at[first + i], answers + i * (size_t)p->k, reason[i]);
        twi_free(reason[i]);
    }
    return status;
}

static tw_status answer_all(prediction *p, tw_err *err)
{
    float *answers = twi_new((size_t)(GROUP * p->k), sizeof *answers, "answers", err);
    if (!answers)
        return TW_ENOMEM;
    if (p->o->format == TW_FORMAT_CSV)
        print_csv_head(p);
    tw_status status = TW_OK;
    for (size_t at = 0; !status && at < p->paths.n; at += GROUP)
        status = answer_group(p, at, p->paths.n - at < GROUP ? p->paths.n - at : GROUP, answers, err);
    twi_free(answers);
    if (status || !p->n_bad)
        return status;
    return p->n_read ? twi_fail(err, TW_EFAILED, "%lld of %zu photos could not be read", (long long)p->n_bad,
                                p->paths.n)
                     : twi_fail(err, TW_EUNUSABLE, "none of the photos could be read");
}

static bool is_cancelled(void *self)
{
    const prediction *p = self;
    return twi_is_cancelled(p->tw);
}

static tw_model *open_model(const tw_predict_options *o, tw_err *err)
{
    if (twi_is_architecture(o->model)) {
        twi_zoo_options zoo = {.has_top = true};
        if (o->input_size)
            zoo.input = TWI_SHAPE(o->input_size, o->input_size, 3);
        return twi_open_architecture(o->model, &zoo, o->weights ? o->weights : "imagenet", NULL, 1, NULL,
                                     NULL, err);
    }
    twi_load_report report = {0};
    twi_load_options loading = {0};
    tw_model *m = twi_open_file(o->model, &loading, &report, err);
    twi_load_report_clear(&report);
    if (m && twi_open_size(m, m, o->input_size, err)) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

static tw_status name_classes(prediction *p, tw_err *err)
{
    bool is_missing = false;
    tw_status status = p->o->labels ? twi_labels_load(p->model, p->o->labels, err)
                                    : twi_imagenet_labels(p->model, &is_missing, err);
    if (!status && is_missing)
        twi_note(p->tw, "for the names of ImageNet's classes:  topwork fetch imagenet-classes");
    return status;
}

static tw_status open_all(prediction *p, tw_err *err)
{
    tw_status status = collect(p, err);
    p->model = status ? NULL : open_model(p->o, err);
    if (!p->model || name_classes(p, err))
        return err->status;
    status = twi_open_recipe(p->model, p->o->preprocess, p->o->exact_decode, &p->recipe, err);
    if (status)
        return status;
    twi_predict_options o = {.recipe = &p->recipe,
                             .precision = p->o->precision == 1   ? TWI_EXACT
                                          : p->o->precision == 3 ? TWI_BRAIN
                                                                 : TWI_PRECISE,
                             .workers = twi_threads(p->tw, p->o->threads),
                             .at_once = p->o->batch_size,
                             .self = p,
                             .is_cancelled = is_cancelled};
    p->predictor = twi_predictor_new(p->model, &o, err);
    if (!p->predictor || twi_memory_fit_predictor(p->predictor, o.workers, err))
        return err->status;
    p->k = twi_predictor_outputs(p->predictor);
    p->n_classes = p->k == 1 ? 2 : p->k;
    return TW_OK;
}

tw_status twi_job_predict(tw_context *tw, const tw_predict_options *o, tw_err *err)
{
    prediction p = {.tw = tw, .o = o};
    tw_err own = {0};
    if (!open_all(&p, &own))
        answer_all(&p, &own);
    twi_predictor_free(p.predictor);
    twi_model_free(p.model);
    for (size_t i = 0; i < p.paths.n; i++)
        twi_free(p.paths.at[i]);
    twi_vec_clear(&p.paths);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
