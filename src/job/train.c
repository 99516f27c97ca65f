// topwork train: from a folder of photos to a tested classifier.
//
//   photos → split → classifier (trunk + head) → memory → features → head → (fine-tuning) → evaluation → run directory
//
// This is the annotated example of the room: a job is a list of steps on one struct, each of which can fail, and one
// place that clears everything whatever happened.

#include "base/room.h"
#include "job/job.h"
#include "job/training.h"

#include <stdlib.h>
#include <string.h>

// --------------------------------------------------------------------------------------------------------------- photos

static void say_photos(training *t)
{
    twi_str text = {0};
    char number[32];
    twi_str_printf(&text,
                   "%s in %zu classes: ", twi_str_thousands(number, sizeof number, (int64_t)t->photos.at.n),
                   t->photos.classes.n);
    size_t shown = t->photos.classes.n <= 12 ? t->photos.classes.n : 10;
    for (size_t c = 0; c < shown; c++) {
        int64_t n = 0;
        for (size_t i = 0; i < t->photos.at.n; i++)
            n += t->photos.at.at[i].label == (int32_t)c;
        twi_str_printf(&text, "%s%s %s", c ? " · " : "", t->photos.classes.at[c],
                       twi_str_thousands(number, sizeof number, n));
    }
    if (shown < t->photos.classes.n)
        twi_str_printf(&text, " · and %zu more", t->photos.classes.n - shown);
    twi_say(t->tw, "photos", "%s", text.text ? text.text : "");
    twi_str_clear(&text);
    if (t->photos.notes.n)
        twi_note(t->tw, "%s", t->photos.notes.text);
}

static tw_status find_photos(training *t, tw_err *err)
{
    twi_photos_options o = {.labels = t->o->labels,
                            .label_regex = t->o->label_regex,
                            .val = t->o->val,
                            .test = t->o->test,
                            .needs_classes = true};
    tw_status status = twi_photos_open(t->o->photos, &o, &t->photos, err);
    if (!status)
        status = twi_photos_limit(&t->photos, t->o->per_class, (uint64_t)t->o->seed, err);
    if (!status)
        status = twi_photos_split(&t->photos, t->o->val_split, t->o->test_split, (uint64_t)t->o->seed, err);
    if (status)
        return status;
    say_photos(t);
    char train[32], val[32], test[48] = "";
    int64_t n_test = twi_photos_count(&t->photos, TWI_TEST);
    if (n_test)
        snprintf(test, sizeof test, " · %lld test", (long long)n_test);
    twi_say(t->tw, "split", "%s train · %s validation%s, %s",
            twi_str_thousands(train, sizeof train, twi_photos_count(&t->photos, TWI_TRAIN)),
            twi_str_thousands(val, sizeof val, twi_photos_count(&t->photos, TWI_VAL)), test,
            t->photos.has_parts ? "as the folders say" : "stratified");
    return TW_OK;
}

// ----------------------------------------------------------------------------------------------------------- classifier

static twi_recipe recipe_of(const tw_train_options *o)
{
    return (twi_recipe){.filter = (twi_filter)o->filter,
                        .fit = (twi_fit_mode)o->resize,
                        .alpha = (twi_photo_alpha)o->photo_alpha,
                        .ignore_exif = o->exif != 0,
                        .exact_decode = o->exact_decode};
}

static void say_classifier(training *t)
{
    const twi_classifier *c = &t->classifier;
    char total[32], trained[32];
    int64_t yes = 0, no = 0, trunk_yes = 0;
    for (size_t i = 0; i < c->model->layers.n; i++) {
        int64_t a, b;
        twi_layer_params(c->model->layers.at[i], &a, &b);
        yes += a, no += b;
    }
    twi_layer_params(c->trunk, &trunk_yes, NULL);
    twi_say(t->tw, "model", "%s, %s%s%s\ntrunk %s parameters %s · new head %s: %s trained", t->o->model,
            c->weights_source ? "weights from " : "random weights",
            c->weights_source ? c->weights_source : "", c->dropped ? ", cut" : "",
            twi_str_thousands(total, sizeof total, c->trunk_params),
            trunk_yes == 0                 ? "frozen"
            : trunk_yes == c->trunk_params ? "trained"
                                           : "partly frozen",
            c->head, twi_str_thousands(trained, sizeof trained, yes));
    if (!c->weights_source && trunk_yes == 0)
        twi_warn(t->tw,
                 "the frozen trunk has random weights: it has learned nothing (--freeze none trains it)");
}

