// topwork summary: the layers of a model as Keras's model.summary() prints them.

#include "graph/summary.h"

#include "base/source.h"
#include "job/job.h"
#include "job/open.h"
#include "report/drawing.h"

static tw_model *open_model(const tw_summary_options *o, tw_err *err)
{
    if (!twi_is_architecture(o->model)) {
        twi_load_options loading = {0};
        twi_load_report report = {0};
        tw_model *m = twi_open_file(o->model, &loading, &report, err);
        twi_load_report_clear(&report);
        tw_shape shape = {.rank = o->input_shape.rank + 1, .dim = {-1}};
        for (int i = 0; i < o->input_shape.rank && i + 1 < TW_RANK_MAX; i++)
            shape.dim[i + 1] = o->input_shape.dim[i];
        if (m && o->input_shape.rank && twi_model_resize(m, 1, &shape, err)) {
            twi_model_free(m);
            m = NULL;
        }
        return m;
    }
    twi_zoo_options zoo = {.has_top = !o->no_top,
                           .input = o->input_shape,
                           .pooling = o->pooling,
                           .classes = o->classes,
                           .is_random = o->weights && twi_str_same(o->weights, "none")};
    if (o->weights && !zoo.is_random)
        return twi_open_architecture(o->model, &zoo, o->weights, NULL, 1, NULL, NULL, err);
    // Counts and shapes need no weights, so none are drawn.
    return twi_zoo_build(o->model, &zoo, err);
}

// dropped (twi_free): names of the layers a cut left out, joined by ", "; or NULL.
static tw_model *prepare(const tw_summary_options *o, char **dropped, tw_err *err)
{
    tw_model *m = open_model(o, err);
    if (m && o->cut) {
        tw_model *part = twi_model_cut(m, o->cut, dropped, err);
        twi_model_free(m);
        m = part;
    }
    if (m && o->freeze && twi_model_freeze(m, o->freeze, err)) {
        twi_model_free(m);
        m = NULL;
    }
    return m;
}

static tw_status print_json(tw_context *tw, const tw_model *m, tw_err *err)
{
    json_t *json = twi_summary_json(m, err);
    char *text = json ? twi_json_text(json, 2, err) : NULL;
    if (text)
        twi_print(tw, "%s\n", text);
    twi_free(text);
    json_decref(json);
    return text ? TW_OK : err->status;
}

static tw_status print_text(tw_context *tw, const tw_model *m, const tw_summary_options *o, tw_err *err)
{
    twi_summary_options options = {
        .is_keras2 = o->style == 1, .expand_nested = o->expand_nested, .show_trainable = o->show_trainable};
    twi_str text = {0};
    tw_status status = twi_summary_text(m, &options, &text, err);
    if (!status)
        twi_write(tw, text.text ? text.text : "", text.n);
    twi_str_clear(&text);
    if (!status && twi_json_bool(json_object_get(m->info, "preprocessing"), "inside", false))
        twi_note(tw, "preprocessing is inside the model: it takes pixels 0..255");
    return status;
}

static tw_status write_drawing(const tw_model *m, const tw_summary_options *o, const char *dropped,
                               tw_err *err)
{
    twi_drawing_options options = {.title = twi_is_architecture(o->model) ? NULL : twi_base_name(o->model),
                                   .cut = o->cut,
                                   .n_dropped = dropped && *dropped};
    for (const char *c = dropped; c && *c; c++)
        options.n_dropped += *c == ',';
    twi_str text = {0};
    tw_status status = twi_drawing_write(m, &options, &text, err);
    if (!status)
        status = twi_file_write(o->svg, text.text, text.n, err);
    twi_str_clear(&text);
    return status;
}

tw_status twi_job_summary(tw_context *tw, const tw_summary_options *o, tw_err *err)
{
    tw_err own = {0};
    char *dropped = NULL;
    tw_model *m = prepare(o, &dropped, &own);
    if (m && o->svg && write_drawing(m, o, dropped, &own)) {
        twi_model_free(m);
        m = NULL;
    }
    twi_free(dropped);
    if (m && o->format == TW_FORMAT_JSON)
        print_json(tw, m, &own);
    else if (m)
        print_text(tw, m, o, &own);
    twi_model_free(m);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
