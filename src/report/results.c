// The files of a run that programs read: results.json and the CSV files. See report.h.

#include "report/csv.h"
#include "report/report.h"

#include "base/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

// ---------------------------------------------------------------------------------------------------------- small parts

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static tw_status write_text(const char *dir, const char *name, twi_str *text, tw_err *err)
{
    twi_str path = {0};
    twi_str_printf(&path, "%s/%s", dir, name);
    tw_status status = text->failed || path.failed
                           ? twi_fail_memory(err, text->n, name)
                           : twi_file_write(path.text, text->text ? text->text : "", text->n, err);
    twi_str_clear(&path);
    twi_str_clear(text);
    return status;
}

static const char *const part_names[TWI_PARTS] = {"train", "val", "test"};

// -------------------------------------------------------------------------------------------------------------- results

static json_t *phases_json(const twi_results *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->n_phases; i++) {
        const twi_history *h = r->phase[i].history;
        json_t *one = json_pack("{ss sI sf sI sb}", "name", r->phase[i].name, "epochs",
                                (json_int_t)h->epochs.n, "seconds", r->phase[i].seconds, "best_epoch",
                                (json_int_t)h->best_epoch + 1, "stopped_early", (int)h->is_stopped_early);
        json_object_set_new(one, "step_seconds", number(h->step_seconds));
        json_object_set_new(one, "batch_size", json_integer((json_int_t)r->phase[i].batch_size));
        json_object_set_new(one, "kept", json_boolean(r->phase[i].is_kept));
        if (r->phase[i].batches)
            json_object_set_new(one, "batch_sizes", json_deep_copy(r->phase[i].batches));
        if (h->n_again) // activations that were made a second time to take less memory
            json_object_set_new(one, "recomputed",
                                json_pack("{si sf}", "ops", h->n_again, "more_time", h->more_time));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *photos_json(const twi_results *r)
{
    int64_t skipped = 0;
    for (size_t i = 0; i < r->photos->at.n; i++)
        skipped += r->photos->at.at[i].skipped != NULL;
    return json_pack("{sI sI sI sI sI}", "train", (json_int_t)twi_photos_count(r->photos, TWI_TRAIN), "val",
                     (json_int_t)twi_photos_count(r->photos, TWI_VAL), "test",
                     (json_int_t)twi_photos_count(r->photos, TWI_TEST), "skipped", (json_int_t)skipped,
                     "decoded", (json_int_t)r->n_decoded);
}

static json_t *scores_json(const twi_results *r, const twi_evaluation *e, tw_err *err)
{
    return twi_evaluation_json(e, (const char *const *)r->photos->classes.at, err);
}

static json_t *params_json(const tw_model *m, tw_err *err)
{
    twi_weights all = {0};
    if (twi_model_weights(m, &all, err))
        return NULL;
    json_int_t count[2] = {0, 0};
    for (int i = 0; i < all.n; i++)
        count[all.at[i]->is_trainable] += (json_int_t)twi_shape_count(&all.at[i]->shape);
    twi_weights_clear(&all);
    return json_pack("{sI sI sI}", "total", count[0] + count[1], "trainable", count[1], "non_trainable",
                     count[0]);
}

static json_t *versions_json(void)
{
    char compute[128];
    twi_ops_versions(compute, sizeof compute);
    return json_pack("{ss ss}", "topwork", tw_version(), "compute", compute);
}

static json_int_t peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (json_int_t)usage.ru_maxrss * 1024 : 0;
}