static void say_loaded(training *t)
{
    const twi_classifier *c = &t->classifier;
    const char *from = c->weights_source ? c->weights_source : t->o->model;
    if (c->loaded.skipped.n)
        twi_note(t->tw, "not loaded from %s: %s", from, c->loaded.skipped.text);
    if (c->loaded.left_over.n)
        twi_note(t->tw, "left over in %s: %s", from, c->loaded.left_over.text);
}

// Fine-tuning that frees the whole network lets frozen layers adapt to a new one in front of them: only told then.
static bool is_mended_later(const tw_train_options *o)
{
    return o->fine_tune > 0 && !o->fine_tune_from && !twi_classifier_keeps_frozen(o->freeze);
}

static tw_status check_surgery(training *t, tw_err *err)
{
    twi_surgery found;
    tw_status status = twi_model_surgery(t->classifier.model, &found, err);
    if (status)
        return status;
    if (found.new_layer && !found.new_learns && is_mended_later(t->o)) {
        twi_warn(t->tw, "'%s' is new, and frozen layers such as '%s' read what it gives until fine-tuning",
                 found.new_layer, found.frozen_after_new);
        return TW_OK;
    }
    char *note = NULL;
    status = twi_model_check_surgery(t->classifier.model, &note, err);
    if (note)
        twi_note(t->tw, "%s", note);
    twi_free(note);
    return status;
}

static tw_status read_setting(tw_setting *s, const char *key, const char *text,
                              const tw_setting_kind *(*find)(const char *), const char *const *(*names)(void),
                              tw_err *err)
{
    char where[32];
    snprintf(where, sizeof where, "--%s", key);
    tw_field field = {.key = key, .type = TW_FIELD_SETTING, .find = find, .names = names};
    tw_status status = twi_setting_text(s, text, &field, where, err);
    return status || s->kind ? status : twi_fail(err, TW_EINVAL, "--%s is needed, received '%s'", key, text);
}

static tw_status build_classifier(training *t, tw_err *err)
{
    const tw_train_options *o = t->o;
    twi_recipe recipe = recipe_of(o);
    twi_classifier_options c = {
        .model = o->model,
        .weights = o->weights,
        .top = o->top && !o->no_top,
        .input_size = o->input_size,
        .cut = o->cut,
        .head = o->head,
        .freeze = o->freeze,
        .l1 = o->l1,
        .l2 = o->l2,
        .dropout = o->dropout,
        .trains_norm = o->bn == 2 || (o->bn == 0 && twi_str_same(o->weights, "none")),
        .preprocess = o->preprocess,
        .recipe = &recipe,
        .loading = {.skip_mismatch = o->skip_mismatch, .by_name = o->by_name},
        .seed = (uint64_t)o->seed,
        .n_classes = (int64_t)t->photos.classes.n,
        .classes = (const char *const *)t->photos.classes.at,
    };
    tw_status status = twi_classifier_build(&c, &t->classifier, err);
    if (status)
        return status;
    // A head that ends in two softmax units has another loss than one of one sigmoid unit.
    tw_shape out = twi_model_shape(t->classifier.model, t->classifier.model->outputs.at[0]);
    if (!o->loss && twi_shape_last(&out) > 1)
        status =
            read_setting(&t->loss, "loss", "categorical_crossentropy", twi_loss_find, twi_loss_names, err);
    if (status)
        return status;
    say_classifier(t);
    say_loaded(t);
    status = twi_check_finite(t->classifier.model, TW_EDIVERGED, err);
    if (!status)
        status = check_surgery(t, err);
    if (status)
        return status;
    if (t->classifier.dropped && *t->classifier.dropped)
        twi_note(t->tw, "left out by the cut: %s", t->classifier.dropped);
    return TW_OK;
}

