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

// ------------------------------------------------------------------------------------------------------- weights alone

typedef struct arrays {
    twi_str rows;
    json_t *list;
    int64_t n, values;
} arrays;

static tw_status add_array(void *self, const char *name, const tw_shape *shape, tw_err *err)
{
    arrays *a = self;
    char text[TWI_SHAPE_TEXT];
    json_t *sizes = json_array();
    for (int i = 0; i < shape->rank; i++)
        json_array_append_new(sizes, json_integer(shape->dim[i]));
    if (json_array_append_new(a->list, json_pack("{ss so}", "name", name, "shape", sizes)))
        return twi_fail_memory(err, 0, "a list of arrays");
    twi_str_printf(&a->rows, "%-48s %s\n", name, twi_shape_text(shape, text));
    a->n++;
    a->values += twi_shape_count(shape);
    return a->rows.failed ? twi_fail_memory(err, 0, "a list of arrays") : TW_OK;
}

static tw_status print_arrays(tw_context *tw, const tw_summary_options *o, const twi_format *f, arrays *a,
                              tw_err *err)
{
    char count[32], values[32];
    const char *name = twi_base_name(o->model);
    if (o->format == TW_FORMAT_JSON) {
        json_t *json = json_pack("{ss ss ss sO s{sI}}", "name", name, "holds", "weights", "format", f->name,
                                 "arrays", a->list, "params", "total", (json_int_t)a->values);
        char *text = json ? twi_json_text(json, 2, err) : NULL;
        if (text)
            twi_print(tw, "%s\n", text);
        json_decref(json);
        twi_free(text);
        return text ? TW_OK : TW_ENOMEM;
    }
    twi_print(tw, "%s: %s, weights only: %s arrays, %s numbers\n\n", name, f->doc,
              twi_str_thousands(count, sizeof count, a->n),
              twi_str_thousands(values, sizeof values, a->values));
    twi_write(tw, a->rows.text ? a->rows.text : "", a->rows.n);
    twi_note(tw, "it holds no layers: topwork convert %s OUT.keras --model NAME loads it into a network",
             name);
    return TW_OK;
}

// A file of weights without a network: what it holds. *is_listed: it was one, and nothing was asked that needs layers.
static tw_status list_weights(tw_context *tw, const tw_summary_options *o, bool *is_listed, tw_err *err)
{
    twi_source source;
    bool wants_layers = o->svg || o->cut || o->freeze || o->weights || o->style == 1 || o->input_shape.rank;
    *is_listed = false;
    if (wants_layers || twi_is_architecture(o->model) || twi_source_open(&source, o->model, NULL))
        return TW_OK;
    tw_err ignored = {0};
    const twi_format *f = twi_format_of(&source, &ignored);
    arrays a = {.list = json_array()};
    tw_status status = TW_OK;
    *is_listed = f && f->list && !f->read_model;
    if (*is_listed)
        status = f->list(&source, add_array, &a, err);
    if (*is_listed && !status)
        status = print_arrays(tw, o, f, &a, err);
    twi_source_close(&source);
    twi_str_clear(&a.rows);
    json_decref(a.list);
    return status;
}

tw_status twi_job_summary(tw_context *tw, const tw_summary_options *o, tw_err *err)
{
    tw_err own = {0};
    char *dropped = NULL;
    bool is_listed;
    list_weights(tw, o, &is_listed, &own);
    tw_model *m = is_listed || own.status ? NULL : prepare(o, &dropped, &own);
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