json_t *twi_results_json(const twi_results *r, tw_err *err)
{
    json_t *classes = json_array();
    for (size_t i = 0; i < r->photos->classes.n; i++)
        json_array_append_new(classes, json_string(r->photos->classes.at[i]));
    double head = r->n_phases > 0 ? r->phase[0].seconds : 0, tune = r->n_phases > 1 ? r->phase[1].seconds : 0;
    json_t *all = json_pack("{ss ss ss so so so}", "model", r->architecture, "head", r->head ? r->head : "",
                            "weights", r->weights ? r->weights : "none", "classes", classes, "photos",
                            photos_json(r), "phases", phases_json(r));
    json_object_set_new(all, "seconds",
                        json_pack("{sf sf sf sf}", "total", r->total_seconds, "features", r->features_seconds,
                                  "head", head, "fine_tune", tune));
    json_object_set_new(all, "val", r->val.n ? scores_json(r, &r->val, err) : json_null());
    json_object_set_new(all, "test", r->test.n ? scores_json(r, &r->test, err) : json_null());
    json_object_set_new(all, "peak_rss_bytes", json_integer(peak_rss()));
    if (r->memory_estimate)
        json_object_set_new(all, "memory_estimate_bytes", json_integer(r->memory_estimate));
    json_object_set_new(all, "images_per_second",
                        r->n_decoded && r->features_seconds > 0
                            ? number((double)r->n_decoded / r->features_seconds)
                            : json_null());
    json_object_set_new(all, "params", params_json(r->model, err));
    json_object_set_new(all, "sparsity", twi_weights_json(r->model, err));
    json_object_set_new(all, "precision", json_string(r->precision));
    json_object_set_new(all, "versions", versions_json());
    json_object_set_new(all, "seed", json_integer((json_int_t)r->seed));
    json_object_set_new(all, "preprocessing_inside", json_true());
    json_object_set_new(all, "interrupted", json_boolean(r->is_interrupted));
    json_object_set_new(all, "diverged", json_boolean(r->is_diverged));
    if (r->rates)
        json_object_set_new(all, "learning_rates", json_deep_copy(r->rates));
    if (r->schedule)
        json_object_set_new(all, "schedule", json_deep_copy(r->schedule));
    if (r->dropped)
        json_object_set_new(all, "dropout", json_deep_copy(r->dropped));
    if (r->reading)
        json_object_set_new(all, "reading", json_string(r->reading));
    if (r->readings)
        json_object_set_new(all, "readings", json_deep_copy(r->readings));
    return all;
}

static tw_status write_results(const char *dir, const twi_results *r, tw_err *err)
{
    json_t *json = twi_results_json(r, err);
    if (!json)
        return TW_ENOMEM;
    twi_str path = {0};
    twi_str_printf(&path, "%s/results.json", dir);
    tw_status status = path.failed ? TW_ENOMEM : twi_json_write(path.text, json, err);
    twi_str_clear(&path);
    json_decref(json);
    return status;
}

// ------------------------------------------------------------------------------------------------------------ CSV files

// Keras's CSVLogger: epoch counted from 0, keys in alphabetical order. Epochs of the second phase go on counting.
typedef struct history_columns {
    int n;
    char name[2 * TWI_METRICS_MAX + 8][TWI_METRIC_LABEL + 8];
} history_columns;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_columns(const twi_history *h, history_columns *c)
{
    static const char *const always[] = {"accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"};
    for (int i = 0; i < 5; i++)
        snprintf(c->name[c->n++], sizeof c->name[0], "%s", always[i]);
    for (int i = 0; i < 2 * h->n_metrics; i++)
        snprintf(c->name[c->n++], sizeof c->name[0], "%s%s", i % 2 ? "val_" : "", h->metric[i / 2]);
    qsort(c->name, (size_t)c->n, sizeof c->name[0], by_name);
}