// -------------------------------------------------------------------------------------------------------------- settings

// What --augment-copies does where nothing is said: what hardly ever changes what a photo shows.
#define DEFAULT_CHANGES "flip, rotation:0.05, zoom:0.1, contrast:0.2:0.2"

// The optimizer's own rate, unless --lr says otherwise; 0: it is to be found.
static tw_status read_rate(training *t, tw_err *err)
{
    const tw_setting *s = &t->optimizer;
    const tw_setting_arg *own = &s->kind->args[0];
    const char *text = t->o->lr;
    char *end = NULL;
    if (text && s->value[0] != own->otherwise)
        return twi_fail(err, TW_EINVAL,
                        "the learning rate is given twice: --lr %s and learning_rate=%g in --optimizer", text,
                        s->value[0]);
    if (text && twi_str_same(text, "auto"))
        return TW_OK;
    t->lr = text ? strtod(text, &end) : s->value[0];
    if ((text && (end == text || *end)) || !(t->lr > 0 && t->lr <= own->high))
        return twi_fail(err, TW_EINVAL, "%s must be a number above 0, at most %g, or auto, received '%s'",
                        text ? "--lr" : "learning_rate in --optimizer", own->high, text ? text : "0");
    return TW_OK;
}

// Options that change nothing as the others stand: said, since whoever gave them expects something. A sweep may vary the others.
static void warn_without_effect(const training *t)
{
    const tw_train_options *o = t->o;
    const struct {
        bool is_given;
        const char *flag, *lacks;
    } rows[] = {{o->fine_tune_from && !o->fine_tune, "--fine-tune-from", "--fine-tune EPOCHS"},
                {o->fine_tune_lr > 0 && !o->fine_tune, "--fine-tune-lr", "--fine-tune EPOCHS"},
                {o->fine_tune_stem != 1 && o->fine_tune_stem > 0 && !o->fine_tune, "--fine-tune-stem",
                 "--fine-tune EPOCHS"},
                {o->fine_tune_warmup && !o->fine_tune, "--fine-tune-warmup", "--fine-tune EPOCHS"},
                {o->unfreeze_every && !o->fine_tune, "--unfreeze-every", "--fine-tune EPOCHS"},
                {o->augment_copies && !t->augment.n, "--augment-copies", "--augment"},
                {o->proximal && o->l1 <= 0 && !strstr(o->head, "l1"), "--proximal", "an L1 penalty (--l1)"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].is_given)
            twi_warn(t->tw, "%s has no effect without %s", rows[i].flag, rows[i].lacks);
}

static tw_status balance_classes(training *t, tw_err *err)
{
    size_t k = t->photos.classes.n;
    int64_t n_train = twi_photos_count(&t->photos, TWI_TRAIN);
    t->class_weight = twi_new(k, sizeof *t->class_weight, "class weights", err);
    if (!t->class_weight)
        return TW_ENOMEM;
    for (size_t c = 0; c < k; c++) {
        int64_t n = 0;
        for (size_t i = 0; i < t->photos.at.n; i++)
            n += t->photos.at.at[i].label == (int32_t)c && t->photos.at.at[i].part == TWI_TRAIN;
        t->class_weight[c] = n ? (double)n_train / ((double)k * (double)n) : 1;
    }
    return TW_OK;
}

