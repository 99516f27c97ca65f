// Staging: arrays wait in buffers of their own until all of them fitted. See parts.h.
//
// A weight without data adopts its buffer, so that loading into a fresh model costs the model and nothing more; a weight
// that has data keeps its address (plans may hold it) and receives a copy.

#include "format/parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *twi_layer_title(const twi_layer *layer, char *buf, size_t size)
{
    int n = snprintf(buf, size, "%s '%s'", layer->kind->name, layer->name ? layer->name : "");
    for (int i = 0; i < n && (size_t)i < size && buf[i] != ' '; i++)
        buf[i] = (char)tolower((unsigned char)buf[i]);
    return buf;
}

bool twi_layer_has_weights(const twi_layer *layer)
{
    bool has = layer->n_weights > 0;
    for (size_t i = 0; !has && layer->nested && i < layer->nested->layers.n; i++)
        has = twi_layer_has_weights(layer->nested->layers.at[i]);
    return has;
}

void twi_list_add(twi_str *list, const char *name)
{
    twi_str_printf(list, "%s%s", list->n ? ", " : "", name);
}

void twi_stage_begin(twi_stage *s, const char *path, const twi_load_options *o, twi_load_report *report)
{
    *s = (twi_stage){.file = twi_base_name(path), .o = o, .report = report};
}

void twi_stage_note(twi_stage *s, const char *name, const char *fmt, ...)
{
    if (s->o && s->o->skip_mismatch) {
        if (s->report)
            twi_list_add(&s->report->skipped, name);
        return;
    }
    // One message holds a few; the rest is counted.
    if (s->n_failures++ >= 3)
        return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    twi_str_printf(&s->failures, "%s%s", s->failures.n ? "\n" : "", text);
}

bool twi_stage_has(const twi_stage *s, const twi_weight *w)
{
    for (size_t i = s->arrays.n; i-- > 0;)
        if (s->arrays.at[i].weight == w)
            return true;
    return false;
}

// A buffer for the weight if `found` fits; *data stays NULL when it does not, which is noted.
static tw_status make_room(twi_stage *s, const twi_layer *layer, twi_weight *w, const tw_shape *found,
                           float **data, tw_err *err)
{
    char title[192], a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
    twi_layer_title(layer, title, sizeof title);
    if (!twi_shape_same(found, &w->shape)) {
        char name[192];
        snprintf(name, sizeof name, "%.150s/%.30s", layer->name, w->name);
        twi_stage_note(s, name, "%s: %s has shape %s in %s, expected %s", title, w->name,
                       twi_shape_text(found, a), s->file, twi_shape_text(&w->shape, b));
        return TW_OK;
    }
    int64_t n = twi_shape_count(&w->shape);
    *data = n < 0 ? NULL : twi_new_aligned((size_t)n, sizeof **data, w->name, err);
    if (!*data)
        return twi_fail(err, TW_ENOMEM, "%s: %s is too large", title, w->name);
    if (!twi_vec_push(&s->arrays, ((twi_staged){w, *data}), err)) {
        twi_free(*data);
        return TW_ENOMEM;
    }
    return TW_OK;
}

tw_status twi_stage_read(twi_stage *s, const twi_layer *layer, twi_weight *w, twi_hdf5 *file,
                         twi_hdf5_object dataset, tw_err *err)
{
    twi_hdf5_data info;
    float *data = NULL;
    tw_status status = twi_hdf5_data_of(file, dataset, &info, err);
    if (!status)
        status = make_room(s, layer, w, &info.shape, &data, err);
    return status || !data ? status : twi_hdf5_read_f32(file, dataset, data, err);
}

tw_status twi_stage_copy(twi_stage *s, const twi_layer *layer, twi_weight *w, const tw_shape *shape,
                         const float *values, tw_err *err)
{
    float *data = NULL;
    tw_status status = make_room(s, layer, w, shape, &data, err);
    if (!status && data)
        memcpy(data, values, (size_t)twi_shape_count(shape) * sizeof *data);
    return status;
}

static void commit(twi_stage *s)
{
    for (size_t i = 0; i < s->arrays.n; i++) {
        twi_weight *w = s->arrays.at[i].weight;
        if (w->data) {
            memcpy(w->data, s->arrays.at[i].data, (size_t)twi_shape_count(&w->shape) * sizeof *w->data);
        } else {
            w->data = s->arrays.at[i].data;
            s->arrays.at[i].data = NULL;
        }
        w->is_set = true;
        w->is_drawn = false;
        w->version++;
        if (s->report)
            s->report->n_loaded++;
    }
}

tw_status twi_stage_finish(twi_stage *s, tw_status status, tw_err *err)
{
    if (!status && s->n_failures > 3)
        twi_str_printf(&s->failures, "\nand %d more", s->n_failures - 3);
    if (!status && s->n_failures)
        status = twi_fail_at(err, TW_EUNUSABLE, s->file, -1, "%s",
                             s->failures.text ? s->failures.text : "the weights do not fit");
    if (!status)
        commit(s);
    for (size_t i = 0; i < s->arrays.n; i++)
        twi_free(s->arrays.at[i].data);
    twi_vec_clear(&s->arrays);
    twi_str_clear(&s->failures);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- listing

enum { DEPTH_MAX = 64 };

typedef struct listing {
    twi_hdf5 *file;
    twi_array_visitor visit;
    void *self;
    tw_err *err;
} listing;

static tw_status list_group(const listing *l, twi_hdf5_object group, const char *path, int depth)
{
    twi_hdf5_texts names = {0};
    tw_status status = depth > DEPTH_MAX
                           ? twi_fail(l->err, TW_EMALFORMED, "'%.100s': groups are nested too deep", path)
                           : twi_hdf5_members(l->file, group, &names, l->err);
    for (size_t i = 0; !status && i < names.n; i++) {
        twi_hdf5_object at = 0;
        twi_hdf5_data info;
        twi_str name = {0};
        twi_str_printf(&name, "%s%s%s", path, *path ? "/" : "", names.at[i]);
        status = name.failed ? twi_fail_memory(l->err, 0, "a name")
                             : twi_hdf5_find(l->file, group, names.at[i], &at, l->err);
        if (!status && at && twi_hdf5_is_group(l->file, at))
            status = list_group(l, at, name.text, depth + 1);
        else if (!status && at && !(status = twi_hdf5_data_of(l->file, at, &info, l->err)))
            status = l->visit(l->self, name.text, &info.shape, l->err);
        twi_str_clear(&name);
    }
    twi_hdf5_texts_clear(&names);
    return status;
}

tw_status twi_hdf5_list(twi_source *source, twi_array_visitor visit, void *self, tw_err *err)
{
    listing l = {.file = twi_hdf5_open(source, err), .visit = visit, .self = self, .err = err};
    tw_status status = l.file ? list_group(&l, twi_hdf5_root(l.file), "", 0) : TW_EMALFORMED;
    twi_hdf5_close(l.file);
    return status;
}