static tw_status write_history(const char *dir, const twi_results *r, tw_err *err)
{
    twi_str text = {0};
    history_columns c = {0};
    static const twi_history none;
    list_columns(r->n_phases ? r->phase[0].history : &none, &c);
    twi_str_add(&text, "epoch");
    for (int i = 0; i < c.n; i++)
        twi_str_printf(&text, ",%s", c.name[i]);
    twi_str_add(&text, "\n");
    int64_t epoch = 0;
    for (int p = 0; p < r->n_phases; p++)
        for (size_t i = 0; i < r->phase[p].history->epochs.n; i++) {
            const twi_history *h = r->phase[p].history;
            twi_str_printf(&text, "%lld", (long long)epoch++);
            for (int j = 0; j < c.n; j++) {
                twi_str_add(&text, ",");
                twi_csv_number(&text, twi_epoch_value(&h->epochs.at[i], h->n_metrics, h->metric, c.name[j]));
            }
            twi_str_add(&text, "\n");
        }
    return write_text(dir, "history.csv", &text, err);
}

static void add_prediction(twi_str *text, const twi_results *r, size_t i)
{
    const twi_photo *photo = &r->photos->at.at[i];
    const float *row = r->answers + (int64_t)i * r->k;
    int32_t answer = twi_answer_class(row, r->k);
    twi_csv_add(text, photo->path);
    twi_str_printf(text, ",%s,", part_names[photo->part]);
    twi_csv_add(text, r->photos->classes.at[photo->label]);
    twi_str_add(text, ",");
    twi_csv_add(text, r->photos->classes.at[answer]);
    twi_str_printf(text, ",%.6f", twi_answer_probability(row, r->k, answer));
    for (size_t c = 0; c < r->photos->classes.n; c++)
        twi_str_printf(text, ",%.6f", twi_answer_probability(row, r->k, (int64_t)c));
    twi_str_add(text, "\n");
}

static tw_status write_predictions(const char *dir, const twi_results *r, tw_err *err)
{
    twi_str text = {0};
    twi_str_add(&text, "path,part,label,predicted,probability");
    for (size_t c = 0; c < r->photos->classes.n; c++) {
        twi_str name = {0};
        twi_str_printf(&name, "p_%s", r->photos->classes.at[c]);
        twi_str_add(&text, ",");
        twi_csv_add(&text, name.text ? name.text : "");
        twi_str_clear(&name);
    }
    twi_str_add(&text, "\n");
    bool has_answers = r->val.n || r->test.n;
    for (size_t i = 0; has_answers && i < r->photos->at.n; i++)
        if (r->photos->at.at[i].part != TWI_TRAIN && !r->photos->at.at[i].skipped)
            add_prediction(&text, r, i);
    return write_text(dir, "predictions.csv", &text, err);
}

static tw_status write_split(const char *dir, const twi_results *r, tw_err *err)
{
    twi_str text = {0};
    twi_str_add(&text, "path,label,part\n");
    for (size_t i = 0; i < r->photos->at.n; i++) {
        const twi_photo *photo = &r->photos->at.at[i];
        twi_csv_add(&text, photo->path);
        twi_str_add(&text, ",");
        twi_csv_add(&text, r->photos->classes.at[photo->label]);
        twi_str_printf(&text, ",%s\n", photo->skipped ? "skipped" : part_names[photo->part]);
    }
    return write_text(dir, "split.csv", &text, err);
}

static tw_status write_skipped(const char *dir, const twi_results *r, tw_err *err)
{
    twi_str text = {0};
    twi_str_add(&text, "path,reason\n");
    for (size_t i = 0; i < r->photos->at.n; i++)
        if (r->photos->at.at[i].skipped) {
            twi_csv_add(&text, r->photos->at.at[i].path);
            twi_str_add(&text, ",");
            twi_csv_add(&text, r->photos->at.at[i].skipped);
            twi_str_add(&text, "\n");
        }
    return write_text(dir, "skipped.csv", &text, err);
}

tw_status twi_results_write(const char *dir, const twi_results *r, tw_err *err)
{
    tw_status status = write_history(dir, r, err);
    if (!status)
        status = write_predictions(dir, r, err);
    if (!status)
        status = write_split(dir, r, err);
    if (!status)
        status = write_skipped(dir, r, err);
    return status ? status : write_results(dir, r, err);
}