static tw_status read_settings(training *t, tw_err *err)
{
    const tw_train_options *o = t->o;
    const char *loss = o->loss                    ? o->loss
                       : t->photos.classes.n == 2 ? "binary_crossentropy"
                                                  : "categorical_crossentropy";
    tw_status status =
        read_setting(&t->optimizer, "optimizer", o->optimizer, twi_optimizer_find, twi_optimizer_names, err);
    if (!status)
        status = twi_optimizer_check(&t->optimizer, "--optimizer", err);
    if (!status)
        status = read_setting(&t->loss, "loss", loss, twi_loss_find, twi_loss_names, err);
    if (!status && o->schedule)
        status =
            read_setting(&t->schedule, "schedule", o->schedule, twi_schedule_find, twi_schedule_names, err);
    if (!status)
        status = twi_metrics_text(&t->metrics, o->metrics, "--metrics", err);
    if (!status)
        status = twi_callbacks_text(&t->callbacks, o->callbacks, "--callbacks", err);
    if (status)
        return status;
    bool has_default = o->augment_copies > 0 && !o->augment;
    status = twi_augment_text(&t->augment, has_default ? DEFAULT_CHANGES : o->augment, "--augment", err);
    if (status)
        return status;
    if (has_default)
        twi_note(t->tw, "copies are changed by %s; --augment says otherwise", DEFAULT_CHANGES);
    twi_callbacks_split(&t->callbacks, &t->early_stopping);
    status = read_rate(t, err);
    if (status)
        return status;
    warn_without_effect(t);
    static const twi_precision precisions[] = {TWI_PRECISE, TWI_EXACT, TWI_PRECISE, TWI_BRAIN};
    static const char *const texts[] = {"f32", "exact", "f32", "bf16"};
    t->precision = precisions[o->precision];
    t->precision_text = texts[o->precision];
    status = twi_training_read_plan(t, err);
    return status ? status : o->class_weight ? balance_classes(t, err) : TW_OK;
}

static tw_status open_cache_dir(training *t, tw_err *err)
{
    const char *wanted = t->o->cache;
    if (t->o->cache_limit && twi_bytes_read(t->o->cache_limit, "--cache-limit", &t->cache_limit, err))
        return TW_EINVAL;
    if (wanted && twi_str_same(wanted, "off"))
        return TW_OK;
    t->cache_dir = wanted ? twi_strdup(wanted, err) : twi_home("features", err);
    return t->cache_dir ? TW_OK : TW_ENOMEM;
}

// -------------------------------------------------------------------------------------------------------- run directory

static tw_status open_run(training *t, bool *is_finished, tw_err *err)
{
    const tw_train_options *o = t->o;
    t->dir = twi_run_dir_make(o->output_dir, o->model, o->force, o->resume, err);
    if (!t->dir)
        return err && err->status ? err->status : TW_EWRITE;
    if (o->resume && twi_run_is_finished(t->dir)) {
        *is_finished = true;
        twi_say(t->tw, "resume", "nothing to do: the run in %s is finished", t->dir);
        return TW_OK;
    }
    json_t *args = json_object();
    tw_status status = twi_fields_write(tw_train_fields, o, args, err);
    if (!status)
        status = twi_run_args(t->dir, args, o->resume, err);
    json_decref(args);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- phases

// The best model so far is on disk after each phase: a crash later loses nothing, and a fine-tuning that made things
// worse is undone from there.
static tw_status save_model(training *t, tw_err *err)
{
    char *path = twi_run_file(t->dir, "model.keras", err);
    tw_status status = path ? twi_model_save(t->classifier.model, path, err) : TW_ENOMEM;
    twi_free(path);
    return status;
}

static tw_status take_back(training *t, tw_err *err)
{
    char *path = twi_run_file(t->dir, "model.keras", err);
    twi_load_options o = {0};
    twi_load_report report = {0};
    tw_status status = path ? twi_weights_load(t->classifier.model, path, &o, &report, err) : TW_ENOMEM;
    twi_load_report_clear(&report);
    twi_free(path);
    return status;
}

static tw_status fine_tune(training *t, tw_err *err)
{
    twi_training_close_phase(t);
    tw_status status = twi_training_unfreeze(t, err);
    if (!status)
        status = twi_training_phase(t, TWI_FINE_TUNE, err);
    if (status && status != TW_EDIVERGED)
        return status;
    bool is_better = !status && twi_training_is_tuned(t);
    if (!is_better) {
        twi_note(t->tw, "fine-tuning did not better the %s (%.4f, was %.4f): the head's model is kept",
                 twi_training_monitor(t), t->history[TWI_FINE_TUNE].best, t->history[TWI_HEAD].best);
        tw_status back = take_back(t, err);
        return status ? status : back;
    }
    status = save_model(t, err);
    return status ? status : twi_training_evaluate(t, err);
}

static tw_status train_phases(training *t, tw_err *err)
{
    tw_shape out = twi_model_shape(t->classifier.model, t->classifier.model->outputs.at[0]);
    t->answers = twi_new(t->photos.at.n * (size_t)twi_shape_last(&out), sizeof *t->answers, "answers", err);
    if (!t->answers)
        return TW_ENOMEM;
    tw_status status = twi_training_phase(t, TWI_HEAD, err);
    if (status && status != TW_EDIVERGED)
        return status;
    tw_status saved = save_model(t, err);
    if (!status && !saved)
        status = twi_training_evaluate(t, err);
    if (!status && !saved && t->o->fine_tune > 0 && !t->is_interrupted)
        status = fine_tune(t, err);
    return status ? status : saved;
}

// ------------------------------------------------------------------------------------------------------------------ job

static tw_status run(training *t, tw_err *err)
{
    bool is_finished = false;
    tw_status status = find_photos(t, err);
    if (!status)
        status = read_settings(t, err);
    if (!status)
        status = build_classifier(t, err);
    if (!status)
        status = twi_training_check_memory(t, err);
    if (!status)
        status = open_cache_dir(t, err);
    if (!status)
        status = open_run(t, &is_finished, err);
    if (status || is_finished)
        return status;
    status = train_phases(t, err);
    t->is_diverged = status == TW_EDIVERGED;
    // What was learned before a divergence or a stop is written too; the error, if any, stays.
    if (!status || status == TW_EDIVERGED) {
        tw_err ignored = {0};
        tw_status finished = twi_training_finish(t, status ? &ignored : err);
        status = status ? status : finished;
    }
    if (!status && t->is_interrupted)
        status = twi_fail(err, TW_ECANCELLED,
                          "stopped; the best model so far is %s/model.keras\n"
                          "go on  with the same command and --resume --output-dir %s",
                          t->dir, t->dir);
    return status;
}

static void clear(training *t)
{
    twi_training_close_phase(t);
    for (int i = 0; i < TWI_PHASES; i++)
        twi_history_clear(&t->history[i]);
    twi_evaluation_clear(&t->val);
    twi_evaluation_clear(&t->test);
    twi_photos_clear(&t->photos);
    twi_classifier_clear(&t->classifier);
    twi_training_clear_plan(t);
    json_decref(t->rates);
    for (int i = 0; i < TWI_PHASES; i++)
        json_decref(t->batches[i]);
    twi_tuning_close(&t->tuning);
    json_decref(t->schedule_drawn);
    json_decref(t->dropped);
    json_decref(t->readings);
    twi_str_clear(&t->reading);
    twi_tfevents_close(t->events);
    twi_free(t->class_weight);
    twi_free(t->answers);
    twi_free(t->cache_dir);
    twi_free(t->dir);
}

tw_status twi_job_train(tw_context *tw, const tw_train_options *o, tw_err *err)
{
    tw_err own = {0}; // later steps look at the first error, so there must be a place for it
    training t = {.tw = tw, .o = o, .threads = twi_threads(tw, o->threads), .began = twi_seconds()};
    tw_status status = run(&t, &own);
    clear(&t);
    if (own.status && err && !err->status)
        *err = own;
    return own.status ? own.status : status;
}
